"""May this key approve this evidence, here and now? What a decision would refuse is not signed in the first place."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from msgspec import Struct
from policy_audit.keys import Signer

from policy_engine.errors import InputError, Problem, did_you_mean
from policy_engine.loading.evidence import check_evidence
from policy_engine.loading.policy import Policy
from policy_engine.model.approvers import EVIDENCE, Approver
from policy_engine.model.task_case import ATTESTED
from policy_engine.model.workload import Evidence, Workload
from policy_engine.vouching.approval import APPROVAL, demands, statement, why_not
from policy_engine.waivers.approving import holder
from policy_engine.waivers.notes import note_text, signature_line


class Signed(Struct, frozen=True):
    """An approval that was just made: what was signed, the note, and by whom."""

    statement: dict[str, Any]
    note: str
    person: Approver


def stated(workload: Workload, name: str, day: date, folder: Path) -> Evidence:
    """Return the evidence `name` of the workload, which counts on `day` as far as it goes by itself.

    Raises:
        InputError: there is none, it is out of force, or its file is not what the workload says.
    """
    found = {each: e for each, e in (workload.spec.evidence or {}).items() if e is not None}
    if name not in found:
        hint = did_you_mean(name, list(found)) or f"it names {', '.join(found) or 'none'}"
        raise _refused("no-such-evidence", f"`{workload.identity}` names no evidence `{name}`", hint)
    problem = check_evidence(workload, day, folder)[name].problem
    if problem is not None:
        raise _refused("bad-evidence", f"the evidence `{name}` does not count: {problem}", "mend the workload first")
    return found[name]


def sign(workload: Workload, name: str, evidence: Evidence, policy: Policy, signer: Signer, day: date,
         by: str | None = None) -> Signed:  # fmt: skip
    """Sign the evidence as it stands.

    Raises:
        InputError: there is nothing to sign, or the key's holder may not.
    """
    if evidence.file is None and evidence.reference is None:
        hint = "give `reference`, or `file` with its `sha256`"
        raise _refused("nothing-to-approve", f"the evidence `{name}` names nothing that could be approved", hint)
    person, key = holder(policy.approvers, signer, by, EVIDENCE, "evidence")
    if problem := why_not(person, key, workload, demands(policy, name), day):
        raise _refused("may-not-approve", problem, None)
    document = statement(workload, name, evidence)
    line = signature_line(APPROVAL, document, signer)
    return Signed(document, f"{note_text(APPROVAL, document)}\n{line}\n", person)


def check_recordable(name: str, evidence: Evidence) -> None:
    """Refuse to record what would not be of the grade recorded by it.

    Raises:
        InputError: it is measured, or no file is attached.
    """
    if name in ATTESTED:
        hint = "a probe's attestation is: give its receipt and entry"
        raise _refused("not-recordable", f"a file that somebody records is no evidence of `{name}`", hint)
    if evidence.file is None:
        hint = "give `file` and its `sha256`"
        raise _refused("nothing-to-record", f"the evidence `{name}` has no file attached", hint)


def _refused(code: str, message: str, hint: str | None) -> InputError:
    return InputError(Problem(code, message, help=hint))
