"""Errors of a place that is read: one class for each reason, and those of Cline's that have own codes.

An error of a source that is not named here has the general code, and says in ``source`` and ``origin`` whose it is.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple, Self

from aico.core.errors.root import ObserverError
from aico.core.words import describe_count


class OriginName(NamedTuple):
    """The place that an error is about."""

    source: str
    """Id of the tool."""
    origin: str
    """Id of the kind of place in which the tool writes."""
    title: str
    """The place in a sentence, with the name of the tool if that is not clear: "ledger", "Claude Code log"."""
    path: str = ""
    """Which of several places of its origin it is; empty where there is one."""


class SourceError(ObserverError):
    """A place of a source could not be read; earlier imports stay."""

    is_absent: ClassVar[bool] = False
    """True when there is nothing to read (yet), which is no fault."""
    is_final: ClassVar[bool] = False
    """True when the same bytes will be refused again: reading anew waits until they change."""
    default_name: ClassVar[OriginName] = OriginName("", "", "file")
    """The place that a class of errors is about, if it belongs to one origin."""

    source: str
    """Id of the source; empty if nobody said it."""
    origin: str
    """Id of the origin; empty if nobody said it."""

    def _take(self, of: OriginName | None) -> str:
        """Take over what the error is about, and return how a sentence calls it."""
        name = of or self.default_name
        self.source, self.origin = name.source, name.origin
        return f"{name.title} {name.path}".rstrip()


class SourcePathRefused(SourceError):
    """Another path than an allowlisted one, or something else than a plain file in its place."""

    code = "source_path_refused"
    hint = (
        "Only plain files without any link on their path are read. `aico doctor` names the setting that takes the real"
        " path."
    )

    def __init__(self, reason: str, *, of: OriginName | None = None) -> None:
        super().__init__(f"The {self._take(of)} is refused: {reason}.")
        self.reason = reason


class SourceNotFound(SourceError):
    """The file, or a directory on its path, does not exist."""

    code = "source_not_found"
    hint = "The service waits for it. If the tool keeps its data elsewhere, `aico doctor` says what can be set."
    is_absent = True

    def __init__(self, path: str, *, of: OriginName | None = None) -> None:
        title = self._take(of and of._replace(path=""))
        super().__init__(f"There is no {title} at {path}.")
        self.path = path


class SourceTooLarge(SourceError):
    """Larger than ``max_ledger_bytes``."""

    code = "source_too_large"
    hint = "Raise AICO_MAX_LEDGER_BYTES if the file is genuine."

    def __init__(self, limit_bytes: int, size_bytes: int | None = None, *, of: OriginName | None = None) -> None:
        title = self._take(of)
        super().__init__(
            f"The {title} exceeds {describe_count(limit_bytes, 'byte')}."
            if size_bytes is None
            else f"The {title} has {describe_count(size_bytes, 'byte')}; the limit is {limit_bytes}."
        )
        self.limit_bytes = limit_bytes
        self.size_bytes = size_bytes


class SourceFormat(SourceError):
    """The place stands still and is not what its tool is known to write.

    ``missing`` names tables, columns or fields that it has not; nothing else of it is ever told.
    """

    code = "source_format"
    hint = "Report the version of the tool. What was imported before is kept."
    is_final = True

    def __init__(self, reason: str, missing: tuple[str, ...] = (), *, of: OriginName | None = None) -> None:
        super().__init__(f"Not a known {self._take(of)}: {reason}.")
        self.reason = reason
        self.missing = missing


class SourceUnstable(SourceError):
    """The place was being written during every attempt to read it."""

    code = "source_unstable"
    hint = "The tool is writing. Try again in a moment; the service goes on by itself."

    def __init__(self, attempts: int | None = None, *, of: OriginName | None = None) -> None:
        title = self._take(of)
        super().__init__(
            f"The {title} was being written during every attempt."
            if attempts is None
            else f"The {title} was still changing after {describe_count(attempts, 'attempt')}."
        )
        self.attempts = attempts


class SourceUnreadable(SourceError):
    """The operating system refused or failed, or the reading process failed."""

    code = "source_unreadable"
    hint = "Give the user that runs the service read access to the place and its directories."

    def __init__(self, reason: str, *, of: OriginName | None = None) -> None:
        super().__init__(f"The {self._take(of)} cannot be read: {reason}.")
        self.reason = reason


class SourceErrors(NamedTuple):
    """The errors of one origin: the general ones, unless the origin has classes of its own.

    Each is raised with its facts and ``of=errors.name``.
    """

    name: OriginName
    path_refused: type[SourcePathRefused] = SourcePathRefused
    not_found: type[SourceNotFound] = SourceNotFound
    too_large: type[SourceTooLarge] = SourceTooLarge
    format: type[SourceFormat] = SourceFormat
    unstable: type[SourceUnstable] = SourceUnstable
    unreadable: type[SourceUnreadable] = SourceUnreadable

    def at(self, path: str) -> Self:
        """Return the same for one of several places, which each sentence then names."""
        return self._replace(name=self.name._replace(path=path))


class LedgerError(SourceError):
    """The ledger could not be taken in."""

    default_name = OriginName("cline", "ledger", "ledger")


class LedgerPathRefused(LedgerError, SourcePathRefused):
    """Another path than the allowlisted one, or something else than a plain file in its place."""

    code = "ledger_path_refused"
    hint = (
        "Only the ledger that the service was started with is read: a plain file without any link on its path. Set"
        " AICO_LEDGER_PATH to the real path."
    )


class LedgerNotFound(LedgerError, SourceNotFound):
    """The file, or a directory on its path, does not exist."""

    code = "ledger_not_found"
    hint = (
        "The service waits for the file. Cline from CLI 3.0 and VS Code 4.1 on writes a session store instead, which"
        " cline_sessions = true (AICO_CLINE_SESSIONS=true) reads; `aico doctor` looks for both and names the setting."
    )


class LedgerTooLarge(LedgerError, SourceTooLarge):
    """Larger than ``max_ledger_bytes``."""

    code = "ledger_too_large"


class LedgerFormat(LedgerError, SourceFormat):
    """The file stands still and is not a JSON array in UTF-8, or an import's body is neither absent nor its path."""

    code = "ledger_format"
    hint = (
        "What was imported before is kept. If you sent a body, leave it out; if Cline itself shows its history, report"
        " the version of Cline."
    )


