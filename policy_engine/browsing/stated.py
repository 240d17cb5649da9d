"""How an answer of the catalog says where its figures are from, for people and for programs."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from policy_engine.catalog import Catalog
    from policy_engine.catalog.entries import Entry

API_VERSION = "policy-engine/v1"


def marks(catalog: Catalog, figure: Entry, day: date) -> str:
    """Say where `figure` stands: source, day, layer other than the shipped one, age and disputes."""
    return ", ".join(_marks(catalog, figure, day))


def _marks(catalog: Catalog, figure: Entry, day: date) -> list[str]:
    found = [figure.source, figure.as_of.isoformat()]
    found += [f"layer {figure.layer}"] if figure.rank else []
    found += ["stale"] if catalog.is_stale(figure, day) else []
    return [*found, *figure.disputes]


def figure_value(catalog: Catalog, figure: Entry, day: date) -> dict[str, Any]:
    """Return where `figure` stands, as a value for programs."""
    return {
        "figure": figure.key,
        "source": figure.source,
        "as_of": figure.as_of.isoformat(),
        "starts": figure.starts.isoformat(),
        "valid_to": _day(figure.valid_to),
        "stale": catalog.is_stale(figure, day),
        "layer": figure.layer,
        "side": figure.side,
        "disputes": list(figure.disputes),
        "criteria": list(figure.criteria),
        "note": figure.note,
    }


def document(kind: str, catalog: Catalog, day: date, **rest: Any) -> dict[str, Any]:
    """Return the document of `kind`: the digest of the entries, the day whose prices count, and the `rest`."""
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "catalog": catalog.digest,
        "day": day.isoformat(),
        **rest,
    }


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def price_text(value: float) -> str:
    """Write dollars per million tokens: as many digits as the source gives."""
    return f"{value:,.2f}" if round(value, 2) == value else f"{value:,.6g}"
