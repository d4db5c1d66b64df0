"""The places in which transcripts are looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from aico.core.settings import load_settings
from aico.features.sources.claude_code import SOURCE
from aico.features.sources.claude_code.places import choose_roots
from aico.features.sources.source import Surroundings
from aico.services.source_choices import surroundings_of

HOME = Path("/home/dev")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", ["/home/dev/.config/claude/projects", "/home/dev/.claude/projects"]),
        (" , ", ["/home/dev/.config/claude/projects", "/home/dev/.claude/projects"]),
        ("/a", ["/a/projects"]),
        ("/a/, /b ,/a,/c/projects", ["/a/projects", "/b/projects", "/c/projects"]),
    ],
)
def test_variable_names_folders_in_the_stead_of_the_usual_ones(value: str, expected: list[str]) -> None:
    """Several, divided by commas, each once; in each the transcripts are below one folder."""
    places = choose_roots(Surroundings(HOME, {"CLAUDE_CONFIG_DIR": value}))
    assert [place.path for place in places] == expected
    assert {place.chosen_by for place in places} == {"CLAUDE_CONFIG_DIR" if value.strip(" ,") else "default"}


def test_configured_folders_replace_all_others() -> None:
    """A folder of Claude Code's, or one of transcripts, as it was copied from somewhere."""
    named = ("/real/transcripts", "/backup/projects/", "/other/.claude", "/other/.config/claude/")
    around = Surroundings(HOME, {"CLAUDE_CONFIG_DIR": "/a"}, {"": named})
    assert [(place.path, place.chosen_by) for place in choose_roots(around)] == [
        ("/real/transcripts", "[sources.claude-code] roots"),
        ("/backup/projects", "[sources.claude-code] roots"),
        ("/other/.claude/projects", "[sources.claude-code] roots"),
        ("/other/.config/claude/projects", "[sources.claude-code] roots"),
    ]


def test_setting_and_its_variable_name_the_roots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the whole source: it has one origin."""
    monkeypatch.setenv("AICO_SOURCES_CLAUDE_CODE_ROOTS", "/x")
    around = surroundings_of([SOURCE], load_settings({"port": 0}).settings)[SOURCE.id]
    (origin,) = SOURCE.origins
    assert [place.path for place in origin.places(around)] == ["/x"]
    assert not origin.is_on_by_default
