"""``aico completion``: every word that a shell offers is one of ours, and none is missing."""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from aico.cli import EXIT_OK, main
from aico.cli.completion import FILES, SHELLS, list_levels
from aico.cli.words import build_parser
from tests.e2e.server_process import HANG_S

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


def offered(script: Path, folder: Path, *words: str) -> set[str]:
    """Return what bash offers behind ``words``, the last of which is being typed."""
    command = ["bash", "--norc", "-c", ASK, "bash", str(script), str(folder), "aico", *words]
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
    ):
        assert offered(script, tmp_path, *words) == expected, words


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield a parser and those below it."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield from parsers(each)


@pytest.mark.parametrize("shell", SHELLS)
def test_script_holds_every_word(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever is added to the parser is offered by every shell."""
    assert main(["completion", shell]) == EXIT_OK
    script = capsys.readouterr().out
    levels = list(list_levels(build_parser()))
    assert len(levels) == len(list(parsers(build_parser())))
    for level in levels:
        for word in level.words.keys() - {FILES}:
            assert word.removeprefix("--") in script, (level.path, word)
