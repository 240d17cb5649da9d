"""Whole workloads, made up, and the policies that decide them.

POLICY_PROPERTY_CASES sets the number of workloads for each law; by default as many as a quick run bears.
"""

from __future__ import annotations

import copy
import functools
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from policy_engine.decide import Decider
from policy_engine.language.cel import Checker
from policy_engine.loading.evidence import check_evidence
from policy_engine.loading.policy import Policy, load_policy
from policy_engine.model.decision import Decision
from policy_engine.model.task_case import VERDICTS, TaskResult
from policy_engine.model.vocabulary import OPTIONS
from policy_engine.model.workload import Workload
from tests.oracle import Oracle

CASES = int(os.environ.get("POLICY_PROPERTY_CASES", "0"))
AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
NOWHERE = Path(__file__).parent
#: Regions of providers, which the shipped catalog does not know, and a model past its end and one before it.
OWN = {"source": "us", "as_of": "2026-01-01"}
LAYER = {
    "providers": {
        "openai": {"options": ["proprietary_api"], "regions": ["us-east-1"], **OWN},
        "anthropic": {"options": ["proprietary_api"], "regions": ["eu"], **OWN},
        "google": {"options": ["proprietary_api"], "regions": ["us", "ch"], **OWN},
        "sutro": {"options": ["open_batch"], "regions": ["us"], **OWN},
    },
    "models": {
        "own-old": {"weights": "open", "licence": "mit", "modalities": ["text"], "context_tokens": 32768}
        | {"params_b": 7.0, "kv_bytes_per_token": 131072, "retires_on": "2026-01-01", **OWN},
        "own-ending": {"weights": "open", "licence": "mit", "modalities": ["text"], "context_tokens": 32768}
        | {"params_b": 7.0, "kv_bytes_per_token": 131072, "retires_on": "2027-01-01", **OWN},
    },
}


@functools.cache
def shipped() -> Policy:
    return load_policy()


@functools.cache
def placed() -> Policy:
    policy = shipped()
    return replace(policy, catalog_documents=(*policy.catalog_documents, ("own", {"own": LAYER})))


@functools.cache
def decider(layered: bool) -> Decider:
    return Decider(placed() if layered else shipped())


@functools.cache
def oracle(layered: bool) -> Oracle:
    return Oracle(placed() if layered else shipped())


@functools.cache
def checker() -> Checker:
    return Checker({name: fact.type for name, fact in shipped().vocabulary.facts.items()})


def cases(default: int, most: int | None = None) -> Any:
    """Settings for a law: `default` examples, or as many as the environment asks for."""
    count = min(CASES, most) if CASES and most else CASES or default
    return settings(
        max_examples=count,
        deadline=None,
        derandomize=not CASES,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )


