"""Tasks are counted by the signs of their rows; what signs do not tell is added up."""

from __future__ import annotations

from aico.core.accounting import ZERO, Amount
from aico.core.task_signs import TaskSigns

PRICED, FREE, BLANK, ODD = '["p", "both"]', '["f", "both", "blank too"]', '["b", "blank too"]', '["o", "q", "p"]'
FREE_ONLY = Amount(3, 0, 0)


def test_each_task_counts_once_and_is_unpriced_when_only_tokens_were_spent() -> None:
    """A row that cost something decides; an odd task decides by its sum; one without anything is not unpriced."""
    spent = {"o": FREE_ONLY, "q": ZERO, "p": Amount(1, 0, 5)}
    for parts in ([(PRICED, FREE, BLANK, ODD)], [(PRICED, "[]", BLANK, ODD), ("[]", FREE, BLANK, "[]")]):
        signs = TaskSigns.of(parts)
        assert signs.count_tasks(spent) == (7, 3)  # unpriced: f, "blank too", o


def test_signs_of_several_models_unite() -> None:
    """A task that one model charged for is priced, whatever it did with another one."""
    free, priced = TaskSigns.of([("[]", '["a", "b"]', "[]", "[]")]), TaskSigns.of([('["b"]', "[]", "[]", "[]")])
    assert free.count_tasks({}) == (2, 2)
    assert TaskSigns.unite([free, priced]).count_tasks({}) == (2, 1)
    assert TaskSigns.unite([]).count_tasks({}) == (0, 0)
