"""How an installed service is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServiceState:
    """What the supervisor says."""

    installed: bool
    enabled: bool = False
    """Whether it is started at the next log-in."""
    running: bool = False
