"""Which models of the catalog meet a filter: yes, no, or not known, by the checks that decisions are made by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date

from msgspec import Struct

from policy_engine.catalog.candidates import Candidate, candidate, meant_for
from policy_engine.catalog.catalog import Catalog
from policy_engine.catalog.entries import Gpu, Model
from policy_engine.catalog.needed import Load, fit, held
from policy_engine.catalog.needs import Needs
from policy_engine.catalog.qualify import CHECKS, Reason, context_text
from policy_engine.model.vocabulary import OPTIONS

#: What an open licence lets a business do: use the model, as it is or under terms that somebody reads first.
OPEN_LICENCE = ("allowed", "review")
_LICENCE_SAYS = {
    "allowed": "its licence {} allows commercial use",
    "review": "its licence {} takes a review before commercial use",
    "forbidden": "its licence {} forbids commercial use",
    "proprietary": "its use goes by a contract with its vendor",
}


class Fitting(Struct, frozen=True):
    """Devices that a model should fit, at one of `quantizations`, the most precise first, under `load`."""

    gpu: Gpu
    count: int
    quantizations: tuple[str, ...]
    load: Load

    @property
    def text(self) -> str:
        return f"{self.count:,} x {self.gpu.key}"


class Filters(Struct, frozen=True):
    """What a model should meet, all of it; None, and nothing, asks for nothing. Scores in their benchmarks' units."""

    weights: str | None = None
    open_licence: bool = False
    commercial: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()
    context_tokens: int | None = None
    min_scores: Mapping[str, float] = {}
    fitting: Fitting | None = None
    option: str | None = None


class Judged(Struct, frozen=True):
    """A model and whether it meets the filters; `missing` names what the catalog would have to know.

    `fits_at` is the most precise quantization at which it surely fits the devices that were asked for.
    """

    model: Model
    meets: bool | None
    reasons: tuple[str, ...]
    missing: tuple[str, ...]
    fits_at: str | None = None


def judge(catalog: Catalog, model: Model, filters: Filters, at: date) -> Judged:
    """Return whether `model` meets `filters`; of what surely rules it out, only that is said."""
    fits_at, misfit = _fitting(catalog, model, filters.fitting) if filters.fitting else (None, None)
    reasons = [*_own_checks(catalog, model, filters), *_engine_checks(catalog, model, filters, at)]
    reasons += [misfit] if misfit else []
    sure = any(reason.sure for reason in reasons)
    kept = [reason for reason in reasons if reason.sure] if sure else reasons
    context = context_text(_needs(filters))
    return Judged(
        model,
        False if sure else (None if kept else True),
        tuple(reason.said(context) for reason in kept),
        tuple(dict.fromkeys(name for reason in kept for name in reason.missing)),
        fits_at,
    )


def _own_checks(catalog: Catalog, model: Model, filters: Filters) -> Iterator[Reason]:
    wanted = "open" if filters.open_licence else None
    if {wanted, filters.weights} - {None, model.weights}:
        yield Reason(True, f"its weights are {model.weights}")
    for verdicts in ((OPEN_LICENCE if filters.open_licence else ()), filters.commercial):
        if verdicts:
            yield from _licence(catalog, model, verdicts)


def _licence(catalog: Catalog, model: Model, verdicts: tuple[str, ...]) -> Iterator[Reason]:
    verdict = catalog.licence(model.key)
    if verdict is None:
        yield Reason(False, "its licence is not known", (f"catalog.models.{model.key}.licence",))
    elif verdict not in verdicts:
        yield Reason(True, _LICENCE_SAYS[verdict].format(model.licence))


def _engine_checks(catalog: Catalog, model: Model, filters: Filters, at: date) -> Iterator[Reason]:
    names = {
        "option": filters.option is not None,
        "modalities": bool(filters.modalities),
        "context": filters.context_tokens is not None,
        "floors": bool(filters.min_scores),
    }
    needs, asked = _needs(filters), _candidate(catalog, model, filters.option, at)
    for name, wanted in names.items():
        if wanted:
            yield from CHECKS[name](catalog, asked, needs)


def _candidate(catalog: Catalog, model: Model, option: str | None, at: date) -> Candidate:
    """Return `model` on the option that is asked for, else on one that it is meant for: no other check reads it."""
    meant = (each for each in OPTIONS if meant_for(catalog, model, each))
    return candidate(catalog, model, option or next(meant, OPTIONS[0]), at)


def _needs(filters: Filters) -> Needs:
    return Needs(
        kind="classification",
        complexity=None,
        quality="sufficient",
        modalities=filters.modalities,
        context_tokens=filters.context_tokens,
        min_scores=filters.min_scores,
        commercial_use=None,
        residency=None,
        edge_wanted=None,
        input_tokens_per_month=None,
        output_tokens_per_month=None,
        hardware=None,
        routed=False,
    )


def _fitting(catalog: Catalog, model: Model, asked: Fitting) -> tuple[str | None, Reason | None]:
    """Return the most precise quantization at which `model` surely fits, or why none is known to."""
    if model.weights == "closed":
        return None, Reason(True, "its weights are closed: it runs on its vendor's hardware alone")
    answers = {
        each: fit(catalog.rules, asked.gpu, held(model, each, asked.load), asked.count).fits
        for each in asked.quantizations
    }
    for quantization, answer in answers.items():
        if answer:
            return quantization, None
    if all(answer is False for answer in answers.values()):
        return None, Reason(True, f"does not fit {asked.text} at {asked.quantizations[-1]}")
    fields = ("params_b", "kv_bytes_per_token") if asked.load.context_tokens else ("params_b",)
    gaps = [f"catalog.models.{model.key}.{each}" for each in fields if getattr(model, each) is None]
    if model.kv_upper_bound and asked.load.context_tokens:
        gaps.append(f"catalog.models.{model.key}.kv_bytes_per_token")
    return None, Reason(False, f"whether it fits {asked.text} is not known", tuple(gaps))
