"""Which policy is in force: put there by an entry, signed by those whom the policy before it lets put another there.

The first activation is judged by its own approvers. Where nobody is named, whoever writes to the ledger activates, and
the entry says by whom as far as that was asserted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from policy_audit.entry import Blob, Draft, EntryType
from policy_audit.errors import AuditError
from policy_audit.keys import Signer, parse_verifier_key
from policy_audit.note import split_note

from policy_engine.errors import InputError, Problem
from policy_engine.loading.policy import Policy
from policy_engine.model.approvers import ACTIVATION, NOBODY, Approver, ApproverKey, Approvers
from policy_engine.waivers.notes import note_text, signature_line
from policy_engine.waivers.on_record import Record, Source, records

KIND = "policy-engine/v1 policy activation"


class Activation(Struct, frozen=True):
    """One entry: what it puts in force, who signed, and why it does not count (None: it counts)."""

    index: int
    recorded_at: datetime
    policy: str
    version: str
    layers: tuple[dict[str, str], ...]
    reason: str
    by: tuple[str, ...]
    needed: int
    problem: str | None
    lines: tuple[str, ...] = ()

    @property
    def status(self) -> str:
        """`active`, `proposed` (more people have to agree) or `refused` (a signature is bad, or by nobody who may)."""
        if self.problem is None:
            return "active"
        return "proposed" if self.by and self.problem.startswith("it has") else "refused"

    def document(self) -> dict[str, Any]:
        return {
            "index": self.index,
            "recorded_at": _time(self.recorded_at),
            "status": self.status,
            "policy": self.policy,
            "version": self.version,
            "layers": list(self.layers),
            "reason": self.reason,
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
    current = NOBODY
    for record in records(ledger, EntryType.POLICY_ACTIVATION):
        own = _own_approvers(ledger, record)
        judge = current if own is None or current.acting(ACTIVATION) else own
        judged = _activation(ledger, record, judge)
        if own is None:
            judged = replace(judged, by=(), problem="it holds no policy that can be read")
        found.append(judged)
        if own is not None and judged.problem is None:
            current = own
    return found


def policy_in_force(ledger: Source, at: datetime) -> Activation | None:
    """Return the activation that was in force at `at`; None where no policy had been activated."""
    counted = [each for each in activations(ledger) if each.problem is None and each.recorded_at <= at]
    return counted[-1] if counted else None


def propose(
    policy: Policy, before: Sequence[Activation], judge: Approvers, signer: Signer | None, reason: str, day: date
) -> tuple[dict[str, Any], str | None, tuple[Approver, ...], bool]:
    """Return the statement to record, its note, who signed it, and whether it is in force by that.

    A signature is added to a proposal of the same policy that waits for one.

    Raises:
        InputError: the key is nobody's who may activate, has signed already, or is needed and not there.
    """
    if not judge.acting(ACTIVATION):
        return statement_of(policy, reason), None, (), True
    if signer is None:
        hint = "--key FILE: the key of somebody with the role policy-activator in approvers.yaml"
        raise _refused("no-key", "the policy in force asks for a signature", hint)
    person = _holder(judge, signer, day)
    waiting = before[-1] if before and before[-1].status == "proposed" else None
    if waiting is not None and waiting.policy == policy.digest:
        if person.id in waiting.by:
            raise _refused("approved-already", f"`{person.id}` has signed it already", "another person has to")
        statement, lines = _statement(waiting), [*waiting.lines, ""]
        people = (*(judge.people[name] for name in waiting.by), person)
    else:
        statement, lines, people = statement_of(policy, reason), [""], (person,)
    lines[-1] = signature_line(KIND, statement, signer)
    note = note_text(KIND, statement) + "\n" + "".join(f"{line}\n" for line in lines)
    return statement, note, people, len(people) >= judge.activation_approvals


def judge_of(before: Sequence[Activation], ledger: Source, policy: Policy) -> Approvers:
    """Return who may activate now: those of the policy in force, else those of the policy itself."""
    counted = [each for each in before if each.problem is None]
    if counted:
        index = counted[-1].index
        record = next(r for r in records(ledger, EntryType.POLICY_ACTIVATION) if r.index == index)
        current = _own_approvers(ledger, record)
        if current is not None and current.acting(ACTIVATION):
            return current
    return policy.approvers


def statement_of(policy: Policy, reason: str) -> dict[str, Any]:
    """Return what is signed."""
    rules = policy.rules
    layers = [{"name": layer.name, "digest": layer.digest} for layer in rules.layers]
    return {"policy": policy.digest, "version": rules.version, "layers": layers, "reason": reason}


def activation_draft(
    policy: Policy,
    statement: Mapping[str, Any],
    note: str | None,
    people: Sequence[Approver],
    active: bool,
    personal: Mapping[str, str],
    context: Mapping[str, str],
) -> Draft:
    """Return the entry; the policy's whole document goes with it."""
    by = [person.id for person in people]
    blobs = {"rules": Blob(policy.document), "catalog": Blob(policy.catalog.document)}
    if note is not None:
        blobs["activation"] = Blob(note.encode())
    status = "active" if active else "proposed"
    told = {"policy": policy.digest, "status": status, "approved_by": ", ".join(by) or "nobody"}
    return Draft(
        type=EntryType.POLICY_ACTIVATION,
        body={**statement, "approved_by": by},
        context={**context, **told},
        personal=personal,
        blobs=blobs,
    )


