"""Two workers on one PostgreSQL ledger: who signs at the same moment is on record once, and it is granted once."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from policy_audit.ledger import open_ledger

from tests.serving import serving
from tests.stores import Store
from tests.unit.served.waiver_world import ANN, BOB, World, layer_in, line_of


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
            found: list[Any] = [None] * 4
            calls = [(0, "ann", ANN), (1, "bob", BOB), (1, "ann", ANN), (0, "bob", BOB)]
            gate = threading.Barrier(len(calls))

            def approve(place: int, call: tuple[int, str, Any], waiver: Any = waiver) -> None:
                worker, who, person = call
                gate.wait(20)
                found[place] = workers[worker].approve(waiver, who, line_of(waiver, person))

            threads = [threading.Thread(target=approve, args=(at, call)) for at, call in enumerate(calls)]
            for each in threads:
                each.start()
            for each in threads:
                each.join(60)
            # each person once: the other time they have signed already, or it is granted
            assert sorted(answer.status_code for answer in found) == [200, 202, 409, 409], [a.text for a in found]
            with open_ledger(server_database.url, read_only=True) as ledger:
                grants = [each.document for each in ledger.list_entries(type="waiver-granted")]
            (grant,) = [each for each in grants if each["body"]["waiver"] == waiver["id"]]
            assert sorted(each["by"] for each in grant["body"]["approvals"]) == ["ann", "bob"]
        with open_ledger(server_database.url, read_only=True) as ledger:
            assert ledger.verify().ok
        for worker in workers:
            worker.close()
