"""A user's folders are where the library of all systems says that they are."""

from __future__ import annotations

import platformdirs
import pytest

from aico.core.user_folders import APP_NAME, config_folder, data_folder


@pytest.mark.parametrize("home", ["/home/ada", "/home/ada/", "", "relative", None])
@pytest.mark.parametrize("folder", [None, "", "/elsewhere", "/else where/../x", "relative", " ", "~/own"])
def test_folders_are_those_of_the_library(
    monkeypatch: pytest.MonkeyPatch, home: str | None, folder: str | None
) -> None:
    """For any variables, the short way and the long one lead to the same place."""
    for name, value in (("HOME", home), ("XDG_CONFIG_HOME", folder), ("XDG_DATA_HOME", folder)):
        monkeypatch.setenv(name, value) if value is not None else monkeypatch.delenv(name, raising=False)
    assert config_folder() == platformdirs.user_config_path(APP_NAME)
    assert data_folder() == platformdirs.user_data_path(APP_NAME)
