"""The known places of Codex's rollouts. No I/O.

Source: Codex 0.20 to 0.171.0.
"""

from __future__ import annotations

from aico.features.sources.source import Place, Surroundings

VARIABLE = "CODEX_HOME"
SETTING = "[sources.codex] roots"
_NAMES = ("rollout-*.jsonl", "rollout-*.jsonl.zst")
_DAY = "[0-9][0-9][0-9][0-9]/[0-9][0-9]/[0-9][0-9]"
_FOLDERS = ("sessions/**/", "archived_sessions/", f"{_DAY}/", "")
"""Below Codex's own folder; or the folder that is named is that of the sessions, or of the archived ones."""
PATTERNS = tuple(f"{folder}{name}" for folder in _FOLDERS for name in _NAMES)


def choose_roots(surroundings: Surroundings) -> tuple[Place, ...]:
    """Return Codex's own folder: that of the operator, that of the variable, or the usual one.

    One root for active and archived rollouts, so that one that is archived is known again.
    """
    if named := surroundings.configured.get("sessions") or surroundings.configured.get(""):
        chosen_by = surroundings.chosen_by.get("sessions") or surroundings.chosen_by.get("") or SETTING
        return tuple(Place(path, chosen_by) for path in dict.fromkeys(_trim(path) for path in named))
    if variable := surroundings.environment.get(VARIABLE, "").strip():
        return (Place(_trim(variable), VARIABLE),)
    return (Place(f"{surroundings.home}/.codex", "default"),)


def _trim(path: str) -> str:
    return path.rstrip("/") or "/"
