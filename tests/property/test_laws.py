"""The laws of a decision, over whole workloads: knowledge taken away never allows, a forbid never helps, and all else.

POLICY_PROPERTY_CASES sets the number of workloads for each law; by default as many as a quick run bears.
"""

from __future__ import annotations

import copy
import functools
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from policy_engine.decide import Decider
from policy_engine.errors import RulesError
from policy_engine.language.cel import Checker
from policy_engine.language.tree import facts_read
from policy_engine.loading.evidence import check_evidence
from policy_engine.loading.policy import Policy, load_policy, with_rules
from policy_engine.loading.workload_file import load_workloads
from policy_engine.model.decision import Decision
from policy_engine.model.rule import TOPICS, Rule
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


# ---- whole workloads

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


def _of(draw: Any, values: list[Any]) -> Any:
    return copy.deepcopy(draw(st.sampled_from(values)))


@st.composite
def proposals(draw: Any, fallback: bool = True) -> dict[str, Any]:
    option = draw(st.sampled_from(OPTIONS))
    found: dict[str, Any] = {"deployment": option}
    found["model"] = _of(draw, MODELS[option] * 3 + ["no-such-model", "gpt-4o", "llama-3-70b", None])
    found["region"] = _of(draw, ["us", "us", *REGIONS, None])
    found["provider"] = _of(draw, ["openai", "frobnicate", None])
    if draw(st.integers(0, 2)) == 0:
        found["quantization"] = _of(draw, [*PRECISIONS, None])
    if fallback and draw(st.integers(0, 3)) == 0:
        found["fallback"] = draw(proposals(fallback=False))
        found["fallback"].pop("quantization", None)
    return found


@st.composite
def hardware(draw: Any) -> dict[str, Any]:
    gpus = []
    for _ in range(draw(st.sampled_from([1, 1, 1, 2]))):
        gpu = {name: _of(draw, GPU_FIELDS[name]) for name in ("name", "count")}
        for name in ("memory_gb", "bandwidth_gb_s", "bf16_tflops", "fp32_tflops"):
            if draw(st.integers(0, 3)) == 0:
                gpu[name] = _of(draw, GPU_FIELDS[name])
        gpus.append(gpu)
    found: dict[str, Any] = {"gpus": gpus}
    if draw(st.booleans()):
        found |= {"usd_per_hour": _of(draw, [0.0, 0.5, 3.0, 20.0]), "region": _of(draw, REGIONS)}
    if draw(st.integers(0, 2)) == 0:
        found["serves"] = {name: _of(draw, values) for name, values in SERVES_FIELDS.items()}
    return found


