"""The rules of every test: the user's things stay untouched, examples are drawn, faults are counted."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from tests import hypothesis_profiles, users_things_guard
from tests.faults import fault_counts

# Before anything else is imported that might look.
_home = users_things_guard.isolate()
users_things_guard.watch()
hypothesis_profiles.load()
SLOW_FOLDERS = ("faults", "system")
"""Their tests take their time: they kill, fill disks, flood, search a memory, trace."""
_PREFIX = "fault: "


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests in the slow folders, so that each test is either quick or slow."""
    folders = [Path(__file__).parent / name for name in SLOW_FOLDERS]
    for item in items:
        if any(item.path.is_relative_to(folder) for folder in folders):
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Fail the test if it reached for something of the user's; let its report carry what faults it has asked for."""
    fault_counts.asked.clear()
    users_things_guard.touched.clear()
    try:
        yield
        assert users_things_guard.touched == [], "something of the user's was reached for"
    finally:
        item.user_properties += [(_PREFIX + fault, count) for fault, count in fault_counts.asked.items()]


def pytest_unconfigure() -> None:
    """Leave no home behind."""
    users_things_guard.remove(_home)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how often each fault was done, in whichever process, and the seed."""
    found: dict[str, int] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport) and report.when == "call":
                own = {name: int(str(count)) for name, count in report.user_properties if name.startswith(_PREFIX)}
                found.update((name.removeprefix(_PREFIX), count) for name, count in own.items())
    if found:
        terminalreporter.section("faults")
        terminalreporter.write_line(fault_counts.describe(found))
