"""``aico`` as a process of its own with something changed in it before it starts."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from tests.e2e.server_process import ServerProcess

VISIBLE = """
from aico.cli import hardening
hardening._forbid_dumps = lambda: None
"""
"""Lets its own user look into the service's memory, which the service forbids."""
BUG_IN_THE_PARSER = """
from aico.features.sources.cline.ledger import LedgerParser
def bug(self, buffer):
    held = memoryview(buffer)[:100_000]
    return held["no such key"]
LedgerParser.cut = LedgerParser._parse = bug
"""
"""Lets every import fail in the middle of the bytes, with whatever its frames hold."""
BUG_IN_THE_DATABASES = """
from aico.features.sources.cline import hub, sessions
def bug(row, judge):
    held = row
    return held["no such key"]
hub._judge_row = sessions._judge_row = bug
"""
"""Lets every reading of Cline's databases fail, with the rows in its frames."""
_RUN = """
import sys
from aico.cli import main
sys.exit(main(sys.argv[1:]))
"""


class PatchedServer(ServerProcess):
    """A serving ``aico`` in which ``changes`` were executed first."""

    def __init__(self, folder: Path, settings: Mapping[str, str], *changes: str) -> None:
        super().__init__(folder, settings)
        self._command = [sys.executable, "-c", "".join([*changes, _RUN]), "serve"]