MODELS = {
    "proprietary_api": ["gpt-4o", "gpt-4o-mini", "claude-3.5-sonnet", "gemini-ultra", "gpt-4"],
    "open_api": ["llama-3-70b", "qwen3-14b", "llama-3.1-405b", "mistral-large", "qwen3-7b"],
    "open_batch": ["qwen3-7b", "llama-3-70b", "qwen3-14b"],
    "self_hosted": ["llama-3.1-8b", "llama-3-70b", "qwen3-14b", "mistral-large", "qwen3-7b", "own-old", "own-ending"],
    "edge": ["qwen3-4b", "llama-3.1-8b", "phi-3-mini", "llama-3-70b", "gemma-2b"],
}
ANY_MODEL = sorted({name for names in MODELS.values() for name in names} | {"no-such-model"})
REGIONS = ["us", "eu", "us-east-1", "eu-central-1", "ch", "moon"]
VOCABULARY = yaml.safe_load((Path(__file__).parents[2] / "rules" / "vocabulary.yaml").read_text(encoding="utf-8"))
KINDS = VOCABULARY["facts"]["task.kind"]["values"]
EVIDENCE = sorted(VOCABULARY["evidence"])
BOOLS = [True, False]
TASK_FIELDS: dict[str, list[Any]] = {
    "complexity": ["simple", "standard", "complex"],
    "quality": ["sufficient", "high", "best"],
    "modalities": [["text"], ["text", "vision"], ["audio"], ["text", "tool_use"]],
    "batch": BOOLS,
    "customer_facing": BOOLS,
    "well_defined": BOOLS,
    "specialised_domain": BOOLS,
    "edge_cases_matter": BOOLS,
    "latency_p95_ms": [20, 49, 50, 60, 99, 100, 200, 299, 500, 999, 3000],
    "context_tokens": [1, 1000, 8000, 8193, 30_000, 200_000],
    "min_scores": [{}, {"mmlu": 80.0}, {"humaneval": 85.0}, {"mmlu": 88.0, "gsm8k": 90.0}, {"aime24": 10.0}],
}
SECTION_FIELDS: dict[tuple[str, str], list[Any]] = {
    ("data", "sensitivity"): ["public", "internal", "confidential", "regulated"],
    ("data", "regulations"): [[], ["hipaa"], ["gdpr"], ["soc2", "hipaa"]],
    ("data", "may_leave_network"): BOOLS,
    ("data", "residency"): [["anywhere"], ["us"], ["eu"], ["eu", "ch"], ["moon"], ["us", "moon"]],
    ("data", "must_own_logs"): BOOLS,
    ("data", "third_party_accepted"): BOOLS,
    ("volume", "input_tokens_per_month"): [0, 1_000_000, 20_000_000, 400_000_000, 5_000_000_000, 2**53 - 1],
    ("volume", "output_tokens_per_month"): [0, 100_000, 5_000_000, 100_000_000, 2**53 - 1],
    ("volume", "requests_per_day"): [0, 10, 2_000_000],
    ("volume", "pattern"): ["steady", "variable"],
    ("budget", "monthly_usd"): [0.0, 100.0, 1999.99, 3000.0, 9000.0],
    ("budget", "api_spend_usd_per_month"): [0.0, 100.0, 2000.0, 3000.0, 5000.0, 9000.0],
    ("budget", "margin"): ["tight", "normal"],
    ("team", "mlops"): ["none", "building", "mature"],
    ("team", "ml_engineers"): [0, 1, 2],
    ("team", "gpu_devops_engineers"): [0, 1],
    ("team", "can_hire"): BOOLS,
    **{("needs", name): BOOLS for name in ("fine_tuning", "change_architecture", "choose_serving", "see_weights")},
    **{("needs", name): BOOLS for name in ("vendor_independence", "no_rate_limits", "newest_capabilities", "edge")},
}
SPEC_FIELDS: dict[str, list[Any]] = {
    "organisation": ["startup", "small_team", "enterprise", "research"],
    "deploy_within_days": [0, 3, 7, 60],
}
PRECISIONS = ["bf16", "fp8", "int8", "int4"]
GPU_FIELDS: dict[str, list[Any]] = {
    "name": ["NVIDIA A100-SXM4-80GB", "H100", "T4", "NVIDIA H200", "Frobnicator 9", "cpu"],
    "count": [1, 2, 4, 8],
    "memory_gb": [16.0, 24.0, 80.0, 141.0, 200.0],
    "bandwidth_gb_s": [300.0, 2039.0, 3350.0, 9000.0],
    "bf16_tflops": [65.0, 312.0, 989.0, 2000.0],
    "fp32_tflops": [8.0, 19.5],
}
SERVES_FIELDS: dict[str, list[Any]] = {
    "model": ["llama-3.1-8b", "llama-3-70b", "qwen3-14b", "no-such-model"],
    "quantization": PRECISIONS,
    "tokens_per_hour": [1000.0, 158_760.0, 1e8],
    "concurrency": [1, 8, 500],
    "input_tokens": [0, 1000, 100_000],
    "output_tokens": [10, 200, 5000],
}
#: Calm workloads, one for each proposed option: all is known, and little stands in the way.
CALM: dict[str, Any] = {
    "organisation": "enterprise",
    "deploy_within_days": 60,
    "data": {
        "sensitivity": "internal",
        "regulations": [],
        "may_leave_network": True,
        "residency": ["us"],
        "must_own_logs": False,
        "third_party_accepted": True,
    },
    "volume": {
        "input_tokens_per_month": 20_000_000,
        "output_tokens_per_month": 5_000_000,
        "requests_per_day": 500,
        "pattern": "steady",
    },
    "budget": {"monthly_usd": 3000.0, "api_spend_usd_per_month": 900.0, "margin": "normal"},
    "team": {"mlops": "mature", "ml_engineers": 1, "gpu_devops_engineers": 1, "can_hire": True},
    "needs": {},
    "migration": "none",
}
CALM_TASK: dict[str, Any] = {
    "complexity": "standard",
    "quality": "sufficient",
    "batch": False,
    "customer_facing": False,
    "well_defined": True,
    "specialised_domain": False,
    "edge_cases_matter": False,
    "latency_p95_ms": 3000,
    "context_tokens": 4000,
}


def one_of(draw: Any, values: list[Any]) -> Any:
    return copy.deepcopy(draw(st.sampled_from(values)))


