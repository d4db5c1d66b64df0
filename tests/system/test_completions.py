"""Completion in zsh and fish, by the shells themselves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_spending import SATURDAY, fill, spent
from tests.core.repository_on_file import copy_of_template
from tests.e2e.server_process import HANG_S, ROOT

ZSH = r"""
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "autoload -Uz compinit; compinit -u -D; source '$1'; bindkey '^I' list-choices; print ready-$((40 + 2))"
zpty -r shell answer '*ready-42*'
zpty -w -n shell $'aico db \t'
zpty -r shell answer '*restore*'
print -r -- "$answer"
zpty -d shell
"""


def script(folder: Path, shell: str) -> Path:
    """Return the file that the shell reads."""
    command = [sys.executable, "-m", "aico", "completion", shell]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=HANG_S, check=True)
    path = folder / f"aico.{shell}"
    path.write_bytes(ended.stdout)
    return path


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("aico db ", {"backup", "restore", "check"}),
        ("aico export --format ", {"csv", "json", "ndjson"}),
        ("aico sources on cl", {"cline", "claude-code"}),
        ("aico st", {"status", "statusline"}),
        ("aico report --by day,so", {"day,source"}),
        ("aico report --by=s", {"--by=source", "--by=session"}),
    ],
)
def test_fish_offers_what_may_follow(tmp_path: Path, words: str, expected: set[str]) -> None:
    """Fish says by itself what it would complete."""
    command = ["fish", "--no-config", "-c", f"source {script(tmp_path, 'fish')}; complete -C '{words}'"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=HANG_S, check=True)
    assert {line.split("\t")[0] for line in ended.stdout.splitlines()} == expected


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a database with a session in it, which is the user's; our command is on the path."""
    path = copy_of_template(tmp_path.resolve())
    fill(path, [("codex", [spent(1, SATURDAY, 1)._replace(session="0e6f1c21-5a3b")])])
    monkeypatch.setenv("AICO_DATABASE_PATH", str(path))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def test_fish_offers_ids_of_sessions(known: Path) -> None:
    """They stand behind ``aico label``, each with its tool; nothing of the kind stands behind the first one."""
    program = f"source {script(known, 'fish')}; complete -C 'aico label 0'; complete -C 'aico label 0e6f1c21-5a3b 0'"
    command = ["fish", "--no-config", "-c", program]
    ended = subprocess.run(command, cwd=known, capture_output=True, text=True, timeout=HANG_S, check=True)
    [line] = ended.stdout.splitlines()
    assert line.startswith("0e6f1c21-5a3b\tcodex, ")


def test_zsh_offers_groups_and_ids_of_sessions(known: Path) -> None:
    """The second word of a list is offered as the first one, and a session with its tool."""
    for typed, expected in (("report --by day,", "project"), ("label 0", "codex, ")):
        words = ZSH.replace("aico db ", f"aico {typed}").replace("restore", expected)
        command = ["zsh", "-f", "-c", words, "zsh", str(script(known, "zsh"))]
        ended = subprocess.run(command, cwd=known, capture_output=True, text=True, timeout=HANG_S, check=True)
        assert expected in ended.stdout.replace(f"aico {typed}", "")


def test_zsh_offers_what_may_follow(tmp_path: Path) -> None:
    """A zsh in a terminal of its own lists the actions of ``aico db`` with their help."""
    command = ["zsh", "-f", "-c", ZSH, "zsh", str(script(tmp_path, "zsh"))]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=HANG_S, check=True)
    for word in ("backup", "check", "restore"):
        assert word in ended.stdout
    assert "add up every account" in ended.stdout
