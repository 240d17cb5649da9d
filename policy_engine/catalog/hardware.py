"""Judge hardware claims by arithmetic and by published figures; no device is asked.

    1. a claim above the published figure of the named device is contradicted
    2. weights, cache and overhead have to fit the memory
    3. a claimed rate may not exceed what bandwidth and arithmetic allow

INVARIANT: taking knowledge away never turns `contradicted` into `holds`. So every bound is drawn from what is known
alone, and a claim holds only where nothing that it says is unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from policy_engine.catalog.boxes import Box, box_of
from policy_engine.catalog.catalog import Catalog
from policy_engine.catalog.claims import HardwareClaim, ServesClaim
from policy_engine.catalog.cost import SELF_RUN
from policy_engine.catalog.entries import Model
from policy_engine.catalog.roofline import judge_rate
from policy_engine.catalog.rules import Rules
from policy_engine.catalog.sizing import (
    GIB,
    QUANTIZATIONS,
    kv_bytes,
    least_kv_bytes,
    overhead_bytes,
    weight_bytes,
)
from policy_engine.catalog.verdicts import Number, Verdict, worst

_IN_FLIGHT = (
    "hardware.serves.model",
    "hardware.serves.concurrency",
    "hardware.serves.input_tokens",
    "hardware.serves.output_tokens",
    "task.context_tokens",
)


class Flight(Struct, frozen=True, gc=False):
    """Tokens that are held at once: a lower bound, and which facts would make it exact."""

    tokens: float
    missing: tuple[str, ...]


class Served(Struct, frozen=True):
    """What is said of the model that the hardware is said to serve: whether it fits, and its rate."""

    model: str
    quantization: str | None
    flight: Flight
    memory: Verdict
    rate: Verdict

    def covers(self, model: Model, quantization: str | None, context_tokens: int | None) -> bool:
        """Tell whether it says all of the same model at the same precision with requests of up to `context_tokens`."""
        if model.key != self.model or quantization is None or quantization != self.quantization:
            return False
        return context_tokens is not None and context_tokens <= self.flight.tokens


def judge_serving(
    catalog: Catalog, claim: HardwareClaim, model: str | None, quantization: str | None, context_tokens: int | None
) -> Verdict:
    """Judge whether the claimed hardware can hold and serve `model`.

    Where the claim has no `serves`, or is of another model, weights and overhead alone are judged. Otherwise its
    requests have to fit as well, and one of `context_tokens`; what it leaves open leaves the verdict open, and where
    it names no model, that is all it does.
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
        numbers = [number for each in box.findings if each.verdict == "contradicted" for number in each.numbers]
        return Verdict("contradicted", "; ".join(box.excess), tuple(numbers))
    found = catalog.model(model)
    if found is None:
        return unknown_model(model, "proposal.model")
    if is_closed(found):
        return _closed(found)
    known = served_of(catalog, claim)
    if known is not None and known.covers(found, quantization, context_tokens):
        return worst((known.memory, known.rate))
    flight = flight_of(catalog, claim, found, context_tokens)
    verdicts = [_memory(catalog.rules, box, found, quantization, flight, "proposal.quantization")]
    serves = claim.serves
    # of a model that is not named nothing else is held against the proposed one: it may be another
    if serves is not None and known is not None and known.model == found.key:
        if serves.quantization != quantization or serves.quantization is None:
            where = "hardware.serves.quantization"
            verdicts.append(_memory(catalog.rules, box, found, serves.quantization, flight, where))
        verdicts += [judge_rate(box, found, serves), *_window(found, serves)]
    return worst(verdicts)


def unknown_model(model: str | None, where: str) -> Verdict:
    """Return what is said of a model that is not named (`where` names it), or that the catalog does not know."""
    if model is None:
        return Verdict(None, "the model is not known", (), (where,))
    return Verdict(None, f"the catalog does not know `{model}`", (), (f"catalog.models.{model}",))


