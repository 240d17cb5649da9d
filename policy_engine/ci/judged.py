"""The outcome of a run: what was decided, what was not, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from policy_engine.baselines.applying import Use
from policy_engine.errors import Problem
from policy_engine.findings import Effect, Finding, effect_of, worst_effect
from policy_engine.loading.policy import Policy
from policy_engine.model.decision import Decision
from policy_engine.model.task_case import Verdict
from policy_engine.sources.selection import Selection


@dataclass
class JudgedWorkload:
    """A workload that was decided: its file, its decision with the findings, and how long it took.

    `shown` is what may be shown of it, once it is on record.
    """

    file: str
    decision: Decision
    findings: tuple[Finding, ...]
    seconds: float
    shown: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Namespace and name, as `default/triage`."""
        workload = self.decision.document["workload"]
        return f"{workload['namespace']}/{workload['name']}"

    @property
    def effect(self) -> Effect:
        """How grave it is: by the verdict; where a baseline accepts findings, by those that are left."""
        if any(finding.accepted for finding in self.findings):
            return worst_effect(finding for finding in self.findings if finding.accepted is None)
        return effect_of(self.decision.verdict)


@dataclass(frozen=True)
class Compared:
    """How the workloads of the judged files stood at the revision that a run names.

    `before` holds what was decided of them as they were, under the rules of this run; nothing of it is recorded. It is
    found by the judged file that they stand in now, and by name (`default/triage`), which several documents may have.
    `open` are the names of judged files whose content then cannot be decided.
    """

    before: Mapping[tuple[str, str], Sequence[JudgedWorkload]] = field(default_factory=dict)
    open: tuple[str, ...] = ()


@dataclass
class Judged:
    """The outcome of a run: workloads in the order given, what was wrong with the others, and how many documents.

    `selection` says what was judged and what was not, `baseline` what the baseline of a gate came to, and `compared`
    how workloads were (None where no revision was named, or no report compares). `stopped` is why nothing may be
    handed out: then there are no workloads. `policy` is None where it stopped before the rules were read, and where a
    server has them. `notes` are
    lines that every report has beside its numbers.
    """

    workloads: list[JudgedWorkload] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    documents: int = 0
    policy: Policy | None = None
    selection: Selection = field(default_factory=Selection)
    stopped: tuple[Problem, ...] = ()
    baseline: Use | None = None
    compared: Compared | None = None
    notes: tuple[str, ...] = ()

    @property
    def policy_digest(self) -> str | None:
        """The digest of the effective policy; of what a server decided, that which all its decisions name."""
        if self.policy is not None:
            return self.policy.digest
        named = {each.decision.document["policy"]["digest"] for each in self.workloads}
        return named.pop() if len(named) == 1 else None

    @property
    def decisions(self) -> list[tuple[str, Mapping[str, Any]]]:
        """What may be shown of each workload, with its file."""
        return [(each.file, each.shown) for each in self.workloads]

    @property
    def verdicts(self) -> list[Verdict]:
        return [each.decision.verdict for each in self.workloads]

    @property
    def findings(self) -> list[Finding]:
        return [finding for each in self.workloads for finding in each.findings]

    @property
    def nothing_due(self) -> bool:
        """Whether nothing was judged, and rightly so."""
        return self.selection.nothing_due and not self.stopped

    def stop(self, problems: tuple[Problem, ...]) -> None:
        """Withhold everything: `problems` say why."""
        self.workloads.clear()
        self.baseline = None
        self.stopped = problems
