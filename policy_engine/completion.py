"""Which unknown facts of a workload can change its verdict, largest effect first. Pure: nothing is recorded.

Two searches add up. The decision names the facts that its verdict waits for. And every unknown fact is tried with the
values at which rules turn: a fact whose value alone changes a verdict comes first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from policy_engine.candidates import Candidates
from policy_engine.catalog import Catalog
from policy_engine.catalog.boxes import box_of
from policy_engine.claims import claim_of, rows_without
from policy_engine.decide import Decider
from policy_engine.facts import declared_facts
from policy_engine.loading.custom_facts import with_typed_custom
from policy_engine.loading.yaml_edit import with_value
from policy_engine.missing import MissingFacts
from policy_engine.model.fields import MOST_DEVICES, MOST_OF_A_DEVICE, MOST_SCORE
from policy_engine.model.task_case import VERDICTS, EvidenceStatus, Obligation, TaskResult, Verdict
from policy_engine.model.vocabulary import Fact, Vocabulary
from policy_engine.model.workload import Migration, Workload
from policy_engine.model.workload_paths import fields_by_path, pattern_of

Path = tuple[str | int, ...]
#: Judgements that a search may take: a large file with hundreds of tasks is asked by its structure alone.
MOST_JUDGEMENTS = 4_000
_GPU_FACT = "hardware.gpus."
_GPUS = ("spec", "hardware", "gpus")
_HARDWARE_LEAVES = {"name": "string", "count": "int"}
_NOT_FACTS: Mapping[str, str] = {
    "migration": "Whether a deployment is replaced: `none`, or a mapping with `from`.",
    "hardware.gpus": "The GPUs claimed; a host without one is [{name: cpu}].",
    "task.min_scores": "Benchmark floors, by the catalog's benchmark names; {} where there are none.",
}


@dataclass(frozen=True, slots=True)
class Question:
    """An unknown fact: where its value belongs, and the worst verdict that each value tried would give.

    `task` is the task that it is a fact of, None where it is one of the whole workload. `effect` is 2 where a value
    alone changes the workload's verdict, 1 where it changes a task's, and 0 where it takes others as well.
    """

    fact: Fact
    path: Path
    task: str | None
    outcomes: tuple[tuple[Any, Verdict], ...]
    effect: int

    @property
    def name(self) -> str:
        return self.fact.name


@dataclass(frozen=True, slots=True)
class State:
    """Where a workload stands: its verdict, each task's, what to ask, and what only the catalog could tell.

    `owed` is the evidence that is outstanding and that a verdict waits for, which no answer gives.
    """

    verdict: Verdict
    verdicts: tuple[Verdict, ...]
    questions: tuple[Question, ...]
    catalog_gaps: tuple[str, ...]
    owed: tuple[Obligation, ...] = ()


class Completion:
    """Asks what is worth asking under one policy and at one time."""

    def __init__(self, decider: Decider, at: datetime) -> None:
        self.decider, self.at = decider, at
        self.vocabulary: Vocabulary = decider.policy.vocabulary
        self._missing = MissingFacts(decider.judge)
        self._candidates = Candidates(decider.policy)

    def state(
        self,
        document: Mapping[str, Any],
        evidence: Mapping[str, EvidenceStatus],
        skipped: AbstractSet[Path] = frozenset(),
    ) -> State:
        """Decide the plain document of a workload, and find what to ask; `skipped` paths are not asked again."""
        search = _Search(self, dict(document), evidence)
        waiting = search.waiting()
        found = [search.question(path, fact, path in waiting) for path, fact in search.unknown(waiting)]
        order = {path: place for place, path in enumerate(waiting)}
        asked = [each for each in found if each.path not in skipped and (each.effect or each.path in order)]
        asked.sort(key=lambda each: (-each.effect, -_reach(each), order.get(each.path, len(order)), each.path[-1:]))
        gaps = dict.fromkeys(name for result in search.results for name in self._missing.catalog_gaps(result))
        return State(_worst(search.verdicts), search.verdicts, tuple(asked), tuple(gaps), search.owed())

    def decisive(self, result: TaskResult) -> list[str]:
        return self._missing.of(result)[1]

    def candidates(self, fact: Fact, facts: Mapping[str, Any]) -> list[Any]:
        return self._candidates.of(fact, facts)


class _Search:
    """One workload as it stands, and as it would stand."""

    def __init__(
        self, completion: Completion, document: dict[str, Any], evidence: Mapping[str, EvidenceStatus]
    ) -> None:
        self.completion, self.document, self.evidence = completion, document, evidence
        self.workload = Workload.model_validate(with_typed_custom(document, completion.vocabulary))
        cases = completion.decider.cases(self.workload, evidence, completion.at)
        self.results = [completion.decider.judge.judge(case) for case in cases]
        self.verdicts: tuple[Verdict, ...] = tuple(result.verdict for result in self.results)
        self._left = MOST_JUDGEMENTS

    def owed(self) -> tuple[Obligation, ...]:
        """Return the evidence that is outstanding and that a verdict waits for, each name once."""
        found: dict[str, Obligation] = {}
        for result in self.results:
            for duty in result.obligations:
                if duty.status == "outstanding" and duty.enforcement != "advisory" and not duty.waived:
                    found.setdefault(duty.evidence, duty)
        return tuple(found.values())

    def waiting(self) -> list[Path]:
        """Return the paths of the facts that verdicts wait for, in the decision's order, task by task."""
        found: dict[Path, None] = {}
        for index, result in enumerate(self.results):
            for name in self.completion.decisive(result):
                for path in self._paths(name, result, index):
                    if value_at(self.document, path) is None:
                        found[path] = None
        return list(found)

    def _paths(self, name: str, result: TaskResult, index: int) -> list[Path]:
        """Return where `name` is stated: of devices that are claimed, each of their figures that is lacking."""
        hardware = self.workload.spec.hardware
        if name == "hardware.gpus" and hardware is not None and hardware.gpus is not None:
            return _lacking(self._catalog, result)
        path = path_of(name, index, self.workload, self._catalog)
        return [] if path is None else [path]

    @property
    def _catalog(self) -> Catalog:
        return self.completion.decider.policy.catalog

    def unknown(self, waiting: list[Path]) -> Iterator[tuple[Path, Fact]]:
        """Yield what can be stated and is not: first what verdicts wait for, then the rest of the vocabulary."""
        seen: set[Path] = set()
        for path in waiting:
            seen.add(path)
            yield path, fact_at(path, self.completion.vocabulary)
        for index, task in enumerate(self.workload.spec.tasks):
            known = declared_facts(self.workload, task, self.completion.vocabulary.custom_defaults)
            for name, fact in self.completion.vocabulary.facts.items():
                if name in known or fact.source != "declared" or not self._can_stand(name, index):
                    continue
                place = path_of(name, index, self.workload, self._catalog)
                if place is not None and place not in seen:
                    seen.add(place)
                    yield place, fact

    def _can_stand(self, name: str, index: int) -> bool:
        """Whether stating `name` only adds knowledge: a proposal, a claim or a migration is not made by the way."""
        spec = self.workload.spec
        proposal = spec.tasks[index].proposal
        if name.startswith("proposal.fallback."):
            return proposal is not None and proposal.fallback is not None
        if name.startswith("proposal."):
            return proposal is not None
        if name.startswith("hardware."):
            below_serves = name.startswith("hardware.serves.")
            return spec.hardware is not None and (not below_serves or spec.hardware.serves is not None)
        if name.startswith("migration."):
            migration = spec.migration
            return isinstance(migration, Migration) and (migration.replaces is not None or ".from." not in name)
        return name != "task.share"

    def question(self, path: Path, fact: Fact, waited: bool) -> Question:
        """Try the values of one fact."""
        task = path[2] if path[:2] == ("spec", "tasks") else None
        index = task if isinstance(task, int) else None
        touched = range(len(self.results)) if index is None else range(index, index + 1)
        outcomes: list[tuple[Any, Verdict]] = []
        effect = 0
        for value in self.completion.candidates(fact, self.results[touched[0]].facts):
            if not waited and self._left <= 0:
                break
            self._left -= len(touched)
            verdicts = self._with(path, value, touched)
            if verdicts is None:
                continue
            outcome = _worst(verdicts)
            if all(each[0] != value or type(each[0]) is not type(value) for each in outcomes):
                outcomes.append((value, outcome))
            if outcome != _worst(self.verdicts):
                effect = 2
            elif verdicts != self.verdicts:
                effect = max(effect, 1)
        name = self.workload.spec.tasks[index].name if index is not None else None
        return Question(fact, path, name, tuple(outcomes), effect)

    def _with(self, path: Path, value: Any, touched: range) -> tuple[Verdict, ...] | None:
        """Return the verdicts with `value` at `path`; None where the workload may not say so."""
        document = with_value(self.document, path, value)
        try:
            workload = Workload.model_validate(with_typed_custom(document, self.completion.vocabulary))
        except ValidationError:
            return None
        decider = self.completion.decider
        cases = decider.cases(workload, self.evidence, self.completion.at)
        verdicts = list(self.verdicts)
        for index in touched:
            verdicts[index] = decider.judge.judge(cases[index]).verdict
        return tuple(verdicts)


