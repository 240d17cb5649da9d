"""A console over a seeded ledger, and a Chromium that looks at it; one of each for a worker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, StorageState

from tests.browser import Watched, chromium, launched
from tests.console_ledger import Seeded, seed
from tests.serving import Server, make_token, serving


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Seeded:
    """A ledger with every verdict, waivers in every state, and hostile texts."""
    return seed(tmp_path_factory.mktemp("console"))


@pytest.fixture(scope="session")
def server(seeded: Seeded) -> Iterator[Server]:
    """The console over that ledger."""
    make_token(seeded.url, subject="first@acme.example")  # from now on everybody has to log in
    with serving(seeded.url, layers=(seeded.layer,)) as running:
        yield running


@pytest.fixture(scope="session")
def officer(server: Server) -> str:
    """A token with every role."""
    return server.token(subject="olivia.officer@acme.example")


@pytest.fixture(scope="session")
def client(server: Server, officer: str) -> Iterator[httpx.Client]:
    """The officer's session without a browser."""
    with server.client() as opened:
        answer = opened.post("/login", data={"token": officer}, headers={"Sec-Fetch-Site": "same-origin"})
        assert answer.status_code == 303, answer.text
        yield opened


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium; without one the tests that need it are skipped."""
    if chromium() is None:
        pytest.skip("Chromium is not installed (Debian's package `chromium`)")
    with launched() as running:
        yield running


@pytest.fixture(scope="session")
def session(browser: Browser, server: Server, officer: str) -> StorageState:
    """The cookies of an officer who has logged in as a person does."""
    context = new_context(browser)
    watched = Watched(context, server.url)
    log_in(watched, officer)
    watched.checked()
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def visit(browser: Browser, server: Server, session: StorageState) -> Iterator[Watched]:
    """A page of the officer's, who is logged in; the test fails where anything went wrong on it."""
    context = new_context(browser, storage_state=session)
    watched = Watched(context, server.url)
    yield watched
    context.close()
    watched.checked()


def new_context(browser: Browser, **more: Any) -> BrowserContext:
    """Return a profile of its own; what moves is still, so that colours are what they come to."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce", **more)
    context.set_default_timeout(20_000)
    return context


def log_in(watched: Watched, token: str, first: str = "/") -> None:
    """Log in as a person does, which leads to their first page."""
    page = watched.open("/login")
    page.get_by_label("Access token").fill(token)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{watched.base}{first}")
