"""The root of all errors."""

from __future__ import annotations

from typing import ClassVar


class ObserverError(Exception):
    """The root: whatever else is raised is a bug."""

    code: ClassVar[str] = "internal_error"
    hint: str = "This is a bug. The log of the service holds the trace."
    """The advice for the user; an error that knows more gives its own."""
