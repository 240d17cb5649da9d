"""What bounds a hardware claim: whose memory counts, which figures refute, and what is named where none decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from policy_engine.catalog import (
    Catalog,
    ClaimFinding,
    GpuClaim,
    HardwareClaim,
    ServesClaim,
    Verdict,
    judge_claim,
    judge_hardware,
    judge_serving,
    summed,
)
from policy_engine.catalog.findings import decided_by_serving, grade_beneath
from tests.unit.catalog.claiming import A100, SERVES, box


def test_the_memory_of_the_host_is_none_of_its_gpus(catalog: Catalog) -> None:
    host = GpuClaim("cpu", None, memory_gb=1024, bandwidth_gb_s=9000.0, bf16_tflops=9000.0)
    fast = ServesClaim("llama-3.1-8b", "int4", 3600 * 300.0, 1, 0, 0)
    for gpus in ((GpuClaim("T4", 1), host), (host, GpuClaim("T4", 1))):
        claim = HardwareClaim(gpus, serves=fast)
        found = judge_serving(catalog, claim, "llama-3.1-70b", "bf16", None)
        assert found.verdict == "contradicted"
        assert "do not fit 15.8 GiB" in found.why
        assert {each.name: each.verdict for each in judge_hardware(catalog, claim)}["serves.tokens_per_hour"] == (
            "contradicted"
        )
    # what is not known of the host leaves nothing open that rests on the GPU alone
    unknown = HardwareClaim((GpuClaim("T4", 1), replace(host, unknown=frozenset({"memory_gb", "count"}))))
    assert judge_serving(catalog, unknown, "llama-3.1-8b", "int8", None).verdict == "holds"
    # two hosts without a GPU count, and so does one beside what may be such a host
    assert judge_serving(catalog, HardwareClaim((host, host)), "llama-3.1-405b", "bf16", None).verdict == "holds"
    maybe = HardwareClaim((GpuClaim(None, 1, memory_gb=16), host))
    assert judge_serving(catalog, maybe, "llama-3.1-405b", "bf16", None).verdict is None


@pytest.mark.parametrize("quantization", ["int4", None])
def test_a_served_model_that_is_not_known_holds_nothing_against_the_proposed_one(
    catalog: Catalog, quantization: str | None
) -> None:
    """Two 40 GB cards hold a 70B at 4 bits; what they serve at 16, and how fast, is of whatever model it is."""
    served = ServesClaim("llama-3.1-8b", "bf16", 3600 * 10_000.0, 1, 100, 100)
    expected = {"llama-3.1-8b": ("holds", ()), "acme-7b": ("holds", ()), None: (None, ("hardware.serves.model",))}
    for model, (verdict, missing) in expected.items():
        claim = box("A100 40GB", 2, replace(served, model=model))
        found = judge_serving(catalog, claim, "llama-3.1-70b", quantization, 200)
        if quantization is None:  # other precisions would not fit
            verdict, missing = None, (*missing, "proposal.quantization")
        assert (found.verdict, found.missing) == (verdict, missing)
        own = judge_claim(catalog, claim)
        assert own.verdict == ("contradicted" if model == "llama-3.1-8b" else None)


GEMMA = ServesClaim("gemma-3-27b", "bf16", 3600.0, 1, 122_000, 0)


@pytest.mark.parametrize(
    ("gpu", "served", "verdict", "says"),
    [
        # 54 GB of weights and at most 62 of cache: 67.8 GiB surely hold the weights alone
        ("H100", GEMMA, None, "at most 62.0 GB of cache for 122,000 tokens may fit 79.2 GiB, but how much less"),
        ("H100", replace(GEMMA, input_tokens=1000), "holds", "at most 0.5 GB of cache for 1,000 tokens fit 79.2"),
        ("H200", GEMMA, "holds", "at most 62.0 GB of cache for 122,000 tokens fit 139.6 GiB"),
        ("A100 40GB", GEMMA, "contradicted", "54.0 GB of weights at bf16 do not fit 39.6 GiB"),
        # 41.6 tokens/s with all of that cache, 88.9 with none
        ("H200", replace(GEMMA, tokens_per_hour=3600 * 44.0), None, "44.0 tokens/s from 1 at once against a ceiling"),
        ("H200", replace(GEMMA, tokens_per_hour=3600 * 41.0), "holds", "ceiling of 88.9"),
        ("H200", replace(GEMMA, tokens_per_hour=3600 * 90.0), "contradicted", "ceiling of 88.9"),
    ],
)
def test_a_cache_that_is_known_as_an_upper_bound_refutes_nothing(
    catalog: Catalog, gpu: str, served: ServesClaim, *, verdict: str | None, says: str
) -> None:
    found = judge_serving(catalog, box(gpu, 1, served), "gemma-3-27b", "bf16", 1)
    assert (found.verdict, found.missing) == (
        verdict,
        () if verdict else ("catalog.models.gemma-3-27b.kv_bytes_per_token",),
    )
    assert says in found.why


@pytest.mark.parametrize(("quantization", "times"), [("bf16", 1), ("fp8", 4), ("int8", 4), ("int4", 8), (None, 8)])
def test_at_fewer_bits_a_device_does_more_up_to_a_bound(catalog: Catalog, quantization: str | None, times: int) -> None:
    """Two A100 do 624 TFLOP/s in 16 bits; a token of an 8B takes 16.06 GFLOP."""
    most = 624e12 * times / 16.06e9

    def found(part: float) -> dict[str, ClaimFinding]:
        served = ServesClaim("llama-3.1-8b", quantization, 3600 * most * part, 1_000_000, 0, 0)
        claim = replace(box(A100, 2, served), usd_per_hour=4.0)
        return {each.name: each for each in judge_hardware(catalog, claim)}

    within, beyond = found(0.999), found(1.001)
    for name in ("serves.tokens_per_hour", "usd_per_hour"):
        assert within[name].verdict == ("unverifiable" if quantization is None else "holds")
        assert beyond[name].verdict == "contradicted"
        assert "against a peak of 624" in beyond[name].why
        numbers = {number.name: number.value for number in beyond[name].numbers}
        assert numbers["arithmetic peak"] == 624
        assert numbers["arithmetic needed"] > 624 * times
    if quantization is None:
        assert within["usd_per_hour"].missing == ("hardware.serves.quantization",)


def test_what_is_unknown_of_the_devices_leaves_a_price_at_fewer_bits_open(catalog: Catalog) -> None:
    served = ServesClaim("llama-3.1-8b", "fp8", 3600 * 80_000.0, 1_000_000, 0, 0)
    claim = box(A100, 2, served, unknown=frozenset({"memory_gb"}))
    price = judge_hardware(catalog, replace(claim, usd_per_hour=4.0))[-1]
    assert (price.verdict, price.missing) == ("unverifiable", ("hardware.gpus.memory_gb",))


def test_what_neither_arithmetic_nor_a_probe_tells_is_said_and_decides_nothing(catalog: Catalog) -> None:
    bare = box(A100, 2, memory_gb=80)
    full = replace(bare, usd_per_hour=0.0, region="mars", host="gpu-01")
    found = judge_hardware(catalog, full)
    assert found[:-3] == judge_hardware(catalog, bare)
    assert [(each.name, each.claimed) for each in found[-3:]] == [
        ("usd_per_hour", 0.0),
        ("region", "mars"),
        ("host", "gpu-01"),
    ]
    for each in found[-3:]:
        assert (each.verdict, each.grade, each.missing) == ("unverifiable", "arithmetic", ())
        assert "neither arithmetic nor a probe tells" in each.why
    assert judge_claim(catalog, full) == judge_claim(catalog, bare) == summed(found)
    assert judge_claim(catalog, full).verdict == "holds"
    assert not decided_by_serving(found)
    # a price that more knowledge decides leaves the claim open, as it did
    served = replace(SERVES, concurrency=8, tokens_per_hour=None)
    assert judge_claim(catalog, replace(full, serves=served)).verdict is None
    measured = [replace(each, verdict="verified", grade="measured") for each in found[:-3]]
    assert grade_beneath([*measured, *found[-3:]]) == "measured"


@pytest.mark.parametrize(
    ("name", "claimed", "what"), [("T4", 65, "16-bit"), ("RTX 3090", 142, "16-bit"), ("L4", 121, "bf16")]
)
def test_a_figure_that_is_published_in_fp16_is_not_called_bf16(
    catalog: Catalog, name: str, claimed: float, what: str
) -> None:
    found = judge_hardware(catalog, box(name, 1, bf16_tflops=claimed))[-1]
    assert found.verdict == "holds"
    assert f"{claimed:g} TFLOP/s of dense {what} arithmetic are claimed" in found.why.replace(".0 ", " ")
    assert [number.name for number in found.numbers] == [
        f"dense {what} arithmetic claimed",
        f"dense {what} arithmetic published",
    ]


def test_cards_that_differ_are_refuted_by_what_all_of_them_hold(catalog: Catalog) -> None:
    """H200 and L4 hold 122.1 GiB evenly, and 139.2 in the split that gives each as much as it takes."""

    def found(*gpus: GpuClaim, quantization: str = "bf16") -> Verdict:
        return judge_serving(catalog, HardwareClaim(gpus), "llama-3.3-70b", quantization, None)

    h200, l4 = GpuClaim("H200", 1), GpuClaim("L4", 1)
    for mixed in ((h200, l4), (l4, h200)):
        uneven = found(*mixed)
        assert (uneven.verdict, uneven.missing) == (None, ())
        assert "141.1 GB of weights at bf16 fit 163.3 GiB only by an uneven split" in uneven.why
        assert found(*mixed, quantization="fp8").verdict == "holds"
    assert found(h200, replace(l4, unknown=frozenset({"memory_gb"}))).missing == ("hardware.gpus.memory_gb",)
    # 122.1 GiB and 7.2 are less than 131.4, and so is 122.1 alone
    small = found(h200, GpuClaim("Card", 1, memory_gib=12.3))
    assert small.verdict == "contradicted"
    assert found(h200, GpuClaim("Card", 1, memory_gib=1)).verdict == "contradicted"
    for count, verdict in ((7, "contradicted"), (8, "holds")):
        assert found(GpuClaim("L4", count)).verdict == verdict
        assert found(GpuClaim("L4", 3), GpuClaim("L4", count - 3)).verdict == verdict


@pytest.mark.parametrize(
    ("gpu", "served", "rate", "price"),
    [
        ({"name": "Foo", "memory_gb": 80, "bandwidth_gb_s": 2000}, {}, (), ("hardware.gpus.bf16_tflops",)),
        ({"name": "Foo", "memory_gb": 80, "bf16_tflops": 300}, {}, ("hardware.gpus.bandwidth_gb_s",), ()),
        ({"name": "H200", "count": None}, {}, ("hardware.gpus.count",), ("hardware.gpus.count",)),
        ({"name": "H200"}, {"model": "acme"}, ("catalog.models.acme",), ("catalog.models.acme",)),
        ({"name": "H200"}, {"model": None}, ("hardware.serves.model",), ("hardware.serves.model",)),
        (
            {"name": "H200"},
            {"model": "qwq-32b"},
            ("catalog.models.qwq-32b.params_b", "catalog.models.qwq-32b.kv_bytes_per_token"),
            ("catalog.models.qwq-32b.params_b",),
        ),
    ],
)
def test_what_would_decide_a_rate_and_a_price_is_named(
    catalog: Catalog,
    gpu: dict[str, Any],
    served: dict[str, Any],
    rate: tuple[str, ...],
    price: tuple[str, ...],
) -> None:
    serves = replace(ServesClaim("llama-3.1-8b", "bf16", 1000.0, 1, 10, 10), **served)
    claim = HardwareClaim((GpuClaim(**{"count": 1, **gpu}),), usd_per_hour=1.0, serves=serves)
    found = {each.name: each for each in judge_hardware(catalog, claim)}
    for name, missing in (("serves.tokens_per_hour", rate), ("usd_per_hour", price)):
        verdict = "unverifiable" if missing else "holds"
        assert (found[name].verdict, found[name].missing) == (verdict, missing), found[name].why


def test_requests_that_are_longer_than_the_model_reads_are_contradicted(catalog: Catalog) -> None:
    def found(sent: int | None, answered: int | None, model: str = "llama-3-8b") -> tuple[str, str | None]:
        serves = ServesClaim(model, "bf16", 1000.0, 1, sent, answered)
        claim = box("H200", 1, serves)
        return judge_hardware(catalog, claim)[2].verdict, judge_serving(catalog, claim, model, "bf16", 1).verdict

    assert found(8000, 192) == ("holds", "holds")
    assert found(8000, 193) == ("contradicted", "contradicted")
    assert found(8193, None) == ("contradicted", "contradicted")
    assert found(8000, None) == ("unverifiable", None)
    longer = box("H200", 1, ServesClaim("llama-3-8b", "bf16", 1.0, 1, 100_000, 10))
    said = judge_serving(catalog, longer, "llama-3-8b", "int4", 1)
    assert said.verdict == "contradicted"
    assert [number.value for number in said.numbers] == [100_010, 8192]
    assert said.why == "requests of 100,010 tokens are claimed, and llama-3-8b reads 8,192 at most"


def test_a_model_with_closed_weights_does_not_run_here(catalog: Catalog, layered: Callable[..., Catalog]) -> None:
    serves = ServesClaim("gpt-4o", "bf16", 1000.0, 1, 10, 10)
    claim = replace(box("H200", 1, serves), usd_per_hour=1.0)
    found = {each.name: each for each in judge_hardware(catalog, claim)}
    assert found["serves.model"].verdict == "contradicted"
    assert "its weights are closed" in found["serves.model"].why
    for name in ("serves.tokens_per_hour", "usd_per_hour"):
        assert (found[name].verdict, found[name].missing) == ("unverifiable", ())
    assert judge_claim(catalog, claim).verdict == "contradicted"
    assert judge_serving(catalog, claim, "gpt-4o", "bf16", 1).verdict == "contradicted"
    assert judge_serving(catalog, claim, "llama-3.1-8b", "bf16", 1).verdict == "holds"
    # one that its owner runs is another matter
    own = {"weights": "closed", "vendor": "openai", "params_b": 8.0, "source": "us", "as_of": "2026-01-01"}
    ours = layered({"models": {"acme-8b": {**own, "deployments": ["self_hosted"]}, "acme-9b": own}})
    assert judge_serving(ours, box("H200"), "acme-8b", "bf16", None).verdict == "holds"
    assert judge_serving(ours, box("H200"), "acme-9b", "bf16", None).verdict == "contradicted"


def test_what_else_takes_memory_is_said_where_it_decides(catalog: Catalog) -> None:
    small = judge_serving(catalog, box("Card", 1, memory_gib=4), "qwen3-4b", "int4", None)
    assert small.why == (
        "2.3 GB of weights at int4 do not fit 4.0 GiB, of which 90% may be used and each device needs 3.5 GiB besides"
    )
    two = judge_serving(catalog, box("Card", 2, memory_gib=4), "qwen3-4b", "int4", None)
    assert "do not fit 8.0 GiB, of which 90% may be used and each device needs 3.9 GiB besides" in two.why
    # what does not fit into all of it needs no such reason
    assert judge_serving(catalog, box("Card", 1, memory_gib=4), "qwen3-8b", "int4", None).why == (
        "4.6 GB of weights at int4 do not fit 4.0 GiB"
    )


def test_a_number_of_requests_that_is_not_known_is_not_called_one(catalog: Catalog) -> None:
    claim = box("H200", 1, ServesClaim("llama-3.1-70b", "int4", 36_500_000.0, None, 0, 0))
    rate = judge_hardware(catalog, claim)[-1]
    assert (rate.verdict, rate.missing) == ("unverifiable", ("hardware.serves.concurrency",))
    assert "10,138.9 tokens/s from an unknown number at once against a ceiling of 120.9 for one" in rate.why
