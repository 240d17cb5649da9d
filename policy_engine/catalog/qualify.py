"""Whether a model meets a task's needs, in three values: yes, no, and not known.

Each check gives nothing where the need is met, or a reason: a sure one, that rules the model out, or one that names the
facts that would tell. INVARIANT: a check whose need is unknown gives a sure reason only where every value would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from msgspec import Struct

from policy_engine.catalog.boxes import box_of
from policy_engine.catalog.candidates import Candidate, Offer
from policy_engine.catalog.catalog import Catalog
from policy_engine.catalog.claims import HardwareClaim
from policy_engine.catalog.cost import SELF_RUN, Plan, claimed_plan
from policy_engine.catalog.hardware import flight_of, memory_fits
from policy_engine.catalog.needs import Needs
from policy_engine.catalog.regions import ANYWHERE
from policy_engine.catalog.sizing import QUANTIZATIONS

#: Stands for the task's context in the text of a reason, which is shared by tasks that differ in it alone.
CONTEXT = "{context}"


class Reason(Struct, frozen=True):
    """Why a model does not, or may not, meet the needs."""

    sure: bool
    text: str
    missing: tuple[str, ...] = ()

    def said(self, context: str) -> str:
        """Return the reason with the task's own numbers: see `context_text`."""
        return self.text.replace(CONTEXT, context)


class Rated(Struct, frozen=True):
    """A candidate with the verdict on it, and the offers and plans that remain.

    `texts` are the reasons in words where no number of the task stands in them.
    """

    candidate: Candidate
    qualifies: bool | None
    reasons: tuple[Reason, ...]
    offers: tuple[Offer, ...]
    plans: tuple[Plan, ...]
    quantization: str | None
    texts: tuple[str, ...] | None = None

    def said(self, context: str) -> list[str]:
        """Return the reasons with the task's own numbers: see `context_text`."""
        if self.texts is not None:
            return list(self.texts)
        return [reason.text.replace(CONTEXT, context) for reason in self.reasons]

    @property
    def name(self) -> str:
        return self.candidate.model.key


def context_text(needs: Needs) -> str:
    """Write the task's context as reasons name it."""
    return "unknown" if needs.context_tokens is None else f"{needs.context_tokens:,}"


def rate(catalog: Catalog, candidate: Candidate, needs: Needs) -> Rated:
    """Return the verdict on `candidate`."""
    offers, reasons = (
        candidate.offers,
        [reason for check in CHECKS.values() for reason in check(catalog, candidate, needs)],
    )
    plans, quantization = candidate.plans, None
    if candidate.option in SELF_RUN:
        if needs.hardware is not None:
            quantization, reason = precision_for(catalog, candidate, needs.hardware, needs.context_tokens)
            reasons += [reason] if reason else []
            plan = claimed_plan(catalog, candidate.option, needs.hardware, quantization)
            plans = (plan,) if plan else ()
    else:
        offers, reason = inside(catalog, candidate, needs)
        reasons += [reason] if reason else []
    sure = any(reason.sure for reason in reasons)
    if sure:
        # what is not known matters no more, and would read as if something were open
        reasons = [reason for reason in reasons if reason.sure]
    verdict = False if sure else (None if reasons else True)
    fixed = None if any(CONTEXT in reason.text for reason in reasons) else tuple(reason.text for reason in reasons)
    return Rated(candidate, verdict, tuple(reasons), offers, plans, quantization, fixed)


def _unknown(candidate: Candidate, field: str, what: str) -> Reason:
    return Reason(False, f"{what} is not known", (f"catalog.models.{candidate.name}.{field}",))


def _life(catalog: Catalog, candidate: Candidate, needs: Needs) -> Iterator[Reason]:
    if candidate.retired:
        yield Reason(True, f"retired on {candidate.model.retires_on}")


def _option(catalog: Catalog, candidate: Candidate, needs: Needs) -> Iterator[Reason]:
    if candidate.meant is None:
        yield _unknown(candidate, "params_b", "whether it is small enough for the edge")
    elif candidate.meant is False:
        size, most = candidate.model.params_b, catalog.rules.edge_max_parameters_billions
        if candidate.option == "edge" and size is not None and size > most:
            yield Reason(True, f"{size:g} billion parameters are more than the {most:g} billion of the edge")
        else:
            yield Reason(True, f"has {candidate.model.weights} weights and is not offered as {candidate.option}")


def _modalities(catalog: Catalog, candidate: Candidate, needs: Needs) -> Iterator[Reason]:
    if needs.modalities is None:
        yield Reason(False, "the modalities needed are not known", ("task.modalities",))
        return
    has = candidate.model.modalities
    if has is None:
        yield _unknown(candidate, "modalities", "which modalities it has")
        return
    lacks = [each for each in needs.modalities if each not in has]
    if lacks:
        yield Reason(True, f"has no {', no '.join(lacks)}")


def _context(catalog: Catalog, candidate: Candidate, needs: Needs) -> Iterator[Reason]:
    has = candidate.model.context_tokens
    if needs.context_tokens is None:
        yield Reason(False, "the context needed is not known", ("task.context_tokens",))
    elif has is None:
        yield _unknown(candidate, "context_tokens", "its context")
    elif has < needs.context_tokens:
        yield Reason(True, f"context {has:,} is below {CONTEXT}")


