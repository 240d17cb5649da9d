"""The answer of `policy catalog size` as a value for programs: bytes, tokens a second, dollars; None is unknown."""

from __future__ import annotations

from typing import Any

from policy_engine.catalog.needed import Rent
from policy_engine.catalog.sizing import GIB
from policy_engine.cli.catalog_size_words import row_notes
from policy_engine.cli.catalog_sized import Asked, Row


def as_value(asked: Asked) -> dict[str, Any]:
    """Return the answer in bytes, tokens a second and dollars; None is unknown."""
    model, rules = asked.model, asked.catalog.rules
    return {
        "kind": "CatalogSize",
        "catalog": asked.catalog.digest,
        "day": asked.day.isoformat(),
        "model": {
            "name": model.key,
            "parameters": model.parameters,
            "active_parameters": model.active_parameters,
            "context_tokens": model.context_tokens,
            "kv_bytes_per_token": model.kv_bytes_per_token,
            "kv_upper_bound": model.kv_upper_bound,
        },
        "asked": {
            "quantizations": list(asked.quantizations),
            "context_tokens": asked.load.context_tokens,
            "concurrency": asked.load.concurrency,
            "gpu": asked.gpus[0].key if asked.named else None,
            "count": asked.count,
        },
        "overhead_bytes": rules.memory_overhead_gib * GIB,
        "collective_overhead_bytes": rules.collective_overhead_gib * GIB,
        "memory_utilisation": rules.memory_utilisation,
        "memory": [
            {"quantization": each.quantization, "weights_bytes": each.weights, "cache_bytes": each.cache}
            for each in asked.held
        ],
        "sizes": [_row_value(asked, row) for row in asked.rows],
        "notes": asked.notes,
    }


def _row_value(asked: Asked, row: Row) -> dict[str, Any]:
    found, speed, cost = row.fit, row.rates, row.rent
    low, high = (speed.reached_all if speed else None) or (None, None)
    known = found.weights_each is not None
    needed = (found.weights_each or 0.0) + (found.cache_each or 0.0) + found.overhead_each
    return {
        "gpu": found.gpu.key,
        "quantization": found.held.quantization,
        "devices_for_memory": found.needed,
        "devices": found.devices,
        "at_least": found.at_least,
        "at_most": found.at_most,
        "fits": found.fits,
        "weights_bytes_per_device": found.weights_each,
        "cache_bytes_per_device": found.cache_each,
        "overhead_bytes_per_device": found.overhead_each,
        "needed_bytes_per_device": needed if known else None,
        "usable_bytes_per_device": found.usable_each,
        "memory_bytes_per_device": found.card_each,
        "left_bytes": found.left,
        "requests_that_fit": found.requests_that_fit,
        "decode_ceiling_tokens_per_s": speed.decode_each if speed else None,
        "decode_ceiling_all_tokens_per_s": speed.decode_all if speed else None,
        "decode_reached_all_low_tokens_per_s": low,
        "decode_reached_all_high_tokens_per_s": high,
        "prefill_ceiling_tokens_per_s": speed.prefill if speed else None,
        **_rent_value(cost),
        "notes": row_notes(asked.model, found),
    }


def _rent_value(rent: Rent | None) -> dict[str, Any]:
    month = rent.usd_per_month if rent else (None, None)
    return {
        "usd_per_hour_low": rent.usd_per_hour_low if rent else None,
        "usd_per_hour_high": rent.usd_per_hour_high if rent else None,
        "usd_per_month_low": month[0],
        "usd_per_month_high": month[1],
        "usd_at_least": rent.figure.at_least if rent else None,
        "usd_figure": rent.figure.key if rent else None,
        "usd_source": rent.figure.source if rent else None,
        "usd_as_of": rent.figure.as_of.isoformat() if rent else None,
        "usd_stale": rent.stale if rent else None,
    }
