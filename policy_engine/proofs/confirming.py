"""Confirm by the engine what Z3 found: a counterexample counts where the decision on its workload is one.

INVARIANT: nothing that Z3 says of a workload is believed before the engine has said the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from policy_engine.decide import Decider
from policy_engine.errors import PolicyError
from policy_engine.loading.evidence import check_evidence
from policy_engine.loading.rule_document import rule_document, waivable_digest
from policy_engine.loading.workload_file import LoadedWorkload, load_document
from policy_engine.loading.yaml_builder import Node
from policy_engine.loading.yaml_source import Document
from policy_engine.model.task_case import EvidenceStatus, TaskCase, TaskResult
from policy_engine.model.waiver import Decided, Requester, Scope, Statement, WaivedRule, Waiver
from policy_engine.model.workload import Workload
from policy_engine.probe.verdict import ClaimVerdict
from policy_engine.proofs.concrete import Found
from policy_engine.summary import reasons

Confirms = Callable[[TaskResult], bool]
_NOBODY = "A" * 43
_NOTHING = "0" * 64
#: Hardware that stands for all hardware: none that says anything, much, little, and claims that cannot be.
_HARDWARE: tuple[Any, ...] = (
    None,
    [{"name": "cpu"}],
    [{"name": "NVIDIA H200", "count": 8}],
    [{"name": "T4", "count": 1}],
    [{"name": "T4", "count": 1, "memory_gb": 500.0}],
    [{"name": "Frobnicator 9", "count": 1}],
    [{"name": "NVIDIA A100-SXM4-80GB", "count": 1}],
)


@dataclass(frozen=True)
class Counterexample:
    """A workload that the engine decided as Z3 said; `beyond` is what its file cannot say."""

    workload: dict[str, Any]
    verdict: str
    say: Callable[[], Sequence[str]]
    beyond: tuple[str, ...] = ()

    @cached_property
    def reasons(self) -> tuple[str, ...]:
        """Why the engine decides so: put into words when it is read, which takes longer than to decide."""
        return tuple(self.say())

    def text(self) -> str:
        """Return the workload file."""
        from policy_engine.proofs.writing import workload_text

        return workload_text(self)


class Confirmer:
    """Decides found workloads under one policy at one time."""

    def __init__(self, decider: Decider, at: datetime) -> None:
        self.decider, self.at = decider, at

    def confirm(self, found: Found, confirms: Confirms) -> tuple[Counterexample, TaskResult] | None:
        """Return the counterexample where a decision on the workload `confirms` it, else None."""
        for workload in with_hardware(found):
            try:
                result = self.result(workload, found)
            except PolicyError:
                continue
            if result is not None and confirms(result):
                say = partial(self.why, result)
                return Counterexample(workload, result.verdict, say, tuple(found.beyond_the_file())), result
        return None

    def why(self, result: TaskResult) -> list[str]:
        """Return the reasons for a decision, as `policy evaluate` gives them."""
        return reasons(self.decider.as_it_is(result))

    def smaller(self, found: Found, shown: Counterexample, confirms: Confirms) -> Counterexample:
        """Return the counterexample with all left out that the engine's answer does not hang on."""

        def still(workload: dict[str, Any]) -> bool:
            return self.confirm(replace_workload(found, workload), confirms) is not None

        again = self.confirm(replace_workload(found, smaller(shown.workload, still)), confirms)
        return again[0] if again is not None else shown

    def result(self, document: dict[str, Any], found: Found) -> TaskResult | None:
        """Return the decision on the first task; None where the workload is none.

        Raises:
            PolicyError: the engine refuses to decide.
        """
        loaded = load_document(Document("<counterexample>", document, Node((1, 1), document)), 0, self._vocabulary)
        if not isinstance(loaded, LoadedWorkload):
            return None
        workload = loaded.workload
        evidence = check_evidence(workload, self.at.date(), Path("/"))
        for name, grade in found.grades.items():
            evidence[name] = EvidenceStatus(name, grade)
        case = self.decider.cases(workload, evidence, self.at)[0]
        # nothing is measured against what the workload does not claim
        case = replace(case, measured=_measured(found.measured) if workload.spec.hardware is not None else ())
        result = self.decider.judge.judge(case)
        if found.waivers:
            result = self.decider.judge.judge(replace(case, waivers=self._waivers(workload, case, result, found)))
        return result

    def refused(self, found: Found, code: str) -> Counterexample | None:
        """Return the counterexample where the engine refuses to decide on it, with the error `code`."""
        for workload in with_hardware(found):
            try:
                self.result(workload, found)
            except PolicyError as error:
                if error.code == code:
                    messages = [problem.message for problem in error.problems]
                    return Counterexample(workload, "refused", partial(list, messages), tuple(found.beyond_the_file()))
        return None

    @property
    def _vocabulary(self) -> Any:
        return self.decider.policy.vocabulary

    def _waivers(self, workload: Workload, case: TaskCase, plain: TaskResult, found: Found) -> tuple[Waiver, ...]:
        """Return the waivers of `found`, each granted for what its rule came to without them."""
        made = (self._waiver(workload, case, plain, *each) for each in found.waivers)
        return tuple(each for each in made if each is not None)

    def _waiver(
        self, workload: Workload, case: TaskCase, plain: TaskResult, rule: str, option: str, fallback: bool
    ) -> Waiver | None:
        judge = self.decider.judge
        index = judge.index_of.get(rule)
        inference = plain.fallback_inference if fallback else (plain.facts, plain.outcomes)
        if index is None or inference is None:
            return None
        facts, outcomes = inference
        outcome = "fired" if outcomes[index] else "indeterminate"
        read = {name: facts[name] for name in sorted(judge.rules[index].reads) if name in facts}
        digest = waivable_digest(rule_document(judge.rules[index]), judge.parameters)
        day = self.at.date()
        statement = Statement(
            origin="counterexample",
            rule=WaivedRule(rule, digest),
            scope=Scope(workload.namespace, workload.metadata.name, option, None),
            decided=Decided(_NOTHING, self.decider.policy.digest, outcome, read, ()),  # type: ignore[arg-type]
            reason="counterexample",
            ticket="none",
            valid_from=day,
            valid_until=day + timedelta(days=30),
            requester=Requester(_NOBODY, "asserted"),
        )
        return Waiver(statement.id, statement, (), statement.valid_until)


