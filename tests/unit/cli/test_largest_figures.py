"""Figures at their bounds: every number that a workload may state is decided on, and what lies beyond is refused."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from annotated_types import Ge, Le
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policy_engine.decide import Decider
from policy_engine.loading.policy import load_policy
from policy_engine.loading.workload_file import load_workloads
from policy_engine.model.workload import Workload
from policy_engine.model.workload_paths import fields_by_path

Policy = Callable[..., Any]
Path_ = tuple[str | int, ...]
AT = datetime(2026, 11, 22, 9, tzinfo=UTC)
#: A workload that states every number there is, each within reason; the shares of its tasks are set apart.
FULL: dict[str, Any] = yaml.safe_load("""
apiVersion: policy-engine/v1
kind: Workload
metadata: {name: full, owner: team@acme.example}
spec:
  stage: production
  organisation: enterprise
  deploy_within_days: 30
  tasks:
    - &task
      name: first
      kind: classification
      complexity: simple
      quality: high
      share: 1.0
      latency_p95_ms: 800
      context_tokens: 8000
      min_scores: {mmlu: 80.0, lmarena_elo: 1200.0}
      proposal: {deployment: self_hosted, model: llama-3.1-70b}
    - <<: *task
      name: second
      share: 0.0
      proposal: {deployment: proprietary_api, model: gpt-4o, provider: openai, region: us}
  volume: {input_tokens_per_month: 400000000, output_tokens_per_month: 100000000, requests_per_day: 9000}
  budget: {monthly_usd: 9000.0, api_spend_usd_per_month: 5000.0}
  team: {mlops: mature, ml_engineers: 2, gpu_devops_engineers: 2}
  hardware:
    gpus:
      - {name: H100, count: 8, memory_gb: 80.0, bandwidth_gb_s: 3350.0, bf16_tflops: 989.0, fp32_tflops: 67.0}
      - {name: acme-9000, count: 2, memory_gib: 80.0, bandwidth_gb_s: 3350.0, bf16_tflops: 989.0, fp32_tflops: 67.0}
      - {name: acme-9001, count: 2, memory_mib: 81920.0, bandwidth_gb_s: 3350.0, bf16_tflops: 989.0}
    usd_per_hour: 24.0
    serves: {model: llama-3.1-70b, quantization: bf16, tokens_per_hour: 9000.0, concurrency: 4,
             input_tokens: 2000, output_tokens: 500}
  migration: {from: {deployment: proprietary_api, model: gpt-4o}, rollout_start_percent: 5.0, weeks_planned: 8.0}
  evidence: {dpa: {reference: contract 1, ledger_index: 3}}
""")


def bounds(path: tuple[str, ...]) -> tuple[float | None, float | None]:
    """Return the least and the greatest number that the model takes at `path` of its shape."""
    info = fields_by_path()[path]
    low: float | None = None
    high: float | None = None
    todo: list[Any] = [info.metadata, info.annotation]
    while todo:
        each = todo.pop()
        if isinstance(each, Ge):
            low = each.ge  # type: ignore[assignment]
        elif isinstance(each, Le):
            high = each.le  # type: ignore[assignment]
        elif isinstance(each, list | tuple):
            todo += each
        else:
            todo += [*get_args(each), *getattr(each, "metadata", ()), *getattr(each, "__metadata__", ())]
    return low, high


def numbers(value: Any, at: Path_ = ()) -> Iterator[Path_]:
    """Yield the path of every number under `value`."""
    if isinstance(value, dict):
        for key, child in value.items():
            yield from numbers(child, (*at, key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from numbers(child, (*at, index))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield at


def shape(path: Path_) -> tuple[str, ...]:
    """Return the path of the model's field that the number at `path` belongs to."""
    steps = [step for step in path if isinstance(step, str)]
    if "min_scores" in steps:
        return tuple(steps[:-1])
    if steps[:2] == ["spec", "evidence"]:
        steps[2] = "*"
    return tuple(steps)


NUMBERS = [path for path in numbers(FULL) if path[-1] != "share"]
NAMES = [".".join(map(str, path[1:])) for path in NUMBERS]


def put(value: dict[str, Any], path: Path_, number: float) -> None:
    at: Any = value
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = number


def with_numbers(**by_name: float) -> dict[str, Any]:
    document = copy.deepcopy(FULL)
    for path, name in zip(NUMBERS, NAMES, strict=True):
        if name in by_name:
            put(document, path, by_name[name])
    return document


