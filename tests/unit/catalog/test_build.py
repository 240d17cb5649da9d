"""Layers, references, digests, and what an invalid entry is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from policy_engine.catalog import Catalog, build_catalog
from policy_engine.errors import CatalogError, Span

PRICE = {
    "model": "gpt-4o",
    "option": "proprietary_api",
    "unit": "USD/1M tokens",
    "blended": 1.0,
    "source": "contract",
    "as_of": "2024-01-01",
}
MODEL = {"weights": "open", "source": "us", "as_of": "2026-01-01"}
Layered = Callable[..., Catalog]


def without(entry: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key != name}


@pytest.mark.parametrize(
    ("sections", "code", "says"),
    [
        ({"prices": {"x": {**PRICE, "blend": 1}}}, "catalog-unknown-key", "`blend`"),
        ({"prices": {"x": without(PRICE, "source")}}, "catalog-missing", "`source`"),
        ({"prices": {"x": without(PRICE, "as_of")}}, "catalog-missing", "`as_of`"),
        ({"prices": {"x": without(PRICE, "unit")}}, "catalog-missing", "`unit`"),
        ({"prices": {"x": {**PRICE, "unit": "EUR/1M tokens"}}}, "catalog-type", "`unit`"),
        ({"prices": {"x": {**PRICE, "blended": "1"}}}, "catalog-type", "`blended`"),
        ({"prices": {"x": {**PRICE, "blended": True}}}, "catalog-type", "`blended`"),
        ({"prices": {"x": {**PRICE, "blended": -1}}}, "catalog-type", "`blended`"),
        ({"prices": {"x": {**PRICE, "blended": float("nan")}}}, "catalog-type", "`blended`"),
        ({"prices": {"x": {**PRICE, "blended": 1.1e15}}}, "catalog-type", "from zero to 1e+15"),
        ({"prices": {"x": {**PRICE, "blended": float("inf")}}}, "catalog-type", "from zero to 1e+15"),
        ({"models": {"m": {**MODEL, "params_b": 1e-10}}}, "catalog-type", "at least 1e-09"),
        ({"prices": {"x": {**PRICE, "input": 1.0}}}, "catalog-type", "either"),
        ({"prices": {"x": without(PRICE, "blended")}}, "catalog-type", "either"),
        ({"prices": {"x": {**without(PRICE, "blended"), "input": 1.0}}}, "catalog-type", "either"),
        ({"prices": {"x": {**PRICE, "as_of": "2024-13-01"}}}, "catalog-type", "`as_of`"),
        ({"prices": {"x": {**PRICE, "valid_to": "2023-01-01"}}}, "catalog-type", "`valid_to`"),
        ({"prices": {"x": {**PRICE, "model": "gpt-4p"}}}, "catalog-reference", "`gpt-4p`"),
        ({"prices": {"x": {**PRICE, "provider": "acme"}}}, "catalog-reference", "`acme`"),
        ({"prices": {"x": {**PRICE, "provider": "sutro"}}}, "catalog-reference", "does not serve"),
        ({"prices": {"x": {**PRICE, "disputes": ["DISPUTE-99"]}}}, "catalog-reference", "DISPUTE-99"),
        ({"prices": {"x": {**PRICE, "option": "api"}}}, "catalog-type", "`option`"),
        ({"prices": {"x": "cheap"}}, "catalog-type", "mapping"),
        ({"prices": ["x"]}, "catalog-type", "by key"),
        ({"price": {}}, "catalog-unknown-section", "`price`"),
        ({"sources": {}}, "catalog-unknown-section", "`sources`"),
        ({"disputes": {}}, "catalog-unknown-section", "`disputes`"),
        ({"models": {"m": {**MODEL, "licence": "mti"}}}, "catalog-reference", "`mti`"),
        ({"models": {"m": {**MODEL, "weights": "closed", "vendor": "acme"}}}, "catalog-reference", "`acme`"),
        ({"models": {"m": {**MODEL, "weights": "closed"}}}, "catalog-type", "`vendor`"),
        ({"models": {"m": {**MODEL, "aliases": ["gpt-4o"]}}}, "catalog-duplicate", "`gpt-4o`"),
        ({"models": {"m": {**MODEL, "context_tokens": 8000.5}}}, "catalog-type", "`context_tokens`"),
        ({"models": {"m": {**MODEL, "context_tokens": {"value": 8}}}}, "catalog-type", "`context_tokens`"),
        ({"models": {"m": {**MODEL, "modalities": ["smell"]}}}, "catalog-type", "`modalities`"),
        ({"models": {"m": {**MODEL, "params_b": 1, "active_b": 2}}}, "catalog-type", "`active_b`"),
        ({"models": {"m": {"disabled": True}}}, "catalog-reference", "no earlier layer"),
        ({"models": {"gpt-4o": {"disabled": "yes"}}}, "catalog-type", "`disabled`"),
        ({"regions": {"mars": {"parent": "sol"}}}, "catalog-reference", "`sol`"),
        ({"regions": {"a": {"parent": "b"}, "b": {"parent": "a"}}}, "catalog-cycle", "itself"),
        (
            {"providers": {"p": {"options": ["open_api"], "regions": ["mars"], "source": "x", "as_of": "2026-01-01"}}},
            "catalog-reference",
            "`mars`",
        ),
        (
            {"scores": {"s": {"model": "o1", "benchmark": "mmul", "score": 1, "source": "x", "as_of": "2026-01-01"}}},
            "catalog-reference",
            "`mmul`",
        ),
    ],
)
def test_what_is_invalid_is_refused(layered: Layered, sections: dict[str, Any], code: str, says: str) -> None:
    with pytest.raises(CatalogError) as caught:
        layered(sections)
    assert code in {problem.code for problem in caught.value.problems}
    assert says in str(caught.value)


def test_help_is_given_and_every_problem_is_shown(layered: Layered) -> None:
    with pytest.raises(CatalogError) as caught:
        layered({"prices": {"x": {**PRICE, "model": "claude-3-opas"}, "y": without(PRICE, "unit")}})
    assert {problem.help for problem in caught.value.problems} == {
        "did you mean `claude-3-opus`?",
        "write `unit: USD/1M tokens`",
    }


def test_a_problem_has_the_place_that_the_caller_tells(files: dict[str, Any], parameters: dict[str, Any]) -> None:
    asked: list[tuple[str, str, tuple[str | int, ...]]] = []

    def span(layer: str, file: str, path: tuple[str | int, ...]) -> Span:
        asked.append((layer, file, path))
        return Span(f"{layer}/{file}.yaml", 3, 5)

    own = {"own": {"prices": {"x": {**PRICE, "blended": "1"}}}}
    with pytest.raises(CatalogError) as caught:
        build_catalog([("shipped", files), ("acme", own)], parameters, span)
    assert caught.value.span == Span("acme/own.yaml", 3, 5)
    assert ("acme", "own", ("prices", "x", "blended")) in asked


def test_a_missing_parameter_is_named(files: dict[str, Any], parameters: dict[str, Any]) -> None:
    with pytest.raises(CatalogError, match="`high_quality_score`"):
        build_catalog([("shipped", files)], without(parameters, "high_quality_score"))


@pytest.mark.parametrize("value", [-1.0, 1e-10, 1.1e15, float("inf"), float("nan"), True, "1"])
def test_a_parameter_that_no_arithmetic_takes_is_refused(
    value: object, files: dict[str, Any], parameters: dict[str, Any]
) -> None:
    with pytest.raises(CatalogError, match="`engineer_usd_per_month`, zero or a number from 1e-09 to 1e\\+15"):
        build_catalog([("shipped", files)], {**parameters, "engineer_usd_per_month": value})


def test_an_entry_twice_in_one_layer_is_refused(files: dict[str, Any], parameters: dict[str, Any]) -> None:
    layer = {"a": {"prices": {"x": PRICE}}, "b": {"prices": {"x": PRICE}}}
    with pytest.raises(CatalogError, match="keep one of them"):
        build_catalog([("shipped", files), ("acme", layer)], parameters)


def test_a_layers_price_comes_before_a_newer_shipped_one(layered: Layered, at: date) -> None:
    price = layered({"prices": {"own": PRICE}}).price("gpt-4o", "proprietary_api", at)
    assert price is not None
    assert (price.key, price.layer, price.rank) == ("own", "layer-1", 1)


def test_the_same_key_replaces(layered: Layered, at: date) -> None:
    own = layered({"prices": {"gpt-4o.s1": PRICE}}, {"prices": {"gpt-4o.s1": {**PRICE, "blended": 2.0}}})
    price = own.price("gpt-4o", "proprietary_api", at)
    assert price is not None
    assert price.input_usd_per_million == price.output_usd_per_million == 2.0
    assert "s1" not in {each.source for each in own.price_history("gpt-4o")}


def test_what_is_disabled_takes_its_figures_along(layered: Layered) -> None:
    own = layered({"models": {"gpt-4o": {"disabled": True}}})
    assert own.model("gpt-4o") is None
    assert own.price_history("gpt-4o") == ()
    assert all(score.model != "gpt-4o" for score in own.scores.values())


def test_an_own_model_by_alias(layered: Layered, at: date) -> None:
    sections = {
        "models": {"acme-7b": {**MODEL, "aliases": ["acme"], "licence": "mit", "params_b": 7, "context_tokens": 4096}},
        "prices": {"acme": {**PRICE, "model": "acme", "option": "open_api"}},
    }
    own = layered(sections)
    price = own.price("acme", "open_api", at)
    assert price is not None
    assert price.model == "acme-7b"


def test_prices_have_a_history(layered: Layered, catalog: Catalog) -> None:
    def source(day: date) -> str | None:
        price = catalog.price("gpt-4o", "proprietary_api", day)
        return price.source if price else None

    assert [source(date(2024, 12, 14)), source(date(2024, 12, 15)), source(date(2025, 7, 1))] == [None, "s2", "s0"]
    assert source(date(2026, 1, 1)) == "s1"
    assert [each.source for each in catalog.price_history("gpt-4o")] == ["s2", "s0", "s1"]
    bounded = layered({"prices": {"own": {**PRICE, "valid_from": "2026-02-01", "valid_to": "2026-02-28"}}})
    days = [date(2026, 1, 31), date(2026, 2, 1), date(2026, 2, 28), date(2026, 3, 1)]
    found = [bounded.price("gpt-4o", "proprietary_api", day) for day in days]
    assert [price.key for price in found if price] == ["gpt-4o.s1", "own", "own", "gpt-4o.s1"]


def test_a_providers_own_price_comes_before_one_without_a_provider(layered: Layered, at: date) -> None:
    host = {
        "title": "Host",
        "options": ["proprietary_api"],
        "serves": ["gpt-4o"],
        "source": "us",
        "as_of": "2026-01-01",
    }
    own = layered({"providers": {"host": host}, "prices": {"own": {**PRICE, "provider": "host"}}})
    assert own.price("gpt-4o", "proprietary_api", at, "host").key == "own"  # type: ignore[union-attr]
    assert own.price("gpt-4o", "proprietary_api", at, "openai").key == "gpt-4o.s1"  # type: ignore[union-attr]
    assert own.price("gpt-4o", "proprietary_api", at).key == "gpt-4o.s1"  # type: ignore[union-attr]


def test_a_closed_models_price_without_a_provider_is_its_vendors(layered: Layered, at: date) -> None:
    """So the newest counts, or the later layer's, whichever of them names the vendor; and one price for all who ask."""
    host = {
        "title": "Host",
        "options": ["proprietary_api"],
        "serves": ["gpt-4o"],
        "source": "us",
        "as_of": "2026-01-01",
    }
    named = {**PRICE, "provider": "openai", "blended": 2.0, "as_of": "2026-02-01"}
    for layers, counts in (
        (({"prices": {"named": named}},), "named"),
        (({"prices": {"named": named, "newer": {**PRICE, "as_of": "2026-03-01"}}},), "newer"),
        (({"prices": {"named": named}}, {"prices": {"later": PRICE}}), "later"),
    ):
        catalog = layered({"providers": {"host": host}}, *layers)
        for provider in ("openai", None, "host"):
            found = catalog.price("gpt-4o", "proprietary_api", at, provider)
            assert found is not None
            assert found.key == counts


