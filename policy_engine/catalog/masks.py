"""Whether an option has a model, by checks as sets of bits: for whoever asks with many needs that differ a little.

Each check reads one part of the needs, so that its answers for all candidates of an option are worked out once and
remembered. INVARIANT: `available` and `qualifies` say what `choose` says of availability, and of each model what its
slate says.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any, NamedTuple

from policy_engine.catalog.candidates import Candidate, day_of
from policy_engine.catalog.catalog import MOST_REMEMBERED, Catalog
from policy_engine.catalog.choice import chosen_of, slate_of
from policy_engine.catalog.cost import SELF_RUN
from policy_engine.catalog.needs import Needs
from policy_engine.catalog.outcome import OptionModels
from policy_engine.catalog.qualify import CHECKS, Rated, Reason, inside, precision_for, rate
from policy_engine.catalog.slate import Asked, Slate
from policy_engine.model.vocabulary import OPTIONS

_ALWAYS = ("life", "option")
_SERVED = ("modalities", "context", "floors", "quality", "residency")
_OWN = ("modalities", "context", "floors", "quality", "licence", "precision")


class Standings(NamedTuple):
    """The candidates of an option as bits, in their order: those that surely meet the needs, and those that may."""

    sure: int
    maybe: int


class View(NamedTuple):
    """What all checks together make of some needs: of each option whether it has a model, and its candidates."""

    available: tuple[bool | None, ...]
    standings: dict[str, Standings]


def masks_of(catalog: Catalog, at: date) -> Masks:
    """Return the answers for one catalog and one day; remembered by the catalog."""
    key = ("masks", at)
    found: Masks | None = catalog.remembered.get(key)
    if found is None:
        found = Masks(catalog, at)
        catalog.remember(key, found)
    return found


class Masks:
    """Answers for one catalog and one day."""

    def __init__(self, catalog: Catalog, at: date) -> None:
        self._catalog, self._at = catalog, at
        self._day = day_of(catalog, at)
        self._places: dict[str, dict[str, int]] = {}
        self._known: dict[tuple[Any, ...], Standings] = {}
        self._views: dict[tuple[Any, ...], View] = {}

    def of(self, option: str, needs: Needs) -> Standings:
        """Return the candidates of `option` that meet the needs."""
        key = (option, *self._asked(needs, option in SELF_RUN))
        found = self._known.get(key)
        if found is None:
            if len(self._known) > MOST_REMEMBERED:
                self._known.clear()
            found = self._known[key] = self._of(option, needs)
        return found

    def _of(self, option: str, needs: Needs) -> Standings:
        own = option in SELF_RUN
        bad = unknown = 0
        asked = zip(_OWN if own else _SERVED, self._asked(needs, own), strict=True)
        for name, value in (*((name, None) for name in _ALWAYS), *asked):
            wrong, open_ = self._mask(option, name, value, needs)
            bad |= wrong
            unknown |= open_
        every = (1 << len(self._day.candidates[option])) - 1
        sure = every & ~bad & ~unknown
        return Standings(sure, every & ~bad & ~sure)

    def _asked(self, needs: Needs, own: bool) -> tuple[Any, ...]:
        """Return what each check reads of the needs; the last ones are other ones where one runs models oneself."""
        context, floors = needs.context_tokens, needs.min_scores
        # two contexts between the same windows meet and miss the same models
        window = None if context is None else bisect_left(self._day.contexts, context)
        asked = floors if not floors else tuple(sorted(floors.items()))
        first = (needs.modalities, window, () if floors == {} else asked, needs.kind == "coding", needs.quality)
        if not own:
            return (*first[:3], first[3:], needs.residency)
        held = needs.hardware
        return (
            *first[:3],
            first[3:],
            needs.commercial_use,
            None if held is None else (held, context if held.serves is not None else None),
        )

    def choose(self, option: str, needs: Needs) -> OptionModels:
        """Return what `catalog.choose` does, without what it says of models that do not meet the needs, or disputes."""
        return chosen_of(self._catalog, Asked(option, needs, self._at), lambda: self._slate(option, needs))

    def _slate(self, option: str, needs: Needs) -> Slate:
        key = ("masks slate", self._at, option, *self._asked(needs, option in SELF_RUN))
        found: Slate | None = self._catalog.remembered.get(key)
        if found is None:
            found = slate_of(list(self._rated_of(option, needs)))
            self._catalog.remember(key, found)
        return found

    def _rated_of(self, option: str, needs: Needs) -> Iterator[Rated]:
        """Yield the candidates that meet the needs, or may; those that surely do have no reasons to be found."""
        sure, maybe = self.of(option, needs)
        own, held = option in SELF_RUN, needs.hardware
        for place, candidate in enumerate(self._day.candidates[option]):
            if sure >> place & 1 and not (own and held is not None):
                offers = candidate.offers if own else inside(self._catalog, candidate, needs)[0]
                yield Rated(candidate, True, (), offers, candidate.plans, None, ())
            elif (sure | maybe) >> place & 1:
                yield rate(self._catalog, candidate, needs)

    def view(self, needs: Needs) -> View:
        """Return what is made of the needs: the same of all needs of which the checks read the same."""
        key = (needs.edge_wanted, needs.residency, *self._asked(needs, True))
        found = self._views.get(key)
        if found is None:
            if len(self._views) > MOST_REMEMBERED:
                self._views.clear()
            available = tuple([self.available(option, needs) for option in OPTIONS])
            meant = [option for option in OPTIONS if option != "edge" or needs.edge_wanted is not False]
            found = self._views[key] = View(available, {option: self.of(option, needs) for option in meant})
        return found

    def available(self, option: str, needs: Needs) -> bool | None:
        """Say whether a model surely meets the needs on `option`, or none can; None where that is not known."""
        if option == "edge" and needs.edge_wanted is False:
            return False
        found = self.of(option, needs)
        available: bool | None = bool(found.sure) or (None if found.maybe else False)
        return None if option == "edge" and needs.edge_wanted is None and available else available

    def qualifies(self, option: str, model: str, view: View) -> bool | None:
        """Say whether the model with the key `model` meets the needs there; False where the option cannot run it."""
        place, found = self._place(option, model), view.standings.get(option)
        if place is None or found is None:
            return False
        return bool(found.sure >> place & 1) or (None if found.maybe >> place & 1 else False)

    def qualifying(self, option: str, needs: Needs) -> dict[str, bool | None]:
        """Return what `qualifies` says of each model that the option can run."""
        if option == "edge" and needs.edge_wanted is False:
            return {}
        sure, maybe = self.of(option, needs)
        return {
            each.name: bool(sure >> place & 1) or (None if maybe >> place & 1 else False)
            for place, each in enumerate(self._day.candidates[option])
        }

    def contexts(self) -> tuple[int, ...]:
        """Return the context windows that models have, in order."""
        return self._day.contexts

    def scores(self, benchmark: str) -> list[float]:
        """Return the scores that candidates have, in order."""
        candidates = [each for found in self._day.candidates.values() for each in found]
        return sorted({each.scores[benchmark] for each in candidates if benchmark in each.scores})

    def _place(self, option: str, model: str) -> int | None:
        places = self._places.get(option)
        if places is None:
            found = self._day.candidates[option]
            places = self._places[option] = {each.name: place for place, each in enumerate(found)}
        return places.get(model)

    def _mask(self, option: str, name: str, value: Any, needs: Needs) -> tuple[int, int]:
        key = ("mask", self._at, option, name, value)
        found: tuple[int, int] | None = self._catalog.remembered.get(key)
        if found is None:
            found = self._rated(option, _CHECKS.get(name) or CHECKS[name], needs)
            self._catalog.remember(key, found)
        return found

    def _rated(
        self, option: str, check: Callable[[Catalog, Candidate, Needs], Iterator[Reason]], needs: Needs
    ) -> tuple[int, int]:
        bad = unknown = 0
        for place, candidate in enumerate(self._day.candidates[option]):
            reasons = list(check(self._catalog, candidate, needs))
            if any(reason.sure for reason in reasons):
                bad |= 1 << place
            elif reasons:
                unknown |= 1 << place
        return bad, unknown


def _residency(catalog: Catalog, candidate: Candidate, needs: Needs) -> Iterator[Reason]:
    _, reason = inside(catalog, candidate, needs)
    if reason is not None:
        yield reason


def _precision(catalog: Catalog, candidate: Candidate, needs: Needs) -> Iterator[Reason]:
    if needs.hardware is not None:
        _, reason = precision_for(catalog, candidate, needs.hardware, needs.context_tokens)
        if reason is not None:
            yield reason


_CHECKS: dict[str, Callable[[Catalog, Candidate, Needs], Iterator[Reason]]] = {
    "residency": _residency,
    "precision": _precision,
}
