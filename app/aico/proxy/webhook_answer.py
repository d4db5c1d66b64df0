"""The answers to a call of the webhook, for modules without HTTP."""

from __future__ import annotations

from enum import StrEnum


class WebhookAnswer(StrEnum):
    """The result of one try."""

    TAKEN = "taken"
    """A status of 200 to 299."""
    REFUSED = "refused"
    """Any other status, a redirect included: nobody is followed to another address."""
    UNREACHABLE = "unreachable"
    """No connection, or its certificate is not good."""
    NO_ANSWER = "no_answer"
    """Connected, and then silent."""
