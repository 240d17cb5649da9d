"""Questions to the catalog as people ask them, checked: what `policy catalog list`, `compare` and `disputes` take."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from policy_engine.browsing.named import MOST, QUANTIZATIONS, known, named_gpu, named_model
from policy_engine.errors import Problem, UsageError

if TYPE_CHECKING:
    from policy_engine.browsing.cells import Device
    from policy_engine.browsing.compare_value import Compared
    from policy_engine.browsing.contest import Contest
    from policy_engine.browsing.filters import Fitting
    from policy_engine.browsing.list_value import Shown
    from policy_engine.catalog import Catalog
    from policy_engine.catalog.entries import Model
    from policy_engine.loading.policy import Policy

#: As `catalog.sections.MODALITIES` and `browsing.listing.SORTS`, which are not loaded for a help text.
MODALITIES = ("text", "vision", "audio", "tool_use")
SORTS = ("name", "price", "size", "context")
COMMERCIAL = ("allowed", "review", "forbidden", "proprietary")
#: Of a number of devices: more digits than any has.
_DIGITS = 12


def models_asked(
    catalog: Catalog,
    day: date,
    *,
    open_licence: bool = False,
    weights: str | None = None,
    commercial: Sequence[str] = (),
    modalities: Sequence[str] = (),
    context: int | None = None,
    floors: Sequence[str] = (),
    option: str | None = None,
    fits: str | None = None,
    quantization: str | None = None,
    concurrency: int | None = None,
    sort: str = "name",
    known_only: bool = False,
) -> Shown:
    """Return the models that every filter selects, with the question; the names are those of `policy catalog list`.

    Raises:
        UsageError: a filter is wrong, or names what the catalog has not.
    """
    from policy_engine.browsing.filters import Filters
    from policy_engine.browsing.list_value import Shown
    from policy_engine.browsing.listing import listing

    _check_sort(catalog, sort)
    filters = Filters(
        weights=weights,
        open_licence=open_licence,
        commercial=tuple(commercial),
        modalities=tuple(modalities),
        context_tokens=context,
        min_scores=_floors(catalog, floors),
        fitting=_fitting(catalog, fits, quantization, context, concurrency),
        option=option,
    )
    return Shown(catalog, filters, listing(catalog, filters, sort, day), sort, known_only, day)


def models_compared(
    catalog: Catalog,
    day: date,
    names: Sequence[str],
    *,
    open_against_closed: bool = False,
    gpu: str | None = None,
    count: int | None = None,
    quantization: str | None = None,
    context: int | None = None,
) -> Compared:
    """Return models side by side; the names are those of `policy catalog compare`.

    Raises:
        UsageError: fewer than two are named, or what the catalog has not.
    """
    from policy_engine.browsing.compare_value import Compared
    from policy_engine.browsing.fields import field_lines
    from policy_engine.browsing.side_by_side import SideBySide

    if len(names) < 2 and not (open_against_closed and not names):
        message = "two models or more are compared"
        hint = "name another one, or ask for the two fields with --open-against-closed alone"
        raise UsageError(Problem("usage", message, help=hint))
    device = _device(catalog, gpu, count, quantization, context)
    side_by_side = SideBySide(catalog, _models(catalog, names), day, device)
    return Compared(side_by_side, field_lines(catalog, day) if open_against_closed else ())


def disputes_asked(policy: Policy, day: date, names: Sequence[str] = ()) -> list[Contest]:
    """Return the disputes that are named, by default all.

    Raises:
        UsageError: the register has none of that id.
    """
    from policy_engine.browsing.contest import Contest

    register = policy.rules.disputes
    chosen = [known(each, list(register), "dispute") for each in dict.fromkeys(names)] or sorted(register)
    return [Contest(policy.catalog, policy.rules, register[name], day) for name in chosen]


def _check_sort(catalog: Catalog, sort: str) -> None:
    head, _, benchmark = sort.partition(":")
    if head == "score" and benchmark:
        known(benchmark, list(catalog.benchmarks), "benchmark")
    elif sort not in SORTS:
        message = f"there is no order `{sort}`"
        raise UsageError(Problem("unknown-name", message, help=f"one of {', '.join(SORTS)}, or score:BENCHMARK"))


def _floors(catalog: Catalog, texts: Sequence[str]) -> dict[str, float]:
    """Return the floor of each benchmark: of several the highest, as all of them hold."""
    found: dict[str, float] = {}
    for name, floor in (_floor(catalog, text) for text in texts):
        found[name] = max(floor, found.get(name, floor))
    return found


def _floor(catalog: Catalog, text: str) -> tuple[str, float]:
    name, sign, value = text.partition("=")
    name = name.strip()
    try:
        floor = float(value)
    except ValueError:
        floor = math.nan
    if not sign or not math.isfinite(floor):
        message = f"`{text}` names no benchmark with a score"
        raise UsageError(Problem("usage", message, help="write --min-score mmlu=85"))
    return known(name, list(catalog.benchmarks), "benchmark"), floor


def _fitting(
    catalog: Catalog, fits: str | None, quantization: str | None, context: int | None, concurrency: int | None
) -> Fitting | None:
    from policy_engine.browsing.filters import Fitting
    from policy_engine.catalog.needed import Load

    if fits is None:
        if quantization is not None or concurrency is not None:
            message = "--quantization and --concurrency say how a model should fit, and nothing says what"
            raise UsageError(Problem("usage", message, help='name the devices: --fits "A100 80GB:2"'))
        return None
    name, count = fits, 1
    head, sign, tail = fits.rpartition(":")
    if sign and tail.isascii() and tail.isdigit() and catalog.gpu(fits) is None:
        name, count = head, int(tail[:_DIGITS])
        if not 1 <= count <= MOST:
            raise UsageError(Problem("usage", f"`{fits}` is no number of devices", help="write GPU:COUNT, from 1 on"))
    if context is None and concurrency is not None:
        message = "--concurrency says how many requests are held, and nothing says how long they are"
        raise UsageError(Problem("usage", message, help="say how long with --context TOKENS"))
    quantizations = QUANTIZATIONS if quantization is None else (quantization,)
    # without a length the cache is left out, which the answer says
    return Fitting(named_gpu(catalog, name), count, quantizations, Load(context or 0, concurrency or 1))


def _models(catalog: Catalog, names: Sequence[str]) -> tuple[Model, ...]:
    found: dict[str, str] = {}
    for name in names:
        key = named_model(catalog, name).key
        if key in found:
            message = f"`{found[key]}` and `{name}` are one model"
            raise UsageError(Problem("usage", message, help="name each model once"))
        found[key] = name
    return tuple(catalog.models[key] for key in found)


def _device(
    catalog: Catalog, gpu: str | None, count: int | None, quantization: str | None, context: int | None
) -> Device | None:
    from policy_engine.browsing.cells import Device
    from policy_engine.catalog.needed import Load

    if gpu is None:
        if count is not None or quantization is not None or context is not None:
            message = "--count, --quantization and --context are those of a GPU, and none is named"
            raise UsageError(Problem("usage", message, help="name it with --gpu"))
        return None
    return Device(named_gpu(catalog, gpu), count, quantization or "bf16", Load(context))
