"""Private texts of the made-up ledger: prompts, paths, error messages, each with a canary.

No I/O, no clock, no logging.
"""

from __future__ import annotations

import math
from random import Random

from aico.features.demo import texts

_MEDIAN_PROMPT_CHARS = 190
_PROMPT_SPREAD = 1.25
"""Of the logarithm: half of all prompts are one or two sentences, one in a hundred is a pasted file."""
_LONGEST_PROMPT_CHARS = 20_000
_PIECES = (texts.CODE, texts.LOG_LINES, texts.LOG_LINES, texts.OPENINGS)


def draw_canary(rng: Random) -> str:
    """Return a marker that no honest text contains."""
    return f"{texts.CANARY_PREFIX}{rng.getrandbits(48):012x}"


def write_prompt(rng: Random) -> str:
    """Return a task's first prompt: an opening, then code, logs and secrets up to a heavy-tailed length.

    The canary stands at the beginning, in the middle or at the end.
    """
    length = min(_MEDIAN_PROMPT_CHARS * math.exp(rng.gauss(0, _PROMPT_SPREAD)), _LONGEST_PROMPT_CHARS)
    canary = draw_canary(rng)
    pieces = [rng.choice(texts.OPENINGS)]
    if rng.random() < 0.2:
        pieces.append(rng.choice(texts.SECRETS).format(canary=canary))
    written = sum(map(len, pieces))
    while written < length:
        pieces.append(rng.choice(rng.choice(_PIECES)))
        written += len(pieces[-1])
    pieces.insert(rng.randrange(len(pieces) + 1), f" {canary} ")
    return "".join(pieces).strip()


def write_path(rng: Random) -> str:
    """Return an absolute path of a person's project."""
    return f"/home/{draw_canary(rng)}/src/{rng.choice(texts.PROJECTS)}"


def write_checkpoint_error(rng: Random) -> str:
    """Return the free text of a failed checkpoint."""
    return rng.choice(texts.CHECKPOINT_ERRORS).format(path=write_path(rng), canary=draw_canary(rng))
