"""``python -m tests.files.swapper A B``: exchanges two names in a tight loop until its standard input closes."""

from __future__ import annotations

import ctypes
import os
import select
import sys
from itertools import count

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_LOOK_EVERY = 64


def exchange(one: str, other: str) -> None:
    """Exchange two names in one step where the system can, in three where it cannot."""
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)
    here = _AT_FDCWD
    if renameat2 is None or renameat2(here, os.fsencode(one), here, os.fsencode(other), _RENAME_EXCHANGE) != 0:
        aside = f"{other}.aside"
        os.rename(one, aside)  # noqa: PTH104 - as few calls between the names as possible
        os.rename(other, one)  # noqa: PTH104
        os.rename(aside, other)  # noqa: PTH104


def main(one: str, other: str) -> None:
    """Swap until nobody wants it any more."""
    for number in count():
        exchange(one, other)
        if number % _LOOK_EVERY == 0 and select.select([0], [], [], 0)[0]:
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
