"""Two facts at once, where no single one mends a task that is held up.

INVARIANT: whatever holds the verdict has to go, so that one of the two touches each of it; other pairs are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from policy_engine.counterfactuals.changed import MIN_SCORES
from policy_engine.counterfactuals.choices import Choice, Domain
from policy_engine.counterfactuals.holding import holding
from policy_engine.counterfactuals.index import Index
from policy_engine.counterfactuals.rows import Row, between, conditions
from policy_engine.counterfactuals.search import Tried, tried_of
from policy_engine.counterfactuals.trial import Reply, State, Trial
from policy_engine.model.task_case import VERDICTS

MOST = 6
#: Pairs that are decided; where nothing is proposed so much moves the order of options that few are worth it.
MOST_TRIES, MOST_WITHOUT_PROPOSAL = 48, 16


class Pairs(Struct, frozen=True):
    """The pairs that were found; `complete` where all were tried, or as many as are shown were found."""

    rows: list[Row]
    complete: bool


def pairs(trial: Trial, tried: list[Tried], index: Index) -> Pairs:
    """Return the first pairs of changes that make the verdict better."""
    search = _Search(trial, tried, index)
    found: dict[tuple[int, int], Row] = {}
    for one, two, first, second in search.worth_trying():
        if (one, two) in found:
            continue
        if search.left <= 0:
            return Pairs(_ordered(found.values()), False)
        reply = search.reply({**first.changes, **second.changes})
        if reply is not None and VERDICTS.index(reply.verdict) < VERDICTS.index(trial.before.verdict):
            found[one, two] = _row(trial, (tried[one].domain, first), (tried[two].domain, second), reply)
        if len(found) == MOST:
            break
    return Pairs(_ordered(found.values()), True)


class _Search:
    """Finds the pairs that are worth trying: the second has to touch all that still holds beside the first."""

    def __init__(self, trial: Trial, tried: list[Tried], index: Index) -> None:
        self.trial, self.tried, self.index = trial, tried, index
        scores = trial.result.proposal is None
        self.left = MOST_WITHOUT_PROPOSAL if scores else MOST_TRIES
        self._facts = [each.domain.fact for each in tried]
        self._groups = [_groups(each.domain, index, scores) for each in tried]

    def reply(self, changes: Mapping[str, Any]) -> Reply | None:
        self.left -= 1
        return self.trial.reply(changes)

    def worth_trying(self) -> Iterator[tuple[int, int, Choice, Choice]]:
        """Yield two places in `tried`, and a choice of each.

        One of the two has to touch what fewest facts touch; the other all that still holds then.
        """
        before, every = holding(self.trial, self.index, self.trial.now), range(len(self.tried))
        narrow = before.narrowest()
        firsts = [place for place in every if narrow is None or _known_as(self._facts[place]) in narrow]
        for one in firsts:
            others = [two for two in every if two != one and not (two in firsts and two < one)]
            others = [two for two in others if before.could_go({self._facts[one], self._facts[two]})]
            for first, state in _choices(self.tried[one]) if others else ():
                held = before if state is None else holding(self.trial, self.index, state)
                for two in others:
                    together = self._together(one, two)
                    if (state is None and not together) or not held.could_go({self._facts[two]}):
                        continue
                    for second, moved in _choices(self.tried[two]):
                        if together or moved is not None:
                            yield one, two, first, second

    def _together(self, one: int, two: int) -> bool:
        """Whether something reads both: only then does what moves nothing by itself do something beside the other."""
        return not self._groups[one].isdisjoint(self._groups[two])


def _known_as(fact: str) -> str:
    """Return the fact that what holds a verdict names: floors of all benchmarks are one."""
    return MIN_SCORES if fact.startswith(MIN_SCORES) else fact


def _groups(domain: Domain, index: Index, scores: bool) -> frozenset[int | str]:
    """Return what reads any of the facts that the domain's changes state."""
    names = {name for choice in domain.choices for name in choice.changes}
    return frozenset().union(*(index.groups(name, scores) for name in names))


def _ordered(found: Iterable[Row]) -> list[Row]:
    return sorted(found, key=lambda row: VERDICTS.index(row["verdict"]))


def _choices(tried: Tried) -> Iterator[tuple[Choice, State | None]]:
    """Yield the choices, of those that come to the same the first; with what the verdict rests on if one moves it."""
    domain, seen = tried.domain, set[Any]()
    for place, choice in enumerate(domain.choices):
        if place == domain.now or (choice.key is not None and choice.key in seen):
            continue
        seen.add(choice.key)
        yield choice, tried.moved[place]


def _row(trial: Trial, one: tuple[Domain, Choice], two: tuple[Domain, Choice], reply: Reply) -> Row:
    changes = [_alone(*one), _with(trial, one[1], two[0], two[1], reply)]
    return {"changes": changes, "verdict": reply.verdict, "recommendation": reply.recommended}


def _alone(domain: Domain, choice: Choice) -> Row:
    """Return one choice as a condition."""
    place = domain.choices.index(choice)
    if choice.op in ("range", "grade"):
        return between(domain, place, place)
    if choice.op in ("is", "in"):
        return {"fact": domain.fact, "op": "==", "value": choice.value}
    return {"fact": domain.fact, "op": choice.op, "values": [choice.value]}


def _with(trial: Trial, first: Choice, domain: Domain, second: Choice, reply: Reply) -> Row:
    """Return the condition on the second fact that gives this reply beside the first choice."""
    replies = tuple(
        None if place == domain.now else trial.reply({**first.changes, **choice.changes})
        for place, choice in enumerate(domain.choices)
    )
    tried = tried_of(domain, replies, trial.before)
    wanted = reply[:2]
    found = [row for _, _, row in conditions(tried, lambda each: wanted if each[:2] == wanted else None)]
    return found[0] if found else _alone(domain, second)
