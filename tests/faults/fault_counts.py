"""How often each fault is done, and the seed of everything that is drawn.

``make check`` does few (quick), ``make soak`` many: it sets ``AICO_SOAK=1``. ``AICO_SEED=n`` repeats a run. The counts
are printed at the end of the run.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from random import Random, SystemRandom

SOAK_VARIABLE = "AICO_SOAK"
SEED_VARIABLE = "AICO_SEED"

IS_SOAK = os.environ.get(SOAK_VARIABLE, "") not in {"", "0"}
if IS_SOAK:
    # If several processes share the run, all draw from one seed: they inherit the variable.
    os.environ.setdefault(SEED_VARIABLE, str(SystemRandom().getrandbits(32)))
SEED = int(os.environ.get(SEED_VARIABLE) or 20_260_214)
"""The same in each quick run, so that a failure comes from a change; another one in each soak."""

asked: dict[str, int] = {}
"""How often each fault was asked for by the present test."""


def count_of(fault: str, *, quick: int, soak: int) -> int:
    """Return how often to do ``fault`` in this run, and remember it for the report."""
    asked[fault] = soak if IS_SOAK else quick
    return asked[fault]


def rng_of(fault: str) -> Random:
    """Return a generator of its own for ``fault``: what another test draws does not change it."""
    return Random(f"{SEED} {fault}")  # noqa: S311 - reproducible on purpose


def describe(done: Mapping[str, int]) -> str:
    """Return what was done how often, a line for each fault, and how to repeat it."""
    lines = [f"{count:>9,}  {fault}" for fault, count in sorted(done.items())]
    return "\n".join([f"{'many (soak)' if IS_SOAK else 'few (quick)'}, {SEED_VARIABLE}={SEED}", *lines])
