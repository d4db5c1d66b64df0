"""The service behind a real nginx: below a prefix, behind TLS, at another port, with the lines of our documents."""

from __future__ import annotations

import json
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from aico.api.login import COOKIE
from tests.e2e.fake_cline_ledger import LedgerFile, entry
from tests.e2e.server_process import HANG_S, ServerProcess
from tests.held_port import held_port
from tests.system.real_nginx import NAME, documented_lines, make_certificate, nginx

TOKEN = "a-token-of-the-operator"  # noqa: S105  # of a test
PLAIN = "server {{ listen 127.0.0.1:{port}; {location} }}"
PERSON = {"accept": "text/html", "accept-language": "en"}


class Front(NamedTuple):
    """How nginx shows the service."""

    scheme: str
    prefix: str
    keeps_prefix: bool = False
    """True if nginx leaves the prefix in the path."""
    has_public_url: bool = True


FRONTS = {
    "prefix taken away, TLS": Front("https", "/observer"),
    "prefix kept, TLS": Front("https", "/observer", keeps_prefix=True),
    "prefix taken away, no TLS, another port of localhost": Front("http", "/observer", has_public_url=False),
    "no prefix, another port of localhost": Front("http", "", has_public_url=False),
}


class Shown(NamedTuple):
    """A service and where nginx shows it."""

    front: Front
    base: str
    """Its public address, without a slash at its end."""
    server: ServerProcess
    certificate: Path
    port: int
    local: str
    """The service's own address."""

    def client(self) -> httpx.Client:
        """Return a browser's stand-in: it keeps cookies and knows the certificate."""
        transport = _Local(self.port, ssl.create_default_context(cafile=str(self.certificate)))
        return httpx.Client(transport=transport, timeout=HANG_S)

    def issue_link(self) -> str:
        """Return a fresh link as the service's own address prints it."""
        answer = httpx.post(
            f"{self.local}/login", headers={"authorization": f"Bearer {TOKEN}"}, trust_env=False, timeout=HANG_S
        )
        return self.base + str(answer.raise_for_status().json()["path"])


class _Local(httpx.HTTPTransport):
    """Calls this machine, whatever name is asked for, and goes by that name."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        super().__init__(verify=context)
        self._port = port

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send ``request`` to the port of this machine."""
        return super().handle_request(
            httpx.Request(
                request.method,
                request.url.copy_with(host="127.0.0.1", port=self._port),
                headers=request.headers,
                stream=request.stream,
                extensions={**request.extensions, "sni_hostname": request.url.host},
            )
        )


@contextmanager
def shown(front: Front, folder: Path) -> Iterator[Shown]:
    """Run a service and nginx in front of it."""
    with held_port() as port, held_port() as own_port:
        yield from _shown(front, folder, port, own_port)


def _shown(front: Front, folder: Path, port: int, own_port: int) -> Iterator[Shown]:
    host = NAME if front.scheme == "https" else "localhost"
    base = f"{front.scheme}://{host}:{port}{front.prefix}"
    local = f"http://127.0.0.1:{own_port}"
    settings = {
        "AICO_PORT": str(own_port),
        "AICO_TOKEN": TOKEN,
        **({"AICO_PUBLIC_URL": base} if front.has_public_url else {}),
    }
    (folder / "service").mkdir()
    certificate = make_certificate(folder)
    with ServerProcess(folder / "service", settings) as server:
        LedgerFile(server.ledger).write(entry("1", cost=0.5))
        lines = documented_lines(local, certificate, port)
        if front.keeps_prefix:
            lines = lines.replace(f"{local}/;", f"{local};")
        if front.scheme == "http":
            connection, _, _ = lines.partition("server {")
            location = re.search(r"location = .*", lines, re.DOTALL)
            assert location is not None
            places = (
                location[0].strip().removesuffix("}").replace("return 301 /", "absolute_redirect off; return 301 /")
            )
            if not front.prefix:
                places = places[places.index("location /observer/") :].replace("location /observer/", "location /")
            lines = connection + PLAIN.format(port=port, location=places)
        with nginx(folder / "nginx", lines, port):
            yield Shown(front, base, server, certificate, port, local)


@pytest.fixture(scope="module", params=list(FRONTS.values()), ids=list(FRONTS))
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    """Show a service in each way."""
    with shown(request.param, tmp_path_factory.mktemp("front").resolve()) as found:
        yield found