@st.composite
def migrations(draw: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "from": {"deployment": _of(draw, list(OPTIONS)), "model": _of(draw, ANY_MODEL), "provider": "openai"},
        "rollout_start_percent": _of(draw, [5.0, 10.0, 20.0]),
        "weeks_planned": _of(draw, [2.0, 4.0, 6.0]),
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
    metadata = {"name": "some-workload", "owner": "owner@acme.example", "namespace": _of(draw, ["claims", "default"])}
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
        at[name] = _of(draw, values)


# ---- deciding


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


# ---- law 1: knowledge taken away never allows


@cases(80)
@given(workloads(proposed=True), st.booleans(), st.randoms(use_true_random=False))
def test_law_1_taking_knowledge_away_never_allows(raw: dict[str, Any], layered: bool, chance: random.Random) -> None:
    engine = decider(layered)
    before, _ = judged(engine, raw)
    assume(not allows(before))
    places = leaves(raw)
    several = [chance.sample(places, chance.choice([2, 3, 5, 12])) for _ in range(6)]
    for paths in [*([path] for path in places), *several]:
        after, _ = judged(engine, without(raw, *paths))
        assert not allows(after), f"{before} becomes {after} without {paths}"


@cases(60)
@given(workloads(proposed=True, wild=False), st.booleans(), st.data())
def test_law_1_learning_never_takes_an_allowance_back(raw: dict[str, Any], layered: bool, data: st.DataObject) -> None:
    """The same law from the other side: what is allowed with facts unknown is allowed whatever they are."""
    engine = decider(layered)
    before, _ = judged(engine, raw)
    assume(allows(before))
    for path, value in _statable(raw, data):
        more = copy.deepcopy(raw)
        put(more, path, value)
        after, _ = judged(engine, more)
        assert allows(after), f"{before} becomes {after} with {path} = {value}"


def _statable(raw: Mapping[str, Any], data: st.DataObject) -> Iterator[tuple[tuple[str | int, ...], Any]]:
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
            yield path, _of(data.draw, values)


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


@cases(60)
@given(workloads(proposed=True), st.data())
def test_law_1_holds_of_a_benchmark_floor_that_is_not_known(raw: dict[str, Any], data: st.DataObject) -> None:
    """A floor alone cannot be null in the file; the engine's own form allows it."""
    engine = decider(False)
    raw["spec"]["tasks"][0]["min_scores"] = _of(data.draw, TASK_FIELDS["min_scores"][1:])
    workload = Workload.model_validate(raw)
    case = engine.cases(workload, check_evidence(workload, AT.date(), NOWHERE), AT)[0]
    before = engine.judge.judge(case).verdict
    assume(not allows(before))
    for name in case.min_scores or {}:
        after = engine.judge.judge(replace(case, min_scores={**(case.min_scores or {}), name: None})).verdict
        assert not allows(after), f"{before} becomes {after} without the floor of {name}"


# ---- law 2: a forbid never helps


def _atoms() -> list[str]:
    found = []
    for name, fact in shipped().vocabulary.facts.items():
        if fact.type == "bool":
            found += [name, f"!{name}"]
        elif fact.type == "string":
            values = list(fact.values or ("eu", "llama-3-70b"))
            found += [f"{name} == '{value}'" for value in values[:3]]
            found += [f"{name} in ['{values[0]}', '{values[-1]}']", f"{name}.startsWith('{values[-1][:2]}')"]
        elif fact.type == "list<string>":
            found += [f"'hipaa' in {name}", f"size({name}) > 0", f"{name}.exists(x, x != 'text')"]
        else:
            point = ".0" if fact.type == "double" else ""
            found += [f"{name} < 100{point}", f"{name} >= 5000{point}", f"{name} * 2{point} > 1000000{point}"]
    return found


ATOMS = _atoms()
CONDITIONS = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda two: f"({two[0]} && {two[1]})"),
        st.tuples(inner, inner).map(lambda two: f"({two[0]} || {two[1]})"),
        inner.map(lambda one: f"!({one})"),
        st.tuples(inner, inner, inner).map(lambda three: f"({three[0]} ? {three[1]} : {three[2]})"),
    ),
    max_leaves=4,
)


def rule_of(rule_id: str, when: str, **effects: Any) -> Rule:
    """Return a rule as the loader would make it."""
    condition = checker().check(when)
    return Rule(
        id=rule_id,
        title=rule_id,
        topic=effects.pop("topic", "routing"),
        when=when,
        condition=condition,
        reads=facts_read(condition),
        parameters=frozenset(),
        stratum=max(rule.stratum for rule in shipped().rules.rules),
        **effects,
    )


def extended(policy: Policy, *rules: Rule) -> Decider:
    """Return a decider under the policy with more rules; the catalog is the same, and not built again."""
    found = with_rules(policy, [*policy.rules.rules, *rules])
    found.__dict__["catalog"] = policy.catalog
    return Decider(found)


