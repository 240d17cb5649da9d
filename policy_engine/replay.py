"""Decide a recorded decision again, from what the ledger holds of it alone, and compare the bytes.

1. the entry is a decision and names its documents      (`ROLES`)
2. the decision's document gives its inputs: the time, the evidence as it was checked, the engine
3. rules, layers and catalog give the policy            (loading/recorded_policy, kept by their digests)
4. the workload's document gives the workload, without names of persons
5. the engine decides
6. all bytes of the document, and what the entry says of it, are compared

INVARIANT: what came out is never read but to be compared. Inputs of the document itself are taken as recorded where
nothing else in the ledger has them: the time, what was found in evidence files, and the version of the engine. The
proofs of approved and recorded evidence, and the signed notes of waivers, are verified again, and held to what the
ledger says of requests, grants, revocations and uses.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from msgspec import Struct

from policy_engine import SEMANTICS_VERSION, __version__
from policy_engine.comparing import Comparison, compare
from policy_engine.decide import Decider
from policy_engine.differences import MOST, Difference
from policy_engine.errors import PolicyError
from policy_engine.loading.evidence import Vouched, claims, evidence_as_recorded
from policy_engine.loading.recorded_policy import recorded_policy
from policy_engine.loading.recorded_workload import recorded_workload
from policy_engine.mismatch import follows, mismatches, same_outcome
from policy_engine.model.decision import Decision
from policy_engine.model.proofs import Materials, read_proofs
from policy_engine.model.task_case import EvidenceStatus
from policy_engine.model.waiver import Waiver, read_waivers
from policy_engine.model.workload import Evidence, Workload
from policy_engine.recorded import ROLES, Inputs, read_inputs
from policy_engine.vouching.again import EntryOf, Revoked, proven
from policy_engine.vouching.revoked import Revocations, revocations
from policy_engine.waivers.again import waivers_again
from policy_engine.waivers.on_record import Entries
from policy_engine.waivers.trail import Trail

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger, StoredEntry

Status = Literal["equal", "differs", "not_replayable"]
_POLICIES = 8
#: Why a document cannot be had, by the ledger's codes.
_GONE = {"blob-missing": "document-missing", "blob-changed": "document-changed", "blob-disposed": "document-disposed"}


class Replay(Struct, frozen=True):
    """What came of deciding an entry's decision again.

    `reason` and `why` say what kept it from being replayed; `more` counts differences that are not listed.
    `engine_changed`: another version of the engine made it, of the same semantics.
    """

    index: int
    decision_id: str | None
    workload: str | None
    status: Status
    reason: str | None = None
    why: str | None = None
    differences: tuple[Difference, ...] = ()
    more: int = 0
    engine: str | None = None
    engine_changed: bool = False
    same_outcome: bool | None = None


class OwnLedger(NamedTuple):
    """What a decision's own ledger held before it: entries, and revocations of evidence."""

    entry_of: EntryOf
    revoked: Revoked


class NotReplayableError(Exception):
    """A recorded decision cannot be decided again, for a `reason` that is a word, and `why`."""

    def __init__(self, reason: str, why: str) -> None:
        super().__init__(why)
        self.reason, self.why = reason, why


