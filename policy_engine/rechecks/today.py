"""The evidence of a recorded workload as it stands today, as far as that can be known without its files.

1. what ends or begins on a day goes by the day
2. approvals and recorded entries are verified again, under the effective policy, by what is revoked on record now
3. what was found in a file counts as recorded, for the file is not there
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import date
from typing import TYPE_CHECKING

from policy_engine.loading.evidence import evidence_as_recorded
from policy_engine.loading.policy import Policy
from policy_engine.model.proofs import Materials
from policy_engine.model.task_case import EvidenceStatus
from policy_engine.model.workload import Workload
from policy_engine.recorded import Inputs
from policy_engine.vouching.again import proven_or_why

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger


def evidence_today(
    ledger: Ledger,
    policy: Policy,
    workload: Workload,
    inputs: Inputs,
    materials: Materials,
    revoked: Collection[str],
    day: date,
) -> dict[str, EvidenceStatus]:
    """Return the state of each piece of evidence on `day`; `revoked` names the entries that are evidence no more.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    again = proven_or_why(
        workload,
        policy,
        day,
        materials,
        lambda index: _entry(ledger, index),
        lambda names: not names.isdisjoint(revoked),
    )
    return evidence_as_recorded(workload, day, inputs.evidence, inputs.at.date(), again)


def _entry(ledger: Ledger, index: int) -> bytes | None:
    from policy_audit.errors import LedgerError

    try:
        return ledger.entry(index).raw
    except LedgerError as error:
        if error.code != "entry-missing":
            raise
        return None


def changed_evidence(
    before: Mapping[str, EvidenceStatus], after: Mapping[str, EvidenceStatus]
) -> Iterator[tuple[str, str]]:
    """Yield the name of each piece of evidence that does not count as it did, and what is the case."""
    for name in {**before, **after}:
        was, now = before.get(name), after.get(name)
        if _counts(was) == _counts(now):
            continue
        if now is None:
            yield name, "it is not there any more"
        elif now.problem is not None or (now.short is not None and (was is None or was.short != now.short)):
            yield name, now.problem or str(now.short)
        elif was is None or was.problem is not None:
            yield name, f"it counts now, as {now.grade}"
        else:
            yield name, f"it counts as {now.grade} now, and did as {was.grade}"


def _counts(status: EvidenceStatus | None) -> object:
    """Return what of a status decides, without the texts, which may name days."""
    if status is None:
        return None
    return status.grade, status.problem is None, status.proof is None


def unread_files(workload: Workload) -> tuple[str, ...]:
    """Return the names of evidence whose files were not looked at again."""
    stated = (workload.spec.evidence or {}).items()
    return tuple(sorted(name for name, each in stated if each is not None and each.file is not None))
