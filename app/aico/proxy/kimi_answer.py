"""The answers of a Kimi Proxy, for modules without HTTP: HTTPX is imported only if an address is configured."""

from __future__ import annotations

from enum import StrEnum


class KimiProxyAnswer(StrEnum):
    """The result of one probe."""

    WELL = "well"
    SECRET_REFUSED = "secret_refused"  # noqa: S105  # no secret
    """It answered that it is not for us: it is up."""
    UNREACHABLE = "unreachable"
    NO_ANSWER = "no_answer"
    """Connected, and then silent."""
    BAD_ANSWER = "bad_answer"
    """Any other status than success, a redirect included, or no HTTP."""
