"""Anchoring: put the ledger's checkpoint to every place, record what came of it, and again while entries arrive.

What is anchored is the first checkpoint that covers the last entry that matters. Entries of the type `anchor` do not:
else each anchoring would call for the next one, and an idle ledger would never be quiet.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import select

from policy_audit.anchors.place import Anchor, Place, Receipt, Submission
from policy_audit.checkpoint import Checkpoint, parse_checkpoint
from policy_audit.cosignature import with_cosignatures
from policy_audit.entry import Draft, EntryType
from policy_audit.epochs import Restore, lost_checkpoint, read_restore
from policy_audit.errors import AnchorAlarmError, AnchorError, LedgerError, VerificationError
from policy_audit.ledger import Ledger
from policy_audit.names import CHECKPOINT, ENTRY
from policy_audit.rotating import key_history
from policy_audit.stored_tree import StoredTree

HELD, FAILED, ALARM = "held", "failed", "alarm"
_ORDER = ("witness", "tsa", "file", "git")
"""Witnesses first, so that places which keep text keep the cosignatures too."""
_REMEMBERED = 1000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of putting one checkpoint to one place."""

    place: Place
    result: str
    size: int
    root: str
    receipt: Receipt | None = None
    code: str | None = None
    message: str | None = None
    help: str | None = None
    evidence: str | None = None

    def draft(self) -> Draft:
        """Return the entry that records it."""
        body: dict[str, Any] = {"place": self.place.where, "kind": self.place.kind, "result": self.result}
        body |= {"size": self.size, "root": self.root}
        if self.receipt is None:
            body |= {"code": self.code, "message": _plain(self.message or "")}
            held = {"held": self.evidence.encode("utf-8", "replace")} if self.evidence else {}
            return Draft(EntryType.ANCHOR, body=body, blobs=held)
        details = dict(self.receipt.details)
        return Draft(EntryType.ANCHOR, body={**body, "receipt": details}, blobs=dict(self.receipt.blobs))


