"""Projects on the page: a switch, names from then on or backwards, sums by project, and nothing in a frame."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from tests.ui.conftest import Opener, ServiceMaker
from tests.ui.fake_tools import home_of
from tests.ui.restartable_service import Service, entry, now_ms
from tests.ui.test_axe import PHONE, check_with_axe


def _answer(service: Service, number: int, project: str) -> None:
    session = f"0000000{number}-1111-4222-8333-444444444444"
    folder = home_of(service) / ".claude" / "projects" / f"-srv-{project}"
    folder.mkdir(parents=True, exist_ok=True)
    usage = {"input_tokens": 1_000 * number, "output_tokens": 100}
    message = {"id": f"m{number}", "model": "claude-opus-4-1", "stop_reason": "end_turn", "usage": usage}
    line = {"type": "assistant", "sessionId": session, "version": "2.1.50", "cwd": f"/srv/{project}"}
    moment = f"2026-01-05T10:00:0{number}.000Z"
    with (folder / f"{session}.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({**line, "timestamp": moment, "message": message}) + "\n")


@pytest.fixture
def service(make_service: ServiceMaker) -> Service:
    """Serve two sessions of Claude Code in two folders, and a task of Cline's."""
    service = make_service(sources="cline, claude-code")
    _answer(service, 1, "shop")
    _answer(service, 2, "docs")
    service.ledger.write(entry("1001", ts=now_ms() - 60_000, cost=0.5))
    service.start()
    return service


def test_switch_keeps_names_tells_them_apart_and_forgets_them(service: Service, open_page: Opener) -> None:
    """Nothing says Project until a session has one; read backwards, sums are told apart and filtered by it."""
    page = open_page(service, "/?period=all").page
    expect(page.locator("[data-field=sessions]")).to_have_text("3")
    expect(page.locator(".groups .segmented button")).to_have_text(["Source", "Model"])
    page.locator("[data-field=sources] > summary").click()
    menu = page.locator("[data-source=projects]")
    switch = menu.get_by_role("switch", name="Projects: keep the last name of each working folder")
    expect(switch).not_to_be_checked()
    expect(menu).to_contain_text("for the tools that write a folder: Claude Code, Codex, Qwen Code, pi.")
    switch.click()
    expect(switch).to_be_checked()
    menu.get_by_role("button", name="Read those of counted sessions, too").click()
    expect(menu).to_contain_text("2 sessions have one")
    check_with_axe(page)
    page.get_by_role("button", name="What is read").click()
    but = "the paths of folders, but for the last name of the working folder, because projects are on."
    expect(page.locator("[data-card=claude-code]")).to_contain_text(but)
    expect(page.locator("[data-card=cline]")).not_to_contain_text("last name")
    page.get_by_role("button", name="Show the numbers").click()

    page.locator(".groups").get_by_role("button", name="Project").click()
    expect(page.locator(".groups h2")).to_have_text("By project")
    expect(page.locator(".groups tbody th button")).to_have_text(["no project", "docs", "shop"])
    expect(page.locator(".groups").get_by_role("button", name="no project")).to_be_disabled()
    expect(page.locator(".groups").get_by_role("button", name="no project")).to_have_css("opacity", "1")  # its colour
    page.locator(".groups").get_by_role("button", name="shop").click()
    expect(page.locator("[data-field=sessions]")).to_have_text("1")
    expect(page.locator("[data-chip=project]")).to_contain_text("shop")
    expect(page.locator("tr[data-task] .of")).to_have_text("Claude Code shop")
    assert "project=shop" in page.url
    check_with_axe(page)
    page.locator("[data-chip=project] button").click()
    expect(page.locator("[data-field=sessions]")).to_have_text("3")
    page.locator(".choice > summary").click()
    page.locator(".choice").get_by_label("docs").check()
    expect(page.locator("[data-field=sessions]")).to_have_text("1")
    page.goto(f"{service.url}/?period=all&statement=2026-01")
    expect(page.get_by_role("region", name="By project").locator("tbody th")).to_have_text(["docs", "shop"])

    frame = open_page(service, "/embed?source=all&period=all&group=project").page
    expect(frame.locator("[data-field=sessions]")).to_have_text("3")
    expect(frame.locator("body")).not_to_contain_text("shop")

    page.goto(f"{service.url}/?period=all")
    page.locator("[data-field=sources] > summary").click()
    menu.get_by_role("button", name="Delete the names").click()
    expect(menu).not_to_contain_text("have one")
    expect(page.locator(".groups .segmented button")).to_have_text(["Source", "Model"])


@pytest.mark.slow
def test_setting_fixes_the_switch_in_french_on_a_phone(make_service: ServiceMaker, open_page: Opener) -> None:
    """The setting of the configuration is shown as fixed."""
    service = make_service(project_names="true", sources="claude-code")
    _answer(service, 1, "shop")
    service.start(probe="/healthz")
    page = open_page(service, "/?period=all", language="fr-FR", theme="dark", size=PHONE).page
    page.locator("[data-field=sources] > summary").click()
    menu = page.locator("[data-source=projects]")
    expect(menu.get_by_role("switch")).to_be_disabled()
    expect(menu).to_contain_text("project_names")
    expect(menu).to_contain_text("1 session en a un")
    page.get_by_role("button", name="Ce qui est lu").click()
    but = "chemins des dossiers, sauf le dernier nom du dossier de travail, car les projets sont activés."
    expect(page.locator("[data-card=claude-code]")).to_contain_text(but)
    page.get_by_role("button", name="Afficher les nombres").click()
    page.locator("[data-field=sources] > summary").click()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    check_with_axe(page)
