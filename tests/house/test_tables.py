"""The documents' tables say everything that is there, and nothing that is not; the README stays short."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import aico
from aico.api.errors import STATUSES, status_of_kind
from aico.core.activity_settings import ActivitySettings
from aico.core.errors import LedgerError, ObserverError, SessionsError
from aico.core.otlp_settings import OtlpSettings
from aico.core.settings import Settings, SourceSettings, setting_names, variable_of
from aico.core.usage import RejectionCode
from aico.features.sources.registry import KNOWN
from aico.main import create_app
from tests.house.document_tables import ROOT, read_table

SETTINGS, ENDPOINTS, ERRORS = "docs/settings.md", "docs/api.md", "docs/errors.md"
README_LINES = 150
NOT_IN_THE_SCHEMA = {"GET /", "GET /embed", "GET /login", "POST /login", "GET /openapi.json", "GET /ws"}
ABSTRACT = {"SourceError", "LedgerError", "SessionsError", "RequestRefused"}


@pytest.fixture
def everything() -> None:
    """Import every module, so that every kind of error is known."""
    for module in pkgutil.walk_packages(aico.__path__, "aico."):
        importlib.import_module(module.name)


def kinds_of_error(root: type[ObserverError] = ObserverError) -> Iterator[type[ObserverError]]:
    """Yield ``root`` and every error below it that is really raised."""
    if root.__name__ not in ABSTRACT:
        yield root
    for kind in root.__subclasses__():
        yield from kinds_of_error(kind)


def test_document_lists_every_setting() -> None:
    """The table of settings holds exactly the settings."""
    assert list(read_table(SETTINGS)) == list(setting_names())


@pytest.mark.parametrize("name", setting_names())
def test_document_states_variable_and_default_of_each_setting(name: str) -> None:
    """A setting's row names its environment variable and its real default."""
    _, variable, default, meaning = read_table(SETTINGS)[name]
    real = Settings.model_fields[name]
    assert variable == variable_of(name)
    assert meaning
    if not real.is_required() and real.default_factory is None:
        assert default == ("none" if real.default in {None, ()} else str(real.default).lower())


def test_document_lists_every_tool_with_its_origins() -> None:
    """In the order of the registry."""
    text = (ROOT / SETTINGS).read_text("utf-8").split("The tools, with their origins:")[1].split("```")[0]
    listed = {
        tool: tuple(re.findall(r"`([\w-]+)`", origins)) for tool, origins in re.findall(r"`([\w-]+)` \(([^)]*)\)", text)
    }
    assert listed == KNOWN


def test_document_lists_every_setting_of_a_source() -> None:
    """The second table holds exactly the settings of a source, each with its variable, and none has a default."""
    table = read_table(SETTINGS, 1)
    assert list(table) == list(SourceSettings.model_fields)
    for name, (_, variable, default, meaning) in table.items():
        assert (variable, default) == (variable_of(f"sources.name.{name}"), "none")
        assert meaning


def test_document_states_variable_and_default_of_each_setting_of_the_way_out() -> None:
    """The third table holds exactly the settings of ``[otlp]``."""
    table = read_table(SETTINGS, 2)
    assert list(table) == list(OtlpSettings.model_fields)
    for name, (_, variable, default, meaning) in table.items():
        real = OtlpSettings.model_fields[name].default
        assert (variable, default) == (variable_of(f"otlp.{name}"), "none" if real is None else str(real).lower())
        assert meaning


def test_document_states_variable_and_default_of_each_setting_of_activity() -> None:
    """The fourth table holds exactly the settings of ``[activity]``."""
    table = read_table(SETTINGS, 3)
    assert list(table) == list(ActivitySettings.model_fields)
    for name, (_, variable, default, meaning) in table.items():
        real = ActivitySettings.model_fields[name].default
        assert (variable, default) == (variable_of(f"activity.{name}"), "none" if real == () else str(real))
        assert meaning


def test_document_lists_every_endpoint(tmp_path: Path) -> None:
    """The table of endpoints holds exactly the routes of the application."""
    application = create_app(
        Settings(ledger_path=str(tmp_path / "taskHistory.json"), database_path=tmp_path / "observer.db")
    )
    schema: dict[str, dict[str, object]] = application.openapi()["paths"]
    routes = {f"{method.upper()} {path}" for path, methods in schema.items() for method in methods}
    assert set(read_table(ENDPOINTS)) == routes | NOT_IN_THE_SCHEMA


@pytest.mark.usefixtures("everything")
def test_document_lists_every_error() -> None:
    """The table of errors holds exactly the codes of the error tree."""
    assert set(read_table(ERRORS)) == {kind.code for kind in kinds_of_error()}


@pytest.mark.parametrize("kind", [*STATUSES, *LedgerError.__subclasses__(), *SessionsError.__subclasses__()])
def test_document_states_the_status_of_each_error(kind: type[ObserverError]) -> None:
    """An error's row names the status that it is really answered with, and what to do."""
    status = status_of_kind(kind)
    _, stated, meaning, remedy = read_table(ERRORS)[kind.code]
    assert stated == str(status.value)
    assert meaning
    assert remedy


def test_document_lists_every_rejection() -> None:
    """The table of rejections holds exactly the codes that an entry can be refused with."""
    assert set(read_table(ERRORS, 1)) == {code.value for code in RejectionCode}


@pytest.mark.parametrize("name", ["README.md", "README.fr.md"])
def test_readme_is_short(name: str) -> None:
    """A newcomer reads the README in a few minutes; the documents hold the rest."""
    assert len((ROOT / name).read_text(encoding="utf-8").splitlines()) <= README_LINES


def test_readme_leads_to_every_document() -> None:
    """Each document of users is one click from the README, or from a document that is."""
    linked = {"README.md"}
    fresh = ["README.md"]
    while fresh:
        document = ROOT / fresh.pop()
        for link in re.findall(r"\]\(([^)#:\s]+)", document.read_text(encoding="utf-8")):
            target = (document.parent / link).resolve()
            name = str(target.relative_to(ROOT))
            if target.suffix == ".md" and name not in linked:
                linked.add(name)
                fresh.append(name)
    assert {str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md")} <= linked
