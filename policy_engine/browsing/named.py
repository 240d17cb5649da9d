"""Names that people give, of models, devices, rules and the like: looked up, or refused with what is near."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from policy_engine.errors import Problem, UsageError, did_you_mean
from policy_engine.wording import listed

if TYPE_CHECKING:
    from policy_engine.catalog import Catalog
    from policy_engine.catalog.entries import Gpu, Model

#: As `catalog.sizing.QUANTIZATIONS`, which is not loaded for a help text.
QUANTIZATIONS = ("bf16", "fp8", "int8", "int4")
#: More than any window, batch or rack has.
MOST = 1_000_000_000
_ALIKE = 5


def known(word: str, names: Sequence[str], what: str) -> str:
    """Return `word` where it is one of `names`.

    Raises:
        UsageError: it is not, with the nearest name.
    """
    if word in names:
        return word
    hint = did_you_mean(word, names)
    if hint is None and len(names) <= 12:
        hint = f"one of {', '.join(names)}"
    raise UsageError(Problem("unknown-name", f"there is no {what} `{word}`", help=hint))


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
