"""Where Claude Code is known to keep its transcripts. No I/O.

Source: Claude Code 1.0.0 to 2.1.332.
"""

from __future__ import annotations

from aico.features.sources.source import Place, Surroundings

FOLDER = "projects"
"""The folder of transcripts, in each of the folders that hold Claude Code's configuration."""
VARIABLE = "CLAUDE_CONFIG_DIR"
SETTING = "[sources.claude-code] roots"


def choose_roots(surroundings: Surroundings) -> tuple[Place, ...]:
    """Return the folders of transcripts: those below what the operator or Claude Code's variable names, or the usual.

    The operator may name a folder of transcripts itself, too.
    """
    if named := surroundings.configured.get("projects") or surroundings.configured.get(""):
        chosen_by = surroundings.chosen_by.get("projects") or surroundings.chosen_by.get("") or SETTING
        return _places(named, chosen_by)
    variable = [each.strip() for each in surroundings.environment.get(VARIABLE, "").split(",")]
    if folders := [each for each in variable if each]:
        return _places(folders, VARIABLE)
    return _places([f"{surroundings.home}/.config/claude", f"{surroundings.home}/.claude"], "default")


def _places(folders: tuple[str, ...] | list[str], chosen_by: str) -> tuple[Place, ...]:
    paths = [each.rstrip("/") or "/" for each in folders]
    below = [path if path.endswith(f"/{FOLDER}") else f"{path}/{FOLDER}" for path in paths]
    return tuple(Place(path, chosen_by) for path in dict.fromkeys(below))
