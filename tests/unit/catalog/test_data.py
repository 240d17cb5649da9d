"""The shipped data: complete, sourced, dated, with both sides of every dispute."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from policy_engine.catalog import Catalog, build_catalog
from policy_engine.loading.policy import load_policy

SOURCES = {
    "s0": date(2025, 1, 1),
    "s1": date(2026, 1, 1),
    "s2": date(2024, 12, 15),
    "s3": date(2025, 6, 9),
    "register": date(2026, 11, 22),
    "genai-prices 0.2.3": date(2026, 11, 22),
    "nvidia-datasheets": date(2026, 11, 28),
    "amd-datasheets": date(2026, 11, 28),
}
CLOSED = """gpt-4o gpt-4o-mini gpt-4-turbo o1 o3 claude-3.5-sonnet claude-3-opus claude-3.5-haiku gemini-1.5-pro
    gemini-1.5-flash gemini-2.0 gemini-ultra""".split()
OPEN = """llama-3-8b llama-3-70b llama-3-405b llama-3.1-8b llama-3.1-70b llama-3.1-405b llama-3.3-70b mistral-7b
    mixtral-8x7b mistral-large qwen2.5-72b qwen3-4b qwen3-7b qwen3-14b qwen3-30b-a3b qwq-32b deepseek-v3 deepseek-v3.2
    deepseek-r1 phi-3 gemma-2b gemma-7b gemma-2-27b gemma-3-27b qwen3-8b phi-3-mini gemma-2-2b gemma-2-9b""".split()
DISPUTES = [f"DISPUTE-{number:02}" for number in (1, 2, 5, 6, 7, 8, 9, 10, 11, 14, 15)]


def test_every_entry_that_states_something_has_a_source_and_that_sources_day(catalog: Catalog) -> None:
    for entry in catalog.stated():
        assert entry.as_of == SOURCES[entry.source], entry.key
    for model in catalog.models.values():
        for source, day in model.sources.values():
            assert day == SOURCES[source], model.key
    assert {source.key: source.as_of for source in catalog.sources.values()} == SOURCES


def test_the_registers_are_those_of_the_rules(catalog: Catalog) -> None:
    policy = load_policy(use_cache=False)
    assert policy.catalog.digest == catalog.digest
    assert {each.key: (each.about, each.sides) for each in catalog.disputes.values()} == {
        each.id: (each.about, each.sides) for each in policy.rules.disputes.values()
    }
    assert policy.rules.sources == {
        each.key: {"description": each.description, "as_of": each.as_of.isoformat()}
        for each in catalog.sources.values()
    }


def test_every_model_of_the_register_is_there(catalog: Catalog) -> None:
    for names, weights in ((CLOSED, "closed"), (OPEN, "open")):
        for name in names:
            model = catalog.model(name)
            assert model is not None, name
            assert model.weights == weights, name


def test_what_no_source_states_is_unknown(catalog: Catalog) -> None:
    for name in ("qwen3-7b", "qwq-32b", "deepseek-v3.2", "gemma-2b", "gemma-7b", "phi-3"):
        model = catalog.models[name]
        assert (model.params_b, model.kv_bytes_per_token, model.context_tokens, model.licence) == (None,) * 4, name
    assert catalog.models["gemini-ultra"].context_tokens is None
    assert all(provider.regions is None for provider in catalog.providers.values())


def test_context_windows_of_closed_models_are_those_of_genai_prices(catalog: Catalog) -> None:
    stated = {m.key: m.context_tokens for m in catalog.models.values() if m.weights == "closed" and m.context_tokens}
    assert stated == {
        **dict.fromkeys(["gpt-4o", "gpt-4o-mini", "gpt-4-turbo"], 128_000),
        "gpt-4": 8192,
        **dict.fromkeys(["o1", "o3", "claude-3.5-sonnet", "claude-3-opus", "claude-3.5-haiku"], 200_000),
        **dict.fromkeys(["gemini-1.5-pro", "gemini-1.5-flash", "gemini-2.0"], 1_000_000),
    }
    assert {catalog.models[name].sources["context_tokens"][0] for name in stated} == {"genai-prices 0.2.3"}


@pytest.mark.parametrize("dispute", DISPUTES)
def test_every_dispute_is_named_on_an_entry(catalog: Catalog, dispute: str) -> None:
    assert dispute in catalog.disputes
    assert any(dispute in entry.disputes for entry in catalog.stated())


@pytest.mark.parametrize(
    ("dispute", "sides"),
    [
        ("DISPUTE-01", {"s0", "s1", "s2"}),
        ("DISPUTE-02", {"s0", "s1"}),
        ("DISPUTE-05", {"s2-cost", "s2-hardware"}),
        ("DISPUTE-09", {"s0", "s2"}),
        ("DISPUTE-11", {"s0", "s2", "s3"}),
        ("DISPUTE-14", {"s0", "s2"}),
    ],
)
def test_both_sides_of_a_dispute_are_there(catalog: Catalog, dispute: str, sides: set[str]) -> None:
    assert sides <= {entry.side for entry in catalog.stated() if dispute in entry.disputes}


def test_hardware_criteria_are_answered(catalog: Catalog) -> None:
    cited = {criterion for entry in catalog.stated() for criterion in entry.criteria}
    assert {f"HW-{number:02}" for number in range(1, 7)} | {"COST-07", "LICENCE-01", "HYBRID-02"} <= cited


def test_figures_of_the_hardware_criteria(catalog: Catalog) -> None:
    needs = {entry.model: entry.memory_gb for entry in catalog.memory_requirements.values()}
    assert needs == {"llama-3.1-8b": 16, "llama-3.1-70b": 140, "llama-3.1-405b": 800}
    assert {(each.count, each.usd) for each in catalog.ownership_costs.values()} == {
        (2, 30_000),
        (8, 200_000),
        (8, 100_000),
    }
    speeds = {(each.device, each.measure, each.value) for each in catalog.speeds.values()}
    assert ("NVIDIA H100 80GB HBM3", "tokens_per_hour", 158_760) in speeds
    assert ("Apple M4 Max", "tokens_per_second", 68) in speeds
    assert ("a provider", "tokens_per_second", 66.4) in speeds
    assert ("cpu", "tokens_per_second", 10) in speeds
    assert catalog.hosting_costs["cloud-endpoint.s3"].usd == 0.50


def test_worked_examples_agree_with_the_prices(catalog: Catalog, at: date) -> None:
    for example in catalog.cost_examples.values():
        price = catalog.price(example.model, example.option, at)
        assert price is not None
        assert price.usd(example.input_tokens, example.output_tokens) == pytest.approx(example.usd)


def test_an_h100_at_two_dollars_costs_12_60_per_million_tokens(catalog: Catalog) -> None:
    hourly, speed = catalog.hosting_costs["h100.s3"], catalog.speeds["h100.s3"]
    assert hourly.usd / speed.value * 1e6 == pytest.approx(12.60, abs=0.005)


def test_licences(catalog: Catalog) -> None:
    assert catalog.licence("mistral-large") == "forbidden"
    assert catalog.licence("llama-3-405b") == "review"
    assert catalog.licence("mistral-7b") == "allowed"
    assert catalog.licence("gpt-4o") == "proprietary"
    assert catalog.licence("phi-3") is None
    assert catalog.licence("no-such-model") is None


def test_gpus_are_found_by_exact_names_alone(catalog: Catalog) -> None:
    gpu = catalog.gpu("H100")
    assert gpu is not None
    assert gpu.key == "NVIDIA H100 80GB HBM3"
    assert catalog.gpu("h100") is None
    assert catalog.gpu("NVIDIA H100") is None


def test_the_files_say_no_word_that_yaml_11_takes_for_another(files: dict[str, Any]) -> None:
    def keys(value: Any) -> list[Any]:
        if isinstance(value, dict):
            return [*value, *(key for each in value.values() for key in keys(each))]
        return [key for each in value for key in keys(each)] if isinstance(value, list) else []

    assert all(isinstance(key, str) for key in keys(files))


def test_a_cache_is_an_upper_bound_where_its_note_says_so(
    catalog: Catalog, files: dict[str, Any], parameters: dict[str, Any]
) -> None:
    said = {model.key for model in catalog.models.values() if "upper bound" in (model.note or "")}
    assert said == {model.key for model in catalog.models.values() if model.kv_upper_bound}
    assert len(said) == 4
    # a catalog that was recorded before the field was there builds, and means what it meant
    models = files["models"]["models"]
    bare = {key: {k: v for k, v in models[key].items() if k != "kv_upper_bound"} for key in models}
    old = build_catalog([("old", files | {"models": {"models": bare}})], parameters)
    assert not any(model.kv_upper_bound for model in old.models.values())
