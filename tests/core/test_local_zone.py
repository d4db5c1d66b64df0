"""The time zone of the machine, however it is told."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import TZPATH, ZoneInfo

import pytest

from aico.core.local_zone import LocalZone, find_local_zone

SUMMER, WINTER = datetime(2026, 7, 1, 12), datetime(2026, 1, 1, 12)  # noqa: DTZ001  # of the zone that is looked at
ZONES = next(Path(folder) for folder in TZPATH if (Path(folder) / "Europe/Paris").exists())


def hours(found: LocalZone) -> tuple[float, float]:
    """Return the distance from UTC in summer and in winter."""
    offsets = (found.zone.utcoffset(moment) or timedelta() for moment in (SUMMER, WINTER))
    summer, winter = (offset.total_seconds() / 3600 for offset in offsets)
    return summer, winter


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("Europe/Paris", "Europe/Paris", (2, 1)),
        (":America/New_York", "America/New_York", (-4, -5)),
        (str(ZONES / "Asia/Tokyo"), "Asia/Tokyo", (9, 9)),
        ("CET-1CEST,M3.5.0,M10.5.0/3", "CET-1CEST,M3.5.0,M10.5.0/3", (2, 1)),
        ("<+0530>-5:30", "<+0530>-5:30", (5.5, 5.5)),
        ("", "UTC", (0, 0)),
        ("No/Such_Zone", "UTC", (0, 0)),
        ("../../etc/passwd", "UTC", (0, 0)),
        ("/etc/passwd", "UTC", (0, 0)),
    ],
)
def test_variable_names_the_zone(text: str, name: str, expected: tuple[float, float]) -> None:
    """A name, a file or a rule; what is none of them is UTC, as for every other program."""
    found = find_local_zone({"TZ": text})
    assert (found.name, hours(found)) == (name, expected)


def test_link_of_the_system_names_the_zone(tmp_path: Path) -> None:
    """Its target is the zone's name."""
    link = tmp_path / "localtime"
    link.symlink_to(ZONES / "Europe/Paris")
    assert find_local_zone({}, link, tmp_path / "timezone") == LocalZone("Europe/Paris", ZoneInfo("Europe/Paris"))


def test_copy_of_the_system_is_named_by_the_file_beside_it(tmp_path: Path) -> None:
    """Without such a file, the zone is right all the same."""
    copy, name = tmp_path / "localtime", tmp_path / "timezone"
    copy.write_bytes((ZONES / "Europe/Paris").read_bytes())
    assert hours(find_local_zone({}, copy, name)) == (2, 1)
    name.write_text("Europe/Paris\n")
    assert find_local_zone({}, copy, name).name == "Europe/Paris"


def test_system_without_a_zone_is_in_utc(tmp_path: Path) -> None:
    """As the C library has it."""
    assert find_local_zone({}, tmp_path / "none", tmp_path / "none").name == "UTC"
