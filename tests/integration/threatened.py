"""A ledger that is attacked, on either database, and what others kept of it: checkpoints, receipts, an export."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from policy_audit import migrate
from policy_audit.appending import lock_head, start_log
from policy_audit.checkpoint import parse_checkpoint, sign_checkpoint
from policy_audit.commitment import Disclosure, opens
from policy_audit.database import connect, locate
from policy_audit.entry import parse_entry
from policy_audit.keys import generate_signer, read_key_file
from policy_audit.ledger import Draft, Ledger
from policy_audit.proof import format_proof, parse_proof

from policy_engine.cli.main import call
from tests.integration.tampering import decision, forget
from tests.stores import POSTGRESQL, SQLITE, Connection, Store

Setenv = Callable[[str, str], None]


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def person(number: int) -> str:
    return f"person-{number}@acme.example"


def asked(number: int, verdict: str = "deny", run: str = "ci-7") -> Draft:
    """A decision of a run of the caller's, with tags."""
    # no text that could come together by chance: a column that holds "owner" stands before one of hexadecimal digits
    draft = replace(decision(number), personal={"owner": person(number)})
    tags = {"rule": [f"rule-{number % 2}"], "model": ["gpt-4o"]}
    return replace(draft, view={**draft.view, "run": run, "verdict": verdict}, tags=tags)


def in_process(
    capture: pytest.CaptureFixture[bytes], folder: Path, cache: Path, patch: pytest.MonkeyPatch
) -> Callable[..., Outcome]:
    """Return what runs `policy` in this process, with nothing of the user's settings."""
    for name in [name for name in os.environ if name.startswith(("POLICY_", "OTEL_", "GITHUB_", "GITLAB_", "CI"))]:
        patch.delenv(name)
    for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        patch.setenv(name, str(folder / "home"))
    patch.setenv("POLICY_CACHE_DIR", str(cache))

    def run(*arguments: str) -> Outcome:
        capture.readouterr()
        status = call(list(arguments))
        captured = capture.readouterr()
        return Outcome(status, captured.out.decode(), captured.err.decode())

    return run


