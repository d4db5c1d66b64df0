"""The places in which databases of OpenCode and Kilo are looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from aico.features.sources import copilot_cli, kilo, opencode
from aico.features.sources.source import Source, Surroundings

HOME = Path("/home/dev")
DATA = "/home/dev/.local/share"


@pytest.mark.parametrize(
    ("source", "environment", "path", "chosen_by"),
    [
        (opencode.SOURCE, {}, f"{DATA}/opencode", "default"),
        (opencode.SOURCE, {"XDG_DATA_HOME": "/data/"}, "/data/opencode", "XDG_DATA_HOME"),
        (opencode.SOURCE, {"XDG_DATA_HOME": "data"}, f"{DATA}/opencode", "default"),
        (opencode.SOURCE, {"OPENCODE_DB": "other.db"}, f"{DATA}/opencode/other.db", "OPENCODE_DB"),
        (opencode.SOURCE, {"OPENCODE_DB": "/x/other.db", "KILO_DB": "/y.db"}, "/x/other.db", "OPENCODE_DB"),
        (opencode.SOURCE, {"OPENCODE_DB": ":memory:"}, f"{DATA}/opencode", "default"),
        (kilo.SOURCE, {}, f"{DATA}/kilo", "default"),
        (kilo.SOURCE, {"XDG_DATA_HOME": "/data", "KILO_DB": "my.db"}, "/data/kilo/my.db", "KILO_DB"),
        (copilot_cli.SOURCE, {}, "/home/dev/.copilot", "default"),
        (copilot_cli.SOURCE, {"COPILOT_HOME": "/c/"}, "/c", "COPILOT_HOME"),
    ],
)
def test_variables_of_the_tool_are_honoured(
    source: Source, environment: dict[str, str], path: str, chosen_by: str
) -> None:
    """The same on Linux and macOS; what is no absolute path is not taken."""
    assert source.origins[0].places(Surroundings(HOME, environment)) == ((path, chosen_by),)


@pytest.mark.parametrize("source", [opencode.SOURCE, kilo.SOURCE, copilot_cli.SOURCE], ids=lambda source: source.id)
def test_configured_roots_replace_all_others(source: Source) -> None:
    """Folders and databases, each once."""
    around = Surroundings(HOME, {"XDG_DATA_HOME": "/a", "COPILOT_HOME": "/b"}, {"": ("/x", "/y/z.db", "/x/")})
    setting = f"[sources.{source.id}] roots"
    assert source.origins[0].places(around) == (("/x", setting), ("/y/z.db", setting))
