"""What a table of tasks may say: its columns, named as the vocabulary, and the type of each.

One row is one task with its workload's facts. A column that is not there says what a workload file says that leaves
the field out: the field's default, else unknown. A null says unknown; of what is absent where nothing is said (a
proposal, a fallback, hardware, evidence) it says absent, and of `workload.namespace`, `workload.task_count` and
`task.share` the same as leaving it out.

Nothing here imports Polars.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

from policy_engine.errors import InputError, Problem, did_you_mean
from policy_engine.fleet.columns import HARDWARE, MIN_SCORES
from policy_engine.loading.wording import listed, quoted
from policy_engine.model.vocabulary import CUSTOM, Fact, Vocabulary

Kind = Literal["bool", "int", "double", "string", "list<string>", "object"]

OWNER, CHAMPION = "workload.owner", "migration.champion"
NAMESPACE, COUNT, SHARE = "workload.namespace", "workload.task_count", "task.share"
PROPOSED, FALLBACK = "proposal.deployment", "proposal.fallback.deployment"
MIGRATION, HAS_CHAMPION = "migration.present", "migration.champion_present"
#: Without these a row is no task.
REQUIRED = ("workload.name", "workload.stage", "task.name", "task.kind")
#: What is asked of a workload beside the vocabulary's declared facts.
_MORE: dict[str, Kind] = {
    OWNER: "string",
    COUNT: "int",
    MIN_SCORES: "object",
    HARDWARE: "object",
    MIGRATION: "bool",
    HAS_CHAMPION: "bool",
    CHAMPION: "string",
}
#: The columns whose cells are JSON.
OBJECTS = tuple(name for name, kind in _MORE.items() if kind == "object")
EVIDENCE = "evidence."
_DATES = ("issued", "valid_until")


class SourceColumns(Struct, frozen=True):
    """The columns that a table may have under a vocabulary, by name, with the kind of their cells."""

    kinds: Mapping[str, Kind]
    facts: Mapping[str, Fact]

    def check(self, given: Sequence[str], keep: Sequence[str], place: str) -> None:
        """Refuse a table whose columns are not all known, or lack one without which no row is a task.

        Raises:
            InputError: with every column that is wrong.
        """
        problems = [*self._unknown(given, keep, place), *_repeated(given, place)]
        for name in REQUIRED:
            if name not in given:
                meaning = self.facts[name].meaning if name in self.facts else None
                problems.append(Problem("sweep-column", f"{place}: there is no column `{name}`", help=meaning))
        for name in keep:
            if name not in given:
                near = did_you_mean(name, given) or "name a column of the table"
                problems.append(
                    Problem("sweep-column", f"{place}: there is no column {quoted(name)} to keep", help=near)
                )
        if problems:
            raise InputError(problems)

    def _unknown(self, given: Iterable[str], keep: Sequence[str], place: str) -> list[Problem]:
        found = []
        for name in given:
            if name not in self.kinds and name not in keep:
                message = f"{place}: unknown column {quoted(name)}"
                found.append(Problem("sweep-column", message, help=self._hint(name)))
        return found

    def _hint(self, name: str) -> str:
        if name.startswith("hardware."):
            return "say it in the column `hardware`, as JSON of a workload's section `spec.hardware`"
        if name in ("proposal.present", "proposal.fallback.present"):
            return f"a row proposes where `{name.removesuffix('present')}deployment` says what; leave the column out"
        near = did_you_mean(name, list(self.kinds))
        return f"{near} or pass it through with --keep" if near else "leave it out, or pass it through with --keep"

    def default(self, name: str) -> Any:
        """Return what a row says that leaves the column out, where that is not the same as null."""
        if name == MIN_SCORES:
            return "{}"
        fact = self.facts.get(name)
        return fact.default if fact is not None else None


def source_columns(vocabulary: Vocabulary) -> SourceColumns:
    """Return the columns that a table may have under `vocabulary`, in its order."""
    facts = {
        name: fact
        for name, fact in vocabulary.facts.items()
        if fact.source == "declared" and not name.startswith("hardware.")
    }
    kinds: dict[str, Kind] = {name: fact.type for name, fact in facts.items()}
    kinds |= _MORE
    for name in vocabulary.evidence:
        kinds[EVIDENCE + name] = "string"
        kinds |= {f"{EVIDENCE}{name}.{day}": "string" for day in _DATES}
    return SourceColumns(kinds, facts)


def custom_names(columns: Iterable[str]) -> list[str]:
    """Return the names of custom facts among `columns`, without their prefix."""
    return [name.removeprefix(CUSTOM) for name in columns if name.startswith(CUSTOM)]


def _repeated(given: Sequence[str], place: str) -> list[Problem]:
    twice = sorted({name for name in given if given.count(name) > 1})
    if not twice:
        return []
    return [Problem("sweep-column", f"{place}: {listed(twice, 'and')} stands there twice", help="keep one of them")]
