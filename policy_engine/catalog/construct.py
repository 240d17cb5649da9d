"""Make frozen entries out of fields that were read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from policy_engine.catalog import entries
from policy_engine.catalog.fields import Sourced, WrongValueError
from policy_engine.catalog.layers import RawEntry

Values = dict[str, Any]
_SOURCED = ("licence", "modalities", "context_tokens", "params_b", "active_b", "kv_bytes_per_token", "retires_on")


def _stated(make: Callable[..., Any]) -> Callable[[RawEntry, Values], Any]:
    def construct(raw: RawEntry, values: Values) -> Any:
        values["side"] = values["side"] or values["source"]
        starts = values["valid_from"] or values["as_of"]
        if values["valid_to"] is not None and values["valid_to"] < starts:
            raise WrongValueError("`valid_to` lies before the day on which the entry starts to count")
        return make(key=raw.key, layer=raw.layer, rank=raw.rank, **values)

    return construct


def _price(raw: RawEntry, values: Values) -> entries.Price:
    del values["unit"]
    ins, out, blended = values.pop("input"), values.pop("output"), values.pop("blended")
    if (blended is None) == (ins is None and out is None) or (ins is None) != (out is None):
        raise WrongValueError("takes either `input` and `output`, or `blended`")
    both = blended is not None
    made: entries.Price = _stated(entries.Price)(
        raw,
        {
            **values,
            "input_usd_per_million": blended if both else ins,
            "output_usd_per_million": blended if both else out,
            "blended": both,
        },
    )
    return made


def _hosting(raw: RawEntry, values: Values) -> entries.HostingCost:
    low, high = values.pop("usd")
    if values["gpu"] is not None and values["device"] is not None:
        raise WrongValueError("takes either `gpu` or `device`")
    made: entries.HostingCost = _stated(entries.HostingCost)(raw, {**values, "usd_low": low, "usd_high": high})
    return made


def _model(raw: RawEntry, values: Values) -> entries.Model:
    sources: dict[str, tuple[str, date]] = {}
    for name in _SOURCED:
        given: Sourced | None = values[name]
        values[name] = None if given is None else given.value
        if given is not None:
            sources[name] = (given.source or values["source"], given.as_of or values["as_of"])
    if values["weights"] == "closed" and values["licence"] is not None:
        raise WrongValueError("`licence` is that of open weights; a model with closed weights has none")
    if values["weights"] == "closed" and values["vendor"] is None:
        raise WrongValueError("`vendor` is missing: a model with closed weights is served by its vendor")
    if None not in (values["active_b"], values["params_b"]) and values["active_b"] > values["params_b"]:
        raise WrongValueError("`active_b` is above `params_b`")
    values["modalities"] = None if values["modalities"] is None else frozenset(values["modalities"])
    made: entries.Model = _stated(entries.Model)(raw, {**values, "sources": sources})
    return made


def _unstated(make: Callable[..., Any]) -> Callable[[RawEntry, Values], Any]:
    return lambda raw, values: make(key=raw.key, **values)


CONSTRUCTORS: dict[str, Callable[[RawEntry, Values], Any]] = {
    "models": _model,
    "prices": _price,
    "hosting_costs": _hosting,
    "ownership_costs": _stated(entries.OwnershipCost),
    "cost_examples": _stated(entries.CostExample),
    "benchmarks": _unstated(entries.Benchmark),
    "scores": _stated(entries.Score),
    "benchmark_leaders": _stated(entries.BenchmarkLeader),
    "speeds": _stated(entries.Speed),
    "memory_requirements": _stated(entries.MemoryRequirement),
    "routes": _stated(entries.Route),
    "licences": _stated(entries.Licence),
    "gpus": _stated(entries.Gpu),
    "providers": _stated(entries.Provider),
    "regions": _unstated(entries.Region),
    "sources": _unstated(entries.Source),
    "disputes": _unstated(entries.Dispute),
}
