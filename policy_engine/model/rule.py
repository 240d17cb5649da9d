"""Rules, parameters and disputes as the engine holds them: frozen, without I/O."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Literal

from msgspec import Struct, field

from policy_engine.errors import Span
from policy_engine.language.tree import Node, Scalar

TOPICS = (
    "data-residency",
    "volume-cost",
    "mlops-capacity",
    "latency",
    "task-quality",
    "customisation",
    "vendor-independence",
    "life-cycle",
    "routing",
    "hardware",
    "licence",
    "migration",
)
Enforcement = Literal["mandatory", "waivable", "advisory"]
ENFORCEMENTS: tuple[Enforcement, ...] = ("mandatory", "waivable", "advisory")
STRENGTHS = {"strong": 3, "normal": 2, "weak": 1}
EVIDENCE_GRADES = ("asserted", "attached", "approved", "recorded")
#: The layer that comes with the engine.
SHIPPED = "shipped"
#: What `forbid` names to rule out the proposed option alone.
PROPOSAL = "proposal"


class Derivation(Struct, frozen=True):
    """A fact that a rule sets when it fires; `expression` is evaluated over the facts known by then."""

    fact: str
    text: str
    expression: Node


class Rule(Struct, frozen=True):
    """One rule in force. Strengths are numbers (strong 3, normal 2, weak 1); `span` is where it stands."""

    id: str
    title: str
    topic: str
    when: str
    condition: Node
    reads: frozenset[str]
    parameters: frozenset[str]
    criteria: tuple[str, ...] = ()
    origin: str | None = None
    forbid: tuple[str, ...] = ()
    prefer: Mapping[str, int] = field(default_factory=dict)
    disfavour: Mapping[str, int] = field(default_factory=dict)
    require: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    derive: tuple[Derivation, ...] = ()
    advise: str | None = None
    message: str = ""
    enforcement: Enforcement = "advisory"
    grade: str = "asserted"
    disputes: tuple[str, ...] = ()
    owner: str | None = None
    review_by: date | None = None
    controls: tuple[str, ...] = ()
    enforce_from: date | None = None
    locked: bool = False
    layer: str = "shipped"
    span: Span | None = None
    stratum: int = 0

    def acts(self, namespace: str, at: date, overrides: Mapping[tuple[str, str], Enforcement]) -> Enforcement:
        """Return the enforcement for workloads of `namespace` on the day `at`."""
        chosen = overrides.get((self.id, namespace)) or overrides.get((self.id, "*")) or self.enforcement
        if self.enforce_from is not None and at < self.enforce_from:
            return "advisory"
        return chosen


class Alternative(Struct, frozen=True):
    """The other side of a disputed parameter, in the parameter's own unit."""

    dispute: str
    source: str
    value: Scalar
    says: str = ""


class Parameter(Struct, frozen=True):
    """A threshold or setting that rules read as `param.<name>`."""

    name: str
    value: Scalar
    type: str
    unit: str | None = None
    meaning: str = ""
    criterion: str | None = None
    source: str = "project"
    alternatives: tuple[Alternative, ...] = ()
    locked: bool = False
    layer: str = "shipped"


class Party(Struct, frozen=True):
    """One side of a dispute: who states it, and what."""

    sources: tuple[str, ...]
    says: str


class Dispute(Struct, frozen=True):
    """A matter on which the sources, or a source and arithmetic, disagree.

    `sides` are the parties as one text, which is what a record keeps; a policy out of a record has no `parties`.
    """

    id: str
    about: str
    sides: str
    kind: str = "other"
    parties: tuple[Party, ...] = ()


class Layer(Struct, frozen=True):
    """A directory of rules laid over those before it; `digest` covers its files."""

    name: str
    path: str
    digest: str


class RuleSet(Struct, frozen=True):
    """Everything in force: rules, parameters, enforcement by namespace, and the register they cite."""

    rules: tuple[Rule, ...]
    parameters: Mapping[str, Parameter]
    overrides: Mapping[tuple[str, str], Enforcement]
    disputes: Mapping[str, Dispute]
    criteria: Mapping[str, str]
    sources: Mapping[str, Mapping[str, Any]]
    mechanisms: Mapping[str, str]
    layers: tuple[Layer, ...]
    version: str
    digest: str

    def rule(self, rule_id: str) -> Rule | None:
        return next((rule for rule in self.rules if rule.id == rule_id), None)

    @property
    def values(self) -> dict[str, Scalar]:
        """Parameter values by name."""
        return {name: parameter.value for name, parameter in self.parameters.items()}
