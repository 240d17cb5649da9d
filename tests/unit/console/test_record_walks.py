"""An approver and an auditor in a real browser, without JavaScript: what they take along is checked by commands."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from playwright.sync_api import Browser
from policy_audit.keys import write_key_file

from policy_engine.cli.main import command
from tests.browser import Watched
from tests.serving import Server
from tests.unit.console.conftest import log_in, new_context
from tests.unit.console.test_policy_pages import Visitor, asked
from tests.unit.waivers.making import BOB

pytestmark = pytest.mark.slow


def test_an_approver_signs_elsewhere_and_pastes_the_signature(browser: Browser, server: Server, tmp_path: Path) -> None:
    waiver = asked(server, Visitor(server, "rita@acme.example"), "walked-away")
    context = new_context(browser, java_script_enabled=False, accept_downloads=True)
    watched = Watched(context, server.url)
    log_in(watched, server.token("approve", subject=BOB.identity), "/rules")
    page = watched.page
    page.get_by_role("navigation", name="Pages of the console").get_by_role("link", name="Waivers").click()
    page.get_by_role("link", name="Requested").click()
    page.locator(f"a[href='/waivers/{waiver}']").click()
    with page.expect_download() as found:
        page.get_by_role("link", name="Request to sign").click()
    file, key = tmp_path / found.value.suggested_filename, tmp_path / "bob.key"
    found.value.save_as(file)
    write_key_file(key, BOB.signer)
    assert f"policy waiver sign {file.name} --key KEYFILE" in page.get_by_role("main").inner_text()
    signed = CliRunner().invoke(command, ["waiver", "sign", str(file), "--key", str(key)])
    assert signed.exit_code == 0, signed.output
    page.get_by_label("Your signature").fill(signed.stdout)
    page.get_by_role("button", name="Approve the waiver").click()
    assert "active" in page.locator("header.page").inner_text()
    assert BOB.identity in page.get_by_role("main").inner_text()
    context.close()
    watched.checked()


def test_an_auditor_verifies_the_ledger_against_what_they_kept(
    browser: Browser, server: Server, tmp_path: Path
) -> None:
    context = new_context(browser, java_script_enabled=False, accept_downloads=True)
    watched = Watched(context, server.url)
    log_in(watched, server.token("read", subject="audrey@acme.example"))
    page = watched.open("/ledger")
    with page.expect_download() as found:
        page.get_by_role("link", name="Checkpoint", exact=True).click()
    found.value.save_as(tmp_path / "kept")
    page.get_by_label("Verifier key that you pinned").fill(page.locator("dt:text-is('In use') + dd").inner_text())
    page.get_by_label("Checkpoint or receipt that you kept").fill((tmp_path / "kept").read_text("utf-8"))
    page.get_by_role("button", name="Verify the ledger").click()
    for _ in range(20):
        if not page.get_by_role("link", name="Look again").count():
            break
        page.get_by_role("link", name="Look again").click()
    assert "verified" in page.locator("header.page").inner_text()
    assert "every step passed" in page.locator("header.page").inner_text()
    assert page.get_by_role("table").get_by_role("row").count() == 9
    context.close()
    watched.checked()
