"""The extension knows each listed site by its real address, and no other: its own module, in a browser."""

from __future__ import annotations

import base64
import runpy

from playwright.sync_api import Browser

from aico.core.activity_settings import ActivitySettings
from aico.features.activity.definitions import load_definitions
from tests.activity.test_extension_files import ROOT
from tests.activity.test_histories import MISSES

_LOOK = """async ([tracking, sites, addresses]) => {
  const { siteOf } = await import(tracking);
  const { SITES } = await import(sites);
  return addresses.map((address) => siteOf(address, SITES));
}"""


def test_extension_knows_each_listed_site_by_its_real_address(browser: Browser) -> None:
    """Hosts with their subdomains, ports and users; paths by whole parts; whatever only looks like one is none."""
    packed = runpy.run_path(str(ROOT / "scripts/extension.py"))["files"]()
    wanted: dict[str, str | None] = dict.fromkeys(MISSES)
    for name in load_definitions(ActivitySettings()).domains:
        host, _, path = name.partition("/")
        wanted |= {
            f"https://{name}": name,
            f"https://{name}/c/1?q=2#3": name,
            f"https://www.deep.{name}/": name,
            f"http://user:word@{host}.:8443/{path}": name,
            f"https://{host}.evil.example/{path}": None,
            f"https://not{name}/": None,
        }
    modules = [
        f"data:text/javascript;base64,{base64.b64encode(packed[each]).decode()}" for each in ("tracking.js", "sites.js")
    ]
    page = browser.new_page()
    try:
        found = page.evaluate(_LOOK, [*modules, list(wanted)])
    finally:
        page.close()
    assert dict(zip(wanted, found, strict=True)) == wanted