@dataclass
class Rounds:
    """The anchors of one ledger, and what is known of each."""

    ledger: Ledger
    anchors: Sequence[Anchor]
    _known: dict[str, dict[str, Any]] = field(default_factory=dict)
    _last: dict[str, tuple[str, int, object]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.ledger.verifier_key is None or self.ledger.origin is None:
            raise LedgerError("anchoring is recorded, and needs the signing key", code="signing-key-missing")
        for body in reversed(self._recorded()):
            self._remember(body)

    @property
    def due(self) -> bool:
        """Whether some place is not known to hold what matters of the ledger."""
        size = parse_checkpoint(self._note()[0]).size
        last = (self._last.get(anchor.place.where) for anchor in self.anchors)
        return any(each is None or each[0] != HELD or each[1] < size for each in last)

    def once(self) -> list[Outcome]:
        """Put the checkpoint to every place, record what is new of it, and return every outcome.

        A place that fails keeps no other from being tried.

        Raises:
            LedgerError: the ledger cannot be read, or refuses the entries.
        """
        note, size = self._note()
        proof, restores = self._proof(note), self._restores()
        submission = Submission(
            note,
            size,
            self._root,
            proof,
            self._note_of,
            self._opened,
            lost=lambda held: self._lost(held, restores),
            restored=lambda size: next((each for each in reversed(restores) if each.index < size), None),
        )
        outcomes = []
        for anchor in sorted(self.anchors, key=lambda each: _ORDER.index(each.place.kind)):
            outcome = self._put(anchor, submission)
            if outcome.receipt is not None:
                cosigned = with_cosignatures(submission.note, outcome.receipt.cosignatures)
                submission = replace(submission, note=cosigned)
            outcomes.append(outcome)
        news = [outcome for outcome in outcomes if self._is_news(outcome)]
        drafts = [outcome.draft() for outcome in news]
        if drafts:
            self.ledger.append_many(drafts)
        for draft in drafts:
            self._remember(draft.body)
        return outcomes

    def _put(self, anchor: Anchor, submission: Submission) -> Outcome:
        known = self._known.get(anchor.place.where, {})
        checkpoint = submission.checkpoint
        found = (checkpoint.size, checkpoint.root.hex())
        try:
            receipt = anchor.put(replace(submission, known=known))
        except AnchorError as error:
            alarm = isinstance(error, AnchorAlarmError)
            evidence = error.evidence if isinstance(error, AnchorAlarmError) else None
            said = (error.code, error.message, error.help, evidence)
            return Outcome(anchor.place, ALARM if alarm else FAILED, *found, None, *said)
        return Outcome(anchor.place, HELD, *found, receipt=receipt)

    def _is_news(self, outcome: Outcome) -> bool:
        """Whether the record says something else of the place; a failure that lasts is recorded once."""
        last = self._last.get(outcome.place.where)
        if outcome.result == HELD:
            return last is None or last[:2] != (HELD, outcome.size)
        return last is None or (last[0], last[2]) != (outcome.result, outcome.code)

    def _remember(self, body: Mapping[str, Any]) -> None:
        where, result, size = body.get("place"), body.get("result"), body.get("size")
        if not isinstance(where, str) or not isinstance(result, str) or type(size) is not int:
            return
        self._last[where] = (result, size, body.get("code"))
        if result == HELD:
            receipt = body.get("receipt")
            self._known[where] = {**(receipt if isinstance(receipt, dict) else {}), "size": size}

    def _recorded(self) -> list[dict[str, Any]]:
        entries = self.ledger.list_entries(type=EntryType.ANCHOR, limit=_REMEMBERED)
        return [entry.document["body"] for entry in entries]

    def _note(self) -> tuple[str, int]:
        """Return the checkpoint to anchor, and how many entries the whole ledger has."""
        with self.ledger.snapshot() as connection:
            tree = StoredTree(connection)
            last = select(ENTRY.c.leaf_index).where(ENTRY.c.type != EntryType.ANCHOR.value)
            index = connection.execute(last.order_by(ENTRY.c.leaf_index.desc()).limit(1)).scalar()
            covers = CHECKPOINT.c.size > (-1 if index is None else index)
            found = select(CHECKPOINT.c.note).where(covers).order_by(CHECKPOINT.c.size).limit(1)
            note = connection.execute(found).scalar()
        if not isinstance(note, str):
            raise LedgerError("no checkpoint covers the last entry", code="ledger-tampered")
        try:
            checkpoint = self._opened(note)
        except VerificationError as error:
            raise LedgerError(
                f"the ledger's checkpoint does not verify: {error.message}",
                code="ledger-tampered",
                help="nothing was anchored; verify the ledger: `policy audit verify`",
            ) from error
        return note, max(tree.size, checkpoint.size)

    def _opened(self, note: str) -> Checkpoint:
        with self.ledger.snapshot() as connection:
            history = key_history(connection, str(self.ledger.origin), [str(self.ledger.verifier_key)])
        return history.open(note)

    def _restores(self) -> list[Restore]:
        entries = self.ledger.list_entries(type=EntryType.RESTORE, newest_first=False)
        return [read_restore(each.index, epoch, each.document["body"]) for epoch, each in enumerate(entries, start=2)]

    def _lost(self, note: str, restores: Sequence[Restore]) -> Restore | None:
        """Return the restore that names what a place holds as lost."""
        if not restores:
            return None
        origin, own = str(self.ledger.origin), str(self.ledger.verifier_key)
        with self.ledger.snapshot() as connection:
            keys = key_history(connection, origin, [own]).keys
        found = lost_checkpoint(note, origin, keys or [own], restores)
        return found[1] if found else None

    def _root(self, size: int) -> bytes:
        with self.ledger.snapshot() as connection:
            return StoredTree(connection).root(size)

    def _note_of(self, size: int) -> str | None:
        with self.ledger.snapshot() as connection:
            return StoredTree(connection).note(size)

    def _proof(self, note: str) -> Callable[[int], list[bytes]]:
        size = parse_checkpoint(note).size
        return lambda old: self.ledger.consistency(old, size)


def make_anchor(place: Place) -> Anchor:
    """Return the anchor at a place.

    Raises:
        AnchorError: what it pins cannot be read, or what it needs is not installed.
    """
    if place.kind == "file":
        from policy_audit.anchors.file import FileAnchor

        return FileAnchor(place)
    if place.kind == "git":
        from policy_audit.anchors.git import GitAnchor

        return GitAnchor(place)
    if place.kind == "tsa":
        from policy_audit.anchors.timestamp import TimestampAnchor

        return TimestampAnchor(place)
    from policy_audit.anchors.witness import WitnessAnchor

    return WitnessAnchor(place)


def _plain(text: str) -> str:
    """Return what the ledger takes of a message that may quote a server: NFC, printable, short."""
    kept = "".join(char if char.isprintable() else "?" for char in text)
    return unicodedata.normalize("NFC", kept)[:500]