def approvers_of(document: Mapping[str, Any]) -> Approvers:
    """Return who may approve by a policy's recorded document; identities are commitments there, and left out."""
    given = document.get("approvers")
    if not isinstance(given, Mapping):
        return NOBODY
    people = {
        name: Approver(
            id=name,
            identities=(),
            salt="",
            keys=tuple(
                ApproverKey(key["key"], *(_day(key.get(part)) for part in ("valid_from", "valid_until", "revoked")))
                for key in person["keys"]
            ),
            roles=tuple(person["roles"]),
            valid_from=_day(person.get("valid_from")),
            valid_until=_day(person.get("valid_until")),
        )
        for name, person in given["people"].items()
    }
    waivers, activation = given["waivers"], given["activation"]["approvals"]
    return Approvers(people, waivers["approvals"], waivers["max_days"], activation)


def _activation(ledger: Source, record: Record, judge: Approvers) -> Activation:
    statement = {key: record.body.get(key) for key in ("policy", "version", "layers", "reason")}
    by: tuple[str, ...] = ()
    problem: str | None = None
    needed = judge.activation_approvals if judge.acting(ACTIVATION) else 0
    try:
        if needed:
            note = ledger.blob(record.blobs["activation"]).decode() if "activation" in record.blobs else None
            by, problem = _signed(note, statement, judge, record.recorded_at.astimezone(UTC).date())
        if record.blobs.get("rules") != statement["policy"]:
            problem = "its document is not the policy that it names"
    except (AuditError, UnicodeDecodeError):
        problem = "its signatures cannot be read"
    if problem is None and len(by) < needed:
        problem = f"it has {len(by)} of {needed} approvals"
    layers = statement["layers"] if isinstance(statement["layers"], list) else []
    return Activation(
        record.index,
        record.recorded_at,
        str(statement["policy"]),
        str(statement["version"]),
        tuple(layers),
        str(statement["reason"]),
        by,
        needed,
        problem,
        _note_lines(ledger, record),
    )


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


def _holder(judge: Approvers, signer: Signer, day: date) -> Approver:
    wanted = parse_verifier_key(signer.verifier_key)
    for person in judge.people.values():
        for key in person.keys:
            if parse_verifier_key(key.text) == wanted:
                if problem := key.problem(day) or person.problem(ACTIVATION, day):
                    raise _refused("may-not-approve", problem, None)
                return person
    message = f"the policy in force names nobody with the key {wanted.key_id.hex()}"
    raise _refused("not-an-approver", message, "its approvers.yaml says who may put another in force")


def _own_approvers(ledger: Source, record: Record) -> Approvers | None:
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


def _statement(activation: Activation) -> dict[str, Any]:
    layers = list(activation.layers)
    return {"policy": activation.policy, "version": activation.version, "layers": layers, "reason": activation.reason}


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text is not None else None


def _time(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _refused(code: str, message: str, hint: str | None) -> InputError:
    return InputError(Problem(code, message, help=hint))
