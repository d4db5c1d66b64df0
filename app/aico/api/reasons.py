"""The fault of a parameter or body, in our words instead of those of the library that found it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_OURS = {
    "extra_forbidden": "has a key that is not known",
    "json_invalid": "is no JSON",
    "missing": "is missing",
    "model_type": "must be an object",
}
"""By the library's name of what is wrong."""
_SUBJECT = re.compile(r"^(?:Input|String|List|Dictionary|Value|Number) should ")
_REST = re.compile(r", (?:unable to|got) .*| after validation, not .*", re.DOTALL)


def reason_of(error: Mapping[str, object], known: Iterable[str] = ()) -> str:
    """Return what follows the name of a parameter in a sentence. ``known`` are the keys that a body may have."""
    kind, message = str(error["type"]), str(error["msg"])
    reason = _OURS.get(kind) or _SUBJECT.sub("must ", _REST.sub("", message.removeprefix("Value error, ")))
    names = ", ".join(known)
    return f"{reason}; known are {names}" if kind == "extra_forbidden" and names else reason
