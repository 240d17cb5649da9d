"""The vocabulary: one table of every fact, that schema, type checker, documentation and proofs read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct, field

FactType = Literal["bool", "int", "double", "string", "list<string>"]
FACT_TYPES: tuple[FactType, ...] = ("bool", "int", "double", "string", "list<string>")

#: How a fact comes to be: said by the team, computed, set by rules, looked up, or said and else computed.
FactSource = Literal["declared", "derived", "rule", "catalog", "coalesced"]
FACT_SOURCES: tuple[FactSource, ...] = ("declared", "derived", "rule", "catalog", "coalesced")

#: Grades from the weakest to the strongest (contract: workload file, "Facts").
GRADES = ("declared", "derived", "catalog", "specification", "measured")

#: What the names of a layer's own facts start with.
CUSTOM = "custom."

OPTIONS = ("proprietary_api", "open_api", "open_batch", "self_hosted", "edge")
THIRD_PARTY = OPTIONS[:3]
OPEN_OPTIONS = OPTIONS[1:]


class Fact(Struct, frozen=True):
    """One row of the vocabulary.

    `values` lists the members of an enumeration; `minimum` and `maximum` bound numbers, in `unit`;
    `required` facts are never unknown; `default` is the value of a field that is left out.
    """

    name: str
    type: FactType
    meaning: str
    unit: str | None = None
    values: tuple[str, ...] | None = None
    default: object = None
    required: bool = False
    source: FactSource = "declared"
    minimum: int | float | None = None
    maximum: int | float | None = None
    layer: str = "shipped"

    @property
    def never_unknown(self) -> bool:
        """Whether every workload knows this fact."""
        return self.required or self.name in _ALWAYS_KNOWN


_ALWAYS_KNOWN = frozenset(
    {
        "workload.namespace",
        "workload.owner_present",
        "workload.task_count",
        "task.class",
        "proposal.present",
        "proposal.fallback.present",
        "hardware.present",
        "hardware.measured",
        "migration.champion_present",
    }
)


class Vocabulary(Struct, frozen=True):
    """Facts, evidence names and regulations, shipped and added by layers."""

    facts: Mapping[str, Fact]
    evidence: Mapping[str, str] = field(default_factory=dict)
    regulations: Mapping[str, str] = field(default_factory=dict)

    @property
    def custom_defaults(self) -> dict[str, object]:
        """The values of custom facts that a workload leaves out; those of the others are the workload model's."""
        facts = self.facts.values()
        return {fact.name: fact.default for fact in facts if fact.default is not None and fact.name.startswith(CUSTOM)}

    def words(self, name: str) -> tuple[str, ...] | None:
        """Return the words that the fact, or an item of it, can be; None where any string may stand."""
        if name == "data.regulations":
            return tuple(self.regulations) or None
        fact = self.facts.get(name)
        return fact.values if fact is not None else None

    @property
    def coalesced(self) -> frozenset[str]:
        """Names of facts that are declared, else computed: no forbid may rest on them."""
        return frozenset(name for name, fact in self.facts.items() if fact.source == "coalesced")
