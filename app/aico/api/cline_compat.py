"""The old addresses of Cline's tasks: a thin layer over sessions and sums, for pages that were written for them."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import ValidationError
from starlette.responses import StreamingResponse

from aico.api import problems
from aico.api.deps import ONLY_KNOWN_PARAMETERS, BucketName, Limit, Offset, Order, Service, TaskFilter, Zone
from aico.api.export_routes import FILES, LocalZone, file_of
from aico.api.schemas import ImportRequest, ReceiptOut
from aico.api.status_schemas import (
    BudgetOut,
    KimiProxyOut,
    LastImportOut,
    LedgerOut,
    RecoveryOut,
    SessionsOut,
    TaskStatusOut,
    WatcherOut,
)
from aico.core.db.sums_reader import Group
from aico.core.errors import LedgerFormat, LedgerPathRefused
from aico.core.receipts import ImportReceipt
from aico.core.terms import BudgetPeriod
from aico.core.usage import Trigger
from aico.features.usage.export import Dialect, ExportFormat, ExportWriter
from aico.features.usage.periods import Bucket, find_zone
from aico.services.queries import CLINE
from aico.services.service import ObserverService
from aico.services.source_shapes import OriginOut
from aico.services.status import LEDGER, get_cline_status
from aico.services.task_queries import TaskSort
from aico.services.task_shapes import TaskSummaryOut, UsageOut

router = APIRouter(prefix="/api/cline", tags=["cline"], dependencies=ONLY_KNOWN_PARAMETERS)
_PROBLEMS: problems.Responses = {
    400: problems.refusal("Another path than the allowlisted one, or no plain file."),
    404: problems.refusal("There is no ledger."),
    409: problems.refusal("Nothing of Cline is read."),
    413: problems.refusal("The ledger, or the request body, is too large."),
    422: problems.refusal("The ledger is no JSON array, or the request body is malformed."),
    500: problems.refusal("The database failed."),
    503: problems.refusal("The ledger is being written or unreadable, or the database is busy."),
}
_BODY: dict[str, object] = {
    "requestBody": {
        "required": False,
        "content": {
            "application/json": {"schema": {"anyOf": [ImportRequest.model_json_schema(), {"type": "null"}]}},
        },
    }
}


@router.get("/usage", responses=problems.READING)
async def list_usage(
    service: Service,
    wanted: TaskFilter,
    limit: Limit = 100,
    offset: Offset = 0,
    sort: TaskSort = TaskSort.TS,
    order: Order = "desc",
) -> UsageOut:
    """Return the tasks with usage inside the filter. Numbers are sorted by what was spent inside it."""
    page = await service.queries.list_sessions(
        wanted, sort.of_sessions, descending=order == "desc", limit=limit, offset=offset, has_task_rows=True
    )
    return UsageOut.of(page, limit, offset)


@router.get("/summary", responses=problems.READING)
async def get_summary(
    service: Service, wanted: TaskFilter, bucket: BucketName = "auto", tz: Zone = "UTC"
) -> TaskSummaryOut:
    """Return the sums inside the filter: in total, by model, and in gapless buckets of local time."""
    zone = find_zone(tz)
    size = None if bucket == "auto" else Bucket(bucket)
    return TaskSummaryOut.of(await service.queries.get_summary(wanted, size, zone, [Group.MODEL]), tz)


@router.get("/export", responses=problems.READING | FILES, response_class=StreamingResponse)
async def export_usage(
    service: Service,
    wanted: TaskFilter,
    format: ExportFormat = ExportFormat.CSV,  # noqa: A002  # the contract's name
    dialect: Annotated[Dialect, Query(description="Of a CSV.")] = Dialect.STANDARD,
    tz: LocalZone = None,
) -> StreamingResponse:
    """Stream every task with usage inside the filter, newest first."""
    zone = None if tz is None else find_zone(tz)
    pieces = await service.queries.export_tasks(wanted, ExportWriter(format, dialect), zone=zone)
    return file_of(pieces, "cline-usage", format)


@router.post("/import", responses=_PROBLEMS, openapi_extra=_BODY)
async def import_ledger(request: Request, service: Service) -> ReceiptOut:
    """Read all of Cline now, and answer from a reading that began after this request.

    If the ledger is read, the counts are those of its entries alone: their sum is the number of entries in the file.
    """
    path = _read_path(await request.body())
    if path is None:
        receipts = await service.sources.read(Trigger.REQUEST, CLINE)
    else:
        _check_path(service, path)
        receipts = await service.sources.read(Trigger.REQUEST, CLINE, LEDGER, path)
    whole = reduce(ImportReceipt.beside, receipts)
    of_ledgers = [receipt for receipt in receipts if receipt.origin == LEDGER]
    counts = reduce(ImportReceipt.beside, of_ledgers) if of_ledgers else whole
    return ReceiptOut.of(replace(counts, latest_ts=whole.latest_ts, revision=whole.revision))


def _read_path(body: bytes) -> str | None:
    """Return the path that a body names. The body may be absent, whatever its declared type."""
    if not body.strip() or body.strip() == b"null":
        return None
    try:
        return ImportRequest.model_validate_json(body).path
    except ValidationError:
        pass
    raise LedgerFormat('the request body must be absent, or {"path": null}, or {"path": "<the allowlisted path>"}')


def _check_path(service: ObserverService, path: str) -> None:
    """Raise LedgerPathRefused unless ``path`` is, letter for letter, that of a ledger the operator has named."""
    read = {intake.key.path for intake, _ in service.sources.list_watched() if intake.key[:2] == (CLINE, LEDGER)}
    if path not in (read or {service.sources.find_feed(CLINE, LEDGER).path}):
        raise LedgerPathRefused("this is not the path of the ledger")


@router.get("/status", responses=problems.READING)
async def read_status(service: Service) -> TaskStatusOut:
    """Return the watched place, since when it is watched, the last import and the fault if there is one."""
    status = await get_cline_status(service)
    recovery = await service.database.find_recovery()
    watcher, kimi, settings = status.watcher, service.kimi_monitor, service.settings
    return TaskStatusOut(
        latest_ts=status.latest_ts,
        task_count=status.task_count,
        last_import=None if status.last_receipt is None else LastImportOut.of(status.last_receipt),
        watcher=WatcherOut(state=watcher.state, since=watcher.since_ms, reason=watcher.reason),
        ledger=LedgerOut(
            path=status.ledger_path,
            chosen_by=settings.ledger_chosen_by,
            exists=status.ledger_exists,
            size_bytes=status.ledger_size_bytes,
            written_at=status.ledger_written_at_ms,
            frozen_since=status.ledger_frozen_since_ms,
        ),
        sessions=None if status.sessions is None else SessionsOut.of(status.sessions),
        origins=[OriginOut.of(origin) for origin in status.origins],
        revision=status.revision,
        epoch=status.epoch,
        exact_since=status.exact_since,
        recovery=None if recovery is None else RecoveryOut.of(recovery),
        kimi_proxy=None if kimi is None else KimiProxyOut.of(kimi.state),
        budget=BudgetOut(
            daily_usd=service.budgets.find_whole_usd(BudgetPeriod.DAY),
            monthly_usd=service.budgets.find_whole_usd(BudgetPeriod.MONTH),
        ),
        demo=service.demo,
        version=service.version,
    )
