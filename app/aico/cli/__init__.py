"""The command ``aico``. Knows the words only; their functions are imported when they are said."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module

TYPE_CHECKING = False  # typing is imported later, while no garbage is looked for: that is a fifth of its time
if TYPE_CHECKING:
    import argparse

    from aico.core.errors import InstanceRunning

EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_DEGRADED = 0, 1, 2, 3

FLAGS = ("ledger_path", "database_path", "host", "port", "log_format", "log_level")
"""Settings that have a flag. A token has none: other users of the machine can read command lines."""
_COMMANDS = {
    "today": ("aico.cli.spending", "show_period"),
    "week": ("aico.cli.spending", "show_period"),
    "month": ("aico.cli.spending", "show_period"),
    "report": ("aico.cli.spending", "show_period"),
    "serve": ("aico.cli.serve", "serve"),
    "import": ("aico.cli.imports", "import_once"),
    "sources": ("aico.cli.sources", "show_sources"),
    "projects": ("aico.cli.projects", "tend"),
    "budget": ("aico.cli.budget", "tend"),
    "plan": ("aico.cli.plan", "tend"),
    "webhook": ("aico.cli.webhook", "tend"),
    "activity": ("aico.cli.activity", "show_activity"),
    "status": ("aico.cli.status", "show_status"),
    "statusline": ("aico.cli.statusline", "show"),
    "label": ("aico.cli.label", "name_session"),
    "completion": ("aico.cli.completion", "complete"),
    "doctor": ("aico.cli.doctor", "examine"),
    "demo": ("aico.cli.demo", "demonstrate"),
    "export": ("aico.cli.export", "export"),
    "forget": ("aico.cli.forget", "remove_tasks"),
    "price": ("aico.cli.price", "tend"),
    "currency": ("aico.cli.currency", "tend"),
    "db": ("aico.cli.db", "tend"),
    "config": ("aico.cli.config", "show"),
    "otlp": ("aico.cli.otlp", "show"),
    "service": ("aico.cli.service", "control"),
}
NEWER_CLINE = (
    "Cline from CLI 3.0 and VS Code 4.1 on writes elsewhere",
    "`aico sources on cline.sessions` (AICO_CLINE_SESSIONS=true) reads that; `aico doctor` looks for it",
)
"""For a user that waits for a ledger: with newer Cline it never comes."""
_ALONE = {"budget": "list", "plan": "list", "price": "list", "webhook": "show", "currency": "show"}
"""The action of a command that is given none."""
_UNTIL_TOLD = {"serve", "demo"}
LOOKING = {None, "today", "week", "month", "report", "status", "statusline"}
"""Commands that may only look at our own numbers: a person waits for them at a prompt."""
_IDS = ("aico.cli.session_ids", "list_ids")
_SHORT = ("aico.cli.short_status", "show_line")
WIDTH_USUAL = 78
"""Columns of a line that nobody has said the width of."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 ok, 1 failed, 2 usage or configuration, 3 degraded."""
    if arguments is not None:
        return _run(arguments)
    only_looks = _only_looks(sys.argv[1:])
    if only_looks:
        gc.disable()  # it is over before there could be any garbage; so nothing is imported before this line
    from aico.cli.streams import prepare_streams, settle_streams

    prepare_streams()
    try:
        code = _run(sys.argv[1:], is_own_process=True)
    finally:
        settle_streams()
    if only_looks:
        # Nothing is open any more. To take all modules apart is an eighth of such a command.
        os._exit(code)
    return code


