"""The page in the frame of another origin, and that origin's scripts: listed origins get in, no others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Protocol

import pytest
from playwright.sync_api import Browser, FrameLocator, Page, expect

from tests.quick_variants import first_is_quick, first_row_is_quick
from tests.ui.conftest import Opener, ServiceMaker
from tests.ui.fake_host_pages import HostPage, host_page
from tests.ui.observed_page import Observed
from tests.ui.restartable_service import Service, entry

TOKEN = "a-token-of-the-operator"  # noqa: S105  # of a test
SHOWN = "tr[data-task='1001']"
REFUSED_FRAME = "frame-ancestors"
NO_STORAGE = """Object.defineProperty(window, "localStorage", {
  get() { throw new DOMException("not here", "SecurityError"); } })"""
ASK = """async (url) => {
  const status = await fetch(`${url}/api/cline/status`).then((answer) => answer.status, () => "refused");
  const receipt = await fetch(`${url}/api/cline/import`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: "{}",
  }).then((answer) => answer.status, () => "refused");
  const first = await new Promise((resolve) => {
    const socket = new WebSocket(`${url.replace("http", "ws")}/ws`);
    socket.onmessage = ({ data }) => { resolve(JSON.parse(data).type); socket.close(); };
    socket.onerror = () => resolve("refused");
  });
  return [status, receipt, first];
}"""


class HostOpener(Protocol):
    """Opens a page of another origin."""

    def __call__(self, address: str, *allowed: str) -> Page:
        """Return the page, loaded; ``allowed`` are patterns of complaints that are expected."""


@pytest.fixture
def open_host(browser: Browser) -> Iterator[HostOpener]:
    """Open pages of other origins; fail the test on any complaint that it does not expect."""
    opened: list[Observed] = []

    def open_(address: str, *allowed: str) -> Page:
        context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-US")
        observed = Observed(context.new_page(), address)
        for pattern in allowed:
            observed.allow(pattern)
        opened.append(observed)
        observed.page.goto(address)
        return observed.page

    yield open_
    complaints = [text for observed in opened for text in observed.unexpected()]
    for observed in opened:
        observed.page.context.close()
    assert not complaints, "\n".join(complaints)


@pytest.fixture(scope="module")
def listed() -> Iterator[HostPage]:
    """Serve the page that is listed."""
    with host_page() as page:
        yield page


@pytest.fixture(scope="module")
def unlisted() -> Iterator[HostPage]:
    """Serve a page of an origin that nobody knows."""
    with host_page() as page:
        yield page


@pytest.fixture(scope="module")
def service(make_shared: ServiceMaker, listed: HostPage) -> Service:
    """Serve a task that the listed page may frame."""
    service = make_shared(allowed_origins=f"{listed.origin},{listed.origin_by_name}", budget_daily_usd="1")
    service.ledger.write(entry("1001", cost=1.25))
    service.start()
    return service


def to(service: Service) -> str:
    """Return the pattern of the requests that a frame makes to the service."""
    return f"foreign request: {re.escape(service.url)}/"


def test_frame_of_a_listed_origin_is_live_and_imports(
    service: Service, listed: HostPage, open_host: HostOpener
) -> None:
    """In a frame the numbers appear and move by themselves, and the button imports: all of it is same-origin there."""
    listed.frame(f"{service.url}/embed")
    frame = open_host(listed.origin, to(service)).frame_locator("iframe")
    expect(frame.locator("h1")).to_have_text("Cline (local)")
    expect(frame.locator("[data-field=live]")).to_have_text("Live")
    expect(frame.locator(SHOWN)).to_be_visible()
    service.ledger.write(entry("1002", cost=0.5))
    expect(frame.locator("tr[data-task='1002']")).to_be_visible()
    frame.get_by_role("button", name="Import now").click()
    expect(frame.locator("[data-field=import-result]")).to_contain_text("Imported")


@pytest.mark.slow
def test_frame_leaves_out_what_makes_no_sense_in_one(
    service: Service, listed: HostPage, open_host: HostOpener, open_page: Opener
) -> None:
    """Language, theme, help, footer and skip link are the whole page's; a link leads there, in a tab of its own."""
    listed.frame(f"{service.url}/embed?period=all")
    page = open_host(listed.origin, to(service))
    frame = page.frame_locator("iframe")
    expect(frame.locator(SHOWN)).to_be_visible()
    parts = (".skip", "footer", ".tools .segmented", ".tools .help")
    whole = open_page(service).page
    expect(whole.locator(SHOWN)).to_be_visible()
    for part in parts:
        expect(frame.locator(part)).to_have_count(0)
        expect(whole.locator(part)).to_have_count(1)
    with page.expect_popup() as opened:
        frame.get_by_role("link", name="Open the dashboard").click()
    assert opened.value.url == f"{service.url}/"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("attributes", "words"),
    first_row_is_quick(('allow="clipboard-write"', "Copied: 1001"), ("", "does not let this page copy")),
)
def test_frame_copies_if_the_page_around_it_allows(
    service: Service, listed: HostPage, open_host: HostOpener, attributes: str, words: str
) -> None:
    """The clipboard is the outer page's to give; without it the page says so, and nothing breaks."""
    listed.frame(f"{service.url}/embed?period=all", attributes)
    page = open_host(listed.origin, to(service), "Clipboard API has been blocked")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    frame = page.frame_locator("iframe")
    frame.locator(SHOWN).locator(".when").click()
    frame.get_by_role("button", name="Copy session id 1001").click()
    expect(frame.get_by_role("status").filter(has_text=words)).to_be_attached()


