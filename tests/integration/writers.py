"""Processes that append to a ledger and tell each entry that was acknowledged.

They are forks of a process that has the ledger loaded and nothing opened, so that fifteen rounds of them are no fifteen
times of loading it.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import threading
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext

from policy_audit.ledger import Group

from tests.stores import Store

_LOADED = (
    "policy_audit.ledger",
    "policy_audit.tables",
    "alembic.context",
    "sqlalchemy.dialects.sqlite",
    "sqlalchemy.dialects.postgresql.psycopg",
    "psycopg",
)


@functools.cache
def _forks() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_LOADED))
    return context


class Writer:
    """A process that appends `count` times `batch` entries, whatever happens to the server meanwhile.

    `grouped`, each entry is a group with a request of its own, which is asked again until it is answered.
    """

    def __init__(
        self, store: Store, name: str, count: int = 1_000_000, batch: int = 1, *, grouped: bool = False
    ) -> None:
        receiver, sender = _forks().Pipe(duplex=False)
        arguments = (sender, store.url, str(store.key), name, count, batch, grouped)
        self.process = _forks().Process(target=_write, args=arguments, daemon=True)
        self.process.start()
        sender.close()
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, args=(receiver,), daemon=True)
        self._reader.start()

    def _read(self, receiver: Connection) -> None:
        with receiver, os.fdopen(os.dup(receiver.fileno()), encoding="utf-8") as output:
            self.lines.extend(output)

    def wait_for_the_first(self) -> None:
        """Return when an entry was acknowledged."""
        while not acknowledged(self.lines[:2]):
            assert self.process.is_alive(), "the writer ended"
            time.sleep(0.002)

    def kill(self) -> None:
        """Kill the process at once; `told` has the rest."""
        self.process.kill()

    def told(self) -> dict[int, str]:
        """Wait until the process has ended; return the leaf hashes by index that it was told."""
        self.process.join(60)
        self._reader.join(60)
        return acknowledged(self.lines)


def acknowledged(lines: Sequence[str]) -> dict[int, str]:
    """Return what lines tell; one that the kill cut short was not told."""
    words = (line.split() for line in lines if line.endswith("\n"))
    return {int(each[0]): each[1] for each in words if each and each[0].isdecimal()}


def _write(sender: Connection, url: str, key: str, name: str, count: int, batch: int, grouped: bool) -> None:
    """Append, and tell as a program does on its standard output; a refusal ends the process with 1."""
    os.dup2(sender.fileno(), 1)
    sender.close()
    (_append_groups if grouped else _append)(url, key, name, count, batch)


def _append(url: str, key: str, name: str, count: int, batch: int) -> None:
    from policy_audit.errors import LedgerError
    from policy_audit.ledger import Draft, EntryType, open_ledger

    with open_ledger(url, key_path=key) as ledger:
        if ledger.created_verifier_key:
            print("created", flush=True)
        number = 0
        while number < count:
            body = {"by": name, "n": number}
            drafts = [
                Draft(EntryType.HOLD, body={**body, "part": part}, blobs={"same": b"same"}) for part in range(batch)
            ]
            try:
                recorded = ledger.append_many(drafts)
            except LedgerError as error:
                if error.code not in ("ledger-unreachable", "ledger-locked"):
                    raise
                print("refused", error.code, flush=True)
                time.sleep(0.02)
                continue
            print("".join(f"{one.index} {one.leaf_hash}\n" for one in recorded), end="", flush=True)
            number += 1


def _append_groups(url: str, key: str, name: str, count: int, batch: int) -> None:
    from policy_audit.errors import LedgerError
    from policy_audit.ledger import open_ledger

    with open_ledger(url, key_path=key) as ledger:
        number = 0
        while number < count:
            groups = [_group(name, number * batch + part) for part in range(batch)]
            answers = ledger.append_groups(groups)
            refusals = [each for each in answers if isinstance(each, LedgerError)]
            for refused in refusals:
                if refused.code not in ("ledger-unreachable", "ledger-locked"):
                    raise refused
                print("refused", refused.code, flush=True)
            told = [each for answer in answers if not isinstance(answer, LedgerError) for each in answer]
            print("".join(f"{one.index} {one.leaf_hash}\n" for one in told), end="", flush=True)
            if refusals:
                time.sleep(0.02)
            else:
                number += 1


def _group(name: str, number: int) -> Group:
    """Return a decision's worth of entries, under a guard, which is to be recorded once however often it is asked."""
    from hashlib import sha256

    from policy_audit.ledger import Draft, EntryType, Group, Guard, Once

    digest = sha256(f"{name} {number}".encode()).hexdigest()
    bodies = [{"by": name, "n": number, "part": part} for part in range(1 + number % 2)]
    drafts = [
        Draft(
            EntryType.HOLD,
            body=body,
            blobs={"same": b"same", "own": b"%d" % number},
            personal={"actor": f"{name}@x.example"},
            once=Once(digest, digest) if body["part"] == 0 else None,
        )
        for body in bodies
    ]
    return Group(drafts, Guard(frozenset({"waiver-granted"}), 0))
