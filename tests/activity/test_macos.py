"""macOS by its commands' outputs, as their manuals and users show them. Untested on macOS itself."""

from __future__ import annotations

import pytest

from aico.features.activity import macos
from aico.features.activity.screen import Front, ScreenLost

IDLE = '+-o IOHIDSystem  <class IOHIDSystem, id 0x1000003a5>\n    |   "HIDIdleTime" = 4120554125\n'
OUTPUTS = {"ioreg": IDLE, "front": "ASN:0x0-0x1a01a: \n", "info": '"pid"=412\n'}


@pytest.mark.parametrize(
    ("outputs", "front"),
    [
        (OUTPUTS, Front(412, 4.120554125)),
        ({**OUTPUTS, "front": "[ NULL ] \n"}, Front(None, 4.120554125)),
        ({**OUTPUTS, "info": '"pid"=[ NULL ]\n'}, Front(None, 4.120554125)),
    ],
)
def test_front_is_read_from_the_commands(
    monkeypatch: pytest.MonkeyPatch, outputs: dict[str, str], front: Front
) -> None:
    """The application in front by its number, and the time since the last input."""
    monkeypatch.setattr(
        macos, "_run", lambda command: next(outputs[word] for word in outputs if word in command[0] or word in command)
    )
    assert macos.MacScreen().look() == front


def test_screen_without_idle_time_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it every hour away would be use; a command that is not there is the same."""
    monkeypatch.setattr(macos, "_run", lambda command: "")
    with pytest.raises(ScreenLost, match="foreground_failed"):
        macos.MacScreen().look()
    monkeypatch.undo()
    monkeypatch.setattr(macos, "_IDLE", ("/nowhere/ioreg",))
    with pytest.raises(ScreenLost, match="foreground_failed"):
        macos.MacScreen().look()
