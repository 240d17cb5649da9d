"""Appending to a ledger, against raw inserts of the same bytes, and threads that share commits against one by one."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from policy_audit.entry import Blob, Draft
from policy_audit.ledger import Ledger, open_ledger
from sqlalchemy import event

from bench.decisions import AT, EXAMPLES
from bench.timing import paired_ratio
from policy_engine.decide import Decider
from policy_engine.errors import InputError
from policy_engine.loading.evidence import check_evidence
from policy_engine.loading.policy import Policy
from policy_engine.loading.workload_file import load_workload_documents
from policy_engine.recorder import Recorder, context_from_environment

DECISIONS, BATCH, ROUNDS = 1_000, 500, 7
THREADS, APPENDS = 64, 256
AIM_BULK, AIM_THREADS = 0.6, 4.0
TABLES = ("blob", "log_entry", "decision", "personal", "tag_set", "tag", "log_checkpoint")
_fresh = count()


def report(policy: Policy, sync_ms: float) -> None:
    """Print the figures; `sync_ms` is added to every commit of the comparison of threads."""
    with TemporaryDirectory() as folder:
        drafts = _drafts(policy, Path(folder))
        own = [blob for role, blob in drafts[0].blobs.items() if role not in ("rules", "catalog")]
        size = sum(len(blob.content if isinstance(blob, Blob) else blob) for blob in own)
        print(f"  {size / 1000:,.0f} kB of documents of its own go with the first decision")
        _bulk("with their documents", Path(folder), drafts)
        _bulk("entries alone", Path(folder), [replace(draft, blobs={}) for draft in drafts])
        for delay in dict.fromkeys((0.0, sync_ms)):
            _threads(Path(folder), [replace(draft, blobs={}) for draft in drafts[:APPENDS]], delay)


def _drafts(policy: Policy, folder: Path) -> list[Draft]:
    """Return what is recorded of real decisions on the example workloads, each under a name of its own."""
    decider, context = Decider(policy), context_from_environment("draft", {})
    texts = [path.read_text(encoding="utf-8") for path in sorted(EXAMPLES.glob("*.yaml"))]
    found: list[Draft] = []
    with open_ledger("sqlite:///:memory:") as scratch:
        recorder = Recorder(scratch, policy)
        while len(found) < DECISIONS:
            text = texts[len(found) % len(texts)].replace("name: ", f"name: n{len(found)}-", 1)
            for loaded in load_workload_documents(text.encode(), "workload.yaml", policy.vocabulary):
                if isinstance(loaded, InputError):
                    raise loaded
                evidence = check_evidence(loaded.workload, AT.date(), folder)
                found.append(recorder.draft(decider.decide(loaded.workload, evidence, AT), context))
    return found


def _bulk(what: str, folder: Path, drafts: Sequence[Draft]) -> None:
    def ours() -> float:
        with open_ledger(_url(folder)) as ledger:
            anew = [_anew(draft) for draft in drafts]
            started = perf_counter()
            for start in range(0, len(anew), BATCH):
                ledger.append_many(anew[start : start + BATCH])
            return perf_counter() - started

    with open_ledger(url := _url(folder)) as ledger:
        for start in range(0, len(drafts), BATCH):
            ledger.append_many(drafts[start : start + BATCH])
    raw = _raw(Path(url.removeprefix("sqlite:///")), folder, len(drafts) // BATCH)
    own, other = _rounds((ours, raw), ROUNDS)
    print(
        f"  bulk, {what:<22} {_rate(drafts, own):9,.0f}/s   raw inserts of the same rows {_rate(drafts, other):9,.0f}/s"
        f"   {paired_ratio(other, own):5.2f} of raw, {AIM_BULK} is aimed at"
    )


def _anew(draft: Draft) -> Draft:
    # A blob remembers its digest; what is measured has to compute that of each document that is new.
    return replace(draft, blobs={role: _blob_anew(role, content) for role, content in draft.blobs.items()})


def _blob_anew(role: str, content: Blob | bytes) -> Blob | bytes:
    shared = role in ("rules", "catalog")
    return Blob(content.content) if isinstance(content, Blob) and not shared else content


def _rounds(tasks: Sequence[Callable[[], float]], rounds: int) -> list[list[float]]:
    """Run every task once a round, after one that does not count; return the seconds that they say they took."""
    seconds = [[task() for task in tasks] for _ in range(rounds + 1)][1:]
    return [list(column) for column in zip(*seconds, strict=True)]


def _rate(drafts: Sequence[Draft], seconds: Sequence[float]) -> float:
    return len(drafts) / median(seconds)


def _raw(source: Path, folder: Path, parts: int) -> Callable[[], float]:
    """Return the task that inserts all rows of `source` into the same tables and indexes, in as many commits."""
    with closing(sqlite3.connect(source)) as connection:
        query = "SELECT sql FROM sqlite_master WHERE type IN ('table', 'index') AND sql IS NOT NULL"
        schema = [str(row[0]) for row in connection.execute(query)]
        rows = {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES}  # noqa: S608

    def insert() -> float:
        with closing(sqlite3.connect(folder / f"{next(_fresh)}.db", isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            for statement in sorted(schema, key=lambda text: "INDEX" in text[:20]):
                connection.execute(statement)
            started = perf_counter()
            for part in range(parts):
                connection.execute("BEGIN IMMEDIATE")
                for table, all_rows in rows.items():
                    _insert(connection, table, all_rows[_share(all_rows, part, parts)])
                connection.execute("COMMIT")
            return perf_counter() - started

    return insert


def _share(rows: Sequence[Any], part: int, parts: int) -> slice:
    return slice(part * len(rows) // parts, (part + 1) * len(rows) // parts)


def _insert(connection: sqlite3.Connection, table: str, rows: Sequence[Any]) -> None:
    if rows:
        marks = ", ".join("?" * len(rows[0]))
        connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608


def _threads(folder: Path, drafts: Sequence[Draft], delay_ms: float) -> None:
    def one_by_one() -> float:
        with _slow_ledger(folder, delay_ms) as ledger:
            started = perf_counter()
            for draft in drafts:
                ledger.append(draft)
            return perf_counter() - started

    def at_once() -> float:
        with _slow_ledger(folder, delay_ms) as ledger, ThreadPoolExecutor(THREADS) as pool:
            started = perf_counter()
            list(pool.map(ledger.append, drafts))
            return perf_counter() - started

    threads, single = _rounds((at_once, one_by_one), 5)
    name = f"{THREADS} threads, {delay_ms:g} ms added to a sync"
    aim = f", {AIM_THREADS:g} is aimed at" if delay_ms >= 2 else ""
    print(
        f"  {name:<34}{_rate(drafts, threads):9,.0f}/s   one by one {_rate(drafts, single):9,.0f}/s   "
        f"{paired_ratio(single, threads):5.1f} times{aim}"
    )


@contextmanager
def _slow_ledger(folder: Path, delay_ms: float) -> Iterator[Ledger]:
    with open_ledger(_url(folder)) as ledger:

        def wait(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
            if statement == "COMMIT":
                time.sleep(delay_ms / 1000)

        if delay_ms:
            event.listen(ledger._database.engine, "before_cursor_execute", wait)
        yield ledger


def _url(folder: Path) -> str:
    return f"sqlite:///{folder}/{next(_fresh)}.db"


if __name__ == "__main__":
    from policy_engine.loading.policy import load_policy

    print(f"{datetime.now(UTC):%Y-%m-%d}")
    report(load_policy(), 2.0)
