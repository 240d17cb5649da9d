"""A real Chromium for tests of the console, and axe-core in it."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

AXE = "4.14.1"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
#: What axe-core has to find nothing wrong by: WCAG up to 2.2 AA, and what its authors think good.
TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
WIDTHS, SCHEMES = (360, 768, 1440), ("light", "dark")


@functools.cache
def chromium() -> str | None:
    """Return where Chromium is; None where it is not installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@functools.cache
def axe_script() -> Path | None:
    """Return axe-core's script, installed into a folder that later runs find; None where npm cannot."""
    folder = Path(os.environ.get("POLICY_TEST_CACHE", Path(tempfile.gettempdir()) / f"policy-engine-axe-{AXE}"))
    script = folder / "node_modules" / "axe-core" / "axe.min.js"
    npm = shutil.which("npm")
    if script.is_file() or npm is None:
        return script if script.is_file() else None
    with tempfile.TemporaryDirectory(dir=folder.parent) as made:
        command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", made, f"axe-core@{AXE}"]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=120)
            os.rename(made, folder)
            os.mkdir(made)  # what the block takes away at its end
        except (OSError, subprocess.SubprocessError):
            pass  # another worker was faster, or there is no npm registry
    return script if script.is_file() else None


@contextmanager
def launched() -> Iterator[Browser]:
    """Start Chromium, with a folder of its own that is gone afterwards."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), headless=True, args=list(FLAGS))
        yield browser
        browser.close()


class Watched:
    """A page of a browser, and all that went wrong on it: messages of its console, requests to elsewhere."""

    def __init__(self, context: BrowserContext, base: str) -> None:
        self.base, self.wrong = base, list[str]()
        self.page: Page = context.new_page()
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        self.page.on("dialog", self._asked)
        self.page.on("request", self._requested)

    def _said(self, message: ConsoleMessage) -> None:
        # a status of 404 that a test asks for is no fault of the page
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.wrong.append(f"{message.type}: {message.text}")

    def _asked(self, dialog: Any) -> None:
        self.wrong.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _requested(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme != "data" and f"{parts.scheme}://{parts.netloc}" != self.base:
            self.wrong.append(f"request: {request.url}")

    def open(self, path: str, status: int = 200) -> Page:
        """Open a page of the console."""
        answer = self.page.goto(f"{self.base}{path}")
        assert answer is not None
        assert answer.status == status, f"{path}: {answer.status}"
        return self.page

    def checked(self) -> None:
        """Let the test fail where anything was wrong."""
        assert not self.wrong, self.wrong


def overflowing(page: Page) -> list[str]:
    """Return what makes the page scroll sideways; nothing where it does not."""
    found: list[str] = page.evaluate(
        """() => {
        const room = document.documentElement.clientWidth;
        if (document.documentElement.scrollWidth <= room) return [];
        return [...document.querySelectorAll('body *')]
            .filter(each => each.getBoundingClientRect().right > room + 1 && !each.closest('.scroll *, .hidden'))
            .slice(0, 5).map(each => each.outerHTML.slice(0, 160));
        }"""
    )
    return found


def cut_off(page: Page) -> list[str]:
    """Return the boxes of tables that show a part of them alone, each with how much is out of sight."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll('.scroll.stacks')]
            .filter(each => each.scrollWidth > each.clientWidth + 1)
            .map(each => `${each.getAttribute('aria-label')}: ${each.scrollWidth - each.clientWidth}`)"""
    )
    return found


def violations(page: Page, *rules: str) -> list[str]:
    """Return what axe-core has against the page by all rules of `TAGS`, or by `rules`, each with the elements."""
    if not page.evaluate("typeof axe === 'object'"):
        script = axe_script()
        assert script is not None
        page.evaluate(script.read_text("utf-8"))
    only = {"type": "rule", "values": list(rules)} if rules else {"type": "tag", "values": list(TAGS)}
    found: dict[str, Any] = page.evaluate(
        "only => axe.run(document, {runOnly: only, resultTypes: ['violations']})", only
    )
    return [
        f"{each['id']} ({each['impact']}): {each['help']}: {[node['html'][:160] for node in each['nodes'][:3]]}"
        for each in found["violations"]
    ]
