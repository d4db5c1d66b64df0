"""What may go wrong with what is read of Cline: its ledger and its session store."""

from __future__ import annotations

from typing import ClassVar

from aico.core.errors.root import ObserverError


class StoreError(ObserverError):
    """A store of Cline's could not be read."""

    is_absent: ClassVar[bool] = False
    """True when there is nothing to read (yet), which is no fault."""
    is_final: ClassVar[bool] = False
    """True when the same bytes will be refused again: reading anew waits until they change."""


class LedgerError(StoreError):
    """The ledger could not be taken in; what was imported before stays."""


class LedgerPathRefused(LedgerError):
    """Another path than the allowlisted one, or something else than a plain file in its place."""

    code = "ledger_path_refused"
    hint = "Only the ledger that the service was started with is read: a plain file without any link on its path."

    def __init__(self, reason: str) -> None:
        super().__init__(f"Refused: {reason}.")
        self.reason = reason


class LedgerNotFound(LedgerError):
    """The file, or a directory on its path, does not exist."""

    code = "ledger_not_found"
    is_absent = True
    hint = (
        "The service waits for the file. Cline from CLI 3.0 and VS Code 4.1 on writes a session store instead, which"
        " cline_sessions = true (AICO_CLINE_SESSIONS=true) reads; `aico doctor` looks for both and names the setting."
    )

    def __init__(self, path: str) -> None:
        super().__init__(f"There is no ledger at {path}.")
        self.path = path


class LedgerTooLarge(LedgerError):
    """Larger than ``max_ledger_bytes``."""

    code = "ledger_too_large"
    hint = "Raise AICO_MAX_LEDGER_BYTES if the file is genuine."

    def __init__(self, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(f"The ledger has {size_bytes} bytes; the limit is {limit_bytes}.")
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes


class LedgerFormat(LedgerError):
    """The file stands still and is not a JSON array in UTF-8, or an import's body is neither absent nor its path."""

    code = "ledger_format"
    is_final = True
    hint = (
        "What was imported before is kept. If you sent a body, leave it out; if Cline itself shows its history, report"
        " the version of Cline."
    )

    def __init__(self, reason: str) -> None:
        super().__init__(f"Not a ledger: {reason}.")
        self.reason = reason


class LedgerUnstable(LedgerError):
    """The file was still being written after the last attempt."""

    code = "ledger_unstable"
    hint = "Cline is writing. Try again in a moment; the service goes on by itself."

    def __init__(self, attempts: int) -> None:
        super().__init__(f"The ledger was still changing after {attempts} attempts.")
        self.attempts = attempts


class LedgerUnreadable(LedgerError):
    """The operating system refused or failed."""

    code = "ledger_unreadable"
    hint = "Give the user that runs the service read access to the ledger and its directories."

    def __init__(self, reason: str) -> None:
        super().__init__(f"The ledger cannot be read: {reason}.")
        self.reason = reason


class SessionsError(StoreError):
    """The session store could not be read."""


class SessionsPathRefused(SessionsError):
    """Something else than plain files in the place of the store."""

    code = "sessions_path_refused"
    hint = "Only plain files without any link on their path are read. Set AICO_SESSIONS_PATH to the real path."

    def __init__(self, reason: str) -> None:
        super().__init__(f"The session store is refused: {reason}.")


class SessionsNotFound(SessionsError):
    """The store, or a directory on its path, does not exist."""

    code = "sessions_not_found"
    hint = "The service waits for it. If Cline keeps its data elsewhere, set AICO_SESSIONS_PATH."
    is_absent = True

    def __init__(self, path: str) -> None:
        super().__init__(f"There is no session store at {path}.")


class SessionsTooLarge(SessionsError):
    """Larger than ``max_ledger_bytes``."""

    code = "sessions_too_large"
    hint = "Raise AICO_MAX_LEDGER_BYTES if the store is genuine."

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"The session store exceeds {limit_bytes} bytes.")


class SessionsFormat(SessionsError):
    """The store is no database, or of a version whose table or columns are other ones.

    ``missing`` names those that it has not; nothing else of the store is ever told.
    """

    code = "sessions_format"
    hint = "Report the version of Cline. What was imported before is kept, and the ledger is read as ever."
    is_final = True

    def __init__(self, reason: str, missing: tuple[str, ...] = ()) -> None:
        super().__init__(f"Not a known session store: {reason}.")
        self.missing = missing


class SessionsBusy(SessionsError):
    """The store did not stand still for one reading, or holds half a transaction."""

    code = "sessions_busy"
    hint = "Cline is writing. The service goes on by itself."

    def __init__(self) -> None:
        super().__init__("The session store was being written during every attempt.")


class SessionsUnreadable(SessionsError):
    """The operating system refused, or the reading process failed."""

    code = "sessions_unreadable"
    hint = "Give the user that runs the service read access to the store and its directories."

    def __init__(self, reason: str) -> None:
        super().__init__(f"The session store cannot be read: {reason}.")
