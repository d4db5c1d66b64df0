"""Stand-ins for systemctl, launchctl and the programs of Windows: real processes that note what they are asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_NOTE = """#!/bin/sh
{{ printf '%s' '{name}'; for word; do printf '\\037%s' "$word"; done; printf '\\n'; }} >> '{log}'
"""


@dataclass(frozen=True, slots=True)
class FakePrograms:
    """A folder for the PATH. A program answers by what its arguments hold; what nothing is known of succeeds."""

    folder: Path

    @property
    def log(self) -> Path:
        """One line per call."""
        return self.folder / "calls"

    def install(self, name: str, answers: Mapping[str, tuple[int, str, str]] | None = None) -> None:
        """Put ``name`` on the PATH: part of its arguments to exit code, standard output and standard error."""
        self.folder.mkdir(exist_ok=True)
        cases = "".join(
            f"case \"$*\" in *'{words}'*) printf '%s' '{said}'; printf '%s' '{complained}' >&2; exit {code};; esac\n"
            for words, (code, said, complained) in (answers or {}).items()
        )
        program = self.folder / name
        program.write_text(_NOTE.format(name=name, log=self.log) + cases, encoding="utf-8")
        program.chmod(0o755)

    def calls(self) -> list[list[str]]:
        """Return every call so far, and forget them."""
        if not self.log.exists():
            return []
        lines = self.log.read_text(encoding="utf-8").splitlines()
        self.log.unlink()
        return [line.split("\037") for line in lines]
