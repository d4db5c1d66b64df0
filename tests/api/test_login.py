"""The token, and the two ways to show it: a header, and a cookie that a one-time link is exchanged for."""

from __future__ import annotations

import hmac
import json
import time

import pytest

from aico.api.login import COOKIE, COOKIE_LIFE_S, LINK_LIFE_S, LoginLinks, cookie_value
from aico.core import errors
from tests.api.answer_checks import check_problem
from tests.api.conftest import AUTHORITY, Api, Serve
from tests.api.guarded_stand_in import TOKEN, call, caller, guarded
from tests.api.raw_asgi_client import Headers, request

LATER_S = int(time.time()) + 86_400
PROOF = cookie_value(TOKEN, LATER_S)
BEARER = ("authorization", f"Bearer {TOKEN}")
SHOWN = ("cookie", f"{COOKIE}={PROOF}")


@pytest.mark.parametrize("transport", ["GET", "HEAD", "POST", "socket"])
@pytest.mark.parametrize(
    ("shown", "is_enough"),
    [
        ([], False),
        ([BEARER], True),
        ([("authorization", f"bearer  {TOKEN} ")], True),
        ([("authorization", TOKEN)], False),
        ([("authorization", f"Basic {TOKEN}")], False),
        ([("authorization", f"Bearer {TOKEN}x")], False),
        ([("authorization", f"Bearer {TOKEN[:-1]}")], False),
        ([("authorization", "Bearer ")], False),
        ([("authorization", "Bearer \xe9\xff")], False),
        ([SHOWN], True),
        ([("cookie", f"other=1; {COOKIE}={PROOF}; more=2")], True),
        ([("cookie", f"{COOKIE}=of-another-port; {COOKIE}={PROOF}")], True),
        ([("cookie", "; ".join([f"{COOKIE}=junk"] * 8 + [f"{COOKIE}={PROOF}"]))], False),
        ([("cookie", f"{COOKIE}={TOKEN}")], False),
        ([("cookie", f"{COOKIE}=")], False),
        ([("cookie", f"{COOKIE}")], False),
        ([("cookie", f"x{COOKIE}={PROOF}")], False),
        ([("cookie", f"{COOKIE}={cookie_value('another-token-of-somebody', LATER_S)}")], False),
        ([("authorization", "Bearer wrong"), SHOWN], True),
    ],
)
async def test_token_is_asked_of_every_caller(transport: str, shown: Headers, *, is_enough: bool) -> None:
    """With a token set, only its bearer or the cookie that proves it passes, on every transport."""
    answer = await call(guarded(token=TOKEN), transport, [("host", AUTHORITY), *shown])
    assert answer.status == ((101 if transport == "socket" else 200) if is_enough else 401)
    if not is_enough:
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_token_in_the_address_is_not_enough() -> None:
    """A query lasts in histories and logs, so it is no place for a token."""
    for target in (f"/api?token={TOKEN}", f"/ws?token={TOKEN}", f"/?{COOKIE}={PROOF}", f"/?key={TOKEN}"):
        assert (await call(guarded(token=TOKEN), "GET", [("host", AUTHORITY)], target)).status == 401
        assert (await call(guarded(token=TOKEN), "socket", [("host", AUTHORITY)], target)).status == 401


@pytest.mark.parametrize(
    ("path", "status"),
    [("/healthz", 200), ("/healthz/", 401), ("/healthz/..", 401), ("/HEALTHZ", 401), ("/readyz", 401)],
)
async def test_healthz_alone_is_open(path: str, status: int) -> None:
    """A machine may ask whether the process is up; nothing that looks like it is open as well."""
    assert (await call(guarded(token=TOKEN), "GET", [("host", AUTHORITY)], path)).status == status


async def test_token_does_not_replace_host_and_origin() -> None:
    """A caller with the token is still refused from a foreign page or by a foreign name."""
    app = guarded(token=TOKEN)
    assert (await call(app, "POST", [*caller(AUTHORITY, "http://evil.example", None), BEARER])).status == 403
    assert (await call(app, "socket", [*caller(AUTHORITY, "null", None), SHOWN])).status == 403
    assert (await call(app, "GET", [*caller("evil.example", None, None), BEARER])).status == 421


