"""The sample configuration: with every line of it, it loads; without, it sets nothing."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from aico.core.settings import Settings, load_settings
from aico.features.sources.registry import KNOWN
from tests.house.document_tables import ROOT

SAMPLE = ROOT / "docs" / "config.example.toml"
SETTING = re.compile(r"^#(?=[a-z_]+ = |\[)", re.MULTILINE)


@pytest.fixture
def named(tmp_path: Path) -> Path:
    """Return where the configuration file is looked for."""
    return tmp_path / "config.toml"


def test_sample_sets_nothing_until_lines_of_it_are_taken(named: Path, tmp_path: Path) -> None:
    """Copied as it is, it changes no setting."""
    named.write_text(SAMPLE.read_text("utf-8"), "utf-8")
    loaded = load_settings({}, {"AICO_CONFIG": str(named), "HOME": str(tmp_path)}, KNOWN)
    assert str(named) not in loaded.origins.values()


def test_every_line_of_the_sample_is_one_that_loads(named: Path, tmp_path: Path) -> None:
    """Each name is known, each value in bounds, and where it is a default it is the real one."""
    text = SETTING.sub("", SAMPLE.read_text("utf-8"))
    named.write_text(text, "utf-8")
    loaded = load_settings({}, {"AICO_CONFIG": str(named), "HOME": str(tmp_path)}, KNOWN)
    said = tomllib.loads(text)
    assert {name for name, origin in loaded.origins.items() if origin == str(named)} > {"port", "otlp.endpoint"}
    for name in ("host", "port", "enabled_sources"):
        assert said[name] == Settings.model_fields[name].default
    assert [price.model for price in loaded.settings.prices] == ["glm-5*"]
    assert loaded.settings.sources["claude-code"].enabled
