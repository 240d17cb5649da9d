"""The answer of `policy catalog show` as a value for programs: dollars, tokens, bytes; None is unknown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policy_engine.browsing.sheet import Offerings, Sheet
from policy_engine.browsing.standings import Standing, is_old
from policy_engine.browsing.stated import document, figure_value
from policy_engine.catalog.entries import Entry, Price

_FIELDS = ("licence", "modalities", "context_tokens", "params_b", "active_b", "kv_bytes_per_token", "retires_on")


def as_value(sheet: Sheet) -> dict[str, Any]:
    """Return everything of the model; every figure names its source, its day and its layer."""
    catalog = sheet.catalog
    return document(
        "CatalogModel",
        catalog,
        sheet.day,
        model=_model(sheet),
        options=[_option(sheet, each) for each in sheet.offerings],
        prices=[
            {"option": option, "provider": provider, "history": [_price(sheet, each) for each in found]}
            for (option, provider), found in sheet.prices.items()
        ],
        benchmarks=[
            {
                "benchmark": name,
                "title": catalog.benchmarks[name].title,
                "unit": catalog.benchmarks[name].unit,
                "scores": [{"score": each.figure.score, **_standing(sheet, each)} for each in found],
            }
            for name, found in sheet.scores.items()
        ],
        memory=[
            {
                "quantization": each.quantization,
                "weights_bytes": each.weights,
                "cache_bytes_per_token": each.cache_of_token,
            }
            for each in sheet.memory
        ],
        hosting=[{**_plain(each.figure), **_standing(sheet, each)} for each in sheet.hosting],
        ownership=_all(sheet, catalog.ownership_costs),
        memory_requirements=_all(sheet, catalog.memory_requirements),
        speeds=_all(sheet, catalog.speeds),
        cost_examples=_all(sheet, catalog.cost_examples),
        routes=[{**_plain(each), **figure_value(catalog, each, sheet.day)} for each in sheet.routes],
        disputes=list(sheet.disputes),
    )


def _model(sheet: Sheet) -> dict[str, Any]:
    model, licence = sheet.model, sheet.licence
    return {
        "name": model.key,
        "aliases": list(model.aliases),
        "weights": model.weights,
        "vendor": model.vendor,
        "licence": model.licence,
        "commercial_use": sheet.catalog.licence(model.key),
        "licence_terms": licence.terms if licence else None,
        "licence_stated": figure_value(sheet.catalog, licence, sheet.day) if licence else None,
        "modalities": None if model.modalities is None else sorted(model.modalities),
        "context_tokens": model.context_tokens,
        "parameters": model.parameters,
        "active_parameters": model.active_parameters,
        "kv_bytes_per_token": model.kv_bytes_per_token,
        "kv_upper_bound": model.kv_upper_bound,
        "architecture": None if model.architecture is None else dict(model.architecture),
        "retires_on": None if model.retires_on is None else model.retires_on.isoformat(),
        "retired": sheet.retired,
        "stated": {name: _stated(sheet, name) for name in _FIELDS if name in model.sources},
        **figure_value(sheet.catalog, model, sheet.day),
    }


def _stated(sheet: Sheet, name: str) -> dict[str, Any]:
    source, day = sheet.model.sources[name]
    return {"source": source, "as_of": day.isoformat(), "stale": is_old(sheet.catalog, day, sheet.day)}


def _option(sheet: Sheet, each: Offerings) -> dict[str, Any]:
    found = each.offered
    plan, price = found.plan, found.price
    return {
        "option": found.option,
        "can_run": found.meant,
        "providers": list(each.providers),
        "input_usd_per_million_tokens": price.input_usd_per_million if price else None,
        "output_usd_per_million_tokens": price.output_usd_per_million if price else None,
        "usd_per_month_at_least": plan.usd_low if plan else None,
        "usd_per_month_middle": plan.usd if plan else None,
        "usd_per_month_high": plan.usd_high if plan else None,
        "on": plan.what if plan else None,
        "figure": price.key if price else (plan.figure.key if plan and plan.figure else None),
    }


def _price(sheet: Sheet, each: Standing[Price]) -> dict[str, Any]:
    return {
        "provider": each.figure.provider,
        "region": each.figure.region,
        "input_usd_per_million_tokens": each.figure.input_usd_per_million,
        "output_usd_per_million_tokens": each.figure.output_usd_per_million,
        "blended": each.figure.blended,
        **_standing(sheet, each),
    }


def _standing(sheet: Sheet, each: Standing[Any]) -> dict[str, Any]:
    return {**figure_value(sheet.catalog, each.figure, sheet.day), "standing": each.state, "why": each.why}


def _all(sheet: Sheet, section: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{**_plain(each), **figure_value(sheet.catalog, each, sheet.day)} for each in sheet.of(section)]


def _plain(figure: Entry) -> dict[str, Any]:
    """Return the fields of an entry that `figure_value` leaves out."""
    own = [name for name in figure.__struct_fields__ if name not in Entry.__struct_fields__]
    return {name: list(value) if isinstance(value := getattr(figure, name), tuple) else value for name in own}
