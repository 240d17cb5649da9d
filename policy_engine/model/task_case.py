"""What one task is decided on, and what comes out: the values that pass between the stages of a decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal

from msgspec import Struct

from policy_engine.model.rule import Enforcement
from policy_engine.model.waiver import NO_LIFTING, Lifting, Waiver

Status = Literal["permitted", "uncertain", "unavailable", "forbidden"]
Verdict = Literal["allow", "allow_with_conditions", "review", "deny"]
#: From the best to the worst.
VERDICTS: tuple[Verdict, ...] = ("allow", "allow_with_conditions", "review", "deny")
#: Those under which a workload may be deployed.
ALLOWING: tuple[Verdict, ...] = VERDICTS[:2]
#: Evidence that is measured: somebody's file is no attestation, however it was recorded.
ATTESTED = frozenset({"hardware_attestation"})
#: Evidence that a report of `policy parity` is: one that names a report is worth what the report says.
EVALUATED = frozenset({"golden_dataset", "parallel_test"})
#: The parameter that says for how many days an attestation counts.
ATTESTATION_DAYS = "attestation_days"


class EvidenceStatus(Struct, frozen=True):
    """One piece of evidence as checked: `problem` says why it does not count.

    `short` says why it is not of a better grade that it claims. An approved or recorded one has `proof`, which names
    what proves it, and `material`, which is that; `ends` is the last day on which it counts, and `otherwise` the grade
    without it. What a report of `policy parity` is has `shows`: by task, the catalog's names of the models that it
    found better or equivalent, of which alone it is evidence.
    """

    name: str
    grade: str
    valid_until: date | None = None
    problem: str | None = None
    short: str | None = None
    ends: date | None = None
    proof: Mapping[str, str | int] | None = None
    otherwise: str | None = None
    material: Mapping[str, str] | None = None
    shows: Mapping[str, tuple[str, ...]] | None = None


class TaskCase(Struct, frozen=True):
    """The declared facts of one task (absent = unknown), with what does not fit a flat fact.

    `min_scores` maps benchmark -> floor (None: unknown); `hardware` is the claim, None where none is made; `waivers`
    are those on this workload, as checked. `measured` are a probe's verdicts on the claim, where an attestation counts.
    """

    facts: Mapping[str, Any]
    min_scores: Mapping[str, float | None] | None
    hardware: Any
    evidence: Mapping[str, EvidenceStatus]
    namespace: str
    at: datetime
    waivers: tuple[Waiver, ...] = ()
    measured: tuple[Any, ...] = ()

    @property
    def day(self) -> date:
        return self.at.date()


class Contribution(Struct, frozen=True):
    """What one topic adds to an option's score, by which rule."""

    topic: str
    rule: str
    points: int


class Standing(Struct):
    """How one option stands: status, score with its range, and the rules behind both."""

    option: str
    status: Status
    score: int
    low: int
    high: int
    contributions: tuple[Contribution, ...]
    rules: tuple[str, ...]
    missing: frozenset[str]
    monthly_usd: float | None
    cost_open: frozenset[str] = frozenset()


class Obligation(Struct, frozen=True):
    """An evidence name that the judged option needs, and whether it is there.

    `lifted` are those of its rules that waivers lift; `waived` where no other rule asks for what is not there.
    """

    evidence: str
    status: Literal["satisfied", "outstanding", "uncertain"]
    enforcement: str
    grade: str
    rules: tuple[str, ...]
    why: str | None = None
    lifted: tuple[str, ...] = ()
    waived: bool = False


class ProposalRuling(Struct, frozen=True):
    """What is said of the proposal (or its fallback) beyond its option: True fine, False ruled out, None unknown."""

    holds: bool | None
    reasons: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    missing: frozenset[str] = frozenset()
    unknown_model: bool = False


class Ranking(Struct, frozen=True):
    """Which option comes first. `provisional` is the first of the uncertain ones where none is permitted."""

    recommended: str | None
    provisional: str | None
    firm: bool
    open_facts: frozenset[str]
    cheapest: str | None


class TaskResult(Struct):
    """Everything that the stages found for one task."""

    case: TaskCase
    facts: dict[str, Any]
    grades: dict[str, tuple[str, str | None]]
    outcomes: list[bool | None]
    missing_of: Mapping[int, frozenset[str]]
    enforcement: Sequence[Enforcement]
    models: Mapping[str, Any]
    inputs: Mapping[str, Any]
    standings: dict[str, Standing]
    ranking: Ranking
    judged: str | None
    proposal: ProposalRuling | None
    fallback: ProposalRuling | None
    fallback_verdict: Verdict | None
    obligations: tuple[Obligation, ...]
    verdict: Verdict
    #: What is said of each hardware claim (`catalog.ClaimFinding`), and what follows from it in lines.
    hardware_claims: Sequence[Any] = ()
    hardware_why: tuple[str, ...] = ()
    spend_disputes: tuple[str, ...] = ()
    #: Facts and outcomes of the inference on the fallback.
    fallback_inference: tuple[dict[str, Any], list[bool | None]] | None = None
    #: What waivers lift: on the task's own facts, and on those of its fallback.
    lifting: Lifting = NO_LIFTING
    fallback_lifting: Lifting = NO_LIFTING
