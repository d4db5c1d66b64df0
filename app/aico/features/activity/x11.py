"""The screen of an X server: the number of the process in front, and how long nobody was there. No title is asked for.

Source: Extended Window Manager Hints (``_NET_ACTIVE_WINDOW``, ``_NET_WM_PID``), the X Resource extension 1.2, and
MIT-SCREEN-SAVER.
"""

from __future__ import annotations

import platform
import socket
from contextlib import suppress

from Xlib import X, Xatom, error
from Xlib.display import Display
from Xlib.ext import res, screensaver
from Xlib.xobject.drawable import Window

from aico.features.activity.screen import Front, ScreenLost

_FAILED = "foreground_failed"
_LOST = (error.ConnectionClosedError, error.DisplayError, error.XError, error.XauthError, OSError)
_PID_MASK = 2
"""``XRES_CLIENT_ID_PID_MASK``."""


class XScreen:
    """A connection to the X server that ``DISPLAY`` names."""

    tick_s = 1.0

    def __init__(self) -> None:
        """Connect. Raises ScreenLost."""
        try:
            self._display = Display()
        except _LOST as lost:
            raise ScreenLost("foreground_no_display") from lost
        self._root = self._display.screen().root
        self._active = self._display.intern_atom("_NET_ACTIVE_WINDOW")
        self._pid = self._display.intern_atom("_NET_WM_PID")
        known = set(self._display.list_extensions())
        self._has_pids = "X-Resource" in known
        if "MIT-SCREEN-SAVER" not in known:
            self.close()
            raise ScreenLost(_FAILED)  # without it, every hour away would be use

    def look(self) -> Front:
        """Return the process in front and the time since the last input. Raises ScreenLost."""
        try:
            idle_ms = screensaver.query_info(self._root).idle
            return Front(self._find_pid(), idle_ms / 1000)
        except _LOST as lost:
            raise ScreenLost(_FAILED) from lost

    def close(self) -> None:
        """Disconnect; also while another thread waits for an answer."""
        with suppress(OSError):
            self._display.display.socket.shutdown(socket.SHUT_RDWR)
        with suppress(*_LOST):
            self._display.close()

    def _find_pid(self) -> int | None:
        named = self._root.get_full_property(self._active, Xatom.WINDOW)
        if named is None:
            raise ScreenLost(_FAILED)  # no window manager that says it
        number = int(named.value[0]) if len(named.value) else X.NONE
        if number == X.NONE:
            return None
        window = self._display.create_resource_object("window", number)
        try:
            return self._ask_server(number) or self._ask_window(window)
        except error.BadWindow:
            return None  # it was closed in between

    def _ask_server(self, number: int) -> int | None:
        """Return the number that the server knows by itself: a program in a sandbox states one of its own."""
        if not self._has_pids:
            return None
        with suppress(error.BadValue, error.BadRequest):
            answer = res.query_client_ids(self._display, [(number, _PID_MASK)])
            for found in answer.ids:
                if found.value and found.value[0] > 0:
                    return int(found.value[0])
        return None

    def _ask_window(self, window: Window) -> int | None:
        stated = window.get_full_property(self._pid, Xatom.CARDINAL)
        machine = window.get_full_property(Xatom.WM_CLIENT_MACHINE, Xatom.STRING)
        if stated is None or not len(stated.value):
            return None
        name = machine.value if machine is not None else b""
        text = name.decode(errors="replace") if isinstance(name, bytes) else str(name)
        return int(stated.value[0]) if text in {"", "localhost", platform.node()} else None