def test_of_prices_by_region_the_dearest_counts(layered: Layered, at: date) -> None:
    older = {**PRICE, "region": "eu", "blended": 3.0, "as_of": "2026-02-01"}
    newer = {**PRICE, "region": "us", "blended": 2.0, "as_of": "2026-03-01"}
    both = layered(
        {"prices": {"older": older, "newer": newer, "ended": {**older, "blended": 9.0, "as_of": "2026-01-15"}}}
    )
    found = both.price("gpt-4o", "proprietary_api", at)
    assert found is not None
    assert (found.key, found.region) == ("older", "eu")
    assert both.price("gpt-4o", "proprietary_api", date(2026, 2, 1)).key == "older"  # type: ignore[union-attr]
    with pytest.raises(CatalogError, match="`region` names `atlantis`"):
        layered({"prices": {"x": {**PRICE, "region": "atlantis"}}})
    alias = layered({"prices": {"x": {**PRICE, "region": "gb"}}}).prices["x"]
    assert alias.region == "uk"


def test_the_digest_is_of_the_entries_in_force_alone(
    files: dict[str, Any], catalog: Catalog, layered: Layered, parameters: dict[str, Any]
) -> None:
    backwards = {name: files[name] for name in reversed(list(files))}
    assert build_catalog([("another", backwards)], parameters).digest == catalog.digest
    assert build_catalog([("shipped", files), ("empty", {})], parameters).digest == catalog.digest
    as_text = {"models": {"gpt-4o": {**files["models"]["models"]["gpt-4o"], "as_of": "2026-11-22"}}}
    assert layered(as_text).digest == catalog.digest
    assert layered({"prices": {"own": PRICE}}).digest != catalog.digest
    assert catalog.digest.startswith("sha256:")
    assert len(catalog.digest) == 71


