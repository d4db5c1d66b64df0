"""Pages at a dead end in a real browser: readable in each theme and language, and the field signs in."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.ui.conftest import Opener, ServiceMaker
from tests.ui.restartable_service import entry
from tests.ui.test_axe import DESKTOP, PHONE, THEMES, Size, Theme, check_with_axe

TOKEN = "a-token-of-the-operator"  # noqa: S105  # of a test
SEEN = {
    "en-US": ("Sign in", "That is not the token.", "Nothing at this address", "To the dashboard", "This link is void")
}
SEEN["fr-FR"] = (
    "Entrer",
    "Ce n\u2019est pas le jeton.",
    "Rien à cette adresse",
    "Vers le tableau de bord",
    "Ce lien n\u2019est plus valable",
)


@pytest.mark.slow
@pytest.mark.parametrize(("theme", "language", "size"), list(product(THEMES, SEEN, (DESKTOP, PHONE))))
def test_field_signs_in_and_dead_ends_lead_home(
    make_service: ServiceMaker, open_page: Opener, tmp_path: Path, theme: Theme, language: str, size: Size
) -> None:
    """A person without the link gets in by the token alone, and comes back from an address that is none."""
    service = make_service(token=TOKEN)
    service.ledger.write(entry("1001", cost=1.25))
    service.start(probe="/healthz")
    sign_in, wrong, nothing, home, void = SEEN[language]
    observed = open_page(service, "/api/summary", theme=theme, language=language, size=size)
    observed.allow("401")
    observed.allow("404")
    page = observed.page
    field, button = page.locator("#token"), page.get_by_role("button", name=sign_in)
    expect(field).to_be_focused()
    check_with_axe(page)
    page.locator("code", has_text="aico serve").click()  # one click takes the whole command: there is no script
    assert page.evaluate("getSelection().toString()") == "aico serve"
    page.goto(f"{service.url}/login?key=void")
    expect(page.locator("h1")).to_have_text(void)
    check_with_axe(page)
    field.fill("another")
    button.click()
    expect(page.get_by_role("alert")).to_have_text(wrong)
    check_with_axe(page)
    field.fill(TOKEN)
    page.keyboard.press("Enter")
    expect(page.locator("[data-field=cost]")).to_contain_text("1")
    expect(page.locator("[data-field=live]")).to_have_class("live good")
    assert page.url == f"{service.url}/"
    page.goto(f"{service.url}/a/b")
    expect(page.locator("h1")).to_have_text(nothing)
    check_with_axe(page)
    page.get_by_role("link", name=home).click()
    expect(page.locator("[data-field=cost]")).to_contain_text("1")


@pytest.mark.slow
def test_page_whose_cookie_is_gone_leads_to_the_field(make_service: ServiceMaker, open_page: Opener) -> None:
    """The page that is open cannot sign in by itself: one click leads to where the token is asked for."""
    service = make_service(token=TOKEN)
    service.ledger.write(entry("1001", cost=1.25))
    service.start(probe="/healthz")
    observed = open_page(service)
    observed.allow("401")
    page = observed.page
    page.locator("#token").fill(TOKEN)
    page.keyboard.press("Enter")
    expect(page.locator("[data-field=cost]")).to_have_text("$1.25")
    page.context.clear_cookies()
    page.get_by_role("button", name="30 d").click()
    page.locator("[data-state=token_required]").get_by_role("link", name="Sign in").click()
    expect(page.locator("#token")).to_be_focused()
