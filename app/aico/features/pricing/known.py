"""Which names of models stand in the price list: only these are told to others."""

from __future__ import annotations


def is_known(model: str) -> bool:
    """Return whether the list names ``model`` by itself; a longer name that only begins with one of its is not known.

    Imports the list, which takes 0.1 s and 6 MB. Blocking.
    """
    from genai_prices.data_snapshot import get_snapshot

    from aico.features.pricing.names import find_entry

    # The name of a resource holds the number of an account.
    return not model.lower().startswith("arn:") and find_entry(get_snapshot(), model) is not None
