"""``python -m aico``: the same as the command ``aico``."""

from __future__ import annotations

import sys

from aico.cli import main

if __name__ == "__main__":
    sys.exit(main())
