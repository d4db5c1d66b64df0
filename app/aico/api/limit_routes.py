"""The limits of plans."""

from __future__ import annotations

from fastapi import APIRouter

from aico.api import problems
from aico.api.deps import ONLY_KNOWN_PARAMETERS, Service
from aico.services.limits import LimitOut, list_limits

router = APIRouter(prefix="/api", tags=["usage"], dependencies=ONLY_KNOWN_PARAMETERS)


@router.get("/limits", responses=problems.READING)
async def list_plan_limits(service: Service) -> list[LimitOut]:
    """Return the windows of plans as the tools state them, each as it was told last. No sum follows from them."""
    return await list_limits(service.reader, service.now_ms())