def served_of(catalog: Catalog, claim: HardwareClaim) -> Served | None:
    """Judge what the hardware is said to serve; None where that is no model that the catalog knows. Remembered."""
    key = ("served", claim)
    found: Served | Literal[False] | None = catalog.remembered.get(key)
    if found is None:
        found = _served(catalog, claim) or False
        catalog.remember(key, found)
    return found or None


def _served(catalog: Catalog, claim: HardwareClaim) -> Served | None:
    serves = claim.serves
    model = catalog.model(serves.model) if serves is not None else None
    if serves is None or model is None:
        return None
    box, flight = box_of(catalog, claim), flight_of(catalog, claim, model, 0)
    if is_closed(model):
        return Served(model.key, serves.quantization, flight, _closed(model), _closed_rate(model))
    memory = _memory(catalog.rules, box, model, serves.quantization, flight, "hardware.serves.quantization")
    memory = worst([memory, *_window(model, serves)])
    return Served(model.key, serves.quantization, flight, memory, judge_rate(box, model, serves))


def is_closed(model: Model) -> bool:
    """Tell whether nobody but its vendor runs `model`: its weights are closed, and its entry names no such place."""
    return model.weights == "closed" and not (model.deployments and set(SELF_RUN) & set(model.deployments))


def _closed(model: Model) -> Verdict:
    return Verdict("contradicted", f"{model.key} runs on its vendor's hardware alone: its weights are closed")


def _closed_rate(model: Model) -> Verdict:
    """Return what is said of the rate and the price of a model that does not run here at all."""
    return Verdict(None, f"{model.key} does not run here: its weights are closed")


def _window(model: Model, serves: ServesClaim) -> list[Verdict]:
    """Return what is said of requests that are longer than `model` reads, if they are."""
    tokens, most = (serves.input_tokens or 0) + (serves.output_tokens or 0), model.context_tokens
    if most is None or tokens <= most:
        return []
    why = f"requests of {tokens:,} tokens are claimed, and {model.key} reads {most:,} at most"
    numbers = (Number("request", float(tokens), "tokens"), Number("window", float(most), "tokens"))
    return [Verdict("contradicted", why, numbers)]


def _of_model(catalog: Catalog, serves: ServesClaim | None, model: Model) -> ServesClaim | None:
    """Return what is said to be served where it may be `model`: one that the catalog does not know is another."""
    if serves is None or serves.model is None:
        return serves
    served = catalog.model(serves.model)
    return serves if served is not None and served.key == model.key else None


def flight_of(catalog: Catalog, claim: HardwareClaim, model: Model, context_tokens: int | None) -> Flight:
    """Return the tokens that are held at once, as far as the claim and the task tell."""
    serves = _of_model(catalog, claim.serves, model)
    if serves is None:
        return Flight(0.0, ())
    leaves = (serves.model, serves.concurrency, serves.input_tokens, serves.output_tokens, context_tokens)
    missing = tuple([name for name, value in zip(_IN_FLIGHT, leaves, strict=True) if value is None])
    if serves.model is None:
        return Flight(0.0, missing)
    requests = (serves.concurrency or 1) * ((serves.input_tokens or 0) + (serves.output_tokens or 0))
    return Flight(float(max(requests, context_tokens or 0)), missing)


def memory_fits(box: Box, model: Model, quantization: str, flight: Flight) -> bool | None:
    """Tell whether weights, cache and overhead fit: True only where nothing is missing and an even split does.

    Stacks that split every layer spread it evenly; some split by layers, and may give a larger card more of them.
    """
    weights = weight_bytes(model, quantization)
    if weights is None or box.room_bytes is None or box.most_bytes is None:
        return None
    if weights + least_kv_bytes(model, quantization, flight.tokens) > box.most_bytes:
        return False
    cache = kv_bytes(model, quantization, flight.tokens)
    if cache is None or weights + cache > box.room_bytes:
        return None
    return None if flight.missing or box.missing else True


