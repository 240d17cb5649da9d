"""Why a question found nothing: a name that no decision on record has, and which is near."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from policy_engine.errors import did_you_mean

if TYPE_CHECKING:
    from policy_audit.records import DecisionQuery
    from policy_audit.snapshot import Snapshot

_MOST_NAMES = 10_000
#: What tags of decisions that were recorded before they told of fallbacks lack.
_FALLBACK = ", or is known to stand against a fallback (of older decisions that is not found)"


def _unknown_name(snapshot: Snapshot, query: DecisionQuery) -> str | None:
    """Say which workload, namespace, run or owner of the query no decision on record has, and which is near."""
    if query.namespace is not None or query.workload is not None:
        known = {(row.namespace, row.workload) for row in snapshot.latest()}
        fitting = [each for each in known if query.namespace in (None, each[0]) and query.workload in (None, each[1])]
        if not fitting:
            return _unknown_workload(query.namespace, query.workload, known)
    # of decisions of an older version the run stands in the entry alone
    if query.run is not None and not snapshot.has_untagged() and query.run not in (runs := snapshot.runs()):
        return _with_near(f"no recorded decision is of the run `{query.run}`", query.run, runs)
    if query.owner is not None and not _of_owner(snapshot, query.owner):
        return "no recorded decision holds this owner: an owner is the whole value as recorded, and none once erased"
    return None


def _of_owner(snapshot: Snapshot, owner: str) -> bool:
    from policy_audit.records import DecisionQuery

    return bool(snapshot.select(DecisionQuery(owner=owner)).page(1).decisions)


def _unknown_workload(namespace: str | None, workload: str | None, known: set[tuple[str, str]]) -> str:
    if workload is None:
        return _with_near(
            f"no recorded decision is in the namespace `{namespace}`", str(namespace), {n for n, _ in known}
        )
    if namespace is None:
        return _with_near(f"no recorded decision is on a workload `{workload}`", workload, {w for _, w in known})
    name = f"{namespace}/{workload}"
    return _with_near(f"no recorded decision is on the workload `{name}`", name, {"/".join(each) for each in known})


def _with_near(text: str, name: str, known: Collection[str]) -> str:
    near = did_you_mean(name, sorted(known))
    return f"{text}; {near}" if near else text


def why_nothing(snapshot: Snapshot, query: DecisionQuery) -> str | None:
    """Say which name of the query no decision on record has, where one is the reason that nothing was found."""
    digest = query.policy_digest
    if digest is not None and not snapshot.policy_digests(digest, limit=1):
        return f"no recorded decision was made under the policy `{digest}`"
    unknown = _unknown_name(snapshot, query)
    if unknown is not None:
        return unknown
    if snapshot.has_untagged():
        return None  # what those name is not known without their documents
    texts = {
        "rule": "in no recorded decision a rule `{}` fired or is indeterminate" + _FALLBACK,
        "criterion": "in no recorded decision a rule that cites the criterion `{}` fired or is indeterminate"
        + _FALLBACK,
        "evidence": "in no recorded decision the evidence `{}` was missing",
    }
    for kind, value in query.tags:
        known = snapshot.tag_values(kind, _MOST_NAMES)
        if value is not None and value not in known:
            near = did_you_mean(value, known)
            text = texts.get(kind, f"no recorded decision has the {kind} `{{}}`").format(value)
            return f"{text}; {near}" if near else text
    return None
