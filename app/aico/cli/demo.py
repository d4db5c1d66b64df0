"""``aico demo``: everything real but the tools' files, in a temporary folder, on a free port."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path

from aico.cli.log import configure_logging
from aico.cli.serve import run_server
from aico.core.clock import now_ms
from aico.core.instance_lock import InstanceLock
from aico.core.settings import LEDGER_NAME, Settings
from aico.services.demo import GrowingFiles, sources_below

_SEED = 8611


def demonstrate(options: argparse.Namespace) -> int:
    """Serve made-up usage until SIGINT or SIGTERM; nothing of it stays."""
    with tempfile.TemporaryDirectory(prefix="aico-demo-") as name:
        folder = Path(name).resolve()
        (folder / "state").mkdir()
        settings = Settings(
            ledger_path=str(folder / "state" / LEDGER_NAME),
            database_path=folder / "observer.db",
            port=0,
        )
        configure_logging(settings)
        files = GrowingFiles(Path(settings.ledger_path), folder, _SEED, now_ms)
        asyncio.run(files.write())
        lock = InstanceLock(settings.database_path).acquire()
        try:
            return run_server(
                settings,
                lock,
                open_browser=bool(options.open),
                demo=files.grow,
                sources=sources_below(folder),
            )
        finally:
            lock.release()
