"""The extension's files: the same bytes each time, the pinned id, rights for listed sites alone, words twice."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import runpy
import zipfile
from pathlib import Path

from aico.api.access import EXTENSION_ORIGIN
from aico.core.activity_settings import ActivitySettings
from aico.features.activity.definitions import load_definitions

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "extension"


def test_extension_is_packed_the_same_each_time_and_for_listed_sites_alone(tmp_path: Path) -> None:
    """Two archives are equal; the rights are this machine and the listed hosts; the key gives the pinned id."""
    pack = runpy.run_path(str(ROOT / "scripts/extension.py"))["pack"]
    one, two = (pack(tmp_path / name)[1].read_bytes() for name in ("one", "two"))
    assert one == two
    with zipfile.ZipFile(tmp_path / "one/ai-cost-observer-extension.zip") as packed:
        manifest, names = json.loads(packed.read("manifest.json")), packed.namelist()
        sites = json.loads(packed.read("sites.js").decode().removeprefix("export const SITES = ").rstrip(";\n"))
    assert {"sites.js", "background.js", "_locales/fr/messages.json"} <= set(names)
    domains = load_definitions(ActivitySettings()).domains
    assert {site["name"] for site in sites} == set(domains)
    hosts = {f"*://*.{name.partition('/')[0]}/*" for name in domains}
    assert set(manifest["host_permissions"]) == hosts | {"http://127.0.0.1/*", "http://localhost/*"}
    assert manifest["permissions"] == ["alarms", "idle", "storage"]
    assert manifest["incognito"] == "not_allowed"
    digest = hashlib.sha256(base64.b64decode(manifest["key"])).hexdigest()[:32]
    assert f"chrome-extension://{''.join(chr(97 + int(each, 16)) for each in digest)}" == EXTENSION_ORIGIN


def test_pages_have_all_words_in_both_languages() -> None:
    """Every word that a page asks for is there in English and French, none is left over, and stores take the texts."""
    words = {each: json.loads((SOURCE / f"_locales/{each}/messages.json").read_text("utf-8")) for each in ("en", "fr")}
    assert words["en"].keys() == words["fr"].keys()
    text = "".join(path.read_text("utf-8") for path in SOURCE.glob("*") if path.suffix in {".js", ".html", ".json"})
    asked = set(re.findall(r'data-word="(\w+)"|__MSG_(\w+)__|"((?:answer|address)_\w+)"', text))
    assert {next(filter(None, each)) for each in asked} == words["en"].keys()
    assert all(len(each["description"]["message"]) <= 132 for each in words.values())