def wait_for_refusal(page: Page, frame: FrameLocator) -> None:
    """Return when the browser has put its own page into the place of the framed one."""
    page.wait_for_function("() => !document.querySelector('iframe').contentDocument")
    expect(frame.locator("#app")).to_have_count(0)
    expect(frame.locator("body")).to_be_attached()
    assert page.frames[1].url.startswith("chrome-error:")


@pytest.mark.parametrize("path", first_is_quick("/", "/?embed", "/api/cline/status"))
def test_nothing_but_embed_is_framed(service: Service, listed: HostPage, open_host: HostOpener, path: str) -> None:
    """A listed page may not frame the rest of the service."""
    listed.frame(f"{service.url}{path}")
    page = open_host(listed.origin, to(service), REFUSED_FRAME)
    wait_for_refusal(page, page.frame_locator("iframe"))


def test_frame_of_another_origin_is_refused(service: Service, unlisted: HostPage, open_host: HostOpener) -> None:
    """An origin that is not listed shows nothing of ours, not even by a name that another page is listed by."""
    unlisted.frame(f"{service.url}/embed")
    page = open_host(unlisted.origin, to(service), REFUSED_FRAME)
    wait_for_refusal(page, page.frame_locator("iframe"))


def test_scripts_of_a_listed_page_may_call_and_those_of_others_may_not(
    service: Service, listed: HostPage, unlisted: HostPage, open_host: HostOpener
) -> None:
    """Answers, a preflighted import and the socket are for the listed page; the other one reads none of them."""
    listed.body = unlisted.body = ""
    friend = open_host(listed.origin, to(service), "foreign request: ws:")
    assert friend.evaluate(ASK, service.url) == [200, 200, "hello"]
    other = open_host(unlisted.origin, to(service), "foreign request: ws:", "CORS policy", "ERR_FAILED", "WebSocket")
    assert other.evaluate(ASK, service.url) == ["refused", "refused", "refused"]


@pytest.mark.slow
def test_token_reaches_a_frame_of_the_same_host_name_only(
    make_service: ServiceMaker, listed: HostPage, open_host: HostOpener
) -> None:
    """The cookie is strict: around another port of the same name it is sent, around another name it is not."""
    service = make_service(token=TOKEN, allowed_origins=f"{listed.origin},{listed.origin_by_name}")
    service.ledger.write(entry("1001", cost=1.25))
    service.start(probe="/healthz")
    listed.frame(f"{service.url}/embed")
    page = open_host(listed.origin, to(service), "401", f"foreign request: {listed.origin_by_name}/")
    frame = page.frame_locator("iframe")
    expect(frame.locator("body")).to_contain_text("asks for its token")
    found = re.search(r"http://\S+/login\?key=\S+", service.output())
    assert found is not None
    page.goto(found.group())
    expect(page.locator(SHOWN)).to_be_visible()
    page.goto(listed.origin)
    expect(frame.locator(SHOWN)).to_be_visible()
    expect(frame.locator("[data-field=live]")).to_have_text("Live")
    page.goto(listed.origin_by_name)
    expect(frame.locator("body")).to_contain_text("asks for its token")


