"""Which window is in front, and how long nobody typed or moved the mouse: the same question to every system."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from typing import NamedTuple, Protocol


class Front(NamedTuple):
    """How a screen is used at a moment."""

    pid: int | None
    """The number of the process whose window is in front; None where there is none, or it is not on this machine."""
    idle_s: float
    """Since a key, a button or the mouse was last touched."""


class ScreenLost(Exception):
    """The screen does not answer any more, or not what was asked. The text is the reason's name."""


class Screen(Protocol):
    """Looks at one screen. Blocks."""

    tick_s: float
    """As often as it may be asked without being felt."""

    def look(self) -> Front:
        """Return how it is used. Raises ScreenLost."""

    def close(self) -> None:
        """Let it go; also while somebody waits for :meth:`look`, which fails then."""


def find_reason(environment: Mapping[str, str], system: str = sys.platform) -> str | None:
    """Return why no screen can be looked at, None where there is one to try."""
    if system == "darwin":
        return None
    if environment.get("WAYLAND_DISPLAY") or environment.get("XDG_SESSION_TYPE") == "wayland":
        return "foreground_wayland"  # XWayland knows its own windows only: its answer would be wrong
    if not environment.get("DISPLAY"):
        return "foreground_no_display"
    return None if find_spec("Xlib") is not None else "library_missing"


def open_screen(environment: Mapping[str, str] | None = None) -> Screen:
    """Return the screen of this user. Raises ScreenLost with the reason where there is none. Blocks."""
    reason = find_reason(os.environ if environment is None else environment)
    if reason is not None:
        raise ScreenLost(reason)
    if sys.platform == "darwin":
        from aico.features.activity.macos import MacScreen

        return MacScreen()
    from aico.features.activity.x11 import XScreen

    return XScreen()
