"""The words of the command line and their options. A command that prints one line for a prompt does not load them."""

from __future__ import annotations

import argparse
import os
import re
import sys
from typing import TYPE_CHECKING, NoReturn

from aico import __version__
from aico.cli import FLAGS, LOOKING, WIDTH_USUAL
from aico.cli.moments import parse_day, parse_moment
from aico.cli.streams import complain, say
from aico.cli.texts import parse_amount, parse_text
from aico.core.setting_names import suggest

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

_WRONG_WORD = re.compile(r"invalid choice: '(?P<choice>[^']*)'|unrecognized arguments: (?P<option>--?[^ ]+)")
_SORTS = (
    *("last_at", "started_at", "session_id", "source", "model", "input_tokens", "cache_read_tokens", "output_tokens"),
    *("tokens", "requests", "cost_usd"),
    *("ts", "task_id", "model_id", "tokens_in", "tokens_out", "total_cost"),
)
"""Columns by which an export is ordered; the last six are the names of Cline's tasks."""


_FLAG_WORDS = (
    "the file of Cline's ledger",
    "the file of our own numbers",
    "the address that the page is served at",
    "the port of it",
    "text, json, or auto: text in a terminal",
    "debug, info, warning or error",
)
"""The meaning of each of ``FLAGS``."""


class _Formatter(argparse.HelpFormatter):
    """Knows how wide the terminal is without a library of archives, and uses no colours on any Python."""

    def __init__(self, prog: str) -> None:
        try:
            width = int(os.environ.get("COLUMNS", "")) or os.get_terminal_size().columns
        except (ValueError, OSError):
            width = 80
        super().__init__(prog, width=width - 2)
        # From 3.14 on usage has colours if standard output is a terminal, even where standard error is a file.
        leave_colours = getattr(self, "_set_color", None)
        if leave_colours is not None:
            leave_colours(False)


class _Parser(argparse.ArgumentParser):
    """Tells output that cannot be written, as every command does; argparse would end with 0 after half a help."""

    def _get_formatter(self) -> argparse.HelpFormatter:
        return _Formatter(self.prog)

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        if file is sys.stdout:
            say(message.removesuffix("\n"))
        else:
            complain(message.removesuffix("\n"))

    def error(self, message: str) -> NoReturn:
        """End with 2, and name the word that was probably meant."""
        super().error(message + self._suggest(message))

    def _suggest(self, message: str) -> str:
        wrong = _WRONG_WORD.search(message)
        if wrong is None:
            return ""
        word = wrong["choice"] or wrong["option"]
        parsers = [self]
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                parsers += [each for name, each in action.choices.items() if name in sys.argv[1:2]]
        known = [name for each in parsers for name in each._option_string_actions]
        if wrong["choice"]:
            known = [str(name) for action in self._actions for name in action.choices or ()]
        return suggest(word.partition("=")[0], known)


