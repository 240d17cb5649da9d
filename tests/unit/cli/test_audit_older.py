"""Decisions of a ledger that had no tags yet are not missed by questions about them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from policy_audit import querying
from policy_audit.canonical import canonical_bytes, parse_canonical
from policy_audit.ledger import Draft, EntryType, open_ledger

from tests.unit.cli.ledgers import tamper

Run = Callable[..., Any]


@pytest.fixture
def older(ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same decisions, recorded as revision 0001 did: without tags, and the run in the context alone."""
    path = tmp_path / "older.db"
    with open_ledger(f"sqlite:///{ledger}") as source, open_ledger(f"sqlite:///{path}") as target:
        for index in range(4):
            entry = parse_canonical(source.entry(index).raw)
            target.append(
                Draft(
                    EntryType.DECISION,
                    body=entry["body"],
                    context={**entry["context"], "run": f"run-{index}"},
                    personal=source.personal(index),
                    blobs={role: source.blob(digest) for role, digest in entry["blobs"].items()},
                    view=entry["view"],
                )
            )
    monkeypatch.setenv("POLICY_LEDGER", f"sqlite:///{path}")
    return path


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("--rule", "data-stays-in-network"), [3, 2, 1, 0]),
        (("--rule", "data-stays-in-network", "--verdict", "deny"), [2, 0]),
        (("--rule", "nope"), []),
        (("--criterion", "DATA-01", "--namespace", "support", "--limit", "1"), [2]),
        (("--model", "gpt-4o"), [2, 0]),
        (("--run", "run-2"), [2]),
        (("--run", "run-2", "--model", "gpt-4o"), [2]),
        (("--run", "run-1", "--model", "gpt-4o"), []),
    ],
)
def test_documents_are_read_where_there_are_no_tags(
    policy: Run, older: Path, given: tuple[str, ...], expected: list[int]
) -> None:
    found = policy("audit", "list", "-o", "json", *given)
    assert [row["index"] for row in found.json["decisions"]] == expected
    assert found.json["unread"] is False
    if "--limit" not in given:
        assert policy("audit", "list", "-o", "json", "--count", *given).json["count"] == len(expected)


def test_what_was_not_read_is_told(policy: Run, older: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(querying, "MOST_UNTAGGED", 3)
    found = policy("audit", "list", "--rule", "data-stays-in-network", "-o", "json").json
    assert found["unread"] is True
    assert "were not read" in policy("audit", "list", "--rule", "nope").out
    assert any(
        "not all read" in each for each in policy("audit", "report", "missing-evidence", "-o", "json").json["remarks"]
    )


def test_documents_that_are_gone_are_told_and_not_taken_for_an_answer(policy: Run, older: Path) -> None:
    tamper(
        older, "DELETE FROM blob WHERE digest IN (SELECT 'sha256:' || decision_id FROM decision WHERE leaf_index = 0)"
    )
    found = policy("audit", "list", "--model", "gpt-4o", "-o", "json").json
    assert [row["index"] for row in found["decisions"]] == [2]
    assert found["unread"] is True


def test_a_document_that_is_no_decision_is_a_failure(policy: Run, older: Path) -> None:
    from policy_audit.entry import Blob

    forged = Blob(canonical_bytes({"tasks": [{"rules": 7}]}))
    with open_ledger(f"sqlite:///{older}") as ledger:
        view = {**parse_canonical(ledger.entry(0).raw)["view"], "decision_id": forged.digest.removeprefix("sha256:")}
        workload = ledger.blob(str(view["workload_digest"]))
        ledger.append(Draft(EntryType.DECISION, view=view, blobs={"decision": forged, "workload": workload}))
    found = policy("audit", "list", "--rule", "x")
    assert (found.status, found.out) == (6, "")
    assert "[decision-changed]" in found.err
