"""Two facts at once, where no single one mends a task that is held up.

INVARIANT: whatever holds the verdict beside one of the two has to go by the other; only such pairs are left out of
which that is not so. What two changes come to of which nothing reads both is had from what each comes to by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple

from msgspec import Struct

from policy_engine.counterfactuals.changed import Changed
from policy_engine.counterfactuals.choices import Choice, Domain
from policy_engine.counterfactuals.described import of_fact
from policy_engine.counterfactuals.domains import FALLBACK, MIGRATION
from policy_engine.counterfactuals.grounds import Came, Reply
from policy_engine.counterfactuals.holding import Holding, Places, beside
from policy_engine.counterfactuals.index import Index
from policy_engine.counterfactuals.near import MODEL, Groups, Near, shared_of
from policy_engine.counterfactuals.rows import Row, between, conditions, outcome, told
from policy_engine.counterfactuals.search import Tried, tried_of
from policy_engine.counterfactuals.trial import Trial
from policy_engine.model.task_case import VERDICTS

MOST = 6
#: What deciding pairs may take: one whose parts are known by themselves is one, and one that is asked anew five.
MOST_WORK, _ASKED = 250, 5
#: The same where single facts mend it that only describe the workload, and pairs of what can be chosen are asked for.
MOST_WORK_OF_CHOICES = 80


#: What is there or not as a whole, and sets several facts.
_WHOLE = (FALLBACK, MIGRATION)


class Pairs(Struct, frozen=True):
    """The first pairs of facts, how many more there are, and whether all were tried."""

    rows: list[Row]
    more: int
    complete: bool


class _Option(NamedTuple):
    """A choice of one fact, and what it comes to by itself.

    `beside` are the places of the facts of which one touches all that holds the verdict beside this choice. Two choices
    of one `kind` come to the same verdict, whatever else is changed that no rule reads together with the fact. `view`
    is what the catalog sees of it.
    """

    choice: Choice
    came: Came | None
    beside: Places
    kind: Any
    view: Any


class _Found(NamedTuple):
    """A pair of facts, by their places, with the choices that make the verdict better."""

    places: tuple[int, int]
    first: Choice
    second: Choice
    reply: Reply


def pairs(trial: Trial, tried: list[Tried], index: Index, work: int | None = None) -> Pairs:
    """Return the pairs of changes that make the verdict better: those of what can be chosen before the rest.

    `work`: what deciding them may take, if not `MOST_WORK`.
    """
    search = _Search(trial, tried, index, MOST_WORK if work is None else work)
    found = sorted(
        search.found(),
        key=lambda each: (VERDICTS.index(each.reply.verdict), search.described(each.places), each.places),
    )
    return Pairs([search.row(each) for each in found[:MOST]], max(0, len(found) - MOST), search.left > 0)


class _Search:
    """Goes through the pairs of facts, those of which nothing reads both first."""

    def __init__(self, trial: Trial, tried: list[Tried], index: Index, work: int) -> None:
        self._trial, self._tried, self.left = trial, tried, work
        self._level = VERDICTS.index(trial.before.verdict)
        self._holding = Holding(trial, index, [each.domain.fact for each in tried])
        # where something is proposed nothing hangs on rules that only prefer, and a denial on those alone that forbid
        proposed, denied = trial.result.proposal is not None, trial.before.verdict == "deny"
        self._bits = index.barring if denied else (index.ruling if proposed else -1)
        self._costs = not proposed
        self._shared = [shared_of(each.domain, index, self._bits, self._costs) for each in tried]
        #: Where nothing is permitted, something has to be: what rules that forbid, and the catalog, say of that.
        self._barred = trial.now.judged is None and not proposed
        self._barring = [shared_of(each.domain, index, index.barring, False) for each in tried] if self._barred else []
        self._index = index
        self._options: dict[int, list[_Option]] = {}
        self._beside: dict[int, list[Places]] = {}
        self._known: dict[tuple[int, tuple[bool, ...], bool, bool], list[_Option]] = {}
        self._near = Near(trial, index)
        self._described = [of_fact(each.domain.fact) == "workload" for each in tried]

    def described(self, places: tuple[int, int]) -> int:
        """Return how many of two facts describe the workload."""
        return self._described[places[0]] + self._described[places[1]]

    def found(self) -> Iterator[_Found]:
        """Yield the first change of each pair of facts that makes the verdict better, while there is work left."""
        later = []
        for one, two in sorted(self._pairs(), key=self.described):
            groups = self._shared[one] & self._shared[two]
            if self._near.can(groups):
                yield from self._better(one, two, groups)
            else:
                later.append((one, two))
            if self.left <= 0:
                return
        for one, two in later:
            if self.left <= 0:
                return
            yield from self._better(one, two, None)

    def _pairs(self) -> Iterator[tuple[int, int]]:
        held, count = self._holding.of(self._trial.now), len(self._tried)
        for one in range(count):
            others = beside(held, 1 << one)
            for two in range(one + 1, count):
                if others >> two & 1:
                    yield one, two

    def _better(self, one: int, two: int, groups: Groups | None) -> Iterator[_Found]:
        """Yield the first change of two facts that makes the verdict better; `groups`: what reads both is plain."""
        for first, second in self._choices(one, two, groups):
            if self.left <= 0:
                return
            came = None
            if groups is not None and first.came is not None and second.came is not None:
                self.left -= 1 + len(groups)
                changes = (first.choice.changes, second.choice.changes)
                came = self._near.together(first.came, second.came, changes, groups)
            if came is None:
                self.left -= _ASKED
                came = self._trial.ask({**first.choice.changes, **second.choice.changes})
            if came is not None and VERDICTS.index(came.reply.verdict) < self._level:
                yield _Found((one, two), first.choice, second.choice, came.reply)
                return

    def _choices(self, one: int, two: int, groups: Groups | None) -> Iterator[tuple[_Option, _Option]]:
        """Yield what is worth trying of two facts; where it is models, of those that come to the same the first."""
        firsts, seconds = self._worth(one, two, groups), self._worth(two, one, groups)
        if groups is None and self._tried[one].domain.fact == MODEL:
            for second in seconds:
                yield from ((first, second) for first in self._models(firsts, second))
        elif groups is None and self._tried[two].domain.fact == MODEL:
            for first in firsts:
                yield from ((first, second) for second in self._models(seconds, first))
        elif self._barred and groups is None and self._by_catalog(one, two, self._barring):
            yield from self._permitting(firsts, seconds)
        else:
            yield from product(firsts, seconds)

    def _permitting(self, firsts: list[_Option], seconds: list[_Option]) -> Iterator[tuple[_Option, _Option]]:
        """Yield the choices with which an option is permitted: that is asked of one of those that are alike in that."""
        for ones, twos in product(self._alike(firsts), self._alike(seconds)):
            if self.left <= 0:
                return
            self.left -= _ASKED
            came = self._trial.ask({**ones[0].choice.changes, **twos[0].choice.changes})
            if came is None or "permitted" in came.reply.statuses:
                yield from product(ones, twos)

    def _alike(self, options: list[_Option]) -> list[list[_Option]]:
        found: dict[Any, list[_Option]] = {}
        for each in options:
            kind = each.kind if each.came is None else self._kind(each.came, self._index.barring)
            found.setdefault((kind[0], kind[1], each.view), []).append(each)
        return list(found.values())

    def _models(self, options: list[_Option], beside: _Option) -> Iterator[_Option]:
        """Yield the models that differ for a rule or the catalog beside another change."""
        if not options or options[0].choice.key is None or self._trial.world.case.waivers:
            yield from options
            return
        world, seen = self._trial.world, set[Any]()
        changed = Changed(world, beside.choice.changes)
        standing = world.masks.qualifying(changed["proposal.deployment"], changed.needs or world.needs)
        for option in options:
            model = option.choice.value
            key = (standing.get(model, False), world.catalog.licence(model))
            if key not in seen:
                seen.add(key)
                yield option

    def _worth(self, one: int, two: int, groups: Groups | None) -> list[_Option]:
        """Return the choices of a fact beside which the other touches all that holds the verdict then.

        Where nothing reads both, one of those that come to the same is enough, and none that moves nothing.
        """
        if one not in self._options:
            self._options[one] = list(self._of(self._tried[one]))
            self._beside[one] = list({each.beside for each in self._options[one]})
        touched = tuple([places >> two & 1 == 1 for places in self._beside[one]])
        if not any(touched):
            return []
        every = bool(groups) or (groups is None and not self._by_catalog(one, two, self._shared))
        # of the other fact nothing else counts: for many it is the same choices
        key = (one, touched, every, groups is None)
        found = self._known.get(key)
        if found is None:
            touching = [each for each in self._options[one] if each.beside >> two & 1]
            found = self._known[key] = touching if every else self._unlike(one, touching, groups is None)
        return found

    def _unlike(self, one: int, options: list[_Option], seen: bool) -> list[_Option]:
        """Return the choices but those that come to the same as one before; `seen`: and are so to the catalog."""
        kinds = {(each.kind, seen and each.view): each for each in reversed(options)}
        kinds.pop((self._kind(self._trial.now), seen and self._near.view_now(self._tried[one].domain)), None)
        return [each for each in options if kinds.get((each.kind, seen and each.view)) is each]

    def _by_catalog(self, one: int, two: int, shared: list[Groups]) -> bool:
        facts = frozenset((self._tried[one].domain.fact, self._tried[two].domain.fact))
        return facts.isdisjoint(_WHOLE) and self._near.by_catalog(shared[one] & shared[two], facts)

    def _of(self, tried: Tried) -> Iterator[_Option]:
        """Yield the choices of a fact, of those that come to the same the first; all models, for that hangs on more."""
        domain, seen = tried.domain, set[Any]()
        for place, choice in enumerate(domain.choices):
            if place == domain.now or (choice.key is not None and choice.key in seen and domain.fact != MODEL):
                continue
            seen.add(choice.key)
            came, view = tried.came[place], self._near.view(domain, place)
            if came is None:
                yield _Option(choice, None, -1, ("alone", place), view)
            else:
                yield _Option(choice, came, beside(self._holding.of(came)), self._kind(came), view)

    def _kind(self, came: Came, rules: int | None = None) -> Any:
        """Return what of the grounds a verdict can hang on; of these `rules`, as bits, alone."""
        rules = self._bits if rules is None else rules
        bits = came.grounds.bits
        kept = (bits.fired & rules, bits.unknown & rules)
        return kept, came.grounds[1:], came.needs and self._costs

    def row(self, found: _Found) -> Row:
        """Return a pair as a document has it: a change, and the condition on the other fact that mends it then."""
        (one, two), first, trial = found.places, found.first, self._trial
        domain = self._tried[two].domain
        # asked anew, for what rules that only prefer make of both is left out above
        came = [
            None if place == domain.now else trial.ask({**first.changes, **choice.changes})
            for place, choice in enumerate(domain.choices)
        ]
        given = came[domain.choices.index(found.second)]
        reply = found.reply if given is None else given.reply
        tried = tried_of(domain, came, trial.before)
        said = (reply.verdict, reply.recommended, reply.provisional)
        same = conditions(
            tried, lambda each: said if (each.verdict, each.recommended, each.provisional) == said else None
        )
        rows = [row for _, _, row in same]
        changes = [_alone(self._tried[one].domain, first), rows[0] if rows else _alone(domain, found.second)]
        return {"changes": changes, **outcome(*said)}


def _alone(domain: Domain, choice: Choice) -> Row:
    """Return one choice as a condition."""
    place = domain.choices.index(choice)
    if choice.op in ("range", "grade"):
        return told(between(domain, place, place))
    if choice.op in ("is", "in"):
        return told({"fact": domain.fact, "op": "==", "value": choice.value})
    return told({"fact": domain.fact, "op": choice.op, "values": [choice.value]})