class Victim:
    """A ledger of eleven decisions: four commits of one, one of six, one of one. After each a checkpoint was kept."""

    def __init__(self, store: Store, folder: Path, policy: Callable[..., Outcome], setenv: Setenv) -> None:
        self.store, self.folder, self.policy, self._setenv = store, folder, policy, setenv
        self.at(store)
        self.checkpoints: dict[int, Path] = {}
        with store.open() as ledger:
            self.vkey, self.origin = str(ledger.verifier_key), str(ledger.origin)
            for count in (1, 1, 1, 1, 6, 1):
                first = max(self.checkpoints, default=0)
                ledger.append_many([asked(number) for number in range(first, first + count)])
                self.checkpoints[first + count] = self.keep(f"{first + count}.checkpoint", ledger.checkpoint())
            self.receipt = self.keep("10.tlog-proof", ledger.receipt(10))
            self.entry = self.keep("10.json", ledger.entry(10).raw.decode())

    def keep(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def grow(self) -> tuple[Path, Path]:
        """Record one more decision; return its checkpoint and receipt, as somebody keeps them."""
        with self.open() as ledger:
            index = ledger.append(asked(11)).index
            return self.keep("12.checkpoint", ledger.checkpoint()), self.keep("11.tlog-proof", ledger.receipt(index))

    def at(self, store: Store) -> None:
        """From now on this is where the ledger is, as a restore or a rewriting would leave it."""
        self.store = store
        self._setenv("POLICY_LEDGER", store.url)
        self._setenv("POLICY_LEDGER_KEY", str(store.key))

    def open(self) -> Ledger:
        return self.store.open()

    def export(self, name: str = "export") -> Path:
        with self.open() as ledger:
            ledger.export_log(self.folder / name)
        return self.folder / name

    def verify(self, *kept: Path | str, pin: str | None = None) -> tuple[int, dict[str, Any]]:
        """Run `policy audit verify` with the pinned key; return its status and report."""
        given = [argument for each in kept for argument in ("--kept", str(each))]
        found = self.policy("audit", "verify", "--vkey", pin or self.vkey, *given, "-o", "json")
        return found.status, found.json

    def check(self, proof: Path, entry: Path | None = None) -> Outcome:
        """Run `policy audit prove --check` with the pinned key."""
        given = ("--check", str(proof), "--entry", str(entry or self.entry))
        return self.policy("audit", "prove", *given, "--vkey", self.vkey)

    def snapshot(self) -> Store:
        """Return a copy of the ledger, as a backup of the database would hold it."""
        if self.store.path is not None:
            path = self.store.path.with_name(f"copy-{self.store.path.name}")
            shutil.copy2(self.store.path, path)
            return replace(self.store, url=f"sqlite:///{path}", path=path)
        assert self.store.server is not None
        name = self.store.server.create(self.store.database)
        return replace(self.store, url=self.store.server.url(name), database=name)

    def begun_again(self) -> Store:
        """Return an empty ledger of the same name, begun with the stolen key."""
        if self.store.path is not None:
            path = self.folder / "again.db"
            store = replace(self.store, url=f"sqlite:///{path}", path=path)
        else:
            assert self.store.server is not None
            name = self.store.server.create()
            store = replace(self.store, url=self.store.server.url(name), database=name)
        migrate.upgrade(store.url)
        database = connect(locate(store.url))
        with database.write() as connection:
            lock_head(connection)
            start_log(connection, read_key_file(store.key))
        database.close()
        return store


def failing(report: dict[str, Any]) -> list[str]:
    """Return the names of the steps that did not pass."""
    return [step["name"] for step in report["steps"] if step["status"] not in ("ok", "skipped")]


def problem(report: dict[str, Any], name: str) -> str:
    (step,) = (step for step in report["steps"] if step["name"] == name)
    text: str = step["first_problem"]
    return text


def drop_tail(connection: Connection, size: int) -> None:
    """Drop all that was recorded after the first `size` entries, with all that belongs to it."""
    for table in ("log_entry", "decision"):
        connection.execute(f"DELETE FROM {table} WHERE leaf_index >= {size}")
    forget(connection, f">= {size}")
    connection.execute(f"DELETE FROM tag WHERE tag_set >= {size}")
    connection.execute(f"DELETE FROM tag_set WHERE id >= {size}")
    connection.execute(f"DELETE FROM log_checkpoint WHERE size > {size}")
    left = {d for (raw,) in connection.execute("SELECT entry FROM log_entry") for d in parse_entry(raw).blobs.values()}
    for (digest,) in connection.execute("SELECT digest FROM blob"):
        if digest not in left:
            connection.execute("DELETE FROM blob WHERE digest = ?", (digest,))


def swallow_entries(connection: Connection) -> None:
    """Have the database take entries as if they were stored, and store none."""
    if connection.kind == SQLITE:
        connection.execute("CREATE TRIGGER swallow BEFORE INSERT ON log_entry BEGIN SELECT RAISE(IGNORE); END")
        return
    assert connection.kind == POSTGRESQL
    connection.execute("CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
    connection.execute("CREATE TRIGGER swallow BEFORE INSERT ON log_entry FOR EACH ROW EXECUTE FUNCTION swallow()")


def everything(store: Store) -> list[bytes]:
    """Return all that the database holds, value by value, and on SQLite its files as they lie on the disk."""
    found = []
    with store.connection() as connection:
        for table in ("log_entry", "decision", "blob", "personal", "subject_key", "tag", "log_checkpoint"):
            for row in connection.execute(f"SELECT * FROM {table}"):
                found += [value if isinstance(value, bytes) else str(value).encode() for value in row]
    if store.path is not None:
        found += [
            file.read_bytes() for end in ("", "-wal") if (file := store.path.with_name(store.path.name + end)).exists()
        ]
    return found


def delete(connection: Connection) -> None:
    for table in ("log_entry", "decision", "personal"):
        connection.execute(f"DELETE FROM {table} WHERE leaf_index = 6")


def move(connection: Connection, old: int, new: int) -> None:
    for table in ("log_entry", "decision", "personal"):
        connection.execute(f"UPDATE {table} SET leaf_index = {new} WHERE leaf_index = {old}")


def delete_and_close_the_gap(connection: Connection) -> None:
    delete(connection)
    for index in range(7, 11):
        move(connection, index, index - 1)


def insert(connection: Connection) -> None:
    for index in range(10, 5, -1):
        move(connection, index, index + 1)
    copied = "type, recorded_at, leaf_hash, entry FROM log_entry WHERE leaf_index = 5"
    connection.execute(f"INSERT INTO log_entry SELECT 6, {copied}")


def reorder(connection: Connection) -> None:
    for old, new in ((5, -1), (6, 5), (-1, 6)):
        move(connection, old, new)


def rolled_back(victim: Victim, old: Store, how: str) -> None:
    """Take the ledger back to eleven entries, or to the old copy of eleven, or to that and on with another entry."""
    if how == "tail":
        with victim.store.administrator() as connection:
            drop_tail(connection, 11)
        return
    victim.at(old)
    if how == "went on":
        with victim.open() as ledger:
            ledger.append(asked(99))


def forgeries(true: str, earlier: str) -> list[str]:
    """Return what is no proof of the entry that `true` is of; `earlier` is an older checkpoint of the log."""
    proof = parse_proof(true)
    head = parse_checkpoint(proof.checkpoint)
    thief = generate_signer(head.origin)
    return [
        format_proof(replace(proof, index=9)),
        format_proof(replace(proof, index=2**63 - 1)),
        format_proof(replace(proof, hashes=proof.hashes[:-1])),
        format_proof(replace(proof, hashes=(*proof.hashes, bytes(32)))),
        format_proof(replace(proof, hashes=proof.hashes[::-1])),
        format_proof(replace(proof, hashes=(bytes(32), *proof.hashes[1:]))),
        format_proof(replace(proof, checkpoint=sign_checkpoint(head, thief))),
        format_proof(replace(proof, checkpoint=proof.checkpoint.replace("\n11\n", "\n12\n"))),
        format_proof(replace(proof, checkpoint=earlier)),
        true.replace("index 10\n", "index 010\n"),
        true.replace("index 10\n", "index 10 \n"),
        true.replace("\n\n", "\n\n\n", 1),
        true.replace("@v1", "@v2"),
        true[:-1],
        "",
    ]


def guess(commitment: str, names: Sequence[str], data: bytes) -> list[str]:
    """Try every name with every 16 bytes of `data` as the salt, every 22 characters that may be one, and none."""
    raw = (data[place : place + 16] for place in range(len(data) - 15))
    salts = {base64.urlsafe_b64encode(each).decode().rstrip("=") for each in raw}
    salts |= set(re.findall(r"(?=([A-Za-z0-9_-]{22}))", data.decode("latin-1"))) | {""}
    return [name for salt in salts for name in names if opens(commitment, Disclosure(salt, "owner", name))]