@st.composite
def proposals(draw: Any, fallback: bool = True) -> dict[str, Any]:
    option = draw(st.sampled_from(OPTIONS))
    found: dict[str, Any] = {"deployment": option}
    found["model"] = one_of(draw, MODELS[option] * 3 + ["no-such-model", "gpt-4o", "llama-3-70b", None])
    found["region"] = one_of(draw, ["us", "us", *REGIONS, None])
    found["provider"] = one_of(draw, ["openai", "anthropic", "frobnicate", None])
    if draw(st.integers(0, 2)) == 0:
        found["quantization"] = one_of(draw, [*PRECISIONS, None])
    if fallback and draw(st.integers(0, 3)) == 0:
        found["fallback"] = draw(proposals(fallback=False))
        found["fallback"].pop("quantization", None)
    return found


@st.composite
def hardware(draw: Any) -> dict[str, Any]:
    gpus = []
    for _ in range(draw(st.sampled_from([1, 1, 1, 2]))):
        gpu = {name: one_of(draw, GPU_FIELDS[name]) for name in ("name", "count")}
        for name in ("memory_gb", "bandwidth_gb_s", "bf16_tflops", "fp32_tflops"):
            if draw(st.integers(0, 3)) == 0:
                gpu[name] = one_of(draw, GPU_FIELDS[name])
        gpus.append(gpu)
    found: dict[str, Any] = {"gpus": gpus}
    if draw(st.booleans()):
        found |= {"usd_per_hour": one_of(draw, [0.0, 0.5, 3.0, 20.0]), "region": one_of(draw, REGIONS)}
    if draw(st.integers(0, 2)) == 0:
        found["serves"] = {name: one_of(draw, values) for name, values in SERVES_FIELDS.items()}
    return found


@st.composite
def migrations(draw: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "from": {"deployment": one_of(draw, list(OPTIONS)), "model": one_of(draw, ANY_MODEL), "provider": "openai"},
        "rollout_start_percent": one_of(draw, [5.0, 10.0, 20.0]),
        "weeks_planned": one_of(draw, [2.0, 4.0, 6.0]),
    }
    if draw(st.booleans()):
        found["champion"] = "jane@acme.example"
    return found


@st.composite
def workloads(draw: Any, proposed: bool | None = None, wild: bool | None = None) -> dict[str, Any]:
    """Return a valid workload as plain data: a calm one with some values changed, or one drawn field by field."""
    if wild is None:
        wild = draw(st.integers(0, 3)) == 0
    spec: dict[str, Any] = {"stage": draw(st.sampled_from(["pilot", "production", "prototype"]))}
    spec |= {} if wild else copy.deepcopy(CALM)
    count = draw(st.sampled_from([1, 1, 1, 1, 2]))
    with_proposal = draw(st.booleans()) if proposed is None else proposed
    spec["tasks"] = [_task(draw, number, count, with_proposal, wild) for number in range(count)]
    options = {(task.get("proposal") or {}).get("deployment") for task in spec["tasks"]}
    if not wild:
        spec["needs"]["edge"] = "edge" in options
    places = list(SECTION_FIELDS)
    chosen = places if wild else draw(st.lists(st.sampled_from(places), max_size=4, unique=True))
    for section, name in chosen:
        _put(draw, spec.setdefault(section, {}), name, SECTION_FIELDS[section, name])
    for name in SPEC_FIELDS if wild else draw(st.lists(st.sampled_from(list(SPEC_FIELDS)), max_size=1)):
        _put(draw, spec, name, SPEC_FIELDS[name])
    if draw(st.integers(0, 2)) == 0:
        spec["hardware"] = draw(hardware())
    what = draw(st.integers(0, 9))
    if what < 3:
        spec["migration"] = draw(migrations())
    elif what == 3:
        spec["migration"] = None
    lacking = draw(st.lists(st.sampled_from(EVIDENCE), max_size=8 if wild else 2))
    spec["evidence"] = {name: {"reference": "REF-1"} for name in EVIDENCE if name not in lacking}
    metadata = {
        "name": "some-workload",
        "owner": "owner@acme.example",
        "namespace": one_of(draw, ["claims", "default"]),
    }
    return {"apiVersion": "policy-engine/v1", "kind": "Workload", "metadata": metadata, "spec": spec}


def _task(draw: Any, number: int, count: int, proposed: bool, wild: bool) -> dict[str, Any]:
    task: dict[str, Any] = {"name": f"task-{number}", "kind": draw(st.sampled_from(KINDS))}
    if count > 1:
        task["share"] = 1.0 / count
    if proposed:
        task["proposal"] = draw(proposals())
    if not wild:
        task |= copy.deepcopy(CALM_TASK)
        task["batch"] = proposed and task["proposal"]["deployment"] == "open_batch"
    names = list(TASK_FIELDS) if wild else draw(st.lists(st.sampled_from(list(TASK_FIELDS)), max_size=3, unique=True))
    for name in names:
        _put(draw, task, name, TASK_FIELDS[name])
    return task


