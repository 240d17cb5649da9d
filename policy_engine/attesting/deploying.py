"""Whether what is about to be deployed may be: by the newest of the checked decisions on what it is bound to.

Of the decisions on a workload that bind a subject the newest counts, and beside it the newest on the same workload
document, whatever that binds. Where it is not told which is newer, both count; of several workloads each counts. What
is worse wins.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from msgspec import Struct

from policy_engine.attesting.checking import Wanted
from policy_engine.attesting.reading import Read, moment
from policy_engine.attesting.statements import LEVELS, verified_at, workload_subject

#: How far the clocks of gate and deployer may be apart, as the gate's may from its own.
TOLERANCE = timedelta(seconds=300)
Kind = Literal["unbound", "clock", "policy", "deny", "expired", "review"]
#: What is told first.
_ORDER: tuple[Kind, ...] = get_args(Kind)


class Asked(Struct, frozen=True):
    """What is about to be deployed, when, and what the deployer holds it to."""

    subjects: tuple[Wanted, ...]
    at: datetime
    policy_digest: str | None = None
    workload: str | None = None
    stage: str | None = None
    purpose: str | None = None


class Finding(Struct, frozen=True):
    """One reason why it may not be deployed."""

    kind: Kind
    message: str


class Answer(Struct, frozen=True):
    """The decisions that count, and why they do not let it be deployed; nothing there: they do."""

    counted: tuple[Read, ...]
    findings: tuple[Finding, ...]


def may_deploy(decisions: Sequence[Read], asked: Asked) -> Answer:
    """Return what `decisions`, which passed every check, say of what is asked."""
    of_workload = [each for each in decisions if _is_of(each, asked.workload)]
    counted: dict[tuple[Any, ...], Read] = {}
    findings: list[Finding] = []
    for subject in asked.subjects:
        found = counting(of_workload, subject)
        if not found:
            of = f" for the workload {asked.workload}" if asked.workload is not None else ""
            findings.append(Finding("unbound", f"no decision binds `{subject}`{of}"))
        for each in found:
            counted.setdefault(_key(each), each)
    # also what does not count: a clock that is behind must not hide the newest decision
    findings += [
        _late(each, asked.at) for each in decisions if moment(verified_at(each.predicate)) > asked.at + TOLERANCE
    ]
    for each in counted.values():
        findings += _findings(each, asked)
    return Answer(tuple(counted.values()), tuple(sorted(findings, key=lambda each: _ORDER.index(each.kind))))


def counting(decisions: Sequence[Read], subject: Wanted) -> list[Read]:
    """Return the decisions that count for a subject: see this module."""
    of_document = _grouped(decisions, lambda each: workload_subject(each.document))
    bound = [each for each in decisions if any(map(subject.fits, each.subjects))]
    found: dict[tuple[Any, ...], Read] = {}
    for group in _grouped(bound, lambda each: each.workload).values():
        for each in _newest(group):
            for other in (each, *_newest(of_document[workload_subject(each.document)])):
                found.setdefault(_key(other), other)
    return list(found.values())


def _key(decision: Read) -> tuple[Any, ...]:
    """Return what is the same of a statement that stands in a file twice."""
    return decision.predicate["id"], verified_at(decision.predicate), decision.subjects


def _grouped(decisions: Iterable[Read], key: Callable[[Read], Hashable]) -> dict[Hashable, list[Read]]:
    found: dict[Hashable, list[Read]] = {}
    for each in decisions:
        found.setdefault(key(each), []).append(each)
    return found


def _newest(decisions: Sequence[Read]) -> list[Read]:
    """Return the decisions to which no other on the same workload is newer."""
    return [each for each in decisions if not any(_is_newer(other, each) for other in decisions)]


def _is_newer(other: Read, one: Read) -> bool:
    """Tell whether `other` is a newer decision on the same workload: by its time, unless their log says otherwise."""
    if other.workload != one.workload or _time(other) <= _time(one):
        return False
    mine, theirs = one.predicate["ledger"], other.predicate["ledger"]
    places = mine.get("index"), theirs.get("index")
    if mine.get("origin") != theirs.get("origin") or not all(isinstance(place, int) for place in places):
        return True
    return bool(places[1] > places[0])


def _findings(decision: Read, asked: Asked) -> list[Finding]:
    document, found = decision.document, []
    name, until = decision.workload, document["valid_until"]
    if asked.stage is not None and document["workload"]["stage"] != asked.stage:
        message = f"{name} was decided for the stage {document['workload']['stage']}, not for {asked.stage}"
        found.append(Finding("unbound", message))
    if asked.purpose not in (None, decision.purpose):
        was = (
            f"for the purpose {decision.purpose}"
            if decision.purpose is not None
            else "for a purpose that is not on record"
        )
        found.append(Finding("unbound", f"{name} was decided {was}, not for {asked.purpose}"))
    if asked.policy_digest not in (None, document["policy"]["digest"]):
        message = f"{name} was decided under the policy {document['policy']['digest']}, not {asked.policy_digest}"
        found.append(Finding("policy", message))
    if until is not None and moment(until) < asked.at.replace(microsecond=0):
        found.append(Finding("expired", f"the decision on {name} was valid until {until}: decide again"))
    verdict = document["verdict"]
    if verdict not in LEVELS:
        found.append(Finding("deny" if verdict == "deny" else "review", f"{name}: {verdict}"))
    return found


def _late(decision: Read, at: datetime) -> Finding:
    when = verified_at(decision.predicate)
    message = (
        f"the decision on {decision.workload} was recorded at {when}, after {at.isoformat().replace('+00:00', 'Z')}"
    )
    return Finding("clock", message)


def _is_of(decision: Read, workload: str | None) -> bool:
    """Tell whether a decision is on `workload`, which is [NAMESPACE/]NAME; on any where it is None."""
    return workload is None or decision.workload in (workload, f"default/{workload}")


def _time(decision: Read) -> datetime:
    return moment(verified_at(decision.predicate))
