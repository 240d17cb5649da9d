"""Hardware claims by arithmetic: those of the articles, and the rules one by one."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from policy_engine.catalog import (
    Catalog,
    ClaimFinding,
    GpuClaim,
    HardwareClaim,
    ServesClaim,
    judge_claim,
    judge_hardware,
    judge_price,
    judge_serving,
    summed,
)
from policy_engine.catalog.findings import grade_beneath
from tests.unit.catalog.claiming import A100, SERVES, box


@pytest.mark.parametrize(
    ("claim", "model", "quantization", "verdict", "says"),
    [
        (box(A100, 2), "llama-3.1-70b", "bf16", "holds", "141.1 GB of weights at bf16 fit 158.4 GiB"),
        (box(A100, 1), "llama-3.1-70b", "bf16", "contradicted", "141.1 GB"),
        (box(A100, 1), "llama-3.1-70b", "int8", "holds", "70.6 GB"),
        (box(A100, 1), "llama-3.1-70b", "int4", "holds", "39.7 GB"),
        (box(A100, 8), "llama-3.1-405b", "bf16", "contradicted", "811.7 GB"),
        (box(A100, 8), "llama-3.1-405b", "fp8", "holds", "405.9 GB"),
        (box(A100, 2, SERVES), "llama-3.1-70b", "bf16", "contradicted", "44.1 tokens/s from 1 at once"),
        (box("Some 16 GB card", memory_gb=16), "llama-3.1-8b", "bf16", "contradicted", "16.1 GB"),
        (box("Some 16 GB card", memory_gb=16), "llama-3.1-8b", "int8", "holds", "8.0 GB"),
    ],
)
def test_claims_of_the_articles(
    catalog: Catalog, claim: HardwareClaim, model: str, quantization: str, *, verdict: str, says: str
) -> None:
    found = judge_serving(catalog, claim, model, quantization, 1)
    assert found.verdict == verdict
    assert says in found.why


def test_feasible_in_aggregate_from_a_batch_of_three(catalog: Catalog) -> None:
    found = judge_serving(catalog, box(A100, 2, replace(SERVES, concurrency=3)), "llama-3.1-70b", "bf16", 1)
    numbers = {number.name: number.value for number in found.numbers}
    assert found.verdict == "holds"
    # A real stack reaches 0.55 of the ceiling at least: three streams give the rate, two do not.
    assert numbers["rate"] == pytest.approx(44.1)
    assert numbers["decode ceiling"] * 0.55 > numbers["rate"] > numbers["decode ceiling"] * 2 / 3 * 0.55


def test_the_price_of_0_15_per_million(catalog: Catalog) -> None:
    found = judge_price(catalog, box(A100, 2), "llama-3-70b", 0.15, 4000)
    assert found.verdict == "contradicted"
    assert found.why == "10,140 tokens/s need about 1,431 TFLOP/s against a peak of 624"
    assert judge_price(catalog, box(A100, 2), "llama-3-70b", 15.0, 4000).verdict == "holds"
    assert judge_price(catalog, box("Frobnicator", 2), "llama-3-70b", 0.15, 4000).verdict is None
    assert judge_price(catalog, box(A100, 2), "qwq-32b", 0.15, 4000).verdict is None


@pytest.mark.parametrize(
    "figures",
    [
        {"memory_gb": 80},
        {"memory_gib": 79.33},
        {"memory_mib": 81_559},
        {"memory_gib": 80},
        {"bandwidth_gb_s": 2039},
        {"bf16_tflops": 312},
    ],
)
def test_true_figures_are_no_contradiction(catalog: Catalog, figures: dict[str, float]) -> None:
    assert judge_claim(catalog, box(A100, 1, **figures)).verdict == "holds"


@pytest.mark.parametrize(
    "figures",
    [{"memory_gb": 96}, {"memory_gib": 96}, {"memory_mib": 98_304}, {"bandwidth_gb_s": 3350}, {"bf16_tflops": 624}],
)
def test_a_figure_above_the_published_one_is_contradicted(catalog: Catalog, figures: dict[str, float]) -> None:
    claim = box(A100, 1, **figures)
    assert judge_claim(catalog, claim).verdict == "contradicted"
    assert judge_serving(catalog, claim, "llama-3.1-8b", "bf16", 8000).verdict == "contradicted"


@pytest.mark.parametrize(
    ("name", "on_the_border", "beyond"),
    [
        ("memory_gb", 83.2, 83.21),
        ("memory_gib", 82.368, 82.38),
        ("memory_mib", 84344.832, 84350),
        ("bandwidth_gb_s", 2120.56, 2120.6),
        ("bf16_tflops", 324.48, 324.5),
        ("fp32_tflops", 324.48, 324.5),
    ],
)
def test_the_tolerance_counts_in_and_no_more(catalog: Catalog, name: str, on_the_border: float, beyond: float) -> None:
    def found(claimed: float) -> ClaimFinding:
        figures: dict[str, Any] = {name: claimed}
        return next(each for each in judge_hardware(catalog, box(A100, 1, **figures)) if each.name == name)

    within = found(on_the_border)
    assert within.verdict == ("unverifiable" if name == "fp32_tflops" else "holds")
    assert ("4% more may be rounding" in within.why) == (name != "fp32_tflops")
    assert found(beyond).verdict == "contradicted"


@pytest.mark.parametrize("gb", [65, 130, 177, 260])
def test_what_floats_lose_on_the_border_is_no_contradiction(layered: Callable[..., Catalog], gb: int) -> None:
    published = {"aliases": [], "memory_gb": gb, "bandwidth_gb_s": 900, "source": "us", "as_of": "2026-01-01"}
    catalog = layered({"gpus": {"Frobnicator 9": published}})
    on_the_border = float(Decimal(gb) * Decimal("1.04"))
    assert judge_claim(catalog, box("Frobnicator 9", 1, memory_gb=on_the_border)).verdict == "holds"
    assert judge_claim(catalog, box("Frobnicator 9", 1, memory_gb=on_the_border + 0.001)).verdict == "contradicted"


def test_a_proposal_at_another_precision_than_is_served_is_judged_by_its_own(catalog: Catalog) -> None:
    served = replace(SERVES, quantization="int4", tokens_per_hour=10.0, input_tokens=100, output_tokens=100)
    claim = box(A100, 1, served)
    assert judge_claim(catalog, claim).verdict == "holds"
    for precision, verdict in (("int4", "holds"), ("bf16", "contradicted"), (None, None)):
        assert judge_serving(catalog, claim, "llama-3.1-70b", precision, 100).verdict == verdict
    assert judge_serving(catalog, claim, "llama-3.1-70b", "int4", 131_072).verdict == "contradicted"
    assert judge_serving(catalog, claim, "llama-3.1-70b", "int4", None).missing == ("task.context_tokens",)


def test_a_name_that_only_looks_like_one_is_not_known(catalog: Catalog) -> None:
    for name in ("nvidia a100-sxm4-80gb", "NVIDIA A100-SXM4-80GB ", "A100-80GB", "NVIDIA A100"):
        first, *rest = judge_hardware(catalog, box(name, 1, memory_gb=80, bandwidth_gb_s=9999, fp32_tflops=9999))
        assert first.verdict == "unverifiable"
        assert f"exactly the name `{name}`" in first.why
        assert "catalog/gpus.yaml adds it" in first.why
        assert {each.verdict for each in rest if each.name != "count"} == {"unverifiable"}
        assert {each.missing for each in rest if each.name != "count"} == {(f"catalog.gpus.{name}",)}
    # drivers before 470 leave NVIDIA out
    for alias in ("A100 80GB", "A100-SXM4-80GB", "A100-SXM4-40GB"):
        (known, *_) = judge_hardware(catalog, box(alias, 1))
        assert (known.verdict, known.grade) == ("holds", "specification")


def test_several_devices_are_judged_row_by_row(catalog: Catalog) -> None:
    gpus = (GpuClaim(A100, 1, memory_gb=96), GpuClaim("L4", 2, memory_gb=24), GpuClaim(None, 1), GpuClaim("cpu", None))
    found = {(each.row, each.name): each for each in judge_hardware(catalog, HardwareClaim(gpus))}
    assert found[0, "memory_gb"].verdict == "contradicted"
    assert found[1, "memory_gb"].verdict == "holds"
    assert (found[2, "name"].verdict, found[2, "name"].missing) == ("unverifiable", ("hardware.gpus.name",))
    assert found[3, "name"].why == "the catalog has no published figures of a host without a GPU"
    assert (3, "count") not in found
    assert found[1, "count"].gpu == "L4"


def test_a_measured_finding_replaces_what_follows_from_it(catalog: Catalog) -> None:
    claim = box(A100, 1, fp32_tflops=19.5)
    findings = judge_hardware(catalog, claim)
    assert (judge_claim(catalog, claim).verdict, grade_beneath(findings)) == (None, "declared")
    measured = tuple(replace(each, verdict="verified", grade="measured") for each in findings)
    assert (summed(measured).verdict, grade_beneath(measured)) == ("holds", "measured")
    slow = (*measured[:-1], replace(measured[-1], verdict="contradicted", why="9.1 TFLOP/s were measured"))
    assert (summed(slow).verdict, summed(slow).why) == ("contradicted", "9.1 TFLOP/s were measured")


def test_prices_and_rates_of_nothing(catalog: Catalog) -> None:
    def price(usd: float, **served: Any) -> ClaimFinding:
        claim = replace(box(A100, 2, replace(SERVES, concurrency=8, **served)), usd_per_hour=usd)
        return judge_hardware(catalog, claim)[-1]

    assert price(4.0, tokens_per_hour=0.0).verdict == "holds"
    assert price(0.0).verdict == "holds"
    least = price(1e15, tokens_per_hour=5e-324)
    assert (least.verdict, [number.value for number in least.numbers]) == ("holds", [0.0])
    unsaid = price(4.0, tokens_per_hour=None)
    assert (unsaid.name, unsaid.verdict, unsaid.missing) == (
        *("usd_per_hour", "unverifiable"),
        ("hardware.serves.tokens_per_hour",),
    )
    assert price(4.0, tokens_per_hour=1e9).verdict == "contradicted"
    assert price(4.0, tokens_per_hour=3e7, quantization="fp8").verdict == "holds"
    assert price(4.0, tokens_per_hour=1e10, quantization="fp8").verdict == "contradicted"
    unknown = price(4.0, tokens_per_hour=3e7, quantization=None)
    assert (unknown.verdict, unknown.missing) == ("unverifiable", ("hardware.serves.quantization",))
    assert price(4.0, model="qwq-32b").verdict == "unverifiable"


def test_arithmetic_contradicts_where_no_bandwidth_is_known(catalog: Catalog) -> None:
    fast = replace(SERVES, tokens_per_hour=1e9, concurrency=8)
    found = judge_serving(catalog, box("cpu", None, fast, memory_gib=512, bf16_tflops=4), "llama-3.1-70b", "bf16", 1)
    assert found.verdict == "contradicted"
    assert "against a peak of 4" in found.why


def test_a_smaller_claim_counts(catalog: Catalog) -> None:
    assert judge_serving(catalog, box(A100, 1, memory_gb=10), "llama-3.1-8b", "bf16", 8000).verdict == "contradicted"


@pytest.mark.parametrize(
    ("claim", "missing"),
    [
        (HardwareClaim(None), "hardware.gpus"),
        (HardwareClaim(()), "hardware.gpus"),
        (box("Frobnicator 9"), "hardware.gpus.memory_gb"),
        (box(A100, None), "hardware.gpus.count"),
        (box(None, 1, memory_gb=80), "hardware.gpus.name"),
        (box(A100, 1, unknown=frozenset({"memory_gb"})), "hardware.gpus.memory_gb"),
        (box("cpu", None), "hardware.gpus.memory_gb"),
    ],
)
def test_what_is_not_known_leaves_the_verdict_open(catalog: Catalog, claim: HardwareClaim, missing: str) -> None:
    found = judge_serving(catalog, claim, "llama-3.1-8b", "bf16", 8000)
    assert found.verdict is None
    assert missing in found.missing


def test_a_cpu_with_stated_memory_is_judged(catalog: Catalog) -> None:
    assert judge_serving(catalog, box("cpu", None, memory_gib=64), "llama-3.1-8b", "bf16", None).verdict == "holds"
    assert (
        judge_serving(catalog, box("cpu", None, memory_gib=8), "llama-3.1-8b", "bf16", None).verdict == "contradicted"
    )


def test_without_serves_the_lower_bound_is_judged(catalog: Catalog) -> None:
    for context in (None, 131_072):
        assert judge_serving(catalog, box(A100, 2), "llama-3.1-70b", "bf16", context).verdict == "holds"


@pytest.mark.parametrize(
    "leaf", ["model", "quantization", "tokens_per_hour", "concurrency", "input_tokens", "output_tokens"]
)
def test_serves_in_part_does_not_hold(catalog: Catalog, leaf: str) -> None:
    full = replace(SERVES, concurrency=8, input_tokens=100, output_tokens=200)
    assert judge_serving(catalog, box(A100, 2, full), "llama-3.1-70b", "bf16", 300).verdict == "holds"
    part: ServesClaim = replace(full, **{leaf: None})
    found = judge_serving(catalog, box(A100, 2, part), "llama-3.1-70b", "bf16", 300)
    assert found.verdict is None
    assert f"hardware.serves.{leaf}" in found.missing


def test_requests_in_flight_have_to_fit(catalog: Catalog) -> None:
    many = replace(SERVES, concurrency=64, input_tokens=1000, output_tokens=1000)
    found = judge_serving(catalog, box(A100, 2, many), "llama-3.1-70b", "bf16", 2000)
    assert found.verdict == "contradicted"
    assert "41.9 GB of cache for 128,000 tokens" in found.why
    few = replace(SERVES, concurrency=3, input_tokens=10, output_tokens=10)
    assert judge_serving(catalog, box(A100, 2, few), "llama-3.1-70b", "bf16", 100_000).verdict == "contradicted"
    assert judge_serving(catalog, box(A100, 2, few), "llama-3.1-70b", "bf16", None).verdict is None


def test_what_is_served_of_another_model_says_nothing_of_this_one(catalog: Catalog) -> None:
    claim = box(A100, 2, SERVES)
    assert judge_serving(catalog, claim, "llama-3.1-8b", "bf16", None).verdict == "holds"
    assert judge_claim(catalog, claim).verdict == "contradicted"


def test_a_rate_above_the_arithmetic_is_contradicted(catalog: Catalog) -> None:
    fast = replace(SERVES, model="llama-3.1-8b", tokens_per_hour=3600 * 40_000.0, concurrency=512)
    found = judge_serving(catalog, box(A100, 2, fast), "llama-3.1-8b", "bf16", 1)
    assert found.verdict == "contradicted"
    assert "TFLOP/s against a peak of 624" in found.why


def test_unknown_quantization_is_contradicted_only_where_every_one_is(catalog: Catalog) -> None:
    assert judge_serving(catalog, box(A100, 1), "llama-3.1-70b", None, None).verdict is None
    assert judge_serving(catalog, box(A100, 1), "llama-3.1-405b", None, None).verdict == "contradicted"
    assert judge_serving(catalog, box(A100, 1), "llama-3.1-8b", None, None).verdict == "holds"


def test_unknown_models(catalog: Catalog) -> None:
    assert judge_serving(catalog, box(A100, 1), None, "bf16", None).missing == ("proposal.model",)
    assert judge_serving(catalog, box(A100, 1), "no-such", "bf16", None).missing == ("catalog.models.no-such",)
    assert judge_serving(catalog, box(A100, 1), "qwq-32b", "bf16", None).missing == ("catalog.models.qwq-32b.params_b",)


def test_a_claim_by_itself(catalog: Catalog) -> None:
    assert judge_claim(catalog, box("Frobnicator 9", 1, memory_gb=80)).verdict is None
    assert judge_claim(catalog, box(A100, None)).missing == ("hardware.gpus.count",)
    assert judge_claim(catalog, box(A100, 2, replace(SERVES, concurrency=8))).verdict == "holds"


def test_a_claim_that_is_not_known_may_reach_the_tolerance(layered: Callable[..., Catalog]) -> None:
    own = {"weights": "open", "params_b": 11.8, "source": "us", "as_of": "2026-01-01"}
    catalog = layered({"models": {"acme-12b": own}})

    def verdict(**figures: Any) -> str | None:
        return judge_serving(catalog, box("T4", 1, **figures), "acme-12b", "fp8", None).verdict

    assert verdict(memory_gb=16.6) == "holds"
    assert verdict(memory_gb=16) == "contradicted"
    assert verdict() == "contradicted"
    assert verdict(unknown=frozenset({"memory_gb"})) is None


def test_a_host_without_a_gpu_is_one_unless_its_number_is_not_known(catalog: Catalog) -> None:
    for unknown, expected in ((frozenset[str](), "contradicted"), (frozenset({"count"}), None)):
        claim = box("cpu", None, memory_gib=13, unknown=unknown)
        assert judge_serving(catalog, claim, "llama-3.1-8b", "bf16", None).verdict == expected
