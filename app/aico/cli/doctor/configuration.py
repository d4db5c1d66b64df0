"""The configuration file."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterator

from pydantic import SecretStr

from aico.cli.doctor.finding import Finding, ok, warn
from aico.core.settings import LoadedSettings, config_path


def examine_configuration(loaded: LoadedSettings) -> Iterator[Finding]:
    """Say which file is used, and whether others can read the secrets in it."""
    path = config_path(os.environ).absolute()
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        yield ok("settings", f"no {path}: defaults, variables and flags")
        return
    # Settings that could not be read were refused before: those that are there are ours to judge.
    from_file = [name for name, origin in loaded.origins.items() if origin == str(config_path(os.environ))]
    secret = [name for name in from_file if isinstance(loaded.get_value(name), SecretStr)]
    if secret and mode & 0o077:
        text = f"{path} holds {', '.join(secret)} and has mode {mode:04o}: others can read it. chmod 600"
        yield warn("settings", f"{text} {shlex.quote(str(path))}")
    else:
        yield ok("settings", f"{path} sets {', '.join(from_file) or 'nothing'}")
