"""Work on the database as a file, beside reading and writing usage: preparing, backing up, mending, forgetting.

::

    preparation       before each use: finishes what was interrupted, looks, mends, migrates
    ├── inspection    what lies there: ours, damaged, somebody else's
    ├── recovery      a lost database: the newest backup takes its place; a restore
    └── backups       copies of each day, and before each migration
    forgetting        tasks that are removed on request
    verification      everything that must be true of a database
    replacement       another file in its place, whole, the old one kept
    rebuilding        sums and tasks anew, inside a caller's transaction
    sqlite_files      what all of them stand on

Everything here blocks and uses the driver directly: call it in a thread. ``aico.core.db.database`` serves the database
that was prepared.
"""
