"""The folders of a user's configuration and data. The library that knows every system is asked only if it differs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

APP_NAME = "ai-cost-observer"


def config_folder() -> Path:
    """Return our folder of the user's configuration."""
    plain = _plain("XDG_CONFIG_HOME", ".config")
    if plain is not None:
        return plain
    import platformdirs  # noqa: PLC0415  # a tenth of what a command at a prompt takes

    return platformdirs.user_config_path(APP_NAME)


def data_folder() -> Path:
    """Return our folder of the user's data."""
    plain = _plain("XDG_DATA_HOME", ".local/share")
    if plain is not None:
        return plain
    import platformdirs  # noqa: PLC0415  # likewise

    return platformdirs.user_data_path(APP_NAME)


def _plain(variable: str, usual: str) -> Path | None:
    """Return what the library says on Linux where everything is plain, None elsewhere."""
    folder, home = os.environ.get(variable, ""), os.environ.get("HOME", "")
    if sys.platform != "linux" or not home.startswith("/") or not (not folder or folder.startswith("/")):
        return None
    return Path(folder or f"{home}/{usual}", APP_NAME)