@pytest.mark.slow
def test_frame_works_where_the_browser_keeps_nothing_for_it(service: Service, open_page: Opener) -> None:
    """A browser that refuses storage to frames of other sites costs the memory of choices, and nothing else."""
    page = open_page(service, "/embed", prepare=lambda page: page.add_init_script(NO_STORAGE)).page
    expect(page.locator(SHOWN)).to_be_visible()
    expect(page.locator("[data-field=live]")).to_have_text("Live")
    whole = open_page(service, prepare=lambda page: page.add_init_script(NO_STORAGE)).page
    whole.locator(".tools .segmented button", has_text="FR").click()
    expect(whole.locator("html")).to_have_attribute("lang", "fr")


@pytest.mark.parametrize("path", first_is_quick("/embed", "/embed?source=all"))
def test_frame_has_no_switch(service: Service, listed: HostPage, open_host: HostOpener, path: str) -> None:
    """A page of others can turn nothing: no switch, menu or budget; the last import and its button are there."""
    listed.frame(f"{service.url}{path}")
    frame = open_host(listed.origin, to(service)).frame_locator("iframe")
    expect(frame.locator("h1")).to_have_text("Cline (local)" if path == "/embed" else "AI Cost Observer")
    expect(frame.locator("[data-field=last-import]")).to_contain_text("Last import:")
    expect(frame.get_by_role("button", name="Import now")).to_be_visible()
    expect(frame.locator("[data-field=cost]")).to_be_visible()
    for part in ("[role=switch]", "[data-switch]", "[data-field=sources]", ".budget", "input[type=checkbox]:visible"):
        expect(frame.locator(part)).to_have_count(0)


def test_first_screen_in_a_frame_has_no_switch(
    make_service: ServiceMaker, listed: HostPage, open_host: HostOpener
) -> None:
    """Also where nothing was counted yet, a frame offers only to read again what is read."""
    service = make_service(allowed_origins=listed.origin)
    service.ledger.write()
    service.start()
    listed.frame(f"{service.url}/embed")
    frame = open_host(listed.origin, to(service)).frame_locator("iframe")
    expect(frame.locator(".welcome")).to_be_visible()
    expect(frame.locator("[role=switch]")).to_have_count(0)


def test_page_itself_may_stand_in_no_frame(service: Service) -> None:
    """Its headers say so to every browser, for listed origins, too; those of the frame name the listed ones alone."""
    page, frame = (service.ask(path).headers for path in ("/", "/embed"))
    assert "frame-ancestors 'none'" in page["content-security-policy"]
    assert page["x-frame-options"] == "DENY"
    assert "frame-ancestors http://127.0.0.1:" in frame["content-security-policy"]
    assert "x-frame-options" not in frame


@pytest.mark.parametrize(
    ("language", "placeholder"), first_row_is_quick(("en-US", "model or id"), ("fr-FR", "modèle ou id"))
)
def test_frame_shows_no_label(make_service: ServiceMaker, open_page: Opener, language: str, placeholder: str) -> None:
    """A user's own names stay on the whole page: a frame calls a session by its start, and its search names none."""
    service = make_service()
    service.ledger.write(entry("1001", cost=1.25))
    service.start()
    named = {"source": "cline", "session_id": "1001"}
    assert service.ask("/api/session", named, method="PATCH", body={"label": "secret client"}).status_code == 200
    whole = open_page(service, language=language).page
    expect(whole.locator(SHOWN)).to_contain_text("secret client")
    page = open_page(service, "/embed", language=language).page
    expect(page.locator(SHOWN)).to_be_visible()
    expect(page.locator("#filter")).to_have_attribute("placeholder", placeholder)
    page.locator(f"{SHOWN} .when").click()
    expect(page.locator("#session [data-field=session-cost]")).to_be_visible()
    assert "secret client" not in page.content()
    expect(page.locator(f"{SHOWN} .open .soft")).to_have_count(0)
