"""What holds for every test: how examples are drawn, and what a run says at its end of the faults it has done."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

from tests.faults import fault_counts

# A busy machine is no fault of the code: no time counts. Nothing is kept on disk; a failure prints how to repeat it.
settings.register_profile(
    "anew", deadline=None, database=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("anew")
_PREFIX = "fault: "


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Let the test's report carry what the test has asked for, also from another process."""
    fault_counts.asked.clear()
    try:
        yield
    finally:
        item.user_properties += [(_PREFIX + fault, count) for fault, count in fault_counts.asked.items()]


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
