"""Strings of counterexamples: names that a workload file may have, of which holds what rules ask of them."""

from __future__ import annotations

from typing import Any

import pytest

from policy_engine.loading.workload_file import LoadedWorkload, load_document
from policy_engine.loading.yaml_builder import Node
from policy_engine.loading.yaml_source import Document
from policy_engine.proofs.builtin import DEAD, SHADOWED
from policy_engine.proofs.texts import valid
from tests.unit.proofs.given import builtin, of, rule, shipped

WEIGHTS, CHANGING, BATCH, DATA = (
    "seeing-weights-needs-open-weights",
    "changing-the-model-needs-weights",
    "real-time-work-excludes-batch",
    "data-stays-in-network",
)


def named(first: str, second: str = "needs.change_architecture") -> Any:
    """Two rules on names, and two others."""
    return of(rule(WEIGHTS, when=first), rule(CHANGING, when=second), BATCH, DATA)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("workload.name.startsWith('pilot-')", "needs.change_architecture"),
        ("workload.name.startsWith('pilot-')", "workload.name.startsWith('prod-')"),
        ("workload.name.endsWith('-prod')", "workload.name.matches('^team-[0-9]+$')"),
        ("workload.namespace.startsWith('-') || task.name.startsWith(' ') || needs.see_weights", "task.batch"),
        ("workload.name.startsWith('p-') && workload.name.endsWith('-q')", "workload.name.contains('r')"),
        ("data.residency.exists(r, r.startsWith('eu ') || r.endsWith(' '))", "proposal.region.startsWith('eu ')"),
    ],
)
def test_rules_on_names_leave_no_rule_undecided(first: str, second: str) -> None:
    for which in (DEAD, SHADOWED):
        result = builtin(named(first, second), which)
        assert result.status == "proved", result.failures


def test_a_name_that_cannot_be_leaves_its_own_rule_undecided_alone() -> None:
    result = builtin(named("workload.name.startsWith('A')", "workload.name.startsWith('b')"), DEAD)
    (failure,) = result.failures
    assert failure.undecided
    # what no name attains is not asked of another
    assert failure.what == (
        "undecided, since the engine did not confirm the one workload that the solver thought possible: "
        f"whether `{WEIGHTS}` can fire"
    )


@pytest.mark.parametrize("text", ["pilot-", "pilot", "-a", "a.b-c", "A", "a b", " a", "a ", "a" * 253, "a" * 254, "ß"])
def test_a_text_is_valid_where_a_workload_file_may_have_it(text: str) -> None:
    for fact in ("workload.name", "workload.namespace", "task.name", "proposal.region", "data.residency"):
        section, _, name = fact.partition(".")
        task: dict[str, Any] = {"name": "task", "kind": "other"}
        metadata, spec = {"name": "name", "owner": "o@example.org"}, {"stage": "pilot", "tasks": [task]}
        if section == "workload":
            metadata[name] = text
        elif section == "task":
            task[name] = text
        elif section == "proposal":
            task["proposal"] = {"deployment": "open_api", name: text}
        else:
            spec[section] = {name: [text]}
        document = {"apiVersion": "policy-engine/v1", "kind": "Workload", "metadata": metadata, "spec": spec}
        loaded = load_document(Document("<text>", document, Node((1, 1), document)), 0, shipped().vocabulary)
        assert valid(fact, text) is isinstance(loaded, LoadedWorkload), (fact, text)
