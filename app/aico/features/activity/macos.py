"""The screen of macOS, by its own commands. **Untested on macOS**: written from their manuals, tested on their outputs.

``lsappinfo front`` names the application in front, ``lsappinfo info -only pid`` its process; ``ioreg`` tells in
``HIDIdleTime`` the nanoseconds since the last input. Neither needs a permission, and no title is asked for.
Source: the manuals lsappinfo(8) and ioreg(8).
"""

from __future__ import annotations

import re
import subprocess

from aico.features.activity.screen import Front, ScreenLost

_FRONT = ("/usr/bin/lsappinfo", "front")
_INFO = ("/usr/bin/lsappinfo", "info", "-only", "pid")
_IDLE = ("/usr/sbin/ioreg", "-c", "IOHIDSystem", "-d", "4")
_TIMEOUT_S = 2
_ASN = re.compile(r"ASN:0x[0-9a-fA-F]+-0x[0-9a-fA-F]+:?")
_PID = re.compile(r'"pid"\s*=\s*([0-9]+)')
_IDLE_NS = re.compile(r'"HIDIdleTime"\s*=\s*([0-9]+)')


class MacScreen:
    """Asks by three short commands."""

    tick_s = 5.0

    def look(self) -> Front:
        """Return the process in front and the time since the last input. Raises ScreenLost."""
        idle = _IDLE_NS.search(_run(_IDLE))
        if idle is None:
            raise ScreenLost("foreground_failed")
        front = _ASN.search(_run(_FRONT))
        pid = None if front is None else _PID.search(_run((*_INFO, front[0])))
        return Front(None if pid is None else int(pid[1]), int(idle[1]) / 1e9)

    def close(self) -> None:
        """Nothing is open."""


def _run(command: tuple[str, ...]) -> str:
    try:
        answer = subprocess.run(command, capture_output=True, check=True, timeout=_TIMEOUT_S)  # noqa: S603  # fixed words
    except (OSError, subprocess.SubprocessError) as error:
        raise ScreenLost("foreground_failed") from error
    return answer.stdout.decode(errors="replace")
