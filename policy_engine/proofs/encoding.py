"""Whole decisions in Z3: what is decided on one task of any workload, under one policy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property

from policy_engine.language.cel import Checker
from policy_engine.language.kleene import Matcher
from policy_engine.language.tree import Node
from policy_engine.loading.policy import Policy
from policy_engine.lowering.to_z3 import Symbols, Truth, Value
from policy_engine.lowering.to_z3.formulas import Formula, both, either, neg, some
from policy_engine.model.task_case import VERDICTS
from policy_engine.model.vocabulary import OPTIONS
from policy_engine.proofs.decisions import Acts, Evidence, Judged, Waivers
from policy_engine.proofs.knowledge import Knowledge, symbols_of
from policy_engine.proofs.models import Floors, Models
from policy_engine.proofs.scores import Scores
from policy_engine.proofs.worlds import World


@dataclass(frozen=True)
class Shared:
    """What all that is compared has in common: the values of facts, what is known of them, evidence and waivers."""

    symbols: Symbols
    knowledge: Knowledge
    floors: Floors
    evidence: Evidence
    waivers: Waivers
    matches: Matcher

    @classmethod
    def of(
        cls, policies: Iterable[Policy], more: Iterable[Node] = (), twins: Mapping[str, str] | None = None
    ) -> Shared:
        """Return what decisions under all of `policies` share; `more` are the conditions that are asked besides.

        `twins` are the names of facts that are one, and have a value of their own under each of two policies.
        """
        found = list(policies)
        symbols = symbols_of(found, more, twins)
        facts = {name: each for policy in reversed(found) for name, each in policy.vocabulary.facts.items()}
        # a workload is valid under every policy that it is decided under
        regulations = set.intersection(*[set(policy.vocabulary.regulations) for policy in found])
        knowledge = Knowledge(symbols, facts, regulations)
        benchmarks = {name for policy in found for name in policy.catalog.benchmarks}
        evidence = Evidence(sorted({name for policy in found for name in policy.vocabulary.evidence}))
        checker = Checker({name: fact.type for name, fact in facts.items()})
        return cls(symbols, knowledge, Floors(benchmarks, knowledge), evidence, Waivers(), checker.matches)

    def knowing_less(self, policy: Policy) -> Shared:
        """Return the same with a second world, in which less may be known."""
        vocabulary = policy.vocabulary
        knowledge = Knowledge(self.symbols, vocabulary.facts, vocabulary.regulations, whole=self.knowledge)
        floors = Floors(self.floors.asked, knowledge)
        return Shared(self.symbols, knowledge, floors, self.evidence, self.waivers, self.matches)


class Encoding:
    """The decision on one task: facts, outcomes, statuses, obligations, ranking and verdict, each made when asked for.

    `tag` tells apart what is computed, `variant` what is not encoded and may differ from another policy's;
    with `like`, what is alike in both is shared all the same.
    """

    def __init__(
        self,
        policy: Policy,
        shared: Shared,
        at: datetime,
        *,
        tag: str = "",
        variant: str = "",
        like: Encoding | None = None,
    ) -> None:
        self.policy, self.shared, self.tag = policy, shared, tag
        day: date = at.date()
        known, symbols, matches = shared.knowledge.known, shared.symbols, shared.matches
        self.world = World(policy, symbols, known, matches, day, tag=tag, variant=variant)
        self.models: Models = Models(self.world, shared.floors, like.models if like is not None else None)
        self.acts = Acts(self.world, day)
        self._turned = World(
            policy, symbols, known, matches, day, tag=f"{tag} fallback", variant=variant, proposal=self.world
        )
        self._turned.licences = self.world.licences
        self.judged = self._judge(self.world)

    def _judge(self, world: World) -> Judged:
        return Judged(world, self.models, self.shared.evidence, self.shared.waivers, self.acts)

    @property
    def turned(self) -> World:
        """The facts with which the fallback is judged."""
        return self._turned

    @cached_property
    def scores(self) -> Scores:
        return Scores(self.judged)

    @cached_property
    def fallback(self) -> Judged:
        return self._judge(self._turned)

    @cached_property
    def proposed(self) -> Formula:
        return self.world.stated("proposal.present").true

    @cached_property
    def on(self) -> dict[str, Formula]:
        """That the judged option is this one: the proposal's, else the recommendation."""
        option = self.world.text("proposal.deployment")
        return {
            each: either(both(self.proposed, option.is_(each)), both(neg(self.proposed), self.scores.recommended[each]))
            for each in OPTIONS
        }

    @cached_property
    def proposal_on(self) -> dict[str, Formula]:
        """That the proposed option is this one."""
        option = self.world.text("proposal.deployment")
        return {each: both(self.proposed, option.is_(each)) for each in OPTIONS}

    @cached_property
    def firm(self) -> Formula:
        return self.scores.firm()

    @cached_property
    def ruling(self) -> Truth:
        return self.judged.ruling()

    # ---- verdicts

    @cached_property
    def own(self) -> dict[str, Formula]:
        """The verdict on the judged option, without its fallback."""
        return self._verdict(self.on, either(self.proposed, some(self.on.values())), neg(self.firm))

    @cached_property
    def of_proposal(self) -> dict[str, Formula]:
        """The verdict on a proposal, fallback included, where there is one: without any ranking."""
        return self._with_fallback(self._verdict(self.proposal_on, True, False))

    def _verdict(self, on: Mapping[str, Formula], is_any: Formula, open_: Formula) -> dict[str, Formula]:
        judged, proposed = self.judged, self.proposed
        deny, review, conditions = [both(proposed, self.ruling.false)], [neg(is_any)], []
        review += [both(proposed, self.ruling.open), both(neg(proposed), open_)]
        for option, here in on.items():
            status = judged.status(option)
            deny.append(both(here, either(status.forbidden, status.unavailable)))
            review.append(both(here, either(status.uncertain, judged.owed(option, binding=True))))
            others = (judged.owed(option, binding=False), judged.waived(option), judged.warned(option))
            conditions.append(both(here, either(*others)))
        return _first({"deny": some(deny), "review": some(review), "allow_with_conditions": some(conditions)})

    @cached_property
    def of_fallback(self) -> dict[str, Formula]:
        """The verdict on the fallback, where there is one: by the forbids alone."""
        fallback, option = self.fallback, self._turned.text("proposal.deployment")
        ruling = fallback.ruling()
        deny, review, conditions = [ruling.false], [ruling.open], []
        for here, name in option.cases:
            status = fallback.status(str(name))
            deny.append(both(here, either(status.forbidden, status.unavailable)))
            review.append(both(here, status.uncertain))
            others = (fallback.waived(str(name), forbids_alone=True), fallback.warned(str(name)))
            conditions.append(both(here, either(*others)))
        return _first({"deny": some(deny), "review": some(review), "allow_with_conditions": some(conditions)})

    @cached_property
    def has_fallback(self) -> Formula:
        return self.world.stated("proposal.fallback.present").true

    @cached_property
    def verdict(self) -> dict[str, Formula]:
        """The verdict on the task, by word."""
        return self._with_fallback(self.own)

    def _with_fallback(self, own: Mapping[str, Formula]) -> dict[str, Formula]:
        other, there = self.of_fallback, self.has_fallback
        found: dict[str, Formula] = {}
        worse: Formula = False
        for word in reversed(VERDICTS):
            here = either(own[word], both(there, other[word]))
            found[word] = both(neg(worse), here)
            worse = either(worse, here)
        return found

    # ---- what is asked

    def fact(self, name: str) -> Value:
        """Return a fact or an outcome by name."""
        from policy_engine.proofs.outcomes import OUTCOMES, outcome

        return outcome(self, name) if name.split(".", maxsplit=1)[0] in OUTCOMES else self.world.fact(name)

    def constraints(self) -> Iterator[list[Formula]]:
        """Yield the lists of what holds besides; they grow as more is made."""
        yield self.world.constraints
        yield self._turned.constraints


def _first(words: Mapping[str, Formula]) -> dict[str, Formula]:
    """Return the verdicts of which each holds where none before it does; the last is `allow`."""
    found: dict[str, Formula] = {}
    before: list[Formula] = []
    for word, formula in words.items():
        found[word] = both(formula, *[neg(each) for each in before])
        before.append(formula)
    found["allow"] = neg(some(before))
    return found


def volume_known(world: World) -> Formula:
    """Return that the volume is known."""
    return both(*[world.knows(f"volume.{name}_tokens_per_month") for name in ("input", "output")])
