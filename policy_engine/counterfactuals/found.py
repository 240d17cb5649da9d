"""What a decision's document says of changes: the nearest ones, by task and by option."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from policy_engine.counterfactuals.described import of_fact
from policy_engine.counterfactuals.domains import Domains
from policy_engine.counterfactuals.grounds import Reply
from policy_engine.counterfactuals.index import Index
from policy_engine.counterfactuals.pairs import MOST_WORK_OF_CHOICES, pairs
from policy_engine.counterfactuals.rows import Row, conditions, order_of, outcome
from policy_engine.counterfactuals.search import Tried, singles
from policy_engine.counterfactuals.trial import EVIDENCE, Trial
from policy_engine.judging import Judge
from policy_engine.model.task_case import ATTESTED, VERDICTS, TaskResult
from policy_engine.model.vocabulary import OPTIONS

MOST, MOST_WAYS, _KEPT_FOR_RECOMMENDATIONS = 12, 3, 4
_BETTER, _WORSE, _RECOMMENDATION = 0, 1, 2
#: Of these there are as many other values as a catalog has: those that make it worse are not listed.
_OF_A_CATALOG = frozenset(
    f"{proposal}.{name}" for proposal in ("proposal", "proposal.fallback") for name in ("model", "provider", "region")
)


class Counterfactuals(Struct, frozen=True):
    """The changes of one task: single ones, how many more there are, pairs, and by option what would permit it."""

    singles: list[Row]
    more: int
    pairs: dict[str, Any] | None
    ways: dict[str, dict[str, list[Row]]]


class Search:
    """Finds changes under one policy."""

    def __init__(self, judge: Judge) -> None:
        self._index = Index(judge)
        self._domains = Domains(self._index)

    def trial(self, result: TaskResult) -> Trial:
        """Return what can be asked what the task would come to."""
        return Trial(self._index, result)

    def every(self, trial: Trial) -> list[Tried]:
        """Return what every change of a single fact comes to."""
        return singles(trial, self._domains)

    def of(self, result: TaskResult) -> Counterfactuals:
        """Return the nearest changes of a task."""
        trial = self.trial(result)
        tried = self.every(trial)
        found = rows(tried, trial.before)
        shown = _nearest(found)
        document = self._pairs(trial, tried, [row for kind, _, row in found if kind == _BETTER])
        return Counterfactuals(shown, len(found) - len(shown), document, _ways(tried, trial.before))

    def _pairs(self, trial: Trial, tried: list[Tried], better: list[Row]) -> dict[str, Any] | None:
        """Return the pairs where nothing that can be chosen is `better` by itself: of choices, if a description is."""
        if trial.before.verdict not in ("review", "deny") or any(row["of"] == "choice" for row in better):
            return None
        if better:
            chosen = [each for each in tried if of_fact(each.domain.fact) == "choice"]
            two = pairs(trial, chosen, self._index, MOST_WORK_OF_CHOICES)
        else:
            two = pairs(trial, tried, self._index)
        of = "choice" if better else "any"
        untried = [
            duty.evidence
            for duty in trial.result.obligations
            if duty.evidence in ATTESTED and duty.status != "satisfied"
        ]
        said = {"of": of, "complete": two.complete, "found": two.rows, "left_out": two.more}
        return {**said, "untried": untried}


Ranked = tuple[int, tuple[int, ...], Row]


def rows(tried: list[Tried], now: Reply) -> list[Ranked]:
    """Return every condition on a single fact under which verdict or recommendation are others, in order."""
    found: list[Ranked] = []
    for place, each in _differing(tried):
        for (verdict, recommended, provisional), far, row in conditions(each, lambda reply: _other(reply, now)):
            better = VERDICTS.index(verdict) - VERDICTS.index(now.verdict)
            kind = _RECOMMENDATION if not better else (_BETTER if better < 0 else _WORSE)
            said = row | outcome(verdict, recommended, provisional)
            # what makes it better is chosen by this as well, the rest only put in order
            of = order_of(row) if kind == _BETTER else 0
            found.append((kind, (VERDICTS.index(verdict) if better else 0, of, far, place), said))
    return sorted(found, key=lambda each: each[:2])


def _differing(tried: list[Tried]) -> list[tuple[int, Tried]]:
    """Return the facts, with their places, of which some change comes to anything else: of the rest nothing is said."""
    return [(place, each) for place, each in enumerate(tried) if each.others]


def _other(reply: Reply, now: Reply) -> tuple[str, str | None, str | None] | None:
    """Return what a change comes to; that another option is provisional is none by itself."""
    return None if reply[:2] == now[:2] else (reply.verdict, reply.recommended, reply.provisional)


def _nearest(found: list[Ranked]) -> list[Row]:
    """Return the first of each kind: what makes the verdict better, then worse, then what changes the rest."""
    better = [row for kind, _, row in found if kind == _BETTER][:MOST]
    worse = [row for kind, _, row in found if kind == _WORSE and _can_be_meant(row)]
    others = [row for kind, _, row in found if kind == _RECOMMENDATION]
    room = MOST - len(better)
    kept = min(len(others), _KEPT_FOR_RECOMMENDATIONS, room)
    worse = worse[: room - kept]
    worse.sort(key=lambda row: (VERDICTS.index(row["verdict"]), order_of(row)))
    return [*better, *worse, *sorted(others[: room - len(worse)], key=order_of)]


def _can_be_meant(row: Row) -> bool:
    """Whether a change for the worse is one that somebody may have in mind."""
    return not row["fact"].startswith(EVIDENCE) and row["fact"] not in _OF_A_CATALOG


def _ways(tried: list[Tried], now: Reply) -> dict[str, dict[str, list[Row]]]:
    """Return for each option under which changes it would be permitted, and under which it would come first."""
    found: dict[str, dict[str, list[Row]]] = {}
    differing = _differing(tried)
    for place, option in enumerate(OPTIONS):
        found[option] = {}
        if now.statuses[place] != "permitted":
            found[option]["permitted"] = _first(
                differing, lambda reply, at=place: reply.statuses[at] == "permitted" or None
            )
        if now.recommended != option:
            found[option]["recommended"] = _first(differing, lambda reply, at=option: reply.recommended == at or None)
    return found


def _first(differing: list[tuple[int, Tried]], label: Any) -> list[Row]:
    def every() -> Iterator[tuple[tuple[int, int, int], Row]]:
        for place, each in differing:
            for _, far, row in conditions(each, label):
                yield (order_of(row), far, place), row

    return [row for _, row in sorted(every(), key=lambda each: each[0])[:MOST_WAYS]]
