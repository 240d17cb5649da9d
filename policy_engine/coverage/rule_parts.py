"""What of one rule cases have to exercise: its outcomes, the parts of its condition, and what it derives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from policy_engine.case_files import FIRED, INDETERMINATE, NOT_FIRED
from policy_engine.coverage.points import Part, exercised, parts_of
from policy_engine.coverage.space import Space, space_of
from policy_engine.errors import RulesError, Span
from policy_engine.language import kleene
from policy_engine.language.kleene import Matcher
from policy_engine.language.tree import Const, Node, facts_read, replace_facts
from policy_engine.loading.places import locate_node
from policy_engine.loading.yaml_source import read_yaml
from policy_engine.model.rule import Rule
from policy_engine.model.vocabulary import Vocabulary

OUTCOME, WHEN, STATED = "outcome", "when", "stated"
WORDS = {True: FIRED, False: NOT_FIRED, None: INDETERMINATE}
#: Which part: of the outcomes, of `when`, or of what derives a fact; then what it is there.
Key = tuple[Any, ...]


class Wanted(Struct, frozen=True):
    """A part of a rule: `kind` is outcome, branch or derivation; `says` is what is told where no case exercises it."""

    key: Key
    kind: str
    says: str
    span: Span


def wanted(rule: Rule, vocabulary: Vocabulary) -> Iterator[Wanted]:
    """Yield all parts of `rule`, with their places in its file."""
    span = rule.span or Span("", 1, 1)
    document = read_yaml(Path(span.file), RulesError)[0]
    words = [FIRED, NOT_FIRED]
    if any(not vocabulary.facts[name].never_unknown for name in facts_read(rule.condition) & rule.reads):
        words.append(INDETERMINATE)
    for word in words:
        yield Wanted((OUTCOME, word), OUTCOME, f"no case is {word}", span)

    def placed(part: Part, name: str, path: tuple[str, ...], text: str) -> Wanted:
        return Wanted((name, *part.key), "branch", part.says, locate_node(document, path, text, part.at))

    for part in parts_of(rule.condition):
        yield placed(part, WHEN, ("when",), document.value["when"])
    for each in rule.derive:
        says = f"no case that fires says what `{each.fact}` becomes"
        yield Wanted((each.fact, STATED), "derivation", says, document.key_span("derive", each.fact))
        for part in parts_of(each.expression):
            yield placed(part, each.fact, ("derive", each.fact), each.text)


class Expressions:
    """A rule's condition and derivations under parameter values."""

    def __init__(self, rule: Rule, parameters: Mapping[str, Const], matches: Matcher) -> None:
        self.rule, self.matches = rule, matches
        self.condition = replace_facts(rule.condition, dict(parameters))
        self.derivations = {each.fact: replace_facts(each.expression, dict(parameters)) for each in rule.derive}

    @property
    def nodes(self) -> Sequence[Node]:
        return (self.condition, *self.derivations.values())

    def space(self, vocabulary: Vocabulary) -> Space:
        return space_of(self.nodes, vocabulary)

    def fires(self, facts: Mapping[str, Any]) -> bool:
        return kleene.truth(self.condition, facts, self.matches)[0] is True

    def keys(self, facts: Mapping[str, Any], stated: Sequence[str]) -> set[Key]:
        """Return the keys of the parts that a case with these facts exercises; it states what `stated` become."""
        truth, _ = kleene.truth(self.condition, facts, self.matches)
        found: set[Key] = {(OUTCOME, WORDS[truth])}
        found |= {(WHEN, *key) for key in exercised(self.condition, facts, self.matches)}
        if truth is True:
            for fact, node in self.derivations.items():
                if fact in stated:
                    found |= {(fact, STATED), *((fact, *key) for key in exercised(node, facts, self.matches))}
        return found

    def case(self, name: str, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Return a case with these facts, as a case file has it."""
        truth, missing = kleene.truth(self.condition, facts, self.matches)
        found: dict[str, Any] = {"name": name, "facts": dict(facts), "outcome": WORDS[truth]}
        if truth is None and missing:
            found["missing"] = sorted(missing)
        if truth is True and self.derivations:
            derived = {f: kleene.value(node, facts, self.matches)[0] for f, node in self.derivations.items()}
            found["derives"] = {fact: value for fact, value in derived.items() if value is not None}
        return found