def several(few: int, many: int, proposed: bool | None = None) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Workloads that are tried under one set of rules: compiling it takes longer than a decision."""
    count = many if CASES else few
    return st.lists(workloads(proposed=proposed), min_size=count, max_size=count)


FORBIDS = st.builds(
    lambda when, forbid, enforcement: rule_of("one-more", when, forbid=tuple(forbid), enforcement=enforcement),
    CONDITIONS,
    st.lists(st.sampled_from([*OPTIONS, "proposal"]), min_size=1, unique=True),
    st.sampled_from(["mandatory", "waivable", "advisory"]),
)


@cases(60, most=2000)
@given(several(3, 10), FORBIDS, st.booleans())
def test_law_2_adding_a_forbid_never_helps(raws: list[dict[str, Any]], rule: Rule, layered: bool) -> None:
    policy = placed() if layered else shipped()
    more = extended(policy, rule)
    for raw in raws:
        before, _ = judged(decider(layered), raw)
        after, _ = judged(more, raw)
        if before == "deny":
            assert after == "deny", f"deny becomes {after} with {rule.forbid} when {rule.when}"
        if raw["spec"]["tasks"][0].get("proposal"):
            assert VERDICTS.index(after) >= VERDICTS.index(before), f"{before} becomes {after} under {rule.when}"


def _monotone(rule: Rule) -> bool:
    """Whether a rule reads no fact that is declared, else computed: the loader refuses those that do."""
    return "cost.api_spend_usd_per_month" not in rule.reads


@cases(40, most=1000)
@given(several(2, 4, proposed=True), FORBIDS, st.randoms(use_true_random=False))
def test_law_1_holds_under_other_forbids(raws: list[dict[str, Any]], rule: Rule, chance: random.Random) -> None:
    """Over the whole vocabulary, costs and licences of the models that would be chosen among it."""
    assume(_monotone(rule) and rule.enforcement != "advisory")
    engine = extended(shipped(), rule)
    for raw in raws:
        before, _ = judged(engine, raw)
        if allows(before):
            continue
        places = leaves(raw)
        for paths in [*([path] for path in places), *(chance.sample(places, 4) for _ in range(4))]:
            after, _ = judged(engine, without(raw, *paths))
            assert not allows(after), f"{before} becomes {after} without {paths} under {rule.when} {rule.forbid}"


LAYERS = {
    "the cost of a model that would be chosen": (
        "volume-cost/dear.yaml",
        {"when": "cost.self_hosted_usd_per_month > 10000.0", "forbid": ["self_hosted"], "enforcement": "mandatory"},
        {"deployment": "self_hosted", "model": "llama-3.1-405b", "region": "us"},
        ("tasks", 0, "quality"),
    ),
    "a rule that answers where the engine cannot": (
        "data-residency/inside.yaml",
        {"when": "true", "derive": {"proposal.region_allowed": "true"}},
        {"deployment": "proprietary_api", "model": "gpt-4o", "region": "ch"},
        ("tasks", 0, "proposal", "region"),
    ),
}


@pytest.mark.parametrize("name", list(LAYERS))
def test_law_1_holds_of_what_a_layer_may_say(name: str, tmp_path: Path) -> None:
    """The smallest counterexamples that there were: a layer cannot say them, or the engine answers for them."""
    place, effects, proposal, path = LAYERS[name]
    file = tmp_path / place
    file.parent.mkdir()
    head = {"id": file.stem, "title": name, "origin": "a test", "message": name}
    file.write_text(yaml.safe_dump({**head, **effects}), encoding="utf-8")
    try:
        engine = Decider(load_policy([tmp_path], use_cache=False))
    except RulesError:
        return
    task = {"name": "task", "kind": "extraction", **CALM_TASK, "quality": "best", "proposal": proposal}
    metadata = {"name": "some-workload", "owner": "owner@acme.example"}
    raw = {"apiVersion": "policy-engine/v1", "kind": "Workload", "metadata": metadata}
    raw["spec"] = {**copy.deepcopy(CALM), "stage": "pilot", "tasks": [task]}
    assert judged(engine, raw)[0] == "deny"
    assert not allows(judged(engine, without(raw, path))[0])


# ---- the literal oracle


@cases(150)
@given(workloads(), st.booleans())
def test_the_engine_agrees_with_the_literal_oracle(raw: dict[str, Any], layered: bool) -> None:
    _, results = judged(decider(layered), raw)
    for result in results:
        assert_agrees(result, oracle(layered))


EFFECTS = st.fixed_dictionaries(
    {
        "topic": st.sampled_from(TOPICS),
        "forbid": st.lists(st.sampled_from([*OPTIONS, "proposal"]), max_size=2, unique=True).map(tuple),
        "prefer": st.dictionaries(st.sampled_from(OPTIONS), st.integers(1, 3), max_size=3),
        "disfavour": st.dictionaries(st.sampled_from(OPTIONS), st.integers(1, 3), max_size=3),
        "require": st.dictionaries(
            st.sampled_from(["dpa", "fallback", "own_benchmark"]),
            st.lists(st.sampled_from(OPTIONS), min_size=1, unique=True).map(tuple),
            max_size=2,
        ),
        "enforcement": st.sampled_from(["mandatory", "waivable", "advisory"]),
        "grade": st.sampled_from(["asserted", "attached", "recorded"]),
        "enforce_from": st.sampled_from([None, AT.date(), datetime(2027, 1, 1, tzinfo=UTC).date()]),
    }
)


@cases(40, most=1000)
@given(several(3, 10), st.lists(st.tuples(CONDITIONS, EFFECTS), min_size=1, max_size=4))
def test_the_engine_agrees_under_rules_of_every_effect(
    raws: list[dict[str, Any]], drafts: list[tuple[str, dict[str, Any]]]
) -> None:
    rules = [rule_of(f"own-{number}", when, **dict(effects)) for number, (when, effects) in enumerate(drafts)]
    engine = extended(shipped(), *rules)
    literal = Oracle(engine.policy)
    for raw in raws:
        for result in judged(engine, raw)[1]:
            assert_agrees(result, literal)


def assert_agrees(result: TaskResult, literal: Oracle) -> None:
    expected = literal.judge(result)
    ids = [rule.id for rule in literal.rules]
    assert dict(zip(ids, result.outcomes, strict=True)) == expected.outcomes
    assert {name: each.status for name, each in result.standings.items()} == expected.statuses
    assert {name: each.score for name, each in result.standings.items()} == expected.scores
    assert {name: (each.low, each.high) for name, each in result.standings.items()} == expected.ranges
    ranking = result.ranking
    assert (ranking.recommended, ranking.provisional) == (expected.recommended, expected.provisional)
    assert (ranking.firm, ranking.cheapest) == (expected.firm, expected.cheapest)
    assert result.judged == expected.judged
    assert {each.evidence: each.status for each in result.obligations} == expected.obligations
    assert result.verdict == expected.verdict
    for standing in result.standings.values():
        assert standing.score == sum(each.points for each in standing.contributions)
        assert standing.low <= standing.score <= standing.high


# ---- missing facts


@cases(100)
@given(workloads(), st.booleans(), st.data())
def test_a_fact_that_does_not_decide_never_changes_the_verdict(
    raw: dict[str, Any], layered: bool, data: st.DataObject
) -> None:
    engine = decider(layered)
    assume(len(raw["spec"]["tasks"]) == 1)
    document = decided(engine, raw).document
    (task,) = document["tasks"]
    statable = {path_name(path): path for path, _ in _statable(raw, data)}
    for name in task["missing_facts"]:
        if name in task["decisive_facts"] or name not in statable:
            continue
        path = statable[name]
        for value in _values(path)[:4]:
            more = copy.deepcopy(raw)
            put(more, path, copy.deepcopy(value))
            after = judged(engine, more)[0]
            assert after == document["verdict"], (
                f"{name} = {value} is not said to decide; {document['verdict']}, {after}"
            )


def path_name(path: tuple[str | int, ...]) -> str:
    """Return the fact's name for a path below `spec`."""
    steps = [str(step) for step in path if not isinstance(step, int)]
    if steps[0] == "tasks":
        return ".".join(steps[1:] if steps[1] == "proposal" else ["task", *steps[1:]])
    return ".".join(steps if len(steps) > 1 or steps[0] == "migration" else ["workload", *steps])


