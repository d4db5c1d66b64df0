"""Where Cline keeps its databases. Looks up nothing.

Source: ``resolveDbDataDir`` and ``resolveClineDataDir`` in Cline.
"""

from __future__ import annotations

from aico.features.sources.source import Place, Surroundings


def list_database_places(surroundings: Surroundings, origin: str, name: str) -> tuple[Place, ...]:
    """Return the paths that the operator names for ``origin``, else that of the database ``name`` of Cline's."""
    if named := surroundings.configured.get(origin):
        return tuple(Place(path, f"sources.cline.{origin}") for path in named)
    folder, chosen_by = _find_folder(surroundings)
    return (Place(f"{folder}/{name}", chosen_by),)


def _find_folder(surroundings: Surroundings) -> tuple[str, str]:
    for variable, below in (("CLINE_DB_DATA_DIR", ""), ("CLINE_DATA_DIR", "/db"), ("CLINE_DIR", "/data/db")):
        if folder := surroundings.environment.get(variable, "").strip().rstrip("/"):
            return folder + below, variable
    return f"{surroundings.home}/.cline/data/db", "default"
