"""The closed tree of everything that may go wrong and be said. Import every error from here.

::

    ObserverError
    ├── SettingsError             the operator's configuration
    ├── InstanceRunning           another process holds the writer's lock
    ├── ServiceUnreachable        the process that holds the lock does not answer
    ├── ServiceRefusal            it answers with an error of its own
    ├── PortTaken                 another program listens where we should
    ├── OutputFailed              an export or a backup cannot be written where it should
    ├── SupervisorRefused         systemd, launchd or the Task Scheduler did not do what it was asked
    ├── RequestRefused            a caller of the HTTP or WebSocket interface
    │   ├── RequestMalformed      no HTTP
    │   ├── RequestTimeout        too slow
    │   ├── RequestInvalid
    │   ├── TokenRequired
    │   ├── OriginRefused
    │   ├── HostRefused
    │   ├── HeadTooLarge
    │   ├── BodyTooLarge
    │   ├── TooManyConnections
    │   ├── RouteNotFound
    │   └── MethodNotAllowed
    ├── StorageError              the database
    │   ├── StorageBusy
    │   ├── StorageAbsent         a command wants to read it before the first start
    │   ├── StorageForeign        another program's database
    │   ├── StorageNewer          written by a newer version of this program
    │   ├── StorageOlder          written by an older one, where a command only reads
    │   └── BackupUnusable        what is to be restored is no backup
    └── StoreError                a store of Cline's that is read
        ├── LedgerError           the one file we read
        │   ├── LedgerPathRefused not the allowlisted path, or not a plain file
        │   ├── LedgerNotFound
        │   ├── LedgerTooLarge
        │   ├── LedgerFormat      stands still and is no JSON array
        │   ├── LedgerUnstable    still changing after every attempt
        │   └── LedgerUnreadable  permission, I/O
        └── SessionsError         the session store, where it is asked for
            ├── SessionsPathRefused
            ├── SessionsNotFound
            ├── SessionsTooLarge
            ├── SessionsFormat    another version: a table or column is missing
            ├── SessionsBusy      never stood still
            └── SessionsUnreadable

Each error takes typed facts, builds its own sentence and carries a stable ``code`` and a ``hint`` that says what to
do. None ever holds text of the ledger. HTTP statuses live in ``aico.api.errors`` and nowhere else.
"""

from __future__ import annotations

from aico.core.errors.operation import (
    InstanceRunning,
    OutputFailed,
    PortTaken,
    ServiceRefusal,
    ServiceUnreachable,
    SettingsError,
    SupervisorRefused,
)
from aico.core.errors.requests import (
    BodyTooLarge,
    HeadTooLarge,
    HostRefused,
    MethodNotAllowed,
    OriginRefused,
    RequestInvalid,
    RequestMalformed,
    RequestRefused,
    RequestTimeout,
    RouteNotFound,
    TokenRequired,
    TooManyConnections,
)
from aico.core.errors.root import (
    ObserverError,
)
from aico.core.errors.storage import (
    BackupUnusable,
    StorageAbsent,
    StorageBusy,
    StorageError,
    StorageForeign,
    StorageNewer,
    StorageOlder,
)
from aico.core.errors.stores import (
    LedgerError,
    LedgerFormat,
    LedgerNotFound,
    LedgerPathRefused,
    LedgerTooLarge,
    LedgerUnreadable,
    LedgerUnstable,
    SessionsBusy,
    SessionsError,
    SessionsFormat,
    SessionsNotFound,
    SessionsPathRefused,
    SessionsTooLarge,
    SessionsUnreadable,
    StoreError,
)

__all__ = [
    "BackupUnusable",
    "BodyTooLarge",
    "HeadTooLarge",
    "HostRefused",
    "InstanceRunning",
    "LedgerError",
    "LedgerFormat",
    "LedgerNotFound",
    "LedgerPathRefused",
    "LedgerTooLarge",
    "LedgerUnreadable",
    "LedgerUnstable",
    "MethodNotAllowed",
    "ObserverError",
    "OriginRefused",
    "OutputFailed",
    "PortTaken",
    "RequestInvalid",
    "RequestMalformed",
    "RequestRefused",
    "RequestTimeout",
    "RouteNotFound",
    "ServiceRefusal",
    "ServiceUnreachable",
    "SessionsBusy",
    "SessionsError",
    "SessionsFormat",
    "SessionsNotFound",
    "SessionsPathRefused",
    "SessionsTooLarge",
    "SessionsUnreadable",
    "SettingsError",
    "StorageAbsent",
    "StorageBusy",
    "StorageError",
    "StorageForeign",
    "StorageNewer",
    "StorageOlder",
    "StoreError",
    "SupervisorRefused",
    "TokenRequired",
    "TooManyConnections",
]
