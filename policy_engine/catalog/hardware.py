"""Judge hardware claims by arithmetic and by published figures; no device is asked.

    1. a claim above the published figure of the named device is contradicted
    2. weights, cache and overhead have to fit the memory
    3. a claimed rate may not exceed what bandwidth and arithmetic allow

INVARIANT: taking knowledge away never turns `contradicted` into `holds`. So every bound is drawn from what is known
alone, and a claim holds only where nothing that it says is unknown.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from policy_engine.catalog.boxes import Box, box_of
from policy_engine.catalog.catalog import Catalog
from policy_engine.catalog.claims import HardwareClaim, ServesClaim
from policy_engine.catalog.entries import Model
from policy_engine.catalog.roofline import judge_rate
from policy_engine.catalog.sizing import (
    GIB,
    QUANTIZATIONS,
    fits,
    kv_bytes,
    room_bytes,
    weight_bytes,
)
from policy_engine.catalog.verdicts import Number, Verdict, worst


class Flight(Struct, frozen=True):
    """Tokens that are held at once: a lower bound, and which facts would make it exact."""

    tokens: float
    missing: tuple[str, ...]


def judge_serving(
    catalog: Catalog, claim: HardwareClaim, model: str | None, quantization: str | None, context_tokens: int | None
) -> Verdict:
    """Judge whether the claimed hardware can hold and serve `model`.

    Where the claim has no `serves`, or is of another model, weights and overhead alone are judged. Otherwise its
    requests have to fit as well, and one of `context_tokens`; what it leaves open leaves the verdict open.
    """
    key = ("serving", claim, model, quantization, context_tokens)
    verdict: Verdict | None = catalog.remembered.get(key)
    if verdict is None:
        verdict = _judge_serving(catalog, claim, model, quantization, context_tokens)
        catalog.remember(key, verdict)
    return verdict


def _judge_serving(
    catalog: Catalog, claim: HardwareClaim, model: str | None, quantization: str | None, context_tokens: int | None
) -> Verdict:
    box = box_of(catalog, claim)
    if box.excess:
        return Verdict("contradicted", "; ".join(box.excess))
    found = catalog.model(model)
    if found is None:
        missing = "proposal.model" if model is None else f"catalog.models.{model}"
        why = "the model is not known" if model is None else f"the catalog does not know `{model}`"
        return Verdict(None, why, (), (missing,))
    serves = _of_model(catalog, claim.serves, found)
    flight = flight_of(catalog, claim, found, context_tokens)
    verdicts = [_memory(catalog, box, found, quantization, flight, where="proposal.quantization")]
    if serves is not None:
        if serves.quantization != quantization or serves.quantization is None:
            where = "hardware.serves.quantization"
            verdicts.append(_memory(catalog, box, found, serves.quantization, flight, where=where))
        verdicts.append(judge_rate(catalog, box, found, serves))
    return worst(verdicts)


def judge_claim(catalog: Catalog, claim: HardwareClaim) -> Verdict:
    """Judge what is claimed of the hardware by itself: its figures, and the model that it is said to serve."""
    box = box_of(catalog, claim)
    if box.excess:
        return Verdict("contradicted", "; ".join(box.excess))
    if claim.serves is not None:
        return judge_serving(catalog, claim, claim.serves.model, claim.serves.quantization, 0)
    if box.missing:
        return Verdict(None, "part of the claim is not known", (), box.missing)
    if box.unspecified or box.tflops is None:
        names = ", ".join(f"`{name}`" for name in box.unspecified) or "the host"
        return Verdict(None, f"the catalog has no published figures of {names}")
    return Verdict("holds", "nothing claimed exceeds the published figures", _memory_numbers(box))


def _of_model(catalog: Catalog, serves: ServesClaim | None, model: Model) -> ServesClaim | None:
    """Return what is said to be served where it may be `model`."""
    if serves is None:
        return None
    served = catalog.model(serves.model)
    return None if served is not None and served.key != model.key else serves


def flight_of(catalog: Catalog, claim: HardwareClaim, model: Model, context_tokens: int | None) -> Flight:
    """Return the tokens that are held at once, as far as the claim and the task tell."""
    serves = _of_model(catalog, claim.serves, model)
    if serves is None:
        return Flight(0.0, ())
    leaves = {
        "hardware.serves.model": catalog.model(serves.model),
        "hardware.serves.concurrency": serves.concurrency,
        "hardware.serves.input_tokens": serves.input_tokens,
        "hardware.serves.output_tokens": serves.output_tokens,
        "task.context_tokens": context_tokens,
    }
    missing = tuple(name for name, value in leaves.items() if value is None)
    if serves.model is None or catalog.model(serves.model) is None:
        return Flight(0.0, missing)
    requests = (serves.concurrency or 1) * ((serves.input_tokens or 0) + (serves.output_tokens or 0))
    return Flight(float(max(requests, context_tokens or 0)), missing)


def memory_fits(catalog: Catalog, box: Box, model: Model, quantization: str, flight: Flight) -> bool | None:
    """Tell whether weights, cache and overhead fit; True only where nothing is missing."""
    weights = weight_bytes(model, quantization)
    if weights is None or box.cards is None:
        return None
    cache = kv_bytes(model, quantization, flight.tokens)
    if not fits(catalog.rules, weights + (cache or 0.0), box.cards):
        return False
    return None if cache is None or flight.missing or box.missing else True


def _memory(
    catalog: Catalog, box: Box, model: Model, quantization: str | None, flight: Flight, *, where: str
) -> Verdict:
    tried: Sequence[str] = QUANTIZATIONS if quantization is None else (quantization,)
    answers = [memory_fits(catalog, box, model, each, flight) for each in tried]
    at = tried[0] if not all(answer is False for answer in answers) else tried[-1]
    weights = weight_bytes(model, at)
    if weights is None:
        why = f"the number of parameters of {model.key} is not known"
        return Verdict(None, why, (), (f"catalog.models.{model.key}.params_b",))
    numbers = (
        *_memory_numbers(box),
        Number("weights", weights / 1e9, "GB"),
        Number("tokens in flight", flight.tokens, "tokens"),
    )
    said = f"{weights / 1e9:,.1f} GB of weights at {at}"
    if flight.tokens and model.kv_bytes_per_token is not None:
        cache_gb = (kv_bytes(model, at, flight.tokens) or 0.0) / 1e9
        said += f" and {cache_gb:,.1f} GB of cache for {flight.tokens:,.0f} tokens"
    if box.cards is None:
        return Verdict(None, "the memory of the hardware is not known", numbers, box.missing)
    total = box.memory_bytes / GIB
    if all(answer is False for answer in answers):
        return Verdict(
            "contradicted", f"{said} do not fit {total:,.1f} GiB{_better(catalog, box, model, flight)}", numbers
        )
    missing = [*box.missing, *flight.missing]
    if quantization is None and not all(answers):
        missing.append(where)
    if flight.tokens and model.kv_bytes_per_token is None:
        missing.append(f"catalog.models.{model.key}.kv_bytes_per_token")
    if missing:
        return Verdict(
            None, f"{said} may fit {total:,.1f} GiB, but part of the claim is not known", numbers, tuple(missing)
        )
    free = room_bytes(catalog.rules, box.cards) - weights
    room = f"; {free / GIB:,.1f} GiB are left for the cache" if not flight.tokens else ""
    return Verdict("holds", f"{said} fit {total:,.1f} GiB{room}", numbers)


def _better(catalog: Catalog, box: Box, model: Model, flight: Flight) -> str:
    held = Flight(flight.tokens, ())
    works = [each for each in QUANTIZATIONS if memory_fits(catalog, box, model, each, held) is not False]
    return f"; it fits at {' or '.join(works)}" if works else ""


def _memory_numbers(box: Box) -> tuple[Number, ...]:
    if box.cards is None:
        return ()
    return (Number("devices", box.devices, "devices"), Number("memory", box.memory_bytes / GIB, "GiB"))
