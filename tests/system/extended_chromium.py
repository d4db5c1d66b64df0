"""A real Chromium with our extension, paired with a service; with or without a debugger that keeps its worker alive."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import BrowserContext, Worker, async_playwright, expect

_ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--no-first-run",
    "--disable-background-networking",
    "--host-resolver-rules=MAP * 127.0.0.1",
    "--disable-features=HttpsUpgrades",
)
_PATIENCE_MS = 30_000
_SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "extension.py"


class ExtendedChromium:
    """A profile with the extension."""

    def __init__(self, folder: Path) -> None:
        self.profile = folder / "profile"
        self.program = os.environ.get("TEST_CHROMIUM") or shutil.which("chromium") or "chromium"
        self.archive = folder / "packed" / "ai-cost-observer-extension.zip"
        subprocess.run([sys.executable, str(_SCRIPT), str(folder / "packed")], check=True, stdout=subprocess.DEVNULL)
        own = str(folder / "packed" / "extension")
        self._arguments = [*_ARGUMENTS, f"--load-extension={own}", f"--disable-extensions-except={own}"]

    @asynccontextmanager
    async def driven(self) -> AsyncIterator[tuple[BrowserContext, Worker]]:
        """Run it under Playwright, and yield its pages and the extension's worker, which then never dies by itself."""
        async with async_playwright() as playwright:
            context = await playwright.chromium.launch_persistent_context(
                self.profile, executable_path=self.program, headless=False, args=self._arguments
            )
            try:
                workers = context.service_workers
                yield context, workers[0] if workers else await context.wait_for_event("serviceworker")
            finally:
                await context.close()

    async def pair(self, context: BrowserContext, worker: Worker, address: str, token: str) -> str:
        """Enter both in the options, and return what they say."""
        page = await context.new_page()
        await page.goto(worker.url.replace("background.js", "options.html"))
        await page.fill("[name=address]", address)
        await page.fill("[name=token]", token)
        await page.click("button")
        output = page.locator("output")
        # Its policy allows no text that is evaluated, which waiting for a function would be.
        await expect(output).not_to_be_empty(timeout=_PATIENCE_MS)
        said = await output.text_content()
        await page.wait_for_timeout(300)  # it tells the worker behind its answer
        await page.close()
        return said or ""

    def start_alone(self, address: str) -> subprocess.Popen[bytes]:
        """Run it as a user does; it only tells what lives inside."""
        command = [
            self.program,
            *self._arguments,
            f"--user-data-dir={self.profile}",
            "--remote-debugging-port=0",
            address,
        ]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def end_worker(self) -> bool:
        """Have the browser end the extension's worker, as it does with one that rests; return whether it lived."""
        ended = [self._ask(f"close/{target['id']}") for target in self._list_workers()]
        return bool(ended)

    def has_worker(self) -> bool:
        """Return whether the extension's worker lives."""
        return bool(self._list_workers())

    def _list_workers(self) -> list[dict[str, str]]:
        return [target for target in json.loads(self._ask("list") or "[]") if target["type"] == "service_worker"]

    def _ask(self, what: str) -> bytes:
        """Ask the browser without attaching to anything: a worker that is attached to lives for ever."""
        try:
            port = (self.profile / "DevToolsActivePort").read_text(encoding="utf-8").split("\n")[0]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/{what}", timeout=5) as answer:  # loopback
                return bytes(answer.read())
        except OSError:
            return b""