def _memory(rules: Rules, box: Box, model: Model, quantization: str | None, flight: Flight, where: str) -> Verdict:
    tried: Sequence[str] = QUANTIZATIONS if quantization is None else (quantization,)
    answers = [memory_fits(box, model, each, flight) for each in tried]
    refuted = answers.count(False) == len(answers)
    at = tried[-1] if refuted else tried[0]
    weights = weight_bytes(model, at)
    if weights is None:
        why = f"the number of parameters of {model.key} is not known"
        return Verdict(None, why, (), (f"catalog.models.{model.key}.params_b",))
    said = f"{weights / 1e9:,.1f} GB of weights at {at}"
    numbers = [Number("weights", weights / 1e9, "GB")]
    cache = kv_bytes(model, at, flight.tokens)
    if flight.tokens and cache is not None and not (refuted and model.kv_upper_bound):
        most = "at most " if model.kv_upper_bound else ""
        said += f" and {most}{cache / 1e9:,.1f} GB of cache for {flight.tokens:,.0f} tokens"
        numbers += [Number("cache", cache / 1e9, "GB"), Number("tokens in flight", flight.tokens, "tokens")]
    if box.room_bytes is None:
        return Verdict(None, "the memory of the hardware is not known", tuple(numbers), box.missing)
    total, room = box.memory_bytes / GIB, box.room_bytes
    numbers += [
        Number("devices", box.devices, "devices"),
        Number("memory", total, "GiB"),
        Number("room", room / GIB, "GiB"),
    ]
    if refuted:
        held = weights + least_kv_bytes(model, at, flight.tokens)
        beside = _beside(rules, box) if held <= box.memory_bytes else ""
        why = f"{said} do not fit {total:,.1f} GiB{beside}{_better(box, model, flight)}"
        return Verdict("contradicted", why, tuple(numbers))
    missing = [*box.missing, *flight.missing]
    if quantization is None and not all(answers):
        missing.append(where)
    bounded = any(_cache_decides(box, model, each, flight) for each in tried)
    if bounded or (flight.tokens and model.kv_bytes_per_token is None):
        missing.append(f"catalog.models.{model.key}.kv_bytes_per_token")
    uneven = weights + (cache or 0.0) > room
    if uneven and not missing:
        why = f"{said} fit {total:,.1f} GiB only by an uneven split: spread evenly, these cards hold {room / GIB:,.1f}"
        return Verdict(None, why, tuple(numbers))
    if missing:
        unknown = "how much less the cache takes" if len(missing) == 1 and bounded else "part of the claim"
        why = f"{said} may fit {total:,.1f} GiB, but {unknown} is not known"
        return Verdict(None, why, tuple(numbers), tuple(missing))
    left = (room - weights - (cache or 0.0)) / GIB
    numbers.append(Number("left for the cache", left, "GiB"))
    said += f" fit {total:,.1f} GiB"
    return Verdict(
        "holds", said if flight.tokens else f"{said}; {left:,.1f} GiB are left for the cache", tuple(numbers)
    )


def _beside(rules: Rules, box: Box) -> str:
    """Say what else takes memory, for what would fit if nothing did."""
    each, part = overhead_bytes(rules, box.devices) / GIB, rules.memory_utilisation
    return f", of which {part:.0%} may be used and each device needs {each:.1f} GiB besides"


def _cache_decides(box: Box, model: Model, quantization: str, flight: Flight) -> bool:
    """Tell whether it is open how much less than its bound the cache takes, and that decides."""
    weights, cache = weight_bytes(model, quantization), kv_bytes(model, quantization, flight.tokens)
    if not model.kv_upper_bound or weights is None or cache is None or box.room_bytes is None:
        return False
    return weights <= box.room_bytes < weights + cache


def _better(box: Box, model: Model, flight: Flight) -> str:
    held = Flight(flight.tokens, ())
    works = [each for each in QUANTIZATIONS if memory_fits(box, model, each, held) is not False]
    return f"; it fits at {' or '.join(works)}" if works else ""
