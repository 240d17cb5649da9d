"""What the commands under `policy catalog` share: names that are looked up, and how a figure says where it is from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from policy_engine.errors import Problem, UsageError, did_you_mean
from policy_engine.wording import listed

if TYPE_CHECKING:
    from policy_engine.catalog import Catalog
    from policy_engine.catalog.entries import Entry, Gpu, Model

API_VERSION = "policy-engine/v1"
#: As `catalog.sizing.QUANTIZATIONS`, which is not loaded for a help text.
QUANTIZATIONS = ("bf16", "fp8", "int8", "int4")
#: More than any window, batch or rack has.
MOST = 1_000_000_000
_ALIKE = 5


def named_model(catalog: Catalog, name: str) -> Model:
    """Return the model of that name or alias.

    Raises:
        UsageError: the catalog has none, with the nearest name and how a layer adds one.
    """
    found = catalog.model(name)
    if found is None:
        names = [*catalog.models, *(alias for model in catalog.models.values() for alias in model.aliases)]
        near = did_you_mean(name, names)
        hint = f"{near} else a layer adds one" if near else "a layer adds one"
        message = f"the catalog has no model `{name}`"
        raise UsageError(Problem("unknown-name", message, help=f"{hint}, in catalog/models.yaml"))
    return found


def named_gpu(catalog: Catalog, name: str, otherwise: str = "a layer adds one, in catalog/gpus.yaml") -> Gpu:
    """Return the device of exactly that name or alias.

    Raises:
        UsageError: the catalog has none, with those that may be meant, or what to do `otherwise`.
    """
    found = catalog.gpu(name)
    if found is None:
        hint = _alike(name, [*catalog.gpus, *(alias for gpu in catalog.gpus.values() for alias in gpu.aliases)])
        message = f"the catalog has no GPU of exactly the name `{name}`"
        raise UsageError(Problem("unknown-name", message, help=hint or otherwise))
    return found


def _alike(name: str, names: Sequence[str]) -> str | None:
    """Name what may be meant, and is never taken for it: names with these very words in them, else the nearest."""
    word = re.compile(rf"(?<!\w){re.escape(name.strip())}(?!\w)", re.IGNORECASE)
    parts = [each for each in names if name.strip() and word.search(each)]
    if parts:
        return f"did you mean {listed([f'`{each}`' for each in parts[:_ALIKE]], 'or')}?"
    return did_you_mean(name, names)


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
