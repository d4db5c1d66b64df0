"""The doctor's finding about one thing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from aico.core.errors import ObserverError

_TO_THE_DOCTOR = re.compile(r"\s*(?:;|(?<=\.)|^)[^;.]*`aico doctor`[^;.]*")
"""A part of a sentence, or a whole one, that sends the reader of the doctor's findings to the doctor."""


class Verdict(StrEnum):
    """How a thing is."""

    OK = "OK"
    WARN = "WARN"
    """The service works, perhaps not fully, or not for long."""
    FAIL = "FAIL"
    """The service does not work, or not as it was set."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    """A part of the service or the machine, or an origin, such as ``cline.ledger``."""
    verdict: Verdict
    text: str
    """A sentence; unless all is well, with what to do."""
    aspect: str = ""
    """Of an origin, the aspect that was looked at."""


def ok(subject: str, text: str, aspect: str = "") -> Finding:
    """Return that all is well."""
    return Finding(subject, Verdict.OK, text, aspect)


def warn(subject: str, text: str, aspect: str = "") -> Finding:
    """Return that something should be looked after."""
    return Finding(subject, Verdict.WARN, text, aspect)


def fail(subject: str, text: str, aspect: str = "") -> Finding:
    """Return that something does not work."""
    return Finding(subject, Verdict.FAIL, text, aspect)


def advise(error: ObserverError) -> str:
    """Return the sentence of ``error`` and what to do, without the advice to call the doctor: it has been called."""
    return f"{error} {_TO_THE_DOCTOR.sub('', error.hint)}".rstrip()
