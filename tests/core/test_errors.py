"""The tree of errors is closed, documented and complete."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from aico.core import errors
from aico.core.errors import LedgerError, ObserverError, RequestRefused, SessionsError, SourceError

GROUPS = {ObserverError, SourceError, LedgerError, SessionsError, RequestRefused}
"""Never raised themselves; they have no code of their own."""


INVENTED = errors.OriginName("invented", "log", "Invented log")
"""A place of a tool that nobody has classes of errors for."""


def list_tree(root: type[ObserverError]) -> list[type[ObserverError]]:
    """Return ``root`` and everything below it."""
    below = (found for child in root.__subclasses__() for found in list_tree(child))
    return list(dict.fromkeys([root, *below]))


def draw_tree(root: type[ObserverError], lead: str = "") -> list[str]:
    """Return the lines of the tree as the module's docstring draws it."""
    children = [child for child in root.__subclasses__() if child.__bases__[0] is root]
    lines: list[str] = []
    for position, child in enumerate(children, start=1):
        is_last = position == len(children)
        lines.append(f"{lead}{'└── ' if is_last else '├── '}{child.__name__}")
        lines += draw_tree(child, lead + ("    " if is_last else "│   "))
    return lines


def test_error_has_a_code_of_its_own() -> None:
    """Two errors that a caller must tell apart have two codes."""
    counts = Counter(error.code for error in list_tree(ObserverError) if error not in GROUPS)
    assert [code for code, count in counts.items() if count > 1 or code == ObserverError.code] == []
    assert all(re.fullmatch(r"[a-z]+(_[a-z0-9]+)*", code) for code in counts)


def test_error_says_what_to_do_and_what_it_is() -> None:
    """Every error that can be raised has its own hint and docstring."""
    raised = [error for error in list_tree(ObserverError) if error not in GROUPS]
    assert [error for error in raised if error.hint == ObserverError.hint or not error.hint.endswith(".")] == []
    assert [error for error in raised if not error.__doc__] == []


def test_error_stands_in_the_tree_of_the_docstring() -> None:
    """The drawing at the head of the module shows exactly the classes that there are."""
    drawn = [
        re.sub(r"(\w+) .*", r"\1", line.removeprefix("    "))
        for line in (errors.__doc__ or "").splitlines()
        if "── " in line
    ]
    assert drawn == draw_tree(ObserverError)