def value_at(document: Any, path: Path) -> Any:
    """Return the value at `path` of plain data; None where it is null or not there."""
    for step in path:
        if isinstance(document, dict):
            document = document.get(step)
        else:
            known = isinstance(document, list) and isinstance(step, int) and step < len(document)
            document = document[step] if known else None
    return document


def path_of(name: str, index: int, workload: Workload, catalog: Catalog) -> Path | None:
    """Return where the fact `name` of task `index` is stated; None where a workload file does not state it."""
    head, _, rest = name.partition(".")
    match head:
        case "migration" if not rest:
            path: Path = ("spec", "migration")
        case "workload":
            path = ("metadata" if rest in ("name", "namespace", "owner") else "spec", rest)
        case "task" if rest.startswith("min_scores."):
            return ("spec", "tasks", index, "min_scores", rest.removeprefix("min_scores."))
        case "task":
            path = ("spec", "tasks", index, rest)
        case "proposal":
            path = ("spec", "tasks", index, "proposal", *rest.split("."))
        case "hardware" if rest.startswith("gpus."):
            return _gpu_path(rest.removeprefix("gpus."), workload, catalog)
        case "custom":
            return ("spec", "custom", rest)
        case _:
            path = ("spec", head, *rest.split("."))
    return path if pattern_of(path) in fields_by_path() else None


