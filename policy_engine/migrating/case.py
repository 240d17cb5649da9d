"""What a playbook reads: the workload, what the engine finds of it, its evidence, and what is on record."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

from msgspec import Struct
from policy_audit.entry import EntryType

from policy_engine.catalog import Catalog
from policy_engine.decide import Decider
from policy_engine.migrating.item import Asks
from policy_engine.migrating.records import Records
from policy_engine.model.task_case import EvidenceStatus, TaskResult
from policy_engine.model.vocabulary import OPEN_OPTIONS
from policy_engine.model.waiver import Waiver
from policy_engine.model.workload import Migration, Workload
from policy_engine.rollout.moved import Candidate, candidate_of, same_candidate, stays
from policy_engine.wording import value_text

_STDIN = ("-", "<stdin>")
_STRICTEST = ("mandatory", "waivable", "advisory")


class Given(Struct, frozen=True):
    """The layers and the ledger that the command was given, for commands that it names; a password is left out."""

    layers: tuple[str, ...] = ()
    ledger: str | None = None


class TaskView:
    """One task: its result, its document, the option that is judged and the model there."""

    def __init__(self, index: int, result: TaskResult, document: Mapping[str, Any], catalog: Catalog) -> None:
        self.index, self.result, self.document, self._catalog = index, result, document, catalog
        self.name: str = document["name"]
        self.facts: Mapping[str, Any] = result.facts
        self.option: str | None = document["judged_option"]

    @cached_property
    def model(self) -> str | None:
        """The model that is judged, by the catalog's name for it; one that the catalog does not know, as it is said."""
        proposal, recommended = self.document["proposal"], self.document["recommendation"]
        name: str | None = None
        if proposal is not None:
            name = proposal["model"]
        elif recommended is not None and not recommended["provisional"]:
            name = recommended["model"]
        return named(self._catalog, name)

    @property
    def candidate(self) -> Candidate:
        """What it moves to, as `policy rollout` records it."""
        provider, region = (self.facts.get(f"proposal.{name}") for name in ("provider", "region"))
        return candidate_of(self.option, self.model, provider, region)

    @property
    def moves_to_open(self) -> bool | None:
        """Whether what is judged is an open model; None where no option is judged."""
        return None if self.option is None else self.option in OPEN_OPTIONS


def named(catalog: Catalog, name: str | None) -> str | None:
    """Return the catalog's own name of a model, or the name as it was said."""
    found = catalog.model(name)
    return found.key if found is not None else name


class Case:
    """A workload with all that its playbook rests on, as of one moment."""

    def __init__(
        self,
        decider: Decider,
        workload: Workload,
        evidence: Mapping[str, EvidenceStatus],
        at: datetime,
        records: Records,
        file: str,
        waivers: Sequence[Waiver] = (),
        several: bool = False,
        given: Given | None = None,
    ) -> None:
        self.decider, self.workload, self.evidence, self.records = decider, workload, evidence, records
        self.at, self.day = at, at.date()
        self.catalog = decider.policy.catalog
        self.parameters = decider.judge.parameters
        #: The file as a command names it.
        self.file = "FILE" if file in _STDIN else shlex.quote(file)
        self._several, self._given = several, given or Given()
        results = [decider.judge.judge(case) for case in decider.cases(workload, evidence, at, waivers)]
        self.results = tuple(results)
        self.tasks = [
            TaskView(index, result, decider.as_it_is(result), self.catalog) for index, result in enumerate(results)
        ]

    def call(self, command: str, *, names_workload: bool = True, uses_ledger: bool = True) -> str:
        """Return the words of a command on this workload: as this one was called, as far as that command can be."""
        words = [f"policy {command} {self.file}"]
        if self._several and names_workload:
            words.append(f"--workload {shlex.quote(self.workload.identity)}")
        words += [f"--policy {shlex.quote(layer)}" for layer in self._given.layers]
        if uses_ledger and self._given.ledger is not None:
            words.append(f"--ledger {shlex.quote(self._given.ledger)}")
        return " ".join(words)

    @property
    def migration(self) -> Migration | None:
        """The migration, where the workload states one."""
        found = self.workload.spec.migration
        return found if isinstance(found, Migration) else None

    def stays(self, task: TaskView) -> bool:
        """Whether a task is to keep the deployment and the model that it has."""
        migration = self.migration
        return migration is not None and stays(task.candidate, migration.replaces, self.catalog)

    def is_proven(self, task: TaskView) -> bool:
        """Whether all of a task's traffic has moved to what is judged now, for all that is known."""
        standing = self.records.standing(task.name)
        if not standing.is_complete or standing.candidate is None or standing.last is None:
            return False
        garbled = self.records.garbled_after(EntryType.ROLLOUT_DECIDED, standing.last["index"])
        return garbled is None and same_candidate(standing.candidate, task.candidate, self.catalog)

    @property
    def replaced_model(self) -> str | None:
        """The model in use today, by the catalog's name for it."""
        migration = self.migration
        replaced = migration.replaces if migration is not None else None
        return named(self.catalog, replaced.model if replaced is not None else None)

    @property
    def replaced_option(self) -> str | None:
        """The option in use today."""
        migration = self.migration
        return migration.replaces.deployment if migration is not None and migration.replaces is not None else None

    def rows(self, criterion: str, task: TaskView | None = None) -> Iterator[Mapping[str, Any]]:
        """Yield the rows of the rules that encode a criterion, of one task or of all."""
        for each in self.tasks if task is None else [task]:
            yield from (row for row in each.document["rules"] if criterion in row["criteria"])

    def asks(self, criterion: str, task: TaskView | None = None, rules: Sequence[str] | None = None) -> Asks:
        """Say which rules of a criterion speak on this workload, and how strictly; of `rules` alone where given."""
        rows = [row for row in self.rows(criterion, task) if rules is None or row["id"] in rules]
        fired = [row for row in rows if row["outcome"] == "fired"]
        if fired:
            return Asks(_ids(fired), (criterion,), _strictest(fired))
        open_ = [row for row in rows if row["outcome"] == "indeterminate"]
        if open_:
            missing = sorted({name for row in open_ for name in row["missing"]})
            return Asks(_ids(open_), (criterion,), "unknown", f"depends on {', '.join(missing)}")
        return Asks(_ids(rows), (criterion,), "none", silence(rows))


def silence(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """Say on which facts rules rest that did not fire."""
    facts = {name: value_text(fact["value"]) for row in rows for name, fact in row["facts"].items()}
    said = ", ".join(f"{name} is {value}" for name, value in sorted(facts.items()) if name != "migration.present")
    return said or None


def _ids(rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(row["id"] for row in rows))


def _strictest(rows: Sequence[Mapping[str, Any]]) -> str:
    found = [row["enforcement"] for row in rows if row["enforcement"] in _STRICTEST]
    return min(found, key=_STRICTEST.index, default="advice")
