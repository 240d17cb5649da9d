"""What a decision is asked by, beside its columns, from its document: see `policy_audit.view.TAG_KINDS`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from policy_engine.differences import Difference, differences

KINDS = ("rule", "criterion", "deployment", "model", "evidence", "regulation")


def decision_tags(
    document: Mapping[str, Any], regulations: Iterable[str] | None, *, fallbacks: bool = True
) -> dict[str, list[str]]:
    """Return rules that acted, their criteria, what was judged, and evidence that is not there.

    A rule acted where it fired or is indeterminate, and where it stands against the fallback of what is proposed: its
    row is of the proposal, in which it may not have fired. Not `fallbacks`: as tags were before they told that.
    """
    found: dict[str, set[str | None]] = {kind: set() for kind in KINDS}
    for task in document["tasks"]:
        against = _against_fallback(task) if fallbacks else frozenset()
        for row in task["rules"]:
            if row["outcome"] != "not_fired" or row["id"] in against:
                found["rule"].add(row["id"])
                found["criterion"].update(row["criteria"])
        found["deployment"].add(task["judged_option"])
        chosen = task["proposal"] or task["recommendation"] or {}
        found["model"].add(chosen.get("model"))
        open_evidence = (row for row in task["obligations"] if row["status"] != "satisfied")
        found["evidence"].update(row["evidence"] for row in open_evidence if row["enforcement"] != "advisory")
    found["regulation"].update(regulations or ())
    return {kind: [value for value in values if value] for kind, values in found.items()}


def tag_differences(
    recorded: Mapping[str, Any], document: Mapping[str, Any], regulations: Iterable[str] | None, name: str
) -> Iterator[Difference]:
    """Yield what of recorded tags does not follow from a decision's document.

    Those of a decision that was recorded before tags told of fallbacks follow without them.
    """
    from policy_audit.view import check_tags

    whole, before = (
        check_tags("decision", decision_tags(document, regulations, fallbacks=each)) for each in (True, False)
    )
    if recorded != before:
        yield from differences(recorded, whole, name)


def _against_fallback(task: Mapping[str, Any]) -> frozenset[str]:
    fallback = (task["proposal"] or {}).get("fallback")
    return frozenset(fallback["rules"]) if fallback is not None else frozenset()
