"""French and English, chosen by the browser and switchable."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import expect

from tests.quick_variants import first_row_is_quick
from tests.ui.conftest import Opener
from tests.ui.restartable_service import Service, entry
from tests.web.page_files import LANGUAGES, WEB

KEY_LIKE = re.compile(r"\b(?:card|chart|code|col|filter|import|live|metric|models|period|start|table)\.[a-z_]+")
NOT_TO_BE_TYPED = {"Host"}
"""A head of HTTP, which a proxy passes on."""
RENDER = """async (texts) => {
  const [{ Words, html }, { render }] = await Promise.all([
    import("/assets/js/ui/parts.js"), import("/assets/vendor/preact.js"),
  ]);
  return texts.map((text) => {
    const place = document.createElement("p");
    render(html`<${Words} text=${text} />`, place);
    return [...place.querySelectorAll("button.copy")].map((button) => button.previousElementSibling.textContent);
  });
}"""


@pytest.mark.parametrize(
    ("language", "tag", "word", "cost"),
    first_row_is_quick(
        ("fr-FR", "fr", "Exporter", "1 234,50 $"),
        ("en-GB", "en", "Export", "$1,234.50"),
        ("de-DE", "en", "Export", "$1,234.50"),
    ),
)
def test_page_speaks_the_language_of_the_browser(
    service: Service, open_page: Opener, language: str, tag: str, word: str, cost: str
) -> None:
    """Words, numbers and money follow the browser; a language that we do not speak gets English."""
    service.ledger.write(entry("1001", cost=1234.5))
    service.start()
    page = open_page(service, language=language).page

    expect(page.get_by_text(word, exact=True)).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", tag)
    expect(page.locator("[data-field=cost]")).to_have_text(cost)
    assert KEY_LIKE.findall(page.locator("body").inner_text()) == []


@pytest.mark.slow
def test_language_can_be_switched_and_is_remembered(service: Service, open_page: Opener) -> None:
    """A click changes every word without a reload, and the choice outlives one."""
    service.ledger.write(entry("1001"))
    service.start()
    page = open_page(service).page

    page.get_by_role("button", name="Français").click()
    expect(page.get_by_text("Exporter", exact=True)).to_be_visible()
    page.reload()
    expect(page.get_by_text("Exporter", exact=True)).to_be_visible()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_command_and_setting_in_a_sentence_can_be_copied(
    service: Service, open_page: Opener, language: str
) -> None:
    """Each sentence of a language is rendered: what stands between backticks has a button, but for names of others."""
    service.ledger.write(entry("1001"))
    service.start()
    page = open_page(service, language=language).page
    expect(page.locator("[data-field=cost]")).to_be_visible()
    words = json.loads((WEB / "i18n" / f"{language}.json").read_text(encoding="utf-8"))
    marked = {key: re.findall(r"`([^`]*)`", text) for key, text in words.items() if "`" in text}
    shown = page.evaluate(RENDER, [words[key] for key in marked])
    program = service.ask("/api/status").json()["command"]
    typed = {
        key: [re.sub("^aico ", f"{program} ", name) for name in names if name not in NOT_TO_BE_TYPED]
        for key, names in marked.items()
    }
    assert len(marked) > 10
    assert dict(zip(marked, shown, strict=True)) == typed
