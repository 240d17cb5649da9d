"""Every page: nothing wrong by axe-core, nothing cut off at any width or size of text, in both schemes."""

from __future__ import annotations

import pytest

from tests.browser import WIDTHS, Watched, axe_script, overflowing, violations
from tests.console_ledger import Seeded
from tests.unit.console.pages_open import PATHS, path_of

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("path", PATHS)
def test_a_page_fits_every_screen_and_size_of_text(visit: Watched, seeded: Seeded, path: str) -> None:
    page = visit.page
    page.goto(f"{visit.base}{path_of(path, seeded)}")
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            assert not overflowing(page), (scheme, width)
    # 200 % of the text alone, and of all: half the room
    session = page.context.new_cdp_session(page)
    session.send("Page.setFontSizes", {"fontSizes": {"standard": 32, "fixed": 26}})
    for width in (640, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        assert not overflowing(page), f"twice the text at {width}"


@pytest.mark.parametrize("path", PATHS)
def test_axe_finds_nothing(visit: Watched, seeded: Seeded, path: str) -> None:
    """All rules on a wide screen; on a narrow one in the other scheme those that can differ there."""
    if axe_script() is None:
        pytest.skip("axe-core cannot be installed: there is no npm, or no registry that it reaches")
    page = visit.page
    page.goto(f"{visit.base}{path_of(path, seeded)}")
    assert not violations(page)
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 360, "height": 900})
    assert not violations(page, "color-contrast", "target-size", "scrollable-region-focusable", "landmark-unique")
