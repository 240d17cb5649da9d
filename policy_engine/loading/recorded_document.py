"""The shape of a recorded policy: what `rule_document` writes, read back by type.

What a ledger holds is hostile until it is verified, and may be signed by whoever forged it: every value has its type,
nothing else may stand there, and there is only so much of it.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct, field

from policy_engine.errors import Problem, RulesError
from policy_engine.model.fields import Deployment
from policy_engine.model.rule import SHIPPED, Enforcement
from policy_engine.model.vocabulary import FactSource, FactType

MOST_BYTES = 16 * 1024 * 1024
#: Rules, parameters, facts, layers: far more than anybody has, and no more than can be compiled.
MOST_ENTRIES = 10_000
_SHA256 = r"^sha256:[0-9a-f]{64}\Z"

Strength = Literal["strong", "normal", "weak"]
Grade = Literal["asserted", "attached", "approved", "recorded"]
Digest = Annotated[str, Meta(pattern=_SHA256)]
D = TypeVar("D", bound="_Document")


class _Document(Struct, forbid_unknown_fields=True):
    """A mapping with these keys and no others."""


class RuleDocument(_Document):
    """A rule; as its file says it, with its topic."""

    id: str
    topic: str
    title: str
    when: str
    message: str
    criteria: tuple[str, ...] = ()
    origin: str | None = None
    forbid: tuple[Deployment | Literal["proposal"], ...] = ()
    prefer: dict[Deployment, Strength] = field(default_factory=dict)
    disfavour: dict[Deployment, Strength] = field(default_factory=dict)
    require: dict[str, tuple[Deployment, ...]] = field(default_factory=dict)
    derive: dict[str, str] = field(default_factory=dict)
    advise: str | None = None
    enforcement: Enforcement = "advisory"
    grade: Grade = "asserted"
    disputes: tuple[str, ...] = ()
    owner: str | None = None
    review_by: date | None = None
    controls: tuple[str, ...] = ()
    enforce_from: date | None = None
    locked: bool = False


class AlternativeDocument(_Document):
    """Another side's value of a parameter."""

    id: str
    source: str
    value: bool | int | float | str
    says: str


class ParameterDocument(_Document):
    """A parameter."""

    value: bool | int | float | str
    type: Literal["bool", "int", "double", "string"]
    unit: str | None
    meaning: str
    criterion: str | None
    source: str
    disputes: tuple[AlternativeDocument, ...]
    locked: bool


class EnforcementDocument(_Document):
    """How a rule acts in a namespace."""

    rule: str
    namespace: str
    enforcement: Enforcement


class FactDocument(_Document):
    """A row of the vocabulary."""

    type: FactType
    unit: str | None
    values: tuple[str, ...] | None
    source: FactSource
    required: bool
    default: bool | int | float | str | list[str] | None
    min: int | float | None
    max: int | float | None
    meaning: str


class VocabularyDocument(_Document):
    """The vocabulary."""

    facts: Annotated[dict[str, FactDocument], Meta(max_length=MOST_ENTRIES)]
    evidence: dict[str, str]
    regulations: dict[str, str]


class DisputeDocument(_Document):
    """A dispute of the register."""

    about: str
    sides: str
    kind: str


class PolicyDocument(_Document):
    """The policy: what its digest is the SHA-256 of."""

    kind: Literal["Policy"]
    semantics: str
    version: str
    rules: Annotated[dict[str, RuleDocument], Meta(max_length=MOST_ENTRIES)]
    parameters: Annotated[dict[str, ParameterDocument], Meta(max_length=MOST_ENTRIES)]
    enforcement: Annotated[tuple[EnforcementDocument, ...], Meta(max_length=MOST_ENTRIES)]
    vocabulary: VocabularyDocument
    disputes: dict[str, DisputeDocument]
    criteria: dict[str, str]
    catalog: tuple[Digest, ...] = ()
    approvers: dict[str, Any] | None = None


class LayerDocument(_Document):
    """A layer, and the entries that it adds to the catalog, by section and name."""

    name: str
    digest: Digest
    catalog: dict[str, Any] | None


class LayersDocument(_Document):
    """The layers in their order, and of which of them a rule is that is not shipped."""

    kind: Literal["PolicyLayers"]
    layers: Annotated[tuple[LayerDocument, ...], Meta(min_length=1, max_length=MOST_ENTRIES)]
    rules: dict[str, str]

    def layer_of(self, rule_id: str) -> str:
        return self.rules.get(rule_id, SHIPPED)


def read_document(content: bytes, type_: type[D], what: str) -> D:
    """Return a recorded document by its type.

    Raises:
        RulesError: it is something else, or larger than any.
    """
    if len(content) > MOST_BYTES:
        raise refused(f"the recorded {what} have {len(content):,} bytes, more than {MOST_BYTES:,}")
    try:
        return msgspec.json.decode(content, type=type_)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise refused(f"the recorded {what} are not what this program reads: {str(error)[:300]}") from None


def refused(message: str) -> RulesError:
    """Return the error of a recorded policy that cannot be put in force again."""
    return RulesError(Problem("recorded-policy", message))
