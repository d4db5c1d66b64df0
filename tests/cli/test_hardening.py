"""The process of the service, and its traces that others could read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ASK = """
import ctypes, os, resource, sys
from aico.cli.hardening import prepare_process
prepare_process()
is_dumpable = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) if sys.platform == "linux" else 0
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
print(is_dumpable, resource.getrlimit(resource.RLIMIT_CORE)[0], oct(os.umask(0)), soft == min(hard, 65_536) or soft)
"""

IMPORT = """
import ctypes, resource, sys
from aico.cli import imports, main
def ask(_options):
    is_dumpable = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) if sys.platform == "linux" else 0
    print(is_dumpable, resource.getrlimit(resource.RLIMIT_CORE)[0])
    return 0
imports.import_once = ask
sys.argv = ["aico", "import"]
main()
"""


@pytest.mark.slow
def test_command_that_reads_the_ledger_itself_leaves_no_dump() -> None:
    """An import without the service holds the same bytes, and nobody else may have them."""
    asked = subprocess.run([sys.executable, "-c", IMPORT], cwd=ROOT, capture_output=True, text=True, check=True)
    assert asked.stdout.split() == ["0", "0"]


def test_process_leaves_no_dump_and_no_file_to_others() -> None:
    """No core file, none handed to a collecting program, nothing to attach to, private files, enough descriptors."""
    asked = subprocess.run([sys.executable, "-c", ASK], cwd=ROOT, capture_output=True, text=True, check=True)
    assert asked.stdout.split()[:3] == ["0", "0", "0o77"]
    assert asked.stdout.split()[3] == "True"
