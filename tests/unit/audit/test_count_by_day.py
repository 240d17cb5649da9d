"""How many decisions of each verdict a day has, on either database, against the entries themselves."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from policy_audit.ledger import Draft, EntryType, open_ledger
from policy_audit.snapshot import open_snapshot

from tests.stores import Store

START = datetime(2026, 11, 20, 22, 0, tzinfo=UTC)


def test_days_verdicts_and_namespaces_are_counted(store: Store) -> None:
    moments = iter(START + timedelta(hours=5 * step) for step in range(40))
    with open_ledger(store.url, key_path=store.key, clock=lambda: next(moments)) as ledger:
        for step in range(12):
            view = {
                "decision_id": f"{step:064x}",
                "namespace": ("a", "b", "c")[step % 3],
                "workload": "w",
                "verdict": ("allow", "deny")[step % 2],
                "policy_digest": "p",
                "catalog_digest": "c",
                "decided_at": START.isoformat(),
            }
            ledger.append(Draft(EntryType.DECISION, view=view))
        entries = list(ledger.list_entries(type=EntryType.DECISION))
        since, until = (datetime.fromisoformat(entries[at].recorded_at) for at in (9, 2))
        with open_snapshot(ledger) as snapshot:
            for reach in (None, {"a", "c"}, set[str]()):
                wanted = Counter(
                    (each.recorded_at[:10], each.document["view"]["verdict"])
                    for each in entries[3:10]
                    if reach is None or each.document["view"]["namespace"] in reach
                )
                assert snapshot.count_by_day(since=since, until=until, namespaces=reach) == dict(wanted)
            assert sum(snapshot.count_by_day().values()) == 12
