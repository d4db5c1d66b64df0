"""The refusals that routes declare in the description of the interface."""

from __future__ import annotations

from typing import TypeAlias

Responses: TypeAlias = dict[int | str, dict[str, object]]

PROBLEM_TYPE = "application/problem+json"
PROBLEM = {"schema": {"$ref": "#/components/schemas/ProblemOut"}}
"""The description's reference to a problem document, whose shape stands in it once."""


def refusal(description: str) -> dict[str, object]:
    """Return the declaration of an answer that is a problem document.

    FastAPI would make a validator of each model that is declared so: a tenth of the time that all routes take.
    """
    return {"description": description, "content": {PROBLEM_TYPE: PROBLEM}}


READING: Responses = {
    422: refusal("A parameter is unknown, malformed or out of bounds."),
    500: refusal("The database failed."),
    503: refusal("The database is busy."),
}
"""Of every route that reads the accounts."""


def unknown(what: str) -> Responses:
    """Return the refusal of what there is not."""
    return {404: refusal(f"There is no such {what}.")}
