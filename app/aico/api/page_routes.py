"""The dashboard: the page, and the same without its frame for the frames of others."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, FastAPI
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import FileResponse
from starlette.staticfiles import StaticFiles

from aico.api.security import EMBED_PATH

WEB = Path(__file__).parents[1] / "web"
_COMPRESSED_FROM = 1_000
"""Bytes from which on an asset is sent compressed."""

router = APIRouter(include_in_schema=False)


# One document for both addresses: its own are relative, and its script sees by which of the two it was opened.
@router.get("/")
@router.get(EMBED_PATH)
async def read_page() -> FileResponse:
    """Return the page."""
    return FileResponse(WEB / "index.html", headers={"Cache-Control": "no-cache"})


def install_page(app: FastAPI) -> None:
    """Let ``app`` serve the page and what it loads."""
    # As in create_app: include_router would make the routes a second time.
    app.router.routes.extend(router.routes)
    app.mount("/assets", GZipMiddleware(StaticFiles(directory=WEB), minimum_size=_COMPRESSED_FROM), name="assets")
