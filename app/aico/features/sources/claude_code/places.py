"""The known places of Claude Code's transcripts. No I/O.

Source: Claude Code 1.0.0 to 2.1.332.
"""

from __future__ import annotations

from collections.abc import Iterable

from aico.features.sources.source import Place, Surroundings

FOLDER = "projects"
"""The folder of transcripts, in each of the folders that hold Claude Code's configuration."""
VARIABLE = "CLAUDE_CONFIG_DIR"
_CONFIGURATIONS = {".claude", "claude"}
"""The names of a folder of Claude Code's configuration, unless something names another."""
SETTING = "[sources.claude-code] roots"


def choose_roots(surroundings: Surroundings) -> tuple[Place, ...]:
    """Return the folders of transcripts: those that the operator names, or below what the variable names, or the usual.

    The operator's path is taken as it stands, so that it can be the real path of a folder that is linked; only in a
    folder that is called as Claude Code's configuration is, the transcripts lie one step deeper.
    """
    if named := surroundings.configured.get("projects") or surroundings.configured.get(""):
        chosen_by = surroundings.chosen_by.get("projects") or surroundings.chosen_by.get("") or SETTING
        roots = [
            path if path.rpartition("/")[2] not in _CONFIGURATIONS else f"{path}/{FOLDER}" for path in _trim(named)
        ]
        return tuple(Place(path, chosen_by) for path in dict.fromkeys(roots))
    variable = [each.strip() for each in surroundings.environment.get(VARIABLE, "").split(",")]
    if folders := [each for each in variable if each]:
        return _places(folders, VARIABLE)
    return _places([f"{surroundings.home}/.config/claude", f"{surroundings.home}/.claude"], "default")


def _places(folders: tuple[str, ...] | list[str], chosen_by: str) -> tuple[Place, ...]:
    below = [path if path.endswith(f"/{FOLDER}") else f"{path}/{FOLDER}" for path in _trim(folders)]
    return tuple(Place(path, chosen_by) for path in dict.fromkeys(below))


def _trim(folders: Iterable[str]) -> list[str]:
    return [each.rstrip("/") or "/" for each in folders]
