"""``aico projects``: whether the last names of working folders are kept."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping

from aico.cli import EXIT_OK
from aico.cli.settings import load
from aico.cli.streams import say
from aico.cli.terms import change, look
from aico.core.command_name import command_name
from aico.core.settings import Settings
from aico.proxy.running_service import RunningService
from aico.services.projects import ProjectsOut
from aico.services.service import ObserverService

_ROUTE = "/api/projects"


def tend(options: argparse.Namespace) -> int:
    """Switch, forget, or say how it stands."""
    settings = load(options).settings
    if options.action == "forget":
        change(settings, lambda service: service.change("DELETE", _ROUTE), lambda service: service.projects.forget())
    elif options.action is not None:
        is_on, backwards = options.action == "on", bool(getattr(options, "backwards", False))
        change(
            settings,
            lambda service: service.change("PUT", _ROUTE, {"enabled": is_on, "backwards": backwards}),
            lambda service: _switch(service, is_on=is_on, backwards=backwards),
        )
    standing = look(settings, _ask, _stand) or _nothing(settings)
    say(json.dumps(standing) if options.json else _line(standing))
    return EXIT_OK


def list_named(settings: Settings) -> list[str]:
    """Return the sources of which the last name of the working folder is kept; none while that is off."""
    standing = look(settings, _ask, _stand) or _nothing(settings)
    sources = standing["sources"]
    return [str(source) for source in sources] if standing["enabled"] and isinstance(sources, list) else []


async def _switch(service: ObserverService, *, is_on: bool, backwards: bool) -> None:
    await service.sources.load()
    await service.projects.switch(is_on=is_on, backwards=backwards)


async def _ask(service: RunningService) -> dict[str, object]:
    return await service.get_object(_ROUTE)


async def _stand(service: ObserverService) -> dict[str, object]:
    await service.sources.load()
    return (await ProjectsOut.of(service.projects)).model_dump(mode="json")


def _nothing(settings: Settings) -> dict[str, object]:
    is_on = settings.project_names is True
    return {"enabled": is_on, "fixed_by": "project_names" if is_on else None, "named": 0, "sources": []}


def _line(standing: Mapping[str, object]) -> str:
    named = int(str(standing["named"]))
    known = f"{named:,} session{' has' if named == 1 else 's have'} one"
    fixed = f", fixed by {standing['fixed_by']}" if standing["fixed_by"] else ""
    if standing["enabled"]:
        return f"on{fixed}: the last name of the working folder is kept; {known}"
    hint = f"; `{command_name()} projects forget` forgets them" if named else ""
    return f"off{fixed}: no name of a folder is kept; {known}{hint}"
