"""The places of databases of OpenCode and its relatives. Looks up nothing.

Source: OpenCode 1.18.33 and Kilo CLI 7.7.7, which follow the XDG base directories on macOS as well. Editions that are
no release name their database after their channel: ``opencode-dev.db``.
"""

from __future__ import annotations

from aico.features.sources.source import Place, Surroundings


def choose_folders(surroundings: Surroundings, tool: str, variable: str) -> tuple[Place, ...]:
    """Return the folders of databases of ``tool``, or the one database that ``variable`` names in its environment."""
    if named := surroundings.configured.get("messages") or surroundings.configured.get(""):
        setting = f"[sources.{tool}] roots"
        return tuple(dict.fromkeys(Place(path.rstrip("/") or "/", setting) for path in named))
    data, chosen_by = surroundings.environment.get("XDG_DATA_HOME", "").rstrip("/"), "XDG_DATA_HOME"
    if not data.startswith("/"):
        data, chosen_by = f"{surroundings.home}/.local/share", "default"
    folder = f"{data}/{tool}"
    database = surroundings.environment.get(variable, "")
    if database and database != ":memory:":
        return (Place(database if database.startswith("/") else f"{folder}/{database}", variable),)
    return (Place(folder, chosen_by),)
