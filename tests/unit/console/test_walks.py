"""What people do in the console, in a real browser: with a pointer, with the keyboard alone, without JavaScript."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from playwright.sync_api import Browser, Page, StorageState

from policy_engine.cli.main import command
from tests.browser import Watched
from tests.console_ledger import SCRIPT, Seeded
from tests.serving import Server
from tests.unit.console.conftest import log_in, new_context

pytestmark = pytest.mark.slow


def test_the_officer_finds_why_a_workload_was_denied_and_checks_its_receipt(
    browser: Browser, server: Server, tmp_path: Path
) -> None:
    """From the form to log in to the proof, as the walk is without JavaScript."""
    context = new_context(browser, java_script_enabled=False, accept_downloads=True)
    watched = Watched(context, server.url)
    page = watched.open("/decisions?verdict=deny")
    assert page.url.startswith(f"{server.url}/login?next=")
    page.get_by_label("Access token").fill("pe_000000000000_" + "A" * 43)
    page.get_by_role("button", name="Log in").click()
    assert "This is not a token that counts here." in page.get_by_role("alert").inner_text()
    page.get_by_label("Access token").fill(server.token("read", subject="olga@acme.example"))
    page.get_by_role("button", name="Log in").click()
    assert page.url == f"{server.url}/decisions?verdict=deny"
    assert "olga@acme.example" in page.get_by_role("banner").inner_text()
    page.get_by_label("Workload", exact=True).fill("claims/claims-notes")
    page.get_by_label("Stage").select_option("production")
    page.get_by_role("button", name="Show decisions").click()
    rows = page.get_by_role("table", name="Decisions").get_by_role("row")
    assert rows.count() > 1
    rows.nth(1).get_by_role("link").first.click()
    assert "Deny" in page.locator("header.page").inner_text()
    why = page.get_by_role("heading", name="Why", exact=True).locator("xpath=following-sibling::ul[1]").inner_text()
    assert "fallback" in why
    (tmp_path / "key").write_text(page.locator("dt:text-is('Key of the log') + dd").inner_text(), "utf-8")
    for name in ("Receipt", "Entry"):
        with page.expect_download() as found:
            page.get_by_role("link", name=name, exact=True).click()
        found.value.save_as(tmp_path / found.value.suggested_filename)
    (proof,) = tmp_path.glob("*.tlog-proof")
    check = ["audit", "prove", "--check", str(proof), "--entry", str(proof.with_suffix(".json"))]
    checked = CliRunner().invoke(command, [*check, "--vkey", (tmp_path / "key").read_text("utf-8")])
    assert checked.exit_code == 0, checked.output
    page.get_by_role("button", name="Log out").click()
    assert page.url == f"{server.url}/login"
    page.goto(f"{server.url}/decisions")
    assert "/login" in page.url
    context.close()
    watched.checked()


def test_everything_is_reached_by_keyboard(visit: Watched) -> None:
    page = visit.open("/decisions")
    page.keyboard.press("Tab")
    assert _focused(page) == "Skip to the content"
    assert page.locator(".skip").bounding_box()["y"] >= 0  # type: ignore[index]
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    for _ in range(40):
        page.keyboard.press("Tab")
        if _focused(page) == "Deny":
            break
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    assert _focused(page) == "More filters"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert _focused(page) == "Rule"
    with page.expect_navigation(url=re.compile("verdict=deny")):
        page.keyboard.press("Enter")
    assert page.locator("tbody .verdict").all_inner_texts() == ["Deny"] * page.locator("tbody tr").count()


def test_the_focus_goes_through_a_page_in_its_order_and_is_seen(visit: Watched) -> None:
    page = visit.open("/")
    seen: list[tuple[float, float]] = []
    for _ in range(18):
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline not in ("none", ""), _focused(page)
        box = page.evaluate(
            "(() => { const r = document.activeElement.getBoundingClientRect(); return [r.x, r.y + scrollY]; })()"
        )
        seen.append((box[0], box[1]))
    side = [place for place in seen if place[0] < 220 and place[1] > 60]
    main = [place for place in seen if place[0] >= 220 and place[1] > 60]
    assert side == sorted(side, key=lambda place: place[1])
    assert seen.index(main[0]) > seen.index(side[-1])


def test_a_pasted_workload_is_decided_as_a_draft(browser: Browser, server: Server, session: StorageState) -> None:
    context = new_context(browser, java_script_enabled=False, storage_state=session)
    watched = Watched(context, server.url)
    page = watched.open("/evaluate")
    page.get_by_role("link", name="A hospital whose data may not leave the network").click()
    area = page.get_by_label("Workload")
    text = area.input_value()
    wrong = text.replace("kind: summarisation", "kind: poetry").replace(
        "quality: high", f"quality: {json.dumps(SCRIPT)}"
    )
    area.fill(wrong)
    page.get_by_role("button", name="Decide and record").click()
    problems = page.get_by_role("alert")
    line = next(number for number, each in enumerate(text.split("\n"), 1) if "kind: summarisation" in each)
    assert f"Line {line}, column" in problems.inner_text()
    assert "kind: poetry" in problems.inner_text()
    assert page.get_by_label("Workload").input_value() == wrong
    page.get_by_role("link", name=f"Line {line}").click()
    page.get_by_label("Workload").fill(text.replace("name: discharge-letters", "name: pasted"))
    page.get_by_role("button", name="Decide and record").click()
    assert page.get_by_role("heading", level=1).inner_text() == "clinic/pasted"
    assert page.locator("dt:text-is('Made for') + dd").inner_text() == "draft"
    assert page.locator("dt:text-is('Actor') + dd").inner_text() == "olivia.officer@acme.example"
    page.get_by_role("link", name="clinic/pasted").click()
    assert "The first decision on this workload." in page.get_by_role("main").inner_text()
    context.close()
    watched.checked()


def test_whoever_may_not_read_is_told_so(browser: Browser, server: Server, seeded: Seeded) -> None:
    context = new_context(browser)
    watched = Watched(context, server.url)
    log_in(watched, server.token("decide", subject="dora@acme.example"), "/evaluate")
    page = watched.open(f"/decisions/{seeded.decisions['denied']}", 403)
    assert page.get_by_role("heading", level=1).inner_text() == "You may not do this"
    assert "the role `read`" in page.locator(".problems").inner_text()
    links = page.get_by_role("navigation", name="Pages of the console").get_by_role("link")
    assert links.all_inner_texts() == ["Evaluate a draft", "Rules", "Ask for a waiver", "Catalog", "Disputes"]
    context.close()
    watched.checked()


def test_what_is_folded_is_on_paper_and_forms_are_not(visit: Watched, seeded: Seeded) -> None:
    page = visit.open(f"/decisions/{seeded.decisions['support-tickets']}")
    seen = "[...document.querySelectorAll('main details > .inside')].map(each => each.checkVisibility())"
    assert page.locator("main details").count() > 4
    assert not any(page.evaluate(seen))
    page.emulate_media(media="print")
    assert all(page.evaluate(seen))
    visit.open("/decisions")
    assert not page.locator("form").filter(visible=True).count()
    assert not page.get_by_role("heading", name="Filters").count()
    page.emulate_media(media="screen")


def test_paper_says_what_was_asked_and_cuts_nothing_off(visit: Watched) -> None:
    page = visit.page
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 720, "height": 1000})  # what is left of a sheet between its margins, about
    visit.open("/decisions?verdict=deny&since=2020-01-01")
    said = page.locator(".paper").inner_text()
    assert "verdict: deny" in said
    assert "since: 2020-01-01" in said
    assert "UTC" in said
    for name in ("decisions", "denials"):
        visit.open(f"/reports/{name}?make=1&verdict=deny" if name == "decisions" else f"/reports/{name}?make=1")
        assert page.locator(".wide td").count(), name
        widest = page.evaluate(
            "Math.max(...[...document.querySelectorAll('td, th')].map(e => e.getBoundingClientRect().right))"
        )
        assert widest <= 720, name
        labels = (
            page.locator(".wide tbody tr")
            .first.locator("[data-label]")
            .evaluate_all("all => all.map(e => e.dataset.label)")
        )
        assert len(labels) > 8
    visit.open("/?days=90")
    assert "decisions for deployments" in page.locator("header.page").inner_text()
    page.emulate_media(media="screen")
    assert not page.locator(".paper").is_visible()


def test_a_narrow_chart_begins_with_what_is_newest(visit: Watched) -> None:
    visit.page.set_viewport_size({"width": 360, "height": 800})
    page = visit.open("/?purpose=all")
    box, last = page.locator(".scroll.chart").bounding_box(), page.locator("rect.bar").last.bounding_box()
    assert box is not None
    assert last is not None
    assert box["x"] <= last["x"] <= box["x"] + box["width"] - last["width"] + 1


def _focused(page: Page) -> str:
    """Return the words of what has the focus."""
    found: str = page.evaluate(
        """(() => { const e = document.activeElement;
        return (e.labels?.[0]?.textContent ?? e.getAttribute('aria-label') ?? e.textContent).trim(); })()"""
    )
    return found
