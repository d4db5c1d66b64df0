"""Every form in which usage stands twice, late or not at all: the difference to what was billed is 0."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.database_damage import failed_checks
from tests.core.repository_on_file import copy_of_template
from tests.hypothesis_profiles import examples
from tests.quick_variants import first_is_quick
from tests.sources.forms import SOURCES, Forms, booked_in, differences, excess, give_ages, make_forms, prepare
from tests.sources.pipeline import pipeline

ROOT = Path(__file__).resolve().parents[2]


@lru_cache(maxsize=1)
def forms() -> Forms:
    """Return all forms, written once."""
    return make_forms()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a home in which no tool has worked yet."""
    home = tmp_path.resolve() / "home"
    prepare(home)
    return home


async def test_every_form_is_booked_as_it_was_billed(tmp_path: Path, home: Path) -> None:
    """By day and model, with each kind of token, in a home that is read at once; what was kept adds up."""
    for step in (step for steps in forms().steps for step in steps):
        for change in step:
            change.do(home)
    database = copy_of_template(tmp_path)
    async with pipeline(tmp_path, SOURCES, home) as reading:
        await reading.read()
    assert differences(booked_in(database), forms().billed) == {}
    assert len({model for model, _day in forms().billed}) == len(forms().steps) > 30
    assert failed_checks(database) == []


async def live(folder: Path, seed: int) -> None:
    """Let everything happen in some order, with readings in between, each by this process or by a new one."""
    chance = random.Random(seed)  # noqa: S311  # no secret
    home, database = folder / "home", copy_of_template(folder)
    prepare(home)
    changes = list(forms().shuffled(chance))[::-1]
    most = chance.choice((10, 40, len(changes)))
    while changes:
        async with pipeline(folder, SOURCES, home) as reading:
            for _ in range(chance.randint(1, 8)):
                for _ in range(min(len(changes), chance.randint(most // 10, most))):
                    changes.pop().do(home)
                if most > 40:
                    # The newest files are read first.
                    give_ages(home, chance)
                await reading.read()
                booked = booked_in(database)
                assert excess(booked, forms().billed) == set()
            assert failed_checks(database) == []
    assert differences(booked, forms().billed) == {}


@pytest.mark.slow
@settings(max_examples=examples(0.2))
@given(st.integers(0, 1 << 30))
def test_every_form_is_booked_as_it_was_billed_while_it_grows(seed: int) -> None:
    """Line by line, up to any byte, all at once and through restarts: never too much, and exact in the end."""
    with TemporaryDirectory() as folder:
        asyncio.run(live(Path(folder).resolve(), seed))


@pytest.mark.slow
@pytest.mark.parametrize("seed", first_is_quick(*range(3)))
def test_every_form_is_booked_as_it_was_billed_through_deaths(tmp_path: Path, seed: int) -> None:
    """The reader dies before any of its statements, again and again, and a new one goes on."""
    command = [sys.executable, "-m", "tests.sources.form_killer", str(tmp_path.resolve()), str(seed)]
    said = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert (said.returncode, said.stderr) == (0, "")
    deaths, differing = said.stdout.splitlines()
    assert (int(deaths) > 5, differing) == (True, "{}")