def _floors(catalog: Catalog, candidate: Candidate, needs: Needs) -> Iterator[Reason]:
    if needs.min_scores is None:
        yield Reason(False, "the scores asked for are not known", ("task.min_scores",))
        return
    for name, floor in sorted(needs.min_scores.items()):
        if floor is None:
            yield Reason(
                False, f"the {_title(catalog, name)} score asked for is not known", (f"task.min_scores.{name}",)
            )
        else:
            yield from _floor(catalog, candidate, name, floor)


def _floor(catalog: Catalog, candidate: Candidate, name: str, floor: float) -> Iterator[Reason]:
    score = candidate.scores.get(name)
    if score is None:
        yield Reason(False, f"no {_title(catalog, name)} score", (f"catalog.scores.{candidate.name}.{name}",))
    elif score < floor:
        yield Reason(True, f"{_title(catalog, name)} {score:g} is below {floor:g}")


def _quality(catalog: Catalog, candidate: Candidate, needs: Needs) -> Iterator[Reason]:
    name, bar = needs.score_benchmark, catalog.rules.high_quality_score
    score = candidate.scores.get(name)
    if needs.quality == "high":
        yield from _floor(catalog, candidate, name, bar)
    elif needs.quality == "best":
        yield from _floor(catalog, candidate, name, 0.0)
    elif needs.quality is None:
        if score is None:
            missing = ("task.quality", f"catalog.scores.{candidate.name}.{name}")
            yield Reason(False, f"no {_title(catalog, name)} score, and the quality needed is not known", missing)
        elif score < bar:
            text = f"{_title(catalog, name)} {score:g} is below {bar:g}, and the quality needed is not known"
            yield Reason(False, text, ("task.quality",))


def _title(catalog: Catalog, name: str) -> str:
    found = catalog.benchmarks.get(name)
    return found.title if found else name


def _licence(catalog: Catalog, candidate: Candidate, needs: Needs) -> Iterator[Reason]:
    if candidate.option not in SELF_RUN or needs.commercial_use is False:
        return
    verdict = catalog.licence(candidate.name)
    if verdict is None:
        yield _unknown(candidate, "licence", "its licence")
    elif verdict == "forbidden":
        text = f"the licence {candidate.model.licence} forbids commercial use"
        if needs.commercial_use:
            yield Reason(True, text)
        else:
            yield Reason(False, f"{text}, and whether the use is commercial is not known", ("workload.organisation",))


#: Each check by name; what it reads of the needs, `catalog.masks` knows.
CHECKS: Mapping[str, Callable[[Catalog, Candidate, Needs], Iterator[Reason]]] = {
    "life": _life,
    "option": _option,
    "modalities": _modalities,
    "context": _context,
    "floors": _floors,
    "quality": _quality,
    "licence": _licence,
}


def inside(catalog: Catalog, candidate: Candidate, needs: Needs) -> tuple[tuple[Offer, ...], Reason | None]:
    """Return the offers that residency leaves, those surely inside first, and the reason where it leaves none.

    A provider whose regions are not known is not disqualified by that (contract: the catalog).
    """
    offers = candidate.offers
    if needs.residency is not None and ANYWHERE in needs.residency:
        return offers, None
    if needs.residency is None:
        if any(each.provider is None or each.provider.regions is None for each in offers):
            return offers, None
        return offers, Reason(False, "where data may be processed is not known", ("data.residency",))
    answers = [(_is_inside(catalog, each, needs.residency), each) for each in offers]
    surely = tuple(each for answer, each in answers if answer)
    perhaps = tuple(each for answer, each in answers if answer is None)
    if surely or perhaps:
        return surely or perhaps, None
    where = ", ".join(needs.residency)
    return offers, Reason(True, f"no provider is in an allowed region ({where})")


def _is_inside(catalog: Catalog, offer: Offer, residency: tuple[str, ...]) -> bool | None:
    if offer.provider is None or offer.provider.regions is None:
        return None
    answers = [catalog.regions.contains(residency, each) for each in offer.provider.regions]
    return True if True in answers else (None if None in answers else False)


def precision_for(
    catalog: Catalog, candidate: Candidate, claim: HardwareClaim, context_tokens: int | None
) -> tuple[str | None, Reason | None]:
    """Return the best precision at which the model fits the claimed hardware, or why none is known to."""
    box = box_of(catalog, claim)
    flight = flight_of(catalog, claim, candidate.model, context_tokens)
    answers = {each: memory_fits(box, candidate.model, each, flight) for each in QUANTIZATIONS}
    for quantization, answer in answers.items():
        if answer:
            return quantization, None
    if all(answer is False for answer in answers.values()):
        return None, Reason(True, "does not fit the claimed hardware, at 4 bits either")
    missing = (*box.missing, *flight.missing)
    needed = ("params_b", "kv_bytes_per_token") if flight.tokens else ("params_b",)
    gaps = [f"catalog.models.{candidate.name}.{each}" for each in needed if getattr(candidate.model, each) is None]
    if candidate.model.kv_upper_bound and flight.tokens:
        gaps.append(f"catalog.models.{candidate.name}.kv_bytes_per_token")
    return None, Reason(False, "whether it fits the claimed hardware is not known", (*missing, *gaps))