async def test_login_link_gives_the_cookie_once() -> None:
    """The printed link is exchanged for a cookie out of reach of scripts and other sites; then it is void."""
    links = LoginLinks()
    app = guarded(links, token=TOKEN)
    key = links.issue()
    first = await request(app, "GET", f"/login?key={key}", [("host", AUTHORITY)])
    assert (first.status, first.headers["location"]) == (303, "./")
    assert first.headers["cache-control"] == "no-store"
    assert first.headers["referrer-policy"] == "no-referrer"
    name_value, *flags = first.headers["set-cookie"].split("; ")
    names = {flag.lower().partition("=")[0]: flag.lower() for flag in flags}
    # Without a path it holds for the folder of the address that set it, below whatever prefix a proxy gives us.
    assert (set(names), names["samesite"]) == ({"httponly", "samesite", "max-age"}, "samesite=strict")
    assert TOKEN not in first.headers["set-cookie"]
    for transport in ("GET", "POST", "socket"):
        assert (await call(app, transport, [("host", AUTHORITY), ("cookie", name_value)])).status in {101, 200}
    second = await request(app, "GET", f"/login?key={key}", [("host", AUTHORITY)])
    assert second.status == 401
    assert "set-cookie" not in second.headers


@pytest.mark.parametrize("query", ["", "?", "?key=", "?key=wrong", "?key=\u00e9", "?other=1", "?key[]=x"])
async def test_login_refuses_every_other_key(query: str) -> None:
    """Only the key that was issued last is a key, and a wrong one does not make it void."""
    links = LoginLinks()
    app = guarded(links, token=TOKEN)
    old, new = links.issue(), links.issue()
    for wrong in (query, f"?key={old}"):
        assert (await request(app, "GET", f"/login{wrong}", [("host", AUTHORITY)])).status == 401
    assert (await request(app, "GET", f"/login?key={new}", [("host", AUTHORITY)])).status == 303


async def test_login_is_closed_before_a_key_is_issued_and_by_other_methods() -> None:
    """Without a link there is nothing to exchange; only GET exchanges; a foreign name exchanges nothing."""
    links = LoginLinks()
    app = guarded(links, token=TOKEN)
    assert (await request(app, "GET", "/login?key=", [("host", AUTHORITY)])).status == 401
    key = links.issue()
    for method in ("HEAD", "POST"):
        answer = await request(app, method, f"/login?key={key}", [("host", AUTHORITY)])
        assert "set-cookie" not in answer.headers
    assert (await request(app, "GET", f"/login?key={key}", [("host", "evil.example")])).status == 421
    assert (await request(app, "GET", f"/login?key={key}", [("host", AUTHORITY)])).status == 303


async def test_login_without_a_token_is_nothing(api: Api) -> None:
    """A service that asks for no token has no link to exchange."""
    check_problem(await api.get(f"/login?key={api.links.issue()}"), errors.RouteNotFound)


