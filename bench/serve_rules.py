"""The 40 shipped rules of the load figures, and the layer that retires all others."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.conditions import UntranslatableError
from bench.serve_workloads import documents, loaded
from bench.translate_cerbos import expression
from policy_engine.decide import Decider
from policy_engine.language.text import to_text
from policy_engine.language.tree import Const, Node, facts_read, replace_facts
from policy_engine.loading.policy import Policy
from policy_engine.model.task_case import TaskResult

RULES = 40
#: The served engine decides as of now: so does what its answers are held to.
AT = datetime.now(UTC)


@dataclass(frozen=True)
class Chosen:
    """Rules by id with their conditions, parameters put in, and the facts that these read."""

    ids: tuple[str, ...]
    conditions: tuple[Node, ...]
    facts: tuple[str, ...]


def choose(policy: Policy, seed: int, count: int = RULES) -> Chosen:
    """Return `count` rules, drawn of those that can be compared on the workloads of `seed`.

    Such a rule reads no fact that another rule derives, knows every fact that it reads, comes out both ways, says what
    no rule before it says, and can be said in the peer's language.
    """
    decider = Decider(policy)
    results = [judged(decider, json.dumps(each)) for each in documents(seed)]
    known = frozenset.intersection(*(frozenset(result.facts) for result in results))
    derived = {each.fact for rule in policy.rules.rules for each in rule.derive}
    constants = {f"param.{name}": Const(p.value, p.type) for name, p in policy.rules.parameters.items()}
    found: dict[str, tuple[str, Node]] = {}
    for index, rule in enumerate(policy.rules.rules):
        condition = replace_facts(rule.condition, constants)
        both = {result.outcomes[index] for result in results} == {True, False}
        comparable = facts_read(condition) <= known - derived and not rule.derive
        if comparable and both and _translatable(condition):
            found.setdefault(to_text(condition), (rule.id, condition))
    drawn = random.Random(seed).sample(list(found.values()), count)  # noqa: S311 - figures, not secrets
    conditions = tuple(condition for _, condition in drawn)
    read = frozenset[str]().union(*map(facts_read, conditions))
    return Chosen(tuple(name for name, _ in drawn), conditions, tuple(sorted(read)))


def judged(decider: Decider, text: str) -> TaskResult:
    """Return what is found for the one task of a workload document: its facts, and what each rule comes to."""
    (case,) = decider.cases(loaded(text, decider.policy), {}, AT)
    return decider.judge.judge(case)


def _translatable(condition: Node) -> bool:
    try:
        expression(condition)
    except UntranslatableError:
        return False
    return True


def write_layer(folder: Path, policy: Policy, kept: Sequence[str]) -> None:
    """Write a layer into `folder` that takes away every rule of `policy` but those in `kept`."""
    for rule in policy.rules.rules:
        if rule.id not in kept:
            (folder / rule.topic).mkdir(parents=True, exist_ok=True)
            text = f"id: {rule.id}\ndisabled: true\n"
            (folder / rule.topic / f"{rule.id}.yaml").write_text(text, encoding="utf-8")
