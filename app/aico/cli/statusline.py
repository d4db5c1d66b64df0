"""``aico statusline``: the line below the prompt of a coding tool, which hands over its facts as JSON.

Of that JSON the id of the session is taken, and nothing else: no file that it names is opened. ``aico.cli`` has it end
with 0 in any case, because a tool hides the line of a command that fails.
"""

from __future__ import annotations

import json
import os
import re
import select
from typing import TYPE_CHECKING, NamedTuple

from aico.cli import EXIT_OK, flags_of
from aico.cli.amounts import change_text, find_budget, head_cost, plan_value
from aico.cli.reading import load_reading_settings, show_as_stored
from aico.cli.screen import columns_of, money
from aico.cli.short_status import find_limits
from aico.cli.streams import complain, say
from aico.core.clock import now_ms
from aico.core.db.looking import look
from aico.core.errors import ObserverError
from aico.core.local_zone import find_local_zone
from aico.core.money import nano_usd
from aico.core.sums import Sums
from aico.services.overview import Overview, take_overview

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from aico.cli.limit_words import ShortLimit
    from aico.core.db.sums_reader import SumsSnapshot

PARTS = ("session", "today", "month", "limit")
WIDTH = 60
_INPUT_MAX = 1 << 20
_KEY_MAX = 200
_PLACEHOLDER = r"\{([^{}]*)\}"
_OFF = "aico off"


class _Found(NamedTuple):
    overview: Overview
    session: Sums | None
    """None where no session was named."""
    is_forgotten: bool
    """True if that session was forgotten: what its tool adds to it is not counted."""
    limits: Sequence[ShortLimit]
    """The limits that are nearest to their end."""


def show(options: argparse.Namespace) -> int:
    """Do what the parsed words say: like :func:`show_parts`."""
    return show_parts(
        flags_of(options), options.format, options.width, has_colours=options.color, is_debugged=options.debug
    )


def show_parts(
    flags: Mapping[str, object],
    form: str | None = None,
    width: int = WIDTH,
    *,
    has_colours: bool = False,
    is_debugged: bool = False,
) -> int:
    """Print the cost of the session, of today and of this month, and a limit, in at most ``width`` columns.

    ``form`` says it otherwise. With ``has_colours`` a limit that is close to its end is yellow, and red behind it. With
    ``is_debugged``, standard error says why nothing can be told.
    """
    form = None if form is None else " ".join(form.split("\n"))
    wrong = [name for name in re.findall(_PLACEHOLDER, form) if name not in PARTS] if form else []
    if wrong:
        say(f"aico: {{{wrong[0]}}} is none of {', '.join(f'{{{name}}}' for name in PARTS)}")
        return EXIT_OK
    try:
        settings, zone = load_reading_settings(flags), find_local_zone().zone

        async def read(snapshot: SumsSnapshot) -> _Found:
            await show_as_stored(settings, snapshot)
            key = _find_session()
            session = None if key is None else await snapshot.get_family_sums(key)
            is_forgotten = key is not None and await snapshot.is_forgotten(key)
            now = now_ms()
            overview = await take_overview(snapshot, now, zone, is_short=True)
            return _Found(overview, session, is_forgotten, await find_limits(snapshot, now, zone))

        found = look(settings.database_path, read)
    except ObserverError as error:
        if is_debugged:
            complain(f"aico: {error} [{error.code}]", f"      {error.hint}")
        say(_OFF)
        return EXIT_OK
    line = _line(_texts(found, find_budget(settings, found.overview)), form, width, found.limits)
    for limit in found.limits if has_colours else ():
        line = line.replace(limit.text, f"\x1b[{limit.style}m{limit.text}\x1b[0m") if limit.style else line
    say(line)
    return EXIT_OK


def _find_session() -> str | None:
    """Return the session that standard input names, without waiting for any; None where it names none."""
    said = b""
    try:
        while len(said) < _INPUT_MAX and select.select([0], [], [], 0)[0] and not os.isatty(0):
            piece = os.read(0, _INPUT_MAX - len(said))
            if not piece:
                break
            said += piece
        told = json.loads(said) if said else None
    except (OSError, ValueError, RecursionError):
        return None
    key = told.get("session_id") if isinstance(told, dict) else None
    return key if isinstance(key, str) and 0 < len(key) <= _KEY_MAX else None


def _texts(found: _Found, budget_usd: float | None) -> dict[str, str]:
    """Return the text of each part; empty for a part that there is not. A star says that something is missing."""
    overview = found.overview
    today, month = Sums.total(overview.today.values()), Sums.total(overview.month.values())
    is_more = change_text(today.cost_nano, overview.usual.nano).startswith("+") or _is_many_times(overview, today)
    of = "" if budget_usd is None else f"/{_without_mark(budget_usd)}"
    this_month = f"{head_cost(month)}{of} {overview.now:%b}"
    if of and plan_value(month):
        # A budget is of money alone.
        this_month = f"{head_cost(month)} {overview.now:%b}, budget {money(month.cost_nano)}{of}"
    here = "" if found.session is None else f"{head_cost(found.session)} here"
    return {
        "session": "forgotten here" if found.is_forgotten else here,
        "today": f"{head_cost(today)} today{' ▲' if is_more else ''}",
        "month": this_month,
        "limit": " · ".join(limit.text for limit in found.limits),
    }


def _is_many_times(overview: Overview, today: Sums) -> bool:
    return change_text(today.cost_nano, overview.usual.nano).endswith("times")


def _line(texts: Mapping[str, str], form: str | None, width: int, limits: Sequence[ShortLimit]) -> str:
    """Return the parts in one line. Those that there is no room for go from the right, the first one stays.

    A limit that is reached goes after the month.
    """
    if form is not None:
        return re.sub(_PLACEHOLDER, lambda match: texts[match[1]], form)
    parts = [text for name, text in texts.items() if text and name != "limit"]
    going = [*(limit.text for limit in limits[1:]), texts["month"], *parts[-2:0:-1]]
    if limits:
        going.insert(len(limits) if limits[0].is_reached else len(limits) - 1, limits[0].text)
    parts += [limit.text for limit in limits]
    for part in going:
        if columns_of(" · ".join(parts)) <= width:
            break
        parts.remove(part)
    return " · ".join(parts)


def _without_mark(budget_usd: float) -> str:
    """Return an amount without its currency, which stands before the one beside it."""
    return money(nano_usd(budget_usd)).removeprefix("$").rpartition(" ")[2].removesuffix(".00")
