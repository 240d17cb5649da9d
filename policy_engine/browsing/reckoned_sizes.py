"""What arithmetic says to a dispute about sizes: memory against hardware, models that are named, licences."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from policy_engine.browsing.contest import Contest
from policy_engine.browsing.reckoned import Reckoning, times
from policy_engine.catalog.entries import Gpu, HostingCost, Model, OwnershipCost
from policy_engine.catalog.needed import Load, fit, held
from policy_engine.catalog.sizing import QUANTIZATIONS, weight_bytes
from policy_engine.wording import listed, number

GB = 1e9
#: Without requests: weights, and what each device needs beside them.
_EMPTY = Load(0)
_SIZE = re.compile(r"-(\d+(?:\.\d+)?)b\b")
#: A name and a size that lie further apart than this part of it mean two models.
_NEAR = 0.1


def memory(contest: Contest) -> Iterator[Reckoning]:
    """Yield whether the weights of a model fit the devices that a figure names for it."""
    catalog = contest.catalog
    named: dict[tuple[str, str, int], list[str]] = {}
    priced: list[HostingCost | OwnershipCost] = [*contest.of(catalog.hosting_costs)]
    priced += contest.of(catalog.ownership_costs)
    for each in priced:
        if each.model is not None and each.gpu is not None:
            named.setdefault((each.model, each.gpu, each.count), []).append(each.key)
    for (model_name, gpu_name, count), keys in named.items():
        model, gpu = catalog.model(model_name), catalog.gpu(gpu_name)
        if model is not None and gpu is not None and model.parameters is not None:
            yield _fitting(contest, model, gpu, count, tuple(keys))
    for asked in contest.of(catalog.memory_requirements):
        model = catalog.model(asked.model)
        weights = weight_bytes(model, QUANTIZATIONS[0]) if model is not None else None
        if model is not None and weights is not None:
            more = " or more" if asked.at_least else ""
            said = (
                f"{asked.source} asks for {number(asked.memory_gb)} GB{more}; the weights of {model.key} alone take"
                f" {model.params_b:g} billion x 2 bytes = {weights / GB:,.1f} GB at {QUANTIZATIONS[0]}"
            )
            yield Reckoning(said, weights / GB, "GB", (asked.key, model.key))


def _fitting(contest: Contest, model: Model, gpu: Gpu, count: int, keys: tuple[str, ...]) -> Reckoning:
    answers = []
    for each in QUANTIZATIONS:
        weights = weight_bytes(model, each) or 0.0
        fits = fit(contest.catalog.rules, gpu, held(model, each, _EMPTY), count).fits
        answers.append(f"{weights / GB:,.1f} GB at {each} {'fits' if fits else 'does not fit'}")
    whole = (weight_bytes(model, QUANTIZATIONS[0]) or 0.0) / GB
    hold = gpu.memory_gb * count
    said = (
        f"{count:,} x {gpu.key} hold {count:,} x {gpu.memory_gb:g} = {number(hold)} GB; of the weights of {model.key}"
        f" {listed(answers)}, with what each GPU needs beside them"
    )
    return Reckoning(said, whole, "GB", (*keys, model.key, gpu.key), True)


def named_models(contest: Contest) -> Iterator[Reckoning]:
    """Yield how large the models are that routers name."""
    sizes: dict[str, float] = {}
    for route in contest.of(contest.catalog.routes):
        for name in route.models:
            model = contest.catalog.model(name)
            weights = weight_bytes(model, QUANTIZATIONS[0]) if model is not None else None
            if model is not None and weights is not None:
                sizes[model.key] = weights / GB
                said = (
                    f"{route.source} names {model.key}: {model.params_b:g} billion x 2 bytes = {weights / GB:,.1f} GB"
                )
                yield Reckoning(f"{said} at bf16", weights / GB, "GB", (route.key, model.key))
    if len({*sizes.values()}) > 1:
        low, high = min(sizes.values()), max(sizes.values())
        said = f"of the models that routers name: {high:,.1f} / {low:,.1f} GB = {times(high / low)} times"
        yield Reckoning(said, high / low, "times", tuple(sizes), True)


def licences(contest: Contest) -> Iterator[Reckoning]:
    """Yield what the licences of the open models of the catalog say of commercial use."""
    tagged = contest.of(contest.catalog.licences)
    if not tagged:
        return
    open_ = [each for each in contest.catalog.models.values() if each.weights == "open"]
    counts = Counter(contest.catalog.licence(each.key) or "not known" for each in open_)
    for verdict in ("allowed", "review", "forbidden", "not known"):
        number = counts[verdict]
        said = f"{number} of {len(open_)} open models: commercial use {verdict}"
        yield Reckoning(said, float(number), "models", tuple(each.key for each in tagged), verdict == "allowed")


def names(contest: Contest) -> Iterator[Reckoning]:
    """Yield whether the catalog has a model of the size that a disputed name says."""
    for model in contest.of(contest.catalog.models):
        found = _SIZE.search(model.key)
        if found is None or model.params_b is not None:
            continue
        said, family = float(found[1]), model.key.split("-", 1)[0]
        known = sorted(
            (each.params_b, each.key)
            for each in contest.catalog.models.values()
            if each.params_b is not None and each.key.split("-", 1)[0] == family
        )
        if known:
            near = [name for size, name in known if abs(size - said) <= _NEAR * said]
            sizes = listed([f"{size:g}" for size, _ in known])
            says = f"which is that of {', '.join(near)}" if near else "and none within a tenth of that"
            yield Reckoning(
                f"{model.key}: the name says {said:g} billion parameters; the catalog knows {family} of"
                f" {sizes} billion, {says}",
                said,
                "billion parameters",
                (model.key, *(name for _, name in known)),
                True,
            )
