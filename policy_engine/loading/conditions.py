"""Check the conditions of drafts against the vocabulary of all layers, and place every problem in its file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date

from policy_engine.errors import Problem
from policy_engine.language.tree import Choose, Const, ListOf, Node, facts_read
from policy_engine.loading.fact_declaration import hint_for, outside
from policy_engine.loading.places import locate, locate_node
from policy_engine.loading.rule_file import RuleDraft, effects
from policy_engine.model.rule import Derivation, Parameter, Rule
from policy_engine.model.vocabulary import Fact, Vocabulary

PARAMETER = "param."


class ConditionReader:
    """Type-checks the expressions of rules; CEL is imported only when one has to be."""

    def __init__(self, vocabulary: Vocabulary, parameters: Mapping[str, Parameter]) -> None:
        from policy_engine.language.cel import Checker

        self.types: dict[str, str] = {name: fact.type for name, fact in vocabulary.facts.items()}
        self.types |= {PARAMETER + name: parameter.type for name, parameter in parameters.items()}
        self.vocabulary = vocabulary
        self._checker = Checker(self.types)

    def rule(self, draft: RuleDraft, problems: list[Problem]) -> Rule | None:
        """Return the rule of `draft`, or None with its problems gathered."""
        before = len(problems)
        value = draft.value
        condition = self._check(draft, value["when"], "bool", problems, "when")
        derivations = self._derivations(draft, problems)
        if condition is None or len(problems) > before:
            return None
        names = facts_read(condition).union(*(facts_read(d.expression) for d in derivations))
        day = value.get("enforce_from")
        return Rule(
            id=draft.id,
            title=value["title"],
            topic=draft.topic,
            when=value["when"].strip(),
            condition=condition,
            reads=frozenset(n for n in names if not n.startswith(PARAMETER)),
            parameters=frozenset(n.removeprefix(PARAMETER) for n in names if n.startswith(PARAMETER)),
            derive=derivations,
            review_by=date.fromisoformat(value["review_by"]) if "review_by" in value else None,
            enforce_from=date.fromisoformat(day) if day else None,
            layer=draft.layer,
            span=draft.document.key_span("id"),
            **effects(value),
        )

    def _derivations(self, draft: RuleDraft, problems: list[Problem]) -> tuple[Derivation, ...]:
        found = []
        for fact, text in draft.value.get("derive", {}).items():
            known = self.vocabulary.facts.get(fact)
            if known is None or (known.source != "rule" and not fact.startswith("custom.")):
                message = f"`{fact}` is not a fact that a rule may derive"
                hint = "derive `task.class`, or a custom.<name> that a vocabulary.yaml declares"
                problems.append(Problem("bad-derivation", message, draft.document.key_span("derive", fact), hint))
                continue
            if known.default is not None:
                message = f"`{fact}` has a default, so that a rule that derives it would hardly ever count"
                hint = "give it `source: rule` and no default, and let a rule derive what the default says"
                problems.append(Problem("bad-derivation", message, draft.document.key_span("derive", fact), hint))
                continue
            expression = self._check(draft, text, known.type, problems, "derive", fact)
            if expression is not None:
                problems += _wrong_results(draft, known, text, expression)
                found.append(Derivation(fact, text, expression))
        return tuple(found)

    def _check(self, draft: RuleDraft, text: str, expected: str, problems: list[Problem], *path: str) -> Node | None:
        from policy_engine.language.cel import ConditionError

        try:
            return self._checker.check(text, expected)
        except ConditionError as error:
            for problem in error.problems:
                span = locate(draft.document, path, text, problem.line, problem.column)
                message = f"rule `{draft.id}`: {problem.message}"
                problems.append(Problem("bad-condition", message, span, problem.help))
            return None


def _wrong_results(draft: RuleDraft, fact: Fact, text: str, expression: Node) -> Iterator[Problem]:
    """Find literals that a derivation may give its fact, and that the fact cannot be: no condition expects them."""
    for constant in _literal_results(expression):
        wrong = outside(fact, constant.value)
        if wrong:
            span = locate_node(draft.document, ("derive", fact.name), text, constant.at)
            message = f"rule `{draft.id}`: {wrong}"
            yield Problem("bad-derivation", message, span, hint_for(fact, constant.value))


def _literal_results(node: Node) -> Iterator[Const]:
    if isinstance(node, Const):
        yield node
    elif isinstance(node, Choose):
        yield from _literal_results(node.then)
        yield from _literal_results(node.otherwise)
    elif isinstance(node, ListOf):
        for item in node.items:
            yield from _literal_results(item)
