"""Claims against readings: what is verified, what is contradicted, and what nobody can tell."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_engine.catalog import GpuClaim, HardwareClaim, ServesClaim
from policy_engine.catalog.claims import NO_GPU
from policy_engine.catalog.sizing import GIB, MIB
from policy_engine.loading.policy import load_policy
from policy_engine.probe.report import Device, Host, Memory, Rate, Report
from policy_engine.probe.verdict import ClaimVerdict, overall
from policy_engine.probe.verdicts import SHARED_FACTOR, STEADY_FACTOR, judge_measured
from tests.attesting import A100, device, memory, report

CATALOG = load_policy().catalog
BUSY = ("another process uses it",)


def claim(name: str | None = A100, count: int | None = 2, serves: ServesClaim | None = None, **figures: Any) -> Any:
    return HardwareClaim((GpuClaim(name, count, **figures),), serves=serves)


def judged(found: Report, said: HardwareClaim) -> dict[str, ClaimVerdict]:
    return {each.name: each for each in judge_measured(CATALOG, said, found)}


def verdicts(found: Report, said: HardwareClaim) -> dict[str, str]:
    return {name: each.verdict for name, each in judged(found, said).items()}


def rates(**given_rates: Any) -> tuple[Rate, ...]:
    return tuple(Rate(name=name, rounds=rounds) for name, rounds in given_rates.items())  # type: ignore[arg-type]


def both(**more: Any) -> Report:
    return report(device(0, **more), device(1, **more))


def test_two_cards_that_are_what_is_claimed() -> None:
    said = claim(memory_gb=80, bandwidth_gb_s=2039, bf16_tflops=312, fp32_tflops=19.5)
    assert set(verdicts(both(), said).values()) == {"verified"}
    assert overall(judge_measured(CATALOG, said, both())) == "verified"


@pytest.mark.parametrize("figures", [{"memory_gb": 80}, {"memory_gib": 79.2}, {"memory_mib": 81100.8}])
@pytest.mark.parametrize(
    ("touched", "total", "verdict"),
    [(76.04, 79.25, "verified"), (76.02, 79.25, "unverifiable"), (38.0, 39.4, "contradicted")],
)
def test_memory_in_every_unit_at_the_border(figures: Any, touched: float, total: float, verdict: str) -> None:
    found = both(memory=memory(touched, total))
    (name,) = figures
    assert verdicts(found, claim(**figures))[name] == verdict


@pytest.mark.parametrize(
    ("name", "sold", "touched", "total"),
    [("T4", 16, 13.7, 14.56), ("L4", 24, 21.6, 22.05), ("L40S", 48, 43.9, 44.53), ("RTX 4090", 24, 23.1, 23.64)],
)
def test_cards_that_correct_errors_in_line_report_less_than_they_are_sold_by(
    name: str, sold: int, touched: float, total: float
) -> None:
    """Totals as torch reports them of such cards."""
    found = report(device(0, name, memory=memory(touched, total)))
    assert verdicts(found, claim(name, 1, memory_gb=sold))["memory_gb"] == "verified"
    part = report(device(0, name, memory=memory(touched - 2, total)))
    assert verdicts(part, claim(name, 1, memory_gb=sold))["memory_gb"] == "unverifiable"
    assert verdicts(found, claim(name, 1, memory_gib=total * 1.05))["memory_gib"] == "contradicted"


def test_memory_that_is_published_counts_where_none_is_claimed() -> None:
    assert verdicts(both(), claim())["memory_gb"] == "verified"
    assert verdicts(both(memory=memory(38.0, 39.4)), claim())["memory_gb"] == "contradicted"


def test_memory_that_does_not_read_back_is_contradicted_whatever_is_reported() -> None:
    assert verdicts(both(memory=memory(intact=False)), claim(memory_gb=40))["memory_gb"] == "contradicted"


def test_one_worse_card_of_those_claimed_decides() -> None:
    found = report(device(0), device(1, memory=memory(38.0, 39.4)))
    assert verdicts(found, claim(count=2))["memory_gb"] == "contradicted"
    assert verdicts(found, claim(count=1))["memory_gb"] == "verified"


def test_a_limit_below_the_claim_contradicts_nothing() -> None:
    limited = memory(3.0, 23.5, limit_bytes=4 * GIB, limited_by="cgroup")
    host = device(0, "EPYC 7763", type="cpu", backend="cpu", memory=limited)
    found = report(host, container=True)
    assert verdicts(found, claim(NO_GPU, None, memory_gib=20))["memory_gib"] == "unverifiable"
    assert verdicts(found, claim(NO_GPU, None, memory_gib=200))["memory_gib"] == "contradicted"
    assert verdicts(found, claim(NO_GPU, None, memory_mib=3000))["memory_mib"] == "verified"


def test_a_container_that_shows_its_limit_as_the_hosts_memory_contradicts_nothing() -> None:
    masked = memory(3.0, 4.0, limit_bytes=4 * GIB, limited_by="cgroup")
    found = report(device(0, "EPYC 7763", type="cpu", backend="cpu", memory=masked), container=True)
    assert verdicts(found, claim(NO_GPU, None, memory_gib=64))["memory_gib"] == "unverifiable"


def test_the_number_of_devices() -> None:
    assert verdicts(both(), claim(count=2))["count"] == "verified"
    assert verdicts(both(), claim(count=3))["count"] == "contradicted"
    hidden = report(device(0), device(1), hidden=("CUDA_VISIBLE_DEVICES=0,1",))
    assert verdicts(hidden, claim(count=3))["count"] == "unverifiable"
    untouched = report(device(0), device(1, memory=memory(0.0, intact=None)))
    assert verdicts(untouched, claim(count=2))["count"] == "unverifiable"


def test_another_device_says_nothing_of_the_claim() -> None:
    for name in ("NVIDIA A100-SXM4-40GB", "NVIDIA A100", "a100 80gb", f"{A100} MIG 1g.10gb"):
        found = judged(report(device(0, name), device(1, name)), claim(memory_gb=80))
        assert {each.verdict for each in found.values()} == {"unverifiable"}
        assert f"this host has no `{A100}`: it has {name}" in found["memory_gb"].why


def test_a_device_that_no_catalog_knows_is_matched_by_its_exact_name() -> None:
    own = "ACME Frobnicator 9"
    found = report(device(0, own), device(1, own))
    said = claim(own, 2, memory_gb=80, bandwidth_gb_s=2000)
    assert set(verdicts(found, said).values()) == {"verified"}


def test_a_claim_above_the_published_figure_is_contradicted_whatever_is_measured() -> None:
    fast = both(rates=rates(copy=(4000.0,), bf16=(700.0,)))
    found = judged(fast, claim(bandwidth_gb_s=4000, bf16_tflops=624))
    assert (found["bandwidth_gb_s"].verdict, found["bf16_tflops"].verdict) == ("contradicted", "contradicted")
    assert "2,039 are published" in found["bandwidth_gb_s"].why


def test_a_reading_above_the_published_figure_verifies_nothing() -> None:
    found = judged(both(rates=rates(copy=(9000.0,), bf16=(5000.0,))), claim(bandwidth_gb_s=2039, bf16_tflops=312))
    assert {found[name].verdict for name in ("bandwidth_gb_s", "bf16_tflops")} == {"unverifiable"}
    assert "no reading to trust" in found["bf16_tflops"].why


def test_a_slow_reading_contradicts_by_how_much_others_may_have_slowed_it() -> None:
    said = claim(bandwidth_gb_s=2000)
    least = 2000 * 0.75
    for disturbed, factor in ((), STEADY_FACTOR), (BUSY, SHARED_FACTOR):
        for best, verdict in (
            (least, "verified"),
            (least - 1, "unverifiable"),
            (least / factor + 1, "unverifiable"),
            (least / factor - 1, "contradicted"),
        ):
            found = both(rates=rates(copy=(best,)), disturbed=disturbed)
            assert verdicts(found, said)["bandwidth_gb_s"] == verdict, (disturbed, best)


def test_rounds_that_spread_are_not_steady() -> None:
    said, low = claim(bandwidth_gb_s=2000), 1000.0
    assert verdicts(both(rates=rates(copy=(low, low))), said)["bandwidth_gb_s"] == "contradicted"
    assert verdicts(both(rates=rates(copy=(low, low / 1.2))), said)["bandwidth_gb_s"] == "unverifiable"


@pytest.mark.parametrize(("backend", "verdict"), [("cuda", "unverifiable"), ("rocm", "verified"), ("xpu", "verified")])
def test_products_of_other_makers_reach_less_of_their_peak(backend: str, verdict: str) -> None:
    found = both(rates=rates(bf16=(160.0,)), backend=backend)
    assert verdicts(found, claim(bf16_tflops=312))["bf16_tflops"] == verdict


def test_a_card_without_bf16_is_held_to_its_fp16() -> None:
    found = report(device(0, "Tesla T4", rates=rates(bf16=(4.0,), fp16=(45.0,)), memory=memory(14.6, 15.6)))
    assert verdicts(found, claim("T4", 1, bf16_tflops=65))["bf16_tflops"] == "verified"


def test_a_product_that_is_wrong_verifies_nothing() -> None:
    wrong = Rate(name="bf16", rounds=(300.0, 301.0), problem="the product is wrong")
    found = judged(both(rates=(wrong,)), claim(bf16_tflops=312))["bf16_tflops"]
    assert (found.verdict, found.why) == ("unverifiable", "the product is wrong")


def test_what_was_not_measured_is_said() -> None:
    assert judged(both(rates=()), claim(bandwidth_gb_s=2039))["bandwidth_gb_s"].why == "it was not measured"


def test_an_interposer_takes_back_what_was_verified_and_leaves_what_was_contradicted() -> None:
    found = report(device(0), device(1), interposers=("LD_PRELOAD=/opt/fake.so",))
    assert set(verdicts(found, claim(memory_gb=80, bf16_tflops=312)).values()) == {"unverifiable"}
    assert verdicts(found, claim(count=3))["count"] == "contradicted"


def test_a_figure_that_is_claimed_as_unknown_is_not_verified() -> None:
    said = claim(unknown=frozenset({"memory_gb", "bandwidth_gb_s"}))
    found = judged(both(), said)
    assert {found[name].verdict for name in ("memory_gb", "bandwidth_gb_s")} == {"unverifiable"}
    assert overall(tuple(found.values())) == "unverifiable"


def test_prices_and_places_are_not_measured_and_keep_nothing_from_being_verified() -> None:
    said = HardwareClaim((GpuClaim(A100, 2, memory_gb=80),), usd_per_hour=3.0, region="eu")
    found = judge_measured(CATALOG, said, both())
    assert {each.name: each.verdict for each in found if each.name in ("usd_per_hour", "region")} == {
        "usd_per_hour": "unverifiable",
        "region": "unverifiable",
    }
    assert overall(found) == "verified"


SERVES = ServesClaim("llama-3.1-70b", "bf16", None, 1, 100, 100)


@pytest.mark.parametrize(
    ("tokens_per_hour", "verdict"),
    [(60_000.0, "unverifiable"), (158_760.0, "contradicted"), (120_000.0, "contradicted")],
)
def test_a_rate_is_bounded_by_the_bandwidth_measured_and_never_verified(tokens_per_hour: float, verdict: str) -> None:
    from msgspec.structs import replace

    said = claim(serves=replace(SERVES, tokens_per_hour=tokens_per_hour))
    assert verdicts(both(), said)["serves.tokens_per_hour"] == verdict


def test_a_rate_that_published_figures_allow_is_contradicted_by_a_slower_device() -> None:
    from msgspec.structs import replace

    said = claim(serves=replace(SERVES, tokens_per_hour=90_000.0))  # 25 tokens/s against 29 as published
    assert verdicts(both(), said)["serves.tokens_per_hour"] == "unverifiable"
    slow = both(rates=rates(copy=(900.0, 910.0)))
    found = judged(slow, said)["serves.tokens_per_hour"]
    assert (found.verdict, "by the bandwidth measured" in found.why) == ("contradicted", True)


def test_the_host_is_the_one_that_the_probe_ran_on() -> None:
    for host, verdict in (("gpu-01", "verified"), ("gpu-02", "unverifiable")):
        found = judged(both(), HardwareClaim((GpuClaim(A100, 2),), host=host))
        assert found["host"].verdict == verdict


@pytest.mark.parametrize("count", [None, 16])
def test_a_number_that_is_not_claimed_is_not_verified(count: int | None) -> None:
    said = HardwareClaim((GpuClaim(A100, count, memory_gb=80),))
    assert overall(judge_measured(CATALOG, said, both())) == ("unverifiable" if count is None else "contradicted")


@pytest.mark.parametrize(
    "row", [GpuClaim("Foo 9000", None), GpuClaim("Foo 9000", 1), GpuClaim(None, 1), GpuClaim(None, None)]
)
def test_a_row_of_which_nothing_was_measured_leaves_the_whole_open(row: GpuClaim) -> None:
    said = HardwareClaim((GpuClaim(A100, 2, memory_gb=80), row))
    assert overall(judge_measured(CATALOG, said, both())) == "unverifiable"


RATES_PER_HOUR = (100_000.0, 600_000.0, 3e6, 1e9)


def test_a_more_absurd_rate_is_not_judged_better() -> None:
    from msgspec.structs import replace

    slow = both(rates=rates(copy=(500.0, 505.0)))
    base = ServesClaim("llama-3.1-8b", "bf16", None, 1, 100, 100)
    found = [judged(slow, claim(serves=replace(base, tokens_per_hour=each))) for each in RATES_PER_HOUR]
    assert [each["serves.tokens_per_hour"].verdict for each in found] == ["unverifiable", *["contradicted"] * 3]
    assert {each["serves.tokens_per_hour"].basis for each in found} == {"reading"}


@pytest.mark.parametrize("row", [GpuClaim(NO_GPU, None), GpuClaim(NO_GPU, 1)])
def test_a_host_beside_the_cards_takes_no_bound_away(row: GpuClaim) -> None:
    slow = report(*(device(i, rates=rates(copy=(500.0, 505.0))) for i in (0, 1)),
                  device(2, "EPYC", type="cpu", backend="cpu"))  # fmt: skip
    serves = ServesClaim("llama-3.1-70b", "fp8", 150_000.0, 1, 100, 100)
    for rows in ((GpuClaim(A100, 2),), (GpuClaim(A100, 2), row)):
        assert verdicts(slow, HardwareClaim(rows, serves=serves))["serves.tokens_per_hour"] == "contradicted"


def test_a_host_alone_is_one_without_a_number() -> None:
    slow = report(device(0, "EPYC", type="cpu", backend="cpu", rates=rates(copy=(20.0, 20.0))))
    serves = ServesClaim("llama-3.1-8b", "bf16", 1e6, 1, 100, 100)
    for count in (None, 1):
        said = HardwareClaim((GpuClaim(NO_GPU, count),), serves=serves)
        assert verdicts(slow, said)["serves.tokens_per_hour"] == "contradicted"


def test_a_cache_that_is_an_upper_bound_refutes_no_rate() -> None:
    serves = ServesClaim("gemma-3-27b", "bf16", 1.5e6, 16, 20_000, 1_000)
    assert verdicts(both(), claim(serves=serves))["serves.tokens_per_hour"] == "unverifiable"


def test_a_device_without_a_name_bounds_no_rate() -> None:
    slow = report(device(0, "Tesla T4", memory=memory(13.7, 14.56), rates=rates(copy=(220.0, 221.0))))
    serves = ServesClaim("llama-3.1-70b", "fp8", 216_000.0, 1, 100, 100)
    assert verdicts(slow, claim(None, 2, serves=serves, memory_gb=80))["serves.tokens_per_hour"] == "unverifiable"


def test_what_all_cards_have_is_what_the_least_has() -> None:
    unequal = report(device(0, memory=memory(76.5, 79.25)), device(1, memory=memory(76.9, 77.0)))
    found = judged(unequal, claim(memory_gib=79.0))["memory_gib"]
    assert (found.verdict, found.most) == ("verified", 77.0)
    unread = both(memory=memory(76.2, total_bytes=None))
    assert judged(unread, claim(memory_gib=79.0))["memory_gib"].most == pytest.approx(76.2)


def test_nothing_claimed_is_nothing_judged() -> None:
    assert judge_measured(CATALOG, HardwareClaim(None), both()) == ()
    assert overall(()) == "unverifiable"


def test_an_empty_report_verifies_nothing() -> None:
    empty = Report(measured_at="2026-11-20T08:00:00Z", seconds=0.0, seed=0, host=Host(name="h"), devices=())
    found = judge_measured(CATALOG, claim(memory_gb=80), empty)
    assert {each.verdict for each in found} == {"unverifiable"}


@pytest.mark.parametrize("rows", [2, 3])
def test_one_host_is_not_two_in_two_rows(rows: int) -> None:
    one = report(device(0, "EPYC", type="cpu", backend="cpu", memory=memory(8.0, 16.0)))
    said = HardwareClaim((GpuClaim(NO_GPU, None, memory_gib=7),) * rows)
    found = judge_measured(CATALOG, said, one)
    assert {each.verdict for each in found} == {"unverifiable"}
    assert overall(found) == "unverifiable"
    assert verdicts(one, HardwareClaim(said.gpus[:1] if said.gpus else None)) == {"memory_gib": "verified"}


def test_two_rows_without_a_number_are_two_devices() -> None:
    said = HardwareClaim((GpuClaim(A100, None, memory_gb=80),) * 2)
    assert overall(judge_measured(CATALOG, said, both())) == "unverifiable"  # how many there are is not claimed
    assert overall(judge_measured(CATALOG, said, report(device(0)))) == "contradicted"


@pytest.mark.parametrize(("claimed", "verdict"), [(83.0, "verified"), (84.0, "contradicted"), (88.0, "contradicted")])
def test_memory_above_what_is_published_is_contradicted(claimed: float, verdict: str) -> None:
    found = judged(both(memory=memory(78.3, 79.25)), claim(memory_gb=claimed))["memory_gb"]
    assert (found.verdict, found.basis) == (verdict, "reading" if verdict == "verified" else "specification")


def test_processors_that_were_not_used_might_have_been() -> None:
    """On 64 processors one thread was chosen, in a busy moment or under a limit."""
    one = {"rates": rates(copy=(12.0, 12.0, 12.0)), "disturbed": BUSY, "threads": 1}
    many = report(device(0, "EPYC", type="cpu", backend="cpu", processors=64, **one))
    few = report(device(0, "EPYC", type="cpu", backend="cpu", processors=2, **one))
    said = claim(NO_GPU, None, bandwidth_gb_s=300.0)
    assert verdicts(many, said)["bandwidth_gb_s"] == "unverifiable"
    assert verdicts(few, said)["bandwidth_gb_s"] == "contradicted"


def test_a_processor_is_claimed_as_cpu_and_a_claim_by_its_name_says_so() -> None:
    found = judged(report(device(0, "AMD EPYC", type="cpu", backend="cpu")), claim("AMD EPYC", 1, memory_gb=8))
    assert "a processor is claimed as `cpu`" in found["memory_gb"].why


# ---- laws

truth = st.floats(1.0, 1e5)


@given(truth, st.lists(st.floats(1 / 3.15, 1.0), min_size=1, max_size=5), st.booleans())
def test_a_true_claim_is_never_contradicted_on_a_shared_host(rate: float, slowed: list[float], named: bool) -> None:
    readings = tuple(rate * each for each in slowed)
    disturbed = device(0, "EPYC", type="cpu", backend="cpu", rates=rates(copy=readings, fp32=readings), disturbed=BUSY)
    said = claim(NO_GPU if named else None, None, bandwidth_gb_s=rate, fp32_tflops=rate)
    assert "contradicted" not in verdicts(report(disturbed), said).values()


@given(truth, st.lists(st.floats(0.05, 1.0), min_size=1, max_size=5))
def test_ten_times_the_truth_is_always_contradicted(rate: float, slowed: list[float]) -> None:
    readings = tuple(rate * each for each in slowed)
    disturbed = device(0, "EPYC", type="cpu", backend="cpu", rates=rates(copy=readings, fp32=readings), disturbed=BUSY)
    said = claim(NO_GPU, None, bandwidth_gb_s=10 * rate, fp32_tflops=10 * rate)
    found = verdicts(report(disturbed), said)
    assert {found[name] for name in ("bandwidth_gb_s", "fp32_tflops")} == {"contradicted"}


@given(st.floats(1.0, 1e4), st.floats(1.0, 1e4), st.integers(0, 80), st.integers(1, 80))
def test_claiming_less_is_never_judged_worse(more: float, less: float, touched: int, total: int) -> None:
    low, high = sorted((more, less))
    order = ("contradicted", "unverifiable", "verified")
    held = Memory(total_bytes=total * GIB, touched_bytes=min(touched, total) * GIB, intact=True)
    found = report(
        Device(index=0, type="cuda", backend="cuda", name="X", memory=held, rates=rates(copy=(500.0, 550.0)))
    )
    for name, scale in (("bandwidth_gb_s", 1.0), ("memory_gib", 0.01), ("memory_mib", GIB / MIB * 0.01)):
        worse, better = (judged(found, claim("X", 1, **{name: value * scale}))[name] for value in (high, low))
        assert order.index(better.verdict) >= order.index(worse.verdict)
