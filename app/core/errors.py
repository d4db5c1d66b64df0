"""The closed tree of everything that may go wrong and be said.

::

    ObserverError
    ├── SettingsError             the operator's configuration
    ├── StoreError                a store of Cline's that is read
    │   ├── LedgerError           the one file we read
    │   │   ├── LedgerPathRefused not the allowlisted path, or not a plain file
    │   │   ├── LedgerNotFound
    │   │   ├── LedgerTooLarge
    │   │   ├── LedgerFormat      stands still and is no JSON array
    │   │   ├── LedgerUnstable    still changing after every attempt
    │   │   └── LedgerUnreadable  permission, I/O
    │   └── SessionsError         the session store, where it is asked for
    │       ├── SessionsPathRefused
    │       ├── SessionsNotFound
    │       ├── SessionsTooLarge
    │       ├── SessionsFormat    another version: a table or column is missing
    │       ├── SessionsBusy      never stood still
    │       └── SessionsUnreadable
    ├── StorageError              the database
    │   ├── StorageBusy
    │   ├── StorageForeign        another program's database
    │   ├── StorageNewer          written by a newer version of this program
    │   └── BackupUnusable        what is to be restored is no backup
    ├── InstanceRunning           another process holds the writer's lock
    ├── ServiceUnreachable        the process that holds the lock does not answer
    ├── ServiceRefusal            it answers with an error of its own
    ├── PortTaken                 another program listens where we should
    ├── OutputFailed              an export or a backup cannot be written where it should
    ├── SupervisorRefused         systemd, launchd or the Task Scheduler did not do what it was asked
    └── RequestRefused            a caller of the HTTP or WebSocket interface
        ├── RequestMalformed      no HTTP
        ├── RequestTimeout        too slow
        ├── RequestInvalid
        ├── TokenRequired
        ├── OriginRefused
        ├── HostRefused
        ├── HeadTooLarge
        ├── BodyTooLarge
        ├── TooManyConnections
        ├── RouteNotFound
        └── MethodNotAllowed

Each error takes typed facts, builds its own sentence and carries a stable ``code`` and a ``hint`` that says what to
do. None ever holds text of the ledger. HTTP statuses live in ``app.api.errors`` and nowhere else.
"""

from __future__ import annotations

from typing import ClassVar


class ObserverError(Exception):
    """The root: whatever else is raised is a bug."""

    code: ClassVar[str] = "internal_error"
    hint: ClassVar[str] = "This is a bug. The log of the service holds the trace."


class SettingsError(ObserverError):
    """A setting is unknown, malformed or contradicts another one."""

    code = "configuration"
    hint = "Correct the setting and start again. `aico config show` lists every setting and where it came from."

    def __init__(self, setting: str, reason: str) -> None:
        super().__init__(f"Setting {setting}: {reason}.")
        self.setting = setting


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
    hint = "The service waits for the file. Start a task in Cline, or set AICO_LEDGER_PATH to the ledger it writes."

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
    """The file stands still and is not a JSON array in UTF-8, or a request's body is not what the contract says."""

    code = "ledger_format"
    is_final = True
    hint = "If Cline itself shows its history, report the version of Cline. What was imported before is kept."

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
    """The store is no database, or of a version whose table or columns are other ones."""

    code = "sessions_format"
    hint = "Report the version of Cline. What was imported before is kept, and the ledger is read as ever."
    is_final = True

    def __init__(self, reason: str) -> None:
        super().__init__(f"Not a known session store: {reason}.")


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


class StorageError(ObserverError):
    """The database failed; the ledger is untouched and will be read again."""

    code = "storage_error"
    hint = "Check free space and the permissions of the database's folder; `aico doctor` says more."

    def __init__(self, reason: str) -> None:
        super().__init__(f"The database failed: {reason}.")
        self.reason = reason


class StorageBusy(StorageError):
    """Another process holds the database's lock, or all connections are in use."""

    code = "storage_busy"
    hint = "Try again in a moment; the service goes on by itself. Close other programs that hold the database open."


class StorageForeign(StorageError):
    """The file is another program's database; it is left untouched."""

    code = "storage_foreign"
    hint = "Set AICO_DATABASE_PATH to another file."

    def __init__(self) -> None:
        super().__init__("it belongs to another program")


class StorageNewer(StorageError):
    """The database was written by a newer version of this program; it is left untouched."""

    code = "storage_newer"
    hint = "Update AI Cost Observer, or set AICO_DATABASE_PATH to another file."

    def __init__(self) -> None:
        super().__init__("it was written by a newer version of this program")


class BackupUnusable(StorageError):
    """The file that is to be restored is not there, damaged or no database."""

    code = "backup_unusable"
    hint = "Name another backup: the daily ones lie in the folder `backups` beside the database."

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path} cannot be restored: {reason}")


