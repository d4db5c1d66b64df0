"""The roots of tools with a home of their own, as the operator, a variable or the tool names them."""

from __future__ import annotations

from pathlib import Path

import pytest

from aico.features.sources.registry import SOURCES
from aico.features.sources.source import Roots, Surroundings

HOME = Path("/home/u")
BY_ID = {source.id: source.origins[0].places for source in SOURCES if isinstance(source.origins[0].places, Roots)}


@pytest.mark.parametrize(
    ("source", "environment", "expected"),
    [
        ("kimi-cli", {}, ("/home/u/.kimi/sessions", "default")),
        ("kimi-cli", {"KIMI_SHARE_DIR": "/x/"}, ("/x/sessions", "KIMI_SHARE_DIR")),
        ("kimi-code", {}, ("/home/u/.kimi-code/sessions", "default")),
        ("kimi-code", {"KIMI_CODE_HOME": "/y", "KIMI_SHARE_DIR": "/x"}, ("/y/sessions", "KIMI_CODE_HOME")),
        ("pi", {"PI_CODING_AGENT_DIR": " "}, ("/home/u/.pi/agent/sessions", "default")),
        ("pi", {"PI_CODING_AGENT_DIR": "~/a"}, ("/home/u/a/sessions", "PI_CODING_AGENT_DIR")),
        (
            "pi",
            {"PI_CODING_AGENT_DIR": "/a", "PI_CODING_AGENT_SESSION_DIR": "/s/"},
            ("/s", "PI_CODING_AGENT_SESSION_DIR"),
        ),
    ],
)
def test_variable_names_another_home(source: str, environment: dict[str, str], expected: tuple[str, str]) -> None:
    """An empty one names none."""
    assert BY_ID[source](Surroundings(HOME, environment)) == (expected,)


@pytest.mark.parametrize("name", ["sessions", ""])
def test_operator_names_folders_as_they_stand(name: str) -> None:
    """Only in one that is called as the tool's home is, the sessions lie deeper."""
    named = {name: ("/mnt/.kimi", "/data/kimi/", "/mnt/.kimi/sessions")}
    places = BY_ID["kimi-cli"](Surroundings(HOME, {"KIMI_SHARE_DIR": "/x"}, named))
    assert [place.path for place in places] == ["/mnt/.kimi/sessions", "/data/kimi"]
    assert {place.chosen_by for place in places} == {"[sources.kimi-cli] roots"}
    places = BY_ID["kimi-cli"](Surroundings(HOME, {}, named, {name: "the flag"}))
    assert {place.chosen_by for place in places} == {"the flag"}
