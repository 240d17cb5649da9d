"""Which policy is in force: put there by an entry, signed by those whom the policy before it lets put another there.

What is signed names the ledger, and the activation in force that it follows: signatures on record put nothing in force
a second time. The first activation is judged by its own approvers. Where nobody is named, whoever writes to the ledger
activates, and the entry says by whom as far as that was asserted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace
from policy_audit.entry import EntryType
from policy_audit.errors import AuditError
from policy_audit.keys import parse_verifier_key
from policy_audit.note import split_note

from policy_engine.model.approvers import ACTIVATION, NOBODY, Approvers
from policy_engine.model.recorded_approvers import approvers_on_record
from policy_engine.waivers.notes import note_text
from policy_engine.waivers.on_record import Record, Source, origin_of, records

KIND = "policy-engine/v1 policy activation"
#: The members of what is signed; an entry's body holds them, too.
STATED = ("origin", "follows", "policy", "version", "layers", "reason")
Status = Literal["active", "proposed", "refused"]


class Activation(Struct, frozen=True):
    """One entry: what it states, who signed, and why it does not count (None: it counts).

    It is `active`, `proposed` (more people have to agree) or `refused` (a signature is bad, or by nobody who may, or
    for another ledger or another time).
    """

    index: int
    leaf_hash: str
    recorded_at: datetime
    statement: Mapping[str, Any]
    status: Status
    by: tuple[str, ...]
    needed: int
    problem: str | None
    lines: tuple[str, ...] = ()

    @property
    def policy(self) -> str:
        return str(self.statement["policy"])

    @property
    def version(self) -> str:
        return str(self.statement["version"])

    @property
    def reason(self) -> str:
        return str(self.statement["reason"])

    @property
    def place(self) -> dict[str, Any]:
        """What an activation that follows this one has to name."""
        return {"index": self.index, "leaf": self.leaf_hash}

    def document(self) -> dict[str, Any]:
        layers = self.statement["layers"]
        return {
            "index": self.index,
            "recorded_at": _time(self.recorded_at),
            "status": self.status,
            "policy": self.policy,
            "version": self.version,
            "layers": layers if isinstance(layers, list) else [],
            "reason": self.reason,
            "follows": self.statement["follows"],
            "approved_by": list(self.by),
            "approvals_needed": self.needed,
            "problem": self.problem,
        }


def activations(ledger: Source) -> list[Activation]:
    """Return every activation on record, the oldest first, each judged by the policy that was in force before it.

    An entry that holds no policy puts none in force: whoever wrote it must not keep others from being activated.

    Raises:
        VerificationError: an entry or its document was changed.
    """
    found: list[Activation] = []
    approvers, follows = NOBODY, None
    origin = origin_of(ledger)
    for record in records(ledger, EntryType.POLICY_ACTIVATION):
        own = own_approvers(ledger, record)
        judge = approvers if own is None or approvers.acting(ACTIVATION) else own
        judged = _activation(ledger, record, judge, {"origin": origin, "follows": follows})
        if own is None:
            judged = replace(judged, by=(), status="refused", problem="it holds no policy that can be read")
        found.append(judged)
        if own is not None and judged.status == "active":
            approvers, follows = own, judged.place
    return found


def policy_in_force(ledger: Source, at: datetime) -> Activation | None:
    """Return the activation that was in force at `at`; None where no policy had been activated."""
    counted = [each for each in activations(ledger) if each.status == "active" and each.recorded_at <= at]
    return counted[-1] if counted else None


def approvers_of(document: Mapping[str, Any]) -> Approvers:
    """Return who may approve by a policy's recorded document.

    Raises:
        ValueError: it is not what this program writes.
    """
    given = document.get("approvers")
    return approvers_on_record(given) if isinstance(given, Mapping) else NOBODY


def _activation(ledger: Source, record: Record, judge: Approvers, place: Mapping[str, Any]) -> Activation:
    statement = {key: record.body.get(key) for key in STATED}
    by: tuple[str, ...] = ()
    problem: str | None = None
    needed = judge.activation_approvals if judge.acting(ACTIVATION) else 0
    status: Status = "active"
    try:
        if needed:
            problem = _misplaced(record.body, place)
        if needed and problem is None:
            note = ledger.blob(record.blobs["activation"]).decode() if "activation" in record.blobs else None
            by, problem = _signed(note, statement, judge, record.recorded_at.astimezone(UTC).date())
        if record.blobs.get("rules") != statement["policy"]:
            problem = "its document is not the policy that it names"
    except (AuditError, UnicodeDecodeError):
        problem = "its signatures cannot be read"
    if problem is not None:
        status = "refused"
    elif len(by) < needed:
        status, problem = "proposed", f"it has {len(by)} of {needed} approvals"
    lines = _note_lines(ledger, record)
    return Activation(record.index, record.leaf_hash, record.recorded_at, statement, status, by, needed, problem, lines)


def _misplaced(body: Mapping[str, Any], place: Mapping[str, Any]) -> str | None:
    """Say why what was signed is not for this ledger, or not for this place in it; None where it is."""
    if "origin" not in body or "follows" not in body:
        return "what was signed names neither the ledger nor the activation before it, so that it could be of any time"
    if body["origin"] != place["origin"]:
        return f"it was signed for another ledger than `{place['origin']}`"
    said, follows = body["follows"], place["follows"]
    if said == follows:
        return None
    if said is None or not isinstance(said, dict) or follows is None or said.get("index") != follows["index"]:
        return f"it was signed to follow {_place_text(said)}, and {_place_text(follows)} was in force"
    return f"it was signed to follow another entry {follows['index']} than this ledger's"


def _place_text(follows: Any) -> str:
    if follows is None:
        return "no activation"
    index = follows.get("index") if isinstance(follows, dict) else None
    return f"the entry {index}" if type(index) is int else "what is no entry"


def _signed(
    note: str | None, statement: Mapping[str, Any], judge: Approvers, day: date
) -> tuple[tuple[str, ...], str | None]:
    """Return whose signatures count, and what is wrong with the note."""
    if note is None:
        return (), "nobody has signed it"
    text, signatures = split_note(note)
    if text != note_text(KIND, statement):
        return (), "what was signed is not what the entry says"
    found: dict[str, None] = {}
    why = None
    for signature in signatures:
        for person, key in ((p, k) for p in judge.people.values() for k in p.keys):
            verifier = parse_verifier_key(key.text)
            if (verifier.name, verifier.key_id) != (signature.name, signature.key_id):
                continue
            if not verifier.is_signed(text.encode(), signature.signature):
                return (), f"the signature by the key {signature.key_id.hex()} is bad"
            why = why or key.problem(day) or person.problem(ACTIVATION, day)
            if (key.problem(day) or person.problem(ACTIVATION, day)) is None:
                found[person.id] = None
    return tuple(found), None if found else why or "no signature is by somebody who may activate"


def own_approvers(ledger: Source, record: Record) -> Approvers | None:
    """Return who may approve by the policy that an entry holds; None where it holds none that can be read."""
    digest = record.blobs.get("rules")
    content = ledger.blob(digest) if digest is not None else b""
    try:
        document = json.loads(content)
        return approvers_of(document) if isinstance(document, dict) else None
    except (LookupError, TypeError, AttributeError, ValueError, RecursionError):
        return None


def _note_lines(ledger: Source, record: Record) -> tuple[str, ...]:
    if "activation" not in record.blobs:
        return ()
    try:
        block = ledger.blob(record.blobs["activation"]).decode().rpartition("\n\n")[2]
    except (AuditError, UnicodeDecodeError):
        return ()
    return tuple(block.split("\n")[:-1])


def _time(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
