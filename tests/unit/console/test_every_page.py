"""Every page: nothing cut off at any width or size of text, in both schemes, and nothing wrong by axe-core."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.browser import WIDTHS, Watched, axe_script, cut_off, overflowing, violations
from tests.console_ledger import Seeded
from tests.unit.console.pages_open import BROWSED, path_of

pytestmark = pytest.mark.slow
#: What can differ on a narrow screen in the dark; all else was looked at before.
_DIFFERS = ("color-contrast", "target-size", "scrollable-region-focusable", "landmark-unique")


@pytest.mark.parametrize("path", BROWSED)
def test_a_page_fits_every_screen_and_axe_finds_nothing(visit: Watched, seeded: Seeded, path: str) -> None:
    page = visit.page
    page.goto(f"{visit.base}{path_of(path, seeded)}")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert not overflowing(page), width
    for width in (1440, 1280, 1024):
        page.set_viewport_size({"width": width, "height": 900})
        assert not cut_off(page), width
    page.set_viewport_size({"width": 1440, "height": 900})
    if axe_script() is not None:
        assert not violations(page)
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 360, "height": 900})
    assert not overflowing(page), "360 in the dark"
    if axe_script() is not None:
        assert not violations(page, *_DIFFERS)
    _with_large_text(page)
    if axe_script() is None:
        pytest.skip("the rest holds; axe-core cannot be installed: there is no npm, or no registry that it reaches")


def _with_large_text(page: Page) -> None:
    """Look at the page with twice the text: the text alone, and with half the room, as a browser enlarges all."""
    session = page.context.new_cdp_session(page)
    session.send("Page.setFontSizes", {"fontSizes": {"standard": 32, "fixed": 26}})
    for width in (640, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        assert not overflowing(page), f"twice the text at {width}"
