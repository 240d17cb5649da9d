"""The shipped properties hold every shipped rule that binds: with one of them disabled, a property is refuted."""

from __future__ import annotations

from pathlib import Path

import pytest

from policy_engine.language import kleene
from policy_engine.loading.policy import load_policy
from policy_engine.loading.properties import read_properties
from policy_engine.model.rule import Rule
from policy_engine.proofs.prover import Prover
from policy_engine.proofs.stated import prove
from tests.unit.proofs.given import AT, shipped

#: The property that a layer without the rule breaks.
HELD_BY = {
    "changing-the-model-needs-weights": "models-that-must-be-changed-are-at-hand",
    "seeing-weights-needs-open-weights": "weights-that-must-be-seen-are-open",
    "data-stays-in-network": "data-that-may-not-leave-stays",
    "health-data-needs-baa": "health-data-has-an-associate-agreement",
    "proposed-region-outside-residency": "a-region-outside-residency-is-denied",
    "regulated-data-needs-security-controls": "regulated-data-on-own-hosting-is-protected",
    "sensitive-data-needs-dpa": "sensitive-data-is-covered-by-agreements",
    "sensitive-data-needs-no-training-term": "sensitive-data-is-covered-by-agreements",
    "claimed-hardware-contradicted": "claims-that-cannot-be-are-denied",
    "measured-hardware-contradicted": "hardware-that-measured-less-is-not-used",
    "self-hosting-needs-measured-hardware": "own-hosting-in-production-is-measured",
    "real-time-work-excludes-batch": "real-time-work-never-goes-to-batch",
    "licence-review-edge": "licences-that-leave-questions-are-reviewed",
    "licence-review-open-api": "licences-that-leave-questions-are-reviewed",
    "licence-review-open-batch": "licences-that-leave-questions-are-reviewed",
    "licence-review-self-hosted": "licences-that-leave-questions-are-reviewed",
    "edge-need-excludes-the-rest": "the-edge-needs-a-waiver-elsewhere",
    "migration-needs-golden-dataset": "migrations-to-open-models-are-tested",
    "migration-needs-parallel-test": "migrations-to-open-models-are-tested",
    "no-mlops-no-self-hosting": "no-team-no-own-hosting-without-a-waiver",
    "self-hosting-needs-an-engineer": "no-engineer-no-own-hosting-without-a-waiver",
    "self-hosting-needs-operations-plan": "own-hosting-in-production-is-operated",
}
#: Rules that no property misses, and why.
DOUBLED = {"licence-forbids-proposed-model": "the catalog rules the model out by itself"}


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's cache out of the tests; they share one of their own."""
    folder = tmp_path_factory.getbasetemp() / "parsed"
    folder.mkdir(mode=0o700, exist_ok=True)
    monkeypatch.setenv("POLICY_CACHE_DIR", str(folder))


def binding() -> dict[str, Rule]:
    """The shipped rules that forbid or require, and are more than advice."""
    rules = shipped().rules.rules
    return {rule.id: rule for rule in rules if (rule.forbid or rule.require) and rule.enforcement != "advisory"}


def test_every_rule_that_binds_is_held_by_a_property() -> None:
    assert {*binding()} == {*HELD_BY, *DOUBLED}
    known = {each.id for each in read_properties([], shipped()).properties}
    assert {*HELD_BY.values()} <= known


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({**HELD_BY, **DOUBLED}))
def test_without_the_rule_its_property_is_refuted(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "ours" / binding()[name].topic
    folder.mkdir(parents=True)
    (folder / f"{name}.yaml").write_text(f"id: {name}\ndisabled: true\n", encoding="utf-8")
    policy = load_policy([folder.parent])
    stated = {each.id: each for each in read_properties([folder.parent], policy).properties}
    held = stated[HELD_BY.get(name, "forbidding-licences-are-denied")]
    nodes = [node for node in (held.holds, held.when) if node is not None]
    result = prove(Prover(policy, AT, 10.0, nodes), held)
    assert result.status == ("proved" if name in DOUBLED else "refuted"), result.failures


def test_a_forbidding_licence_is_denied_in_a_pilot_by_the_property() -> None:
    (held,) = [
        each for each in read_properties([], shipped()).properties if each.id == "forbidding-licences-are-denied"
    ]
    assert held.when is not None
    names = {"proposal.licence": "forbidden", "workload.organisation": "enterprise", "proposal.deployment": "edge"}
    for stage, concerned in (("prototype", False), ("pilot", True), ("production", True)):
        facts = {**names, "workload.stage": stage}
        assert kleene.truth(held.when, facts, lambda *_: False)[0] is concerned
