"""Facts from a workload: what is left out is unknown, and never false, zero or empty."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from policy_engine.catalog.regions import Places
from policy_engine.facts import FactSheet, declared_facts, derive_volume, region_allowed
from policy_engine.loading.policy import load_policy
from policy_engine.model.workload import Workload


def facts(task: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """The declared facts of a workload that states these, and what is required."""
    whole = {"stage": "pilot", "tasks": [{"name": "work", "kind": "other", **(task or {})}], **spec}
    metadata = {"name": "some-workload", "owner": "somebody"}
    document = {"apiVersion": "policy-engine/v1", "kind": "Workload", "metadata": metadata, "spec": whole}
    workload = Workload.model_validate(document)
    return declared_facts(workload, workload.spec.tasks[0])


DEFAULTS = {"custom.sold": True, "custom.places": ["shop"]}


@pytest.mark.parametrize(
    ("spec", "known"),
    [
        ({}, DEFAULTS),
        ({"custom": {}}, DEFAULTS),
        ({"custom": {"sold": False}}, {**DEFAULTS, "custom.sold": False}),
        ({"custom": {"sold": None}}, {"custom.places": ["shop"]}),
        ({"custom": None}, {}),
    ],
)
def test_a_custom_fact_that_is_left_out_has_its_default_and_null_is_unknown(
    spec: dict[str, Any], known: dict[str, Any]
) -> None:
    whole = {"stage": "pilot", "tasks": [{"name": "work", "kind": "other"}], **spec}
    document = {"kind": "Workload", "metadata": {"name": "w", "owner": "o"}, "spec": whole}
    workload = Workload.model_validate({"apiVersion": "policy-engine/v1", **document})
    found = declared_facts(workload, workload.spec.tasks[0], DEFAULTS)
    assert {name: value for name, value in found.items() if name.startswith("custom.")} == known


NEEDS = ("fine_tuning", "change_architecture", "choose_serving", "see_weights")
NEEDS += ("vendor_independence", "no_rate_limits", "newest_capabilities", "edge")


def test_what_is_not_stated_is_absent_but_for_defaults() -> None:
    assert facts() == {
        "workload.namespace": "default",
        "workload.name": "some-workload",
        "workload.owner_present": True,
        "workload.stage": "pilot",
        "workload.task_count": 1,
        "task.name": "work",
        "task.kind": "other",
        "task.share": 1.0,
        "task.modalities": ["text"],
        **{f"needs.{name}": False for name in NEEDS},
        "proposal.present": False,
        "proposal.fallback.present": False,
        "hardware.present": False,
        "migration.champion_present": False,
    }


def test_null_is_unknown_even_where_there_is_a_default() -> None:
    found = facts({"modalities": None, "proposal": {"deployment": "edge", "quantization": None}}, needs=None)
    assert "task.modalities" not in found
    assert "proposal.quantization" not in found
    assert not [name for name in found if name.startswith("needs.")]
    assert facts({"proposal": {"deployment": "edge"}})["proposal.quantization"] == "bf16"
    one = facts(needs={"edge": None})
    assert "needs.edge" not in one
    assert one["needs.fine_tuning"] is False


def test_false_zero_and_empty_are_facts() -> None:
    found = facts(
        {"batch": False},
        data={"regulations": [], "may_leave_network": False},
        volume={"requests_per_day": 0},
        team={"mlops": "none", "ml_engineers": 0},
    )
    assert found["task.batch"] is False
    assert found["data.regulations"] == []
    assert found["data.may_leave_network"] is False
    assert found["volume.requests_per_day"] == 0
    assert (found["team.mlops"], found["team.ml_engineers"]) == ("none", 0)


@pytest.mark.parametrize(
    ("stated", "present"), [({}, None), ({"migration": None}, None), ({"migration": "none"}, False)]
)
def test_a_migration_is_none_or_unknown(stated: dict[str, Any], present: bool | None) -> None:
    assert facts(**stated).get("migration.present") is present


def test_a_migration_names_no_person() -> None:
    found = facts(migration={"champion": "jane", "from": {"model": "gpt-4o"}})
    assert found["migration.present"] is True
    assert found["migration.champion_present"] is True
    assert found["migration.from.model"] == "gpt-4o"
    assert "jane" not in str(found)
    assert "somebody" not in str(found)


def test_every_fact_is_in_the_vocabulary_with_its_type() -> None:
    proposal = {"deployment": "edge", "model": "m", "provider": "p", "region": "eu"}
    found = facts(
        {"proposal": {**proposal, "fallback": proposal}, "min_scores": {"mmlu": 1.0}},
        hardware={"gpus": [{"name": "cpu"}], "serves": {"model": "m", "concurrency": 1}, "region": "eu"},
        migration={"from": {"model": "m"}, "weeks_planned": 6, "rollout_start_percent": 5},
        volume={"input_tokens_per_month": 1},
        budget={"monthly_usd": 1},
    )
    vocabulary = load_policy().vocabulary.facts
    kinds: dict[str, type] = {"bool": bool, "int": int, "double": float, "string": str, "list<string>": list}
    for name, value in found.items():
        assert type(value) is kinds[vocabulary[name].type], name


def test_volume_is_summed_where_both_directions_are_known() -> None:
    sheet = FactSheet({"volume.input_tokens_per_month": 300, "volume.output_tokens_per_month": 100, "task.share": 0.25})
    derive_volume(sheet)
    assert sheet.values["volume.tokens_per_month"] == 400
    assert sheet.values["volume.tokens_per_day"] == 400 / (365.25 / 12)
    assert sheet.values["task.tokens_per_month"] == 100.0
    assert sheet.grade("volume.tokens_per_month") == ("derived", "declared")
    for name in ("input", "output"):
        half = FactSheet({f"volume.{name}_tokens_per_month": 300, "task.share": 1.0})
        derive_volume(half)
        assert not [fact for fact in half.values if fact.endswith(("s_per_day", "volume.tokens_per_month"))]


def test_a_sum_stays_a_number_that_a_decision_can_hold() -> None:
    most = 2**53 - 1
    sheet = FactSheet({"volume.input_tokens_per_month": most, "volume.output_tokens_per_month": 1, "task.share": 1.0})
    derive_volume(sheet)
    assert sheet.values["volume.tokens_per_month"] == most


@pytest.mark.parametrize(
    ("residency", "region", "answer"),
    [
        (None, "eu", None),
        (None, None, None),
        (["anywhere"], None, True),
        (["anywhere"], "moon", True),
        (["eu"], None, None),
        (["eu"], "eu", True),
        (["eu"], "eu-central-1", True),
        (["eu-central-1"], "eu", False),
        (["eu"], "us", False),
        (["eu"], "moon", None),
        (["moon"], "us", None),
        (["moon", "us"], "us", True),
        (["us", "eu"], "eu-central-1", True),
    ],
)
def test_a_region_is_inside_outside_or_not_known(
    residency: list[str] | None, region: str | None, answer: bool | None
) -> None:
    assert region_allowed(residency, region, load_policy().catalog.regions, Places()) is answer


US, EU, NOWHERE = Places(("us",)), Places(("eu-central-1",)), Places(("moon",))
WHOEVER = Places(perhaps=(("us",), ("eu",)))


@pytest.mark.parametrize(
    ("residency", "region", "places", "answer"),
    [
        # the provider runs neither in the region that is stated nor around it
        (["eu"], "eu", US, False),
        (["us", "eu"], "eu", US, False),
        (["eu"], "eu", EU, True),
        (["us"], "us-east-1", US, True),
        # nor anywhere in the residency, whatever is stated
        (["eu"], None, US, False),
        (["eu"], "moon", US, False),
        (["us-east-1"], None, US, None),
        (["us"], None, US, None),
        # what is not known contradicts nothing
        (["eu"], "eu", NOWHERE, True),
        (["moon"], None, US, None),
        (["eu"], "eu", Places(("us", "moon")), True),
        (None, "eu", US, None),
        (["anywhere"], "eu", US, True),
        # of nobody it is open, as far as somebody could contradict it
        (["eu"], "eu", WHOEVER, None),
        (["eu"], "us", WHOEVER, False),
        (["eu"], None, WHOEVER, None),
        (["eu"], "eu", Places(perhaps=(("eu",),)), True),
    ],
)
def test_a_provider_that_runs_elsewhere_contradicts_a_region(
    residency: list[str] | None, region: str | None, places: Places, answer: bool | None
) -> None:
    assert region_allowed(residency, region, load_policy().catalog.regions, places) is answer


def test_a_derived_fact_carries_the_weakest_grade_beneath_it() -> None:
    sheet = FactSheet({"a": 1})
    sheet.derive("b", 2, grade="catalog")
    sheet.derive("c", 3, "a", "b")
    sheet.derive("d", 4, "b")
    sheet.derive("e", None, "a")
    assert sheet.grade("a") == ("declared", None)
    assert sheet.grade("c") == ("derived", "declared")
    assert sheet.grade("d") == ("derived", "catalog")
    assert "e" not in sheet.values


def test_no_fact_is_computed_from_less_than_it_needs() -> None:
    """Each subset of what a sum is made of gives the same value or none."""
    whole = {"volume.input_tokens_per_month": 3, "volume.output_tokens_per_month": 4, "task.share": 0.5}
    full = FactSheet(whole)
    derive_volume(full)
    for count in range(3):
        for names in itertools.combinations(whole, count):
            part = FactSheet({name: whole[name] for name in names})
            derive_volume(part)
            assert part.values.items() <= full.values.items()
