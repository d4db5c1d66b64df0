"""Pages for people: where a program gets a problem document, a browser shows what to do."""

from __future__ import annotations

import json
import re
from urllib.parse import urljoin

import httpx
import pytest

from aico.api.access import AccessRules
from aico.api.page_routes import WEB
from aico.core import errors
from tests.api.answer_checks import check_page_headers, check_problem
from tests.api.conftest import AUTHORITY, Serve
from tests.api.guarded_stand_in import TOKEN, call, caller, guarded, make_rules

WORDS = json.loads((WEB / "dead_ends" / "words.json").read_text(encoding="utf-8"))
PERSON = {"accept": "text/html,application/xhtml+xml"}
PUBLIC = "https://observer.example/a/b"


def title_of(page: httpx.Response) -> str:
    """Return the heading of a page, which must be one."""
    check_page_headers(page.headers)
    found = re.search(r"<h1>(.*?)</h1>", page.text)
    assert found is not None
    return found[1]


def test_pages_say_the_same_in_both_languages() -> None:
    """Each has a title and a sentence, and names the same things to be typed."""
    english, french = WORDS["en"], WORDS["fr"]
    assert list(english) == list(french)
    typed = [{name: re.findall("`.*?`", text) for name, text in words.items()} for words in (english, french)]
    assert typed[0] == typed[1]
    assert [text for text in french.values() if re.search(r" [:;?!»]|« ", text)] == []


async def test_unknown_address_and_name_and_method_are_pages_for_a_person(serve: Serve) -> None:
    """In the browser's language, with a way back; a program gets a problem as ever."""
    async with serve() as api:
        for path, home in (("/nowhere", "./"), ("/a/b/c", "../../")):
            page = await api.get(path, **PERSON)
            assert (page.status_code, title_of(page), f'href="{home}"' in page.text) == (
                404,
                WORDS["en"]["nothing"],
                True,
            )
            assert path not in page.text
        french = await api.get("/nowhere", **PERSON, **{"accept-language": "fr-CA,en;q=0.5"})
        assert title_of(french) == WORDS["fr"]["nothing"]
        assert '<html lang="fr">' in french.text
        check_problem(await api.get("/nowhere"), errors.RouteNotFound)
        name = await api.get("/", **PERSON, host="evil.example")
        assert (name.status_code, title_of(name), "evil" in name.text) == (421, WORDS["en"]["name"], False)
        method = await api.client.delete("/api/status", headers=PERSON)
        assert (method.status_code, method.headers["allow"], title_of(method)) == (405, "GET", WORDS["en"]["refused"])
        assert (await api.get("/api/summary?bucket=x", **PERSON)).status_code == 422


async def test_token_signs_in_by_the_field(serve: Serve) -> None:
    """Shown at any address; the cookie that it gives is as good as that of a link."""
    async with serve(token=TOKEN) as api:

        async def enter(token: str, origin: str | None = f"http://{AUTHORITY}") -> httpx.Response:
            headers = PERSON | ({} if origin is None else {"origin": origin})
            return await api.client.post("/login", data={"token": token}, headers=headers)

        for path in ("/", "/api/summary", "/login", "/a/b/c"):
            page = await api.get(path, **PERSON)
            found = re.search(r'<form method="post" action="([^"]+)">', page.text)
            assert (page.status_code, title_of(page)) == (401, WORDS["en"]["sign_in"])
            assert found is not None
            assert urljoin(f"http://h/observer{path}", found[1]) == "http://h/observer/login"
            assert "autofocus" not in page.text
        for place, is_focused in (("document", True), ("iframe", False)):
            shown = await api.get("/", **PERSON, **{"sec-fetch-dest": place})
            assert ("autofocus" in shown.text, "Sec-Fetch-Dest" in shown.headers["vary"]) == (is_focused, True)
        void = await api.get("/login?key=spent", **PERSON)
        assert (void.status_code, title_of(void), "spent" in void.text) == (
            401,
            WORDS["en"]["void"],
            False,
        )
        wrong = await enter("another")
        assert (wrong.status_code, WORDS["en"]["wrong"] in wrong.text, "another" in wrong.text) == (401, True, False)
        for origin in ("http://evil.example", "null"):
            refused = await enter(TOKEN, origin)
            assert (refused.status_code, "set-cookie" in refused.headers) == (403, False)
        answer = await enter(f" {TOKEN} ")
        assert (answer.status_code, answer.headers["location"]) == (303, "./")
        cookie = answer.headers["set-cookie"].split(";")[0]
        assert (await api.get("/", cookie=cookie)).status_code == 200
        check_problem(await api.client.post("/login", json={"token": TOKEN}), errors.TokenRequired)
        assert (await api.client.post("/login", data={"token": "x"})).headers[
            "content-type"
        ] == "application/problem+json"


async def test_public_address_is_one_of_our_own() -> None:
    """Its name is answered, its pages are ours, and its prefix may stay in the path; a neighbour's is not."""
    app = guarded(token=TOKEN, public_url=PUBLIC)
    bearer = ("authorization", f"Bearer {TOKEN}")
    host, origin = "Observer.example", "https://observer.example"
    for transport, status in (("GET", 200), ("POST", 200), ("PUT", 200), ("socket", 101)):
        assert (await call(app, transport, [*caller(host, origin, "same-origin"), bearer])).status == status
        # A proxy that does not pass the name on.
        assert (await call(app, transport, [*caller(AUTHORITY, origin, "same-origin"), bearer])).status == status
    for transport in ("POST", "PUT", "socket"):
        assert (await call(app, transport, [*caller(host, f"{origin}:444", None), bearer])).status == 403
    assert (await call(app, "GET", [*caller("other.example", None, None), bearer])).status == 421
    for path, status in (("/a/b/healthz", 200), ("/healthz", 200), ("/a/healthz", 401), ("/a/bhealthz", 401)):
        assert (await call(app, "GET", [("host", host)], path)).status == status


@pytest.mark.parametrize(
    ("public_url", "is_secure"), [(PUBLIC, True), ("http://observer.example", False), (None, False)]
)
async def test_cookie_goes_through_tls_alone_where_the_page_does(
    serve: Serve, public_url: str | None, *, is_secure: bool
) -> None:
    """The public address says whether it does."""
    async with serve(token=TOKEN, public_url=public_url) as api:
        origin = {"origin": f"http://{AUTHORITY}"}
        answer = await api.client.post("/login", data={"token": TOKEN}, headers=origin)
    assert ("secure" in answer.headers["set-cookie"].lower()) == is_secure


def test_rules_take_the_public_address_apart() -> None:
    """Into a name, an origin and a prefix."""
    rules: AccessRules = make_rules(public_url="https://Observer.example:444/a")
    assert (rules.public_origin, rules.prefix) == ("https://observer.example:444", "/a")
    assert "observer.example:444" in rules.hosts