def _gpu_path(leaf: str, workload: Workload, catalog: Catalog) -> Path | None:
    """Return the first device of which nobody says `leaf`; a single one may claim what is published of it, too."""
    claim = claim_of(workload.spec.hardware)
    if claim is None:
        return None
    rows = rows_without(catalog, claim, leaf)
    if not rows and len(claim.gpus or ()) == 1 and pattern_of((*_GPUS, 0, leaf)) in fields_by_path():
        rows = [row for row, gpu in enumerate(claim.gpus or ()) if getattr(gpu, leaf) is None]
    return (*_GPUS, rows[0], leaf) if rows else None


def _lacking(catalog: Catalog, result: TaskResult) -> list[Path]:
    """Return the figures of devices that the proposal waits for, or else whatever is said of the hardware."""
    claim, claims = result.case.hardware, result.hardware_claims
    proposed = [each for each in claims if each.name == "proposal.model" and each.verdict == "unverifiable"]
    names = [name for each in proposed or claims for name in each.missing]
    if not proposed:
        names += box_of(catalog, claim).missing
    leaves = dict.fromkeys(name.removeprefix(_GPU_FACT) for name in names if name.startswith(_GPU_FACT))
    found = [(*_GPUS, row, leaf) for leaf in leaves for row in rows_without(catalog, claim, leaf)]
    return sorted(found, key=lambda path: path[3])


def fact_at(path: Path, vocabulary: Vocabulary) -> Fact:
    """Return what is known of the fact stated at `path`; what is no single fact has the type of its shape."""
    steps = [step for step in path[1:] if isinstance(step, str)]
    if steps[0] == "tasks":
        steps = steps[1:] if steps[1:2] == ["proposal"] else ["task", *steps[1:]]
    elif len(steps) == 1 and steps[0] != "migration":
        steps = ["workload", *steps]
    name = ".".join(steps)
    fact = vocabulary.facts.get(name)
    if fact is not None:
        return fact
    if name.startswith("task.min_scores."):
        meaning = f"The least {steps[-1]} score that a model must have."
        return Fact(name, "double", meaning, minimum=0.0, maximum=MOST_SCORE)
    if name.startswith("hardware.gpus."):
        info = fields_by_path()[("spec", "hardware", "gpus", steps[-1])]
        kind: Any = _HARDWARE_LEAVES.get(steps[-1], "double")
        low, high = (1, MOST_DEVICES) if kind == "int" else (0.0, MOST_OF_A_DEVICE)
        return Fact(name, kind, info.description or "", minimum=low, maximum=high)
    return Fact(name, "string", _NOT_FACTS[name])


def is_structure(fact: Fact) -> bool:
    """Whether the value of `fact` is more than a scalar or a list of strings."""
    return fact.name in _NOT_FACTS


def _reach(question: Question) -> int:
    return len({verdict for _, verdict in question.outcomes})


def _worst(verdicts: tuple[Verdict, ...]) -> Verdict:
    return max(verdicts, key=VERDICTS.index)
