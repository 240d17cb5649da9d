"""What a policy's rules read, worked out once, so that a changed fact asks no more rules than it has to."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Set
from typing import Any

from policy_engine.counterfactuals.changed import COMPUTED, NEEDED, Changed
from policy_engine.counterfactuals.conditions import Asked, compiled
from policy_engine.judging import Judge
from policy_engine.language.tree import Const, Node, facts_read, walk
from policy_engine.model.vocabulary import CUSTOM, OPTIONS

#: Outcomes that are others than before, by the rule's index.
Delta = dict[int, bool | None]


class Conflict(Exception):  # noqa: N818 - no error: such a change is none that a workload can make
    """Two rules that fired derive different values of one fact."""


class Index:
    """The rules of one policy by the facts that they read."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        rules = judge.rules
        self.readers: dict[str, list[int]] = {}
        self._reads: list[frozenset[str]] = []
        for index, rule in enumerate(rules):
            expressions = [rule.condition, *(each.expression for each in rule.derive)]
            names = frozenset().union(*(facts_read(each) for each in expressions))
            self._reads.append(frozenset(name for name in names if not name.startswith("param.")))
            for name in self._reads[index]:
                self.readers.setdefault(name, []).append(index)
        order = [index for stratum in judge.policy.strata for index in stratum.rules]
        #: The rules that derive facts, in the order in which they are asked.
        self.deriving = [index for index in order if rules[index].derive]
        self._derives = frozenset(self.deriving)
        self._expressions = {
            (index, each.fact): judge.substituted(each.expression)
            for index in self.deriving
            for each in rules[index].derive
        }
        self.derived = frozenset(each.fact for index in self.deriving for each in rules[index].derive)
        #: The facts with which something else is derived.
        self._moving = self.derived.union(*(self._reads[index] for index in self.deriving))
        self._asked: dict[int, Asked] = {}
        #: By option, the rules that oblige on it; by fact, those that do more than oblige or advise.
        self.obliging: dict[str, list[int]] = {
            option: [i for i, rule in enumerate(rules) if any(option in named for named in rule.require.values())]
            for option in OPTIONS
        }
        self.obliging_reads = {
            option: frozenset().union(*(self._reads[index] for index in found))
            for option, found in self.obliging.items()
        }
        acting = {i for i, rule in enumerate(rules) if rule.forbid or rule.prefer or rule.disfavour}
        self.does = does = acting | set(self.deriving) | {i for i, rule in enumerate(rules) if rule.require}
        #: The facts that a rule reads which does more than advise.
        self.acting_or_obliging = {name for name, found in self.readers.items() if not does.isdisjoint(found)}
        self.acting = {name: [i for i in found if i in acting] for name, found in self.readers.items()}
        self.forbidding = {name: [i for i in found if rules[i].forbid] for name, found in self.readers.items()}
        self.forbids = [index for index, rule in enumerate(rules) if rule.forbid]
        self.forbids_on = self._behind(frozenset().union(*(self._reads[index] for index in self.forbids)))
        self._groups: dict[tuple[str, bool], frozenset[int | str]] = {}
        effects = judge.effects
        self.scoring = frozenset(effects.scoring).difference(effects.forbidding, effects.ruling_out, self._derives)
        self.strengths = {
            index: {option: max(rule.prefer.get(option, 0), rule.disfavour.get(option, 0)) for option in OPTIONS}
            for index, rule in enumerate(rules)
            if index in self.scoring
        }

    def _behind(self, names: frozenset[str]) -> frozenset[str]:
        """Return the facts that `names` are, or come from: computed by the engine, or derived by rules."""
        found = set(names)
        for index in reversed(self.deriving):
            if any(each.fact in found for each in self.judge.rules[index].derive):
                found |= self._reads[index]
        found.update(name for name, computed in COMPUTED.items() if not computed.isdisjoint(found))
        return frozenset(found)

    def groups(self, name: str, scores: bool) -> frozenset[int | str]:
        """Return what reads the fact, directly or through what is computed of it: rules, and the catalog.

        What two facts do together is more than what each does alone only where something reads both. Without `scores`
        rules that only prefer are left out.
        """
        found = self._groups.get((name, scores))
        if found is None:
            reached = {name, *COMPUTED.get(name, ())}
            for index in self.deriving:
                if not reached.isdisjoint(self._reads[index]):
                    reached.update(each.fact for each in self.judge.rules[index].derive)
            rules = (i for i in self.does if scores or i not in self.scoring)
            groups: set[int | str] = {index for index in rules if not reached.isdisjoint(self._reads[index])}
            groups |= COMPUTED.get(name, frozenset())
            if name in NEEDED or name in ("proposal.model", "proposal.deployment"):
                groups.add("catalog")
            found = self._groups[name, scores] = frozenset(groups)
        return found

    def reads(self, index: int) -> frozenset[str]:
        """Return the facts that a rule reads, by its condition or in what it derives."""
        return self._reads[index]

    def nodes(self) -> list[Node]:
        """Return every node of the conditions, parameters put in, and of derivations, but of rules that only advise."""
        conditions = [self.judge.condition(index) for index in sorted(self.does)]
        return [node for each in (*conditions, *self._expressions.values()) for node in walk(each)]

    def outcome(self, index: int, facts: Mapping[str, Any]) -> bool | None:
        asked = self._asked.get(index)
        if asked is None:
            asked = self._asked[index] = compiled(self.judge.condition(index), self.judge.matches)
        return asked(facts.get)

    def delta(
        self,
        facts: Changed,
        before: list[bool | None],
        forbids_alone: bool = False,
    ) -> Delta:
        """Return the outcomes that are others than `before`; what rules derive is added to `facts`.

        Of rules that only oblige or advise nothing is said, and with `forbids_alone` of none that forbids nothing.

        Raises:
            Conflict: two derivations disagree.
        """
        found: Delta = {}
        names = facts.names
        if not names.isdisjoint(self._moving):
            names |= self._derive(facts, before, found)
        readers = self.forbidding if forbids_alone else self.acting
        for name in names:
            for index in readers.get(name, ()):
                if index in found or index in self._derives:
                    continue
                outcome = self.outcome(index, facts)
                if outcome is not before[index]:
                    found[index] = outcome
        return found

    def obliged(
        self, option: str, facts: Mapping[str, Any], names: Set[str], outcomes: list[bool | None]
    ) -> list[tuple[int, bool | None]]:
        """Return the outcomes of the rules that oblige on `option`."""
        found = [(index, outcomes[index]) for index in self.obliging[option]]
        if names.isdisjoint(self.obliging_reads[option]):
            return found
        return [
            (index, outcome if names.isdisjoint(self._reads[index]) else self.outcome(index, facts))
            for index, outcome in found
        ]

    def _derive(
        self,
        facts: Changed,
        before: list[bool | None],
        found: Delta,
    ) -> set[str]:
        """Derive anew, stratum by stratum; return the facts that are others, and note the outcomes that are."""
        old = {name: facts.get(name) for name in self.derived if facts.declared(name) is None}
        for name in old:
            facts[name] = None
        changed: set[str] = set()
        for index in self.deriving:
            outcome = before[index]
            if not self._reads[index].isdisjoint(facts.names | self.derived):
                outcome = self.outcome(index, facts)
                if outcome is not before[index]:
                    found[index] = outcome
            if outcome:
                self._set(index, facts, old)
        changed.update(name for name, value in old.items() if facts.get(name) != value)
        return changed

    def _set(self, index: int, facts: MutableMapping[str, Any], free: Mapping[str, Any]) -> None:
        for derivation in self.judge.rules[index].derive:
            if derivation.fact not in free:
                continue
            node = self._expressions[index, derivation.fact]
            value = node.value if isinstance(node, Const) else self.judge.value(node, facts)
            if value is None:
                continue
            known = facts.get(derivation.fact)
            if known is not None and known != value:
                raise Conflict
            facts[derivation.fact] = value


def can_be_stated(name: str, facts: Mapping[str, Any]) -> bool:
    """Whether stating `name` changes one thing: it makes no proposal, claim or migration by the way."""
    if name.startswith("proposal.fallback."):
        return bool(facts["proposal.fallback.present"])
    if name.startswith("proposal."):
        return bool(facts["proposal.present"])
    if name.startswith("hardware."):
        return name == "hardware.region" and bool(facts["hardware.present"])
    if name.startswith("migration."):
        return bool(facts.get("migration.present")) and not name.startswith("migration.champion")
    return name not in _FIXED or name.startswith(CUSTOM)


#: What makes a workload another one, or cannot be changed alone: the shares of the tasks add up to 1.
_FIXED = ("workload.namespace", "workload.name", "task.name", "task.share")
