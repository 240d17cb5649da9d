"""The rules that findings name, as SARIF describes them; ids are those of the policy, and stable."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from policy_engine.ci.sarif_text import message
from policy_engine.errors import Problem
from policy_engine.findings import Effect, Finding
from policy_engine.loading.policy import Policy
from policy_engine.markdown_text import escape
from policy_engine.model.rule import Rule

LEVELS: dict[Effect, str] = {"deny": "error", "review": "warning", "condition": "note", "advice": "note"}
#: Before the code of what is wrong with a file; no id of a rule has a slash.
INVALID = "invalid-file/"
_MOST_TAGS = 20


class Descriptors:
    """Collects a descriptor for each rule that a result names, in the order of first use."""

    def __init__(self, policy: Policy | None) -> None:
        self._policy = policy
        self.listed: list[dict[str, Any]] = []
        self._index: dict[str, int] = {}

    def of_finding(self, finding: Finding) -> int:
        """Return the index of the rule behind a finding."""
        return self._add(finding.code, lambda: self._rule(finding) or self._named(finding) or _general(finding))

    def of_problem(self, problem: Problem) -> int:
        """Return the index of what is wrong with a file."""
        return self._add(INVALID + problem.code, lambda: _invalid(problem))

    def _add(self, rule_id: str, make: Any) -> int:
        if rule_id not in self._index:
            self._index[rule_id] = len(self.listed)
            self.listed.append({**_named(rule_id), **make()})
        return self._index[rule_id]

    def _rule(self, finding: Finding) -> dict[str, Any] | None:
        """Describe the rule behind a finding; None where there is no single one."""
        rules = self._policy.rules if self._policy is not None and finding.rules else None
        rule = rules.rule(finding.code) if rules is not None else None
        if rule is None or rules is None:
            return None
        cited = [f"{each}: {rules.criteria.get(each, '')}" for each in rule.criteria]
        cited = cited or [f"Origin: {rule.origin or 'not stated'}"]
        rests = [f"{each}: {rules.parameters[each].value}" for each in sorted(rule.parameters)]
        pairs: list[tuple[str, list[str]]] = [
            ("Enforcement", [rule.enforcement]),
            ("Topic", [rule.topic]),
            ("Criteria", cited),
        ]
        pairs += [("Condition", [rule.when]), ("Parameters", rests), ("What to do", [_generic(rule.message)])]
        return {
            "shortDescription": message(rule.title),
            "fullDescription": message(f"{rule.title}. {'; '.join(cited)}."),
            "help": message(_plain_help(rule.id, pairs), _markdown_help(rule.id, pairs)),
            "defaultConfiguration": {"level": _level(rule)},
            "properties": {
                "tags": [rule.topic, *rule.criteria][:_MOST_TAGS],
                "topic": rule.topic,
                "enforcement": rule.enforcement,
                "criteria": list(rule.criteria),
                "layer": rule.layer,
            },
        }

    def _named(self, finding: Finding) -> dict[str, Any] | None:
        """Describe a rule by what its finding says, where a server has the rules; None where there is no single one."""
        if self._policy is not None or finding.code not in finding.rules:
            return None
        cited = ", ".join(finding.criteria) or "none"
        text = f"Enforcement: {finding.enforcement or 'none'}\nCriteria: {cited}\nIn full: GET /v1/rules/{finding.code}"
        return {
            "shortDescription": message(finding.title),
            "fullDescription": message(f"{finding.title}."),
            "help": message(text),
            "defaultConfiguration": {"level": LEVELS[finding.effect]},
            "properties": {"tags": list(finding.criteria)[:_MOST_TAGS], "enforcement": finding.enforcement},
        }


def _level(rule: Rule) -> str:
    """Return how grave the gravest finding of a rule is, where nothing sets another enforcement."""
    if rule.enforcement == "advisory" or not (rule.forbid or rule.require):
        return "note"
    return "error" if rule.forbid else "warning"


def _generic(text: str) -> str:
    """Return a rule's message with the names of its fields, for no workload in particular."""
    return re.sub(r"\{([^{}]+)\}", r"`\1`", text)


def _plain_help(rule_id: str, pairs: Iterable[tuple[str, list[str]]]) -> str:
    lines = [f"{name}: {'; '.join(texts)}" for name, texts in pairs if any(texts)]
    return "\n".join([*lines, f"In full: policy rules show {rule_id}"])


def _markdown_help(rule_id: str, pairs: Iterable[tuple[str, list[str]]]) -> str:
    lines = [f"- **{name}**: {'; '.join(escape(text) for text in texts)}" for name, texts in pairs if any(texts)]
    return "\n".join([*lines, f"- **In full**: `policy rules show {rule_id}`"])


def _general(finding: Finding) -> dict[str, Any]:
    """Describe what no single rule is behind."""
    level = "warning" if finding.kind in ("recommendation", "catalog", "proposal", "fallback") else "note"
    return {
        "shortDescription": message(finding.title),
        "fullDescription": message(f"{finding.title}. No single rule is behind it."),
        "help": message("The finding says what decided; `policy explain` shows the whole decision."),
        "defaultConfiguration": {"level": level},
        "properties": {"tags": ["decision"]},
    }


def _invalid(problem: Problem) -> dict[str, Any]:
    title = f"A file that cannot be judged: {problem.code}"
    found = _described(title, f"{title}. What is not judged is not allowed.", problem.help)
    return {**found, "properties": {"tags": ["invalid-file"]}}


def notifications(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    """Describe each kind of what kept something from being judged, by its code."""
    found: dict[str, dict[str, Any]] = {}
    for problem in problems:
        title = f"What kept something from being judged: {problem.code}"
        described = _described(title, f"{title}. What is not judged is not allowed.", problem.help)
        found.setdefault(problem.code, {**_named(problem.code), **described})
    return list(found.values())


def _described(title: str, text: str, hint: str | None) -> dict[str, Any]:
    return {
        "shortDescription": message(title),
        "fullDescription": message(text),
        "help": message(hint or "The message says what is wrong."),
        "defaultConfiguration": {"level": "error"},
    }


def _named(rule_id: str) -> dict[str, str]:
    """Return the id, with a name where that is another: SARIF wants none that only differs in case."""
    name = "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", rule_id))
    return {"id": rule_id, "name": name} if name.lower() != rule_id.lower() else {"id": rule_id}