MOST = {name: bounds(shape(path))[1] for name, path in zip(NAMES, NUMBERS, strict=True)}
LEAST = {name: bounds(shape(path))[0] for name, path in zip(NAMES, NUMBERS, strict=True)}


@pytest.fixture
def evaluate(tmp_path: Path, policy: Policy) -> Callable[..., Any]:
    """Evaluate a document."""

    def run(document: dict[str, Any], *more: str) -> Any:
        file = tmp_path / "w.yaml"
        file.write_text(json.dumps(document), encoding="utf-8")
        outputs = ("-o", "json", "-o", "text=w.txt", "-o", "markdown=w.md")
        return policy("evaluate", str(file), "--ledger", "sqlite:///:memory:", *outputs, *more)

    return run


def test_the_full_workload_states_every_number_of_the_model() -> None:
    stated = {shape(path) for path in numbers(FULL)}
    bounded = {path for path in fields_by_path() if _is_number(fields_by_path()[path].annotation)}
    assert bounded <= stated
    assert stated - bounded == set()


def _is_number(annotation: Any) -> bool:
    if annotation in (int, float):
        return True
    return not isinstance(annotation, str) and any(_is_number(each) for each in get_args(annotation))


def test_every_number_has_a_least_and_a_greatest_value() -> None:
    assert [name for name in NAMES if LEAST[name] is None or MOST[name] is None] == []


@pytest.mark.parametrize("extremes", [MOST, LEAST], ids=["greatest", "least"])
def test_all_numbers_at_a_bound_are_decided_on(extremes: dict[str, Any], evaluate: Any) -> None:
    found = evaluate(with_numbers(**extremes), "--cross-check")
    assert (found.status, found.err) == (0, "")
    assert found.json["verdict"] in ("allow", "allow_with_conditions", "review", "deny")


@pytest.mark.parametrize("name", NAMES)
def test_a_number_at_its_bound_is_decided_on(name: str, evaluate: Any) -> None:
    assert evaluate(with_numbers(**{name: MOST[name]})).status == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_number_beyond_its_bound_is_refused(name: str, evaluate: Any) -> None:
    most = MOST[name]
    beyond = most + 1 if isinstance(most, int) else most * 1.01
    found = evaluate(with_numbers(**{name: beyond}))
    assert found.status == 2
    assert "w.yaml:1:" in found.err
    if beyond <= 2**53 - 1:  # what is larger is refused by the reader of YAML
        assert "above" in found.err


def test_an_hourly_price_that_no_product_holds_is_refused(tmp_path: Path, policy: Policy) -> None:
    text = yaml.safe_dump(FULL, sort_keys=False).replace("usd_per_hour: 24.0", "usd_per_hour: 1e308")
    (tmp_path / "w.yaml").write_text(text, encoding="utf-8")
    line = text[: text.index("1e308")].count("\n") + 1
    found = policy("evaluate", "w.yaml", "--ledger", "sqlite:///:memory:")
    assert found.status == 2
    message = f"w.yaml:{line}:19: error: `spec.hardware.usd_per_hour` is `1e+308`, above 1,000,000,000,000,000 "
    assert found.err.startswith(message)
    assert "help: What the claimed hardware costs, all of it, in USD/hour" in found.err


@pytest.fixture(scope="module")
def decider() -> Decider:
    return Decider(load_policy(use_cache=False))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_numbers_within_their_bounds_are_decided_on(decider: Decider, data: st.DataObject) -> None:
    chosen: dict[str, float] = {}
    for name in NAMES:
        low, high = LEAST[name], MOST[name]
        whole = isinstance(high, int)
        between: Any = st.integers(low, high) if whole else st.floats(low, high)
        number = data.draw(st.one_of(st.none(), st.sampled_from([low, high]), between), label=name)
        if number is not None:
            chosen[name] = number
    workload = Workload.model_validate(with_numbers(**chosen))
    decision = decider.decide(workload, {}, AT)
    assert decision.content


@pytest.mark.parametrize("task", [0, 1])
def test_shares_go_from_nothing_to_all(task: int, decider: Decider) -> None:
    document = with_numbers(**MOST)
    shares = [5e-324, 1.0]
    for index in (0, 1):
        document["spec"]["tasks"][index]["share"] = shares[index == task]
    (loaded,) = load_workloads(json.dumps(document), "w.yaml", decider.policy.vocabulary)
    assert decider.decide(loaded.workload, {}, AT).content


