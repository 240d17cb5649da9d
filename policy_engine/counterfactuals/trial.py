"""What a task would come to with some facts changed: the judge's own combining, on the outcomes that change.

INVARIANT: `Trial.reply` gives the verdict, the recommendation and the statuses that `Judge.judge` gives on the changed
case; `tests/property/test_counterfactuals.py` holds it to that.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple

from msgspec.structs import replace

from policy_engine.combining import (
    OptionInput,
    fallback_verdict,
    is_warned,
    obligations,
    rank,
    rule_out,
    statuses,
    verdict,
    worst,
)
from policy_engine.counterfactuals.changed import NEEDED, VOLUME, Changed, World
from policy_engine.counterfactuals.index import Conflict, Delta, Index
from policy_engine.facts import PROPOSED
from policy_engine.lifting import bearing, waives
from policy_engine.model.task_case import (
    EvidenceStatus,
    Obligation,
    ProposalRuling,
    Ranking,
    Standing,
    TaskResult,
    Verdict,
)
from policy_engine.model.vocabulary import OPTIONS
from policy_engine.model.waiver import NO_LIFTING, Lifting

EVIDENCE = "evidence."
_FALLBACK = "proposal.fallback."
_OF_PROPOSAL = ("proposal.deployment", "proposal.model")
_PRESENT = "proposal.fallback.present"


class Reply(NamedTuple):
    """What a task comes to; `statuses` in the order of the options."""

    verdict: Verdict
    recommended: str | None
    statuses: tuple[str, ...]


class State(NamedTuple):
    """What a reply rests on: the judged option, what is said of it and of the proposal, and what is owed.

    `own` is the verdict without the fallback's, which is `beside`. `model` is what the catalog says of the proposed
    one, and `available` of each option.
    """

    judged: str | None
    outcomes: list[bool | None]
    available: tuple[bool | None, ...]
    ruling: ProposalRuling | None
    model: bool | None
    owed: tuple[Obligation, ...]
    own: Verdict
    beside: Verdict | None = None


class _Stand(NamedTuple):
    """How the options stand, and which comes first."""

    standings: dict[str, Standing]
    ranking: Ranking
    statuses: tuple[str, ...]


class Trial:
    """One task, to be asked what it would come to."""

    def __init__(self, index: Index, result: TaskResult) -> None:
        self.index, self.result = index, result
        judge = index.judge
        self._effects, self._enforcement = judge.effects, result.enforcement
        self._judge = judge
        self.world = World(
            judge, result.case, result.facts, result.outcomes, result.models, result.inputs, index.readers.keys()
        )
        self.fallback = _fallback(self.world, result, index)
        found = tuple(result.standings[option].status for option in OPTIONS)
        self.before = Reply(result.verdict, result.ranking.recommended, found)
        self._stands: dict[Any, _Stand] = {}
        self._now = _Stand(result.standings, result.ranking, found)
        #: The facts that forbids rest on, or whether an option has a model: a fallback is judged by no others.
        self._beyond = index.forbids_on | (NEEDED - set(VOLUME))
        self._gap, self._firm_gap = _gaps(result)
        self._owed: dict[Any, tuple[Obligation, ...]] = {}
        self.tries = 0
        #: The options whose costs the last reply rested on, and those whose licences.
        self.weighed: set[str] = set()
        self.licensed: set[str] = set()
        #: Whether the last reply moved anything that the verdict rests on, though it may be the same.
        self.moved = False
        self._state: State | None = None

    def reply(self, changes: Mapping[str, Any]) -> Reply | None:
        """Return what the task comes to with these facts, and grades of evidence; None where rules contradict so."""
        self.tries += 1
        evidence = self._evidence(changes)
        facts = {name: value for name, value in changes.items() if not name.startswith(EVIDENCE)}
        try:
            return self._reply(facts, evidence)
        except Conflict:
            return None

    def _evidence(self, changes: Mapping[str, Any]) -> Mapping[str, EvidenceStatus]:
        found = self.result.case.evidence
        for name, grade in changes.items():
            if name.startswith(EVIDENCE):
                key = name.removeprefix(EVIDENCE)
                found = {each: status for each, status in found.items() if each != key}
                if grade is not None:
                    found[key] = EvidenceStatus(key, grade)
        return found

    def _reply(self, changes: dict[str, Any], evidence: Mapping[str, EvidenceStatus]) -> Reply:
        changed = Changed(self.world, changes)
        found, stand = self._own(changed, changes, evidence)
        self.weighed, self.licensed = changed.weighed, changed.licensed
        beside = self._beside(changes, evidence, changed)
        if beside is not None:
            self.moved = self.moved or beside != self.result.fallback_verdict
            self._state = self._state and self._state._replace(beside=beside)
            found = worst([found, beside])
        elif self.fallback is not None:
            self.moved = True
        return Reply(found, stand.ranking.recommended, stand.statuses)

    def _own(
        self, changed: Changed, changes: Mapping[str, Any], evidence: Mapping[str, EvidenceStatus]
    ) -> tuple[Verdict, _Stand]:
        """Return the verdict without the fallback's, and how the options stand."""
        outcomes, lifting, stand = self._stand(self.world, changed, changes, evidence)
        if stand is self._now and evidence is self.result.case.evidence and self._same_verdict(changed):
            # where nothing is proposed, what moves scores may let another option come first, together with more
            scores = outcomes is not self.world.outcomes or changed.needs is not None
            self.moved = self.result.proposal is None and scores
            self._state = None
            return self._verdict, stand
        proposed: bool = changed["proposal.present"]
        judged = changed.get("proposal.deployment") if proposed else stand.ranking.recommended
        ruling = self._ruling(changed, outcomes, lifting) if proposed else None
        owed: tuple[Obligation, ...] = ()
        if judged is not None:
            outcomes, owed = self._obligations(judged, changed, outcomes, evidence, lifting)
        waived = lifting is not NO_LIFTING and waives(bearing(lifting, judged, owed), judged)
        standing = stand.standings[judged] if judged is not None else None
        self.moved = ruling is None or self._moves(standing, ruling, owed, outcomes)
        firm = stand.ranking.firm
        found = verdict(self._effects, outcomes, self._enforcement, standing, ruling, firm, owed, waived)
        model = changed.model_holds() if proposed else None
        self._state = State(judged, outcomes, changed.available(), ruling, model, owed, found)
        return found, stand

    def _moves(
        self,
        standing: Standing | None,
        ruling: ProposalRuling,
        owed: tuple[Obligation, ...],
        outcomes: list[bool | None],
    ) -> bool:
        """Whether anything that the verdict on a proposal rests on is otherwise."""
        result = self.result
        if result.proposal is None or standing is None or result.judged != standing.option:
            return True
        before = result.standings[standing.option]
        if standing.status != before.status or ruling.holds is not result.proposal.holds or owed != result.obligations:
            return True
        return any(outcomes[index] is not result.outcomes[index] for index in self.index.forbids)

    def _same_verdict(self, changed: Changed) -> bool:
        """Whether, where the options stand as they do, nothing else that the verdict rests on has changed.

        INVARIANT: they are known to stand so only where no rule that forbids, or is lifted, came out otherwise.
        """
        judged, names = self.result.judged, changed.names
        if not names.isdisjoint(_OF_PROPOSAL) or "proposal.present" in names:
            return False
        if judged is not None and not names.isdisjoint(self.index.obliging_reads[judged]):
            return False
        return self.result.proposal is None or changed.model_holds() is self.world.holds()

    @property
    def state(self) -> State:
        """What the last reply rests on."""
        return self.now if self._state is None else self._state

    @cached_property
    def now(self) -> State:
        """The state of the task as it is."""
        result, world = self.result, self.world
        model = world.holds() if result.proposal is not None else None
        owed, beside = result.obligations, result.fallback_verdict
        return State(
            result.judged, result.outcomes, world.available, result.proposal, model, owed, self._verdict, beside
        )

    @cached_property
    def _verdict(self) -> Verdict:
        """The verdict as it is, without the fallback's."""
        result = self.result
        waived = waives(result.lifting, result.judged)
        standing = result.standings[result.judged] if result.judged is not None else None
        firm, ruling, owed = result.ranking.firm, result.proposal, result.obligations
        return verdict(self._effects, result.outcomes, self._enforcement, standing, ruling, firm, owed, waived)

    def _stand(
        self, world: World, changed: Changed, changes: Mapping[str, Any], evidence: Mapping[str, EvidenceStatus]
    ) -> tuple[list[bool | None], Lifting, _Stand]:
        """Ask the rules that read what changed, and rank the options by what they say."""
        beside = world is self.fallback
        delta = self.index.delta(changed, world.outcomes, beside)
        outcomes = world.outcomes
        if delta:
            outcomes = list(outcomes)
            for index, outcome in delta.items():
                outcomes[index] = outcome
        lifting = NO_LIFTING
        if world.case.waivers:
            outcomes = list(outcomes)
            for index in range(len(outcomes)):
                if not changed.names.isdisjoint(self.index.reads(index)) and index not in delta:
                    outcomes[index] = self.index.outcome(index, changed)
            case = replace(world.case, evidence=evidence)
            lifting = self._judge.lifting(case, outcomes, self._enforcement, changed)
        available = changed.available()
        proposed = changed["proposal.present"]
        key = None
        if not world.case.waivers:
            if not beside and available == world.available and self._cannot_overtake(delta, changed, proposed):
                return outcomes, lifting, self._now
            key = (beside, available, proposed, frozenset(delta.items()))
            if key in self._stands:
                return outcomes, lifting, self._stands[key]
        inputs = self._inputs(changed, available)
        standings = statuses(self._effects, outcomes, self._enforcement, inputs, {}, False, lifting.pairs)
        # a fallback is judged by its status: which option comes first is not asked there
        weighed = _weighed(standings, proposed) if changed.needs is not None and not beside else ()
        for option in weighed:
            given = changed.input(option)
            standings[option].monthly_usd, standings[option].cost_open = given.monthly_usd, given.cost_open
        ranking = rank(standings, self._effects, outcomes, {})
        stand = _Stand(standings, ranking, tuple([standings[option].status for option in OPTIONS]))
        if key is not None and not weighed:
            self._stands[key] = stand
        return outcomes, lifting, stand

    def _cannot_overtake(self, delta: Delta, changed: Changed, proposed: bool) -> bool:
        """Whether the order of the options surely stays: a bound on what the changed rules can move, before ranking."""
        best = self.result.ranking.recommended
        if not delta and changed.needs is None:
            return True
        if best is None or not self.index.scoring.issuperset(delta):
            return False
        moved = 0
        for index in delta:
            strengths = self.index.strengths[index]
            moved += strengths[best] + max(value for option, value in strengths.items() if option != best)
        return moved < (self._gap if proposed else self._firm_gap)

    def _inputs(self, changed: Changed, available: tuple[bool | None, ...]) -> Mapping[str, OptionInput]:
        if changed.needs is None:
            return changed.world.inputs
        return {option: _INPUTS[given] for option, given in zip(OPTIONS, available, strict=True)}

    def _ruling(self, changed: Changed, outcomes: list[bool | None], lifting: Lifting) -> ProposalRuling:
        option = changed["proposal.deployment"]
        rules = rule_out(self._effects, outcomes, self._enforcement, {}, option, lifting.pairs).holds
        model = changed.model_holds()
        return ProposalRuling(False if False in (rules, model) else (True if rules and model else None))

    def _obligations(
        self,
        judged: str,
        changed: Changed,
        outcomes: list[bool | None],
        evidence: Mapping[str, EvidenceStatus],
        lifting: Lifting,
    ) -> tuple[list[bool | None], tuple[Obligation, ...]]:
        """Return the outcomes with those that oblige on the judged option, and what is owed for it."""
        obliged = self.index.obliged(judged, changed, changed.names, outcomes)
        plain = evidence is self.result.case.evidence and lifting is NO_LIFTING
        key = (judged, tuple(obliged))
        if plain and key in self._owed:
            return outcomes, self._owed[key]
        if any(outcomes[index] is not outcome for index, outcome in obliged):
            outcomes = list(outcomes)
            for index, outcome in obliged:
                outcomes[index] = outcome
        owed = obligations(self._effects, outcomes, self._enforcement, judged, evidence, lifting.pairs)
        if plain:
            self._owed[key] = owed
        return outcomes, owed

    def _beside(
        self, changes: dict[str, Any], evidence: Mapping[str, EvidenceStatus], own_world: Changed
    ) -> Verdict | None:
        """Return the verdict on the fallback; None where there is none."""
        world = self.fallback
        if world is None or changes.get(_PRESENT) is False:
            return None
        own = {}
        for name, value in changes.items():
            if name.startswith(_FALLBACK):
                own[f"proposal.{name.removeprefix(_FALLBACK)}"] = value
            elif not name.startswith("proposal."):
                own[name] = value
        if not world.case.waivers and self._beyond.isdisjoint(own) and not any(name in own for name in _OF_PROPOSAL):
            return self.result.fallback_verdict
        changed = Changed(world, own, own_world)
        outcomes, lifting, stand = self._stand(world, changed, own, evidence)
        same = outcomes is world.outcomes and changed.needs is None and changed.names.isdisjoint(_OF_PROPOSAL)
        if same and not world.case.waivers:
            return self.result.fallback_verdict
        standing = stand.standings[changed["proposal.deployment"]]
        ruling = self._ruling(changed, outcomes, lifting)
        lifting = bearing(lifting, None) if lifting is not NO_LIFTING else lifting
        warned = is_warned(self._effects, outcomes, self._enforcement, standing.option, True)
        return fallback_verdict(standing, ruling, warned or waives(lifting, standing.option))


