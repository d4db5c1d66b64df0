"""One browser per run, one service per test or module, and no page that complains unheard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Literal, Protocol

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from bench.installed_browser import launch
from tests.core.repository_on_file import copy_of_template
from tests.e2e.forked_aico import forker
from tests.e2e.server_forker import ServerForker
from tests.ui.observed_page import HANG_MS, Observed
from tests.ui.restartable_service import Service

expect.set_options(timeout=HANG_MS)


class Opener(Protocol):
    """Opens the dashboard as somebody would: language, zone, theme and size of the screen."""

    def __call__(
        self,
        service: Service,
        path: str = "/",
        *,
        language: str = "en-US",
        zone: str = "Europe/Paris",
        theme: Literal["dark", "light"] = "light",
        size: tuple[int, int] = (1440, 900),
        prepare: Callable[[Page], object] | None = None,
    ) -> Observed:
        """Return the observed page, loaded. ``prepare`` sets its clock, routes or media before.

        A test of today's or this month's numbers on the real clock asks for the zone :func:`tests.calm_zone.calm_zone`.
        """


class ServiceMaker(Protocol):
    """Makes services, not started."""

    def __call__(self, **settings: str) -> Service:
        """Return a service with these settings, in a folder of its own."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start the browser once: it is what takes longest."""
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def service_forker() -> ServerForker:
    """Start what starts every service: importing the same for each of them took longer than most tests."""
    return forker()


@pytest.fixture
def make_service(tmp_path: Path, service_forker: ServerForker) -> Iterator[ServiceMaker]:
    """Make services (not started) whose settings come as keyword arguments; end them all after the test."""
    with _maker(tmp_path, service_forker) as make:
        yield make


@pytest.fixture(scope="module")
def make_shared(tmp_path_factory: pytest.TempPathFactory, service_forker: ServerForker) -> Iterator[ServiceMaker]:
    """Make services that serve every test of a module: tests that only look share one."""
    with _maker(tmp_path_factory.mktemp("shared"), service_forker) as make:
        yield make


@contextmanager
def _maker(parent: Path, service_forker: ServerForker) -> Iterator[ServiceMaker]:
    with ExitStack() as made:
        numbers = count()

        def make(**settings: str) -> Service:
            folder = (parent / str(next(numbers))).resolve()
            folder.mkdir()
            variables = {f"AICO_{name.upper()}": value for name, value in settings.items()}
            service = made.enter_context(Service(folder, variables, forker=service_forker))
            # Other tests look at the database of a first start: here it would only be waited for.
            service.database.parent.mkdir(mode=0o700)
            copy_of_template(service.database.parent).chmod(0o600)
            return service

        yield make


@pytest.fixture
def service(make_service: ServiceMaker) -> Service:
    """Make a service with default settings, not started: the test first writes the ledger it wants."""
    return make_service()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Opener]:
    """Open observed pages; fail the test on any policy violation, console message or foreign request."""
    opened: list[Observed] = []

    def open_(
        service: Service,
        path: str = "/",
        *,
        language: str = "en-US",
        zone: str = "Europe/Paris",
        theme: Literal["dark", "light"] = "light",
        size: tuple[int, int] = (1440, 900),
        prepare: Callable[[Page], object] | None = None,
    ) -> Observed:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, locale=language, timezone_id=zone, color_scheme=theme
        )
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        observed = Observed(context.new_page(), service.url)
        opened.append(observed)
        if prepare is not None:
            prepare(observed.page)
        observed.page.goto(service.url + path)
        return observed

    yield open_
    complaints = [text for observed in opened for text in observed.unexpected()]
    for observed in opened:
        observed.page.unroute_all(behavior="ignoreErrors")  # a request may be on its way
        observed.page.context.close()
    assert not complaints, "\n".join(complaints)
