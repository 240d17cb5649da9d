"""The sections of the catalog's files: which fields an entry of each may have."""

from __future__ import annotations

from policy_engine.catalog.fields import (
    FieldSpec,
    amount_range,
    count,
    day,
    flag,
    mapping,
    number,
    one_of,
    positive,
    some_of,
    sourced,
    text,
    texts,
)
from policy_engine.model.vocabulary import OPTIONS

MODALITIES = ("text", "vision", "audio", "tool_use")
PRICE_UNIT = "USD/1M tokens"

_option = FieldSpec(one_of(*OPTIONS), required=True)
_text = FieldSpec(text)
_names = FieldSpec(texts, default=())
_name = FieldSpec(text, required=True)
_number = FieldSpec(number)
_weights = FieldSpec(one_of("open", "closed"), required=True)
_at_least = FieldSpec(flag, default=False)
_one_or_more = FieldSpec(count, default=1)

#: What every entry that states something may have.
STATED = {
    "source": _name,
    "as_of": FieldSpec(day, required=True),
    "side": _text,
    "valid_from": FieldSpec(day),
    "valid_to": FieldSpec(day),
    "disputes": _names,
    "criteria": _names,
    "note": _text,
}

SECTIONS: dict[str, dict[str, FieldSpec]] = {
    "models": {
        **STATED,
        "weights": _weights,
        "aliases": _names,
        "vendor": _text,
        "licence": FieldSpec(sourced(text)),
        "modalities": FieldSpec(sourced(some_of(*MODALITIES))),
        "context_tokens": FieldSpec(sourced(count)),
        "params_b": FieldSpec(sourced(positive)),
        "active_b": FieldSpec(sourced(positive)),
        "kv_bytes_per_token": FieldSpec(sourced(positive)),
        "kv_upper_bound": FieldSpec(flag, default=False),
        "architecture": FieldSpec(mapping),
        "deployments": FieldSpec(some_of(*OPTIONS)),
        "retires_on": FieldSpec(sourced(day)),
    },
    "prices": {
        **STATED,
        "model": _name,
        "option": _option,
        "provider": _text,
        "region": _text,
        "unit": FieldSpec(one_of(PRICE_UNIT), required=True),
        "input": _number,
        "output": _number,
        "blended": _number,
    },
    "hosting_costs": {
        **STATED,
        "model": _text,
        "gpu": _text,
        "device": _text,
        "count": _one_or_more,
        "per": FieldSpec(one_of("hour", "month"), required=True),
        "usd": FieldSpec(amount_range, required=True),
        "at_least": _at_least,
    },
    "ownership_costs": {
        **STATED,
        "model": _text,
        "gpu": _text,
        "device": _text,
        "count": _one_or_more,
        "usd": FieldSpec(number, required=True),
        "at_least": _at_least,
    },
    "cost_examples": {
        **STATED,
        "model": _name,
        "option": _option,
        "input_tokens": FieldSpec(count, required=True),
        "output_tokens": FieldSpec(count, required=True),
        "usd": FieldSpec(number, required=True),
    },
    "benchmarks": {"title": _name, "unit": _name},
    "scores": {**STATED, "model": _name, "benchmark": _name, "score": FieldSpec(number, required=True)},
    "benchmark_leaders": {
        **STATED,
        "benchmark": _name,
        "weights": _weights,
        "score": FieldSpec(number, required=True),
    },
    "speeds": {
        **STATED,
        "model": _text,
        "device": _name,
        "measure": FieldSpec(one_of("tokens_per_second", "tokens_per_hour", "reasoning_answer_seconds"), required=True),
        "value": FieldSpec(positive, required=True),
        "at_least": _at_least,
    },
    "memory_requirements": {
        **STATED,
        "model": _name,
        "memory_gb": FieldSpec(positive, required=True),
        "at_least": _at_least,
        "devices": _names,
    },
    "routes": {**STATED, "kinds": _names, "complexities": _names, "option": _option, "models": _names},
    "licences": {
        **STATED,
        "commercial": FieldSpec(one_of("allowed", "review", "forbidden"), required=True),
        "terms": _text,
    },
    "gpus": {
        **STATED,
        "aliases": _names,
        "memory_gb": FieldSpec(positive, required=True),
        "bandwidth_gb_s": FieldSpec(positive, required=True),
        "bf16_tflops": FieldSpec(positive),
        "fp16_tflops": FieldSpec(positive),
        "best_tflops": FieldSpec(positive),
        "watts": FieldSpec(positive),
    },
    "providers": {
        **STATED,
        "title": _text,
        "options": FieldSpec(some_of(*OPTIONS[:3]), required=True),
        "serves": FieldSpec(texts),
        "while_priced": FieldSpec(flag, default=False),
        "regions": FieldSpec(texts),
    },
    "regions": {"parent": _text, "title": _text, "aliases": _names},
    "sources": {"description": _name, "as_of": FieldSpec(day, required=True)},
    "disputes": {"about": _name, "sides": _name},
}
#: Sections that rules speak of as well: they stand in these files at a layer's root, and in no file of its catalog.
REGISTERS = {"sources": "sources.yaml", "disputes": "disputes.yaml"}
