"""Kills the reading of all forms before random statements, while they grow. Run with a folder and a seed.

A file of its own: forking is safe only in a process without threads.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

from tests.core.database_damage import failed_checks
from tests.core.repository_on_file import copy_of_template
from tests.sources.forms import SOURCES, booked_in, differences, excess, make_forms, prepare
from tests.sources.line_killer import read_until

NEVER = -1


def main(folder: Path, seed: int) -> None:
    """Print how many readers died, and what is booked otherwise than it was billed after the last one."""
    chance = random.Random(seed)  # noqa: S311  # no secret
    forms = make_forms()
    home, database = folder / "home", copy_of_template(folder)
    prepare(home)
    changes = list(forms.shuffled(chance))[::-1]
    deaths = 0
    while changes:
        for _ in range(min(len(changes), chance.randint(0, 60))):
            changes.pop().do(home)
        deaths += not read_until(folder, home, SOURCES, int(2 ** chance.uniform(0, 11)))
        assert failed_checks(database) == []
        assert excess(booked_in(database), forms.billed) == set()
    assert read_until(folder, home, SOURCES, NEVER)
    assert failed_checks(database) == []
    sys.stdout.write(f"{deaths}\n{differences(booked_in(database), forms.billed)}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
