"""The browser extension: its reports, and the pairings that let it report."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import Field, StrictInt

from aico.api import problems
from aico.api.access import REPORT_PATH, find_bearer
from aico.api.bodies import describe_body, read_body
from aico.api.deps import MOMENT_MAX_MS, ONLY_KNOWN_PARAMETERS, Service
from aico.core.db.browsers import Pairing
from aico.core.errors import RequestInvalid
from aico.features.activity.browsers.places import BY_ID
from aico.features.activity.heartbeats import BEATS_MAX, Beat
from aico.services.pairings import Report
from aico.services.shapes import Schema

router = APIRouter(tags=["activity"], dependencies=ONLY_KNOWN_PARAMETERS)
_OFF: problems.Responses = {409: problems.refusal("The kind `extension` is off.")}
_REPORTING: problems.Responses = {
    401: problems.refusal("The token is not that of a pairing."),
    403: problems.refusal("The caller is not the extension."),
    429: problems.refusal("Too many reports."),
}


class BeatIn(Schema):
    """A stretch in which a listed site was in front and somebody there."""

    domain: Annotated[str, Field(min_length=1, max_length=128)]
    start: Annotated[StrictInt, Field(ge=0, le=MOMENT_MAX_MS, description="Epoch milliseconds.")]
    ms: Annotated[StrictInt, Field(ge=0, le=60_000)]
    visits: Annotated[StrictInt, Field(ge=0, le=10)] = 0


class ReportIn(Schema):
    """A report of the extension. The same batch counts once."""

    batch: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{8,64}$")]
    browser: Annotated[str, Field(min_length=1, max_length=16)]
    beats: Annotated[list[BeatIn], Field(max_length=BEATS_MAX, default_factory=list)]


class ReportOut(Schema):
    """The result of a report."""

    seconds: float = Field(description="What counts of it: each second once.")
    known: bool = Field(description="It came before, and added nothing.")
    ignored: int = Field(description="Beats of sites that are not listed here.")


class PairingOut(Schema):
    """A browser whose extension may report."""

    id: int
    browser: str | None = Field(description="As its first report said; null before.")
    created_at: int = Field(description="Epoch milliseconds, as all times.")
    paired_at: int | None = Field(description="Its first report: from then on its history does not count.")
    last_at: int | None = Field(description="Its last report.")
    ended_at: int | None

    @classmethod
    def of(cls, pairing: Pairing) -> PairingOut:
        """Return the shape of a pairing: nothing of its token."""
        return cls(
            id=pairing.id,
            browser=pairing.browser,
            created_at=pairing.created_at,
            paired_at=pairing.paired_at,
            last_at=pairing.last_at,
            ended_at=pairing.ended_at,
        )


class NewPairing(Schema):
    """A pairing that waits for its extension."""

    id: int
    token: str = Field(
        description="For the options of the extension. It is shown once, and good for an hour until used."
    )


class _Nothing(Schema):
    """An empty body."""


@router.post(
    REPORT_PATH, responses=problems.READING | _OFF | _REPORTING, openapi_extra=describe_body(ReportIn, is_required=True)
)
async def report(request: Request, service: Service) -> ReportOut:
    """Add what the extension saw: for it alone, with the token of its pairing."""
    token = find_bearer(request.headers)
    await service.pairings.authorize(token)
    sent = await read_body(request, ReportIn)
    if sent.browser not in BY_ID:
        raise RequestInvalid("browser", "is none that is known")
    beats = [Beat(beat.domain, beat.start, beat.ms, beat.visits) for beat in sent.beats]
    counted = await service.pairings.take(token, Report(sent.batch, sent.browser, beats))
    return ReportOut(seconds=counted.duration_ms / 1000, known=counted.is_known, ignored=counted.ignored_count)


@router.get("/api/activity/pairings", responses=problems.READING)
async def list_pairings(service: Service) -> list[PairingOut]:
    """Return the browsers whose extensions may report, and those that could once."""
    return [PairingOut.of(each) for each in await service.pairings.list_pairings()]


@router.put(
    "/api/activity/pairings",
    responses=problems.READING | _OFF,
    openapi_extra=describe_body(_Nothing, is_required=False),
)
async def add_pairing(request: Request, service: Service) -> NewPairing:
    """Return a token for one more browser. For the service's own page and programs of this machine alone."""
    await read_body(request, _Nothing)
    key, token = await service.pairings.add()
    return NewPairing(id=key, token=token)


@router.delete(
    "/api/activity/pairings/{pairing}", responses=problems.READING | problems.unknown("pairing"), status_code=204
)
async def end_pairing(service: Service, pairing: Annotated[int, Path(ge=1, le=2**53)]) -> Response:
    """End a pairing: its token is good no longer, and the history of its browser counts again."""
    await service.pairings.end(pairing)
    return Response(status_code=204)
