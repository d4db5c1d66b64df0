"""Errors of the database and its backups."""

from __future__ import annotations

from aico.core.errors.root import ObserverError


class StorageError(ObserverError):
    """The database failed; the files of the tools are untouched and will be read again."""

    code = "storage_error"
    hint = "Check free space and the permissions of the database's folder; `aico doctor` says more."

    def __init__(self, reason: str) -> None:
        super().__init__(f"The database failed: {reason}.")
        self.reason = reason


class StorageBusy(StorageError):
    """Another process holds the database's lock, or all connections are in use."""

    code = "storage_busy"
    hint = "Try again in a moment; the service goes on by itself. Close other programs that hold the database open."


class StorageAbsent(StorageError):
    """There is no database yet where a command wants to read one."""

    code = "storage_absent"
    hint = "Start the service once with `aico serve`, or run `aico import`."

    def __init__(self, path: str) -> None:
        ObserverError.__init__(self, f"There is no database at {path} yet.")
        self.reason = "it is not there yet"


class StorageForeign(StorageError):
    """The file is another program's database; it is left untouched."""

    code = "storage_foreign"
    hint = "Set AICO_DATABASE_PATH to another file."

    def __init__(self) -> None:
        ObserverError.__init__(self, "The database belongs to another program.")
        self.reason = "it belongs to another program"


class StorageNewer(StorageError):
    """The database was written by a newer version of this program; it is left untouched."""

    code = "storage_newer"
    hint = "Update AI Cost Observer, or set AICO_DATABASE_PATH to another file."

    def __init__(self) -> None:
        ObserverError.__init__(self, "The database was written by a newer version of this program.")
        self.reason = "it was written by a newer version of this program"


class StorageOlder(StorageError):
    """A command that only reads meets the database of an older version; nothing is migrated by the way."""

    code = "storage_older"
    hint = "Start the service with `aico serve`, or restart the one that runs: it brings the database to this version."

    def __init__(self) -> None:
        ObserverError.__init__(self, "The database was written by an older version of this program.")
        self.reason = "it was written by an older version of this program"


class BackupUnusable(StorageError):
    """The file that is to be restored is not there, damaged or no database."""

    code = "backup_unusable"
    hint = "Name another backup: the daily ones lie in the folder `backups` beside the database."

    def __init__(self, path: str, reason: str) -> None:
        ObserverError.__init__(self, f"{path} cannot be restored: {reason}.")
        self.reason = reason
