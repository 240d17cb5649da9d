"""The workload's model: strictness, agreement with the vocabulary, redaction."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
from annotated_types import Ge, Le
from policy_audit.canonical import document_bytes
from pydantic import ValidationError

from policy_engine.loading.vocabulary_file import read_vocabulary
from policy_engine.loading.workload_errors import _words
from policy_engine.loading.workload_file import load_workloads
from policy_engine.model.personal import redacted_document
from policy_engine.model.workload import Workload
from policy_engine.model.workload_paths import fact_name, fields_by_path, keys_at, pattern_of, places_of, shown

ROOT = Path(__file__).parents[3]
SHIPPED = read_vocabulary(ROOT / "rules")


def workload(task: dict[str, Any] | None = None, **spec: Any) -> Workload:
    tasks = spec.pop("tasks", [{"name": "t", "kind": "judge", **(task or {})}])
    metadata = {"name": "a", "owner": "jane@acme.example"}
    return Workload.model_validate(
        {
            "apiVersion": "policy-engine/v1",
            "kind": "Workload",
            "metadata": metadata,
            "spec": {"stage": "pilot", "tasks": tasks, **spec},
        }
    )


def test_nothing_is_coerced() -> None:
    wrong: list[dict[str, Any]] = [
        {"batch": 1},
        {"batch": "true"},
        {"latency_p95_ms": True},
        {"latency_p95_ms": 3.0},
        {"latency_p95_ms": "3"},
        {"quality": True},
        {"modalities": "text"},
        {"modalities": {"text": 1}},
        {"min_scores": {"mmlu": True}},
        {"share": True},
    ]
    for task in wrong:
        with pytest.raises(ValidationError):
            workload(task)
    with pytest.raises(ValidationError):
        workload(budget={"monthly_usd": float("nan")})


def test_a_whole_number_is_a_double() -> None:
    found = workload(budget={"monthly_usd": 8000})
    assert found.spec.budget is not None
    assert isinstance(found.spec.budget.monthly_usd, float)


def test_a_workload_is_frozen() -> None:
    with pytest.raises(ValidationError):
        workload().spec.stage = "production"


def test_python_names_are_no_keys() -> None:
    for key in ("share_given", "replaces"):
        with pytest.raises(ValidationError):
            workload({key: None})
    with pytest.raises(ValidationError):
        workload(migration={"replaces": {}})


@pytest.mark.parametrize(
    ("shares", "fine"),
    [
        ([None], True),
        ([1], True),
        ([1.0], True),
        ([0.8], False),
        ([0], False),
        ([0.5, 0.5], True),
        ([0.1] * 10, True),
        ([1 / 3] * 3, True),
        ([0.5, 0.5000009], True),
        ([0.5, 0.500002], False),
        ([0.5, None], False),
        ([1, 0], True),
    ],
)
def test_shares_sum_to_one(shares: list[float | None], fine: bool) -> None:
    tasks = [
        {"name": f"t{index}", "kind": "judge"} | ({} if share is None else {"share": share})
        for index, share in enumerate(shares)
    ]
    if fine:
        assert sum(task.share for task in workload(tasks=tasks).spec.tasks) == pytest.approx(1.0)
    else:
        with pytest.raises(ValidationError):
            workload(tasks=tasks)


def test_migration_none_is_not_migration_unknown() -> None:
    assert workload(migration="none").spec.migration == "none"
    assert workload(migration=None).spec.migration is None
    assert workload(migration={}).spec.migration is not None
    assert workload(migration={"from": None}).spec.migration is not None


@pytest.mark.parametrize(
    "day", ["2027-6-30", "20270630", "2027-W01-1", "2027-02-29", "2027-06-30T00:00:00Z", "", "٢٠٢٧-٠١-٠١"]
)
def test_dates_are_rfc_3339_dates(day: str) -> None:
    with pytest.raises(ValidationError):
        workload(evidence={"dpa": {"issued": day}})
    assert workload(evidence={"dpa": {"issued": "2028-02-29"}}).spec.evidence is not None


def test_types_choices_and_bounds_are_the_vocabularys() -> None:
    kinds = {"bool": bool, "int": int, "double": float}
    checked = 0
    for path, info in fields_by_path().items():
        fact = SHIPPED.facts.get(fact_name(path))
        if fact is None:
            continue
        checked += 1
        assert info.is_required() == fact.required or "proposal" in path, path
        if fact.values:
            assert _words(info.annotation) == list(fact.values), path
        elif fact.type in kinds:
            assert kinds[fact.type] in (info.annotation, *get_args(info.annotation), *_inner(info.annotation)), path
            bounds = _bounds(info.metadata, info.annotation)
            assert bounds == (fact.minimum, fact.maximum), path
        if fact.default is not None:
            default = info.get_default(call_default_factory=True)
            assert (list(default) if isinstance(default, tuple) else default) == fact.default, path
    declared = [fact for fact in SHIPPED.facts.values() if fact.source == "declared"]
    assert checked == len(declared)


def _inner(annotation: Any) -> list[Any]:
    return [inner for each in get_args(annotation) for inner in get_args(each)]


def _bounds(*found: Any) -> tuple[float | None, float | None]:
    low = high = None
    todo = list(found)
    while todo:
        each = todo.pop()
        if isinstance(each, Ge):
            low = each.ge
        elif isinstance(each, Le):
            high = each.le
        elif isinstance(each, (list, tuple)):
            todo += each
        else:
            todo += [*get_args(each), *getattr(each, "metadata", ()), *getattr(each, "__metadata__", ())]
    return low, high  # type: ignore[return-value]


def test_paths_of_the_shape() -> None:
    assert pattern_of(("spec", "tasks", 0, "proposal", "model")) == ("spec", "tasks", "proposal", "model")
    assert pattern_of(("spec", "evidence", "dpa", "file")) == ("spec", "evidence", "*", "file")
    assert pattern_of(("spec", "custom", "x")) == ("spec", "custom", "*")
    assert fact_name(("spec", "tasks", "proposal", "fallback", "region")) == "proposal.fallback.region"
    assert fact_name(("metadata", "name")) == "workload.name"
    assert fact_name(("spec", "hardware", "serves", "model")) == "hardware.serves.model"
    assert "from" in keys_at(("spec", "migration"))
    assert shown(places_of("bf16_tflops")[0]) == "spec.hardware.gpus[]"


def test_no_person_stands_in_a_redacted_document() -> None:
    given = workload(migration={"champion": "jane.doe@acme.example", "from": {"model": "gpt-4o"}}, data=None)
    document = redacted_document(given)
    assert "jane" not in json.dumps(document)
    assert document["metadata"] == {"name": "a", "owner": {"present": True}}
    assert document["spec"]["migration"] == {"champion": {"present": True}, "from": {"model": "gpt-4o"}}
    assert document["spec"]["data"] is None
    assert "volume" not in document["spec"]
    assert redacted_document(workload(migration={"champion": None}))["spec"]["migration"] == {"champion": None}
    assert redacted_document(workload(migration="none"))["spec"]["migration"] == "none"


def test_layout_leaves_no_trace_in_a_redacted_document() -> None:
    one = """\
