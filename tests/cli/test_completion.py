"""``aico completion``: every word that a shell offers is one of ours, and none is missing."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from aico.cli import EXIT_OK, main
from aico.cli.completion import FILES, SHELLS, list_levels
from aico.cli.words import build_parser
from tests.cli.test_label import database
from tests.cli.test_spending import SATURDAY, fill, spent
from tests.e2e.server_process import HANG_S

__all__ = ["database"]
ASK = """
source "$1"; shift; cd "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _aico; printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file that bash would read."""
    path = tmp_path_factory.mktemp("completion") / "aico.bash"
    with pytest.MonkeyPatch.context() as patch:
        written: list[str] = []
        patch.setattr("aico.cli.completion.say", lambda *lines: written.extend(lines))
        assert main(["completion", "bash"]) == EXIT_OK
    path.write_text("\n".join(written) + "\n", encoding="utf-8")
    return path


def offered(script: Path, folder: Path, *words: str, aico: str = "aico") -> set[str]:
    """Return what bash offers behind ``words``, the last of which is being typed."""
    command = ["bash", "--norc", "-c", ASK, "bash", str(script), str(folder), aico, *words]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=HANG_S, check=True)
    assert ended.stderr == ""
    return set(ended.stdout.split())


def test_bash_offers_what_may_follow(script: Path, tmp_path: Path) -> None:
    """Commands, actions, values, names of tools, and names of files."""
    (tmp_path / "usage.csv").touch()
    for words, expected in (
        (("st",), {"status", "statusline"}),
        (("db", ""), {"backup", "restore", "check", "--help"}),
        (("export", "--format", ""), {"csv", "json", "ndjson"}),
        (("sources", "on", "cl"), {"cline", "claude-code"}),
        (("report", "--source", "kim"), {"kimi-cli", "kimi-code"}),
        (("export", "--output", "us"), {"usage.csv"}),
        (("serve", "--port", ""), set()),
        (("report", "--by", "s"), {"source", "session"}),
        (("report", "--by", "day,s"), {"day,source", "day,session"}),
        (("today", "--by", "day,source,m"), {"day,source,model"}),
    ):
        assert offered(script, tmp_path, *words) == expected, words


AICO = str(Path(sys.executable).with_name("aico"))


def test_ids_of_sessions_are_offered_newest_first(
    script: Path, tmp_path: Path, database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are those that may be labelled, with what a person knows them by; an agent and an odd id are left out."""
    odd = [spent(7, SATURDAY, 1)._replace(session="$(touch x)"), spent(8, SATURDAY, 1)._replace(session="se ven")]
    fill(database, [("codex", [spent(5, SATURDAY + timedelta(hours=1), 1)._replace(session="s-new"), *odd])])
    assert main(["label", "s1", "Parser 日本"]) == EXIT_OK
    capsys.readouterr()
    assert main(["completion", "sessions"]) == EXIT_OK
    told = dict(line.split("\t") for line in capsys.readouterr().out.splitlines())
    assert list(told) == ["s-new", "s0", "s1"]
    assert told["s1"].startswith("claude-code, ")
    assert told["s1"].endswith(", Parser 日本")
    assert main(["completion", "sessions", "s-"]) == EXIT_OK
    assert capsys.readouterr().out.startswith("s-new\tcodex, ")
    assert offered(script, tmp_path, "label", "s", aico=AICO) == {"s-new", "s0", "s1"}
    assert "--source" in offered(script, tmp_path, "label", "--", aico=AICO)
    assert "s0" not in offered(script, tmp_path, "label", "s0", "", aico=AICO)


def test_no_ids_are_offered_where_nothing_can_be_read(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is said in the middle of what is typed."""
    database.unlink()
    assert main(["completion", "sessions"]) == EXIT_OK
    assert capsys.readouterr() == ("", "")


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield a parser and those below it."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield from parsers(each)


def test_every_option_is_explained() -> None:
    """A word without help is one that nobody can look up; words for completion alone are hidden on purpose."""
    levels = list(parsers(build_parser()))
    lacking = [(level.prog, action.dest) for level in levels for action in level._actions if not action.help]
    assert [each for each in lacking if each[1] not in {"command", "action"}] == []
    for level in levels:
        for action in level._actions:
            if isinstance(action, argparse._SubParsersAction):
                assert {each.dest for each in action._choices_actions if each.help} == set(action.choices), level.prog


@pytest.mark.parametrize("shell", SHELLS)
def test_script_holds_every_word(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every shell offers every word of the parser."""
    assert main(["completion", shell]) == EXIT_OK
    script = capsys.readouterr().out
    levels = list(list_levels(build_parser()))
    assert len(levels) == len(list(parsers(build_parser())))
    for level in levels:
        for word in level.words.keys() - {FILES}:
            assert word.removeprefix("--") in script, (level.path, word)
