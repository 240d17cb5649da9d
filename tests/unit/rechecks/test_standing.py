"""The latest decision on a workload: by the order on record, and of what was collected by its runner's time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from policy_audit.records import StoredEntry

from policy_engine.rechecks.standing import Latest, Standing, Wanted

PLACE = ("drafts", "assistant")


class Entries:
    """What is on record, as a snapshot shows it."""

    def __init__(self, *documents: dict[str, Any]) -> None:
        self._entries = [Entry(index, each) for index, each in enumerate(documents)]
        self.size = len(documents)

    def entries(self, *, newest: bool, start: int) -> Iterable[StoredEntry]:
        assert not newest
        return self._entries[start:]  # type: ignore[return-value]


class Entry:
    """One entry, of which nothing but index and document is read."""

    def __init__(self, index: int, document: dict[str, Any]) -> None:
        self.index, self.document = index, document


def decided(hour: int, *, spooled: bool = False, rechecks: int | None = None, **more: str) -> dict[str, Any]:
    context = {"purpose": "deploy", **({"spooled": {"run": "7"}} if spooled else {})}
    if rechecks is not None:
        context |= {"rechecks": "0" * 64, "rechecks_entry": str(rechecks)}
    return {
        "type": "decision",
        "recorded_at": f"2026-11-29T{hour:02}:00:00.000000Z",
        "context": context,
        "blobs": {"workload": more.get("workload", "one")},
        "view": {"namespace": PLACE[0], "workload": PLACE[1], "purpose": more.get("purpose", "deploy")},
    }


def latest(*documents: dict[str, Any]) -> Standing:
    found = Latest(Wanted())
    found.read(Entries(*documents))
    return found.of(PLACE)


CASES: dict[str, tuple[list[dict[str, Any]], int, int | None]] = {
    "the newest on record": ([decided(9), decided(8)], 1, None),
    "a recheck": ([decided(9), decided(12, rechecks=0)], 1, 0),
    "a recheck of what is the latest no more": ([decided(9), decided(10), decided(12, rechecks=0)], 1, None),
    "collected late": ([decided(9), decided(8, spooled=True)], 0, None),
    "collected at once": ([decided(9), decided(10, spooled=True)], 1, None),
    "collected in another order": ([decided(9, spooled=True), decided(8, spooled=True)], 0, None),
    "of one call": ([decided(9, spooled=True), decided(9, spooled=True)], 1, None),
    "decided after what was collected": ([decided(9, spooled=True), decided(10)], 1, None),
    "spooled before the night, collected after it": (
        [decided(9), decided(12, rechecks=0), decided(10, spooled=True)], 2, None,
    ),
    "collected late, after a night": ([decided(9), decided(12, rechecks=0), decided(8, spooled=True)], 1, 0),
    "the recheck of what was collected": ([decided(9, spooled=True), decided(12, rechecks=0)], 1, 0),
    "a runner says that it re-checks the latest": ([decided(9), decided(10, spooled=True, rechecks=0)], 1, None),
    "a runner says that it re-checks another": ([decided(9), decided(10, spooled=True, rechecks=7)], 1, None),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_which_is_the_latest_and_which_had_files_at_hand(name: str) -> None:
    documents, index, first = CASES[name]
    found = latest(*documents)
    assert (found.index, found.first.index if found.first is not None else None) == (index, first)


@pytest.mark.parametrize(
    ("documents", "hidden"),
    [
        ([decided(9), decided(10, purpose="draft")], 1),
        ([decided(9, purpose="draft"), decided(10)], 0),
        ([decided(9, purpose="draft"), decided(8, spooled=True)], 1),
        ([decided(9), decided(8, spooled=True)], 0),
        ([decided(9), decided(10), decided(12, rechecks=0)], 0),
    ],
)
def test_a_deployment_is_hidden_by_another_purpose_alone(documents: list[dict[str, Any]], hidden: int) -> None:
    found = Latest(Wanted())
    found.read(Entries(*documents))
    assert found.hidden == hidden
