"""Packs the browser extension: its files, and the list of sites, into a folder and an archive that is always the same.

Prints where both are. The folder is what *Load unpacked* takes, the archive what stores take.
"""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

from aico.core.activity_settings import ActivitySettings
from aico.features.activity.definitions import load_definitions

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "extension"
_LEFT_OUT = {"README.md"}
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The first moment that an archive can hold."""


def files() -> dict[str, bytes]:
    """Return every file of the extension, by its name inside it, in the order of the names."""
    found = {
        path.relative_to(SOURCE).as_posix(): path.read_bytes()
        for path in SOURCE.rglob("*")
        if path.is_file() and path.name not in _LEFT_OUT
    }
    sites = [(*name.partition("/")[::2], name) for name in load_definitions(ActivitySettings()).domains]
    # The longest first: it wins.
    sites.sort(key=lambda site: (-len(site[0]), -len(site[1]), site[2]))
    rows = [{"name": name, "host": host, "path": f"/{path}" if path else ""} for host, path, name in sites]
    found["sites.js"] = f"export const SITES = {json.dumps(rows, indent=1)};\n".encode()
    manifest = json.loads(found["manifest.json"])
    manifest["host_permissions"] += sorted({f"*://*.{host}/*" for host, _, _ in sites})
    found["manifest.json"] = (json.dumps(manifest, indent=2) + "\n").encode()
    return dict(sorted(found.items()))


def pack(target: Path) -> tuple[Path, Path]:
    """Write the extension below ``target``, and return its folder and its archive."""
    folder, archive = target / "extension", target / "ai-cost-observer-extension.zip"
    target.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive, "w") as packed:
        for name, content in files().items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o100644 << 16
            entry.create_system = 3
            # Stored, not compressed: another zlib would make other bytes.
            packed.writestr(entry, content, zipfile.ZIP_STORED)
    return folder, archive


def main() -> int:
    """Return the exit code."""
    folder, archive = pack(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / ".make")
    print(f"{folder}\n{archive}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
