"""Usage billed beyond the recorded one, from totals: never below zero, never usage that another total tells."""

from __future__ import annotations

from aico.core.gaps import BilledTotal, RecordedPart, find_unrecorded
from aico.core.usage import Tokens


def total(
    tokens: Tokens,
    session: str = "s",
    at: int = 10,
    model: str = "m",
    heir_of: str | None = None,
    heir_since: int | None = None,
    recorded_count: int | None = None,
) -> BilledTotal:
    """Return one total."""
    return BilledTotal(session, "hidden", at, model, tokens, heir_of, heir_since, recorded_count)


def rest(*totals: BilledTotal, count: int = 9, **recorded: Tokens) -> Tokens | None:
    """Return the gap beside what ``s`` recorded by model."""
    return find_unrecorded(totals, {("s", "hidden"): RecordedPart(recorded, count)}).get("hidden")


ONE = Tokens(1, 2, 3, 4, 5, 0)
TWO = Tokens(2, 4, 6, 8, 10, 0)


def test_rest_is_what_the_last_total_exceeds_the_record_by() -> None:
    """Earlier totals are parts of it."""
    assert rest(total(ONE, at=1), total(TWO, at=2), m=ONE) == ONE
    assert rest(total(TWO)) == TWO


def test_total_below_the_record_tells_nothing() -> None:
    """A run is missing in it; another model's rest is told all the same."""
    assert rest(total(ONE), m=TWO) is None
    assert rest(total(ONE), total(TWO, model="n"), m=TWO, n=ONE) == ONE


def test_split_of_writes_that_one_side_lacks_is_no_rest() -> None:
    """All of them together are what counts then."""
    assert rest(total(Tokens(1, 2, 7, 0, 5, 0)), m=ONE) == Tokens(0, 0, 0, 0, 0, 0)


def test_model_by_another_name_makes_the_whole_unknown() -> None:
    """Else what is recorded under one name would be told again under the other."""
    assert rest(total(TWO, model="other name"), m=ONE) is None


def test_thinking_is_a_part_of_the_output() -> None:
    """It is never more than that, and never makes a total unknown."""
    assert rest(total(TWO._replace(reasoning=9)), m=ONE._replace(reasoning=None)) == ONE._replace(reasoning=5)
    assert rest(total(TWO._replace(reasoning=0)), m=ONE._replace(reasoning=4)) == ONE


def test_heir_begins_with_the_last_total_of_its_origin() -> None:
    """Up to the moment at which it was made; if there is none, nothing is known."""
    origin = [total(ONE, "o", at=1), total(TWO, "o", at=5)]
    heir = total(Tokens(4, 8, 12, 16, 20, 0), heir_of="o", heir_since=4)
    assert rest(*origin, heir, m=ONE) == Tokens(4, 8, 12, 16, 20, 0)
    assert rest(origin[1], heir, m=ONE) == TWO
    assert rest(heir, m=ONE) is None


def test_total_of_a_session_that_others_made_in_part_is_unknown() -> None:
    """Fewer requests are its own than its file holds: it began with the total of a session that nobody names."""
    assert rest(total(TWO, recorded_count=3), count=2, m=ONE) is None
    assert rest(total(TWO, recorded_count=3), count=3, m=ONE) == ONE
