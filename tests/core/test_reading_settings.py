"""The few settings of a command that only reads: the same as all settings say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aico.core.errors import SettingsError
from aico.core.reading_settings import ReadingSettings, find_reading_settings
from aico.core.setting_names import SETTING_NAMES, SOURCE_FIELDS
from aico.core.settings import Settings, SourceSettings, load_settings, setting_names
from tests.hypothesis_profiles import examples

PATHS = st.sampled_from(["/a/b.db", "relative.db", "~/x.db", "~nobody-of-this-name/x.db", "/a\0b", "", "/ü/x.db"])
AMOUNTS = st.sampled_from(["125", "12.50", "0", "-1", "1e3", "many", " 5", "1_000", "true", "inf", "2000000000"])
NAMES = {"AICO_DATABASE_PATH": PATHS, "AICO_BUDGET_MONTHLY_USD": AMOUNTS, "AICO_TOKEN": st.just("a-token-of-somebody")}
FILES = st.sampled_from(
    [
        "",
        'database_path = "/file.db"',
        "database_path = 5",
        "budget_monthly_usd = 7",
        "budget_monthly_usd = 7.25",
        "budget_monthly_usd = true",
        'budget_monthly_usd = "8"',
        "datbase_path = 1",
        "[sources.cline]\nenbled = true",
        "= no TOML",
    ]
)


def test_names_are_those_of_the_settings() -> None:
    """Each setting has its name here."""
    assert setting_names() == SETTING_NAMES
    assert tuple(SourceSettings.model_fields) == SOURCE_FIELDS


@given(st.fixed_dictionaries({}, optional=NAMES), FILES, st.one_of(st.none(), PATHS))
@settings(max_examples=examples(1))
def test_few_settings_are_those_of_all(environment: dict[str, str], file: str, flag: str | None) -> None:
    """Flags, environment and file decide in the same order, with the same errors; what is odd is left to the whole."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "read_bytes", lambda _path: file.encode())
        variables = {**environment, "AICO_CONFIG": "/nowhere/config.toml"}
        flags = {} if flag is None else {"database_path": flag}
        few = outcome(lambda: find_reading_settings(flags, variables))
        if few is not None:
            assert few == outcome(lambda: _few(load_settings(flags, variables).settings))


def outcome(load: Callable[[], ReadingSettings | None]) -> ReadingSettings | str | None:
    """Return what ``load`` does, or what it says of an error."""
    try:
        return load()
    except SettingsError as error:
        return str(error)


@pytest.mark.parametrize("amount", ["0", "-1", "1e3", "many"])
def test_odd_value_is_left_to_the_whole(amount: str) -> None:
    """A value that cannot be understood at a glance is not guessed."""
    assert find_reading_settings({}, {"AICO_BUDGET_MONTHLY_USD": amount}) is None


def _few(whole: Settings) -> ReadingSettings:
    token = None if whole.token is None else whole.token.get_secret_value()
    return ReadingSettings(whole.database_path, whole.budget_monthly_usd, token)