class Replayer:
    """Decides recorded decisions again; those under one policy share it."""

    def __init__(self, ledger: Entries) -> None:
        self._ledger = ledger
        self._known: Trail | None = None
        self._revocations: Revocations | None = None
        self._deciders: OrderedDict[tuple[str, ...], Decider | NotReplayableError] = OrderedDict()

    def reads(self, ledger: Entries) -> bool:
        """Whether it is this ledger that it reads."""
        return self._ledger is ledger

    def replay(self, entry: StoredEntry) -> Replay:
        """Replay the decision that `entry` records.

        Raises:
            LedgerError: the ledger cannot be read.
            VerificationError: the entry is malformed.
        """
        document = entry.document
        view = document.get("view", {})
        found = {"index": entry.index, "decision_id": view.get("decision_id"), "workload": _workload(view)}
        inputs: Inputs | None = None
        try:
            digests = blobs_of(entry)
            recorded = self.document("decision", digests["decision"])
            inputs = _inputs(recorded)
            found |= {"engine": inputs.version, "engine_changed": inputs.version != __version__}
            if inputs.semantics != SEMANTICS_VERSION:
                why = f"it was made under semantics {inputs.semantics:.40}, and this program has {SEMANTICS_VERSION}"
                raise NotReplayableError("other-semantics", why)
            workload = self.document("workload", digests["workload"])
            decision = self._decided(entry, self._decider(digests), workload, inputs)
        except NotReplayableError as error:
            return Replay(**found, status="not_replayable", reason=error.reason, why=error.why)
        unused = self._unused(entry, decision)
        same = decision.content == recorded and decision.workload_content == workload and not unused
        if same and follows(document, decision):
            return Replay(**found, status="equal")
        listed = chain(mismatches(document, recorded, workload, decision), unused)
        some = tuple(islice(listed, MOST))
        same = same_outcome(document, recorded, decision) and not unused
        return Replay(**found, status="differs", differences=some, more=sum(1 for _ in listed), same_outcome=same)

    def document(self, role: str, digest: str) -> bytes:
        """Return a document, checked against its digest.

        Raises:
            NotReplayableError: the ledger does not hold it, or another in its place.
        """
        from policy_audit.errors import LedgerError, VerificationError

        try:
            return self._ledger.blob(digest)
        except (LedgerError, VerificationError) as error:
            if error.code not in _GONE:
                raise
            why = {"document-missing": "is missing", "document-changed": "was changed"}
            text = f"its document `{role}` {why.get(_GONE[error.code], 'was disposed of')}"
            raise NotReplayableError(_GONE[error.code], text) from error

    def waivers(self, digests: dict[str, str]) -> tuple[Waiver, ...]:
        """Return the waivers that a decision was made with, as they were found then.

        Raises:
            NotReplayableError: the ledger does not hold them, or something else in their place.
        """
        if "waivers" not in digests:
            return ()
        try:
            return read_waivers(self.document("waivers", digests["waivers"]))
        except (ValueError, RecursionError) as error:
            raise NotReplayableError("malformed", f"its document `waivers` cannot be read: {error!s:.200}") from error

    def proofs(self, digests: dict[str, str]) -> Materials:
        """Return the proofs of the evidence that a decision was made with.

        Raises:
            NotReplayableError: the ledger does not hold them, or something else in their place.
        """
        if "proofs" not in digests:
            return {}
        try:
            return read_proofs(self.document("proofs", digests["proofs"]))
        except (ValueError, RecursionError) as error:
            raise NotReplayableError("malformed", f"its document `proofs` cannot be read: {error!s:.200}") from error

    def _decided(self, entry: StoredEntry, decider: Decider, content: bytes, inputs: Inputs) -> Decision:
        digests, recorded_at = blobs_of(entry), datetime.fromisoformat(entry.document["recorded_at"])
        waivers, proofs = self.waivers(digests), self.proofs(digests)

        def on_record(waiver: Waiver) -> str | None:
            return self._trail(entry).problem(waiver, entry.index)

        def again(workload: Workload) -> tuple[Waiver, ...]:
            place = workload.namespace, workload.metadata.name
            return waivers_again(waivers, place, decider.policy.approvers, inputs.at, recorded_at, on_record)

        own = OwnLedger(lambda index: self._before(entry, index), lambda names: self._revoked(entry, names))
        return _decided(decider, content, inputs, again, proofs, own)

    def _trail(self, entry: StoredEntry) -> Trail:
        """Return what the ledger says of waivers, read again where the entry came on record later."""
        if self._known is None or entry.index >= self._known.size:
            self._known = Trail(self._ledger)
        return self._known

    def _unused(self, entry: StoredEntry, decision: Decision) -> list[Difference]:
        if decision.waivers_content is None:
            return []
        recorded_at = datetime.fromisoformat(entry.document["recorded_at"])
        found = self._trail(entry).unused(decision.document, decision.id, entry.index, recorded_at)
        return [Difference("waiver-used", None, f"the use of {body['waiver']} in {body['task']}") for body in found]

    def _before(self, entry: StoredEntry, index: int) -> bytes | None:
        """Return the bytes of an entry that came before `entry`; None where there is none."""
        from policy_audit.errors import LedgerError

        try:
            return self._ledger.entry(index).raw if index < entry.index else None
        except LedgerError as error:
            if error.code != "entry-missing":
                raise
            return None

    def _revoked(self, entry: StoredEntry, names: frozenset[str]) -> bool:
        """Whether evidence had been revoked before `entry`; read again where that came on record later."""
        if self._revocations is None or entry.index >= self._revocations.size:
            self._revocations = revocations(self._ledger)
        return self._revocations.known(names, entry.index, datetime.fromisoformat(entry.document["recorded_at"]))

    def _decider(self, digests: dict[str, str]) -> Decider:
        key = tuple(digests[role] for role in ("rules", "layers", "catalog"))
        if key not in self._deciders:
            self._deciders[key] = self._loaded(key)
            if len(self._deciders) > _POLICIES:
                self._deciders.popitem(last=False)
        self._deciders.move_to_end(key)
        found = self._deciders[key]
        if isinstance(found, NotReplayableError):
            raise found
        return found

    def _loaded(self, key: tuple[str, ...]) -> Decider | NotReplayableError:
        roles = ("rules", "layers", "catalog")
        try:
            rules, layers, catalog = (self.document(*each) for each in zip(roles, key, strict=True))
            return Decider(recorded_policy(rules, layers, catalog))
        except PolicyError as error:
            return NotReplayableError("malformed", error.problems[0].message)
        except NotReplayableError as error:
            return error


