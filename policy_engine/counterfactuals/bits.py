"""Outcomes as sets of bits, one for each rule, and what they come to: statuses, points, warnings.

INVARIANT: it says what `combining` says of the same outcomes; `tests/property/test_counterfactuals.py` holds it to
that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from operator import or_
from struct import Struct as Layout
from typing import NamedTuple

from policy_engine.model.rule import PROPOSAL, Rule
from policy_engine.model.vocabulary import OPTIONS
from policy_engine.model.waiver import NOTHING, Pairs

PLACES = {option: place for place, option in enumerate(OPTIONS)}
_COUNT = len(OPTIONS)
_MOST_REMEMBERED = 10_000
#: Of all options the score, the least and the greatest that unknowns allow, side by side in one number: so the points
#: of topics are added and taken away as a whole. `unpacked` has them one by one.
Points = int
#: Each has 32 bits, and is counted from the middle of what they hold, so that none borrows from its neighbour.
_LAYOUT = Layout(f"<{3 * _COUNT}I")
_MIDDLE = sum(1 << (32 * place + 31) for place in range(3 * _COUNT))


def packed(points: Iterable[int]) -> Points:
    """Return points that stand by themselves, to be added to others."""
    return sum(each << (32 * place) for place, each in enumerate(points))


def unpacked(points: Points) -> tuple[int, ...]:
    """Return what `Scores` says by option: the scores, then the least, then the greatest ones; all above one zero."""
    return _LAYOUT.unpack(points.to_bytes(_LAYOUT.size, "little"))


class Bits(NamedTuple):
    """The rules that fired, and those of which nobody knows."""

    fired: int
    unknown: int

    def outcome(self, index: int) -> bool | None:
        """Return the outcome of one rule."""
        return None if self.unknown >> index & 1 else bool(self.fired >> index & 1)

    def moved(self, delta: Mapping[int, bool | None]) -> Bits:
        """Return the same with other outcomes of some rules."""
        fired, unknown = self
        for index, outcome in delta.items():
            bit = 1 << index
            fired = fired | bit if outcome else fired & ~bit
            unknown = unknown | bit if outcome is None else unknown & ~bit
        return Bits(fired, unknown)


def bits_of(outcomes: Sequence[bool | None]) -> Bits:
    """Return outcomes as bits."""
    fired, unknown, bit = 0, 0, 1
    for outcome in outcomes:
        if outcome:
            fired |= bit
        elif outcome is None:
            unknown |= bit
        bit <<= 1
    return Bits(fired, unknown)


def _set(indexes: Iterable[int]) -> int:
    found = 0
    for index in indexes:
        found |= 1 << index
    return found


class Force(NamedTuple):
    """Which rules forbid what, by the place of each option, and the proposal; `warn` those that only warn of it."""

    forbid: tuple[int, ...]
    warn: tuple[int, ...]
    forbid_proposal: int
    warn_proposal: int
    #: The rules that forbid an option, all together.
    every: int

    def less(self, lifted: Pairs, proposed: str | None) -> Force:
        """Return the same without what waivers lift."""
        if lifted is NOTHING or not lifted:
            return self
        by_option = [_set(index for index, on in lifted if on == option) for option in OPTIONS]
        forbid = tuple([mask & ~gone for mask, gone in zip(self.forbid, by_option, strict=True)])
        of_proposal = by_option[PLACES[proposed]] if proposed in PLACES else 0
        return self._replace(forbid=forbid, forbid_proposal=self.forbid_proposal & ~of_proposal)

    def statuses(self, bits: Bits, available: Sequence[bool | None]) -> tuple[str, ...]:
        """Return the status of each option."""
        return tuple(
            [_status(bits, mask, given) for mask, given in zip(self.forbid, available, strict=True)],
        )

    def holds(self, bits: Bits) -> bool | None:
        """Say what the forbids of `[proposal]` make of it."""
        if bits.fired & self.forbid_proposal:
            return False
        return None if bits.unknown & self.forbid_proposal else True

    def warns(self, bits: Bits, option: str, proposed: bool) -> bool:
        """Whether an advisory forbid fired on the option, or on the proposal."""
        return bool(bits.fired & (self.warn[PLACES[option]] | (self.warn_proposal if proposed else 0)))


def _status(bits: Bits, forbids: int, available: bool | None) -> str:
    if bits.fired & forbids:
        return "forbidden"
    if available is False:
        return "unavailable"
    return "uncertain" if available is None or bits.unknown & forbids else "permitted"


def both(one: bool | None, other: bool | None) -> bool | None:
    """Return whether both hold."""
    if one is False or other is False:
        return False
    return True if one and other else None


def force_of(rules: Sequence[Rule], enforcement: Sequence[str]) -> Force:
    """Return what the rules forbid, as they act."""

    def named(name: str, advisory: bool) -> int:
        return _set(i for i, r in enumerate(rules) if name in r.forbid and (enforcement[i] == "advisory") is advisory)

    forbid = tuple([named(option, False) for option in OPTIONS])
    warn = tuple([named(option, True) for option in OPTIONS])
    return Force(forbid, warn, named(PROPOSAL, False), named(PROPOSAL, True), reduce(or_, forbid))


class Counted(NamedTuple):
    """What some outcomes come to in points: by topic, and all together."""

    bits: Bits
    topics: list[Points]
    all: Points


class Scores:
    """The points that rules give, topic by topic: each speaks once, by its strongest preference and disfavour."""

    def __init__(self, rules: Sequence[Rule], scoring: Sequence[int]) -> None:
        topics: dict[str, list[int]] = {}
        for index in scoring:
            topics.setdefault(rules[index].topic, []).append(index)
        self._rules, self._topics = rules, list(topics.values())
        self._masks = [_set(each) for each in self._topics]
        self._known: list[dict[tuple[int, int], Points]] = [{} for _ in self._topics]
        self.mask = _set(scoring)

    def of(self, bits: Bits) -> Counted:
        """Return the points of all topics."""
        topics = [self._of(topic, bits) for topic in range(len(self._topics))]
        return Counted(bits, topics, _MIDDLE + sum(topics))

    def moved(self, before: Counted, bits: Bits) -> Points:
        """Return the points with other outcomes: only topics of which something changed are counted again."""
        points, (fired, unknown) = before.all, before.bits
        changed = (fired ^ bits.fired | unknown ^ bits.unknown) & self.mask
        if not changed:
            return points
        for topic, mask in enumerate(self._masks):
            if changed & mask:
                points += self._of(topic, bits) - before.topics[topic]
        return points

    def _of(self, topic: int, bits: Bits) -> Points:
        mask = self._masks[topic]
        key = (bits.fired & mask, bits.unknown & mask)
        known = self._known[topic]
        found = known.get(key)
        if found is None:
            if len(known) > _MOST_REMEMBERED:
                known.clear()
            found = known[key] = packed(self._counted(topic, bits))
        return found

    def _counted(self, topic: int, bits: Bits) -> Iterator[int]:
        given = [(self._rules[index], bits.outcome(index)) for index in self._topics[topic]]
        sure = [rule for rule, outcome in given if outcome]
        maybe = [rule for rule, outcome in given if outcome is not False]
        for prefers, disfavours in ((sure, sure), (sure, maybe), (maybe, sure)):
            for option in OPTIONS:
                yield max([rule.prefer.get(option, 0) for rule in prefers], default=0) - max(
                    [rule.disfavour.get(option, 0) for rule in disfavours], default=0
                )
