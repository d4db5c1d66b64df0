"""Sources: how they are, their switches, a reading at once, and the status of everything."""

from __future__ import annotations

from typing import Annotated, Self

from fastapi import APIRouter, Path, Request
from pydantic import Field, StrictBool, model_validator

from aico.api import problems
from aico.api.bodies import describe_body, read_body
from aico.api.deps import ONLY_KNOWN_PARAMETERS, Service
from aico.api.status_schemas import KimiProxyOut, OtlpOut, RecoveryOut, SourceImportOut, StatusOut
from aico.core.usage import Trigger
from aico.services.currency import CurrencyOut
from aico.services.ingest import sums_by_source
from aico.services.price_shapes import PricingOut
from aico.services.projects import ProjectsOut
from aico.services.shapes import Schema, SourceReceiptOut
from aico.services.source_shapes import SourceFailureOut, SourceOut
from aico.services.status import get_status, list_sources

router = APIRouter(prefix="/api", tags=["sources"], dependencies=ONLY_KNOWN_PARAMETERS)
_ID_MAX = 64
_FIXED: problems.Responses = {409: problems.refusal("The configuration decides it.")}
_IMPORT: problems.Responses = {
    400: problems.refusal("Something else than plain files in a source's place."),
    404: problems.refusal("There is no such source, or nothing where it should be."),
    409: problems.refusal("The source is not read."),
    413: problems.refusal("A file of the source, or the request body, is too large."),
    422: problems.refusal("A file is not what its tool is known to write; or a malformed body."),
    500: problems.refusal("The database failed."),
    503: problems.refusal("A file is being written or unreadable, or the database is busy."),
}


class SwitchRequest(Schema):
    """The part of a source to read: all of it or nothing, or some of its origins."""

    enabled: StrictBool | None = None
    origins: dict[Annotated[str, Field(max_length=_ID_MAX)], StrictBool] | None = Field(
        default=None, min_length=1, max_length=20
    )

    @model_validator(mode="after")
    def name_one(self) -> Self:
        """Refuse a request that says both or nothing."""
        if (self.enabled is None) == (self.origins is None):
            raise ValueError("must hold either `enabled` or `origins`")
        return self


class ReadRequest(Schema):
    """The places to read now: one source, or everything that is switched on."""

    source: str | None = Field(default=None, max_length=_ID_MAX)


class ImportOut(Schema):
    """The result of a reading, by source."""

    receipts: list[SourceReceiptOut]
    failures: list[SourceFailureOut] = Field(
        description="Places that could not be read beside those that were. Where none was, the answer is an error."
    )
    commit_seq: int = Field(description="Number of the last committed change that is contained.")


@router.get("/sources", responses=problems.READING)
async def read_sources(service: Service) -> list[SourceOut]:
    """Return every known source, found or not."""
    return [SourceOut.of(each) for each in await list_sources(service)]


@router.put(
    "/sources/{source}",
    responses=problems.READING | problems.unknown("source") | _FIXED,
    openapi_extra=describe_body(SwitchRequest, is_required=True),
)
async def switch_source(
    request: Request, service: Service, source: Annotated[str, Path(max_length=_ID_MAX)]
) -> SourceOut:
    """Switch a source, or some of its origins, on or off, and return how it is then."""
    wanted = await read_body(request, SwitchRequest)
    await service.sources.switch(source, wanted.enabled, wanted.origins)
    return next(SourceOut.of(each) for each in await list_sources(service) if each.state.id == source)


@router.post("/import", responses=_IMPORT, openapi_extra=describe_body(ReadRequest, is_required=False))
async def import_sources(request: Request, service: Service) -> ImportOut:
    """Read now what changed before this request; the rest of a first reading goes on behind the answer."""
    wanted = await read_body(request, ReadRequest)
    outcome = (await service.sources.read_each(Trigger.REQUEST, wanted.source)).check_any()
    receipts = sums_by_source(outcome.receipts)
    return ImportOut(
        receipts=[SourceReceiptOut.of(receipt) for receipt in receipts],
        failures=[SourceFailureOut.of(*failure) for failure in outcome.failures.items()],
        commit_seq=max((receipt.revision for receipt in receipts), default=service.hub.revision),
    )


@router.get("/status", responses=problems.READING)
async def read_status(service: Service) -> StatusOut:
    """Return how the service and every source are."""
    status, kimi = await get_status(service), service.kimi_monitor
    progress = service.prices.progress
    recovery = await service.database.find_recovery()
    return StatusOut(
        latest_ts=status.latest_ts,
        last_import=None if status.last_receipt is None else SourceImportOut.of(status.last_receipt),
        sources=[SourceOut.of(each) for each in status.sources],
        database_id=status.epoch,
        commit_seq=status.revision,
        recovery=None if recovery is None else RecoveryOut.of(recovery),
        currency=CurrencyOut.of(await service.currencies.find()),
        pricing=None if progress is None else PricingOut(done=progress[0], total=progress[1]),
        kimi_proxy=None if kimi is None else KimiProxyOut.of(kimi.state),
        otlp=None if service.exporter is None else OtlpOut.of(service.exporter.state),
        projects=await ProjectsOut.of(service.projects),
        numbers_go_to=await service.list_receivers(),
        command=service.command,
        demo=service.demo,
        version=service.version,
    )
