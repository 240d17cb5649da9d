"""Check a file of attestations with nothing but pinned keys: hostile input, and nothing in it says whom to trust.

1. signatures: a pinned key signed every envelope;     2. statements: each is one of ours, in canonical form;
3. decisions: each is what its id says;                4. summaries: each decision has its summary, and each summary
its decision; 5. receipts: a pinned log has each decision on record;     6. subjects: what was asked for is among them.

What fails in one step is left out of the later ones; whoever asks is told nothing of it but that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256

from msgspec import Struct
from policy_audit.canonical import document_bytes
from policy_audit.checkpoint import parse_checkpoint
from policy_audit.dsse import Envelope, open_envelope
from policy_audit.entry import EntryType, parse_entry
from policy_audit.errors import AuditError, VerificationError
from policy_audit.keys import parse_verifier_key
from policy_audit.merkle import leaf_hash, verify_inclusion
from policy_audit.proof import parse_proof

from policy_engine.attesting.reading import Read, read_statement
from policy_engine.attesting.statements import DECISION_TYPE, DIGEST, Subject, payload_of, summary_statement

TITLES = {
    "signatures": "a pinned key signed every envelope",
    "statements": "every payload is a statement of the gate, in canonical form",
    "decisions": "every decision is what its id says",
    "summaries": "every decision has its summary, and every summary its decision",
    "receipts": "every decision is on record in a pinned log",
    "subjects": "the subjects that were asked for are bound",
}


class Wanted(Struct, frozen=True):
    """A subject that is asked for: by its digest, and by its name where one is given."""

    sha256: str
    name: str | None = None

    def fits(self, subject: Subject) -> bool:
        return subject.sha256 == self.sha256 and self.name in (None, subject.name)

    def __str__(self) -> str:
        return f"{self.name}@{DIGEST}{self.sha256}" if self.name is not None else f"{DIGEST}{self.sha256}"


class Pinned(Struct, frozen=True):
    """What the checker brings: public keys (32 bytes each), verifier keys of logs, and the subjects asked for.

    Without a log, or where `receipts` is false, a decision needs no receipt; one that it has must fit all the same.
    """

    keys: tuple[bytes, ...]
    logs: tuple[str, ...] = ()
    receipts: bool = True
    subjects: tuple[Wanted, ...] = ()


@dataclass
class Step:
    """One step: what was checked, and what is wrong, each with the number of its line."""

    name: str
    checked: int = 0
    problems: list[tuple[int | None, str]] = field(default_factory=list)
    status: str = "passed"

    @property
    def title(self) -> str:
        return TITLES[self.name]


@dataclass
class Checked:
    """What was found: `decisions` are the statements that passed every step, with their lines."""

    steps: list[Step]
    decisions: list[tuple[int, Read]]

    @property
    def ok(self) -> bool:
        return bool(self.decisions) and all(step.status != "failed" for step in self.steps)


def check_envelopes(envelopes: Sequence[Envelope], pinned: Pinned) -> Checked:
    """Check the envelopes of a file, a line each; whatever is wrong with them is in the steps."""
    steps = [Step(name) for name in TITLES]
    signed, statements, decisions, summaries, receipts, subjects = steps
    opened: list[tuple[int, bytes]] = []
    for line, envelope in enumerate(envelopes, 1):
        with _told(signed, line):
            open_envelope(envelope, pinned.keys)
            opened.append((line, envelope.payload))
    read: list[tuple[int, Read]] = []
    for line, payload in opened:
        with _told(statements, line):
            read.append((line, read_statement(payload)))
    whole: list[tuple[int, Read]] = []
    for line, statement in read:
        if statement.kind == DECISION_TYPE:
            with _told(decisions, line):
                _check_identity(statement)
                whole.append((line, statement))
    whole = _check_summaries(summaries, read, whole)
    if not whole and not any(step.problems for step in steps):
        decisions.problems.append((None, "there is no decision"))
    whole = _check_receipts(receipts, whole, pinned)
    _check_subjects(subjects, whole, pinned.subjects)
    for step in steps:
        step.status = "failed" if step.problems else step.status if step.checked else "skipped"
    return Checked(steps, whole)


@contextmanager
def _told(step: Step, line: int) -> Iterator[None]:
    """Count what is checked, and keep what is wrong."""
    step.checked += 1
    try:
        yield
    except AuditError as error:
        step.problems.append((line, error.message))


def _check_identity(statement: Read) -> None:
    predicate = statement.predicate
    if sha256(document_bytes(statement.document)).hexdigest() != predicate["id"]:
        raise VerificationError("the decision is not the one that its id says")


def _check_summaries(
    step: Step, read: Sequence[tuple[int, Read]], decisions: Sequence[tuple[int, Read]]
) -> list[tuple[int, Read]]:
    """Return the decisions that have a summary which says the same."""
    found = Counter(payload_of(statement.value) for _, statement in read if statement.kind != DECISION_TYPE)
    agreed = []
    for line, decision in decisions:
        with _told(step, line):
            wanted = payload_of(summary_statement(decision.value))
            if not found[wanted]:
                raise VerificationError("no summary says the same as this decision")
            found[wanted] -= 1
            agreed.append((line, decision))
    for line, statement in read:
        if statement.kind != DECISION_TYPE and found[payload := payload_of(statement.value)]:
            found[payload] -= 1
            step.problems.append((line, "no decision says the same as this summary"))
    return agreed


def _check_receipts(step: Step, decisions: Sequence[tuple[int, Read]], pinned: Pinned) -> list[tuple[int, Read]]:
    """Return the decisions that are on record, or need not be."""
    if not pinned.receipts and not pinned.logs:
        step.status = "skipped"
    kept = []
    for line, decision in decisions:
        with _told(step, line):
            _check_receipt(decision, pinned)
            kept.append((line, decision))
    return kept


def _check_receipt(statement: Read, pinned: Pinned) -> None:
    predicate = statement.predicate
    text, receipt = predicate["entry"], predicate["receipt"]
    if text is None or receipt is None:
        if pinned.receipts or (text, receipt) != (None, None):
            raise VerificationError("it has no receipt, or no entry that the receipt is of")
        return
    raw, ledger = text.encode(), predicate["ledger"]
    try:
        entry = parse_entry(raw)
    except (ValueError, TypeError, RecursionError):
        raise VerificationError("its entry is not one of a ledger") from None
    if entry.type != EntryType.DECISION or entry.blobs.get("decision") != DIGEST + predicate["id"]:
        raise VerificationError("its entry records another decision, or none")
    proof = parse_proof(receipt)
    checkpoint = parse_checkpoint(proof.checkpoint)
    place = (ledger.get("origin"), ledger.get("index"), ledger.get("leaf_hash"), ledger.get("recorded_at"))
    if place != (checkpoint.origin, proof.index, leaf_hash(raw).hex(), entry.recorded_at):
        raise VerificationError("its receipt is of another place than it says")
    if proof.index >= checkpoint.size:
        raise VerificationError("its receipt is of a place beyond its checkpoint")
    verify_inclusion(proof.index, checkpoint.size, leaf_hash(raw), proof.hashes, checkpoint.root)
    keys = [key for key in pinned.logs if parse_verifier_key(key).name == checkpoint.origin]
    if not keys and pinned.logs:
        raise VerificationError(f"its receipt is of the log `{checkpoint.origin[:80]}`, which is not pinned")
    if keys or pinned.receipts:
        proof.verify(raw, keys, checkpoint.origin)


def _check_subjects(step: Step, decisions: Sequence[tuple[int, Read]], wanted: Sequence[Wanted]) -> None:
    step.status = "passed" if wanted else "skipped"
    for each in wanted:
        step.checked += 1
        if not any(each.fits(subject) for _, decision in decisions for subject in decision.subjects):
            step.problems.append((None, _unbound(each, decisions)))


def _unbound(wanted: Wanted, decisions: Sequence[tuple[int, Read]]) -> str:
    bound = sorted({s for _, decision in decisions for s in decision.subjects if s.sha256 == wanted.sha256})
    if bound:
        return f"`{wanted}` is bound under another name: `{bound[0].name}`"
    return f"no decision that passed the steps above binds `{wanted}`"
