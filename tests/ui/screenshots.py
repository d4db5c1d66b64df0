"""``python -m tests.ui.screenshots [FOLDER]``: a picture of every state of the page, from the real service.

Ledgers are generated and the page's clock stands still, so two runs differ only where the page itself does.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import product
from pathlib import Path
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

import httpx
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from aico.core.db.looking import look
from aico.features.demo.generator import LedgerGenerator
from aico.features.demo.tools import GrowingLogs
from aico.features.demo.writer import append_lines
from aico.services.glance import take_glance
from aico.services.glance_shapes import OverviewOut
from bench.fake_session_store import SessionStore, editor_metadata
from bench.installed_browser import launch
from tests.ui.fake_proxies import proxy
from tests.ui.fake_surroundings import NOON, PARIS, moment_ms, stop_clock, watch_since
from tests.ui.fake_tools import home_of, transcript
from tests.ui.restartable_service import Service, entry, kimi_proxy

DEFAULT_FOLDER = Path(__file__).resolve().parents[2] / ".make" / "screenshots"
DESKTOP = (1280, 800)
PHONE = (390, 844)
README = (1280, 1080)
SIZES = ((1440, 900), (1024, 768), PHONE)
FRAME = (1100, 760)
PATH = "/home/ada/.cline/data/state/taskHistory.json"
Theme: TypeAlias = Literal["dark", "light"]
Look: TypeAlias = tuple[Theme, str]
LIGHT_EN: Look = ("light", "en-US")
DARK_FR: Look = ("dark", "fr-FR")
THEMES: tuple[Theme, ...] = ("light", "dark")
LANGUAGES = ("en-US", "fr-FR")
TOOLS = "cline,claude-code,codex,gemini-cli"
TOKEN = "a-token-of-the-operator"  # noqa: S105 - of a made-up service
Act: TypeAlias = Callable[[Page], object]


def main(arguments: list[str]) -> int:
    """Take every picture; return the exit code."""
    folder = Path(arguments[0]) if arguments else DEFAULT_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=60_000)  # a machine with much else to do is slower than the library thinks
    with tempfile.TemporaryDirectory() as home, ExitStack() as stack, sync_playwright() as playwright:
        camera = Camera(launch(playwright), folder)
        services = Services(Path(home).resolve(), stack)
        _take_data(camera, services, stack.enter_context(kimi_proxy()))
        _take_tools(camera, services)
        _take_parts(camera, services)
        _take_states(camera, services)
        _take_dead_ends(camera, services)
    print(f"{camera.count} pictures in {folder}")  # noqa: T201
    return 0


class Services:
    """Starts services that end with the program."""

    def __init__(self, home: Path, stack: ExitStack) -> None:
        self._home = home
        self._stack = stack
        self._count = 0

    def make(self, **settings: str) -> Service:
        """Return a service that is not started."""
        self._count += 1
        folder = self._home / str(self._count)
        folder.mkdir()
        variables = {f"AICO_{name.upper()}": value for name, value in settings.items()}
        return self._stack.enter_context(Service(folder, variables))

    def make_store(self) -> closing[SessionStore]:
        """Return an empty session store that is closed at the end of its context."""
        return closing(SessionStore(self._home / "db" / "sessions.db"))


def _answer_at_noon(service: Service) -> Callable[[Route], None]:
    """Return what answers how today and the month are when it is noon, as the service would."""

    def answer(route: Route) -> None:
        glance = look(service.database, lambda snapshot: take_glance(snapshot, moment_ms(), PARIS))
        route.fulfill(json=OverviewOut.of(glance, "Europe/Paris").model_dump(mode="json"))

    return answer


class Camera:
    """Opens the page in every way and takes its picture."""

    def __init__(self, browser: Browser, folder: Path) -> None:
        self._browser = browser
        self._folder = folder
        self.count = 0

    @contextmanager
    def look(
        self,
        service: Service,
        path: str = "/",
        *,
        theme: Theme = "light",
        language: str = "en-US",
        size: tuple[int, int] = DESKTOP,
        prepare: Act = stop_clock,
        base: str = "",
    ) -> Iterator[Page]:
        """Yield the page, loaded; ``base`` is the address of something before the service."""
        with self.open(theme=theme, language=language, size=size) as page:
            self._load(page, service, (base or service.url) + path, prepare)
            yield page

    @contextmanager
    def open(self, *, theme: Theme, language: str, size: tuple[int, int]) -> Iterator[Page]:
        """Yield a page of nothing."""
        context = self._browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            locale=language,
            timezone_id="Europe/Paris",
            color_scheme=theme,
            reduced_motion="reduce",
        )
        page = context.new_page()
        yield page
        page.unroute_all(behavior="ignoreErrors")
        context.close()

    def _load(self, page: Page, service: Service, address: str, prepare: Act) -> None:
        if prepare is not _as_it_is:
            page.route("**/api/overview?*", _answer_at_noon(service))
        prepare(page)
        page.goto(address)
        expect(page.locator("[data-field=live]")).to_be_visible()
        expect(page.locator("[data-notice=reading]")).to_have_count(0)  # of a machine with much else to do

    def take(self, page: Page, name: str, *, whole: bool = False, is_ours: bool = True) -> None:
        """Write one picture, with a path of nobody in the place of the temporary one; of a dead end as it is."""
        if is_ours:
            expect(page.locator("main")).not_to_have_attribute("aria-busy", "true")
            expect(page.locator(".loading")).to_have_count(0)
        page.evaluate(
            "(path) => document.querySelectorAll('[data-notice] > code, .places code').forEach((place) => {"
            " if (place.textContent.endsWith('taskHistory.json')) place.textContent = path; })",
            PATH,
        )
        page.screenshot(path=self._folder / f"{name}.png", full_page=whole)
        self.count += 1


def _as_it_is(_page: Page) -> None:
    """Let the clock go on, and the service answer."""


def _take_data(camera: Camera, services: Services, proxy: str) -> None:
    service = services.make(budget_daily_usd="25", budget_monthly_usd="150", kimi_proxy_url=proxy)
    generated = LedgerGenerator(7, moment_ms(), days=75).entries(900)
    service.ledger.write(*({**one} for one in generated))
    service.start()
    watched = watch_since(moment_ms(45))
    for theme in ("light", "dark"):
        for language in ("en-US", "fr-FR"):
            for kind, size in (("desktop", DESKTOP), ("phone", PHONE), ("phone-tall", (390, 2000))):
                with camera.look(service, theme=theme, language=language, size=size, prepare=watched) as page:
                    expect(page.locator("[data-field=cost]")).to_be_visible()
                    camera.take(page, f"data-{theme}-{language[:2]}-{kind}")
    with camera.look(service, "/?period=30d&chart=bars", prepare=watch_since(moment_ms(18))) as page:
        expect(page.locator("[data-field=exact]")).to_be_visible()
        camera.take(page, "bars-30d")
    with camera.look(service, "/?table=true", theme="dark", prepare=watched) as page:
        expect(page.locator(".astable")).to_be_visible()
        camera.take(page, "chart-as-table")
    with camera.look(service, "/?model=claude-sonnet-4-5-20250929&metric=tokens&q=claude", prepare=watched) as page:
        expect(page.locator("[data-chip=model]")).to_be_visible()
        _open_menu(page)
        camera.take(page, "filtered-sources")
    for language, theme in (("en-US", "light"), ("fr-FR", "dark")):
        with camera.look(service, language=language, theme=theme, prepare=watched) as page:  # type: ignore[arg-type]
            expect(page.locator("[data-field=cost]")).to_be_visible()
            page.keyboard.press("?")
            camera.take(page, f"help-{language[:2]}")
    for language, theme in (("en-US", "light"), ("en-US", "dark"), ("fr-FR", "light"), ("fr-FR", "dark")):
        look = camera.look(service, "/embed", language=language, theme=theme, size=FRAME, prepare=watched)  # type: ignore[arg-type]
        with look as page:
            expect(page.locator("[data-field=cost]")).to_be_visible()
            camera.take(page, f"embed-{theme}-{language[:2]}")
    with camera.look(service, size=(768, 1024), prepare=watched) as page:
        expect(page.locator("[data-field=cost]")).to_be_visible()
        camera.take(page, "tablet")
    with camera.look(service, theme="dark", prepare=watched) as page:
        expect(page.locator("[data-field=cost]")).to_be_visible()
        page.emulate_media(media="print")
        camera.take(page, "print", whole=True)
    with camera.look(service, "/?q=nothing", prepare=watched) as page:
        expect(page.locator("[data-field=empty]")).to_be_visible()
        camera.take(page, "empty-filter")


def _open_menu(page: Page) -> None:
    page.locator("[data-field=sources] > summary").click()
    expect(page.locator("[data-source=projects]")).to_be_visible()


def _open_session(page: Page, tool: str = "claude-code") -> None:
    page.locator(".tasks").scroll_into_view_if_needed()
    page.locator(f"tr[data-tool={tool}] .open").first.click()
    expect(page.locator("[data-field=session-cost]")).to_be_visible()


def _write_tools(service: Service) -> None:
    """Leave the ledger of Cline and the logs of three other tools, as of noon."""
    service.ledger.write(*({**one} for one in LedgerGenerator(7, moment_ms(), days=75).entries(300)))
    append_lines(home_of(service), GrowingLogs(7, moment_ms(), session_count=140, days=75).take())
    for path in (service.ledger.path, *home_of(service).glob(".*/**/*.json*")):
        os.utime(path, (moment_ms() / 1000,) * 2)


def _take_tools(camera: Camera, services: Services) -> None:
    service = services.make(budget_daily_usd="4", budget_monthly_usd="60", sources=TOOLS)
    _write_tools(service)
    service.start()
    watched = watch_since(moment_ms(45))

    @contextmanager
    def look(path: str = "/", size: tuple[int, int] = DESKTOP, look: Look = LIGHT_EN) -> Iterator[Page]:
        with camera.look(service, path, theme=look[0], language=look[1], size=size, prepare=watched) as page:
            expect(page.locator("[data-field=cost]")).to_be_visible()
            yield page

    for seen in (LIGHT_EN, DARK_FR):
        with look(size=README, look=seen) as page:
            expect(page.locator(".groups tbody tr")).to_have_count(4)
            expect(page.locator("tr[data-task]")).not_to_have_count(0)
            camera.take(page, f"readme-{seen[0]}-{seen[1][:2]}")
    for name, path, place, shown in (
        ("menu", "/", "[data-field=sources] > summary", "[data-source=projects]"),
        ("filter", "/?group=model", ".choice > summary", ".choice fieldset >> nth=0"),
        ("gaps", "/?metric=tokens", "[data-field=gaps] > summary", "[data-field=gaps] dl"),
        ("hours", "/?period=30d", "[data-field=hours] > summary", ".heat svg"),
        ("days", "/?period=year", "[data-field=hours] > summary", ".heat svg"),
        ("budgets", "/", "[data-field=terms]", "#terms"),
    ):
        for size, seen in ((DESKTOP, LIGHT_EN), (PHONE, DARK_FR)):
            with look(path, size, seen) as page:
                page.locator(place).click()
                page.locator(shown).scroll_into_view_if_needed()
                camera.take(page, f"tools-{name}-{seen[0]}-{seen[1][:2]}-{size[0]}")
    for theme, language, size in product(THEMES, LANGUAGES, SIZES):
        end = f"{theme}-{language[:2]}-{size[0]}"
        with look("/?period=30d", (size[0], 2400), (theme, language)) as page:
            camera.take(page, f"whole-{end}")
        with look("/?period=30d", size, (theme, language)) as page:
            _open_session(page)
            camera.take(page, f"sheet-{end}")
    with look("/?period=30d") as page:
        _open_session(page, "cline")
        camera.take(page, "sheet-running-total")
    for name in ("embed", "embed?source=all"):
        with look("/" + name, FRAME) as page:
            camera.take(page, f"tools-{name.replace('?source=', '-')}")
    with look(look=DARK_FR) as page:
        page.emulate_media(media="print")
        camera.take(page, "tools-print", whole=True)
    with proxy(urlsplit(service.url).port or 0, keeps_host=True) as address:
        for size, seen in ((DESKTOP, LIGHT_EN), (PHONE, DARK_FR)):
            with camera.look(
                service, base=address, theme=seen[0], language=seen[1], size=size, prepare=watched
            ) as page:
                expect(page.locator("[data-notice=polling]")).to_be_visible()
                camera.take(page, f"sockets-blocked-{size[0]}")

    first = services.make()
    _write_tools(first)
    first.ledger.remove()
    first.start(probe="/healthz")
    for theme, language, size in product(THEMES, LANGUAGES, SIZES):
        with camera.look(first, theme=theme, language=language, size=size) as page:
            expect(page.locator(".tool")).not_to_have_count(0)
            camera.take(page, f"first-start-{theme}-{language[:2]}-{size[0]}", whole=True)


def _take_parts(camera: Camera, services: Services) -> None:
    """Show what is opened from the page or switched on there: statement, prices, projects, pairing."""
    service = services.make(sources=TOOLS)
    transcript(home_of(service), *range(1, 9), folder="/srv/shop", at="2025-11-11T10:00:00.000Z")
    _write_tools(service)
    service.start()
    same = {"Origin": service.url}
    with httpx.Client(base_url=service.url, headers=same, timeout=60, trust_env=False) as asked:
        asked.put("/api/projects", json={"enabled": True, "backwards": True}).raise_for_status()
        asked.put("/api/activity/extension", json={"enabled": True}).raise_for_status()
    watched = watch_since(moment_ms(45))
    month = f"statement={NOON:%Y-%m}"
    for size, seen in ((DESKTOP, LIGHT_EN), (PHONE, DARK_FR)):
        theme, language = seen
        end = f"{theme}-{language[:2]}-{size[0]}"

        @contextmanager
        def open_(path: str, seen: Look = seen, size: tuple[int, int] = size) -> Iterator[Page]:
            with camera.look(service, path, theme=seen[0], language=seen[1], size=size, prepare=watched) as page:
                yield page

        with open_(f"/?{month}") as page:
            expect(page.locator("[data-field=statement-cost]")).to_be_visible()
            camera.take(page, f"statement-{end}", whole=True)
        with open_("/?period=30d&group=project") as page:
            expect(page.locator(".groups tbody tr")).to_have_count(2)
            camera.take(page, f"projects-{end}")
            _open_menu(page)
            page.locator("[data-source=projects]").scroll_into_view_if_needed()
            camera.take(page, f"projects-menu-{end}")
            page.locator(".sources .buttons button").last.click()
            expect(page.locator("#prices .fields").first).to_be_visible()
            camera.take(page, f"prices-{end}")
        with open_("/") as page:
            page.locator("[data-field=activity] > summary").click()
            page.locator("[data-field=pairings] .small").click()
            secret = page.locator("[data-field=pairings] [role=status] code").last
            secret.evaluate("(code) => { code.textContent = '0'.repeat(code.textContent.length); }")
            secret.scroll_into_view_if_needed()
            camera.take(page, f"pairing-{end}")
    with camera.look(service, f"/?{month}&rows=true", prepare=watched) as page:
        expect(page.locator(".statement section")).to_have_count(5)
        page.emulate_media(media="print")
        camera.take(page, "statement-print", whole=True)


def _take_dead_ends(camera: Camera, services: Services) -> None:
    guarded = services.make(token=TOKEN)
    guarded.start(probe="/healthz")
    for theme, language, size in product(THEMES, LANGUAGES, (DESKTOP, PHONE)):
        with camera.open(theme=theme, language=language, size=size) as page:
            end = f"{theme}-{language[:2]}-{size[0]}"
            for name, path in (("void-link", "/login?key=used"), ("login", "/login")):
                page.goto(guarded.url + path)
                camera.take(page, f"{name}-{end}", is_ours=False)
            page.locator("#token").fill(TOKEN)
            page.keyboard.press("Enter")
            expect(page.locator("[data-field=live]")).to_be_visible()
            page.goto(guarded.url + "/a/b")
            camera.take(page, f"unknown-{end}", is_ours=False)


def _take_states(camera: Camera, services: Services) -> None:
    waiting = services.make()
    waiting.ledger.path.parent.mkdir(parents=True)
    waiting.start(probe="/healthz")
    for theme, language, size in (("light", "en-US", DESKTOP), ("dark", "fr-FR", DESKTOP), ("light", "fr-FR", PHONE)):
        with camera.look(waiting, theme=theme, language=language, size=size) as page:  # type: ignore[arg-type]
            expect(page.locator(".welcome")).to_be_visible()
            camera.take(page, f"no-ledger-{theme}-{language[:2]}-{size[0]}")

    unpriced = services.make()
    unpriced.ledger.write(*(_unpriced(number) for number in range(40)))
    unpriced.start()
    for theme, language in (("light", "en-US"), ("dark", "fr-FR")):
        prepare = watch_since(moment_ms(40))
        with camera.look(unpriced, theme=theme, language=language, prepare=prepare) as page:  # type: ignore[arg-type]
            expect(page.locator("[data-field=cost]")).to_be_visible()
            camera.take(page, f"unpriced-{theme}-{language[:2]}")

    frozen = services.make()
    frozen.ledger.write(*(entry(str(n), ts=moment_ms(42 + n), cost=n / 3) for n in range(30)))
    written_s = moment_ms(42.2) / 1000
    os.utime(frozen.ledger.path, (written_s, written_s))
    frozen.start()
    weeks = f"/?period=custom&from={moment_ms(77.5)}&to={moment_ms(-0.5)}"  # "all" would end in this year
    with camera.look(frozen, weeks, language="fr-FR", prepare=watch_since(moment_ms(45))) as page:
        page.locator("[data-notice=frozen] summary").click()
        camera.take(page, "frozen-fr")

    _take_sessions(camera, services)

    degraded = services.make()
    degraded.ledger.write(*(entry(str(n), ts=moment_ms(n / 10), cost=n / 3) for n in range(30)))
    degraded.start()
    degraded.ledger.path.write_text("[{", encoding="utf-8")
    with camera.look(degraded, prepare=watch_since(moment_ms(40))) as page:
        page.keyboard.press("r")
        expect(page.locator("[data-field=import-result].warn")).to_be_visible()
        camera.take(page, "degraded")

    gone = services.make()
    gone.ledger.write(*(entry(str(n), ts=moment_ms(n / 10), cost=n / 3) for n in range(30)))
    gone.start()
    running = watch_since(moment_ms(40), lambda page: page.clock.install(time=NOON))
    with camera.look(gone, theme="dark", prepare=running) as page:
        expect(page.locator("[data-field=live]")).to_have_text("Live")
        page.unroute_all(behavior="wait")
        gone.stop()
        expect(page.locator("[data-field=live]")).not_to_have_text("Live")
        page.clock.fast_forward(dt.timedelta(minutes=3).seconds * 1000)
        camera.take(page, "server-gone")

    locked = services.make()
    locked.ledger.write(entry("1001", ts=moment_ms(1)))
    locked.start()
    body = '{"code": "token_required"}'
    with camera.look(
        locked,
        prepare=lambda page: page.route("**/api/**", lambda route: route.fulfill(status=401, body=body)),
    ) as page:
        expect(page.locator(".welcome")).to_be_visible()
        camera.take(page, "token")

    _take_demo(camera, services)


def _take_sessions(camera: Camera, services: Services) -> None:
    with services.make_store() as store:
        for number in range(12):
            store.put(f"s{number}", editor_metadata(9_000, 700, 0.4), updated_ms=moment_ms(number / 3 + 0.1))
        both = services.make(cline_sessions="true", sessions_path=str(store.path))
        both.ledger.write(*(entry(str(n), ts=moment_ms(n / 4), cost=n / 9) for n in range(20)))
        both.start()
        for theme, language, size in (("light", "en-US", DESKTOP), ("dark", "fr-FR", (390, 2000))):
            prepare = watch_since(moment_ms(45))
            with camera.look(both, theme=theme, language=language, size=size, prepare=prepare) as page:  # type: ignore[arg-type]
                expect(page.locator("tr[data-task]").first).to_be_visible()
                _open_menu(page)
                camera.take(page, f"sessions-{theme}-{language[:2]}-{size[0]}")


def _take_demo(camera: Camera, services: Services) -> None:
    demo = services.make()
    demo.start(command="demo")
    with camera.look(demo, "/?period=all", prepare=_as_it_is) as page:
        expect(page.locator("[data-field=cost]")).to_be_visible()
        camera.take(page, "demo")


def _unpriced(number: int) -> dict[str, object]:
    model = ("z-ai/glm-5", "deepseek-v4-flash")[number % 2]
    tokens = 10_000 + number * 7_919 % 90_000
    return entry(str(1_762_000_000_000 + number), ts=moment_ms(number / 6), model=model, tokens_in=tokens, cost=0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
