"""The JSON Schema: as committed, as the model, as the vocabulary. UPDATE_GOLDEN=1 writes the file anew."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from policy_engine.errors import InputError
from policy_engine.loading.schema import schema_text, workload_schema
from policy_engine.loading.vocabulary_file import read_vocabulary
from policy_engine.loading.workload_file import load_document
from policy_engine.loading.yaml_source import Document, load_yaml, read_yaml

ROOT = Path(__file__).parents[3]
COMMITTED = ROOT / "rules" / "schemas" / "workload.schema.json"
SHIPPED = read_vocabulary(ROOT / "rules")
SCHEMA = workload_schema(SHIPPED)
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
EXAMPLE = ROOT / "examples" / "support-tickets.yaml"


def test_the_committed_schema_is_the_generated_one() -> None:
    if os.environ.get("UPDATE_GOLDEN"):
        COMMITTED.write_text(schema_text(SHIPPED), encoding="utf-8")
    assert COMMITTED.read_text(encoding="utf-8") == schema_text(SHIPPED)


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda path: path.stem)
def test_examples_are_valid_and_name_the_schema(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=../rules/schemas/workload.schema.json"
    for document in read_yaml(path):
        VALIDATOR.validate(document.value)


def test_each_declared_fact_is_described_by_the_vocabulary() -> None:
    titled: dict[str, Any] = {}
    for part in [SCHEMA, *SCHEMA["$defs"].values()]:
        titled |= {each["title"]: each for each in part.get("properties", {}).values()}
    declared = {
        name: fact for name, fact in SHIPPED.facts.items() if fact.source == "declared" and "present" not in name
    }
    assert set(declared) <= set(titled)
    for name, fact in declared.items():
        assert titled[name]["description"].startswith(fact.meaning)
        assert titled[name].get("x-unit") == fact.unit
    assert all(each.get("description") for each in titled.values() if "$ref" not in str(each))


def _at(value: Any, *path: str | int) -> Any:
    for step in path:
        value = value[step]
    return value


def _set(*path: str | int, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        _at(document, *path[:-1])[path[-1]] = to

    return change


def _drop(*path: str | int) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        del _at(document, *path[:-1])[path[-1]]

    return change


TASK = ("spec", "tasks", 0)


@pytest.mark.parametrize(
    "change",
    [
        _drop("apiVersion"),
        _drop("metadata", "owner"),
        _drop("spec", "stage"),
        _drop(*TASK, "kind"),
        _drop(*TASK, "proposal", "deployment"),
        _set("kind", to="Rule"),
        _set("metadata", "name", to="Not_A_Name"),
        _set("metadata", "labels", to={"a": 1}),
        _set("metadata", "owner", to=None),
        _set("spec", "stage", to="live"),
        _set("spec", "deploy_within_days", to=-1),
        _set("spec", "zz", to=1),
        _set("spec", "tasks", to=[]),
        _set(*TASK, "share", to=0.5),
        _set(*TASK, "batch", to="yes"),
        _set(*TASK, "modalities", to=["smell"]),
        _set(*TASK, "modalities", to=[]),
        _set(*TASK, "latency_p95_ms", to=0),
        _set(*TASK, "latency_p95_ms", to=0.5),
        _set(*TASK, "context_tokens", to=True),
        _set(*TASK, "min_scores", to={"mmlu": "80"}),
        _set(*TASK, "min_scores", to={"mmlu": 1e7}),
        _set(*TASK, "proposal", "fallback", to={"deployment": "cloud"}),
        _set("spec", "data", "residency", to=[]),
        _set("spec", "data", "residency", to=["anywhere", "eu"]),
        _set("spec", "budget", "monthly_usd", to=-1),
        _set("spec", "budget", "monthly_usd", to=1e16),
        _set("spec", "team", "mlops", to="some"),
        _set("spec", "needs", "edge", to=0),
        _set("spec", "migration", to="nothing"),
        _set("spec", "migration", to={"from": {"deployment": "x"}}),
        _set("spec", "hardware", "gpus", to=[{"memory_gb": 1, "memory_mib": 1}]),
        _set("spec", "hardware", "gpus", to=[]),
        _set("spec", "evidence", "dpa", to={"valid_until": "2027"}),
        _set("spec", "evidence", "dpa", to={"sha256": "x"}),
        _set("spec", "evidence", "dpa", to={"zz": "x"}),
        _set("spec", "tasks", to=[{"name": "a", "kind": "judge"}, {"name": "b", "kind": "judge"}]),
    ],
)
def test_what_the_schema_refuses_the_model_refuses_too(change: Callable[[dict[str, Any]], None]) -> None:
    (document,) = read_yaml(EXAMPLE)
    value = copy.deepcopy(document.value)
    change(value)
    assert not VALIDATOR.is_valid(value)
    refused = load_document(Document("w.yaml", value, document._root), 0, SHIPPED)
    assert isinstance(refused, InputError)


def test_nulls_are_valid_in_both() -> None:
    text = """
        {apiVersion: policy-engine/v1, kind: Workload, metadata: {namespace: null, name: a, owner: b, labels: null},
         spec: {stage: pilot, organisation: null, deploy_within_days: null, data: null, volume: null, budget: null,
          team: null, needs: null, hardware: null, migration: null, evidence: {dpa: null}, custom: null,
          tasks: [{name: t, kind: other, share: null, modalities: null, min_scores: null, proposal: null}]}}"""
    for each in (text, text.replace("min_scores: null", "min_scores: {mmlu: null, gsm8k: 50}")):
        (document,) = load_yaml(each, "w.yaml")
        VALIDATOR.validate(document.value)
        assert not isinstance(load_document(document, 0, SHIPPED), InputError)
