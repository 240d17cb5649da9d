"""What a policy's rules read, worked out once, so that a changed fact asks no more rules than it has to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence, Set
from typing import Any

from policy_engine.counterfactuals.bits import Bits, Force, Points, Scores, force_of
from policy_engine.counterfactuals.changed import CHOSEN, COMPUTED, NEEDED, VOLUME, Changed, stands_alone
from policy_engine.counterfactuals.conditions import Asked, compiled
from policy_engine.counterfactuals.order import Order, costs_of, order, weighed
from policy_engine.judging import Judge
from policy_engine.language.tree import Const, Node, facts_read, walk
from policy_engine.model.rule import Rule
from policy_engine.model.vocabulary import CUSTOM, OPTIONS

_FALLBACK = "proposal.fallback."
_MOST_REMEMBERED = 10_000
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
        self._doing_asked: dict[str, list[tuple[int, Asked, bool]]] = {}
        self._forbidding_asked: dict[str, list[tuple[int, Asked, bool]]] = {}
        #: The rules that read what is computed of a choice of models, which is worked out when it is read.
        self._choosy = frozenset(i for i, reads in enumerate(self._reads) if not CHOSEN.isdisjoint(reads))
        #: By option, the rules that oblige on it; by fact, those that do more than oblige or advise.
        #: By option, the rules that oblige on it, as bits.
        self.obliging = {
            option: sum(
                1 << i for i, rule in enumerate(rules) if any(option in named for named in rule.require.values())
            )
            for option in OPTIONS
        }
        self.does = does = {i for i, rule in enumerate(rules) if _does(rule)}
        #: The facts that a rule reads which does more than advise.
        self.acting_or_obliging = {name for name, found in self.readers.items() if not does.isdisjoint(found)}
        waiting = {i for i in does if _only_obliges(rules[i]) and not CHOSEN.isdisjoint(self._reads[i])}
        self.doing = {n: [i for i in found if i in does and i not in waiting] for n, found in self.readers.items()}
        #: By option, the rules that only oblige there and read what is computed of a choice of models.
        self.waiting = {
            option: [i for i in sorted(waiting) if any(option in named for named in rules[i].require.values())]
            for option in OPTIONS
        }
        #: The facts that those read: a change that moves nothing else may still oblige.
        self.waited_on = frozenset().union(*(self._reads[index] for index in waiting))
        self.forbidding = {name: [i for i in found if rules[i].forbid] for name, found in self.readers.items()}
        self.forbids = [index for index, rule in enumerate(rules) if rule.forbid]
        #: As bits, the rules that forbid, or derive what others read, and those that do more than prefer.
        self.barring = sum(1 << i for i in does if rules[i].forbid or rules[i].derive)
        self.ruling = self.barring | sum(1 << i for i in does if rules[i].require)
        self._computed = computed = frozenset().union(*COMPUTED.values()) | self.derived
        self._plain = frozenset(i for i in does if not self._derives & {i} and computed.isdisjoint(self._reads[i]))
        self.forbids_on = self._behind(frozenset().union(*(self._reads[index] for index in self.forbids)))
        #: The facts with which nothing changes but what rules that read them come to, and nothing is derived.
        self.alone = frozenset(n for n in self.readers if stands_alone(n) and n not in self._moving)
        self._groups: dict[tuple[str, int, bool], frozenset[int | str]] = {}
        self.scores = Scores(rules, judge.effects.scoring)
        self._force: dict[tuple[str, ...], Force] = {}
        self._rankings: dict[tuple[tuple[str, ...], Points, bool], tuple[frozenset[str], Order | None]] = {}

    def _behind(self, names: frozenset[str]) -> frozenset[str]:
        """Return the facts that `names` are, or come from: computed by the engine, or derived by rules."""
        found = set(names)
        for index in reversed(self.deriving):
            if any(each.fact in found for each in self.judge.rules[index].derive):
                found |= self._reads[index]
        found.update(name for name, computed in COMPUTED.items() if not computed.isdisjoint(found))
        return frozenset(found)

    def groups(self, name: str, rules: int, costs: bool) -> frozenset[int | str]:
        """Return what reads the fact, directly or through what is computed of it: of `rules`, as bits, and the catalog.

        What two facts do together is more than what each does alone only where something reads both. `costs`: what is
        chosen of a catalog counts by itself, and not only where one of the rules reads it.
        """
        found = self._groups.get((name, rules, costs))
        if found is None:
            if name.startswith(_FALLBACK):  # in the fallback's world it is the proposal's
                return self.groups(f"proposal.{name.removeprefix(_FALLBACK)}", rules, costs)
            reached = {name, *COMPUTED.get(name, ())}
            for index in self.deriving:
                if not reached.isdisjoint(self._reads[index]):
                    reached.update(each.fact for each in self.judge.rules[index].derive)
            groups: set[int | str] = {i for i in self.does if rules >> i & 1 and not reached.isdisjoint(self._reads[i])}
            groups |= COMPUTED.get(name, frozenset()) - (frozenset() if costs else CHOSEN)
            if (name in NEEDED and (costs or name not in VOLUME)) or name in ("proposal.model", "proposal.deployment"):
                groups.add("catalog")
            found = self._groups[name, rules, costs] = frozenset(groups)
        return found

    def plain(self, index: int) -> bool:
        """Whether a rule reads only what is declared, and derives nothing: so that two changes say what it says."""
        return index in self._plain

    def by_choice(self, index: int, names: Set[str]) -> bool:
        """Whether a rule reads of `names`, and of what is computed of them, only a choice of models."""
        return index not in self._derives and (self._reads[index] - CHOSEN).isdisjoint(names | self._computed)

    def asked(self, index: int, get: Callable[[str], Any]) -> bool | None:
        """Ask one rule on facts behind a function."""
        return self._asking(index)(get)

    def reads(self, index: int) -> frozenset[str]:
        """Return the facts that a rule reads, by its condition or in what it derives."""
        return self._reads[index]

    def nodes(self) -> list[Node]:
        """Return every node of the conditions, parameters put in, and of derivations, but of rules that only advise."""
        conditions = [self.judge.condition(index) for index in sorted(self.does)]
        return [node for each in (*conditions, *self._expressions.values()) for node in walk(each)]

    def outcome(self, index: int, facts: Changed) -> bool | None:
        """Ask one rule."""
        return self._asking(index)(facts.get if index in self._choosy else facts.plain)

    def _asking(self, index: int) -> Asked:
        asked = self._asked.get(index)
        if asked is None:
            asked = self._asked[index] = compiled(self.judge.condition(index), self.judge.matches)
        return asked

    def force(self, enforcement: Sequence[str]) -> Force:
        """Return what the rules forbid, as they act for a namespace on a day."""
        key = tuple(enforcement)
        found = self._force.get(key)
        if found is None:
            if len(self._force) > _MOST_REMEMBERED:
                self._force.clear()
            found = self._force[key] = force_of(self.judge.rules, enforcement)
        return found

    def ranking(self, statuses: tuple[str, ...], points: Points, proposed: bool) -> tuple[frozenset[str], Order | None]:
        """Return the options whose cost decides which comes first, and, where there are none, the order as it is then.

        INVARIANT: an order that is remembered rests on no cost, so that it is the same for every task. Of a proposal it
        is not asked whether what comes first is firm.
        """
        key = (statuses, points, proposed)
        found = self._rankings.get(key)
        if found is None:
            if len(self._rankings) > _MOST_REMEMBERED:
                self._rankings.clear()
            tied = weighed(statuses, points, proposed)
            found = self._rankings[key] = (tied, None if tied else order(statuses, points, costs_of({})))
        return found

    def delta(
        self,
        facts: Changed,
        before: list[bool | None],
        forbids_alone: bool = False,
    ) -> Delta:
        """Return the outcomes that are others than `before`; what rules derive is added to `facts`.

        Of rules that only advise nothing is said, and of those that only oblige nothing that `waited` says; with
        `forbids_alone` of none that forbids nothing.

        Raises:
            Conflict: two derivations disagree.
        """
        found: Delta = {}
        names = facts.names
        if not names.isdisjoint(self._moving):
            names |= self._derive(facts, before, found)
        readers = self._forbidding_asked if forbids_alone else self._doing_asked
        plain, whole = facts.plain, facts.get
        for name in names:
            asked = readers.get(name)
            if asked is None:
                asked = readers[name] = self._askable((self.forbidding if forbids_alone else self.doing).get(name, ()))
            for index, ask, choosy in asked:
                if index not in found:
                    outcome = ask(whole if choosy else plain)
                    if outcome is not before[index]:
                        found[index] = outcome
        return found

    def _askable(self, indexes: Iterable[int]) -> list[tuple[int, Asked, bool]]:
        """Return how these rules are asked, and whether of choices too; those that derive are asked before all."""
        return [(i, self._asking(i), i in self._choosy) for i in indexes if i not in self._derives]

    def delta_of_one(self, name: str, get: Callable[[str], Any], before: Sequence[bool | None]) -> Delta:
        """Return what `delta` does where one of the facts that are `alone` is another, behind a function."""
        found: Delta = {}
        for index in self.doing.get(name, ()):
            outcome = self._asking(index)(get)
            if outcome is not before[index]:
                found[index] = outcome
        return found

    def waited(self, option: str, names: Set[str], get: Callable[[str], Any], bits: Bits) -> Delta:
        """Return the outcomes that `delta` left out, of rules that oblige on the judged `option` and read `names`."""
        found: Delta = {}
        for index in self.waiting[option]:
            if not self._reads[index].isdisjoint(names):
                outcome = self._asking(index)(get)
                if outcome is not bits.outcome(index):
                    found[index] = outcome
        return found

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


def _only_obliges(rule: Rule) -> bool:
    return not (rule.forbid or rule.prefer or rule.disfavour or rule.derive)


def _does(rule: Rule) -> bool:
    """Whether the rule does more than advise."""
    return bool(rule.require) or not _only_obliges(rule)


def stated_with(name: str) -> str | bool:
    """Return the fact that has to hold for `name` to be stated by itself: it makes no proposal, claim or migration.

    True where it always can be, and False where it never can.
    """
    if name.startswith("proposal.fallback."):
        return "proposal.fallback.present"
    if name.startswith("proposal."):
        return "proposal.present"
    if name.startswith("hardware."):
        return "hardware.present" if name == "hardware.region" else False
    if name.startswith("migration."):
        return False if name.startswith("migration.champion") else "migration.present"
    return name not in _FIXED or name.startswith(CUSTOM)


#: What makes a workload another one, or cannot be changed alone: the shares of the tasks add up to 1.
_FIXED = ("workload.namespace", "workload.name", "task.name", "task.share")