def build_parser(only: str | None = None) -> argparse.ArgumentParser:
    """Return the parser of the command line; with a command that may only look at numbers, it knows no other.

    To make the options of all of them takes longer than the work of those commands.
    """
    parser = _Parser(
        prog="aico",
        description=(
            "Shows what your AI coding tools cost, live, from their local ledgers. Keeps numbers only. "
            "Without a command: today and this month."
        ),
        epilog="Settings come from the configuration file and from AICO_* variables: `aico config show`.",
    )
    parser.add_argument("--version", action="version", version=f"aico {__version__}")
    json_words = "without a command: print what GET /api/overview answers"
    parser.add_argument("--json", dest="is_json", action="store_true", help=json_words)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    settings = _settings_parser()
    if only != "status":
        _add_spending(commands, settings)
    _add_status(commands, settings)
    _add_statusline(commands, settings)
    if only in LOOKING and only is not None:
        return parser
    serve = commands.add_parser("serve", parents=[settings], help="watch the tools and serve the dashboard")
    serve.add_argument("--open", action="store_true", help="open the dashboard in the browser")
    once = commands.add_parser("import", parents=[settings], help="read everything that is switched on, once")
    once.add_argument("--source", metavar="NAME", help="only this tool")
    once.add_argument("--dry-run", action="store_true", help="say what would be imported, write nothing")
    once.add_argument("--json", action="store_true", help="print the receipt as JSON")
    sources = commands.add_parser(
        "sources", parents=[settings], help="the tools that can be read; switch them on or off"
    )
    sources.add_argument("switch", nargs="?", choices=["on", "off"], help="default: only list them")
    sources.add_argument("names", nargs="*", metavar="NAME", help="a tool, or an origin: cline.sessions, activity.apps")
    sources.add_argument("--json", action="store_true", help="print as JSON")
    _add_projects(commands, settings)
    _add_terms(commands, settings)
    activity = commands.add_parser(
        "activity", parents=[settings], help="the time in AI apps, commands and sites; default: today"
    )
    activity.add_argument("--from", dest="from_", type=parse_day, metavar="DAY", help="2026-03-01, here")
    activity.add_argument("--to", type=parse_day, metavar="DAY", help="inclusive")
    activity.add_argument("--json", action="store_true", help="print what GET /api/activity answers")
    activity.add_argument("--pair", action="store_true", help="print a token for the browser extension, once")
    _add_activity_forget(activity, settings)
    doctor = commands.add_parser(
        "doctor", parents=[settings], help="look at everything that could be wrong, and say what to do"
    )
    doctor.add_argument("--json", action="store_true", help="print as JSON")
    demo = commands.add_parser("demo", help="the service on invented logs that keep growing, on a free port")
    demo.add_argument("--open", action="store_true", help="open the dashboard in the browser")
    export = commands.add_parser(
        "export", parents=[settings], help="write the stored usage to a file or to standard output"
    )
    _add_export_options(export)
    _add_forget_options(
        commands.add_parser("forget", parents=[settings], help="remove the usage of tasks for good; first says what")
    )
    _add_price_actions(commands.add_parser("price", help="your own prices, and what a model costs"), settings)
    _add_currency_actions(commands.add_parser("currency", help="what amounts are shown in"), settings)
    _add_db_actions(commands.add_parser("db", help="back up, restore or check the database"), settings)
    _add_label(commands, settings)
    _add_completion(commands)
    config = commands.add_parser("config", parents=[settings], help="the settings")
    config.add_argument("action", choices=["show"], help="show every setting, its value and where it came from")
    config.add_argument("--json", action="store_true", help="print as JSON")
    otlp = commands.add_parser("otlp", parents=[settings], help="what leaves for a collector, if one is set")
    otlp.add_argument("action", choices=["show"], help="print exactly what would be sent now; nothing is sent")
    otlp.add_argument("--json", action="store_true", help="print the request in the protocol's JSON")
    service_words = "have the system start it by itself: systemd, launchd"
    _add_service_actions(commands.add_parser("service", help=service_words), settings)
    return parser


def _add_completion(commands: argparse._SubParsersAction[_Parser]) -> None:
    completion = commands.add_parser("completion", help="what a shell needs to complete these words")
    shells = ["bash", "zsh", "fish"]
    completion.add_argument(
        "shell", choices=[*shells, "sessions"], metavar=f"{{{','.join(shells)}}}", help="the shell that it is for"
    )
    # The scripts ask for it: the ids of sessions that begin with a word.
    completion.add_argument("begin", nargs="?", default="", help=argparse.SUPPRESS)


def _add_projects(commands: argparse._SubParsersAction[_Parser], settings: _Parser) -> None:
    """Add the command of the names of working folders."""
    projects = commands.add_parser("projects", parents=[settings], help="whether the names of working folders are kept")
    projects.add_argument("--json", action="store_true", help="print it as JSON")
    projects.set_defaults(action=None)
    actions = projects.add_subparsers(dest="action", metavar="ACTION")
    put = actions.add_parser("on", help="keep the last name of each folder from now on")
    put.add_argument("--backwards", action="store_true", help="also of what is counted already: reads all logs again")
    actions.add_parser("off", help="keep no more of them; those that are known stay")
    actions.add_parser("forget", help="take the name from every session")


