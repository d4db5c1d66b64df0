"""The refusals that routes declare in the description of the interface."""

from __future__ import annotations

from typing import TypeAlias

from aico.api.schemas import ProblemOut

Responses: TypeAlias = dict[int | str, dict[str, object]]

READING: Responses = {
    422: {"model": ProblemOut, "description": "A parameter is unknown, malformed or out of bounds."},
    500: {"model": ProblemOut, "description": "The database failed."},
    503: {"model": ProblemOut, "description": "The database is busy."},
}
"""Of every route that reads the accounts."""


def unknown(what: str) -> Responses:
    """Return the refusal of what there is not."""
    return {404: {"model": ProblemOut, "description": f"There is no such {what}."}}