class LedgerUnstable(LedgerError, SourceUnstable):
    """The file was still being written after the last attempt."""

    code = "ledger_unstable"
    hint = "Cline is writing. Try again in a moment; the service goes on by itself."


class LedgerUnreadable(LedgerError, SourceUnreadable):
    """The operating system refused or failed."""

    code = "ledger_unreadable"
    hint = "Give the user that runs the service read access to the ledger and its directories."


class SessionsError(SourceError):
    """The session store could not be read."""

    default_name = OriginName("cline", "sessions", "session store")


class SessionsPathRefused(SessionsError, SourcePathRefused):
    """Something else than plain files in the place of the store."""

    code = "sessions_path_refused"
    hint = (
        "Only plain files are read that have no link on their path, no second name and the owner of their folder. Set"
        " AICO_SESSIONS_PATH to the real path."
    )


class SessionsNotFound(SessionsError, SourceNotFound):
    """The store, or a directory on its path, does not exist."""

    code = "sessions_not_found"
    hint = "The service waits for it. If Cline keeps its data elsewhere, set AICO_SESSIONS_PATH."


class SessionsTooLarge(SessionsError, SourceTooLarge):
    """Larger than ``max_ledger_bytes``."""

    code = "sessions_too_large"
    hint = "Raise AICO_MAX_LEDGER_BYTES if the store is genuine."


class SessionsFormat(SessionsError, SourceFormat):
    """The store is no database, or of a version whose table or columns are other ones."""

    code = "sessions_format"
    hint = "Report the version of Cline. What was imported before is kept, and the ledger is read as ever."


class SessionsBusy(SessionsError, SourceUnstable):
    """The store did not stand still for one reading, or holds half a transaction."""

    code = "sessions_busy"
    hint = "Cline is writing. The service goes on by itself."


class SessionsUnreadable(SessionsError, SourceUnreadable):
    """The operating system refused, or the reading process failed."""

    code = "sessions_unreadable"
    hint = "Give the user that runs the service read access to the store and its directories."
