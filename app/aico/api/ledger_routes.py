"""Importing by hand, and how the service is."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import ValidationError

from aico.api.deps import Service
from aico.api.schemas import ImportRequest, ProblemOut, ReceiptOut
from aico.api.status_schemas import (
    BudgetOut,
    KimiProxyOut,
    LastImportOut,
    LedgerOut,
    RecoveryOut,
    SessionsOut,
    StatusOut,
    WatcherOut,
)
from aico.core.domain import Trigger
from aico.core.errors import LedgerFormat
from aico.services.status import get_status

router = APIRouter(prefix="/api/cline", tags=["ledger"])
_PROBLEMS: dict[int | str, dict[str, object]] = {
    400: {"model": ProblemOut, "description": "Another path than the allowlisted one, or no plain file."},
    404: {"model": ProblemOut, "description": "There is no ledger."},
    413: {"model": ProblemOut, "description": "The ledger, or the request body, is too large."},
    422: {"model": ProblemOut, "description": "The ledger is no JSON array, or the request body is malformed."},
    500: {"model": ProblemOut, "description": "The database failed."},
    503: {"model": ProblemOut, "description": "The ledger is being written or unreadable, or the database is busy."},
}
_BODY = {
    "requestBody": {
        "required": False,
        "content": {
            "application/json": {"schema": {"anyOf": [ImportRequest.model_json_schema(), {"type": "null"}]}},
        },
    }
}


@router.post("/import", responses=_PROBLEMS, openapi_extra=_BODY)
async def import_ledger(request: Request, service: Service) -> ReceiptOut:
    """Import the ledger now, and answer from a reading that began after this request."""
    service.guard.check_request(_read_path(await request.body()))
    return ReceiptOut.of(await service.imports.run(Trigger.REQUEST))


def _read_path(body: bytes) -> str | None:
    """Return the path that a body names. The body may be absent, whatever its declared type."""
    if not body.strip() or body.strip() == b"null":
        return None
    try:
        return ImportRequest.model_validate_json(body).path
    except ValidationError:
        pass
    raise LedgerFormat('the request body must be absent, or {"path": null}, or {"path": "<the allowlisted path>"}')


@router.get("/status")
async def read_status(service: Service) -> StatusOut:
    """Return what is watched, since when, what was imported last and what is wrong."""
    status = await get_status(service)
    recovery = await service.database.find_recovery()
    watcher, kimi = service.watcher.state, service.kimi_monitor
    return StatusOut(
        latest_ts=status.latest_ts,
        task_count=status.task_count,
        last_import=None if status.last_receipt is None else LastImportOut.of(status.last_receipt),
        watcher=WatcherOut(state=watcher.state, since=watcher.since_ms, reason=watcher.reason),
        ledger=LedgerOut(
            path=service.settings.ledger_path,
            chosen_by=service.settings.ledger_chosen_by,
            exists=status.ledger_exists,
            size_bytes=status.ledger_size_bytes,
            written_at=status.ledger_written_at_ms,
            frozen_since=status.ledger_frozen_since_ms,
        ),
        sessions=None if status.sessions is None else SessionsOut.of(status.sessions),
        revision=status.revision,
        epoch=status.epoch,
        exact_since=status.exact_since,
        recovery=None if recovery is None else RecoveryOut.of(recovery),
        kimi_proxy=None if kimi is None else KimiProxyOut.of(kimi.state),
        budget=BudgetOut(daily_usd=service.settings.budget_daily_usd, monthly_usd=service.settings.budget_monthly_usd),
        demo=service.demo,
        version=service.version,
    )