def _gaps(result: TaskResult) -> tuple[int, int]:
    """Return by how many points the recommended option leads, and by how many whatever is not known."""
    best = result.ranking.recommended
    if best is None or not result.ranking.firm:
        firm = 0
    else:
        highs = [
            s.high for s in result.standings.values() if s.option != best and s.status in ("permitted", "uncertain")
        ]
        firm = result.standings[best].low - max(highs) if highs else _FAR_AHEAD
    scores = [s.score for s in result.standings.values() if s.option != best and s.status == "permitted"]
    ahead = result.standings[best].score - max(scores) if best is not None and scores else _FAR_AHEAD
    return ahead, min(ahead, firm)


_FAR_AHEAD = 1_000
_INPUTS = {given: OptionInput(given, (), None) for given in (True, False, None)}


def _weighed(standings: Mapping[str, Standing], proposed: bool) -> set[str]:
    """Return the options whose cost decides which comes first, or whether that is firm."""
    permitted = [each for each in standings.values() if each.status == "permitted"]
    if not permitted:
        return set()
    top = max(each.score for each in permitted)
    level = [each for each in permitted if each.score == top]
    found = {each.option for each in level} if len(level) > 1 else set()
    if not proposed:  # only then is it asked whether the recommendation is firm
        lows = {each.low for each in level}
        rivals = [s for s in standings.values() if s.status in ("permitted", "uncertain") and s.high in lows]
        if {each.option for each in rivals} - {level[0].option} or len(level) > 1:
            found |= {each.option for each in (*level, *rivals)}
    return found


def _fallback(world: World, result: TaskResult, index: Index) -> World | None:
    """Return the world in which the fallback is what is proposed."""
    if result.fallback_inference is None:
        return None
    facts, outcomes = result.fallback_inference
    case = world.case
    declared = {name: value for name, value in case.facts.items() if not name.startswith("proposal.")}
    for name in ("present", "fallback.present", "quantization", *PROPOSED):
        if f"proposal.{name}" in facts:
            declared[f"proposal.{name}"] = facts[f"proposal.{name}"]
    other = replace(case, facts=declared)
    return World(world.judge, other, facts, outcomes, world.models, world.inputs, index.readers.keys())
