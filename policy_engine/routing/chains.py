"""The chain of one task: the leg that leads, and those that follow when it fails, in order.

INVARIANT: nothing leads but what the decision judged, and no leg is in a chain that the rules do not surely permit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from policy_engine.decide import Decider
from policy_engine.model.task_case import TaskResult
from policy_engine.routing.legs import OUTAGE, Leg, judged, leg_name, priced, proposed_leg, unmet
from policy_engine.routing.offers import offers, recommended


class Chain(Struct, frozen=True):
    """The legs of a task in order, empty where nothing may serve it.

    `left` are deployments that are no legs, though somebody might look for them: what is proposed and not permitted,
    and what is not known to be permitted. `proposable` is what could be proposed where nothing is routed. `holds` says
    what keeps the first leg from being approved as it stands; without any the route is sure. `allow_conditions` says
    whether what waits for something stands in all the same.
    """

    result: TaskResult
    legs: tuple[Leg, ...] = ()
    left: tuple[Leg, ...] = ()
    proposable: Leg | None = None
    holds: tuple[str, ...] = ()
    allow_conditions: bool = False

    @property
    def name(self) -> str:
        name: str = self.result.facts["task.name"]
        return name

    @property
    def share(self) -> float:
        share: float = self.result.facts["task.share"]
        return share

    @property
    def state(self) -> str:
        """`routed`, `conditional` where it waits for something, or `unrouted`."""
        if not self.legs:
            return "unrouted"
        return "conditional" if self.holds else "routed"

    @property
    def independent(self) -> bool:
        """Whether a fallback that stands ready runs elsewhere than the first leg: both need not fail together."""
        return any(OUTAGE in each.protects and each.stands_ready(self.allow_conditions) for each in self.legs)


def chain_of(decider: Decider, result: TaskResult, fallbacks: int, allow_conditions: bool = False) -> Chain:
    """Return the chain of a task that was decided, with at most so many fallbacks, of which those that wait come last.

    With `allow_conditions` none waits for evidence.
    """
    first = _first(decider, result)
    if first is None or first.standing != "permitted" or result.verdict == "deny":
        there = [] if first is None else [first]
        there += [_own_fallback(decider, result)] if result.fallback is not None else []
        could = first if first is not None and first.standing == "permitted" else _proposable(decider, result)
        return Chain(result, left=tuple(there), proposable=could)
    legs, left = _followers(decider, result, first, fallbacks, allow_conditions)
    return Chain(result, legs, left, holds=tuple(_holds(result, first)), allow_conditions=allow_conditions)


def _first(decider: Decider, result: TaskResult) -> Leg | None:
    """Return what the decision judged, as a leg: the proposal, else the recommendation, held to the same forbids."""
    catalog = decider.policy.catalog
    if result.proposal is None:
        leg = recommended(catalog, result)
        return None if leg is None else _owing(judged(decider, result, leg), result)
    leg = priced(catalog, result, proposed_leg(result.facts, "proposal", "proposal"))
    return _owing(judged(decider, result, leg), result)


def _owing(leg: Leg, result: TaskResult) -> Leg:
    """Return `leg` with what the decision asks for, and what a rule asks for only once this provider is proposed."""
    owed = {each.evidence: each for each in (*leg.conditions, *unmet(result))}
    return replace(leg, conditions=tuple(owed[name] for name in sorted(owed)))


def _proposable(decider: Decider, result: TaskResult) -> Leg | None:
    """Return what would be permitted if it were proposed: the recommendation, else what comes next; None for nothing.

    Where nothing surely would be, it is the recommendation all the same, which says what is missing.
    """
    catalog = decider.policy.catalog
    wanted = recommended(catalog, result)
    held = judged(decider, result, wanted) if wanted is not None else None
    if held is not None and held.standing == "permitted":
        return held
    found = (judged(decider, result, each) for each in offers(catalog, result))
    permitted = next((each for each in found if each.standing == "permitted"), None)
    return permitted or (held if result.proposal is not None else None)


def _own_fallback(decider: Decider, result: TaskResult) -> Leg:
    leg = proposed_leg(result.facts, "proposal.fallback", "proposed_fallback")
    return judged(decider, result, priced(decider.policy.catalog, result, replace(leg, quantization="bf16")))


def _followers(
    decider: Decider, result: TaskResult, first: Leg, fallbacks: int, allow_conditions: bool
) -> tuple[tuple[Leg, ...], tuple[Leg, ...]]:
    """Return the legs from `first` on, and what is no leg: the team's own fallback first, then another host first.

    What waits takes no place from what stands ready.
    """
    legs, left, waiting = [first], list[Leg](), list[Leg]()
    open_ = offers(decider.policy.catalog, result)
    if result.fallback is not None:
        open_.insert(0, _own_fallback(decider, result))
    while open_ and len(legs) <= fallbacks:
        leg = _next(open_, legs)
        if any(_fail_together(leg, each) for each in legs):
            if leg.origin == "proposed_fallback":
                left.append(replace(leg, reasons=("the same weights on the same host fail together",)))
            continue
        found = leg if leg.origin == "proposed_fallback" else judged(decider, result, leg)
        if found.standing == "permitted":
            (legs if found.stands_ready(allow_conditions) else waiting).append(found.protecting(first))
        elif found.standing == "uncertain" or found.origin == "proposed_fallback":
            left.append(found)
    while waiting and len(legs) <= fallbacks:
        leg = _next(waiting, legs)
        if not any(_fail_together(leg, each) for each in legs):
            legs.append(leg)
    own = [each for each in waiting if each.origin == "proposed_fallback"]
    left[:0] = [replace(each, reasons=("it waits, and others do not",)) for each in own]
    return tuple(legs), tuple(_each_once(left))


def _next(open_: list[Leg], legs: Sequence[Leg]) -> Leg:
    """Take the best out of `open_`: of equals the first, since they are in the order of rank."""
    leg = min(open_, key=lambda each: _order(each, legs))
    open_.remove(leg)
    return leg


def _order(leg: Leg, legs: Sequence[Leg]) -> tuple[bool, bool, bool]:
    hosts, options = {each.host for each in legs}, {each.deployment for each in legs}
    return leg.origin != "proposed_fallback", leg.host is None or leg.host in hosts, leg.deployment in options


def _fail_together(leg: Leg, other: Leg) -> bool:
    """Whether `leg` is no help where `other` fails: the same weights on the same host, or the same machines.

    Machines that serve one model need not hold another beside it. What a team proposes itself stands.
    """
    if leg.host != other.host:
        return False
    return leg.model == other.model or (leg.own_machines and leg.origin != "proposed_fallback")


def _each_once(left: Iterable[Leg]) -> Iterable[Leg]:
    """Yield one leg for each option and provider, with all that is proposed: the others lack the same."""
    seen = set()
    for each in left:
        key = (each.deployment, each.provider)
        if each.origin == "proposed_fallback" or key not in seen:
            seen.add(key)
            yield each


def _holds(result: TaskResult, first: Leg) -> Iterable[str]:
    """Yield what keeps the first leg from being approved: of the decision on the task, then of the leg by itself."""
    if result.verdict == "review":
        yield from list(_reviewed(result)) or ["the decision is under review"]
    asked = {each.evidence for each in unmet(result)} if result.verdict == "review" else set()
    for each in first.conditions:
        if each.evidence not in asked:
            yield f"{each.evidence} is {each.status}, once {leg_name(first)} is proposed"


def _reviewed(result: TaskResult) -> Iterable[str]:
    for each in unmet(result):
        yield f"{each.evidence} is {each.status}"
    if result.proposal is None and not result.ranking.firm:
        count = len(result.ranking.open_facts)
        yield f"the recommendation is not firm: another could come first, by {count} facts that are not known"
    if result.fallback_verdict == "review":
        yield "whether the proposed fallback is allowed is not known"
