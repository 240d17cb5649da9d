"""May this key approve this request, here and now? Each step has a number, and the code follows them.

1. The key belongs to somebody whom the policy's approvers.yaml names, and who may approve waivers.
2. That is not the requester, and has not signed it yet.
3. The rule is one that the policy lets waive in that namespace, and the same as was decided by.
4. The period lies ahead, and is no longer than the policy allows.
5. The signatures that are there already are good.
6. The request is on record, and the file says what was asked for; it was not granted or taken back before.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from msgspec import Struct
from policy_audit.errors import AuditError
from policy_audit.keys import Signer, parse_verifier_key
from policy_audit.note import Signature, parse_signatures

from policy_engine.errors import InputError, Problem
from policy_engine.loading.policy import Policy
from policy_engine.loading.rule_document import rule_document, waivable_digest
from policy_engine.model.approvers import WAIVERS, Approver, ApproverKey, Approvers
from policy_engine.model.waiver import Statement
from policy_engine.waivers.checking import Approval, approvals, asked_by, too_long, why_not
from policy_engine.waivers.files import WaiverFile
from policy_engine.waivers.notes import WAIVER, note_of, read_note, signature_line, waiver_text


class Approved(Struct, frozen=True):
    """A file with one signature more: the note, everybody who signed, and whether that is enough."""

    file: WaiverFile
    note: str
    by: tuple[Approval, ...]
    person: Approver
    granted: bool


def holder(
    approvers: Approvers, signer: Signer, name: str | None, role: str = WAIVERS, what: str = "a waiver"
) -> tuple[Approver, ApproverKey]:
    """Return whose key it is, of those who approve `what` in `role`.

    Raises:
        InputError: nobody's, or another's than is said.
    """
    if not approvers.acting(role):
        raise _no_approvers(what)
    wanted = parse_verifier_key(signer.verifier_key)
    for person in approvers.people.values():
        for key in person.keys:
            if parse_verifier_key(key.text) == wanted:
                if name is not None and name != person.id and not person.is_called(name):
                    raise _refused("other-approver", f"the key is that of `{person.id}`, and not of `{name}`", None)
                return person, key
    raise _nobodys(wanted.key_id.hex())


def approve(file: WaiverFile, policy: Policy, signer: Signer, day: date, name: str | None = None) -> Approved:
    """Sign the file; steps 1 to 5.

    Raises:
        InputError: the step that does not hold.
    """
    person, key = holder(policy.approvers, signer, name)
    before = _before(file, policy, person, key, day)
    return _approved(
        file, policy, (*before, Approval(person, key, None)), signature_line(WAIVER, file.statement.document(), signer)
    )


def admit(file: WaiverFile, policy: Policy, line: str, day: date) -> Approved:
    """Add a signature that somebody made elsewhere, by the same steps; it has to be good.

    Raises:
        InputError: the step that does not hold.
    """
    person, key, signature = signer_of_line(policy.approvers, line)
    before = _before(file, policy, person, key, day)
    if not parse_verifier_key(key.text).is_signed(waiver_text(file.statement).encode(), signature.signature):
        hint = "what is signed is the `text` of the waiver, to the byte: `policy waiver sign` does it"
        raise _refused("bad-signature", f"the signature by `{person.id}` is not over this waiver", hint)
    return _approved(file, policy, (*before, Approval(person, key, None)), line)


def signer_of_line(approvers: Approvers, line: str) -> tuple[Approver, ApproverKey, Signature]:
    """Return whose key a signature line names; whether it is good is not looked at.

    Raises:
        InputError: it is no signature line, or nobody's who approves waivers.
    """
    if not approvers.acting(WAIVERS):
        raise _no_approvers("a waiver")
    try:
        (signature,) = parse_signatures(f"{line}\n")
    except (AuditError, ValueError):
        hint = "a line is `— NAME BASE64`, as `policy waiver sign` prints it"
        raise _refused("bad-signature", "this is not a signature line", hint) from None
    for person in approvers.people.values():
        for key in person.keys:
            verifier = parse_verifier_key(key.text)
            if (verifier.name, verifier.key_id) == (signature.name, signature.key_id):
                return person, key, signature
    raise _nobodys(signature.key_id.hex())


def _before(file: WaiverFile, policy: Policy, person: Approver, key: ApproverKey, day: date) -> list[Approval]:
    """Return the approvals that are there already, where `person` may add theirs."""
    statement, approvers = file.statement, policy.approvers
    asked = asked_by(approvers, file.requester).by
    if problem := why_not(person, key, statement, (day,), asked):
        raise _refused("self-approval" if person.is_called(file.requester) else "may-not-approve", problem, None)
    check_rule(statement, policy, day)
    _check_period(statement, approvers, day)
    before = _signed(file, approvers, day)
    if person.id in {each.person.id for each in before}:
        raise _refused("approved-already", f"`{person.id}` has signed it already", "another person has to")
    return before


def _approved(file: WaiverFile, policy: Policy, by: tuple[Approval, ...], line: str) -> Approved:
    statement, lines = file.statement, (*file.signatures, line)
    signed = WaiverFile(statement, file.requester, file.salt, lines)
    granted = len(by) >= policy.approvers.waiver_approvals
    return Approved(signed, note_of(statement, lines), by, by[-1].person, granted)


def check_rule(statement: Statement, policy: Policy, day: date) -> None:
    """Refuse a waiver of a rule that the policy does not let waive, or that is another by now (step 3)."""
    rule = policy.rules.rule(statement.rule.id)
    if rule is None:
        raise _refused("unknown-rule", f"the effective policy has no rule `{statement.rule.id}`", None)
    enforcement = rule.acts(statement.scope.namespace, day, policy.rules.overrides)
    if enforcement != "waivable":
        message = f"the rule `{rule.id}` is {enforcement} in `{statement.scope.namespace}`, and cannot be waived"
        raise _refused("not-waivable", message, None)
    if waivable_digest(rule_document(rule), policy.rules.values) != statement.rule.digest:
        message = f"the rule `{rule.id}` is not what it was when the waiver was asked for"
        raise _refused("other-rule", message, "decide the workload again, and ask again")


def check_record(statement: Statement, requests: Iterable[Statement], granted: set[str], revoked: set[str]) -> None:
    """Hold the file to what was asked for (step 6): who edits it, the requester's name included, asks for another one.

    Raises:
        InputError: that is not on record, or is something else, or was granted or revoked.
    """
    if statement.id in revoked:
        raise _refused("revoked", "this waiver was revoked", "ask again, if it is needed after all")
    if statement.id in granted:
        raise _refused("granted-already", "this waiver is granted already", None)
    for request in requests:
        if request.id == statement.id:
            return
        if request.requester.commitment == statement.requester.commitment:
            one, other = request.document(), statement.document()
            changed = [name for name in one if one[name] != other[name]]
            message = f"the file is not what was asked for: {', '.join(changed)} changed since"
            raise _refused("edited-file", message, "ask again with `policy waiver request`")
    hint = "ask with `policy waiver request` in the ledger that decisions go to, and do not edit the file"
    raise _refused("not-requested", "this ledger has no such request: what the file says was never asked for", hint)


def _check_period(statement: Statement, approvers: Approvers, day: date) -> None:
    if statement.valid_until < day:
        raise _refused("bad-period", f"it ended on {statement.valid_until}", "ask again with a later --until")
    if problem := too_long(statement, approvers):
        raise _refused("bad-period", problem, "ask again with an earlier --until")


def _signed(file: WaiverFile, approvers: Approvers, day: date) -> list[Approval]:
    """Return the approvals that the file has already; each of its signatures must be one."""
    if not file.signatures:
        return []
    try:
        statement, signed, signatures = read_note(note_of(file.statement, file.signatures))
    except AuditError as error:
        raise _refused("bad-signature", error.message, None) from None
    found = approvals(statement, signed, signatures, approvers, (day,), asked_by(approvers, file.requester).by)
    if isinstance(found, str):
        raise _refused("bad-signature", found, "the file was edited after it was signed, or the signature is forged")
    problem = next((each.problem for each in found if each.problem is not None), None)
    if problem is None and len(found) < len(signatures):
        problem = "a signature is by a key that the effective policy does not name"
    if problem is None and len({each.person.id for each in found}) < len(found):
        problem = "one person signed twice"
    if problem is not None:
        raise _refused("bad-signature", problem, "take that signature out, or have it made again")
    return found


def _no_approvers(what: str) -> InputError:
    hint = "a policy layer's approvers.yaml names them: give it with --policy; the shipped rules have none"
    return _refused("no-approvers", f"the effective policy names nobody who may approve {what}", hint)


def _nobodys(key_id: str) -> InputError:
    message = f"the effective policy names nobody with the key {key_id}"
    return _refused("not-an-approver", message, "check the --policy layers, or have the key added to approvers.yaml")


def _refused(code: str, message: str, hint: str | None) -> InputError:
    return InputError(Problem(code, message, help=hint))
