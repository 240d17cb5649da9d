"""Put a policy in force: what is signed, who may sign it now, and the entry. `activations` judges what counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from msgspec import Struct
from policy_audit.entry import Blob, Draft, EntryType
from policy_audit.keys import Signer, parse_verifier_key

from policy_engine.activations import KIND, Activation, own_approvers
from policy_engine.errors import InputError, Problem
from policy_engine.loading.policy import Policy
from policy_engine.model.approvers import ACTIVATION, Approver, Approvers
from policy_engine.waivers.notes import note_text, signature_line
from policy_engine.waivers.on_record import Source, records


class Proposed(Struct, frozen=True):
    """What is to be recorded: the statement, its note (None: nobody has to sign), and who signed it."""

    statement: Mapping[str, Any]
    note: str | None = None
    by: tuple[str, ...] = ()


def judge_of(before: Sequence[Activation], ledger: Source, policy: Policy) -> Approvers:
    """Return who may activate now: those of the policy in force, else those of the policy itself."""
    current = in_force(before)
    if current is not None:
        record = next(r for r in records(ledger, EntryType.POLICY_ACTIVATION) if r.index == current.index)
        approvers = own_approvers(ledger, record)
        if approvers is not None and approvers.acting(ACTIVATION):
            return approvers
    return policy.approvers


def in_force(before: Sequence[Activation]) -> Activation | None:
    """Return the last activation that counts."""
    return next((each for each in reversed(before) if each.status == "active"), None)


def statement_of(policy: Policy, reason: str, origin: str | None, before: Sequence[Activation]) -> dict[str, Any]:
    """Return what is signed to put `policy` in force in the ledger `origin`, after what is in force there."""
    rules, current = policy.rules, in_force(before)
    return {
        "origin": origin,
        "follows": current.place if current is not None else None,
        "policy": policy.digest,
        "version": rules.version,
        "layers": [{"name": layer.name, "digest": layer.digest} for layer in rules.layers],
        "reason": reason,
    }


def waiting(statement: Mapping[str, Any], before: Sequence[Activation]) -> Activation | None:
    """Return the newest proposal of the same policy in the same place that waits for a signature more."""
    same = ("origin", "follows", "policy")
    fits = (
        each
        for each in reversed(before)
        if each.status == "proposed" and all(each.statement[name] == statement[name] for name in same)
    )
    return next(fits, None)


def agreed(
    proposal: Activation | None, reason: str | None, judge: Approvers, signer: Signer | None, day: date
) -> Activation | None:
    """Return the proposal that the signer completes; None where they propose something themselves.

    Raises:
        InputError: no reason is given and there is none to agree to, or another one than was signed.
    """
    asked = proposal if signer is not None and judge.acting(ACTIVATION) else None
    if asked is None:
        if reason is None:
            message = "no reason is given, and no proposal waits for a signature"
            raise _refused("no-reason", message, "--reason TEXT says why; `policy rules activations` lists proposals")
        return None
    if signer is None or reason in (None, asked.reason):
        return asked
    if _holder(judge, signer, day).id in asked.by:
        return None  # whoever signed may propose the same with other words
    message = f"the entry {asked.index} proposes it for another reason, signed by {', '.join(asked.by)}: {asked.reason}"
    raise _refused("other-reason", message, "leave --reason out to sign that one")


def propose(
    statement: Mapping[str, Any], proposal: Activation | None, judge: Approvers, signer: Signer | None, day: date
) -> Proposed:
    """Return what to record: the statement signed, or the `proposal` with one signature more.

    Raises:
        InputError: the key is nobody's who may activate, has signed already, or is needed and not there.
    """
    if not judge.acting(ACTIVATION):
        return Proposed(statement)
    if signer is None:
        hint = "--key FILE: the key of somebody with the role policy-activator in approvers.yaml"
        raise _refused("no-key", "the policy in force asks for a signature", hint)
    person = _holder(judge, signer, day)
    lines: list[str] = []
    by: tuple[str, ...] = ()
    if proposal is not None:
        if person.id in proposal.by:
            raise _refused("approved-already", f"`{person.id}` has signed it already", "another person has to")
        statement, lines, by = proposal.statement, [*proposal.lines], proposal.by
    lines.append(signature_line(KIND, statement, signer))
    note = note_text(KIND, statement) + "\n" + "".join(f"{line}\n" for line in lines)
    return Proposed(statement, note, (*by, person.id))


def activation_draft(
    policy: Policy, proposed: Proposed, needed: int, personal: Mapping[str, str], context: Mapping[str, str]
) -> Draft:
    """Return the entry; the policy's whole document goes with it. `needed` is how many have to sign."""
    by = list(proposed.by)
    blobs = {"rules": Blob(policy.document), "catalog": Blob(policy.catalog.document)}
    if proposed.note is not None:
        blobs["activation"] = Blob(proposed.note.encode())
    status = "active" if proposed.note is None or len(by) >= needed else "proposed"
    told = {"policy": policy.digest, "status": status, "approved_by": ", ".join(by) or "nobody"}
    return Draft(
        type=EntryType.POLICY_ACTIVATION,
        body={**proposed.statement, "approved_by": by},
        context={**context, **told},
        personal=personal,
        blobs=blobs,
    )


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


def _refused(code: str, message: str, hint: str | None) -> InputError:
    return InputError(Problem(code, message, help=hint))
