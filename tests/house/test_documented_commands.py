"""Every command that a document shows is run, or is said here why not.

Not run for real, but by stand-ins that note the call: whatever needs the network or changes the machine (pipx, uv, pip,
git, docker), and systemd, launchd and loginctl, which a test must not touch. Not run, but known to the Makefile: its
targets, which set up environments and run these very tests. Not run, but understood by our own parser: ``aico serve``
and ``aico demo``, which end only when told; ``tests/e2e`` and ``tests/cli`` run them.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from aico.cli import EXIT_OK, main
from aico.cli.words import build_parser
from aico.core.activity import ACTIVITY, KINDS
from aico.core.db.migrations import migrate
from aico.features.sources.registry import KNOWN
from tests.cli.fake_supervisors import FakePrograms
from tests.core.repository_on_file import copy_of_template
from tests.e2e.fake_cline_ledger import LedgerFile, entry
from tests.house.documented_commands import ROOT, Block, list_blocks, list_documents, list_spans
from tests.users_things_guard import SETTINGS_OF_USERS, default_port_taken

UNTIL_TOLD = {"serve", "demo"}
STOOD_IN = (
    "systemctl",
    "journalctl",
    "loginctl",
    "pipx",
    "uv",
    "pip",
    "git",
    "docker",
    "mkdir",
    "promtool",
    "curl",
    "ssh",
)
BLOCKS = [block for document in list_documents() for block in list_blocks(document)]
OUR_WAYS = ("aico ", ".venv/bin/aico ", "python -m aico ")
ACTIVITIES = {ACTIVITY, *(f"{ACTIVITY}.{kind}" for kind in KINDS)}


@pytest.fixture(scope="module", autouse=True)
def _service_of_the_user() -> Iterator[None]:
    """Let the user's own service, as good as any other program, have the default port: the tests do without it."""
    with default_port_taken():
        yield


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the home of a user who has a ledger, a database, and nothing but stand-ins on the PATH."""
    for name in list(os.environ):
        if name.startswith((*SETTINGS_OF_USERS, "WSL_")):
            monkeypatch.delenv(name)
    home = tmp_path.resolve() / "home"
    LedgerFile(home / ".cline/data/state/taskHistory.json").write(entry("1"))
    data = home / ".local/share/ai-cost-observer"
    data.mkdir(parents=True, mode=0o700)
    copy_of_template(data).chmod(0o600)
    programs = FakePrograms(tmp_path / "programs")
    for name in STOOD_IN:
        programs.install(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("AICO_PORT", "0")
    monkeypatch.setenv("PATH", str(programs.folder))
    monkeypatch.chdir(home)
    return home


def words_of(line: str) -> list[str]:
    """Return the words of a line as a shell hands them on."""
    return [os.path.expanduser(word) for word in shlex.split(line, comments=True)]  # noqa: PTH111  # a word, not a path


def targets() -> set[str]:
    """Return the targets of the Makefile."""
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def run_ours(arguments: list[str]) -> None:
    """Run a command of ours to its end, or, if it has none, see that it is understood."""
    options = build_parser().parse_args(arguments)
    if options.command in UNTIL_TOLD:
        return
    if options.command == "db" and options.action == "restore" and not Path(options.file).exists():
        backup = Path(options.file)
        backup.parent.mkdir(parents=True, exist_ok=True)
        backup.touch(0o600)
        migrate(backup, "0002")
    assert main(arguments) == EXIT_OK


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_commands_of_a_document_do_what_they_should(user: Path, block: Block) -> None:
    """A user who copies a block line by line gets through it."""
    for line in block.lines:
        words = words_of(line)
        if words[0] == "make":
            assert {word for word in words[1:] if "=" not in word} <= targets(), line
        elif line.startswith(OUR_WAYS):
            run_ours(words[1:] if words[0].endswith("aico") else words[3:])
        else:
            assert words[0] in STOOD_IN, f"nobody has decided how to try: {line}"
            subprocess.run(["/bin/sh", "-euc", line], check=True, capture_output=True)


def subparsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the parsers below ``parser`` by their words."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def misunderstood(span: str) -> list[str]:
    """Return the words of a mentioned command that our parser does not know."""
    words = re.sub(r"[\[\]]", " ", span).split()[1:]
    parser = build_parser()
    while words and set(words[0].split("|")) <= set(subparsers(parser)):
        parser = subparsers(parser)[words.pop(0).split("|")[0]]
    values = {choice for action in parser._actions for choice in map(str, action.choices or ())}
    known = {text for action in parser._actions for text in action.option_strings} | values | set(KNOWN) | ACTIVITIES
    plain = [word for word in words if not (word.isupper() or word in {"...", "|"})]
    return [word for word in plain if not all(part in known for part in word.split("|"))]


@pytest.mark.parametrize("document", list_documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_mentioned_in_a_document_exist(document: Path) -> None:
    """Text in backticks that begins like a command of ours or of make is one, with flags that exist."""
    for span in list_spans(document):
        if span.startswith("aico "):
            assert misunderstood(span) == [], span
        if span.startswith("make ") and re.fullmatch(r"[a-z -]+", span):
            assert span.split()[1] in targets(), span


def test_control_finds_what_does_not_exist() -> None:
    """The control: a command, an action or a flag that there is not is noticed."""
    wrong = ["aico sing", "aico serve --loud", "aico service dance", "aico service install|dance", "aico export xml"]
    assert [bool(misunderstood(span)) for span in wrong] == [True] * len(wrong)
    right = ["aico serve [--open]", "aico export [--format csv|json] [--output FILE]", "aico db backup FILE"]
    assert [misunderstood(span) for span in right] == [[]] * 3


def test_every_document_with_commands_is_tried() -> None:
    """The documents that users copy from are among those that are run."""
    assert {"README.md", "docs/running.md", "docs/upgrading.md"} <= {block.document for block in BLOCKS}
