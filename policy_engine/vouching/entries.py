"""Entries of a ledger that say something of a piece of evidence: what they must hold to be about this one.

A body that binds holds `evidence` (its name), `workload` (namespace/name) and `sha256`. Hardware is attested: its
entry is a probe's (`probe-attestation`, see `attested`; one without a workload is of a host). Of other evidence it is
one that `policy evidence record` made (`evidence-recorded`), which holds `issued` and `valid_until` as the workload
does. What models were compared by is either that, or a report of `policy parity` (`evaluation-report`, see
`evaluated`), whose `evidence` is a list.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from hashlib import sha256
from typing import Any

from msgspec import Struct
from policy_audit.canonical import canonical_bytes
from policy_audit.entry import Draft, Entry, EntryType, parse_entry
from policy_audit.errors import AuditError
from policy_audit.merkle import leaf_hash

from policy_engine.loading.policy import Policy
from policy_engine.model.task_case import ATTESTED, EVALUATED
from policy_engine.model.workload import Evidence, Workload

#: What a program found, and can put on record again.
_MEASURED = (EntryType.PROBE_ATTESTATION, EntryType.EVALUATION_REPORT)


def recorded_body(workload: Workload, name: str, evidence: Evidence) -> dict[str, Any]:
    """Return the body of the entry that records an attached file as evidence."""
    return {
        "evidence": name,
        "workload": workload.identity,
        "sha256": evidence.sha256,
        "issued": evidence.issued,
        "valid_until": evidence.valid_until,
    }


def recorded_draft(
    workload: Workload, name: str, evidence: Evidence, personal: Mapping[str, str], context: Mapping[str, str]
) -> Draft:
    """Return the entry that records an attached file as evidence."""
    place = {"namespace": workload.namespace, "workload": workload.metadata.name}
    return Draft(
        type=EntryType.EVIDENCE_RECORDED,
        body=recorded_body(workload, name, evidence),
        context={**context, **place},
        personal=personal,
    )


def approved_draft(
    statement: Mapping[str, Any],
    note: str,
    more: Mapping[str, Any],
    personal: Mapping[str, str],
    context: Mapping[str, str],
) -> Draft:
    """Return the entry of an approval; the note holds a key's id, and no name."""
    namespace, _, workload = statement["workload"].partition("/")
    kept = {key: statement[key] for key in ("evidence", "workload", "sha256", "issued", "valid_until")}
    return Draft(
        type=EntryType.EVIDENCE_APPROVED,
        body={**kept, **more},
        context={**context, "namespace": namespace, "workload": workload},
        personal=personal,
        blobs={"approval": note.encode()},
    )


def revoked_draft(
    body: Mapping[str, Any], place: Mapping[str, str], personal: Mapping[str, str], context: Mapping[str, str]
) -> Draft:
    """Return the entry by which another entry is evidence no more."""
    return Draft(type=EntryType.EVIDENCE_REVOKED, body=body, context={**context, **place}, personal=personal)


class Speaks(Struct, frozen=True):
    """That an entry is about a piece of evidence: until when, and what it says `against` the workload, if it does.

    `shows` is of a report of `policy parity`: by task, the models that it speaks for.
    """

    ends: date | None = None
    against: str | None = None
    shows: Mapping[str, tuple[str, ...]] | None = None


def names_of(raw: bytes) -> frozenset[str]:
    """Return by what an entry can be revoked: its leaf hash and, of an attestation or a report, the digest of that.

    The same attestation can be put on record again, as another entry. A report can be made again of the same answers,
    by another seed: it has the names of `compared_names` too.
    """
    leaf = leaf_hash(raw).hex()
    try:
        entry = parse_entry(raw)
    except (AuditError, ValueError, TypeError, RecursionError):
        return frozenset({leaf})
    digest = entry.body.get("sha256") if entry.type in _MEASURED else None
    found = frozenset({leaf, digest} if isinstance(digest, str) else {leaf})
    return found.union(compared_names(entry.body)) if entry.type == EntryType.EVALUATION_REPORT else found


def compared_names(body: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a digest for each candidate of a report: of the golden dataset, and of its answers and those it replaces.

    They are digests of what the files say: a file that is written otherwise is no other comparison. Nothing where the
    entry holds no report.
    """
    try:
        golden = body["report"]["golden"]["content_sha256"]
        current, *others = [each["content_sha256"] for each in body["report"]["answers"]]
        whole = [canonical_bytes({"golden": golden, "current": current, "candidate": each}) for each in others]
    except (AuditError, LookupError, TypeError, ValueError, RecursionError):
        return ()
    return tuple(sha256(each).hexdigest() for each in whole)


def check_entry(
    raw: bytes, workload: Workload, name: str, evidence: Evidence, policy: Policy, day: date
) -> Speaks | str:
    """Return why the entry does not speak of the evidence on `day`, or else until when it does."""
    try:
        entry = parse_entry(raw)
        recorded_on = date.fromisoformat(entry.recorded_at[:10])
    except (AuditError, ValueError, TypeError, RecursionError):
        return "its entry is not one of this program's"
    wanted = [EntryType.PROBE_ATTESTATION if name in ATTESTED else EntryType.EVIDENCE_RECORDED]
    wanted += [EntryType.EVALUATION_REPORT] if name in EVALUATED else []
    if entry.type not in wanted:
        return f"its entry is not of the type {' or '.join(wanted)}, which `{name}` takes"
    evaluated, about = entry.type == EntryType.EVALUATION_REPORT, entry.body.get("evidence")
    if name not in about if evaluated and isinstance(about, list) else about != name:
        return "its entry is about other evidence"
    at_large = name in ATTESTED and entry.body.get("workload", "") is None
    if entry.body.get("workload") != workload.identity and not at_large:
        return "its entry is about another workload"
    if names_of(raw) & policy.approvers.revoked_entries:
        return "the policy says that its entry is evidence no more"
    if recorded_on > day:
        return f"its entry was recorded on {recorded_on}, after the decision's day {day}"
    if name in ATTESTED:
        from policy_engine.vouching.attested import check_attestation

        return check_attestation(entry, workload, evidence, policy, day)
    if evaluated:
        from policy_engine.vouching.evaluated import check_evaluation

        return check_evaluation(entry, workload, evidence.sha256, policy, day)
    return _file(entry, workload, name, evidence) or Speaks()


def _file(entry: Entry, workload: Workload, name: str, evidence: Evidence) -> str | None:
    if evidence.file is None:
        return "its entry is about a file, and the workload names none"
    if entry.body.get("sha256") != evidence.sha256:
        return "its entry is about another file"
    if entry.body != recorded_body(workload, name, evidence):
        return "its entry gives it another period than the workload does"
    return None
