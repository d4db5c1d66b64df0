"""What the run of the faults says at its end."""

from __future__ import annotations

import pytest

from tests.faults import counts


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how often each fault was done, and the seed."""
    if counts.asked:
        terminalreporter.section("faults")
        terminalreporter.write_line(counts.describe())
