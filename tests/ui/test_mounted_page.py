"""The page of a service that is mounted below a prefix of another application."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Browser, expect

from aico.cli.serve import listen
from aico.core.settings import Settings
from aico.main import create_service
from tests.quick_variants import first_is_quick
from tests.ui.observed_page import Observed
from tests.ui.restartable_service import Ledger, entry

PREFIX = "/observer"


@contextmanager
def application(ledger: Ledger, folder: Path) -> Iterator[str]:
    """Serve another application with the service in it; yield its address."""
    listener = listen("127.0.0.1", 0)
    values = {"ledger_path": str(ledger.path), "database_path": folder / "observer.db", "tick_s": 0.1}
    settings = Settings.model_validate({**values, "port": listener.getsockname()[1]})
    host = FastAPI()
    create_service(settings).mount(host, PREFIX)
    server = uvicorn.Server(uvicorn.Config(host, log_config=None, access_log=False, timeout_graceful_shutdown=1))
    # A thread of its own: the loop of this one belongs to the browser.
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
    thread.start()
    try:
        yield f"http://127.0.0.1:{settings.port}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@pytest.mark.slow
@pytest.mark.parametrize("path", first_is_quick("/", "/embed"))
def test_page_below_a_prefix_is_live_and_whole(browser: Browser, tmp_path: Path, path: str) -> None:
    """It loads, reads, listens, imports and exports below its prefix, and asks the other application for nothing."""
    ledger = Ledger(tmp_path.resolve() / "cline" / "taskHistory.json")
    ledger.write(entry("1001", cost=1.25))
    with application(ledger, tmp_path) as address:
        context = browser.new_context(viewport={"width": 1280, "height": 1400})
        observed = Observed(context.new_page(), address + PREFIX)
        page = observed.page
        page.goto(address + PREFIX + path)
        expect(page.locator("[data-field=cost]")).to_have_text("$1.25")
        expect(page.locator("[data-field=live]")).to_have_text("Live")
        ledger.write(entry("1002", cost=0.5))
        expect(page.locator("tr[data-task='1002']")).to_be_visible()
        page.keyboard.press("r")
        expect(page.locator("[data-field=import-result]")).to_contain_text("Imported")
        page.locator(".export summary").click()
        with page.expect_download() as download:
            page.locator(".export .csv").click()
        assert download.value.url.startswith(f"{address}{PREFIX}/api/export?")
        context.close()
        assert observed.unexpected() == []
