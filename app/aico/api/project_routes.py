"""Projects: the switch by which the last names of working folders are kept, and the way to forget them."""

from __future__ import annotations

from fastapi import APIRouter, Request

from aico.api import problems
from aico.api.bodies import describe_body, read_body
from aico.api.deps import ONLY_KNOWN_PARAMETERS, Service
from aico.services.projects import ProjectsOut, ProjectsRequest

router = APIRouter(prefix="/api", tags=["sources"], dependencies=ONLY_KNOWN_PARAMETERS)
_FIXED: problems.Responses = {409: problems.refusal("A setting decides.")}


@router.get("/projects", responses=problems.READING)
async def read_projects(service: Service) -> ProjectsOut:
    """Return whether the last names of working folders are kept."""
    return await ProjectsOut.of(service.projects)


@router.put(
    "/projects",
    responses=problems.READING | _FIXED,
    openapi_extra=describe_body(ProjectsRequest, is_required=True),
)
async def switch_projects(request: Request, service: Service) -> ProjectsOut:
    """Keep the last names of working folders from now on, of what is stored, too, if asked; or keep no more of them."""
    wanted = await read_body(request, ProjectsRequest)
    await service.projects.switch(is_on=wanted.enabled, backwards=wanted.backwards)
    return await ProjectsOut.of(service.projects)


@router.delete("/projects", responses=problems.READING)
async def forget_projects(service: Service) -> ProjectsOut:
    """Forget the projects of all sessions. The switch stays as it is."""
    await service.projects.forget()
    return await ProjectsOut.of(service.projects)