LAYER = {
    "vocabulary.yaml": """\
facts:
  custom.rate: {type: double, meaning: A rate.}
  custom.seats: {type: int, meaning: Seats.}
  custom.cost: {type: double, meaning: Costs., source: rule}
  custom.chairs: {type: int, meaning: Chairs., source: rule}
""",
    "latency/own-derivation.yaml": """\
id: own-derivation
title: Ours
origin: us
when: "custom.rate > 0.0 && custom.seats > 0"
derive: {custom.cost: "custom.rate * 10.0", custom.chairs: "custom.seats * 10"}
message: Seats.
""",
    "latency/own-forbid.yaml": """\
id: own-forbid
title: Ours
origin: us
when: "custom.cost > 5.0 || custom.chairs > 5"
forbid: [edge]
enforcement: mandatory
message: Dear.
""",
}
FIGURES = """\
models:
  {name}: {{weights: open, params_b: {n}, kv_bytes_per_token: {n}, context_tokens: 100000000, licence: mit,
         modalities: [text], source: us, as_of: 2026-01-01}}
prices:
  {name}.own: {{model: {name}, option: open_api, unit: USD/1M tokens, blended: {n}, source: us, as_of: 2026-11-01}}
scores:
  {name}.own: {{model: {name}, benchmark: mmlu, score: {n}, source: us, as_of: 2026-11-01}}
gpus:
  acme-{name}: {{memory_gb: {n}, bandwidth_gb_s: {n}, bf16_tflops: {n}, source: us, as_of: 2026-11-01}}
hosting_costs:
  acme-{name}.own: {{gpu: acme-{name}, per: hour, usd: {n}, source: us, as_of: 2026-11-01}}
  {name}.own: {{model: {name}, gpu: acme-{name}, count: 4, per: month, usd: {n}, source: us, as_of: 2026-11-01}}
"""
CATALOG = {
    "catalog/great.yaml": FIGURES.format(name="great", n="1000000000000000.0"),
    "catalog/little.yaml": FIGURES.format(name="little", n="0.000000001"),
    "parameters.yaml": """\
parameters:
  engineer_usd_per_month: {value: 1000000000000000.0}
  self_hosting_engineers: {value: 1000000000000000.0}
""",
}


@pytest.fixture
def layer(tmp_path: Path) -> Callable[[dict[str, str]], Path]:
    """Write a layer of these files."""

    def write(files: dict[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / "layer" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path / "layer"

    return write


@pytest.mark.parametrize("model", ["great", "little"])
@pytest.mark.parametrize("extremes", [MOST, LEAST], ids=["greatest", "least"])
def test_figures_of_a_layer_at_their_bounds_are_decided_on(
    model: str, extremes: dict[str, Any], layer: Any, evaluate: Any
) -> None:
    document = with_numbers(**extremes)
    document["spec"]["tasks"][0]["proposal"]["model"] = model
    document["spec"]["hardware"]["serves"]["model"] = model
    with_claim = evaluate(document, "--policy", str(layer(CATALOG)))
    assert (with_claim.status, with_claim.err) == (0, "")
    del document["spec"]["hardware"]
    without = evaluate(document, "--policy", str(layer(CATALOG)))
    assert (without.status, without.err) == (0, "")


@pytest.mark.parametrize(
    ("rate", "seats", "fires"),
    [(1.0, 1, True), (1.5e308, 2**53 - 1, False), (1.5e308, 1, True), (1.0, 2**53 - 1, True)],
)
def test_a_derived_fact_that_nothing_holds_is_unknown(
    rate: float, seats: int, fires: bool, layer: Any, evaluate: Any
) -> None:
    document = copy.deepcopy(FULL)
    document["spec"]["custom"] = {"rate": rate, "seats": seats}
    found = evaluate(document, "--policy", str(layer(LAYER)), "--cross-check")
    assert (found.status, found.err) == (0, "")
    (rule,) = (each for each in found.json["tasks"][0]["rules"] if each["id"] == "own-forbid")
    assert rule["outcome"] == ("fired" if fires else "indeterminate")


@pytest.mark.parametrize("wrong", [".inf", "-.inf", ".nan", "1e309"])
def test_custom_facts_are_finite(wrong: str, layer: Any, tmp_path: Path, policy: Policy) -> None:
    text = yaml.safe_dump(FULL, sort_keys=False) + f"  custom: {{rate: {wrong}}}\n"
    (tmp_path / "w.yaml").write_text(text, encoding="utf-8")
    found = policy("evaluate", "w.yaml", "--policy", str(layer(LAYER)), "--ledger", "sqlite:///:memory:")
    assert found.status == 2
    line = text.count("\n")
    assert found.err.startswith(f"w.yaml:{line}:18: error: ")
