"""What has to hold of any rules: each can fire and changes something, thresholds meet, collisions are said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from policy_engine.completing import complete
from policy_engine.judging import Judge
from policy_engine.language import tree
from policy_engine.loading.properties import Listed, Properties
from policy_engine.lowering.conditions import with_parameters
from policy_engine.lowering.to_z3.formulas import Formula, both, differ, either, every, neg, some
from policy_engine.model.rule import EVIDENCE_GRADES, PROPOSAL, Rule
from policy_engine.model.task_case import TaskResult
from policy_engine.model.vocabulary import OPTIONS
from policy_engine.proofs.confirming import Confirms, Counterexample, fired
from policy_engine.proofs.decisions import Judged, every_status
from policy_engine.proofs.encoding import volume_known
from policy_engine.proofs.prover import Prover
from policy_engine.proofs.results import Check, Failure, Result, counted, failed
from policy_engine.ways_out import collides, collision

DEAD, SHADOWED, COLLISIONS = "every-rule-can-fire", "every-rule-changes-something", "collisions-are-said"
THRESHOLDS, DERIVATIONS = "thresholds-meet", "derivations-agree"
_LOW, _HIGH = ("<", "<="), (">", ">=")
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_STRICT = ("mandatory", "waivable", "advisory")


class Builtin:
    """The built-in checks of one prover."""

    def __init__(self, prover: Prover, properties: Properties) -> None:
        self.prover, self.properties = prover, properties
        self.judged: Judged = prover.encoding.judged
        self.rules: tuple[Rule, ...] = prover.policy.rules.rules
        self._witnesses: list[tuple[Counterexample, TaskResult]] = []
        self._pool: dict[int, Without] = {}
        self._dead: set[int] = set()

    def checks(self) -> list[Check]:
        """Return the checks in the order that they build on one another."""
        return [
            Check(DERIVATIONS, "no two rules that can fire together give one fact different values", self.derivations),
            Check(DEAD, "for every rule there is a workload on which it fires", self.dead),
            Check(SHADOWED, "for every rule there is a workload that is decided otherwise without it", self.shadowed),
            Check(THRESHOLDS, "rules of one topic on one number leave no gap and do not overlap", self.thresholds),
            Check(COLLISIONS, "where two forbids leave nothing permitted, the decision says so", self.collisions),
        ]

    # ---- dead rules

    def dead(self) -> Result:
        failures = []
        for index, rule in enumerate(self.rules):
            if any(result.outcomes[index] for _, result in self._witnesses):
                continue
            found = self.prover.find(self.judged.outcome(index).true, fired(index), plain=False)
            if isinstance(found, tuple):
                self._witnesses.append(found)
            elif found is None:
                self._dead.add(index)
                failures.append(Failure(f"the rule `{rule.id}` cannot fire", span=rule.span))
            else:
                failures.append(Failure(f"{found}: whether `{rule.id}` can fire", undecided=True, span=rule.span))
        title = "for every rule there is a workload on which it fires"
        return Result(DEAD, title, tuple(failures), counted(len(self.rules), "rule"))

    # ---- shadowed rules

    def shadowed(self) -> Result:
        failures, asked = [], 0
        for index, rule in enumerate(self.rules):
            if index in self._dead or rule.advise or not (rule.forbid or rule.prefer or rule.disfavour or rule.require):
                continue
            asked += 1
            found = self._changes(index)
            listed = self.properties.shadowed.get(rule.id)
            if found is None and listed is None:
                what = f"the rule `{rule.id}` is shadowed: no workload is decided otherwise without it"
                failures.append(Failure(what, span=rule.span))
            elif found is not None and isinstance(found, str):
                failures.append(
                    Failure(f"{found}: whether `{rule.id}` changes anything", undecided=True, span=rule.span)
                )
            elif found is not None and listed is None and isinstance(found, tuple):
                self._witnesses.append(found)
            elif found is not None and listed is not None and isinstance(found, tuple):
                failures.append(
                    _not_any_more(listed, f"the rule `{rule.id}` is listed as shadowed, and is not", found[0])
                )
        failures += self._listed_in_vain()
        title = "for every rule there is a workload that is decided otherwise without it"
        return Result(SHADOWED, title, tuple(failures), f"{counted(asked, 'rule')} with effects beside advice")

    def _listed_in_vain(self) -> Iterator[Failure]:
        for name, listed in self.properties.shadowed.items():
            rule = self.prover.policy.rules.rule(name)
            if rule is not None and rule.advise:
                yield Failure(f"the rule `{name}` is listed as shadowed, and gives advice", span=listed.span)

    def _changes(self, index: int) -> object:
        """Return a workload that is decided otherwise without the rule: by its statuses and duties, else its scores."""
        rule, last, differs = self.rules[index], None, self._differs(index)
        for known in self._witnesses:
            if known[1].outcomes[index] is not False and differs(known[1]):
                return known  # one that was found before will do
        if rule.forbid or rule.require:
            question = either(*self._status_changes(index), *self._duty_changes(index))
            last = self.prover.find(question, differs, plain=False)
        if last is None and (rule.prefer or rule.disfavour):
            scores = self.prover.encoding.scores
            gates = some(each for option in OPTIONS for each in scores.sole(index, option).values())
            without, clear = scores.without(index)
            changed = some(differ(scores.recommended[o], each) for o, each in without.items())
            question = both(gates, changed)
            last = self.prover.find(question, differs, plain=False, prefer=[lambda: clear, self._unpriced])
        return last

    def _unpriced(self) -> Formula:
        """Return that no cost is known, so that options of one score come in their canonical order."""
        encoding = self.prover.encoding
        return both(neg(volume_known(encoding.world)), *[neg(each) for each in encoding.scores.priced.values()])

    def _status_changes(self, index: int) -> Iterator[Formula]:
        judged, rule = self.judged, self.rules[index]
        for option in rule.forbid:
            if option == PROPOSAL:
                yield from self._ruling_changes(index)
                continue
            others = [i for i in judged.effects.forbidding if i != index and option in self.rules[i].forbid]

            def stands(each: int, option: str = option) -> Formula:
                return both(judged.acts.binds(each), neg(judged.lifted(each, option)))

            sole = neg(some(both(judged.outcome(each).true, stands(each)) for each in others))
            alone = neg(some(both(judged.outcome(each).open, stands(each)) for each in others))
            yield both(judged.outcome(index).true, stands(index), sole)
            yield both(judged.outcome(index).open, stands(index), sole, alone, judged.models.available[option].true)
            yield both(judged.acts.at(index, "advisory"), judged.outcome(index).true)

    def _ruling_changes(self, index: int) -> Iterator[Formula]:
        judged = self.judged
        others = [each for each in judged.effects.ruling_out if each != index]
        sole = neg(some(both(judged.acts.binds(each), judged.outcome(each).possible) for each in others))
        # a model that does not qualify rules the proposal out by itself
        acts = both(judged.acts.binds(index), judged.proposed, neg(judged.models.proposed(judged.world).false))
        yield both(acts, judged.outcome(index).true, sole)
        yield both(judged.acts.at(index, "advisory"), judged.proposed, judged.outcome(index).true)

    def _duty_changes(self, index: int) -> Iterator[Formula]:
        """Yield that the rule asks for evidence which no other rule asks for at least as strictly."""
        judged, rule = self.judged, self.rules[index]
        for name, options in rule.require.items():
            for option in options:
                others = [
                    both(
                        judged.outcome(each).possible,
                        either(judged.outcome(each).true, neg(judged.outcome(index).true)),
                    )
                    for each, _ in judged.duties(option).get(name, [])
                    if each != index and self._at_least(each, index)
                ]
                yield both(judged.outcome(index).possible, neg(some(others)), self.prover.encoding.proposal_on[option])

    def _at_least(self, one: int, other: int) -> bool:
        grades = [EVIDENCE_GRADES.index(self.rules[each].grade) for each in (one, other)]
        levels = [max(map(_STRICT.index, self.judged.acts.levels[each])) for each in (one, other)]
        return grades[0] >= grades[1] and levels[0] <= levels[1]

    def _differs(self, index: int) -> Confirms:
        """Return what confirms that the decision is another one where the rule does not fire."""
        return lambda result: self._without(result).essence(index) != self._without(result).essence(None)

    def _without(self, result: TaskResult) -> Without:
        found = self._pool.get(id(result))
        if found is None:
            found = self._pool[id(result)] = Without(self.prover.decider.judge, result)
        return found

    # ---- thresholds

    def thresholds(self) -> Result:
        failures: list[Failure | None] = []
        groups = self._groups()
        for (topic, fact), (low, high) in groups.items():
            listed = self.properties.thresholds.get((topic, fact))
            known = self.prover.encoding.world.number(fact).known
            none = both(known, *[self.judged.outcome(each).false for each in (*low, *high)])
            gap = self.prover.search(none, _none_fired([*low, *high]), self._gap_text(topic, fact, low, high))
            if listed is None:
                failures.append(gap)
            elif gap is None:
                failures.append(
                    _not_any_more(listed, f"thresholds of `{fact}` are listed as a gap, and leave none", None)
                )
            for one in low:
                for other in high:
                    question = both(self.judged.outcome(one).true, self.judged.outcome(other).true)
                    names = f"`{self.rules[one].id}` and `{self.rules[other].id}`"
                    what = f"{names} fire on one value of `{fact}`, below a threshold and above one"
                    failures.append(self.prover.search(question, _both_fired(one, other), what))
        for (topic, fact), listed in self.properties.thresholds.items():
            if (topic, fact) not in groups:
                failures.append(_not_any_more(listed, f"no two rules of {topic} part the values of `{fact}`", None))
        title = "rules of one topic on one number leave no gap and do not overlap"
        return Result(THRESHOLDS, title, failed(failures), counted(len(groups), "number"))

    def _gap_text(self, topic: str, fact: str, low: Sequence[int], high: Sequence[int]) -> str:
        names = ", ".join(f"`{self.rules[each].id}`" for each in (*low, *high))
        return f"a value of `{fact}` lies between the thresholds of {topic}, and none of {names} fires"

    def _groups(self) -> dict[tuple[str, str], tuple[list[int], list[int]]]:
        """Return the rules that compare one number alone with a constant, by topic and fact: below, and above."""
        conditions = with_parameters(self.prover.policy.rules)
        found: dict[tuple[str, str], tuple[list[int], list[int]]] = {}
        for index, rule in enumerate(self.rules):
            parts = _comparison(conditions.of(index))
            if parts is not None:
                name, op = parts
                found.setdefault((rule.topic, name), ([], []))[op in _HIGH].append(index)
        return {key: sides for key, sides in found.items() if all(sides)}

    # ---- collisions

    def collisions(self) -> Result:
        failures, found = [], 0
        nothing = every_status(self.judged)
        binding = [i for i in self.judged.effects.forbidding if self.judged.acts.binds(i) is not False]
        for at, one in enumerate(binding):
            for other in binding[at:]:
                pair = both(nothing, *[self._rules_out(each) for each in {one, other}])
                answer = self.prover.find(pair, self._collides(one, other), plain=False)
                names = " and ".join(f"`{self.rules[each].id}`" for each in dict.fromkeys((one, other)))
                if isinstance(answer, str):
                    failures.append(Failure(f"{answer}: whether {names} leave nothing permitted", undecided=True))
                elif answer is not None:
                    found += 1
                    said = collision(self.prover.decider.judge, answer[1])
                    if said is None or not {self.rules[one].id, self.rules[other].id} <= {*said["rules"]}:
                        what = f"{names} leave nothing permitted, and the decision does not say so"
                        failures.append(Failure(what, answer[0]))
        title = "where two forbids leave nothing permitted, the decision says so"
        return Result(COLLISIONS, title, tuple(failures), f"{counted(found, 'collision')} of one rule or two")

    def _rules_out(self, index: int) -> Formula:
        """Return that the rule rules an option out."""
        judged = self.judged
        lifted = [judged.lifted(index, o) for o in self.rules[index].forbid if o != PROPOSAL]
        return both(judged.acts.binds(index), judged.outcome(index).true, neg(every(lifted)))

    def _collides(self, one: int, other: int) -> Confirms:
        return lambda result: collides(result) and result.outcomes[one] is True and result.outcomes[other] is True

    # ---- derivations

    def derivations(self) -> Result:
        failures: list[Failure | None] = []
        conflicts = self.prover.encoding.world.conflicts()
        for fact, question in conflicts:
            found = self.prover.disagreement(question)
            what = f"two rules fire and give `{fact}` different values"
            if isinstance(found, str):
                failures.append(Failure(f"{found}: {what}", undecided=True))
            elif found is not None:
                failures.append(Failure(what, found))
        title = "no two rules that can fire together give one fact different values"
        return Result(DERIVATIONS, title, failed(failures), counted(len(conflicts), "derived fact"))


class Without:
    """A decision on one task, and what it would be without one of the rules."""

    def __init__(self, judge: Judge, result: TaskResult) -> None:
        self._judge, self._result = judge, result
        self._completed = complete(result.case, judge.policy.catalog, judge.parameters)
        judge.infer(self._completed)
        self._known: dict[int | None, object] = {None: _essence(result)}

    def essence(self, index: int | None) -> object:
        """Return what the decision comes to without the rule of that index; None: with all of them."""
        if index not in self._known:
            outcomes = list(self._result.outcomes)
            outcomes[index or 0] = False
            judge = self._judge
            other = judge.combine(self._result.case, self._completed, outcomes, judge.policy.catalog)
            self._known[index] = _essence(other)
        return self._known[index]


def _essence(result: TaskResult) -> object:
    statuses = tuple(each.status for each in result.standings.values())
    duties = tuple((d.evidence, d.status, d.enforcement, d.grade, d.waived) for d in result.obligations)
    ruling = result.proposal.holds if result.proposal is not None else None
    return statuses, duties, ruling, result.verdict, result.ranking.recommended


def _comparison(node: tree.Node) -> tuple[str, str] | None:
    """Return the fact and the operator where the condition compares one number with a constant."""
    if not isinstance(node, tree.Compare) or node.op not in (*_LOW, *_HIGH):
        return None
    left, right = node.left, node.right
    if isinstance(left, tree.FactRef) and isinstance(right, tree.Const) and left.type in ("int", "double"):
        return left.name, node.op
    if isinstance(right, tree.FactRef) and isinstance(left, tree.Const) and right.type in ("int", "double"):
        return right.name, _MIRRORED[node.op]
    return None


def _none_fired(indexes: Sequence[int]) -> Confirms:
    return lambda result: all(result.outcomes[each] is False for each in indexes)


def _both_fired(one: int, other: int) -> Confirms:
    return lambda result: result.outcomes[one] is True and result.outcomes[other] is True


def _not_any_more(listed: Listed, what: str, found: object) -> Failure:
    shown = found if isinstance(found, Counterexample) else None
    return Failure(f"{what}: take it off the list", shown, span=listed.span)
