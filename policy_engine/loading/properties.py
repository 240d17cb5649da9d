"""Read what has to hold for every workload: `properties.yaml` of the shipped rules, and of the layers over them.

It is no part of a policy: no decision depends on it. A later layer's property of the same id replaces an earlier one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from msgspec import Struct

from policy_engine.errors import Problem, RulesError, Span, did_you_mean
from policy_engine.language.tree import Node
from policy_engine.loading.condition_text import read_condition
from policy_engine.loading.fact_declaration import RESERVED
from policy_engine.loading.layers import PROPERTIES, read_layers
from policy_engine.loading.reader import Reader
from policy_engine.loading.rule_file import ID_PATTERN
from policy_engine.loading.yaml_source import load_yaml, read_bytes
from policy_engine.model.rule import TOPICS
from policy_engine.model.task_case import VERDICTS
from policy_engine.model.vocabulary import OPTIONS, FactType, Vocabulary

if TYPE_CHECKING:
    from policy_engine.language.cel import Checker
    from policy_engine.loading.policy import Policy

NONE = "none"
STATUSES = ("forbidden", "unavailable", "uncertain", "permitted")
OBLIGATIONS = (NONE, "satisfied", "waived", "outstanding", "uncertain")
RULINGS = (NONE, "holds", "ruled_out", "uncertain")
RULE_WORDS = ("fired", "not_fired", "indeterminate")
#: What a property may speak of besides facts: the first part of each name.
OUTCOMES = (
    "verdict",
    "judged",
    "recommendation",
    "firm",
    "fallback_verdict",
    "ruling",
    "waived",
    "collision",
    "status",
    "obligation",
    "rule",
    "lifted",
)
KEYS = ("id", "title", "when", "known", "holds", "reason", "disabled")
SECTIONS = ("properties", "shadowed", "thresholds")
_PARAMETER = "param."


class Property(Struct, frozen=True):
    """What has to hold: `holds` surely true, wherever `known` facts are known and `when` is not surely false."""

    id: str
    title: str
    text: str
    holds: Node
    when: Node | None
    known: tuple[str, ...]
    reason: str
    layer: str
    span: Span


class Listed(Struct, frozen=True):
    """A finding that is meant: the rule that is shadowed, or the fact whose thresholds leave a gap, and why."""

    name: str
    reason: str
    span: Span
    topic: str | None = None


class Properties(Struct, frozen=True):
    """All that `policy prove` is told beside the rules."""

    properties: tuple[Property, ...]
    shadowed: Mapping[str, Listed]
    thresholds: Mapping[tuple[str, str], Listed]


def cel_name(name: str) -> str:
    """Return the id of a rule, or the name of evidence, as CEL takes it for a name."""
    plain = re.sub(r"\W", "_", name, flags=re.ASCII)
    return f"_{plain}" if plain[:1].isdigit() or plain in RESERVED else plain


def outcome_types(policy: Policy, rules: Iterable[str]) -> dict[str, tuple[FactType, tuple[str, ...] | None]]:
    """Return the type of every outcome by name, with the words that a string may be.

    `rules` are the ids of the rules in force, and of those that a layer takes away: these never fire.
    """
    options = (NONE, *OPTIONS)
    found: dict[str, tuple[FactType, tuple[str, ...] | None]] = {
        "verdict": ("string", VERDICTS),
        "judged": ("string", options),
        "recommendation": ("string", options),
        "firm": ("bool", None),
        "fallback_verdict": ("string", (NONE, *VERDICTS)),
        "ruling": ("string", RULINGS),
        "waived": ("bool", None),
        "collision": ("bool", None),
    }
    found |= {f"status.{option}": ("string", STATUSES) for option in OPTIONS}
    found |= {f"obligation.{cel_name(name)}": ("string", OBLIGATIONS) for name in policy.vocabulary.evidence}
    for rule in rules:
        found[f"rule.{cel_name(rule)}"] = ("string", RULE_WORDS)
        found[f"lifted.{cel_name(rule)}"] = ("bool", None)
    return found


def read_properties(paths: Sequence[Path], policy: Policy) -> Properties:
    """Return what has to hold under `policy`, which was loaded with the layers at `paths`.

    Raises:
        RulesError: a file is invalid, or a property does not type-check.
    """
    layers = read_layers(paths)
    # a rule's file has its id for a name
    rules = {PurePosixPath(name).stem for layer in layers for name in layer.rule_files()}
    reading = _Reading(policy, rules | {rule.id for rule in policy.rules.rules})
    for layer in layers:
        path = layer.root / PROPERTIES
        if path.is_file():
            reading.file(path, layer.layer.name)
    if reading.problems:
        raise RulesError(reading.problems)
    return Properties(tuple(reading.properties.values()), reading.shadowed, reading.thresholds)


class _Reading:
    def __init__(self, policy: Policy, rules: Iterable[str]) -> None:
        from policy_engine.language.cel import Checker
        from policy_engine.lowering.conditions import with_parameters

        self.problems: list[Problem] = []
        self.properties: dict[str, Property] = {}
        self.shadowed: dict[str, Listed] = {}
        self.thresholds: dict[tuple[str, str], Listed] = {}
        self._rules = sorted(rules)
        self._vocabulary: Vocabulary = policy.vocabulary
        self._outcomes = outcome_types(policy, rules)
        types: dict[str, str] = {name: fact.type for name, fact in policy.vocabulary.facts.items()}
        types |= {f"{_PARAMETER}{name}": each.type for name, each in policy.rules.parameters.items()}
        self._checker: Checker = Checker(types | {name: kind for name, (kind, _) in self._outcomes.items()})
        self._conditions = with_parameters(policy.rules)

    def file(self, path: Path, layer: str) -> None:
        documents = load_yaml(read_bytes(path, RulesError), str(path), RulesError)
        if len(documents) != 1:
            self.problems.append(Problem("several-documents", "one document is needed here", Span(str(path), 1, 1)))
            return
        reader = Reader(documents[0], self.problems)
        reader.only(SECTIONS)
        own: set[str] = set()
        for item in reader.items("properties"):
            self._property(item, layer, own)
        for item in reader.items("shadowed"):
            self._shadowed(item)
        for item in reader.items("thresholds"):
            self._threshold(item)

    def _property(self, item: Reader, layer: str, own: set[str]) -> None:
        item.only(KEYS)
        name = item.text("id", required=True)
        if name is None:
            return
        if not re.fullmatch(ID_PATTERN, name):
            item.problem(
                "bad-id", f"`{name}` cannot be the id of a property", "id", help_="lower-case words and hyphens"
            )
            return
        if name in own:
            item.problem("duplicate-id", f"two properties are called `{name}`", "id", help_="keep one of them")
            return
        own.add(name)
        if item.flag("disabled"):
            if self.properties.pop(name, None) is None:
                hint = did_you_mean(name, list(self.properties))
                item.problem("unknown-property", f"there is no property `{name}` to disable", "id", help_=hint)
            return
        title, reason = item.text("title", required=True), item.text("reason", required=True)
        holds, when = self._check(item, "holds", required=True), self._check(item, "when")
        known = tuple(each for each in item.texts("known") if self._fact(item, each))
        if holds is not None and title and reason:
            span = item.document.span(*item.path, "id")
            text = str(item.value["holds"]).strip()
            self.properties[name] = Property(name, title, text, holds, when, known, reason, layer, span)

    def _check(self, item: Reader, key: str, required: bool = False) -> Node | None:
        node = read_condition(self._checker, item, key, self._words, self.problems, required=required)
        return None if node is None else self._conditions.substitute(node)

    def _words(self, name: str) -> tuple[str, ...] | None:
        return self._outcomes[name][1] if name in self._outcomes else self._vocabulary.words(name)

    def _fact(self, item: Reader, name: str) -> bool:
        place = item.texts("known").index(name)
        return item.known(name, list(self._vocabulary.facts), "known", place, what="fact")

    def _shadowed(self, item: Reader) -> None:
        item.only(("rule", "reason"))
        name, reason = item.choice("rule", self._rules, required=True), item.text("reason", required=True)
        if name and reason:
            self.shadowed[name] = Listed(name, reason, item.document.span(*item.path, "rule"))

    def _threshold(self, item: Reader) -> None:
        item.only(("topic", "fact", "reason"))
        topic = item.choice("topic", TOPICS, required=True)
        name = item.choice("fact", list(self._vocabulary.facts), required=True)
        reason = item.text("reason", required=True)
        if topic and name and reason:
            self.thresholds[topic, name] = Listed(name, reason, item.document.span(*item.path, "fact"), topic)
