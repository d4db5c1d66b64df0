"""The files that supervisors read: whole, as agreed on, and with every path quoted as its format wants it."""

from __future__ import annotations

import plistlib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aico.cli.service import launchd, systemd
from aico.cli.service.plan import MARK
from aico.cli.service.program import Program, is_plain

HERE = Path(__file__).parent
GOLDEN = HERE / "golden"
HOME = "/home/ada"
USUAL = Program(
    command=(f"{HOME}/.local/share/pipx/venvs/ai-cost-observer/bin/python", "-P", "-m", "aico", "serve"),
    environment={"AICO_PORT": "9000", "CLINE_DATA_DIR": f"{HOME}/Cline data"},
    data_folder=Path(HOME, ".local/share/ai-cost-observer"),
    needs_shared_tmp=False,
)
AWKWARD = (
    "a b",
    "100%",
    "%h",
    "$HOME",
    "${HOME}",
    'say "x"',
    "it's",
    "back\\slash",
    "\\n",
    "Ünïcödé 観測",
    "a=b",
    ";",
    "&<>",
)
"""Text in paths that has a meaning to some program."""
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"')


def awkward(part: str) -> Program:
    """Return a program every path of which holds ``part``."""
    return Program(
        command=(f"/{part}/python", "-P", f"--{part}"),
        environment={"AICO_LEDGER_PATH": f"/{part}/taskHistory.json"},
        data_folder=Path("/", part),
        needs_shared_tmp=False,
    )


def texts() -> dict[str, str]:
    """Return every file of the usual program, by the name of its golden file."""
    return {
        "ai-cost-observer.service": systemd.unit_text(USUAL),
        "ai-cost-observer.plist": launchd.agent_text(USUAL, Path("/Users/ada/Library/Logs/ai-cost-observer.log")),
    }


@pytest.mark.parametrize("name", texts())
def test_file_is_the_one_agreed_on(name: str) -> None:
    """Each file equals its golden file, so that every change of it is seen."""
    assert texts()[name] == (GOLDEN / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", texts())
def test_file_carries_the_mark(name: str) -> None:
    """Uninstalling recognizes each file as ours."""
    assert MARK in texts()[name]


def unquote(text: str) -> list[str]:
    """Return the words of a line of a unit as systemd understands them. Source: systemd.syntax(7), Quoting."""
    words = []
    for word in _WORD.findall(text):
        assert not re.search(r"%(?!%)", word.replace("%%", ""))
        words.append(re.sub(r"\\(.)", r"\1", word).replace("%%", "%"))
    return words


def entry(unit: str, name: str) -> str:
    """Return the only value of ``name`` in ``unit``."""
    (value,) = re.findall(rf"^{name}=(.*)$", unit, re.MULTILINE)
    return str(value)


@given(st.one_of(st.sampled_from(AWKWARD), st.text(st.characters(exclude_characters="/\0"), min_size=1)))
def test_unit_says_every_path_as_it_is(part: str) -> None:
    """Of any text in a path, systemd reads back exactly that, and no line is added."""
    if not is_plain(part) or part in {".", ".."}:
        return
    program = awkward(part)
    unit = systemd.unit_text(program)
    assert unit.count("\n") == systemd.unit_text(awkward("x")).count("\n")
    command = unquote(entry(unit, "ExecStart"))
    assert command[-3:] == list(program.command)
    assert unquote(entry(unit, "Environment")) == [f"AICO_LEDGER_PATH=/{part}/taskHistory.json"]
    assert unquote(entry(unit, "ReadWritePaths")) == [f"-{program.data_folder}"]


def test_unit_expands_no_variable() -> None:
    """The colon before the command tells systemd to take ``$`` for itself."""
    assert entry(systemd.unit_text(awkward("$HOME")), "ExecStart").startswith(':"/$HOME/python" ')


@pytest.mark.parametrize("part", ['a"b', "a'b", "a\\b"])
def test_unit_starts_a_program_whose_own_path_holds_quotes(part: str) -> None:
    """No such path of a program is taken by systemd; a shell takes it as an argument."""
    command = unquote(entry(systemd.unit_text(awkward(part)), "ExecStart"))
    assert command == ["/bin/sh", "-c", 'exec "$0" "$@"', f"/{part}/python", "-P", f"--{part}"]


@given(st.one_of(st.sampled_from(AWKWARD), st.text(st.characters(exclude_characters="/\0"), min_size=1)))
def test_agent_says_every_path_as_it_is(part: str) -> None:
    """A property list is read back value by value."""
    if not is_plain(part) or part in {".", ".."} or re.search("[\ufffe\uffff]", part):
        return
    program = awkward(part)
    read = plistlib.loads(launchd.agent_text(program, Path("/log")).encode())
    assert read["ProgramArguments"] == list(program.command)
    assert read["EnvironmentVariables"] == program.environment


def test_agent_starts_again_only_after_a_failure() -> None:
    """A service that a user ended stays ended; one that fails is started again, at most once a minute."""
    read = plistlib.loads(texts()["ai-cost-observer.plist"].encode())
    assert (read["RunAtLoad"], read["KeepAlive"], read["ThrottleInterval"]) == (True, {"SuccessfulExit": False}, 60)
    assert (read["Label"], read["Umask"]) == ("ai-cost-observer", 0o077)