class InstanceRunning(ObserverError):
    """Another process holds the exclusive lock beside the database."""

    code = "instance_running"
    hint = "Use the running service, or stop it first."

    def __init__(self, pid: int | None, url: str | None) -> None:
        where = f" at {url}" if url else ""
        who = f" (process {pid})" if pid else ""
        super().__init__(f"AI Cost Observer already runs{where}{who}.")
        self.pid = pid
        self.url = url


class ServiceUnreachable(ObserverError):
    """The process that holds the lock did not answer over HTTP."""

    code = "service_unreachable"
    hint = "Look at the log of the running service, or stop it and try again."

    def __init__(self, url: str) -> None:
        super().__init__(f"The running service at {url} does not answer.")
        self.url = url


class ServiceRefusal(ObserverError):
    """The process that holds the lock answered with an error of its own."""

    code = "service_refused"
    hint = "The service said what to do: see the first line."

    def __init__(self, code: str, detail: str, hint: str) -> None:
        # Another process speaks: nothing of it may steer the terminal.
        text = f"{detail} [{code}] {hint}"
        super().__init__("".join(character if character.isprintable() else "\ufffd" for character in text))
        self.service_code = code


class PortTaken(ObserverError):
    """Another program listens on the port."""

    code = "port_taken"
    hint = "Stop that program, or set AICO_PORT to another port."

    def __init__(self, host: str, port: int) -> None:
        super().__init__(f"Port {port} of {host} is taken by another program.")


class OutputFailed(ObserverError):
    """The file of an export or a backup cannot be written, or must not be."""

    code = "output_failed"
    hint = "Name another file. What was there before is as it was."

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path} cannot be written: {reason}.")


class SupervisorRefused(ObserverError):
    """What starts services on this system (systemd, launchd, the Task Scheduler) is not there or did not obey."""

    code = "supervisor_refused"
    hint = "Log in as the user whose service it is, not by su or sudo. `aico serve` runs without any of that."

    def __init__(self, supervisor: str, reason: str) -> None:
        # Another program speaks: nothing of it may steer the terminal.
        said = "".join(character if character.isprintable() else " " for character in reason)
        super().__init__(f"{supervisor}: {said.strip()[:300].rstrip('.')}.")


class RequestRefused(ObserverError):
    """A request that is not served."""


class RequestMalformed(RequestRefused):
    """What came is no request that HTTP or WebSocket know."""

    code = "request_malformed"
    hint = "Speak HTTP/1.1; a WebSocket begins with a handshake of version 13."

    def __init__(self) -> None:
        super().__init__("This is no valid HTTP request.")


class RequestTimeout(RequestRefused):
    """The request was not complete in time."""

    code = "request_timeout"
    hint = "Send the whole request at once."

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"The request was not complete within {limit_s:g} s.")


class RequestInvalid(RequestRefused):
    """A parameter or body that the interface does not know or cannot take."""

    code = "request_invalid"
    hint = "The endpoint's parameters are in /openapi.json."

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}.")
        self.field = field


class TokenRequired(RequestRefused):
    """A token is set and the caller did not show it."""

    code = "token_required"
    hint = "Send `Authorization: Bearer <token>`, or open the link that `aico serve` printed."

    def __init__(self) -> None:
        super().__init__("This service asks for its token.")


class OriginRefused(RequestRefused):
    """A web page of another origin tried to call."""

    code = "origin_refused"
    hint = "Add the page's origin to AICO_ALLOWED_ORIGINS if you trust it."

    def __init__(self) -> None:
        super().__init__("Web pages of this origin may not call this service.")


class HostRefused(RequestRefused):
    """The Host header names neither this machine nor a listed name (DNS rebinding)."""

    code = "host_refused"
    hint = "Open the service by 127.0.0.1 or localhost, or add the name to AICO_ALLOWED_HOSTS."

    def __init__(self) -> None:
        super().__init__("This service does not answer to that host name.")


class HeadTooLarge(RequestRefused):
    """Address and headers exceed the limit."""

    code = "head_too_large"
    hint = "Delete the cookies that other local pages left for this address, or send fewer headers."

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"The address and headers of the request exceed {limit_bytes} bytes.")


class BodyTooLarge(RequestRefused):
    """The request body exceeds the limit."""

    code = "body_too_large"
    hint = "No request of this interface needs more than 64 KiB."

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"The request body exceeds {limit_bytes} bytes.")


class TooManyConnections(RequestRefused):
    """``max_sockets`` WebSocket connections are open, or as many of all kinds as the process can bear."""

    code = "too_many_connections"
    hint = "Close other pages, or raise AICO_MAX_SOCKETS."

    def __init__(self, limit: int) -> None:
        super().__init__(f"All {limit} connections are in use.")


class RouteNotFound(RequestRefused):
    """No such route."""

    code = "not_found"
    hint = "The endpoints are listed in /openapi.json."

    def __init__(self) -> None:
        super().__init__("There is nothing at this address.")


class MethodNotAllowed(RequestRefused):
    """The route exists, but not for this method."""

    code = "method_not_allowed"
    hint = "The endpoints and their methods are listed in /openapi.json."

    def __init__(self) -> None:
        super().__init__("This address does not take this method.")
