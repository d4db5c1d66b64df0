"""Which names of models stand in the price list: only these are told to others."""

from __future__ import annotations


def is_known(model: str) -> bool:
    """Return whether the list names ``model`` by itself; a longer name that only begins with one of its is not known.

    Reads the list. Blocking.
    """
    from aico.features.pricing.library import read_list
    from aico.features.pricing.names import find_entry

    # The name of a resource holds the number of an account.
    return not model.lower().startswith("arn:") and find_entry(read_list(), model) is not None
