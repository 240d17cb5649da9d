"""What holds a verdict where it is, and which of the facts that are tried each of it could give way to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from policy_engine.counterfactuals.changed import MIN_SCORES, NEEDED
from policy_engine.counterfactuals.grounds import Came
from policy_engine.counterfactuals.index import Index
from policy_engine.counterfactuals.trial import EVIDENCE, Trial
from policy_engine.model.origins import ORIGINS
from policy_engine.model.rule import PROPOSAL
from policy_engine.model.task_case import VERDICTS
from policy_engine.model.vocabulary import OPTIONS

Facts = frozenset[str]
#: Facts by their places among those that are tried, as bits.
Places = int
#: Alternatives, of which one has to give way as a whole: each of its parts, to one of these facts.
Held = tuple[tuple[Places, ...], ...]
_MODEL = NEEDED | {"proposal.model", "proposal.deployment"}
_OF_COST = ("budget.api_spend_usd_per_month", "migration.from.model", "migration")
_FALLBACK = frozenset(
    {"proposal.fallback", *(f"proposal.fallback.{name}" for name in ("deployment", "model", "provider", "region"))}
)
_DEPLOYMENT = frozenset({"proposal.deployment"})


def beside(held: Held, one: Places = 0) -> Places:
    """Return the places of facts that touch all that holds the verdict, but for what the fact at `one` touches."""
    found = 0
    for parts in held:
        every = -1
        for part in parts:
            if not part & one:
                every &= part
        found |= every
    return found


class Holding:
    """Says what holds a verdict that is not better than the task's; `facts` are those that are tried."""

    def __init__(self, trial: Trial, index: Index, facts: Sequence[str]) -> None:
        self._trial, self._index = trial, index
        self._level = VERDICTS.index(trial.before.verdict)
        self._denied = trial.before.verdict == "deny"
        names = [MIN_SCORES if name.startswith(MIN_SCORES) else name for name in facts]
        self._names, self._places = names, dict[Facts, Places]()
        self._held: dict[int, Held] = {}
        self._rules: dict[int, Places] = {}
        # what decides the order of options, which moves where nothing is proposed, moves by nearly every fact
        self._any = (1 << len(names)) - 1

    def of(self, came: Came) -> Held:
        """Return what keeps the task from a better verdict under some changes."""
        found = self._held.get(id(came))
        if found is None:
            found = self._held[id(came)] = self._of(came)
        return found

    def _of(self, came: Came) -> Held:
        held: list[Places] = []
        if came.beside is not None and VERDICTS.index(came.beside) >= self._level:
            forbids = {name for i in self._index.forbids for name in self._index.reads(i)}
            held.append(self._at(_FALLBACK | _behind(self._index, forbids) | _MODEL))
        if VERDICTS.index(came.own) < self._level:
            return (tuple(held),)
        if came.judged is None:
            return tuple([(*held, *self._of_option(came, option)) for option in OPTIONS])
        if came.grounds.option is None:
            return ((self._any,),)
        held += self._of_option(came, came.judged)
        held += self._of_ruling(came)
        if not self._denied:
            held += self._of_duties(came)
        return (tuple(held),)

    def _of_ruling(self, came: Came) -> Iterator[Places]:
        """Yield what rules the proposal out, or leaves it open."""
        for index in self._index.forbids:
            if PROPOSAL in self._index.judge.rules[index].forbid and self._counts(came, index, came.judged or ""):
                yield self._of_rule(index, _DEPLOYMENT if self._trial.world.case.waivers else frozenset())
        if came.grounds.model is False or (came.grounds.model is None and not self._denied):
            yield self._at(_MODEL)

    def _of_duties(self, came: Came) -> Iterator[Places]:
        for duty in came.owed:
            if duty.status != "satisfied" and duty.enforcement != "advisory" and not duty.waived:
                places = self._index.judge.index_of
                names = {name for rule in duty.rules for name in self._index.reads(places[rule])}
                yield self._at(_behind(self._index, names) | {f"{EVIDENCE}{duty.evidence}"} | _DEPLOYMENT)

    def _of_option(self, came: Came, option: str) -> Iterator[Places]:
        """Yield what keeps an option from being permitted; each also goes where another option is proposed."""
        for index in self._index.forbids:
            if option in self._index.judge.rules[index].forbid and self._counts(came, index, option):
                yield self._of_rule(index, _DEPLOYMENT)
        available = came.grounds.available[OPTIONS.index(option)]
        if available is False or (available is None and not self._denied):
            yield self._at(_MODEL)

    def _counts(self, came: Came, index: int, option: str) -> bool:
        """Whether a rule that forbids holds the verdict: that it fired, or, at a review, that nobody knows."""
        outcome = came.grounds.bits.outcome(index)
        if outcome is False or (outcome is None and self._denied):
            return False
        return self._trial.result.enforcement[index] != "advisory" and (index, option) not in came.lifted

    def _of_rule(self, index: int, more: Facts) -> Places:
        found = self._rules.get(index)
        if found is None:
            found = self._rules[index] = self._at(_behind(self._index, self._index.reads(index)))
        return found | self._at(more)

    def _at(self, facts: Facts) -> Places:
        found = self._places.get(facts)
        if found is None:
            found = self._places[facts] = sum(1 << place for place, name in enumerate(self._names) if name in facts)
        return found


def _behind(index: Index, names: Iterable[str]) -> Facts:
    """Return the facts that a team can change behind those that a rule reads."""
    found: set[str] = set()
    for name in names:
        found.add(name)
        found.update(ORIGINS.get(name, ()))
        if name == "proposal.region_allowed" and index.judge.policy.catalog.provider_places:
            found.add("proposal.deployment")  # on machines of one's own no provider tells of it
        section = name.partition(".")[0]
        if section in ("cost", "licence") or name in ("proposal.licence", "proposal.hardware_verdict"):
            found.update((*_MODEL, *_OF_COST))
        if section == "migration":
            found.add("migration")
        if name.startswith("proposal.fallback."):
            found.add("proposal.fallback")
        if name in index.derived:
            found |= _behind(index, {each for i in index.deriving for each in index.reads(i)} - index.derived)
    return frozenset(found)