def replay(ledger: Ledger, entry: StoredEntry) -> Replay:
    """Replay one decision of `ledger`; for several, one `Replayer` loads each policy once."""
    return Replayer(ledger).replay(entry)


class Under(Struct, frozen=True):
    """A recorded decision beside one under other rules; `files` is evidence whose files were not looked at again."""

    comparison: Comparison
    files: tuple[str, ...]


def under(decider: Decider, replayer: Replayer, entry: StoredEntry, at: datetime | None) -> Under:
    """Decide the workload of `entry` under other rules, and compare with what was recorded.

    `at` is the time of the other decision (None: the recorded one). What was found in evidence files is as recorded.

    Raises:
        NotReplayableError: a document of the decision cannot be had or read.
        PolicyError: the other rules cannot decide the workload.
    """
    recorded = replayer.document("decision", blobs_of(entry)["decision"])
    decision, files = decided_under(decider, replayer, entry, at)
    return Under(compared(recorded, decision.content), files)


def compared(one: bytes, other: bytes) -> Comparison:
    """Compare two decisions' documents.

    Raises:
        NotReplayableError: one is no decision that this program knows.
    """
    try:
        return compare(one, other)
    except PolicyError as error:
        raise NotReplayableError("malformed", error.problems[0].message) from error


def decided_under(
    decider: Decider, replayer: Replayer, entry: StoredEntry, at: datetime | None
) -> tuple[Decision, tuple[str, ...]]:
    """Decide the workload of `entry` under other rules; return that, and the evidence whose files were not looked at.

    Raises:
        NotReplayableError: a document of the decision cannot be had or read.
        PolicyError: the other rules cannot decide the workload.
    """
    digests = blobs_of(entry)
    inputs = _inputs(replayer.document("decision", digests["decision"]))
    content = replayer.document("workload", digests["workload"])
    workload = recorded_workload(content, decider.policy.vocabulary)
    moment = at or inputs.at
    proofs = replayer.proofs(digests)

    def found_then(name: str, evidence: Evidence, status: EvidenceStatus) -> Vouched | None:
        against = None if status.grade in claims(evidence) else status.short
        return Vouched(status.grade, status.proof or {}, status.ends, proofs.get(name), against)

    evidence = evidence_as_recorded(workload, moment.date(), inputs.evidence, inputs.at.date(), found_then)
    decision = decider.decide(workload, evidence, moment, replayer.waivers(digests))
    stated = (workload.spec.evidence or {}).items()
    return decision, tuple(sorted(name for name, e in stated if e is not None and (e.file is not None or claims(e))))


def blobs_of(entry: StoredEntry) -> dict[str, str]:
    """Return the digests of the documents that a decision's entry names.

    Raises:
        NotReplayableError: the entry is no decision, or lacks one.
    """
    document = entry.document
    if document["type"] != "decision":
        raise NotReplayableError("not-a-decision", f"the entry {entry.index} records no decision")
    blobs: dict[str, str] = document["blobs"]
    if lacking := [role for role in ROLES if role not in blobs]:
        raise NotReplayableError("document-not-named", f"its entry names no document `{lacking[0]}`")
    return blobs


def _inputs(recorded: bytes) -> Inputs:
    try:
        return read_inputs(recorded)
    except PolicyError as error:
        raise NotReplayableError("malformed", error.problems[0].message) from error


def _decided(
    decider: Decider,
    content: bytes,
    inputs: Inputs,
    waivers_of: Callable[[Workload], Sequence[Waiver]],
    proofs: Materials,
    own: OwnLedger,
) -> Decision:
    try:
        workload, day = recorded_workload(content, decider.policy.vocabulary), inputs.at.date()
        again = proven(workload, decider.policy, day, proofs, own.entry_of, own.revoked)
        evidence = evidence_as_recorded(workload, day, inputs.evidence, day, again, as_then=True)
        decision = decider.decide(workload, evidence, inputs.at, waivers_of(workload))
        document = {**decision.document, "engine": {"version": inputs.version, "semantics": SEMANTICS_VERSION}}
        found = dataclasses.replace(decision, document=document)
        found.content  # noqa: B018 - written here, so that what no document can hold is found here
    except PolicyError as error:
        raise NotReplayableError("undecidable", error.problems[0].message) from error
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError) as error:
        # rules that no loader would have put in force, signed by whoever could
        why = f"the recorded rules cannot be run: {type(error).__name__}"
        raise NotReplayableError("undecidable", why) from error
    return found


def _workload(view: dict[str, Any]) -> str | None:
    namespace, name = view.get("namespace"), view.get("workload")
    return f"{namespace}/{name}" if namespace is not None and name is not None else None