def test_printed_link_leads_to_the_page_and_signs_in(service: Shown) -> None:
    """The link is of the public address; every redirect stays below the prefix, and the cookie goes nowhere else."""
    link = service.server.page
    if service.front.has_public_url:
        assert link.startswith(f"{service.base}/login?key=")
    else:
        link = service.base + urlsplit(link).path + "?" + urlsplit(link).query
    with service.client() as browser:
        answer = browser.get(link, headers=PERSON)
        assert (answer.status_code, urljoin(link, answer.headers["location"])) == (303, f"{service.base}/")
        assert ("secure" in answer.headers["set-cookie"].lower()) == (service.front.scheme == "https")
        [cookie] = [each for each in browser.cookies.jar if each.name == COOKIE]
        assert cookie.path == (service.front.prefix or "/")
        assert browser.get(f"{service.base}/").status_code == 200
        again = browser.get(link, headers={**PERSON, "cookie": ""})
        assert (again.status_code, "This link is void" in again.text) == (401, True)


def test_token_signs_in_by_the_field(service: Shown) -> None:
    """From whatever address the field is shown; a wrong token shows it again, and another page's form is refused."""
    for start in ("/", "/api/summary", "/nowhere/at/all"):
        with service.client() as browser:
            address = service.base + start
            page = browser.get(address, headers=PERSON)
            found = re.search(r'<form method="post" action="([^"]+)">', page.text)
            assert found is not None
            login = urljoin(address, found[1])
            assert (page.status_code, login) == (401, f"{service.base}/login")
            own = {**PERSON, "origin": f"{service.front.scheme}://{urlsplit(service.base).netloc}"}
            wrong = browser.post(login, data={"token": "another"}, headers=own)
            assert (wrong.status_code, "That is not the token." in wrong.text) == (401, True)
            foreign = browser.post(login, data={"token": TOKEN}, headers={**PERSON, "origin": "https://evil.example"})
            assert (foreign.status_code, "set-cookie" in foreign.headers) == (403, False)
            answer = browser.post(login, data={"token": TOKEN}, headers=own)
            assert (answer.status_code, urljoin(login, answer.headers["location"])) == (303, f"{service.base}/")
            assert browser.get(f"{service.base}/").status_code == 200


def test_every_address_of_the_page_is_below_the_prefix(service: Shown) -> None:
    """The page, what it loads and asks for, exports, the frame, an unknown address with its way back."""
    with service.client() as browser:
        browser.get(service.issue_link())
        for page in ("/", "/embed"):
            document = browser.get(service.base + page)
            names = re.findall(r'(?:src|href)="([^"]+)"', document.text)
            assert len(names) > 5
            assert {browser.get(urljoin(service.base + page, name)).status_code for name in names} == {200}
        module = browser.get(f"{service.base}/assets/js/main.js").text
        for name in re.findall(r'from "(\./[^"]+)"', module):
            assert browser.get(urljoin(f"{service.base}/assets/js/main.js", name)).status_code == 200
        for path in (
            "api/summary",
            "api/sources",
            "api/sessions",
            "api/status",
            "api/export",
            "openapi.json",
            "metrics",
        ):
            assert browser.get(f"{service.base}/{path}").status_code == 200, path
        assert browser.get(f"{service.base}/api/summary").json()["totals"]["cost_usd"] == 0.5
        own = {"origin": f"{service.front.scheme}://{urlsplit(service.base).netloc}"}
        assert browser.post(f"{service.base}/api/import", json={}, headers=own).status_code == 200
        lost = browser.get(f"{service.base}/a/b/c", headers=PERSON)
        back = re.search(r'<a href="([^"]+)">', lost.text)
        assert (lost.status_code, back is not None) == (404, True)
        assert urljoin(f"{service.base}/a/b/c", back[1] if back else "") == f"{service.base}/"
        if service.front.prefix:
            bare = browser.get(service.base)
            assert urljoin(service.base, bare.headers["location"]) == f"{service.base}/"
            outside = httpx.Request("GET", f"{urlsplit(service.base).scheme}://{urlsplit(service.base).netloc}/other")
            browser.cookies.set_cookie_header(outside)
            assert "cookie" not in outside.headers


def test_socket_comes_through(service: Shown) -> None:
    """With the cookie, and without it the handshake is refused."""
    with service.client() as browser:
        browser.get(service.issue_link())
        cookie = f"{COOKIE}={browser.cookies[COOKIE]}"
    netloc = urlsplit(service.base).netloc
    origin = f"{service.front.scheme}://{netloc}"
    context = ssl.create_default_context(cafile=str(service.certificate)) if service.front.scheme == "https" else None
    address = f"{service.base.replace('http', 'ws', 1)}/ws"
    for headers in ({"Cookie": cookie}, {}):
        wire = socket.create_connection(("127.0.0.1", service.port))
        call = partial(connect, address, sock=wire, ssl=context, origin=Origin(origin), additional_headers=headers)
        if headers:
            with call() as heard:
                assert json.loads(heard.recv(30))["type"] == "hello"
        else:
            with pytest.raises(InvalidStatus), call():
                pass
