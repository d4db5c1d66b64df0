"""The database as a command finds it. That of another program or a newer version is neither read nor removed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aico.core.db.upkeep.inspection import check_present, get_revision
from aico.core.errors import StorageError, StorageForeign, StorageNewer


@contextmanager
def only_reading(path: Path) -> Iterator[None]:
    """Let the block read the database at ``path``, whose schema is this version's when it begins and when it ends.

    Another version may migrate meanwhile, and schemas only go forward; so nothing that the block has read may be shown
    before it has ended. Raises StorageAbsent, StorageForeign, StorageNewer, StorageOlder, StorageBusy, StorageError.
    """
    check_present(path)
    yield
    check_present(path)


def refuse_unusable(path: Path) -> None:
    """Raise StorageForeign or StorageNewer for a database that every start of the service refuses.

    All else is a start's to tell, or to mend: a file that is not there, damaged, locked, of an older version.
    """
    try:
        get_revision(path)
    except (StorageForeign, StorageNewer):
        raise
    except StorageError:
        return
