"""What the tests of anchors share: ledgers of a few decisions, anchored, copied, rolled back and forked."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from policy_audit.anchors.place import parse_place
from policy_audit.anchors.rounds import Outcome, Rounds, make_anchor
from policy_audit.ledger import Ledger, open_ledger

from tests.integration.tampering import decision


class Anchored:
    """A ledger of eleven decisions, whose state can be kept and put back as a restore would."""

    def __init__(self, path: Path) -> None:
        self.path, self.url = path, f"sqlite:///{path}"
        with open_ledger(self.url) as ledger:
            self.vkey, self.origin = str(ledger.verifier_key), str(ledger.origin)

    @contextmanager
    def open(self) -> Iterator[Ledger]:
        with open_ledger(self.url) as ledger:
            yield ledger

    def anchor(self, *places: str) -> list[Outcome]:
        with self.open() as ledger:
            return Rounds(ledger, [make_anchor(parse_place(place)) for place in places]).once()

    def grow(self, *numbers: int) -> None:
        with self.open() as ledger:
            ledger.append_many([decision(number) for number in numbers])

    def checkpoint(self) -> str:
        with self.open() as ledger:
            return ledger.checkpoint()

    def backup(self, name: str = "backup.db") -> Path:
        copy = self.path.with_name(name)
        shutil.copy2(self.path, copy)
        return copy

    def restore(self, copy: Path) -> None:
        for suffix in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        shutil.copy2(copy, self.path)

    def entries(self, kind: str = "anchor") -> list[dict[str, object]]:
        with self.open() as ledger:
            return [entry.document["body"] for entry in ledger.list_entries(type=kind, newest_first=False)]


def results(outcomes: list[Outcome]) -> list[tuple[str, str | None]]:
    return [(outcome.result, outcome.code) for outcome in outcomes]


HELD = [("held", None)]
