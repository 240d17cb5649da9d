"""What a probe's attestation says for a workload's hardware on a day, or why it says nothing. Pure.

1. The entry holds the attestation that it names by its SHA-256, made for this workload or for its host at large.
2. It is of the host that the workload names; one that a CI runner made is of no other.
3. It is not older than `param.attestation_days`, nor from the future.
4. Where the policy pins keys of probes, one pinned for that host signed it.
5. It speaks of what is claimed: every device, its number and its memory was measured.

What is measured is held to the claim as it stands now (`probe/verdicts`), not as it was when the probe ran.
Measurements that contradict the claim satisfy nothing, and are known all the same: rules read `hardware.measured`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from policy_audit.entry import Entry, parse_entry
from policy_audit.errors import AuditError
from policy_audit.keys import Signer, parse_verifier_key
from policy_audit.note import split_note

from policy_engine.catalog.catalog import Catalog
from policy_engine.catalog.claims import HardwareClaim
from policy_engine.claims import claim_of
from policy_engine.loading.policy import Policy
from policy_engine.model.approvers import ApproverKey
from policy_engine.model.task_case import ATTESTATION_DAYS, EvidenceStatus
from policy_engine.model.workload import Evidence, Workload
from policy_engine.probe.attestation import attestation_digest, report_of
from policy_engine.probe.report import Report
from policy_engine.probe.verdict import MEASURABLE, ClaimVerdict, overall
from policy_engine.probe.verdicts import judge_measured
from policy_engine.vouching.approval import demands
from policy_engine.vouching.entries import Speaks
from policy_engine.waivers.notes import note_text, signature_line

EVIDENCE = "hardware_attestation"
SIGNED = "policy-engine/v1 probe attestation"
#: What policies on record that lack the parameter were made under.
_DEFAULT_DAYS = 90
#: A hundred years.
MOST_DAYS = 36_500


def attestation_body(attestation: Mapping[str, Any], signer: Signer | None = None) -> dict[str, Any]:
    """Return the body of the entry that records an attestation, signed where a probe's own key is given.

    Raises:
        CanonicalError: it is too large for an entry.
    """
    body = {
        "evidence": EVIDENCE,
        "workload": attestation["workload"],
        "sha256": attestation_digest(attestation),
        "valid_until": attestation["valid_until"],
        "attestation": attestation,
    }
    if signer is not None:
        body["signature"] = signature_line(SIGNED, attestation, signer)
    return body


def check_attestation(entry: Entry, workload: Workload, evidence: Evidence, policy: Policy, day: date) -> Speaks | str:
    """Return until when the attestation speaks of the workload's hardware, or why it does not on `day`."""
    body = entry.body
    report = _read(body, evidence)
    if isinstance(report, str):
        return report
    ends = _ends(entry, report, policy, day)
    if isinstance(ends, str):
        return ends
    problem = _of_host(body, report, workload)
    if problem is not None:
        return problem
    key = _signed(body, report, policy, day)
    if isinstance(key, str):
        return key
    claim = claim_of(workload.spec.hardware)
    verdicts = _spoken(policy.catalog, claim, report)
    if isinstance(verdicts, str):
        return verdicts
    last = min(each for each in (ends, key.ends if key is not None else None) if each is not None)
    return Speaks(last, _against(verdicts))


def measured(
    catalog: Catalog, claim: HardwareClaim | None, evidence: Mapping[str, EvidenceStatus]
) -> tuple[ClaimVerdict, ...]:
    """Return what the attestation that counts says of each thing claimed; empty where none counts."""
    status = evidence.get(EVIDENCE)
    if claim is None or status is None or status.problem is not None:
        return ()
    try:
        entry = parse_entry((status.material or {})["entry"].encode())
        report = report_of(entry.body.get("attestation"))
    except (AuditError, LookupError, ValueError, ArithmeticError, RecursionError):
        return ()
    return judge_measured(catalog, claim, report)


def _read(body: Mapping[str, Any], evidence: Evidence) -> Report | str:
    """Step 1."""
    digest, attestation = body.get("sha256"), body.get("attestation")
    if not isinstance(attestation, dict):
        return "its entry holds no attestation of a probe"
    if digest != attestation_digest(attestation):
        return "its entry names another attestation than it holds"
    if attestation.get("workload") != body.get("workload"):
        return "its attestation was made for another workload"
    if attestation.get("valid_until") != body.get("valid_until"):
        return "its entry gives it another last day than the attestation does"
    if evidence.sha256 is not None and digest != evidence.sha256:
        return "its entry is about another file"
    try:
        return report_of(attestation)
    except (ValueError, ArithmeticError, RecursionError):
        return "its attestation is none that this program writes"


