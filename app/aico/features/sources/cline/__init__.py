"""Cline: the ledger of its older editions, the session store of newer ones, and the events of its hub."""

from __future__ import annotations

from aico.core.errors import (
    LedgerError,
    LedgerFormat,
    LedgerNotFound,
    LedgerPathRefused,
    LedgerTooLarge,
    LedgerUnreadable,
    LedgerUnstable,
    SourceErrors,
)
from aico.core.settings import LEDGER_NAME
from aico.features.files.whole_file import WholeFile
from aico.features.sources.cline.hub import HUB
from aico.features.sources.cline.ledger import LedgerParser
from aico.features.sources.cline.places import choose_ledgers, find_elsewhere
from aico.features.sources.cline.sessions import SESSIONS
from aico.features.sources.source import GapKind, Origin, Source

_PARSER = LedgerParser()

LEDGER = Origin(
    id="ledger",
    title="ledger",
    places=choose_ledgers,
    open=WholeFile(
        SourceErrors(
            LedgerError.default_name,
            path_refused=LedgerPathRefused,
            not_found=LedgerNotFound,
            too_large=LedgerTooLarge,
            format=LedgerFormat,
            unstable=LedgerUnstable,
            unreadable=LedgerUnreadable,
        ),
        (LEDGER_NAME,),
        _PARSER.parse,
        _PARSER,
    ).open,
    is_on_by_default=True,
    elsewhere=find_elsewhere,
    list_setting="ledgers",
    privacy="the first prompts and the paths of folders",
)

SOURCE = Source(
    id="cline",
    title="Cline",
    origins=(LEDGER, SESSIONS, HUB),
    gaps=(
        GapKind(
            "agents",
            "billed and not in the session store: agents that a session started, and turns that were killed; the "
            "events of its hub have a part of them",
            SESSIONS.id,
            unless=HUB.id,
        ),
        GapKind(
            "outside-hub",
            "billed and in no event of its hub: agents and killed turns outside it, or older than its events",
            HUB.id,
        ),
    ),
    has_task_rows=True,
)
