"""The meaning of the names on the path of a log, and the plain state of its parser. Pure: no I/O, no clock."""

from __future__ import annotations

import re

from aico.core.usage import digest

_ID = re.compile(r"([a-z]{1,16}_)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_AGENT = re.compile(r"[a-z]{0,8}[-_]?[0-9a-f]{1,64}|main", re.IGNORECASE)


def session_named(name: str) -> str:
    """Return a name that is an id; of any other, which may say what somebody works on, a digest."""
    return name if _ID.fullmatch(name) else digest("session", name).hex()


def agent_named(name: str) -> str:
    """Return the name of an agent that is an id; of any other a digest."""
    return name if _AGENT.fullmatch(name) else digest("agent", name).hex()
