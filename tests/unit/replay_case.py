"""A decision on record, and the same with something forged by whoever has the signing key."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from policy_audit.canonical import document_bytes
from policy_audit.ledger import Draft, EntryType, Ledger, StoredEntry

from policy_engine.decide import Decider
from policy_engine.loading.evidence import check_evidence
from policy_engine.loading.policy import load_policy
from policy_engine.loading.workload_file import load_workloads
from policy_engine.model.decision import Decision
from policy_engine.recorder import body_of, view_of

EXAMPLES = Path(__file__).parents[2] / "examples"
AT = datetime(2026, 11, 22, 9, tzinfo=UTC)
Change = Callable[[Any], object]


@functools.cache
def engine() -> Decider:
    return Decider(load_policy())


@functools.cache
def decided(name: str = "support-tickets") -> Decision:
    path = EXAMPLES / f"{name}.yaml"
    loaded, *_ = load_workloads(path, None, engine().policy.vocabulary)
    return engine().decide(loaded.workload, check_evidence(loaded.workload, AT.date(), EXAMPLES), AT)


def documents(decision: Decision) -> dict[str, bytes]:
    policy = engine().policy
    return {
        "decision": decision.content,
        "workload": decision.workload_content,
        "rules": policy.document,
        "layers": policy.layers_document,
        "catalog": policy.catalog.document,
    }


def forged(decision: Decision, role: str, change: Change) -> dict[str, bytes]:
    """Return the documents with one changed, and written as this program writes it."""
    found = documents(decision)
    value = json.loads(found[role])
    replaced = change(value)
    return found | {role: document_bytes(replaced if replaced is not None else value)}


def recorded(ledger: Ledger, blobs: dict[str, bytes], decision: Decision, **entry: Any) -> StoredEntry:
    """Record whatever the documents are under an entry that says what the document `decision` says."""
    view = view_of(decision, "draft", None) | {"decision_id": sha256(blobs.get("decision", b"")).hexdigest()}
    body = body_of(decision) | {"id": view["decision_id"]}
    try:
        said = json.loads(blobs["decision"])
        view |= {"verdict": str(said["verdict"]) or "none"}
        body |= {"verdict": str(said["verdict"]) or "none", "engine": {k: str(v) for k, v in said["engine"].items()}}
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        pass
    context = {"purpose": "draft", "namespace": view["namespace"], "workload": view["workload"]}
    draft = Draft(
        EntryType.DECISION,
        body=body | entry.get("body", {}),
        context=context | entry.get("context", {}),
        blobs=blobs,
        view=view | entry.get("view", {}),
    )
    return ledger.entry(ledger.append(draft).index)
