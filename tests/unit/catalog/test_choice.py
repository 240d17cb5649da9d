"""Which model an option may use, and why not the others."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from msgspec.structs import replace

from policy_engine.catalog import (
    Catalog,
    Considered,
    GpuClaim,
    HardwareClaim,
    Needs,
    OptionModels,
    ServesClaim,
    choose,
    other_choices,
    qualify,
)

Layered = Callable[..., Catalog]
OPTIONS = ("proprietary_api", "open_api", "open_batch", "self_hosted", "edge")
OWN = {"source": "us", "as_of": "2026-01-01"}
A100 = GpuClaim("NVIDIA A100-SXM4-80GB", 1, memory_gb=80)


def model_of(found: OptionModels) -> str:
    assert found.chosen is not None
    return found.chosen.name


def reasons(found: OptionModels, name: str) -> tuple[str, ...]:
    one = found.of(name)
    assert one is not None
    return one.reasons


def test_the_cheapest_that_meets_the_needs(catalog: Catalog, needs: Needs, at: date) -> None:
    found = choose(catalog, "proprietary_api", needs, at)
    assert (found.available, model_of(found), found.monthly_usd) == (True, "gpt-4o-mini", 120.0)
    assert reasons(found, "claude-3.5-sonnet") == ("dearer than gpt-4o-mini by 2,580.00 USD/month",)
    assert reasons(found, "o1") == ("no cost is known; gpt-4o-mini costs 120.00 USD/month",)
    assert reasons(found, "gpt-4") == ("which modalities it has is not known",)


def test_context(catalog: Catalog, needs: Needs, at: date) -> None:
    found = choose(catalog, "open_api", replace(needs, context_tokens=20_000), at)
    assert model_of(found) == "qwen3-14b"
    assert "context 8,192 is below 20,000" in reasons(found, "llama-3-70b")
    assert reasons(found, "qwq-32b") == ("its context is not known",)
    other = choose(catalog, "open_api", replace(needs, context_tokens=20_001), at)
    assert "context 8,192 is below 20,001" in reasons(other, "llama-3-70b")
    exact = choose(catalog, "open_api", replace(needs, context_tokens=8192), at).of("llama-3-70b")
    assert exact is not None
    assert exact.qualifies
    none = choose(catalog, "open_api", replace(needs, context_tokens=2_000_000), at)
    assert none.available is None
    assert none.missing[0].startswith("catalog.models.")


def test_unknown_context_leaves_the_option_open(catalog: Catalog, needs: Needs, at: date) -> None:
    found = choose(catalog, "open_api", replace(needs, context_tokens=None), at)
    assert (found.available, found.chosen, found.missing) == (None, None, ("task.context_tokens",))
    assert found.provisional is not None
    assert found.provisional.name == "qwen3-14b"


def test_modalities(catalog: Catalog, needs: Needs, at: date) -> None:
    audio = choose(catalog, "proprietary_api", replace(needs, modalities=("text", "audio")), at)
    assert model_of(audio) == "gpt-4o"
    assert reasons(audio, "gpt-4o-mini") == ("has no audio",)
    assert choose(catalog, "open_api", replace(needs, modalities=("audio",)), at).available is False
    assert choose(catalog, "open_api", replace(needs, modalities=None), at).missing == ("task.modalities",)


def test_floors(catalog: Catalog, needs: Needs, at: date) -> None:
    found = choose(catalog, "open_api", replace(needs, min_scores={"mmlu": 82.5}), at)
    assert reasons(found, "llama-3-70b") == ("MMLU 82 is below 82.5",)
    assert reasons(found, "qwen3-14b") == ("no MMLU score",)
    assert found.available is True
    only = choose(catalog, "open_api", replace(needs, min_scores={"mmlu": 99}), at)
    assert only.available is None
    unknown = choose(catalog, "open_api", replace(needs, min_scores={"mmlu": None}), at)
    assert (unknown.available, unknown.missing) == (None, ("task.min_scores.mmlu",))
    assert choose(catalog, "open_api", replace(needs, min_scores=None), at).missing == ("task.min_scores",)


def test_quality(catalog: Catalog, needs: Needs, at: date) -> None:
    high = choose(catalog, "open_api", replace(needs, quality="high"), at)
    assert reasons(high, "llama-3.1-70b") == ("MMLU 83.6 is below 85",)
    assert {each.name for each in high.considered if each.qualifies} == {"llama-3.1-405b", "qwen2.5-72b"}
    code = choose(catalog, "open_api", replace(needs, quality="high", kind="coding"), at)
    assert {each.name for each in code.considered if each.qualifies} == {"llama-3.1-405b"}
    best = choose(catalog, "proprietary_api", replace(needs, quality="best", kind="coding"), at)
    assert model_of(best) == "claude-3.5-sonnet"
    assert reasons(best, "gpt-4o") == ("HumanEval 90.2 is below the 92 of claude-3.5-sonnet",)
    tie = choose(catalog, "proprietary_api", replace(needs, quality="best"), at)
    assert model_of(tie) == "claude-3.5-sonnet"
    assert reasons(tie, "gpt-4o") == ("dearer than claude-3.5-sonnet by 4,300.00 USD/month",)


def test_unknown_quality_asks_for_a_high_score(catalog: Catalog, needs: Needs, at: date) -> None:
    found = choose(catalog, "open_api", replace(needs, quality=None), at)
    assert found.available is True
    assert {each.name for each in found.considered if each.qualifies} == {"llama-3.1-405b", "qwen2.5-72b"}
    low = found.of("llama-3-70b")
    assert low is not None
    assert (low.qualifies, low.missing) == (None, ("task.quality",))


def test_licence_that_forbids(catalog: Catalog, needs: Needs, at: date) -> None:
    def verdict(option: str, commercial: bool | None) -> bool | None:
        one = qualify(catalog, option, "mistral-large", replace(needs, commercial_use=commercial), at)
        assert one is not None
        return one.qualifies

    assert [verdict("self_hosted", each) for each in (True, None, False)] == [False, None, True]
    assert verdict("open_api", True) is True


def test_edge(catalog: Catalog, needs: Needs, at: date) -> None:
    away = choose(catalog, "edge", needs, at)
    assert (away.available, away.considered) == (False, ())
    assert away.why[0].startswith("edge is not meant here")
    wanted = choose(catalog, "edge", replace(needs, edge_wanted=True), at)
    assert wanted.available is True
    assert wanted.monthly_usd == pytest.approx(73.05)
    perhaps = choose(catalog, "edge", replace(needs, edge_wanted=None), at)
    assert (perhaps.available, perhaps.chosen) == (None, None)
    assert perhaps.missing == ("needs.edge", "task.latency_p95_ms")
    never = choose(catalog, "edge", replace(needs, edge_wanted=None, modalities=("audio",)), at)
    assert never.available is False
    large = qualify(catalog, "edge", "llama-3.1-70b", replace(needs, edge_wanted=True), at)
    assert large is not None
    assert large.reasons == ("70.554 billion parameters are more than the 8.5 billion of the edge",)


def test_a_model_on_an_option_that_cannot_run_it(catalog: Catalog, needs: Needs, at: date) -> None:
    found = qualify(catalog, "self_hosted", "gpt-4o", needs, at)
    assert found is not None
    assert found.reasons == ("has closed weights and is not offered as self_hosted",)
    assert qualify(catalog, "self_hosted", "no-such", needs, at) is None


PLACES: dict[str, Any] = {
    "openai": {"options": ["proprietary_api"], "regions": ["us"], **OWN},
    "anthropic": {"options": ["proprietary_api"], "regions": ["us", "eu-west-1"], **OWN},
    "google": {"options": ["proprietary_api"], "regions": ["us"], **OWN},
}


def test_residency(catalog: Catalog, layered: Layered, needs: Needs, at: date) -> None:
    in_eu = replace(needs, residency=("eu",))
    unknown = choose(catalog, "proprietary_api", in_eu, at)
    assert unknown.available is True
    assert unknown.advice == (
        "the catalog does not know the regions of `openai`: make sure that it processes inside eu",
    )
    known = layered({"providers": PLACES})
    found = choose(known, "proprietary_api", in_eu, at)
    assert model_of(found) == "claude-3.5-sonnet"
    assert found.advice == ()
    assert reasons(found, "gpt-4o-mini") == ("no provider is in an allowed region (eu)",)
    assert choose(known, "proprietary_api", replace(needs, residency=("ch",)), at).available is False
    assert choose(known, "proprietary_api", replace(needs, residency=None), at).missing == ("data.residency",)
    assert choose(known, "proprietary_api", needs, at).available is True


def test_a_provider_surely_inside_comes_before_a_cheaper_one(layered: Layered, needs: Needs, at: date) -> None:
    price = {"model": "gpt-4o", "option": "proprietary_api", "unit": "USD/1M tokens", **OWN}
    own = layered(
        {
            "providers": {"azure": {"options": ["proprietary_api"], "serves": ["gpt-4o"], "regions": ["de"], **OWN}},
            "prices": {
                "azure": {**price, "blended": 9.0, "provider": "azure"},
                "openai": {**price, "blended": 1.0, "provider": "openai"},
            },
        }
    )

    def provider(residency: tuple[str, ...]) -> tuple[str | None, float | None]:
        found = qualify(own, "proprietary_api", "gpt-4o", replace(needs, residency=residency), at)
        assert found is not None
        return found.provider, found.monthly_usd

    assert provider(("anywhere",)) == ("openai", 500.0)
    assert provider(("eu",)) == ("azure", 4500.0)


def test_retired_models(layered: Layered, needs: Needs) -> None:
    own = layered(
        {
            "models": {
                "gpt-4o-mini": {
                    "weights": "closed",
                    "vendor": "openai",
                    "modalities": ["text"],
                    "context_tokens": 128000,
                    "retires_on": "2026-12-01",
                    **OWN,
                }
            }
        }
    )
    before = choose(own, "proprietary_api", needs, date(2026, 11, 30))
    assert (model_of(before), before.valid_until) == ("gpt-4o-mini", date(2026, 11, 30))
    after = choose(own, "proprietary_api", needs, date(2026, 12, 1))
    assert model_of(after) != "gpt-4o-mini"
    assert reasons(after, "gpt-4o-mini") == ("retired on 2026-12-01",)


def test_claimed_hardware(catalog: Catalog, needs: Needs, at: date) -> None:
    one = replace(needs, hardware=HardwareClaim((A100,), usd_per_hour=2.0))
    found = choose(catalog, "self_hosted", one, at)
    assert found.chosen is not None
    assert found.chosen.monthly_usd == pytest.approx(1461.0)
    seventy, most, unknown = (found.of(name) for name in ("llama-3.1-70b", "llama-3.1-405b", "qwq-32b"))
    assert seventy is not None
    assert (seventy.qualifies, seventy.quantization) == (True, "fp8")
    assert most is not None
    assert (most.qualifies, most.reasons) == (False, ("does not fit the claimed hardware, at 4 bits either",))
    assert unknown is not None
    assert unknown.qualifies is None
    tiny = replace(needs, hardware=HardwareClaim((replace(A100, memory_gb=4),)))
    assert choose(catalog, "self_hosted", replace(tiny, context_tokens=8000), at).of("llama-3.1-8b").qualifies is False  # type: ignore[union-attr]
    open_claim = replace(needs, hardware=HardwareClaim(None))
    assert choose(catalog, "self_hosted", open_claim, at).missing == ("hardware.gpus",)


def test_claimed_hardware_holds_the_requests_too(catalog: Catalog, needs: Needs, at: date) -> None:
    def precision(concurrency: int | None) -> Considered:
        serves = ServesClaim("llama-3.1-70b", "bf16", 100.0, concurrency, 4000, 4000)
        claim = HardwareClaim((replace(A100, count=2),), 4.0, None, serves)
        found = qualify(catalog, "self_hosted", "llama-3.1-70b", replace(needs, hardware=claim), at)
        assert found is not None
        return found

    assert precision(1).quantization == "bf16"
    assert precision(8).quantization == "fp8"
    assert precision(1000).qualifies is False
    assert precision(None).missing == ("hardware.serves.concurrency",)


def test_the_router_names_models_among_equals(catalog: Catalog, needs: Needs, at: date) -> None:
    # Without a claim two models cost the same only by chance; on claimed hardware every model does.
    claim = HardwareClaim((replace(A100, count=2),), usd_per_hour=4.0)
    alone = replace(needs, hardware=claim)
    assert model_of(choose(catalog, "self_hosted", alone, at)) == "qwen2.5-72b"
    several = replace(alone, routed=True)
    assert model_of(choose(catalog, "self_hosted", several, at)) == "llama-3-8b"
    other = choose(catalog.with_figures("DISPUTE-14", "s2"), "self_hosted", several, at)
    assert model_of(other) == "llama-3.1-70b"
    assert "DISPUTE-14" in choose(catalog, "self_hosted", several, at).disputes
    code = replace(needs, kind="coding", complexity="complex", routed=True)
    assert choose(catalog, "proprietary_api", replace(code, quality="high"), at).model == "claude-3.5-sonnet"


def test_unknown_volume_costs_an_unknown_sum(catalog: Catalog, needs: Needs, at: date) -> None:
    found = choose(catalog, "proprietary_api", replace(needs, input_tokens_per_month=None), at)
    assert found.chosen is not None
    assert (found.chosen.name, found.chosen.monthly_usd, found.cost) == ("gpt-4o-mini", None, None)


def test_the_other_side_of_a_price(catalog: Catalog, needs: Needs, at: date) -> None:
    asked = replace(needs, min_scores={"mmlu": 80})
    found = choose(catalog, "proprietary_api", asked, at)
    assert model_of(found) == "claude-3.5-sonnet"
    assert "DISPUTE-01" in found.disputes
    others = {(dispute, side): other.model for dispute, side, other in other_choices(catalog, found)}
    assert others == {("DISPUTE-01", "s0"): "gpt-4o"}


def test_disputes_of_the_model_itself(catalog: Catalog, needs: Needs, at: date) -> None:
    batch = choose(catalog, "open_batch", needs, at).of("qwen3-7b")
    assert batch is not None
    assert (batch.qualifies, batch.disputes, batch.monthly_usd) == (None, ("DISPUTE-10",), 10.0)
    scored = qualify(catalog, "open_api", "llama-3-405b", replace(needs, quality="high"), at)
    assert scored is not None
    assert "DISPUTE-09" in scored.disputes


def test_stale_figures_are_named(catalog: Catalog, needs: Needs, at: date) -> None:
    assert choose(catalog, "proprietary_api", needs, at).stale == ("gpt-4o-mini.s3",)
    assert choose(catalog, "proprietary_api", needs, date(2025, 12, 1)).stale == ()


def test_before_the_first_price_no_cost_is_known(catalog: Catalog, needs: Needs) -> None:
    found = choose(catalog, "proprietary_api", needs, date(2024, 1, 1))
    assert found.available is True
    assert found.monthly_usd is None


def test_why_counts_the_reasons(catalog: Catalog, needs: Needs, at: date) -> None:
    found = choose(catalog, "open_api", replace(needs, modalities=("audio",)), at)
    assert found.why == (
        f"none of {len(found.considered)} models meets the needs",
        f"has no audio ({len(found.considered)})",
    )


def test_every_model_that_lost_has_a_reason(catalog: Catalog, needs: Needs, at: date) -> None:
    for quality in ("sufficient", "high", "best", None):
        for option in OPTIONS:
            found = choose(catalog, option, replace(needs, quality=quality, edge_wanted=True), at)
            for each in found.considered:
                assert each.reasons or each == found.chosen, (option, each)
                assert (each.qualifies is None) == bool(each.missing) or each.qualifies is False


def test_an_option_without_any_model(layered: Layered, needs: Needs, at: date, catalog: Catalog) -> None:
    closed = {name: {"disabled": True} for name, model in catalog.models.items() if model.weights == "closed"}
    found = choose(layered({"models": closed}), "proprietary_api", needs, at)
    assert (found.available, found.why) == (False, ("the catalog has no model for proprietary_api",))
