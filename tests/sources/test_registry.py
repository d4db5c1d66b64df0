"""The list of sources, and what each of them must be; one that nobody wrote may stand in it like any other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aico.core.errors import SourceError, SourceFormat, SourceNotFound, SourcePathRefused, SourceTooLarge
from aico.core.usage import Trigger
from aico.features.sources.registry import SOURCES
from aico.features.sources.source import Origin, Source, Surroundings
from tests.sources.feeds import FeedDriver, entry_count, open_feed
from tests.sources.invented import LOG
from tests.sources.invented import SOURCE as INVENTED

EVERY = (*SOURCES, INVENTED)
ORIGINS = [(source, origin) for source in EVERY for origin in source.origins]


def around(home: Path) -> Surroundings:
    """Return surroundings that name nothing."""
    return Surroundings(home.resolve(), {})


def place_of(home: Path) -> Path:
    """Return the place of the invented source below ``home``; its directory is made."""
    (place,) = LOG.places(around(home))
    path = Path(place.path)
    path.parent.mkdir()
    return path


def write(path: Path, data: bytes) -> None:
    """Write as the tool would."""
    path.write_bytes(data)


def test_source_has_a_name_of_its_own() -> None:
    """Ids are stable words, used once; origins within a source likewise."""
    ids = [source.id for source in EVERY]
    assert len(set(ids)) == len(ids)
    for source in EVERY:
        origins = [origin.id for origin in source.origins]
        assert origins
        assert len(set(origins)) == len(origins)
        assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for name in (source.id, *origins))


@pytest.mark.parametrize(("source", "origin"), ORIGINS, ids=lambda each: getattr(each, "id", ""))
async def test_place_that_is_absent_is_said_to_be(tmp_path: Path, source: Source, origin: Origin) -> None:
    """The error of what is not there names the place by its title, and says which source and origin it is."""
    (place, *_) = origin.places(around(tmp_path))
    assert place.chosen_by == "default"
    feed = open_feed(origin, Path(place.path))
    assert feed.find_directory_identity() is None
    with pytest.raises(SourceNotFound) as caught:
        await feed.read(Trigger.STARTUP)
    assert caught.value.is_absent
    assert (caught.value.source, caught.value.origin) == (source.id, origin.id)
    assert str(caught.value) == f"There is no {feed.title} at {place.path}."


async def test_invented_source_is_read_like_any_other(tmp_path: Path) -> None:
    """Read, take in, complete, read again: all of it comes from one function that parses."""
    path = place_of(tmp_path)
    write(path, b'[["a",1000,1],["b",2000,2],7,null]')
    driver = FeedDriver(open_feed(LOG, path))
    first = await driver.take_in()
    assert ([record[0] for record in first.records], entry_count(first)) == (["b", "a"], 4)
    write(path, b'[["a",1000,5],["b",2000,2],7,null]')
    again = await driver.take_in()
    assert ([record[0] for record in again.records], entry_count(again)) == (["a"], 4)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("absent", SourceNotFound),
        ("folder", SourcePathRefused),
        ("large", SourceTooLarge),
        ("broken", SourceFormat),
    ],
)
async def test_invented_source_has_the_general_errors(tmp_path: Path, kind: str, error: type[SourceError]) -> None:
    """A source without classes of its own is told by the general codes, and by its title."""
    path = place_of(tmp_path)
    if kind == "folder":
        path.mkdir()
    elif kind != "absent":
        write(path, b"{" * (200 if kind == "large" else 10))
    with pytest.raises(error, match="Invented log") as caught:
        await open_feed(LOG, path, read_attempts=1, max_bytes=100).read(Trigger.CLI)
    assert type(caught.value) is error
    assert (caught.value.source, caught.value.origin) == ("invented", "log")
