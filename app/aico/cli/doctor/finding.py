"""What the doctor says of one thing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a thing is."""

    OK = "OK"
    WARN = "WARN"
    """The service works, perhaps not fully, or not for long."""
    FAIL = "FAIL"
    """The service does not work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    verdict: Verdict
    text: str
    """A sentence; unless all is well, with what to do."""


def ok(subject: str, text: str) -> Finding:
    """Return that all is well."""
    return Finding(subject, Verdict.OK, text)


def warn(subject: str, text: str) -> Finding:
    """Return that something should be looked after."""
    return Finding(subject, Verdict.WARN, text)


def fail(subject: str, text: str) -> Finding:
    """Return that something does not work."""
    return Finding(subject, Verdict.FAIL, text)
