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
    ├── StorageError              the database
    │   ├── StorageBusy
    │   ├── StorageAbsent         a command wants to read it before the first start
    │   ├── StorageForeign        another program's database
    │   ├── StorageNewer          written by a newer version of this program
    │   ├── StorageOlder          written by an older one, where a command only reads
    │   └── BackupUnusable        what is to be restored is no backup
    ├── RequestRefused            a caller of the HTTP or WebSocket interface
    │   ├── RequestMalformed      no HTTP
    │   ├── RequestTimeout        too slow
    │   ├── RequestInvalid
    │   ├── TokenRequired
    │   ├── OriginRefused
    │   ├── CallerRefused
    │   ├── HostRefused
    │   ├── HeadTooLarge
    │   ├── BodyTooLarge
    │   ├── TooManyConnections
    │   ├── SourceUnknown
    │   ├── SourceFixed           the configuration decides, not the switch
    │   ├── SettingFixed          the configuration decides, not the page
    │   ├── BudgetUnknown
    │   ├── PlanUnknown
    │   ├── WebhookMissing
    │   ├── PairingRequired       the browser extension alone reports
    │   ├── PairingUnknown
    │   ├── ReportsTooMany
    │   ├── SourceOff             what is not read cannot be imported
    │   ├── SessionUnknown
    │   ├── PriceUnknown
    │   ├── PriceFixed            the configuration file decides
    │   ├── RouteNotFound
    │   └── MethodNotAllowed
    └── SourceError               a place of a tool that is read
        ├── SourcePathRefused     not an allowlisted path, or not a plain file
        ├── SourceNotFound
        ├── SourceTooLarge
        ├── SourceFormat          stands still and is not what the tool is known to write
        ├── SourceUnstable        was written during every attempt
        ├── SourceUnreadable      permission, I/O
        ├── LedgerError           Cline's ledger: each of its errors is one of the six above, too
        │   ├── LedgerPathRefused
        │   ├── LedgerNotFound
        │   ├── LedgerTooLarge
        │   ├── LedgerFormat
        │   ├── LedgerUnstable
        │   └── LedgerUnreadable
        └── SessionsError         Cline's session store: likewise
            ├── SessionsPathRefused
            ├── SessionsNotFound
            ├── SessionsTooLarge
            ├── SessionsFormat
            ├── SessionsBusy
            └── SessionsUnreadable

Each error takes typed facts, builds its own sentence and carries a stable ``code`` and a ``hint`` that says what to
do. None ever holds text of a tool's file. HTTP statuses live in ``aico.api.errors`` and nowhere else.
"""

from __future__ import annotations

from importlib import import_module

from aico.core.errors.operation import (
    InstanceRunning,
    OutputFailed,
    PortTaken,
    ServiceRefusal,
    ServiceUnreachable,
    SettingsError,
    SupervisorRefused,
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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aico.core.errors.requests import (
        BodyTooLarge,
        BudgetUnknown,
        CallerRefused,
        HeadTooLarge,
        HostRefused,
        MethodNotAllowed,
        OriginRefused,
        PairingRequired,
        PairingUnknown,
        PlanUnknown,
        PriceFixed,
        PriceUnknown,
        ReportsTooMany,
        RequestInvalid,
        RequestMalformed,
        RequestRefused,
        RequestTimeout,
        RouteNotFound,
        SessionUnknown,
        SettingFixed,
        SourceFixed,
        SourceOff,
        SourceUnknown,
        TokenRequired,
        TooManyConnections,
        WebhookMissing,
    )
    from aico.core.errors.sources import (
        LedgerError,
        LedgerFormat,
        LedgerNotFound,
        LedgerPathRefused,
        LedgerTooLarge,
        LedgerUnreadable,
        LedgerUnstable,
        OriginName,
        SessionsBusy,
        SessionsError,
        SessionsFormat,
        SessionsNotFound,
        SessionsPathRefused,
        SessionsTooLarge,
        SessionsUnreadable,
        SourceError,
        SourceErrors,
        SourceFormat,
        SourceNotFound,
        SourcePathRefused,
        SourceTooLarge,
        SourceUnreadable,
        SourceUnstable,
    )

__all__ = [
    "BackupUnusable",
    "BodyTooLarge",
    "BudgetUnknown",
    "CallerRefused",
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
    "OriginName",
    "OriginRefused",
    "OutputFailed",
    "PairingRequired",
    "PairingUnknown",
    "PlanUnknown",
    "PortTaken",
    "PriceFixed",
    "PriceUnknown",
    "ReportsTooMany",
    "RequestInvalid",
    "RequestMalformed",
    "RequestRefused",
    "RequestTimeout",
    "RouteNotFound",
    "ServiceRefusal",
    "ServiceUnreachable",
    "SessionUnknown",
    "SessionsBusy",
    "SessionsError",
    "SessionsFormat",
    "SessionsNotFound",
    "SessionsPathRefused",
    "SessionsTooLarge",
    "SessionsUnreadable",
    "SettingFixed",
    "SettingsError",
    "SourceError",
    "SourceErrors",
    "SourceFixed",
    "SourceFormat",
    "SourceNotFound",
    "SourceOff",
    "SourcePathRefused",
    "SourceTooLarge",
    "SourceUnknown",
    "SourceUnreadable",
    "SourceUnstable",
    "StorageAbsent",
    "StorageBusy",
    "StorageError",
    "StorageForeign",
    "StorageNewer",
    "StorageOlder",
    "SupervisorRefused",
    "TokenRequired",
    "TooManyConnections",
    "WebhookMissing",
]


def __getattr__(name: str) -> object:
    """Return one of the errors that a command at a prompt never meets: to make their classes takes it 2 ms."""
    if name in __all__:
        # Always both, in the order of the tree.
        for part in [import_module(f"{__name__}.{part}") for part in ("requests", "sources")]:
            found: object = getattr(part, name, None)
            if found is not None:
                return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
