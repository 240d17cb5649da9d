"""What holds a verdict where it is, and the facts that each of it could give way to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet

from msgspec import Struct

from policy_engine.counterfactuals.changed import MIN_SCORES, NEEDED
from policy_engine.counterfactuals.index import Index
from policy_engine.counterfactuals.trial import EVIDENCE, State, Trial
from policy_engine.model.origins import ORIGINS
from policy_engine.model.rule import PROPOSAL
from policy_engine.model.task_case import VERDICTS
from policy_engine.model.vocabulary import OPTIONS

Facts = frozenset[str]
_MODEL = NEEDED | {"proposal.model", "proposal.deployment"}
_OF_COST = ("budget.api_spend_usd_per_month", "migration.from.model", "migration")
_FALLBACK = frozenset(
    {"proposal.fallback", *(f"proposal.fallback.{name}" for name in ("deployment", "model", "region"))}
)


class Holding(Struct, frozen=True):
    """Alternatives, of which one has to give way as a whole: each of its parts, to one of these facts.

    `scores`: or another option comes first, whatever moves its score.
    """

    alternatives: tuple[tuple[Facts, ...], ...]
    scores: bool = False

    def narrowest(self) -> Facts | None:
        """Return facts of which a mending change touches one at least: of each alternative, the part with the fewest.

        None where any fact may.
        """
        if self.scores or not all(self.alternatives):
            return None
        found = frozenset().union(*(min(held, key=len) for held in self.alternatives))
        return found

    def could_go(self, facts: AbstractSet[str]) -> bool:
        """Whether changes of `facts` touch everything that holds the verdict."""
        if self.scores:
            return True
        names = {MIN_SCORES if name.startswith(MIN_SCORES) else name for name in facts}
        return any(all(not names.isdisjoint(each) for each in held) for held in self.alternatives)


def holding(trial: Trial, index: Index, state: State) -> Holding:
    """Return what keeps a state of the task from a better verdict than the task has."""
    level = VERDICTS.index(trial.before.verdict)
    held: list[Facts] = []
    if state.beside is not None and VERDICTS.index(state.beside) >= level:
        forbids = {name for i in index.forbids for name in index.reads(i)}
        held.append(_FALLBACK | _behind(index, forbids) | _MODEL)
    if VERDICTS.index(state.own) < level:
        return Holding((tuple(held),))
    denied = trial.before.verdict == "deny"
    if state.judged is None:
        options = ((*held, *_of_option(trial, index, state, option, denied)) for option in OPTIONS)
        return Holding(tuple(options))
    held += _of_option(trial, index, state, state.judged, denied)
    if state.ruling is not None:
        held += _of_ruling(trial, index, state, denied)
    if not denied:
        held += _of_duties(index, state)
    return Holding((tuple(held),), state.ruling is None)


def _of_ruling(trial: Trial, index: Index, state: State, denied: bool) -> Iterator[Facts]:
    """Yield what rules the proposal out, or leaves it open."""
    for i, rule in enumerate(index.judge.rules):
        if PROPOSAL in rule.forbid and _counts(trial, state, i, state.judged or "", denied):
            yield _behind(index, index.reads(i))
    if state.model is False or (state.model is None and not denied):
        yield _MODEL


def _of_duties(index: Index, state: State) -> Iterator[Facts]:
    for duty in state.owed:
        if duty.status != "satisfied" and duty.enforcement != "advisory" and not duty.waived:
            names = {name for rule in duty.rules for name in index.reads(index.judge.index_of[rule])}
            yield _behind(index, names) | {f"{EVIDENCE}{duty.evidence}", "proposal.deployment"}


def _of_option(trial: Trial, index: Index, state: State, option: str, denied: bool) -> Iterator[Facts]:
    """Yield what keeps an option from being permitted; each also goes where another option is proposed."""
    for i, rule in enumerate(index.judge.rules):
        if option in rule.forbid and _counts(trial, state, i, option, denied):
            yield _behind(index, index.reads(i)) | {"proposal.deployment"}
    available = state.available[OPTIONS.index(option)]
    if available is False or (available is None and not denied):
        yield _MODEL


def _counts(trial: Trial, state: State, index: int, option: str, denied: bool) -> bool:
    """Whether a rule that forbids holds the verdict: that it fired, or, at a review, that nobody knows."""
    outcome = state.outcomes[index]
    if outcome is False or (outcome is None and denied) or trial.result.enforcement[index] == "advisory":
        return False
    return (index, option) not in trial.result.lifting.pairs


def _behind(index: Index, names: Iterable[str]) -> Facts:
    """Return the facts that a team can change behind those that a rule reads."""
    found: set[str] = set()
    for name in names:
        found.add(name)
        found.update(ORIGINS.get(name, ()))
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
