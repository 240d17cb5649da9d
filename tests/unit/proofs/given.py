"""Small rule sets made of shipped rules, changed on purpose, and what is proved of them."""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from policy_engine.language.cel import Checker
from policy_engine.loading.policy import Policy, load_policy, with_rules
from policy_engine.loading.properties import Properties, read_properties
from policy_engine.loading.workload_file import load_workloads
from policy_engine.model.rule import Rule
from policy_engine.proofs.builtin import Builtin
from policy_engine.proofs.prover import Prover
from policy_engine.proofs.results import Result

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
NOTHING = Properties((), {}, {})


@functools.cache
def shipped() -> Policy:
    return load_policy()


@functools.cache
def checker() -> Checker:
    types: dict[str, str] = {name: fact.type for name, fact in shipped().vocabulary.facts.items()}
    return Checker(types | {f"param.{name}": each.type for name, each in shipped().rules.parameters.items()})


def rule(name: str, **changes: Any) -> Rule:
    """Return a shipped rule, changed; `when` is checked anew."""
    found = shipped().rules.rule(name)
    assert found is not None
    if "when" in changes:
        condition = checker().check(changes["when"])
        reads = frozenset(n.name for n in _facts(condition) if not n.name.startswith("param."))
        changes |= {"condition": condition, "reads": reads, "parameters": frozenset()}
    return replace(found, **changes)


def _facts(node: Any) -> list[Any]:
    from policy_engine.language.tree import FactRef, walk

    return [each for each in walk(node) if isinstance(each, FactRef)]


def of(*rules: Rule | str) -> Policy:
    """Return the shipped policy with these rules alone."""
    return with_rules(shipped(), [rule(each) if isinstance(each, str) else each for each in rules])


def prover(policy: Policy, timeout_s: float = 10.0) -> Prover:
    return Prover(policy, AT, timeout_s)


def builtin(policy: Policy, which: str, properties: Properties = NOTHING, timeout_s: float = 10.0) -> Result:
    """Return what one of the built-in checks says of the policy."""
    checks = Builtin(prover(policy, timeout_s), properties).checks()
    return next(each for each in checks if each.id == which).run()


def properties(folder: Path, text: str, policy: Policy) -> Properties:
    """Return the shipped properties with those of a layer that holds `text`."""
    layer = folder / "ours"
    layer.mkdir(exist_ok=True)
    (layer / "properties.yaml").write_text(text, encoding="utf-8")
    return read_properties([layer], policy)


def evaluated(policy: Policy, text: str) -> Any:
    """Return the engine's result on the first task of a workload file: what a counterexample is held to."""
    from policy_engine.decide import Decider
    from policy_engine.loading.evidence import check_evidence

    (loaded,) = load_workloads(text, "counterexample.yaml", policy.vocabulary)
    engine = Decider(policy)
    evidence = check_evidence(loaded.workload, AT.date(), Path("/"))
    return engine.judge.judge(engine.cases(loaded.workload, evidence, AT)[0])