def _run(arguments: Sequence[str], *, is_own_process: bool = False) -> int:
    from aico.cli.streams import ReaderGone, complain
    from aico.core.errors import ObserverError, SettingsError

    command: str | None = "none yet"
    try:
        plain = _find_plain_short(arguments)
        if plain is not None:
            from aico.cli.short_status import show_short

            width, has_colours = plain
            return show_short({}, width, has_colours=has_colours)
        if arguments and arguments[0] == "statusline":
            return _say_status_line(list(arguments))
        options = _parse(arguments)
        command = options.command
        return _load(options, is_own_process=is_own_process)(options)
    except ObserverError as error:
        from aico.core.command_name import as_typed

        complain(f"aico: {error} [{error.code}]", f"      {as_typed(error.hint)}")
        return EXIT_USAGE if isinstance(error, SettingsError) else EXIT_FAILED
    except KeyboardInterrupt:
        # A service is ended that way; of anything else it means that it was not done.
        return EXIT_OK if command in _UNTIL_TOLD else EXIT_FAILED
    except ReaderGone:
        return EXIT_FAILED


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the parsed words; ends with 2 for a word that is no command or option."""
    from aico.cli.words import build_parser

    if arguments and arguments[0] in _ALONE and list(arguments[1:]) in ([], ["--json"]):
        arguments = [arguments[0], _ALONE[arguments[0]], *arguments[1:]]
    parser = build_parser(*arguments[:1])
    options = parser.parse_args(arguments)
    if options.is_json and options.command is not None:
        # Before the command it means the same as behind it.
        if not hasattr(options, "json"):
            parser.error(f"{options.command} prints no JSON")
        options.json = True
    return options


def _say_status_line(arguments: list[str]) -> int:
    """Say the line for a coding tool. The tool shows all that is printed: so one line, and 0, also for a bug."""
    from aico.cli.streams import say

    try:
        if arguments == ["statusline"]:
            # As a tool says it at each of its turns, without waiting for argparse.
            from aico.cli.statusline import show_parts

            return show_parts({})
        from aico.cli.words import build_parser

        return _function(*_COMMANDS["statusline"])(build_parser("statusline").parse_args(arguments))
    except SystemExit as ended:  # argparse has said why, where nobody may look
        if ended.code:
            say("aico off: wrong options, see aico statusline --help")
    except Exception:  # noqa: BLE001  # a bug
        if "--debug" in arguments:
            sys.excepthook(*sys.exc_info())
        with suppress(Exception):  # it may be that nothing can be printed
            say("aico off: a fault, told by aico statusline --debug")
    return EXIT_OK


def _find_plain_short(arguments: Sequence[str]) -> tuple[int, bool] | None:
    """Return width and colour of ``status --short [--width N] [--color]``, None for any other way of saying anything.

    Prompts say it at each line that is typed, and argparse would be a tenth of their wait.
    """
    match arguments:
        case ["status", "--short", *words]:
            has_colours = "--color" in words
            match [word for word in words if word != "--color"]:
                case []:
                    return WIDTH_USUAL, has_colours
                case ["--width", width] if width.isascii() and width.isdecimal() and len(width) < 5:
                    return int(width), has_colours
    return None


def _load(options: argparse.Namespace, *, is_own_process: bool) -> Callable[[argparse.Namespace], int]:
    """Return the function of the command; only now is it imported."""
    if options.command in LOOKING and (options.command != "status" or options.short):
        module, function = _SHORT if options.command == "status" else _COMMANDS[options.command or "report"]
        return _function(module, "show_overview" if options.command is None else function)
    if options.command == "completion" and options.shell == "sessions":
        return _function(*_IDS)
    from aico.cli.hardening import forbid_dumps
    from aico.core.collector import collector_paused

    if is_own_process:
        # Some commands read the tools' files themselves; those above only our own numbers.
        forbid_dumps()
    # Objects of libraries stay until the end. Looking for garbage in them takes a seventh of their import, and later
    # a tenth of a second each time, with all requests waiting.
    with collector_paused():
        if is_own_process and options.command in _UNTIL_TOLD:
            from aico.cli.spared import import_without_needless

            import_without_needless()
        return _function(*_COMMANDS[options.command])


def _only_looks(arguments: Sequence[str]) -> bool:
    return not arguments or (arguments[0] in LOOKING and (arguments[0] != "status" or "--short" in arguments))


def _function(module: str, name: str) -> Callable[[argparse.Namespace], int]:
    function: Callable[[argparse.Namespace], int] = getattr(import_module(module), name)
    return function


def flags_of(options: argparse.Namespace) -> dict[str, object]:
    """Return the settings that were given as flags."""
    given = {name: getattr(options, f"set_{name}", None) for name in FLAGS}
    return {name: value for name, value in given.items() if value is not None}


def already_running(error: InstanceRunning) -> int:
    """Tell the address of the first instance: the user wanted to know it."""
    from aico.cli.streams import say

    say(str(error))
    return EXIT_OK if error.url else EXIT_FAILED
