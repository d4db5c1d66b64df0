"""Callers from elsewhere, behind a proxy or tunnel of this machine: without a token they are refused."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette import datastructures

from aico.api.forwarded import is_from_elsewhere
from aico.core import errors
from tests.api.answer_checks import check_page_headers, check_problem
from tests.api.conftest import AUTHORITY, Serve
from tests.api.guarded_stand_in import PAGE, TOKEN, call, guarded
from tests.api.raw_asgi_client import Headers
from tests.hypothesis_profiles import examples

ADDRESS_HEADERS = ("X-Forwarded-For", "X-Real-IP", "CF-Connecting-IP", "True-Client-IP", "X-Client-IP")
LOOPBACK = (
    "127.0.0.1",
    "127.8.8.8",
    "127.0.0.1:1234",
    "::1",
    "[::1]",
    "[::1]:1234",
    "0:0:0:0:0:0:0:1",
    "::ffff:127.0.0.1",
    "::FFFF:7f00:1",
    "[::ffff:127.0.0.1]:65535",
)
ELSEWHERE = (
    "203.0.113.7",
    "203.0.113.7:1234",
    "192.168.7.9",
    "10.0.0.1",
    "0.0.0.0",  # noqa: S104  # as what a caller pretends
    "128.0.0.1",
    "126.255.255.255",
    "2001:db8::7",
    "[2001:db8::7]",
    "[2001:db8::7]:1234",
    "::",
    "::2",
    "fe80::1",
    "::ffff:203.0.113.7",
    "[::ffff:203.0.113.7]:1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
)
HIDDEN = ("unknown", "_hidden", "_", "_127.0.0.1", "localhost", "evil.example", "-", "null", "127.0.0.1.evil.example")
JUNK = (
    "",
    "127.1",
    "127",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "127.0.0.01",
    "127.0.0.1.",
    ".127.0.0.1",
    "127.0.0.256",
    "127.0.0.1/8",
    "127.0.0.1:",
    "127.0.0.1:0",
    "127.0.0.1:99999",
    "127.0.0.1:_port",
    "127.0.0.1:80:80",
    "127.0.0.1 203.0.113.7",
    "127.0.0.1;203.0.113.7",
    "127.0.0.1@203.0.113.7",
    "127.0.0.1#",
    "127.0.0.1%lo",
    "127.0.0.1\xa0",
    "127.0.0.\xb9",
    "127.0.0.1\n",
    "127.0.0.1\r\n203.0.113.7",
    "[127.0.0.1]",
    "[::1",
    "::1]",
    "[::1]1234",
    "[::1]:",
    "[::1]:x",
    "[::1]]",
    "[[::1]]",
    "[]",
    "::1%eth0",
    "[::1%25lo]:1",
    "::1::",
    ":1",
    ":::1",
    "for=127.0.0.1",
)
REFUSED = (*ELSEWHERE, *HIDDEN, *JUNK)


def says(*headers: tuple[str, str]) -> bool:
    """Return whether ``headers`` say that a caller is elsewhere."""
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    return is_from_elsewhere(datastructures.Headers(raw=raw))


@pytest.mark.parametrize("name", ADDRESS_HEADERS)
def test_header_of_addresses_is_judged_by_each_of_them(name: str) -> None:
    """Loopback passes in all its spellings, at every place; one other address, or anything else, refuses all."""
    for good in LOOPBACK:
        assert not says((name, good))
        assert not says((name, f'"{good}"'))
        assert not says((name, f" \t{good} ,\t{good}"))
        assert not says((name, good), (name, "::1"))
        for bad in REFUSED:
            assert says((name, bad)), bad
            assert says((name, f"{good}, {bad}")), bad
            assert says((name, f"{bad},{good}")), bad
            assert says((name, f'"{bad}"')), bad
            assert says((name, f'"{good}, {bad}"')), bad
            assert says((name, good), (name, bad)), bad
            assert says((name, bad), (name, good)), bad
            assert says(("X-Forwarded-For", good), (name, bad)), bad


@pytest.mark.parametrize("value", ['"', '""', '"127.0.0.1', '127.0.0.1"', "'127.0.0.1'", '""127.0.0.1""', ",", "::1,"])
def test_header_of_addresses_is_refused_when_it_is_half_written(value: str) -> None:
    """A quote without its other half, and an empty place in the list, name nobody."""
    assert says(("X-Forwarded-For", value))


@pytest.mark.parametrize(
    "value",
    [
        "for=127.0.0.1",
        "FOR=127.0.0.1",
        'for="127.0.0.1:80"',
        'for="[::1]:1234";proto=http',
        'For="[::1]"',
        "for=[::1]:1234",
        'proto=https;by=203.0.113.43;for="::1";host=evil.example',
        'for=127.0.0.1;host="a, for=203.0.113.7; b"',
        "for=127.0.0.1, for=127.0.0.1",
        "for=127.0.0.1 ; proto=http\t,\tfor=127.0.0.2",
        'for="[::ffff:127.0.0.1]";secret=a=b',
    ],
)
def test_forwarded_passes_with_loopback_in_each_element(value: str) -> None:
    """Only ``for=`` counts: the place of a proxy, and the name that it was called by, are not the caller."""
    assert not says(("Forwarded", value))


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        ",",
        ";",
        "for",
        "for=",
        'for=""',
        "for =127.0.0.1",
        "for= 127.0.0.1",
        "=127.0.0.1",
        "127.0.0.1",
        "proto=http",
        "by=127.0.0.1",
        "xfor=127.0.0.1",
        "for-=127.0.0.1",
        "for\xa0=127.0.0.1",
        "for=127.0.0.1,",
        ",for=127.0.0.1",
        "for=127.0.0.1,,for=127.0.0.1",
        "for=127.0.0.1;",
        "for=127.0.0.1;;proto=http",
        "for=127.0.0.1, proto=http",
        "proto=http, for=127.0.0.1",
        "for=127.0.0.1;for=127.0.0.1",
        "for=127.0.0.1;for=203.0.113.7",
        "for=127.0.0.1;FOR=203.0.113.7",
        "for=127.0.0.1 for=203.0.113.7",
        'for="127.0.0.1',
        'for=127.0.0.1"',
        'for="127.0.0.1"x',
        'for="127.0.0.1""203.0.113.7"',
        'for="127.0.0.1, for=203.0.113.7"',
        'for="\\1\\2\\7.0.0.1"',
        'for=127.0.0.1;host="\\", for=203.0.113.7;x="',
        'for=127.0.0.1;host="a\\";b="',
        'for=127.0.0.1;host="\\"',
        'for="127.0.0.1"\n',
        'for=127.0.0.1;host=",for=203.0.113.7',
        'for=127.0.0.1;host=a",for=203.0.113.7,x="b',
        "for='127.0.0.1'",
        "for=127.0.0.1\n",
        "for=127.0.0.1\r\n for=203.0.113.7",
        "for=127.0.0.1\x00",
    ],
)
def test_forwarded_is_refused_when_an_element_hides_the_caller(value: str) -> None:
    """An element without an address, with two, or that cannot be read for certain,, names nobody here."""
    assert says(("Forwarded", value))


def test_forwarded_is_judged_by_each_element() -> None:
    """One caller of elsewhere refuses all, wherever it stands, however it is quoted, in either of two headers."""
    for bad in REFUSED:
        for written in (bad, f'"{bad}"'):
            assert says(("Forwarded", f"for={written}")), bad
            assert says(("Forwarded", f"for=127.0.0.1, for={written}")), bad
            assert says(("Forwarded", f"for={written};proto=http, for=127.0.0.1")), bad
            assert says(("Forwarded", f"proto=http;for={written}")), bad
            assert says(("Forwarded", "for=127.0.0.1"), ("Forwarded", f"for={written}")), bad
            assert says(("X-Forwarded-For", "127.0.0.1"), ("Forwarded", f"for={written}")), bad


def test_header_that_names_no_caller_is_not_judged() -> None:
    """By which name, scheme or proxy a request came says nothing of where it began."""
    assert not says()
    assert not says(
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Port", "443"),
        ("X-Forwarded-Server", "203.0.113.7"),
        ("Via", "1.1 203.0.113.7"),
    )


ANY_TEXT = st.one_of(
    st.text(st.characters(max_codepoint=255)),
    st.text(st.sampled_from('for=127.0.1,;:[]" \t\\_x\xa0%'), max_size=40),
    st.lists(st.sampled_from([*LOOPBACK, *REFUSED, "for=", "by=", '"', ",", ";", " ", "\\"]), max_size=8).map("".join),
)
ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6), st.ip_addresses(v=4).map(lambda a: f"::ffff:{a}"))


@settings(max_examples=examples(8))
@given(ANY_TEXT)
def test_header_passes_only_when_each_place_is_loopback(value: str) -> None:
    """No text is a bug of ours, and a list that passes holds nothing but loopback, read in the simplest way."""
    is_refused = [says((name, value)) for name in ADDRESS_HEADERS]
    assert is_refused == [is_refused[0]] * len(is_refused)
    if not is_refused[0]:
        for part in value.split(","):
            text = part.strip(" \t").strip('"')
            if text.startswith("[") or text.count(":") == 1:
                text = text.rpartition("]")[0].lstrip("[") or text.partition(":")[0]
            assert is_own(ip_address(text))


@settings(max_examples=examples(8))
@given(ANY_TEXT, ANY_TEXT)
def test_forwarded_never_passes_without_a_loopback_address(first: str, second: str) -> None:
    """No text is a bug of ours, and what passes has a ``for=`` with a loopback address; a second header is read too."""
    if not says(("Forwarded", first)):
        assert "for=" in first.lower()
        assert any(sign in first for sign in ("127.", "::1", "0:1", ":7f00:1", ":7F00:1"))
    assert says(("Forwarded", first), ("Forwarded", second)) == (
        says(("Forwarded", first)) or says(("Forwarded", second))
    )


@settings(max_examples=examples(8))
@given(
    st.lists(st.sampled_from(LOOPBACK), max_size=3),
    ADDRESSES.map(str),
    st.lists(st.sampled_from(LOOPBACK), max_size=3),
    st.sampled_from(["", ":80", ":_x"]),
    st.sampled_from(["for=", "For=", "proto=http;for=", 'host="a,b;c";FOR=']),
    st.sampled_from(["{}", '"{}"']),
)
def test_stranger_is_seen_at_any_place_of_any_header(
    before: list[str], stranger: str, after: list[str], port: str, lead: str, quotes: str
) -> None:
    """An address is refused exactly when it is not loopback, whatever stands around it."""
    bracketed = f"[{stranger}]" if ":" in stranger else stranger
    node = quotes.format(f"{bracketed}{port}")
    expected = port == ":_x" or not is_own(ip_address(stranger))
    for name in ADDRESS_HEADERS:
        assert says((name, ", ".join([*before, node, *after]))) == expected
    elements = [*(f'for="{each}"' for each in before), lead + node, *(f'for="{each}"' for each in after)]
    assert says(("Forwarded", ",".join(elements))) == expected


def is_own(address: IPv4Address | IPv6Address) -> bool:
    """Return whether an address is one of this machine alone."""
    if isinstance(address, IPv4Address):
        return str(address).startswith("127.")
    return int(address) == 1 or 0xFFFF_7F00_0000 <= int(address) <= 0xFFFF_7FFF_FFFF


@pytest.mark.parametrize("transport", ["GET", "HEAD", "POST", "DELETE", "OPTIONS", "socket"])
@pytest.mark.parametrize(
    ("headers", "is_answered"),
    [
        ([("X-Forwarded-For", "203.0.113.7")], False),
        ([("x-FORWARDED-for", "203.0.113.7")], False),
        ([("X-Forwarded-For", "127.0.0.1"), ("X-Forwarded-For", "203.0.113.7")], False),
        ([("Forwarded", "for=_hidden")], False),
        ([("Forwarded", "")], False),
        ([("X-Real-IP", "2001:db8::7")], False),
        ([("X-Forwarded-For", "127.0.0.1"), ("X-Real-IP", "203.0.113.7")], False),
        ([("X-Forwarded-For", "127.0.0.1, ::1"), ("Forwarded", 'for="[::1]:1234";proto=http')], True),
    ],
)
async def test_stranger_behind_a_proxy_needs_a_token(transport: str, headers: Headers, *, is_answered: bool) -> None:
    """On every transport and path; a token that is set and shown opens to everybody, but not all that our page does."""
    host = ("host", AUTHORITY)
    for target in ("/anything", "/healthz", "/login?key=x"):
        answer = await call(guarded(), transport, [host, *headers], target)
        assert answer.status == ((101 if transport == "socket" else 200) if is_answered else 401)
        if not is_answered and transport != "HEAD":
            problem = json.loads(answer.body)
            assert problem["code"] == "token_required"
            assert "AICO_TOKEN" in problem["hint"]
            assert b"203.0.113.7" not in answer.body
    shown = [host, ("authorization", f"Bearer {TOKEN}"), *headers]
    passed = {403} if transport == "DELETE" and not is_answered else {101, 200}
    assert (await call(guarded(token=TOKEN), transport, shown)).status in passed
    assert (await call(guarded(token=TOKEN), "GET", [host, *headers], "/healthz")).status == 200


async def test_stranger_learns_of_host_and_origin_first() -> None:
    """A foreign name or page is refused as such; a listed page may read why it is refused itself."""
    stranger = ("x-forwarded-for", "203.0.113.7")
    assert (await call(guarded(), "GET", [("host", "evil.example"), stranger])).status == 421
    own = ("host", AUTHORITY)
    assert (await call(guarded(), "POST", [own, ("origin", "http://evil.example"), stranger])).status == 403
    listed = await call(guarded(), "POST", [own, ("origin", PAGE), stranger])
    assert (listed.status, listed.headers["access-control-allow-origin"]) == (401, PAGE)


async def test_stranger_gets_no_row_and_imports_nothing(serve: Serve) -> None:
    """The real application refuses to read, import and listen, and says so to a program and to a person."""
    async with serve() as api:
        for method, route in (("GET", "/api/cline/usage"), ("POST", "/api/cline/import"), ("GET", "/")):
            answer = await api.client.request(method, route, headers={"x-forwarded-for": "203.0.113.7"})
            assert check_problem(answer, errors.TokenRequired).startswith("A caller on another machine")
        assert api.service.ingest.last_receipt is None
        page = await api.get("/", accept="text/html", forwarded="for=203.0.113.7")
        french = await api.get("/", **{"accept": "text/html", "forwarded": "for=203.0.113.7", "accept-language": "fr"})
    check_page_headers(page.headers)
    assert page.status_code == 401
    assert "AICO_TOKEN" in page.text
    assert "jeton" in french.text
    assert "asks for its token" not in page.text
