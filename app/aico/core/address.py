"""The address at which this machine reaches the service."""

from __future__ import annotations

from aico.core.settings import Settings

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # named in order to be replaced


def url_of(settings: Settings) -> str:
    """Return the address of the page; of a service that listens everywhere, the one on this machine."""
    host = _EVERYWHERE.get(settings.host, settings.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"
