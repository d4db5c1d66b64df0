"""Real Chromium and Firefox visit pages of listed names: their histories tell the real seconds, while they run."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from aico.core.db.database import Database
from tests.activity.watched_home import Watched
from tests.core.repository_on_file import copy_of_template
from tests.system.listed_pages import ListedPages, Stay

CANARY = "Xq7canary"
WALK = [Stay("poe.com", 9), Stay(f"{CANARY.lower()}.example", 3), Stay("www.pi.ai", 7), Stay("deep.poe.com", 8)]
HANG_S = 90
_FIREFOX = {
    "network.dns.localDomains": ",".join([*(stay.host for stay in WALK), "end.example"]),
    "network.stricttransportsecurity.preloadlist": False,
    "dom.security.https_first": False,
    "dom.security.https_first_schemeless": False,
    "browser.aboutwelcome.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage_override.mstone": "ignore",
    "datareporting.policy.dataSubmissionEnabled": False,
    "app.update.enabled": False,
    "network.proxy.type": 0,
}


def chromium(home: Path, pages: ListedPages) -> list[str]:
    """Return the command of a Chromium that goes to the first page."""
    return [
        os.environ.get("TEST_CHROMIUM") or shutil.which("chromium") or "chromium",
        "--headless=new",
        "--no-sandbox",
        "--no-first-run",
        "--disable-features=HttpsUpgrades",
        "--disable-background-networking",
        "--host-resolver-rules=MAP * 127.0.0.1",
        f"--user-data-dir={home / '.config/chromium'}",
        pages.address(0),
    ]


def firefox(home: Path, pages: ListedPages) -> list[str]:
    """Return the command of a Firefox that goes to the first page."""
    profile = home / ".mozilla/firefox/walker.default"
    profile.mkdir(parents=True)
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in _FIREFOX.items()]
    (profile / "user.js").write_text("".join(lines), encoding="utf-8")
    program = shutil.which("firefox-esr") or shutil.which("firefox") or "firefox"
    return [program, "--headless", "--no-remote", "--profile", str(profile), pages.address(0)]


@pytest.mark.parametrize("browser", [chromium, firefox])
async def test_history_of_a_running_browser_tells_the_real_seconds(browser: object, tmp_path: Path) -> None:
    """Within 10 % of what the pages saw, never above; subdomains count, other hosts, paths and titles are nowhere."""
    pages, home, database = ListedPages(WALK, CANARY), tmp_path / "home", Database(copy_of_template(tmp_path))
    home.mkdir()
    await database.open()
    command = browser(home, pages)  # type: ignore[operator]  # one of both
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "MOZ_CRASHREPORTER_DISABLE": "1"}
    running = subprocess.Popen(  # noqa: ASYNC220  # starts at once
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        assert await asyncio.to_thread(pages.has_ended.wait, HANG_S)
        truth = pages.truth()
        expected = {
            "poe.com": tuple(map(sum, zip(truth["poe.com"], truth["deep.poe.com"], strict=True))),
            "pi.ai": truth["www.pi.ai"],
        }
        watched = Watched(home, database, int(time.time() * 1000))
        sums: dict[tuple[str, str], tuple[int, int]] = {}
        deadline = time.monotonic() + HANG_S
        while sum(duration for duration, _ in sums.values()) < 900 * sum(low for low, _ in expected.values()):
            assert time.monotonic() < deadline, (sums, watched.watch.reasons)
            await asyncio.sleep(0.5)  # a browser writes its history when it likes
            watched.now_ms = int(time.time() * 1000)
            sums = await watched.sums()
        assert running.poll() is None
    finally:
        running.terminate()
        running.wait(HANG_S)
        pages.close()
        await database.close()
    seconds = {name: duration / 1000 for (name, _), (duration, _) in sums.items()}
    assert seconds.keys() == expected.keys()
    assert all(0.9 * low <= seconds[name] <= high for name, (low, high) in expected.items()), (seconds, expected)
    assert {name: count for (name, _), (_, count) in sums.items()} == {"poe.com": 2, "pi.ai": 1}
    stored = b"".join(each.read_bytes() for each in database.path.parent.glob(f"{database.path.name}*"))
    assert CANARY.encode() not in stored
    assert CANARY.lower().encode() not in stored
