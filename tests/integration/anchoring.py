"""What the tests of anchors share: ledgers of a few decisions, anchored, copied, rolled back and forked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from policy_audit.anchors.place import parse_place
from policy_audit.anchors.rounds import Outcome, Rounds, make_anchor
from policy_audit.ledger import Ledger

from tests.integration.tampering import decision
from tests.stores import Store


class Anchored:
    """A ledger of eleven decisions, whose state can be kept and put back as a restore would."""

    def __init__(self, store: Store, until: ExitStack) -> None:
        self.store, self._until = store, until
        with store.open() as ledger:
            self.vkey, self.origin = str(ledger.verifier_key), str(ledger.origin)

    @contextmanager
    def open(self) -> Iterator[Ledger]:
        with self.store.open() as ledger:
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

    def backup(self) -> Callable[[], None]:
        """Keep the database as it is; what is returned puts it back."""
        return self._until.enter_context(self.store.backup())

    def entries(self, kind: str = "anchor") -> list[dict[str, object]]:
        with self.open() as ledger:
            return [entry.document["body"] for entry in ledger.list_entries(type=kind, newest_first=False)]


def results(outcomes: list[Outcome]) -> list[tuple[str, str | None]]:
    return [(outcome.result, outcome.code) for outcome in outcomes]


HELD = [("held", None)]
