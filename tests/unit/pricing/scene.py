"""A refresh over the shipped catalog, without a command line: quotes by hand, one after another."""

from __future__ import annotations

import functools
from collections.abc import Collection
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from policy_engine.loading.policy import Policy, load_policy
from policy_engine.pricing.generated import file_of, read_generated
from policy_engine.pricing.quotes import Quote, SourceData
from policy_engine.pricing.refreshing import Refresh, Scene, refresh

FIRST = date(2026, 11, 20)


@functools.cache
def shipped() -> Policy:
    return load_policy(use_cache=False)


def quote(name: str, into: str, out: str, provider: str = "openai", **more: object) -> Quote:
    return Quote(provider, name, Decimal(into), Decimal(out), **more)  # type: ignore[arg-type]


def source(*quotes: Quote, day: date = date(2026, 11, 1), name: str = "genai-prices") -> SourceData:
    return SourceData(name, "9.9", day, "0" * 64, quotes)


def refreshed(
    folder: Path, data: SourceData, day: date = FIRST, hour: int = 12, wanted: Collection[str] = ()
) -> Refresh:
    """Refresh the layer at `folder` over the shipped catalog, and put the file there."""
    file = file_of(data.name)
    old = read_generated(folder / file)
    documents = (*shipped().catalog_documents, ("layer", {}))
    scene = Scene(folder, "layer", shipped(), documents, len(documents) - 1, file, old)
    done = refresh(scene, data, datetime(day.year, day.month, day.day, hour, tzinfo=UTC), wanted)
    done.scene.path.parent.mkdir(exist_ok=True)
    done.scene.path.write_bytes(done.content)
    return done