apiVersion: policy-engine/v1
kind: Workload
metadata: {name: a, owner: x@acme.example, labels: {b: "2", a: "1"}}
spec:
  stage: pilot
  tasks: [{name: t, kind: judge, share: 1, min_scores: {mmlu: 80, gsm8k: 9e1}, modalities: [text]}]
  budget: {monthly_usd: 8000}
"""
    two = """\
{"kind": "Workload", "apiVersion": "policy-engine/v1",   # a comment
 "spec": {"budget": {"monthly_usd": 8000.0}, "stage": "pilot", "tasks": [
   {"modalities": [text], "min_scores": {"gsm8k": 90, "mmlu": 80.0}, "share": 1.0, "kind": "judge", "name": "t"}]},
 "metadata": {"labels": {"a": "1", "b": "2"}, "owner": "someone-else@acme.example", "name": "a"}}
"""
    documents = [redacted_document(load_workloads(text, "w", SHIPPED)[0].workload) for text in (one, two)]
    assert document_bytes(documents[0]) == document_bytes(documents[1])


def test_importing_the_model_imports_little() -> None:
    program = "import sys, policy_engine.model.workload; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, cwd=ROOT, text=True)
    loaded = set(done.stdout.split())
    ours = {name for name in loaded if name.startswith("policy_")}
    assert ours == {f"policy_engine{each}" for each in ("", ".model", ".model.fields", ".model.workload")}
    assert not loaded & {"yaml", "orjson", "click", "sqlalchemy", "cel_expr_python", "msgspec", "opentelemetry"}