def test_as_of_is_the_newest_day(catalog: Catalog, layered: Layered) -> None:
    assert catalog.as_of == date(2026, 11, 28)
    assert layered({"prices": {"own": {**PRICE, "as_of": "2027-01-01"}}}).as_of == date(2027, 1, 1)


def test_stale_after_the_parameter(catalog: Catalog) -> None:
    entry = catalog.prices["gpt-4o.s1"]
    assert not catalog.is_stale(entry, date(2027, 1, 1))
    assert catalog.is_stale(entry, date(2027, 1, 2))


@pytest.mark.parametrize(
    ("allowed", "region", "inside"),
    [
        (["eu"], "eu", True),
        (["eu"], "eu-central-1", True),
        (["eu"], "de", True),
        (["de"], "eu", False),
        (["eu"], "eu-west-2", False),
        (["uk"], "eu-west-2", True),
        (["gb"], "eu-west-2", True),
        (["ch"], "eu-central-2", True),
        (["eu", "us"], "us-east-1", True),
        (["world"], "ap-southeast-1", True),
        (["anywhere"], "mars", True),
        (["eu"], "mars", None),
        (["mars"], "de", None),
        (["mars", "eu"], "de", True),
        (["mars"], "mars", None),
        (None, "eu", None),
        (["eu"], None, None),
    ],
)
def test_regions(catalog: Catalog, allowed: list[str] | None, region: str | None, inside: bool | None) -> None:
    assert catalog.regions.contains(allowed, region) is inside


def test_sides_of_disputes(catalog: Catalog, at: date) -> None:
    assert catalog.other_sides("DISPUTE-01", at) == ("s0",)
    assert catalog.other_sides("DISPUTE-02", at) == ("s0",)
    assert catalog.other_sides("DISPUTE-05", at) == ("s2-cost",)
    assert catalog.other_sides("DISPUTE-09", at) == ("s2",)
    assert catalog.other_sides("DISPUTE-11", at) == ("s0", "s3")
    assert catalog.other_sides("DISPUTE-14", at) == ("s2",)
    other = catalog.with_figures("DISPUTE-01", "s0")
    assert other is catalog.with_figures("DISPUTE-01", "s0")
    price = other.price("gpt-4o", "proprietary_api", at)
    assert price is not None
    assert (price.source, other.digest) == ("s0", catalog.digest)
    assert other.other_sides("DISPUTE-01", at) == ("s1",)
    score = catalog.with_figures("DISPUTE-09", "s2").score("llama-3-405b", "mmlu")
    assert score is not None
    assert score.score == 87.3
