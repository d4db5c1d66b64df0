"""The places of Cline's databases. Looks up nothing.

Source: ``resolveDbDataDir`` and ``resolveClineDataDir`` in Cline.
"""

from __future__ import annotations

from aico.core.settings import find_cline_folder
from aico.features.sources.source import Place, Surroundings


def list_database_places(surroundings: Surroundings, origin: str, name: str, setting: str) -> tuple[Place, ...]:
    """Return the paths that the operator names for ``origin`` in ``setting``, else Cline's own."""
    if named := surroundings.configured.get(origin):
        return tuple(Place(path, setting) for path in dict.fromkeys(named))
    folder, chosen_by = _find_folder(surroundings)
    return (Place(f"{folder}/{name}", chosen_by),)


def _find_folder(surroundings: Surroundings) -> tuple[str, str]:
    for variable, below in (("CLINE_DB_DATA_DIR", ""), ("CLINE_DATA_DIR", "db"), ("CLINE_DIR", "data/db")):
        if folder := find_cline_folder(surroundings.environment, variable, below):
            return folder, variable
    return f"{surroundings.home}/.cline/data/db", "default"
