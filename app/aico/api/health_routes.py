"""The health of process, database and watcher, for machines."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from aico.api.deps import Service
from aico.api.status_schemas import HealthOut
from aico.core.errors import StorageError

router = APIRouter(tags=["health"])
_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


@router.get("/healthz")
async def read_liveness() -> HealthOut:
    """Answer that the process is up."""
    return HealthOut(status="ok")


@router.get("/readyz", responses={503: {"model": HealthOut}})
async def read_readiness(response: Response, service: Service) -> HealthOut:
    """Answer whether the database answers and the watcher is well; waiting for Cline to write is well."""
    reasons = service.list_problems()
    try:
        await service.database.check()
        await service.writer.get_position()
    except StorageError as error:
        reasons.append(error.code)
    if not reasons:
        return HealthOut(status="ok")
    response.status_code = 503
    return HealthOut(status="unavailable", reasons=reasons)


async def _render(service: Service) -> bytes:
    from aico.services.metrics import render_metrics  # 1.3 MB and a part of each start: only if asked for

    return await render_metrics(service)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def read_metrics(text: Annotated[bytes, Depends(_render)]) -> Response:
    """Return the metrics in Prometheus' text format."""
    return Response(text, media_type=_PROMETHEUS)
