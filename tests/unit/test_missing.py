"""What a decision rests on: the facts that are asked for, the ways out that are named, and what they would do."""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from policy_engine.decide import Decider
from policy_engine.loading.policy import load_policy
from policy_engine.model.origins import ORIGINS
from policy_engine.model.vocabulary import Fact
from policy_engine.model.workload import Workload
from policy_engine.ways_out import other_values

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
BASE: dict[str, Any] = {
    "stage": "pilot",
    "organisation": "enterprise",
    "tasks": [
        {
            "name": "work",
            "kind": "extraction",
            "complexity": "standard",
            "quality": "sufficient",
            "batch": False,
            "latency_p95_ms": 3000,
            "context_tokens": 4000,
        }
    ],
    "data": {"sensitivity": "internal", "regulations": [], "may_leave_network": True, "residency": ["anywhere"]},
    "volume": {"input_tokens_per_month": 30_000_000, "output_tokens_per_month": 10_000_000},
    "team": {"mlops": "mature", "ml_engineers": 1, "gpu_devops_engineers": 1, "can_hire": True},
    "migration": "none",
}


@functools.cache
def engine() -> Decider:
    return Decider(load_policy())


def decide(spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": "some-workload", "owner": "somebody"}
    document = {"apiVersion": "policy-engine/v1", "kind": "Workload", "metadata": metadata, "spec": spec}
    (task,) = engine().decide(Workload.model_validate(document), {}, AT).document["tasks"]
    found: dict[str, Any] = task
    return found


def spec_of(**changes: Any) -> dict[str, Any]:
    """The base with facts changed: `data__may_leave_network=False`."""
    found = copy.deepcopy(BASE)
    for path, value in changes.items():
        section, _, name = path.partition("__")
        at = found["tasks"][0] if section == "task" else found.setdefault(section, {})
        at[name] = value
    return found


COLLISIONS = [
    spec_of(data__may_leave_network=False, team__mlops="none"),
    spec_of(
        data__may_leave_network=False,
        team__ml_engineers=0,
        team__gpu_devops_engineers=0,
        team__can_hire=False,
        team__mlops="none",
    ),
]


@pytest.mark.parametrize("spec", COLLISIONS)
def test_each_change_that_is_named_as_a_way_out_is_one(spec: dict[str, Any]) -> None:
    """Decided again with one value of each change, no forbid rules the option out any more."""
    task = decide(spec)
    ways = [way for way in task["collision"]["ways_out"] if "changes" in way]
    assert ways
    for way in ways:
        for changed in _with(spec, way["changes"]):
            (row,) = (row for row in decide(changed)["options"] if row["deployment"] == way["option"])
            assert row["status"] != "forbidden", way


def _with(spec: dict[str, Any], changes: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the workload with the first, and with the last, value that each change allows."""
    for pick in (0, -1):
        found = copy.deepcopy(spec)
        for change in changes:
            name, values = list(change["any_of"].items())[pick]
            section, _, leaf = name.partition(".")
            at = found["tasks"][0] if section == "task" else found.setdefault(section, {})
            at[leaf] = values[pick]
        yield found


def test_a_waiver_is_a_way_out_only_of_rules_that_can_be_waived() -> None:
    task = decide(COLLISIONS[0])
    waivers = [way for way in task["collision"]["ways_out"] if way["kind"] == "waiver"]
    assert [(way["option"], way["rules"]) for way in waivers] == [("self_hosted", ["no-mlops-no-self-hosting"])]


def test_there_is_no_collision_where_something_may_be_permitted() -> None:
    assert decide(spec_of())["collision"] is None
    assert decide(spec_of(data__may_leave_network=False, team__mlops=None))["collision"] is None


def test_a_forbidden_proposal_names_what_would_have_to_be_otherwise() -> None:
    proposal = {"deployment": "self_hosted", "model": "qwen3-14b"}
    task = decide(spec_of(team__mlops="none", task__proposal=proposal))
    (way,) = task["releases"]
    assert way["changes"] == [{"rule": "no-mlops-no-self-hosting", "any_of": {"team.mlops": ["building", "mature"]}}]
    assert decide(spec_of(task__proposal=proposal))["releases"] == []
    better = [row for row in task["counterfactuals"] if row["verdict"] != "deny"]
    assert [(row["fact"], row.get("values", row.get("value"))) for row in better] == [
        ("team.mlops", ["building", "mature"]),
        ("proposal.deployment", "open_api"),
    ]


def test_computed_facts_are_asked_for_by_what_they_are_computed_from() -> None:
    task = decide(spec_of(volume__input_tokens_per_month=None))
    assert "volume.input_tokens_per_month" in task["missing_facts"]
    assert "volume.output_tokens_per_month" not in task["missing_facts"]
    vocabulary = load_policy().vocabulary.facts
    sources = {name: fact.source for name, fact in vocabulary.items()}
    for name in task["missing_facts"]:
        assert sources.get(name, "declared") == "declared"
    for name, origins in ORIGINS.items():
        assert sources[name] != "declared"
        assert all(sources.get(origin, "declared") == "declared" for origin in origins)


def test_every_fact_that_a_team_cannot_state_has_an_origin() -> None:
    """Otherwise a rule that waits for it would ask for something that no file says."""
    for name, fact in load_policy().vocabulary.facts.items():
        known = fact.never_unknown or name.startswith(("cost.", "licence.")) or name in ORIGINS
        assert fact.source == "declared" or known, name


def test_what_hardware_is_said_to_serve_is_asked_for_only_where_it_is_said() -> None:
    proposal = {"deployment": "self_hosted", "model": "llama-3-70b", "quantization": None}
    spec = spec_of(task__proposal=proposal)
    spec["hardware"] = {"gpus": [{"name": "NVIDIA A100-SXM4-80GB", "count": 1}]}
    task = decide(spec)
    assert not [name for name in task["missing_facts"] if name.startswith("hardware.serves.")]
    spec["hardware"]["serves"] = {"model": "llama-3-70b", "quantization": "int4", "input_tokens": 10}
    asked = set(decide(spec)["decisive_facts"])
    assert {f"hardware.serves.{name}" for name in ("tokens_per_hour", "concurrency", "output_tokens")} <= asked
    assert not {"hardware.serves.model", "hardware.serves.input_tokens"} & asked


def test_devices_are_asked_for_only_where_one_of_their_figures_is_lacking() -> None:
    proposal = {"deployment": "self_hosted", "model": "llama-3-70b", "quantization": None}
    spec = spec_of(task__proposal=proposal, task__context_tokens=None)
    serves = {"model": "llama-3-70b", "quantization": "int4", "input_tokens": 10}
    device = {"name": "NVIDIA A100-SXM4-80GB", "count": 2}
    spec["hardware"] = {"gpus": [device], "serves": serves}
    assert "hardware.gpus" not in decide(spec)["missing_facts"]
    for gpus in (None, [{**device, "count": None}], [{**device, "memory_gb": None}], [{"name": "X1", "count": 2}]):
        spec["hardware"] = {"gpus": gpus, "serves": serves}
        assert "hardware.gpus" in decide(spec)["missing_facts"], gpus
    assert "hardware.gpus" not in decide(spec_of(task__proposal=proposal))["missing_facts"]


def test_hardware_lines_say_what_they_are_about() -> None:
    proposal = {"deployment": "self_hosted", "model": "qwen3-14b", "quantization": "bf16"}
    spec = spec_of(task__proposal=proposal)
    device = {"name": "NVIDIA A100-SXM4-80GB", "count": 2}
    spec["hardware"] = {"gpus": [device]}
    heads = [line.partition(": ")[0] for line in decide(spec)["hardware"]]
    assert heads == ["what is claimed of it", "the proposed model"]
    said = {"concurrency": 2, "input_tokens": 100, "output_tokens": 100, "tokens_per_hour": 1000}
    spec["hardware"] = {"gpus": [device], "serves": {"model": "llama-3-8b", "quantization": "bf16", **said}}
    heads = [line.partition(": ")[0] for line in decide(spec)["hardware"]]
    assert heads == ["what it is said to serve", "the proposed model"]
    spec["hardware"]["gpus"] = [{**device, "bandwidth_gb_s": 9999}]
    (line,) = decide(spec)["hardware"]
    assert line.startswith("what is claimed of it: 9,999 GB/s")


def test_the_weightiest_facts_come_first() -> None:
    proposal = {"deployment": "proprietary_api", "model": "gpt-4o"}
    task = decide(spec_of(task__proposal=proposal, data__may_leave_network=None, data__sensitivity=None))
    assert task["decisive_facts"] == ["data.may_leave_network", "data.sensitivity"]


@pytest.mark.parametrize(
    ("fact", "value", "others"),
    [
        (Fact("a.b", "bool", "x"), True, [False]),
        (Fact("a.b", "string", "x", values=("p", "q", "r")), "q", ["p", "r"]),
        (Fact("a.b", "string", "x"), "q", []),
        (Fact("a.b", "int", "x"), 3, [4]),
        (Fact("a.b", "double", "x"), 3.0, []),
        (Fact("a.b", "list<string>", "x"), ["p"], []),
    ],
)
def test_other_values_are_those_worth_trying(fact: Fact, value: Any, others: list[Any]) -> None:
    assert other_values(fact, value) == others


def test_nothing_is_asked_of_what_is_denied() -> None:
    task = decide(spec_of(data__may_leave_network=False, team__mlops=None, task__proposal={"deployment": "open_api"}))
    assert task["verdict"] == "deny"
    assert task["decisive_facts"] == []