def _put(draw: Any, at: dict[str, Any], name: str, values: list[Any]) -> None:
    """State a value, or null, or leave the field out."""
    what = draw(st.integers(0, 11))
    if what == 0:
        at[name] = None
    elif what == 1:
        at.pop(name, None)
    else:
        at[name] = one_of(draw, values)


def judged(engine: Decider, raw: Mapping[str, Any]) -> tuple[str, list[TaskResult]]:
    """Return the workload's verdict and its tasks' results, without the explanation."""
    workload = Workload.model_validate(raw)
    evidence = check_evidence(workload, AT.date(), NOWHERE)
    results = [engine.judge.judge(case) for case in engine.cases(workload, evidence, AT)]
    return max((each.verdict for each in results), key=VERDICTS.index), results


def decided(engine: Decider, raw: Mapping[str, Any]) -> Decision:
    workload = Workload.model_validate(raw)
    return engine.decide(workload, check_evidence(workload, AT.date(), NOWHERE), AT)


def leaves(raw: Mapping[str, Any]) -> list[tuple[str | int, ...]]:
    """Return every place of a declared fact, stated or not, and every section whose facts null makes unknown.

    Not those where null says that there is none: a proposal, a fallback, hardware, what it is said to serve.
    """
    spec = raw["spec"]
    found: list[tuple[str | int, ...]] = [(name,) for name in (*SPEC_FIELDS, "migration")]
    found += [(section,) for section in ("data", "volume", "budget", "team", "needs")]
    found += list(SECTION_FIELDS)
    for number, task in enumerate(spec["tasks"]):
        at: tuple[str | int, ...] = ("tasks", number)
        found += [(*at, name) for name in TASK_FIELDS]
        found += [(*at, "min_scores", name) for name in task.get("min_scores") or {}]
        if task.get("proposal"):
            found += [(*at, "proposal", name) for name in ("model", "provider", "region", "quantization")]
            if task["proposal"].get("fallback"):
                found += [(*at, "proposal", "fallback", name) for name in ("model", "provider", "region")]
    return found + list(_section_leaves(spec))


def _section_leaves(spec: Mapping[str, Any]) -> Iterator[tuple[str | int, ...]]:
    if spec.get("hardware"):
        yield from (("hardware", name) for name in ("gpus", "usd_per_hour", "region"))
        for number, _ in enumerate(spec["hardware"]["gpus"]):
            for name in (*GPU_FIELDS, "memory_gib", "memory_mib"):
                yield ("hardware", "gpus", number, name)
        if spec["hardware"].get("serves"):
            yield from (("hardware", "serves", name) for name in SERVES_FIELDS)
    if isinstance(spec.get("migration"), dict):
        yield from (("migration", name) for name in ("from", "champion", "rollout_start_percent", "weeks_planned"))
        yield from (("migration", "from", name) for name in ("deployment", "model", "provider"))


def without(raw: Mapping[str, Any], *paths: tuple[str | int, ...]) -> dict[str, Any]:
    """Return the workload with null at `paths`."""
    found = copy.deepcopy(dict(raw))
    for path in paths:
        put(found, path, None)
    return found


def put(raw: dict[str, Any], path: tuple[str | int, ...], value: Any) -> None:
    """State `value` at `path`; nothing where what it stands in is unknown already."""
    at: Any = raw["spec"]
    for step in path[:-1]:
        if isinstance(at, dict) and step not in at:
            at[step] = {}
        if at[step] is None:
            return
        at = at[step]
    at[path[-1]] = value


def allows(verdict: str) -> bool:
    return verdict in ("allow", "allow_with_conditions")


def statable(raw: Mapping[str, Any], data: st.DataObject) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Yield a value for every declared fact that the workload leaves unknown."""
    spec = raw["spec"]
    fields: dict[tuple[str | int, ...], list[Any]] = {(name,): values for name, values in SPEC_FIELDS.items()}
    fields |= SECTION_FIELDS
    for number, task in enumerate(spec["tasks"]):
        fields |= {("tasks", number, name): values for name, values in TASK_FIELDS.items()}
        if task.get("proposal"):
            at: tuple[str | int, ...] = ("tasks", number, "proposal")
            fields |= {(*at, "model"): ANY_MODEL, (*at, "region"): REGIONS, (*at, "quantization"): PRECISIONS}
    for path, values in fields.items():
        if not _known(spec, path):
            yield path, one_of(data.draw, values)


def _known(spec: Any, path: tuple[str | int, ...]) -> bool:
    """Whether a fact is stated, or has its default because it is left out."""
    default = path[0] == "needs" or path[-1] in ("modalities", "min_scores", "quantization")
    at = spec
    for step in path:
        if at is None:
            return False
        if isinstance(at, dict) and step not in at:
            return default
        at = at[step]
    return at is not None
