"""A person is erased while other processes record decisions on them: nothing is lost, and nothing lies."""

from __future__ import annotations

import subprocess
import sys

from tests.stores import Store

WORK = """
import sys
from policy_audit.errors import LedgerError
from policy_audit.ledger import Draft, EntryType, open_ledger
url, key, what, count = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
with open_ledger(url, key_path=key) as ledger:
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(count):
        if what == "append":
            values = {"owner": "Alice@acme.example", "actor": f"actor{number % 3}"}
            print(ledger.append(Draft(EntryType.EXPORT, personal=values)).index, flush=True)
        else:
            try:
                done = ledger.erase("alice@ACME.example", reason="request")
            except LedgerError as error:
                assert error.code == "subject-missing", error
            else:
                print(*(index for index, name in done.values), flush=True)
"""


def start(store: Store, what: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WORK, store.url, str(store.key), what, str(count)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_each_value_is_erased_and_listed_or_recorded_after_under_a_new_key(store: Store) -> None:
    store.open().close()
    processes = [start(store, "append", 150), start(store, "append", 150), start(store, "erase", 40)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    outputs = [process.communicate("go\n", timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    appended = [int(word) for output in outputs[:2] for word in output.split()]
    erased = [int(word) for word in outputs[2].split()]
    assert len(appended) == len(set(appended)) == 300
    assert len(erased) == len(set(erased))
    assert set(erased) <= set(appended)
    assert erased, "the two met"
    with store.open() as ledger:
        report = ledger.verify()
        assert report.ok, report.problems
        assert {index for index, name in ledger.erased()} == set(erased)
        for index in appended:
            held = ledger.personal(index)
            assert ("owner" in held) is (index not in erased)
            assert held["actor"].startswith("actor")
            assert held.get("owner", "Alice@acme.example") == "Alice@acme.example"
        if set(appended) - set(erased):
            assert {index for index, _ in ledger.erase("alice@acme.example", reason="the rest").values} == set(
                appended
            ) - set(erased)
        assert ledger.verify().ok
