"""Two workers on one PostgreSQL ledger: who signs at the same moment is on record once, and it is granted once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import httpx
from policy_audit.ledger import open_ledger

from tests.serving import serving
from tests.stores import Store
from tests.unit.served.waiver_world import ANN, BOB, World, layer_in, line_of


def _at_once(calls: Sequence[Callable[[], httpx.Response]]) -> list[httpx.Response]:
    """Make the calls in threads that begin together."""
    gate, found = threading.Barrier(len(calls)), []

    def run(call: Callable[[], httpx.Response]) -> None:
        gate.wait(20)
        found.append(call())

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    return found


def test_people_who_approve_at_once_grant_it_once(server_database: Store, tmp_path: Path) -> None:
    server_database.open().close()
    layer, given = layer_in(tmp_path, 2), {"key": server_database.key}
    with (
        serving(server_database.url, layers=(layer,), **given) as first,
        serving(server_database.url, layers=(layer,), **given) as second,
    ):
        workers = [World(first, server_database.key), World(second, server_database.key)]
        for _ in range(3):
            name = workers[0].fresh().name
            workers[1].name = name
            waiver = workers[0].asked()
            found = _at_once(
                [
                    partial(workers[at].approve, waiver, person.name, line_of(waiver, person))
                    for at, person in ((0, ANN), (1, BOB), (1, ANN), (0, BOB))
                ]
            )
            # each person once: the other time they have signed already, or it is granted
            assert sorted(answer.status_code for answer in found) == [200, 202, 409, 409], [a.text for a in found]
            with open_ledger(server_database.url, read_only=True) as ledger:
                grants = [each.document for each in ledger.list_entries(type="waiver-granted")]
            (grant,) = [each for each in grants if each["body"]["waiver"] == waiver["id"]]
            assert sorted(each["by"] for each in grant["body"]["approvals"]) == ["ann", "bob"]
        with server_database.open() as ledger:
            assert ledger.verify().ok
        for worker in workers:
            worker.close()