SENTENCES: dict[ObserverError, str] = {
    errors.SettingsError("port", "is odd"): "Setting port: is odd.",
    errors.SettingFixed("budgets.a"): "This is decided by budgets.a.",
    errors.BudgetUnknown(): "There is no budget of this name.",
    errors.PlanUnknown(): "There is no plan of this source.",
    errors.WebhookMissing(): "There is no webhook.",
    errors.LedgerPathRefused("a link"): "The ledger is refused: a link.",
    errors.LedgerNotFound("/x"): "There is no ledger at /x.",
    errors.LedgerTooLarge(8, 9): "The ledger has 9 bytes; the limit is 8.",
    errors.LedgerFormat("no array"): "Not a known ledger: no array.",
    errors.LedgerUnstable(6): "The ledger was still changing after 6 attempts.",
    errors.LedgerUnreadable("EACCES"): "The ledger cannot be read: EACCES.",
    errors.SessionsPathRefused("it is a link"): "The session store is refused: it is a link.",
    errors.SessionsNotFound("/x"): "There is no session store at /x.",
    errors.SessionsTooLarge(8): "The session store exceeds 8 bytes.",
    errors.SessionsFormat("no table"): "Not a known session store: no table.",
    errors.SessionsBusy(): "The session store was being written during every attempt.",
    errors.SessionsUnreadable("EACCES"): "The session store cannot be read: EACCES.",
    errors.SourcePathRefused("it is a link", of=INVENTED): "The Invented log is refused: it is a link.",
    errors.SourceNotFound("/x", of=INVENTED): "There is no Invented log at /x.",
    errors.SourceTooLarge(8, 9, of=INVENTED): "The Invented log has 9 bytes; the limit is 8.",
    errors.SourceFormat("it is empty", of=INVENTED): "Not a known Invented log: it is empty.",
    errors.SourceUnstable(6, of=INVENTED): "The Invented log was still changing after 6 attempts.",
    errors.SourceUnreadable("EIO", of=INVENTED): "The Invented log cannot be read: EIO.",
    errors.StorageError("SQLITE_FULL"): "The database failed: SQLITE_FULL.",
    errors.StorageBusy("its lock is held"): "The database failed: its lock is held.",
    errors.StorageAbsent("/x"): "There is no database at /x yet.",
    errors.StorageForeign(): "The database belongs to another program.",
    errors.BackupUnusable("/x", "it is damaged"): "/x cannot be restored: it is damaged.",
    errors.StorageNewer(): "The database was written by a newer version of this program.",
    errors.StorageOlder(): "The database was written by an older version of this program.",
    errors.InstanceRunning(7, "http://h"): "AI Cost Observer already runs at http://h (process 7).",
    errors.InstanceRunning(None, None): "AI Cost Observer already runs.",
    errors.ServiceUnreachable("http://h"): "The running service at http://h does not answer.",
    errors.ServiceRefusal("a_code", "It is so.", "Do this."): "It is so. [a_code] Do this.",
    errors.OutputFailed("/x", "it is there already"): "/x cannot be written: it is there already.",
    errors.SupervisorRefused("launchd", "no such\nthing."): "launchd: no such thing.",
    errors.PortTaken("127.0.0.1", 80): "Port 80 of 127.0.0.1 is taken by another program.",
    errors.RequestMalformed(): "This is no valid HTTP request.",
    errors.RequestTimeout(10.0): "The request was not complete within 10 s.",
    errors.HeadTooLarge(32_768): "The address and headers of the request exceed 32768 bytes.",
    errors.RequestInvalid("tz", "is unknown"): "tz: is unknown.",
    errors.PairingRequired(): "This browser is not paired.",
    errors.PairingUnknown(): "There is no pairing of this number.",
    errors.ReportsTooMany(): "Too many reports.",
    errors.TokenRequired(): "This service asks for its token.",
    errors.TokenRequired(is_set=False): (
        "A caller on another machine, also through a proxy or a tunnel, needs a token, and none is set."
    ),
    errors.OriginRefused(): "Web pages of this origin may not call this service.",
    errors.CallerRefused(): "A program on another machine may not change switches and names.",
    errors.OriginRefused(is_own_only=True): (
        "Switches and labels are changed by the service's own page or by a program of this machine only."
    ),
    errors.HostRefused("is missing"): "The Host header is missing.",
    errors.BodyTooLarge(5): "The request body exceeds 5 bytes.",
    errors.TooManyConnections(3): "All 3 connections are in use.",
    errors.SourceUnknown("x"): "There is no source or origin of this name.",
    errors.SourceFixed("Codex", "AICO_SOURCES"): "Whether Codex is read is decided by AICO_SOURCES.",
    errors.SourceOff("Codex"): "Codex is not read.",
    errors.SourceOff("Codex", "AICO_SOURCES"): "Codex is not read.",
    errors.PriceUnknown(): "There is no own price of this name and day.",
    errors.PriceFixed("what m costs"): "The configuration file decides what m costs.",
    errors.SessionUnknown(): "There is no session of this id.",
    errors.RouteNotFound(): "There is nothing at this address.",
    errors.MethodNotAllowed(): "This address does not take this method.",
}


@pytest.mark.parametrize("error", SENTENCES, ids=lambda error: type(error).__name__)
def test_error_builds_its_own_sentence(error: ObserverError) -> None:
    """The caller that raises it hands in facts; the words are the error's."""
    assert str(error) == SENTENCES[error]


def test_error_of_one_of_several_places_names_it_once() -> None:
    """A sentence about one of several files says which one, also where it holds the path already."""
    name = errors.SourceErrors(INVENTED).at("/x").name
    assert str(errors.SourceFormat("it is empty", of=name)) == "Not a known Invented log /x: it is empty."
    assert str(errors.SourceNotFound("/x", of=name)) == "There is no Invented log at /x."


def test_error_is_never_forgotten_here() -> None:
    """Every error that can be raised has its sentence above."""
    assert {type(error) for error in SENTENCES} == set(list_tree(ObserverError)) - GROUPS


@pytest.mark.parametrize("error", SENTENCES, ids=lambda error: type(error).__name__)
def test_error_of_a_source_says_whose_it_is(error: ObserverError) -> None:
    """Source and origin stand on the error: those that its raiser names, or those of its class."""
    if isinstance(error, SourceError):
        named = (error.source, error.origin)
        own = {LedgerError: ("cline", "ledger"), SessionsError: ("cline", "sessions")}
        assert named == next((name for kind, name in own.items() if isinstance(error, kind)), INVENTED[:2])


def test_own_error_of_an_origin_is_the_general_one_with_another_code() -> None:
    """Every origin's own class answers a question for the general reason, or its properties."""
    error = errors.SessionsBusy()
    assert isinstance(error, errors.SourceUnstable)
    assert (errors.LedgerNotFound.is_absent, errors.LedgerFormat.is_final) == (True, True)
    assert {errors.SourceUnstable.code, errors.LedgerUnstable.code, error.code} == {
        "source_unstable",
        "ledger_unstable",
        "sessions_busy",
    }