def _values(path: tuple[str | int, ...]) -> list[Any]:
    if path[0] == "tasks":
        last = str(path[-1])
        return {**TASK_FIELDS, "model": ANY_MODEL, "region": REGIONS, "quantization": PRECISIONS}[last]
    if len(path) == 1:
        return SPEC_FIELDS[str(path[0])]
    return SECTION_FIELDS[str(path[0]), str(path[1])]


@cases(100)
@given(workloads(), st.booleans())
def test_a_review_names_what_it_waits_for(raw: dict[str, Any], layered: bool) -> None:
    document = decided(decider(layered), raw).document
    for task in document["tasks"]:
        assert set(task["decisive_facts"]) <= set(task["missing_facts"])
        if task["verdict"] != "review":
            continue
        outstanding = [duty for duty in task["obligations"] if duty["status"] == "outstanding"]
        named = task["decisive_facts"] or outstanding or task["collision"] or task["catalog_gaps"]
        assert named or _unknown_to_catalog(task), task["name"]


def _unknown_to_catalog(task: Mapping[str, Any]) -> bool:
    """The proposal or its fallback names a model or region that no catalog entry is about, and the reason says so."""
    proposal = task["proposal"] or {}
    rulings = [each for each in (proposal, proposal.get("fallback")) if each]
    return any("catalog does not know" in reason for ruling in rulings for reason in ruling["reasons"])


