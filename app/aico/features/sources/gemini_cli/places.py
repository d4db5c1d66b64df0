"""The known places of Gemini CLI's sessions and telemetry. No I/O.

Source: Gemini CLI 0.61.0, ``packages/core/src/utils/paths.ts`` and ``packages/core/src/telemetry/config.ts``.
"""

from __future__ import annotations

from aico.features.sources.source import Place, Surroundings

HOME, FOLDER, SESSIONS = "GEMINI_CLI_HOME", ".gemini", "tmp"
"""The variable of the folder in which ``.gemini`` lies, that folder, and where sessions lie in it."""
OUTFILE, TELEMETRY = "GEMINI_TELEMETRY_OUTFILE", "telemetry.log"
"""The variable of the telemetry file, and the name that Gemini's documents give it."""
SETTING = "[sources.gemini-cli] roots"


def choose_roots(around: Surroundings) -> tuple[Place, ...]:
    """Return the folders of sessions: those that the operator names, or the one of the variable, or the usual one."""
    if named := _named(around):
        folders = [each for each in named if not _is_file(each)]
        below = [f"{each}/{SESSIONS}" if _last(each) == FOLDER else each for each in folders]
        return tuple(Place(path, _chooser(around)) for path in dict.fromkeys(below))
    folder, chosen_by = _configuration(around)
    return (Place(f"{folder}/{SESSIONS}", chosen_by),)


def choose_outfiles(around: Surroundings) -> tuple[Place, ...]:
    """Return the telemetry files: those that the operator names, or the one of the variable, or the documented one."""
    if named := _named(around):
        inside = [f"{each}/{TELEMETRY}" for each in named if _last(each) == FOLDER]
        files = [each for each in named if _is_file(each)] + inside
        return tuple(Place(path, _chooser(around)) for path in dict.fromkeys(files))
    outfile = around.environment.get(OUTFILE, "")
    if outfile.startswith("/") and _last(outfile):
        return (Place(outfile, OUTFILE),)
    folder, chosen_by = _configuration(around)
    return (Place(f"{folder}/{TELEMETRY}", chosen_by),)


def _configuration(around: Surroundings) -> tuple[str, str]:
    home = around.environment.get(HOME, "").rstrip("/")
    return (f"{home}/{FOLDER}", HOME) if home.startswith("/") else (f"{around.home}/{FOLDER}", "default")


def _named(around: Surroundings) -> tuple[str, ...]:
    return tuple(each.rstrip("/") or "/" for each in around.configured.get("", ()))


def _chooser(around: Surroundings) -> str:
    return around.chosen_by.get("") or SETTING


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def _is_file(path: str) -> bool:
    """Return whether a path that the operator names is that of a telemetry file, by its name alone."""
    return _last(path).endswith((".log", ".json", ".jsonl"))
