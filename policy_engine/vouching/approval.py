"""What an approver of evidence signs, and whether a signature counts. Pure.

1. The note says letter for letter what the workload says now: evidence, workload, file or reference, period.
2. No signature by a key that the policy names is bad.
3. One is by somebody who may approve that evidence there, on that day, and who does not own the workload.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date
from hashlib import sha256
from typing import Any

from msgspec import Struct
from policy_audit.canonical import document_bytes
from policy_audit.errors import AuditError
from policy_audit.keys import Verifier, parse_verifier_key
from policy_audit.note import Signature, split_note

from policy_engine.loading.evidence import Vouched
from policy_engine.loading.policy import Policy
from policy_engine.model.approvers import EVIDENCE, Approver, ApproverKey
from policy_engine.model.workload import Evidence, Workload
from policy_engine.waivers.notes import note_text

APPROVAL = "policy-engine/v1 evidence approval"
GRADE = "approved"
_SAID = {
    "evidence": "for other evidence",
    "workload": "for another workload",
    "sha256": "over another file",
    "reference": "over another reference",
    "issued": "over another day of issue",
    "valid_until": "over another last day",
}


class Demands(Struct, frozen=True):
    """The rules of a policy that ask for a piece of evidence, each with an option that it asks it for."""

    pairs: tuple[tuple[str, str], ...]

    @property
    def rules(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(rule for rule, _ in self.pairs))


def demands(policy: Policy, name: str) -> Demands:
    """Return what asks for the evidence `name`."""
    pairs = [(rule.id, option) for rule in policy.rules.rules for option in rule.require.get(name, ())]
    return Demands(tuple(pairs))


def statement(workload: Workload, name: str, evidence: Evidence) -> dict[str, Any]:
    """Return what is signed."""
    return {
        "apiVersion": "policy-engine/v1",
        "kind": "EvidenceApproval",
        "evidence": name,
        "workload": workload.identity,
        "sha256": evidence.sha256 if evidence.file is not None else None,
        "reference": evidence.reference,
        "issued": evidence.issued,
        "valid_until": evidence.valid_until,
    }


def statement_id(document: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a statement's RFC 8785 bytes, in hexadecimal."""
    return sha256(document_bytes(document)).hexdigest()


def check_approval(
    content: bytes, workload: Workload, name: str, evidence: Evidence, policy: Policy, day: date
) -> Vouched | str:
    """Return what the signature file gives on `day`, or why it gives nothing."""
    if evidence.file is None and evidence.reference is None:
        return "there is nothing that could be approved: neither a reference nor a file with its sha256"
    document = statement(workload, name, evidence)
    try:
        text, signatures = split_note(content.decode())
    except (AuditError, UnicodeDecodeError):
        return "its signature is no signed note"
    if text != note_text(APPROVAL, document):
        return f"its signature is {_difference(text, document)}"
    counted: list[tuple[Approver, ApproverKey]] = []
    why: list[str] = []
    for signature, person, key, verifier in _known(signatures, policy):
        if not verifier.is_signed(text.encode(), signature.signature):
            return f"the signature by the key {signature.key_id.hex()} is bad"
        problem = why_not(person, key, workload, demands(policy, name), day)
        if problem is None:
            counted.append((person, key))
        else:
            why.append(problem)
    if not counted:
        return "; ".join(dict.fromkeys(why)) or "no signature is by a key that the policy names"
    # whoever counts longest, so that one more signature never ends an approval earlier
    person, key = max(counted, key=lambda each: each[0].ends(each[1]) or date.max)
    proof = {
        "approver": person.id,
        "key": parse_verifier_key(key.text).key_id.hex(),
        "statement": statement_id(document),
    }
    return Vouched(GRADE, proof, person.ends(key), {"approval": content.decode()})


def why_not(person: Approver, key: ApproverKey, workload: Workload, asked: Demands, day: date) -> str | None:
    """Say why `person` may not approve evidence of the workload by `key` on `day`; None where they may."""
    if any(person.is_called(name) for name in owners(workload)):
        return f"`{person.id}` owns the workload, and nobody approves evidence of what they own"
    if problem := key.problem(day) or person.problem(EVIDENCE, day):
        return problem
    namespace = workload.namespace
    if person.namespaces and namespace not in person.namespaces:
        return f"the namespace {namespace} is not in the scope of `{person.id}`"
    # evidence counts for every rule that asks for it, so that all of them must be in the scope
    scopes = (person.out_of_scope(rule, namespace, option) for rule, option in asked.pairs)
    return next((problem for problem in scopes if problem is not None), None)


def owners(workload: Workload) -> tuple[str, ...]:
    """Return who answers for the workload: its owner, and the champion of its migration."""
    migration = workload.spec.migration
    champion = migration.champion if migration is not None and migration != "none" else None
    return (workload.metadata.owner, *((champion,) if champion is not None else ()))


def _known(signatures: list[Signature], policy: Policy) -> Iterator[tuple[Signature, Approver, ApproverKey, Verifier]]:
    known = {}
    for person in policy.approvers.people.values():
        for key in person.keys:
            verifier = parse_verifier_key(key.text)
            known[verifier.name, verifier.key_id] = person, key, verifier
    for signature in signatures:
        if (found := known.get((signature.name, signature.key_id))) is not None:
            yield signature, *found


def _difference(text: str, document: Mapping[str, Any]) -> str:
    """Say what another note is about; nothing that stands in it is repeated."""
    kind, _, rest = text.partition("\n")
    try:
        said = json.loads(rest)
    except (ValueError, RecursionError):
        said = None
    if kind != APPROVAL or not isinstance(said, dict):
        return "not over an approval of evidence"
    different = (what for member, what in _SAID.items() if said.get(member) != document[member])
    return next(different, "not over the statement in canonical form")
