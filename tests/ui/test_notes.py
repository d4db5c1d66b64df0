"""A row says what its numbers cannot: one mark, its sentences on hover and on a click, and a dash for the unknown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import cast

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from bench.fake_session_store import SessionStore, editor_metadata
from tests.calm_zone import calm_zone
from tests.quick_variants import first_is_quick
from tests.ui.conftest import Opener, ServiceMaker
from tests.ui.fetching import fetch
from tests.ui.restartable_service import Service, entry, now_ms

DASH = "\u2013"
SILENT = "The tool has no numbers of this session: what it cost is unknown."
RUNNING = "A turn is running: its numbers come when it ends."
WIDTHS = (1280, 1024, 768, 390, 320)
PHONE = 640
"""Up to this width a row is no row of cells."""
_ROWS = """(rows) => rows.map((row) => {
  const { left, top, width, height } = row.getBoundingClientRect();
  return [row.dataset.task, left, top - rows[0].getBoundingClientRect().top, width, height];
})"""
_COLUMNS = """(cells) => cells.map((cell) => [cell.getBoundingClientRect().left, cell.getBoundingClientRect().width])"""
_CUT = """(marks) => marks.filter((mark) => {
  const [own, cell] = [mark, mark.closest("td")].map((part) => part.getBoundingClientRect());
  return own.right > cell.right + 0.5 || own.bottom > cell.bottom + 0.5 || mark.scrollWidth > mark.clientWidth;
}).map((mark) => mark.textContent)"""
_NOTHING = dict.fromkeys(
    ("input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens", "output_tokens", "cost_usd")
)
KINDS: dict[str, dict[str, object]] = {
    "1001": {"state": "running", "spent": _NOTHING},
    "1002": {"state": "interrupted", "spent": _NOTHING},
    "1003": {"state": "failed", "spent": _NOTHING},
    "1004": {"state": "done", "spent": _NOTHING},
    "1005": {"has_fallen": True, "unknown": ["tokensIn"], "state": "running"},
    "1006": {"has_fallen": True},
    "1007": {"unknown": ["tokensIn", "totalCost"], "spent": {"input_tokens": None}},
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SessionStore]:
    """Yield an empty session store."""
    with closing(SessionStore(tmp_path.resolve() / "db" / "sessions.db")) as store:
        yield store


@pytest.fixture
def service(make_service: ServiceMaker, store: SessionStore) -> Service:
    """Make a service that reads both, not started."""
    return make_service(cline_sessions="true", sessions_path=str(store.path))


def _row(page: Page, task: str) -> Locator:
    return page.locator(f"tr[data-task='{task}']")


def _expect_note(row: Locator, mark: str, sentences: str) -> None:
    expect(row.locator("[data-note]")).to_have_text(mark)
    expect(row.locator("[data-note]")).to_have_attribute("title", sentences)


def _expect_numbers(row: Locator, tokens_in: str, tokens_out: str, cost: str) -> None:
    for name, words in (("in", tokens_in), ("out", tokens_out), ("cost", cost)):
        expect(row.locator(f".{name}")).to_have_text(words)


def test_session_without_numbers_shows_its_state_and_dashes(
    service: Service, open_page: Opener, store: SessionStore
) -> None:
    """A turn that runs, was interrupted or failed costs an unknown amount, never $0, until its numbers come."""
    now = now_ms()
    for task, status in (("run", "running"), ("cut", "cancelled"), ("fail", "failed"), ("mute", "idle")):
        store.put(task, None, updated_ms=now, status=status)
    service.ledger.write()
    service.start()
    page = open_page(service, size=(1280, 1400), zone=calm_zone()).page

    _expect_note(_row(page, "run"), "running", RUNNING)
    _expect_note(_row(page, "cut"), "interrupted", SILENT)
    _expect_note(_row(page, "fail"), "failed", SILENT)
    _expect_note(_row(page, "mute"), "no numbers", SILENT)
    for task in ("run", "cut", "fail", "mute"):
        _expect_numbers(_row(page, task), DASH, DASH, DASH)
    for place in ("[data-field=cost]", "[data-field=input_tokens]", "tfoot .cost", ".groups tbody td >> nth=0"):
        expect(page.locator(place)).to_have_text(DASH)
    expect(page.locator("body")).not_to_contain_text("$0.00")
    assert "$" not in page.title()

    store.put("run", editor_metadata(10, 5, 0.75), updated_ms=now_ms())

    _expect_numbers(_row(page, "run"), "10", "5", "$0.7500")
    expect(_row(page, "run").locator("[data-note]")).to_have_count(0)
    expect(_row(page, "run").locator(".tag")).to_have_count(0)
    expect(page.locator("[data-field=cost]")).to_have_text("at least $0.75")


def test_field_that_could_not_be_used_is_named_and_its_number_a_dash(service: Service, open_page: Opener) -> None:
    """The usable fields of an entry are shown; another one is named, and is no 0 and no price of 0."""
    service.ledger.write(entry("1001", cost=0.5) | {"tokensIn": True}, entry("1002") | {"totalCost": None})
    service.start()
    page = open_page(service).page

    _expect_note(_row(page, "1001"), "partial", "Could not be used, so unknown: tokensIn.")
    _expect_numbers(_row(page, "1001"), DASH, "100", "≥ $0.5000")
    _expect_note(_row(page, "1002"), "partial", "Could not be used, so unknown: totalCost.")
    _expect_numbers(_row(page, "1002"), "1,000", "100", DASH)


@pytest.mark.slow
def test_mark_says_everything_on_a_click_in_the_language_of_the_page(
    service: Service, open_page: Opener, store: SessionStore
) -> None:
    """A phone has no hover: a press shows the sentences, inside the screen; a press elsewhere takes them away."""
    store.put("s1", editor_metadata(9000, 700, 0.4), updated_ms=now_ms(), status="running")
    service.ledger.write()
    service.start()
    page = open_page(service, language="fr-FR", size=(390, 1800)).page
    expect(_row(page, "s1").locator(".cost")).to_have_text("0,4000\u00a0$")
    store.put("s1", editor_metadata(8000, 700, 0.1), updated_ms=now_ms(), status="running")

    mark = _row(page, "s1").locator("[data-note=running]")
    sentences = (
        "Un tour est en cours\u00a0: ses nombres viennent à la fin.\n"
        "L\u2019outil affiche moins pour cette session\u00a0: 0,10\u00a0$, 8\u202f000 tokens entrants, 700 sortants. "
        "La dépense reste comptée."
    )
    expect(mark).to_have_attribute("title", sentences)
    expect(_row(page, "s1").locator(".cost")).to_have_text("0,4000\u00a0$")
    mark.click()

    told = page.locator("#told")
    expect(told).to_be_visible()
    assert told.inner_text() == sentences
    box = told.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    page.keyboard.press("Escape")
    expect(told).to_be_hidden()


@pytest.mark.slow
@pytest.mark.parametrize("language", first_is_quick("fr-FR", "en-US"))
@pytest.mark.parametrize("width", first_is_quick(*WIDTHS))
def test_marks_move_nothing_and_are_never_cut(
    make_service: ServiceMaker, open_page: Opener, width: int, language: str
) -> None:
    """Rows with every kind of mark stand where they stood without, and each mark is read whole, at every width."""
    service = make_service()
    model = "a-maker-of-models/a-model-with-a-rather-long-name-2026"
    service.ledger.write(*(entry(task, model=model) for task in KINDS))
    service.start()
    is_marked = False

    def answer(route: Route) -> None:
        response = fetch(route)
        page = response.json()
        for item in page["items"] if is_marked else []:
            kind = KINDS[item["session_id"]]
            item.update({**kind, "spent": {**item["spent"], **cast("dict[str, object]", kind.get("spent", {}))}})
        route.fulfill(response=response, body=json.dumps(page))

    page = open_page(
        service,
        "/?sort=started_at",
        language=language,
        size=(width, 2400),
        prepare=lambda page: page.route("**/api/sessions?*", answer),
    ).page
    rows = page.locator("tr[data-task]")
    expect(rows).to_have_count(len(KINDS))
    expect(page.locator(".tasks .tag")).to_have_count(0)
    columns = rows.locator("td") if width > PHONE else page.locator(".sums")
    before = rows.evaluate_all(_ROWS), columns.evaluate_all(_COLUMNS)

    is_marked = True
    page.keyboard.press("r")

    expect(page.locator(".tasks .tag")).to_have_count(len(KINDS))
    assert (rows.evaluate_all(_ROWS), columns.evaluate_all(_COLUMNS)) == before
    assert page.locator(".tasks .tag").evaluate_all(_CUT) == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
