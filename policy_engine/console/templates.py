"""Pages from templates: the one place that uses Jinja, with autoescape always on."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from policy_engine.console.cells import cell, linked
from policy_engine.console.urls import current, url
from policy_engine.wording import number, price_text, printable, usd

FOLDER = Path(__file__).parent / "html"


def render(template: str, values: Mapping[str, Any]) -> str:
    """Return the page that the template makes of the values.

    INVARIANT: every text is escaped, and shown without what moves, hides or turns text around it; a value that the
    page does not have is an error and never nothing.
    """
    return _environment().get_template(template).render(values)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= {
        "verbatim": _verbatim,
        "minute": minute,
        "day": lambda moment: moment[:10],
        "number": number,
        "usd": usd,
        "price": price_text,
        "short": short,
        "linked": linked,
        "words": words,
    }
    environment.globals |= {"url": url, "current": current, "cell": cell}
    environment.globals["ui"] = environment.get_template("macros.html").module
    return environment


def _shown(value: Any) -> Any:
    """Return what is put into a page: text with controls, bidi and zero width as escapes, nothing for None."""
    if type(value) is str:
        return printable(value)
    return "" if value is None else value


def _verbatim(text: str) -> Any:
    """Return text that goes back as it came, for a form's field: escaped, and otherwise untouched."""
    # a page takes no U+0000
    return _environment().filters["forceescape"](text.replace("\x00", "\N{REPLACEMENT CHARACTER}"))


def minute(moment: str) -> str:
    """Return a time of the ledger to the minute."""
    return moment[:16].replace("T", " ")


def short(digest: str, digits: int = 12) -> str:
    """Return the first digits of a digest or id."""
    return digest.removeprefix("sha256:")[:digits]


def words(name: str) -> str:
    """Return a name of the engine (`allow_with_conditions`) as words."""
    return name.replace("_", " ")