def _add_terms(commands: argparse._SubParsersAction[_Parser], settings: _Parser) -> None:
    """Add the commands of the user's settings for spending."""
    budget = commands.add_parser("budget", help="what you mean to spend in a day, a week or a month")
    actions = budget.add_subparsers(dest="action", metavar="ACTION", required=True)
    put = actions.add_parser("set", parents=[settings], help="set a budget, or set it anew")
    name_words = "default: of the period and what it is of, such as daily-codex"
    put.add_argument("name", nargs="?", type=parse_text, metavar="NAME", help=name_words)
    put.add_argument("--amount", type=float, required=True, metavar="DOLLARS", help="US dollars in each period")
    put.add_argument("--period", choices=["day", "week", "month"], required=True, help="a week begins on Monday")
    for part in ("source", "model", "project"):
        put.add_argument(f"--{part}", type=parse_text, metavar="NAME", help=f"only of this {part}")
    _add_list_and_remove(actions, settings, "name")
    plan = commands.add_parser("plan", help="tools that are paid by subscription, and what they are worth")
    actions = plan.add_subparsers(dest="action", metavar="ACTION", required=True)
    put = actions.add_parser("set", parents=[settings], help="mark a tool, or mark it anew")
    put.add_argument("source", type=parse_text, metavar="SOURCE", help="a tool, as `aico sources` names it")
    put.add_argument("--price", type=float, required=True, metavar="AMOUNT", help="for one billing period")
    put.add_argument("--currency", default="USD", metavar="CODE", help="of the price; default: USD")
    put.add_argument("--renews", type=int, required=True, metavar="DAY", help="day of the month, 1 to 31")
    put.add_argument("--five-hours", type=float, metavar="DOLLARS", help="the plan's limit at list prices, if you know")
    put.add_argument("--week", type=float, metavar="DOLLARS", help="the same of seven days")
    _add_list_and_remove(actions, settings, "source")
    webhook = commands.add_parser("webhook", help="what is called when a budget is reached")
    actions = webhook.add_subparsers(dest="action", metavar="ACTION", required=True)
    put = actions.add_parser("set", parents=[settings], help="set its address; prints the secret of its signatures")
    put.add_argument("url", metavar="URL", help="https://..., or http://127.0.0.1...")
    put.add_argument("--secret-file", metavar="FILE", help="holds a secret of yours")
    show = actions.add_parser("show", parents=[settings], help="say where it is, never its secret")
    show.add_argument("--json", action="store_true", help="print as JSON")
    actions.add_parser("test", parents=[settings], help="call it once")
    actions.add_parser("remove", parents=[settings], help="forget it")


def _add_list_and_remove(actions: argparse._SubParsersAction[_Parser], settings: _Parser, name: str) -> None:
    shown = actions.add_parser("list", parents=[settings], help="list them, and how they stand")
    shown.add_argument("--json", action="store_true", help="print as JSON")
    remove = actions.add_parser("remove", parents=[settings], help="remove one")
    remove.add_argument(name, type=parse_text, metavar=name.upper(), help="as the list names it")


def _add_status(commands: argparse._SubParsersAction[_Parser], settings: _Parser) -> None:
    status = commands.add_parser("status", parents=[settings], help="what is watched, since when, what is wrong")
    form = status.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print as JSON")
    form.add_argument("--short", action="store_true", help="one line with today and this month, also without a service")
    width_words = f"of that line; default: {WIDTH_USUAL}"
    status.add_argument("--width", type=int, default=WIDTH_USUAL, metavar="COLUMNS", help=width_words)
    status.add_argument("--color", action="store_true", help="colour what is wrong in that line")


def _add_statusline(commands: argparse._SubParsersAction[_Parser], settings: _Parser) -> None:
    words = "one line for the status line of Claude Code, which names the session on standard input"
    line = commands.add_parser("statusline", parents=[settings], help=words)
    line.add_argument("--width", type=int, default=60, metavar="COLUMNS", help="of that line; default: 60")
    line.add_argument(
        "--color", action="store_true", help="a limit is yellow from 80 %% on, and red when it is reached"
    )
    line.add_argument("--debug", action="store_true", help="say on standard error what is wrong, if anything is")
    line.add_argument("--format", metavar="TEXT", help="with {session}, {today}, {month}, {limit} in it, of any width")


def _add_label(commands: argparse._SubParsersAction[_Parser], settings: _Parser) -> None:
    label = commands.add_parser("label", parents=[settings], help="give a session a name of your own")
    label.add_argument("session", type=parse_text, metavar="SESSION", help="its id, or the beginning of it")
    label.add_argument("text", type=parse_text, metavar="TEXT", help="at most 200 characters; '' takes the name away")
    label.add_argument("--source", metavar="NAME", help="the tool that wrote it, where several know the id")


