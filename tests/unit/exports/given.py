"""Ledgers for exports: decisions with their documents, under a key and a clock that are always the same."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest import mock

from policy_audit import opening
from policy_audit.entry import Blob
from policy_audit.keys import Ed25519Signer
from policy_audit.ledger import Draft, EntryType, Ledger, open_ledger
from policy_audit.records import DecisionQuery

from policy_engine.exports.exporting import Order, Selection, export_decisions
from policy_engine.exports.table import Period, Query
from policy_engine.exports.writing import Exported

SIGNER = Ed25519Signer("policy-ledger.local/0a1b2c3d", bytes(range(32)))
START = datetime(2026, 1, 31, 12, tzinfo=UTC)
NOW = "2026-02-01T00:00:00Z"
RULES: dict[str, Any] = {
    "stays": {
        "id": "stays",
        "title": "Data that may not leave stays",
        "criteria": ["DATA-01"],
        "controls": ["iso42001:A.6.2.8", "nist ai rmf/MAP 1.1"],
        "forbid": ["open_api"],
        "enforcement": "mandatory",
        "when": "!data.may_leave_network",
    },
    "agreement": {
        "id": "agreement",
        "title": "Third parties need an agreement",
        "criteria": ["DATA-03"],
        "require": {"dpa": ["open_api"]},
        "enforcement": "mandatory",
        "when": "true",
    },
    "own": {"id": "own", "title": "One of our own", "forbid": ["edge"], "when": "x"},
    "liking": {"id": "liking", "title": "A liking", "criteria": ["COST-01"], "prefer": {"edge": "weak"}, "when": "y"},
}
CRITERIA = {"DATA-01": "Data stays", "DATA-03": "Agreements", "COST-01": "Costs"}
HOSTILE = (
    "=1+1",
    "+49 30",
    "-2",
    "@SUM(A1)",
    "\tx",
    "\rx",
    "'quoted",
    'say "hi", you',
    "two\nlines",
    "a;=1+1",
    "<script>alert(1)</script>&amp;",
    "\u202eevil",
    "zero\u200bwidth",
    "😀 astral",
    "＝full",
    "back\\slash; semi",
    "*bold* [link](x)",
)
NUL = "nul\x00byte"
"""No query column takes it, and every other text does."""


def policy_document(rules: Mapping[str, Any] | None = None, version: str = "1") -> bytes:
    return json.dumps({"rules": rules or RULES, "criteria": CRITERIA, "version": version}).encode()


def task(
    *,
    judged: str | None = "open_api",
    forbidden: Sequence[str] = (),
    outstanding: Sequence[str] = (),
    outcomes: Mapping[str, str] | None = None,
    proposal: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A task of a decision: what the rules say of the judged option."""
    found = outcomes or dict.fromkeys((*forbidden, *outstanding), "fired")
    status = "forbidden" if forbidden else "permitted"
    return {
        "judged_option": judged,
        "options": [{"deployment": judged or "open_api", "status": status, "rules": list(forbidden)}],
        "proposal": dict(proposal) if proposal is not None else None,
        "obligations": [{"status": "outstanding", "rules": [rule]} for rule in outstanding],
        "rules": [{"id": rule, "outcome": outcome} for rule, outcome in found.items()],
    }


def decision(
    number: int,
    *tasks: dict[str, Any],
    workload: str = "chat",
    namespace: str = "support",
    verdict: str = "deny",
    policy: bytes | None = None,
    **more: Any,
) -> Draft:
    rules = Blob(policy or policy_document())
    document = Blob(json.dumps({"n": number, "tasks": list(tasks) or [task()]}).encode())
    return Draft(
        EntryType.DECISION,
        body={"engine": {"version": "0.1.0", "semantics": "1"}},
        context={"actor_known_by": "ci", "commit": more.pop("commit", "c0ffee")},
        personal=more.pop("personal", {}),
        blobs={"decision": document, "rules": rules},
        view={
            "decision_id": sha256(document.content).hexdigest(),
            "namespace": namespace,
            "workload": workload,
            "verdict": verdict,
            "policy_digest": rules.digest,
            "catalog_digest": "sha256:" + "c" * 64,
            "decided_at": "2026-01-31T11:00:00Z",
            "valid_until": "2027-01-31T00:00:00Z" if number % 2 else None,
            "purpose": "deploy",
            "stage": "production",
            "run": f"run-{number}",
        },
        tags=more.pop("tags", {"rule": ["stays", "agreement"], "criterion": ["DATA-01"], "model": ["m-1"]}),
    )


@contextmanager
def ledger(path: Path, *drafts: Draft) -> Iterator[Ledger]:
    """Open a ledger at `path` with one entry a minute; made where it is not there."""
    times = (START + timedelta(minutes=minute) for minute in range(10**6))
    with (
        mock.patch.object(opening, "generate_signer", return_value=SIGNER),
        open_ledger(f"sqlite:///{path}", clock=lambda: next(times)) as opened,
    ):
        for draft in drafts:
            opened.append(draft)
        yield opened


def everything(**query: Any) -> Selection:
    asked = DecisionQuery(**query)
    words = Query("all decisions", "policy audit export FOLDER --format csv")
    return Selection(asked, words, {key: value for key, value in query.items() if value}, Period())


def put(opened: Ledger, name: str = "csv") -> Any:
    """Return what puts an export on record."""
    return lambda body: opened.append(Draft(EntryType.EXPORT, body={"format": name, **body}))


def export(opened: Ledger, target: Path, name: str = "csv", **more: Any) -> Exported:
    recorded = more.pop("recorded", True)
    order = Order(name, more.pop("selection", everything()), NOW, "policy-engine 0.1.0", **more)
    return export_decisions(opened, target, order, put(opened, name) if recorded else None)
