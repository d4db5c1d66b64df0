"""Completion in zsh and fish, by the shells themselves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

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
    ],
)
def test_fish_offers_what_may_follow(tmp_path: Path, words: str, expected: set[str]) -> None:
    """Fish says by itself what it would complete."""
    command = ["fish", "--no-config", "-c", f"source {script(tmp_path, 'fish')}; complete -C '{words}'"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=HANG_S, check=True)
    assert {line.split("\t")[0] for line in ended.stdout.splitlines()} == expected


def test_zsh_offers_what_may_follow(tmp_path: Path) -> None:
    """A zsh in a terminal of its own lists the actions of ``aico db`` with their help."""
    command = ["zsh", "-f", "-c", ZSH, "zsh", str(script(tmp_path, "zsh"))]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=HANG_S, check=True)
    for word in ("backup", "check", "restore"):
        assert word in ended.stdout
    assert "add up every account" in ended.stdout
