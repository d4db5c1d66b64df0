"""The known places of Qwen Code's usage ledger and sessions. No I/O.

Source: Qwen Code 0.24.4, ``Storage`` (``packages/core/src/config/storage.ts``).
"""

from __future__ import annotations

from aico.features.sources.source import Place, Surroundings

FOLDER, LEDGER, SESSIONS = ".qwen", "usage", "projects"
VARIABLES = ("QWEN_RUNTIME_DIR", "QWEN_HOME")
"""Variables of the folder that holds both; the first one wins."""
SETTING = "[sources.qwen-code] roots"


def choose_ledgers(around: Surroundings) -> tuple[Place, ...]:
    """Return the folders of usage ledgers: below those that the operator names, the variable's, or the usual one."""
    return _choose(around, LEDGER)


def choose_sessions(around: Surroundings) -> tuple[Place, ...]:
    """Return the folders of sessions, likewise."""
    return _choose(around, SESSIONS)


def _choose(around: Surroundings, folder: str) -> tuple[Place, ...]:
    named, chosen_by = around.configured.get("", ()), around.chosen_by.get("") or SETTING
    if not named:
        variable = next((each for each in VARIABLES if around.environment.get(each, "").startswith("/")), None)
        named, chosen_by = (f"{around.home}/{FOLDER}",), "default"
        if variable is not None:
            named, chosen_by = (around.environment[variable],), variable
    paths = [each.rstrip("/") for each in named]
    return tuple(Place(f"{path}/{folder}", chosen_by) for path in dict.fromkeys(paths))
