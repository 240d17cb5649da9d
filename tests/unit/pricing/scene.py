"""A refresh over the shipped catalog, without a command line: quotes by hand, one after another."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from policy_engine.loading.policy import Policy, load_policy
from policy_engine.pricing.generated import FILE, parsed, read_generated
from policy_engine.pricing.layered import Scene
from policy_engine.pricing.quotes import Quote, SourceData
from policy_engine.pricing.refreshing import Refresh, refresh

FIRST = date(2026, 11, 20)


@functools.cache
def shipped() -> Policy:
    return load_policy(use_cache=False)


def quote(name: str, into: str, out: str, provider: str = "openai", **more: object) -> Quote:
    return Quote(provider, name, Decimal(into), Decimal(out), **more)  # type: ignore[arg-type]


def source(*quotes: Quote, day: date = date(2026, 11, 1), name: str = "genai-prices") -> SourceData:
    return SourceData(name, "9.9", day, "0" * 64, quotes)


def refreshed(
    folder: Path,
    data: SourceData,
    day: date = FIRST,
    hour: int = 12,
    wanted: Collection[str] = (),
    beside: Mapping[str, Any] | None = None,
    later: Sequence[tuple[str, Mapping[str, Any]]] = (),
) -> Refresh:
    """Refresh the layer at `folder` over the shipped catalog, and put the file there.

    `beside` are other files of the layer, and `later` layers that come after it.
    """
    old = read_generated(folder / FILE)
    shown = {} if old is None else {FILE: parsed(old.content)}
    below = shipped().catalog_documents
    documents = (*below, ("layer", {**shown, **(beside or {})}), *later)
    policy = replace(shipped(), catalog_documents=documents)
    scene = Scene(folder, "layer", policy, documents, len(below), old)
    done = refresh(scene, data, datetime(day.year, day.month, day.day, hour, tzinfo=UTC), wanted)
    done.scene.path.parent.mkdir(exist_ok=True)
    done.scene.path.write_bytes(done.content)
    return done