def _add_spending(commands: argparse._SubParsersAction[_Parser], settings: _Parser) -> None:
    """Add the commands that tell spending; they differ in the days that they begin with."""
    for name, words in (
        ("today", "what was spent today, by hours"),
        ("week", "what was spent since Monday, by days"),
        ("month", "what was spent this month, by days"),
        ("report", "what was spent in any days, told apart by anything; default: this month"),
    ):
        command = commands.add_parser(name, parents=[settings], help=words)
        command.add_argument("--by", metavar="NAMES", help="some of source, model, session, project, day, with commas")
        command.add_argument("--from", dest="from_", type=parse_day, metavar="DAY", help="2026-03-01, here")
        command.add_argument("--to", type=parse_day, metavar="DAY", help="inclusive")
        if name == "report":
            command.add_argument("--all", action="store_true", help="from the first day on which anything was used")
        for what in ("source", "model"):
            command.add_argument(
                f"--{what}", action="append", default=[], type=parse_text, metavar="NAME", help="may be repeated"
            )
        form = command.add_mutually_exclusive_group()
        form.add_argument("--json", action="store_true", help="print what GET /api/summary answers")
        form.add_argument("--csv", action="store_true", help="print a line for each group")


def _add_service_actions(service: argparse.ArgumentParser, settings: _Parser) -> None:
    actions = service.add_subparsers(dest="action", metavar="ACTION", required=True)
    install = actions.add_parser("install", parents=[settings], help="write what starts it, and start it; repeatable")
    uninstall = actions.add_parser("uninstall", parents=[settings], help="stop it and take back what install wrote")
    for action in (install, uninstall):
        action.add_argument("--dry-run", action="store_true", help="print what would be written and run; do nothing")
    uninstall.add_argument("--purge", action="store_true", help="remove the database and its backups, too")
    for name, words in (
        ("start", "start what is installed"),
        ("stop", "stop it, until the next log-in or start"),
        ("restart", "stop it and start it anew"),
    ):
        actions.add_parser(name, help=words)
    logs = actions.add_parser("logs", help="its log, the newest lines last")
    logs.add_argument("--follow", action="store_true", help="go on printing what comes, until Ctrl-C")
    logs.add_argument("--lines", type=int, default=100, metavar="COUNT", help="of the log so far; default: 100")
    status = actions.add_parser("status", help="exits with 0: installed, enabled, running; 3: installed; 1: not")
    status.add_argument("--json", action="store_true", help="print as JSON")


def _add_export_options(export: argparse.ArgumentParser) -> None:
    export.add_argument("--format", choices=["csv", "json", "ndjson"], default="csv", help="default: csv")
    export.add_argument("--dialect", choices=["standard", "excel-fr"], default="standard", help="of a CSV")
    export.add_argument("--output", metavar="FILE", help="a file, replaced as a whole; default: standard output")
    export.add_argument("--cline", action="store_true", help="Cline's tasks alone, in the columns of earlier versions")
    export.add_argument("--tz", metavar="ZONE", help="of the local times; default: this machine's")
    group = export.add_argument_group("filter", "as in GET /api/sessions; --store writes what --cline does")
    for what in ("source", "project"):
        group.add_argument(
            f"--{what}", action="append", default=[], type=parse_text, metavar="NAME", help="may be repeated"
        )
    group.add_argument("--from", dest="from_", type=parse_moment, metavar="MOMENT", help="2026-03-01: midnight here")
    group.add_argument("--to", type=parse_moment, metavar="MOMENT", help="exclusive")
    models = group.add_mutually_exclusive_group()
    models.add_argument(
        "--model", action="append", default=[], type=parse_text, metavar="NAME", help="exact; may be repeated"
    )
    models.add_argument("--unknown-model", action="store_true", help="only usage whose model is unknown")
    group.add_argument("--q", type=parse_text, metavar="TEXT", help="text in the model, the session's id or its label")
    group.add_argument(
        "--store", choices=["ledger", "sessions", "hub"], help="only tasks whose numbers were read there"
    )
    group.add_argument("--sort", choices=_SORTS, default="last_at", metavar="COLUMN", help=", ".join(_SORTS[:-6]))
    group.add_argument("--order", choices=["asc", "desc"], default="desc", help="default: desc")


def _add_forget_options(forget: argparse.ArgumentParser) -> None:
    forget.add_argument(
        "tasks",
        nargs="*",
        type=parse_text,
        metavar="TASK",
        help="the id of a task or a session, or the beginning of it",
    )
    forget.add_argument("--before", type=parse_moment, metavar="DATE", help="all whose last activity is earlier")
    forget.add_argument("--source", metavar="NAME", help="the tool that wrote them; with --before, Cline if not given")
    forget.add_argument("--yes", action="store_true", help="do it; without this, only say what would go")