def _of_host(body: Mapping[str, Any], report: Report, workload: Workload) -> str | None:
    """Step 2."""
    hardware = workload.spec.hardware
    if hardware is None:
        return "the workload claims no hardware that could be attested: it needs a section `hardware`"
    host = report.host
    if hardware.host is not None:
        if hardware.host == host.name:
            return None
        return f"it was made on the host `{host.name}`, and the workload names `{hardware.host}`"
    if host.ci is not None:
        return (
            f"it was made on a CI runner ({host.ci}), which is not known to be the workload's host:"
            f" where it is, name it, as hardware.host: {host.name}"
        )
    if body.get("workload") is None:
        return f"it is of a host at large, and the workload does not name it, as hardware.host: {host.name}"
    return None


def _ends(entry: Entry, report: Report, policy: Policy, day: date) -> date | str:
    """Step 3: return the last day on which it counts."""
    parameter = policy.rules.parameters.get(ATTESTATION_DAYS)
    days = max(0, min(int(parameter.value), MOST_DAYS)) if parameter is not None else _DEFAULT_DAYS
    try:
        measured_on = datetime.fromisoformat(report.measured_at).date()
        recorded_on = date.fromisoformat(entry.recorded_at[:10])
        until = entry.body.get("valid_until")
        stated = date.fromisoformat(until) if until is not None else date.max
    except (TypeError, ValueError):
        return "its entry has a day that is no date"
    # clocks of two machines may differ by the turn of a day
    if measured_on - recorded_on > timedelta(days=1):
        return f"it says that it measured on {measured_on}, after it was recorded on {recorded_on}"
    ends = min(measured_on + timedelta(days=min(days, (date.max - measured_on).days)), stated)
    if ends < day:
        why = f"it measured on {measured_on}, and counts for {days} days (param.{ATTESTATION_DAYS})"
        return why if stated > ends else f"the attestation ended on {ends}"
    return ends


def _signed(body: Mapping[str, Any], report: Report, policy: Policy, day: date) -> ApproverKey | str | None:
    """Step 4: return the pinned key that signed it, None where none is asked for."""
    pinned = policy.approvers.probes
    if pinned is None:
        return None
    own = [each for each in pinned if each.host == report.host.name]
    if not own:
        return f"the policy pins keys of probes, and none of the host `{report.host.name}`"
    line = body.get("signature")
    if not isinstance(line, str):
        return "it is not signed, and the policy pins keys of probes"
    text = note_text(SIGNED, body["attestation"])
    try:
        _, signatures = split_note(f"{text}\n{line}\n")
    except AuditError:
        return "its signature is none"
    why = []
    asking = demands(policy, EVIDENCE).rules
    for each in own:
        verifier = parse_verifier_key(each.key.text)
        for signature in signatures:
            if (signature.name, signature.key_id) != (verifier.name, verifier.key_id):
                continue
            if not verifier.is_signed(text.encode(), signature.signature):
                return f"its signature by the probe's key {verifier.key_id.hex()} is bad"
            problem = each.key.problem(day)
            if locked := [rule for rule in each.not_for if rule in asking]:
                problem = f"a later layer pins the probe's key than the one that locks {locked[0]}"
            if problem is None:
                return each.key
            why.append(problem)
    return "; ".join(why) or f"no key that the policy pins for `{report.host.name}` has signed it"


def _spoken(catalog: Catalog, claim: HardwareClaim | None, report: Report) -> tuple[ClaimVerdict, ...] | str:
    """Step 5: return what was measured of the claim, or what of it was not."""
    if claim is None or not claim.gpus:
        return "the workload does not say which hardware it claims"
    verdicts = judge_measured(catalog, claim, report)
    if overall(verdicts) != "unverifiable":
        return verdicts
    open_ones = [each for each in verdicts if each.name in MEASURABLE and each.verdict != "verified"]
    if not open_ones:
        return "the claim gives nothing that a probe measures: neither a number of devices nor memory"
    first = open_ones[0]
    more = f" (and {len(open_ones) - 1} more)" if len(open_ones) > 1 else ""
    return f"it does not verify the claimed {_named(first)}: {first.why}{more}"


def _against(verdicts: Sequence[ClaimVerdict]) -> str | None:
    """Say which claim the readings contradict; None where they verify all."""
    if overall(verdicts) == "verified":
        return None
    wrong = next(each for each in verdicts if each.verdict == "contradicted" and each.basis == "reading")
    return f"it contradicts the claimed {_named(wrong)}: {wrong.why}"


def _named(verdict: ClaimVerdict) -> str:
    return f"{verdict.name} of `{verdict.gpu}`" if verdict.gpu is not None else verdict.name
