"""What a decision is asked by, beside its columns, from its document: see `policy_audit.view.TAG_KINDS`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

KINDS = ("rule", "criterion", "deployment", "model", "evidence", "regulation")


def decision_tags(document: Mapping[str, Any], regulations: Iterable[str] | None) -> dict[str, list[str]]:
    """Return rules that fired or are indeterminate, their criteria, what was judged, and evidence that is not there."""
    found: dict[str, set[str | None]] = {kind: set() for kind in KINDS}
    for task in document["tasks"]:
        for row in task["rules"]:
            if row["outcome"] != "not_fired":
                found["rule"].add(row["id"])
                found["criterion"].update(row["criteria"])
        found["deployment"].add(task["judged_option"])
        chosen = task["proposal"] or task["recommendation"] or {}
        found["model"].add(chosen.get("model"))
        open_evidence = (row for row in task["obligations"] if row["status"] != "satisfied")
        found["evidence"].update(row["evidence"] for row in open_evidence if row["enforcement"] != "advisory")
    found["regulation"].update(regulations or ())
    return {kind: [value for value in values if value] for kind, values in found.items()}
