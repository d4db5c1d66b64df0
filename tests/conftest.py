"""What a run says at its end: how often each fault was done, in whichever of its processes, and the seed."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.faults import counts

_PREFIX = "fault: "


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Let the test's report carry what the test has asked for, also from another process."""
    counts.asked.clear()
    try:
        yield
    finally:
        item.user_properties += [(_PREFIX + fault, count) for fault, count in counts.asked.items()]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print it."""
    found: dict[str, int] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport) and report.when == "call":
                own = {name: int(str(count)) for name, count in report.user_properties if name.startswith(_PREFIX)}
                found.update((name.removeprefix(_PREFIX), count) for name, count in own.items())
    if found:
        terminalreporter.section("faults")
        terminalreporter.write_line(counts.describe(found))
