"""The settings of one call of the command: its flags, the environment, the configuration file."""

from __future__ import annotations

import argparse

from aico.cli import flags_of
from aico.core.settings import LoadedSettings, load_settings
from aico.features.sources.registry import KNOWN


def load(options: argparse.Namespace) -> LoadedSettings:
    """Return the settings that hold for ``options``. Raises SettingsError."""
    return load_settings(flags_of(options), known=KNOWN)
