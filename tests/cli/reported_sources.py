"""Looks at a home as the doctor does, with an invented source beside the real ones, and finds lines in its report."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from aico.cli.doctor.finding import Finding, Verdict
from aico.cli.doctor.places import SourcesReport, look_at_places
from aico.core.settings import Settings, load_settings
from aico.features.sources.registry import SOURCES
from tests.sources.invented import SOURCE as INVENTED

EVERY = (*SOURCES, INVENTED)


class Told(NamedTuple):
    """A line of the report."""

    verdict: Verdict
    text: str


def settings_of(**values: object) -> Settings:
    """Return the settings of this machine with ``values``; a file that is none is not waited for long."""
    return load_settings({"port": 0, "read_attempts": 2, **values}).settings


async def report_of(settings: Settings) -> SourcesReport:
    """Return what lies in the places of every source."""
    return await look_at_places(settings, EVERY)


def told(findings: Iterable[Finding]) -> dict[str, Told]:
    """Return the findings by subject and aspect, such as ``cline.ledger entries``.

    Each is told once; of an origin with several places, each place is, and the first one is returned.
    """
    lines: dict[str, Told] = {}
    for finding in findings:
        name = f"{finding.subject} {finding.aspect}".strip()
        assert name not in lines or finding.aspect == "place", name
        lines.setdefault(name, Told(finding.verdict, finding.text))
    return lines