# ---- disputes


@functools.cache
def under(parameter: str, value: Any) -> Decider:
    policy = shipped()
    parameters = dict(policy.rules.parameters)
    parameters[parameter] = replace(parameters[parameter], value=value)
    changed = replace(policy, rules=replace(policy.rules, parameters=parameters))
    return Decider(with_rules(changed, changed.rules.rules))


@cases(60)
@given(workloads())
def test_the_other_side_of_a_dispute_does_what_is_claimed(raw: dict[str, Any]) -> None:
    engine = decider(False)
    decision = decided(engine, raw)
    for number, task in enumerate(decision.document["tasks"]):
        now = task["recommendation"]["deployment"] if task["recommendation"] else None
        now = now if task["recommendation"] and not task["recommendation"]["provisional"] else None
        for dispute in task["disputes"]:
            for side in dispute["alternatives"]:
                other = _redecided(raw, number, dispute["id"], side, decision)
                assert side["recommendation"] == other.ranking.recommended, (dispute["id"], side)
                if side["what"].startswith("param."):
                    assert side["changes_recommendation"] == (other.ranking.recommended != now)
                elif side["what"] == "figures of the catalog" and other.ranking.recommended is not None:
                    chosen = other.models[other.ranking.recommended].chosen
                    assert chosen is not None
                    assert (side["model"], side["monthly_usd"]) == (chosen.name, chosen.monthly_usd), dispute["id"]


def _redecided(
    raw: Mapping[str, Any], number: int, dispute: str, side: Mapping[str, Any], decision: Decision
) -> TaskResult:
    """Decide again as if the other side were right."""
    engine = decider(False)
    if side["what"].startswith("param."):
        name = side["what"].removeprefix("param.")
        return judged(under(name, side["other_value"]), raw)[1][number]
    if side["what"].startswith("rule "):
        return judged(lacking(side["what"].removeprefix("rule ")), raw)[1][number]
    catalog = engine.policy.catalog.with_figures(dispute, side["source"])
    return engine.judge.judge(decision.results[number].case, catalog)


@functools.cache
def lacking(rule_id: str) -> Decider:
    policy = shipped()
    return Decider(with_rules(policy, [rule for rule in policy.rules.rules if rule.id != rule_id]))


# ---- bytes


@cases(40)
@given(workloads(), st.randoms(use_true_random=False))
def test_order_of_keys_and_formatting_do_not_matter(raw: dict[str, Any], chance: random.Random) -> None:
    """Nor does who owns it: personal values are in no byte of the content."""
    engine = decider(False)
    texts = [
        json.dumps(raw),
        json.dumps(_shuffled(raw, chance), indent=chance.choice([1, 3, 7])),
        yaml.safe_dump(_shuffled(raw, chance), sort_keys=False, default_flow_style=chance.choice([True, False])),
    ]
    other = copy.deepcopy(raw)
    other["metadata"]["owner"] = "somebody-else"
    if isinstance(other["spec"].get("migration"), dict) and other["spec"]["migration"].get("champion"):
        other["spec"]["migration"]["champion"] = "somebody.else"
    texts.append(json.dumps(other))
    found = set()
    for text in texts:
        (loaded,) = load_workloads(text, None, engine.policy.vocabulary)
        evidence = check_evidence(loaded.workload, AT.date(), NOWHERE)
        decision = engine.decide(loaded.workload, evidence, AT)
        found.add((decision.content, decision.id, decision.workload_content))
        for person in ("acme.example", "somebody"):
            assert person.encode() not in decision.content
            assert person.encode() not in decision.workload_content
    assert len(found) == 1


