"""Text that a person types: ids of tasks, names of models."""

from __future__ import annotations

import argparse
import os
from decimal import Decimal, InvalidOperation


def parse_text(text: str) -> str:
    """Return the argument ``text`` as it is stored: where the locale could not read its bytes, they are UTF-8.

    Raises ArgumentTypeError for bytes that are not: no task and no model is called that.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        try:
            return os.fsencode(text).decode("utf-8")
        except UnicodeError:
            raise argparse.ArgumentTypeError(f"{text!r} is not UTF-8") from None
    return text


def parse_amount(text: str) -> Decimal:
    """Return an amount of dollars; whether it is a price is somebody else's to say. Raises ArgumentTypeError."""
    try:
        return Decimal(text.removeprefix("$"))
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text!r} is no amount such as 0.6") from None