def _measured(word: str) -> tuple[ClaimVerdict, ...]:
    if word == "none":
        return ()
    return (ClaimVerdict("memory_gb", "T4", 16.0, "GB", word, "as the counterexample has it", row=0),)  # type: ignore[arg-type]


def smaller(workload: dict[str, Any], still: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Return the workload with all left out without which `still` holds."""
    for path in _optional(workload):
        less = _left_out(workload, path)
        if less is not None and still(less):
            workload = less
    return workload


def _optional(workload: Mapping[str, Any]) -> list[tuple[str | int, ...]]:
    """Return the places of all that a workload file may leave out, whole sections first."""
    spec = workload["spec"]
    found: list[tuple[str | int, ...]] = [("spec", name) for name in spec if name not in ("stage", "tasks")]
    found += [("spec", "tasks", 0, name) for name in spec["tasks"][0] if name not in ("name", "kind", "share")]
    found += [("spec", name, key) for name, part in spec.items() if isinstance(part, dict) for key in part]
    proposal = spec["tasks"][0].get("proposal") or {}
    found += [("spec", "tasks", 0, "proposal", name) for name in proposal if name != "deployment"]
    return found


def _left_out(workload: Mapping[str, Any], path: tuple[str | int, ...]) -> dict[str, Any] | None:
    """Return a copy of the workload without what stands at `path`; None where that is gone already."""
    copied: dict[str, Any] = deepcopy(dict(workload))
    at: Any = copied
    for step in path[:-1]:
        if isinstance(at, dict) and step not in at:
            return None
        at = at[step]
        if not isinstance(at, dict | list):
            return None
    if path[-1] not in at:
        return None
    del at[path[-1]]
    return copied


def replace_workload(found: Found, workload: dict[str, Any]) -> Found:
    """Return `found` of another workload, which says of its hardware all that it has to."""
    return dataclasses.replace(found, workload=workload, claims_hardware=False)


def with_hardware(found: Found) -> Iterator[dict[str, Any]]:
    """Yield the workload, with each hardware that it might be about where it claims any."""
    if not found.claims_hardware:
        yield found.workload
        return
    for gpus in _HARDWARE:
        spec = {**found.workload["spec"]}
        spec["hardware"] = {**spec["hardware"], "gpus": gpus}
        yield {**found.workload, "spec": spec}


def fired(index: int) -> Confirms:
    """Return what confirms that the rule of that index fires."""
    return lambda result: result.outcomes[index] is True


def verdicts(words: Sequence[str]) -> Confirms:
    """Return what confirms that the verdict is one of `words`."""
    return lambda result: result.verdict in words