def _add_activity_forget(activity: argparse.ArgumentParser, settings: _Parser) -> None:
    actions = activity.add_subparsers(dest="action", metavar="forget")
    words = "remove the use of some kinds, or of some days, for good; first says what"
    forget = actions.add_parser("forget", parents=[settings], help=words)
    forget.add_argument("kinds", nargs="*", type=parse_text, metavar="KIND", help="such as activity.apps; default: all")
    forget.add_argument("--from", dest="from_", type=parse_day, metavar="DAY", help="default: the first one")
    forget.add_argument("--to", type=parse_day, metavar="DAY", help="inclusive; default: today")
    forget.add_argument("--yes", action="store_true", help="do it; without this, only say what would go")


def _add_price_actions(price: argparse.ArgumentParser, settings: _Parser) -> None:
    actions = price.add_subparsers(dest="action", metavar="ACTION", required=True)
    give = actions.add_parser("set", parents=[settings], help="set one: US dollars a million tokens of each kind")
    give.add_argument("model", type=parse_text, metavar="MODEL", help="its name, or the beginning of names with '*'")
    for name, words in (
        ("input", "uncached input"),
        ("output", "output, reasoning included"),
        ("cache-read", "cached input; default: what input costs"),
        ("cache-write-5m", "writes into the cache for five minutes; default: what input costs"),
        ("cache-write-1h", "writes for an hour; default: what those of five minutes cost"),
    ):
        is_needed = name in {"input", "output"}
        give.add_argument(f"--{name}", type=parse_amount, required=is_needed, metavar="USD", help=words)
    give.add_argument("--from", dest="from_", type=parse_day, metavar="DAY", help="of UTC; default: always")
    listing = actions.add_parser("list", parents=[settings], help="your own prices, and the models without any")
    remove = actions.add_parser("remove", parents=[settings], help="take one back; what was there before it counts")
    remove.add_argument("model", type=parse_text, metavar="MODEL", help="as it was set")
    remove.add_argument("--from", dest="from_", type=parse_day, metavar="DAY", help="only the one from that day on")
    test = actions.add_parser("test", parents=[settings], help="what a model would be priced at, and why")
    test.add_argument("model", type=parse_text, metavar="MODEL", help="its name, as a tool writes it")
    review = actions.add_parser(
        "review", parents=[settings], help="what the present price list would change of prices of older ones"
    )
    review.add_argument("--apply", action="store_true", help="change it; without this, only say so")
    for command in (listing, test, review):
        command.add_argument("--json", action="store_true", help="print as JSON")


def _add_currency_actions(currency: argparse.ArgumentParser, settings: _Parser) -> None:
    actions = currency.add_subparsers(dest="action", metavar="ACTION", required=True)
    shown = actions.add_parser("show", parents=[settings], help="say what amounts are shown in")
    shown.add_argument("--json", action="store_true", help="print what GET /api/currency answers")
    give = actions.add_parser("set", parents=[settings], help="show them in a currency, at your own rate")
    give.add_argument("code", metavar="CODE", help="three letters, such as EUR")
    give.add_argument("--rate", type=parse_amount, required=True, metavar="NUMBER", help="how many a US dollar is")
    give.add_argument("--on", type=parse_day, metavar="DAY", help="the day of that rate; default: today")
    actions.add_parser("remove", parents=[settings], help="show them in US dollars, in which they are kept")


def _add_db_actions(db: argparse.ArgumentParser, settings: _Parser) -> None:
    actions = db.add_subparsers(dest="action", metavar="ACTION", required=True)
    backup = actions.add_parser("backup", parents=[settings], help="copy it to a new file, also while the service runs")
    backup.add_argument("file", metavar="FILE", help="a file that does not exist yet")
    restore = actions.add_parser("restore", parents=[settings], help="put a backup in its place, without the service")
    restore.add_argument("file", metavar="FILE", help="a backup, also one of an older version")
    restore.add_argument(
        "--keep-forgotten",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="keep away what was forgotten since; with --no-keep-forgotten, bring it back",
    )
    restore.add_argument("--yes", action="store_true", help="bring it back; without this, only say what would return")
    check = actions.add_parser("check", parents=[settings], help="look at every page and add up every account")
    check.add_argument("--json", action="store_true", help="print as JSON")


def _settings_parser() -> _Parser:
    """Return the flags that stand above every other place a setting may come from."""
    parser = _Parser(add_help=False)
    group = parser.add_argument_group("settings", "these win over environment and configuration file")
    for name, words in zip(FLAGS, _FLAG_WORDS, strict=True):
        group.add_argument(f"--{name.replace('_', '-')}", dest=f"set_{name}", metavar="VALUE", default=None, help=words)
    return parser