async def test_secrets_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Token, cookie and key each go through ``hmac.compare_digest``, also when they are wrong."""
    compared: list[bytes] = []
    real = hmac.compare_digest

    def compare(left: bytes, right: bytes) -> bool:
        compared.append(left)
        return real(left, right)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    links = LoginLinks()
    links.issue()
    app = guarded(links, token=TOKEN)
    await request(app, "GET", "/", [("host", AUTHORITY), ("authorization", "Bearer guess-of-token")])
    await request(app, "GET", "/", [("host", AUTHORITY), ("cookie", f"{COOKIE}=guess-of-cookie")])
    await request(app, "GET", "/login?key=guess-of-key", [("host", AUTHORITY)])
    assert {b"guess-of-token", b"guess-of-cookie", b"guess-of-key"} <= set(compared)


async def test_token_is_refused_as_a_problem(serve: Serve) -> None:
    """A missing token is said as an error of the interface, and the page itself is behind it, too."""
    async with serve(token=TOKEN) as api:
        for route in (
            "/",
            "/assets/index.html",
            "/api/cline/status",
            "/metrics",
            "/openapi.json",
            "/readyz",
            "/nothing",
        ):
            check_problem(await api.get(route), errors.TokenRequired)
        assert (await api.get("/healthz")).status_code == 200
        assert (await api.get("/api/cline/status", authorization=f"Bearer {TOKEN}")).status_code == 200


async def test_token_is_asked_of_a_person_in_words(serve: Serve) -> None:
    """A browser without its cookie shows a page in its language, with the status and headers of any refusal."""
    async with serve(token=TOKEN) as api:
        answer = await api.get(
            "/", **{"accept": "text/html,application/xhtml+xml", "accept-language": "de, fr-CA;q=0.8"}
        )
    assert answer.status_code == 401
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "aico serve" in answer.text
    assert "jeton" in answer.text
    assert TOKEN not in answer.text


def make_cookie(void_at_s: object) -> tuple[str, str]:
    """Return the header with a cookie that is void at a moment, which may be written oddly."""
    proof = cookie_value(TOKEN, int(str(void_at_s))).partition(".")[2]
    return ("cookie", f"{COOKIE}={void_at_s}.{proof}")


async def test_link_is_good_for_ten_minutes() -> None:
    """A link that nobody opened in time opens nothing for a later finder in a terminal or a log."""
    now_s = [1_000.0]
    links = LoginLinks(lambda: now_s[0])
    app = guarded(links, token=TOKEN)
    assert LINK_LIFE_S == 600
    for waited_s, status in ((0.0, 303), (LINK_LIFE_S - 0.1, 303), (LINK_LIFE_S, 401), (10 * LINK_LIFE_S, 401)):
        key = links.issue()
        now_s[0] += waited_s
        assert (await request(app, "GET", f"/login?key={key}", [("host", AUTHORITY)])).status == status


async def test_cookie_is_good_for_thirty_days(monkeypatch: pytest.MonkeyPatch) -> None:
    """Browser and service both forget a sign-in after thirty days; a restart in between changes nothing."""
    now_ms = [1_800_000_000_000]
    links = LoginLinks()
    app = guarded(links, now_ms=lambda: now_ms[0], token=TOKEN)
    answer = await request(app, "GET", f"/login?key={links.issue()}", [("host", AUTHORITY)])
    name_value, *flags = answer.headers["set-cookie"].split("; ")
    assert f"max-age={COOKIE_LIFE_S}" in {flag.lower() for flag in flags}
    assert COOKIE_LIFE_S == 30 * 24 * 3_600
    restarted = guarded(now_ms=lambda: now_ms[0], token=TOKEN)
    for later_s, status in ((0, 200), (COOKIE_LIFE_S - 1, 200), (COOKIE_LIFE_S, 401), (10 * COOKIE_LIFE_S, 401)):
        now_ms[0] = 1_800_000_000_000 + later_s * 1_000
        assert (await call(restarted, "GET", [("host", AUTHORITY), ("cookie", name_value)])).status == status


@pytest.mark.parametrize("void_at_s", ["+4102444800", "04102444800", " 4102444800", "4102444800 ", "4_102_444_800"])
async def test_cookie_has_one_spelling(void_at_s: str) -> None:
    """The moment in a cookie is proved as it is written: nobody moves it, also not by another way to write it."""
    assert (await call(guarded(token=TOKEN), "GET", [("host", AUTHORITY), make_cookie("4102444800")])).status == 200
    assert (await call(guarded(token=TOKEN), "GET", [("host", AUTHORITY), make_cookie(void_at_s)])).status == 401


@pytest.mark.parametrize("value", ["", ".", "4102444800", "4102444800.", "9" * 5_000 + ".x", "\xb2.x", "-1.x", "x.y.z"])
async def test_cookie_that_is_none_is_refused(value: str) -> None:
    """No value of the cookie is a bug or a proof; a later moment does not fit the proof of another one."""
    later = f"9999999999.{cookie_value(TOKEN, 4_102_444_800).partition('.')[2]}"
    for shown in (value, later):
        answer = await call(guarded(token=TOKEN), "GET", [("host", AUTHORITY), ("cookie", f"{COOKIE}={shown}")])
        assert answer.status == 401


async def test_fresh_link_is_for_who_shows_the_token() -> None:
    """An operator whose link ran out gets another one; it makes the one before void, and nobody else gets any."""
    app = guarded(token=TOKEN)
    authority = ("host", AUTHORITY)
    # Nor a browser that is signed in: a cookie that gets the next one would never run out, in whose hands ever.
    for shown in ([], [("authorization", "Bearer wrong")], [("cookie", f"{COOKIE}=wrong")], [SHOWN]):
        assert (await request(app, "POST", "/login", [authority, *shown])).status == 401
    evil = ("origin", "http://evil.example")
    assert (await request(app, "POST", "/login", [authority, BEARER, evil])).status == 403
    first, second = [json.loads((await request(app, "POST", "/login", [authority, BEARER])).body) for _ in range(2)]
    assert (await request(app, "GET", first["path"], [authority])).status == 401
    assert (await request(app, "GET", second["path"], [authority])).status == 303


async def test_fresh_link_without_a_token_is_nothing(api: Api) -> None:
    """A service that asks for no token gives no links."""
    check_problem(await api.client.post("/login"), errors.RouteNotFound)
