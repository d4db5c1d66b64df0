"""Other people's code is shipped exactly as the list of it says."""

from __future__ import annotations

import hashlib
import json
from typing import TypedDict, cast

from tests.web.page_files import VENDOR


class VendoredFile(TypedDict):
    """One line of the list."""

    file: str
    name: str
    version: str
    licence: str
    licence_file: str
    origin: str
    package_integrity: str
    changes: str
    sha256: str


class LicenceFile(TypedDict):
    """The text of a licence."""

    file: str
    sha256: str


class VendorList(TypedDict):
    """The whole list."""

    about: str
    files: list[VendoredFile]
    licences: list[LicenceFile]


def _load_list() -> VendorList:
    return cast("VendorList", json.loads((VENDOR / "vendor.json").read_text(encoding="utf-8")))


def test_vendored_file_matches_its_sha256() -> None:
    """Every vendored file and licence has the digest that the list gives for it."""
    listed = _load_list()
    digests = {entry["file"]: entry["sha256"] for entry in (*listed["files"], *listed["licences"])}

    found = {name: hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() for name in digests}

    assert found == digests


def test_vendor_folder_holds_nothing_that_is_not_listed() -> None:
    """A file that nobody listed cannot hide among the vendored ones."""
    listed = _load_list()
    names = {entry["file"] for entry in (*listed["files"], *listed["licences"])} | {"vendor.json"}

    found = {path.relative_to(VENDOR).as_posix() for path in VENDOR.rglob("*") if path.is_file()}

    assert found == names


def test_vendored_file_names_its_licence_and_version() -> None:
    """Each file says which version it is, under which licence, and where that licence's text is."""
    listed = _load_list()
    texts = {licence["file"] for licence in listed["licences"]}

    assert all(entry["version"] and entry["licence"] and entry["licence_file"] in texts for entry in listed["files"])
