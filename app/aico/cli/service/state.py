"""How an installed service is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServiceState:
    """The state of the service, as the supervisor says it."""

    installed: bool
    enabled: bool = False
    """True if it is started at the next log-in."""
    running: bool = False