def _shuffled(value: Any, chance: random.Random) -> Any:
    if isinstance(value, dict):
        keys = list(value)
        chance.shuffle(keys)
        return {key: _shuffled(value[key], chance) for key in keys}
    return [_shuffled(each, chance) for each in value] if isinstance(value, list) else value


PROGRAM = """
import hashlib, sys
from datetime import UTC, datetime
from pathlib import Path
from policy_engine.decide import Decider
from policy_engine.loading.evidence import check_evidence
from policy_engine.loading.policy import load_policy
from policy_engine.loading.workload_file import load_workloads
policy = load_policy(use_cache=False)
engine, at = Decider(policy), datetime(2026, 11, 24, 12, tzinfo=UTC)
for name in sys.argv[1:]:
    for loaded in load_workloads(Path(name), None, policy.vocabulary):
        evidence = check_evidence(loaded.workload, at.date(), Path(name).parent)
        decision = engine.decide(loaded.workload, evidence, at)
        for content in (decision.content, decision.workload_content):
            print(decision.id, hashlib.sha256(content).hexdigest())
"""


def test_two_processes_decide_to_the_same_bytes(tmp_path: Path) -> None:
    examples = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))
    chance = random.Random(7)  # noqa: S311 - which facts are unknown, the same each time
    for number, text in enumerate(_some_workloads(chance)):
        path = tmp_path / f"workload-{number}.yaml"
        path.write_text(text, encoding="utf-8")
        examples.append(path)
    outputs = []
    for seed in ("0", "1", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "POLICY_CACHE_DIR": str(tmp_path / "cache")}
        command = [sys.executable, "-c", PROGRAM, *map(str, examples)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr
        outputs.append(done.stdout)
    assert outputs[0].count("\n") >= len(examples)
    assert len(set(outputs)) == 1


def _some_workloads(chance: random.Random) -> Iterator[str]:
    """Workloads with many facts unknown, so that sets of missing facts are large."""
    for option in OPTIONS:
        spec = copy.deepcopy(CALM)
        for section, name in chance.sample(list(SECTION_FIELDS), 20):
            spec[section][name] = None
        proposal = {"deployment": option, "model": MODELS[option][0]}
        spec |= {"stage": "production", "tasks": [{"name": "task", "kind": chance.choice(KINDS), "proposal": proposal}]}
        metadata = {"name": "some-workload", "owner": "owner@acme.example"}
        yield json.dumps({"apiVersion": "policy-engine/v1", "kind": "Workload", "metadata": metadata, "spec": spec})


@pytest.mark.parametrize("layered", [False, True])
def test_workloads_of_every_verdict_are_tried(layered: bool) -> None:
    """The calm workloads are near every verdict: an allowance for each option but one that wants a recorded proof."""
    engine = decider(layered)
    verdicts = set()
    for option in OPTIONS:
        spec = copy.deepcopy(CALM)
        spec["needs"] = {"edge": option == "edge"}
        proposal = {"deployment": option, "model": MODELS[option][0], "region": "us"}
        task = {
            "name": "task",
            "kind": "extraction",
            **CALM_TASK,
            "batch": option == "open_batch",
            "proposal": proposal,
        }
        spec |= {"stage": "pilot", "tasks": [task]}
        raw = {
            "apiVersion": "policy-engine/v1",
            "kind": "Workload",
            "metadata": {"name": "some-workload", "owner": "owner@acme.example"},
            "spec": spec,
        }
        verdicts.add((option, judged(engine, raw)[0]))
    assert {option for option, verdict in verdicts if allows(verdict)} >= {"proprietary_api", "self_hosted", "edge"}
