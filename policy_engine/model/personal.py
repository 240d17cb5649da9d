"""A workload without what it says of persons: the form that is digested and stored.

Owner and champion count in recorded bytes only as present, so that the same inputs give the same bytes and a replay
works after an erasure.
"""

from __future__ import annotations

from typing import Any

from policy_engine.model.workload import Workload

PRESENT = {"present": True}


def redacted_document(workload: Workload) -> dict[str, Any]:
    """Return `workload` as plain values, with `{"present": true}` for each personal value.

    Everything else is as given: nulls stay, what was left out stays out. The same file in another layout, order of
    keys or spelling of numbers (80 for 80.0 where the field is a double) gives an equal document.
    """
    document = workload.model_dump(mode="json", by_alias=True, exclude_unset=True)
    document["metadata"]["owner"] = dict(PRESENT)
    migration = document["spec"].get("migration")
    if isinstance(migration, dict) and migration.get("champion") is not None:
        migration["champion"] = dict(PRESENT)
    return document
