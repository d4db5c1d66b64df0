"""The address that may be framed, and the pages that may frame it: those of listed origins only."""

from __future__ import annotations

import pytest

from tests.api.answer_checks import SECURITY_HEADERS
from tests.api.conftest import Serve

KIMI = "http://kimi.example:8000"
OTHER = "https://dash.example"
TOKEN = "a-token-of-the-operator"  # noqa: S105  # of a test
NOT_FOR_FRAMES = (
    "/",
    "/embed/",
    "/embed.html",
    "//embed",
    "/EMBED",
    "/assets/index.html",
    "/api/cline/status",
    "/login",
)


def ancestors(policy: str) -> str:
    """Return the pages that may frame an answer."""
    return next(part for part in policy.split("; ") if part.startswith("frame-ancestors "))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_embed_may_be_framed_by_listed_origins_only(serve: Serve, method: str) -> None:
    """Its policy names them and differs in nothing else; the header that knows no list is left out."""
    async with serve(allowed_origins=f"{KIMI}/, {OTHER}") as api:
        answer = await api.client.request(method, "/embed")
    policy = answer.headers["content-security-policy"]
    assert answer.status_code == 200
    assert ancestors(policy) == f"frame-ancestors {KIMI} {OTHER}"
    assert policy.replace(ancestors(policy), "frame-ancestors 'none'") == SECURITY_HEADERS["content-security-policy"]
    assert "x-frame-options" not in answer.headers


async def test_views_of_vscode_may_frame_where_they_are_listed(serve: Serve) -> None:
    """By their scheme, with the window around them; nothing else of the service, and without the list nobody."""
    async with serve(allowed_origins="vscode-webview:") as api:
        assert ancestors((await api.get("/embed")).headers["content-security-policy"]) == (
            "frame-ancestors vscode-file: vscode-webview:"
        )
        assert ancestors((await api.get("/")).headers["content-security-policy"]) == "frame-ancestors 'none'"
        view = {"origin": "vscode-webview://0af3", "sec-fetch-site": "cross-site"}
        assert (await api.client.post("/api/cline/import", headers=view)).status_code == 403


@pytest.mark.parametrize("origins", ["", KIMI])
async def test_nothing_else_may_be_framed(serve: Serve, origins: str) -> None:
    """With any list, every other answer refuses all frames; with an empty list, so does the page for frames."""
    routes = NOT_FOR_FRAMES if origins else (*NOT_FOR_FRAMES, "/embed")
    async with serve(allowed_origins=origins) as api:
        answers = {route: await api.client.get(f"http://127.0.0.1:8611{route}") for route in routes}
    for route, answer in answers.items():
        assert ancestors(answer.headers["content-security-policy"]) == "frame-ancestors 'none'", route
        assert answer.headers["x-frame-options"] == "DENY", route


async def test_frame_without_the_token_says_so_in_words(serve: Serve) -> None:
    """A frame that the cookie does not reach gets a refusal that it may show, not an empty page."""
    async with serve(allowed_origins=KIMI, token=TOKEN) as api:
        answer = await api.get("/embed", accept="text/html")
    assert answer.status_code == 401
    assert ancestors(answer.headers["content-security-policy"]) == f"frame-ancestors {KIMI}"
    assert "x-frame-options" not in answer.headers
    assert "asks for its token" in answer.text
