"""`policy recheck` on either database, in processes of its own."""

from __future__ import annotations

import json
from typing import Any

from tests.integration.place import CHAMPION, OWNER, Place
from tests.unit.cli.given import EXAMPLES

THEN, NOW = ("--at", "2026-01-15T00:00:00Z"), ("--at", "2026-11-22T09:00:00Z")


def recheck(place: Place, *more: str, status: int = 0) -> dict[str, Any]:
    done = place.run("recheck", *NOW, *more, "-o", "json")
    assert done.returncode == status, done.stderr
    value: dict[str, Any] = json.loads(done.stdout)
    return value


def test_a_fleet_is_rechecked_and_verifies(either: Place) -> None:
    files = [str(either.workload), *map(str, sorted(EXAMPLES.glob("*.yaml")))]
    assert either.run("evaluate", *files, *THEN, "-q", "--purpose", "deploy").returncode == 0
    listed = recheck(either, "--list")
    due = {row["workload"] for row in listed["decisions"]}
    assert 0 < listed["due"] == len(due) < len(files)
    shown = recheck(either)
    assert {row["workload"] for row in shown["decisions"]} == due
    assert (shown["rechecked"], shown["not_due"]) == (len(due), len(files) - len(due))
    assert (recheck(either)["rechecked"], recheck(either, "--all")["rechecked"]) == (0, len(files))

    with either.store.open(read_only=True) as ledger:
        decisions = [e for e in ledger.list_entries(newest_first=False) if e.document["type"] == "decision"]
        first, last = (
            [e for e in decisions if e.document["view"]["workload"] == "triage"][number] for number in (0, -1)
        )
        named = {"owner": OWNER, "champion": CHAMPION}
        assert named.items() <= ledger.personal(first.index).items()
        assert named.items() <= ledger.personal(last.index).items()
    assert last.document["context"]["rechecks"] == first.document["view"]["decision_id"]
    assert last.document["view"]["purpose"] == "deploy"
    assert last.document["blobs"]["workload"] == first.document["blobs"]["workload"]
    assert either.verified("--recompute") == len(decisions) == 2 * len(files) + len(due)
