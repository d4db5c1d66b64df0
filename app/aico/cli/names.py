"""The names of sources and origins, as a person types them."""

from __future__ import annotations

from collections.abc import Sequence

from aico.cli.streams import complain
from aico.core.setting_names import suggest
from aico.core.source_settings import KnownSources


def are_known(names: Sequence[str], known: KnownSources, *, with_origins: bool = False) -> bool:
    """Return whether all of ``names`` are sources, or origins such as ``cline.sessions``; complain of the first."""
    every = list(known)
    if with_origins:
        every += [f"{source}.{origin}" for source, origins in known.items() for origin in origins]
    for name in names:
        if name not in every:
            complain(f"aico: there is no source called {name!r}; known are {', '.join(every)}{suggest(name, every)}")
            return False
    return True
