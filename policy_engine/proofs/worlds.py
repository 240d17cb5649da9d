"""One task's facts as Z3 sees them: which are declared, which are known, and those computed from them.

A world says which facts are known; their values are symbols that several worlds share. What is computed is computed
anew in each world: with less known, a coalesced fact may have another value.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from policy_engine.catalog import Catalog
from policy_engine.catalog.cost import SELF_RUN
from policy_engine.language.kleene import Matcher
from policy_engine.language.tree import Scalar
from policy_engine.loading.policy import Policy
from policy_engine.lowering.conditions import with_parameters
from policy_engine.lowering.to_z3 import Items, Lowering, NotLoweredError, Number, Symbols, Text, Truth, Value
from policy_engine.lowering.to_z3 import formulas as f
from policy_engine.lowering.to_z3.formulas import Formula, both, either, implies, neg, some
from policy_engine.lowering.to_z3.values import Atom
from policy_engine.model.vocabulary import OPTIONS
from policy_engine.proofs.computed import COMPUTED, licence

#: From here on a double, and so JSON, no longer holds every integer.
_EXACT = 1 << 53
PROPOSAL, FALLBACK = "proposal.", "proposal.fallback."
#: Computed by arithmetic on hardware claims, which is not encoded: any value is thought possible.
FREE_HARDWARE = ("hardware.gpu_count", "hardware.memory_gib", "hardware.verdict", "proposal.hardware_verdict")
Known = Callable[[str], Formula]


class World:
    """The facts of one task under one policy; `known` says when a declared fact is known.

    `fallback`: with `proposal.*` taken from the fallback, as it is judged. `tag` tells apart what is not shared with
    other worlds, and `variant` what is not encoded and may come out otherwise under another policy.
    """

    def __init__(
        self,
        policy: Policy,
        symbols: Symbols,
        known: Known,
        matches: Matcher,
        day: date,
        *,
        tag: str = "",
        variant: str = "",
        proposal: World | None = None,
    ) -> None:
        self.policy, self.symbols, self.tag, self.day, self.variant = policy, symbols, tag, day, variant
        self.catalog: Catalog = policy.catalog
        self.proposal = proposal
        self._known, self._values = known, dict[str, Value]()
        self.constraints: list[Formula] = []
        #: That what is computed was not rounded: workloads of which that holds are easier to confirm.
        self.exact: list[Formula] = []
        self.lowering = Lowering(self.fact, symbols, matches)
        self._conditions = with_parameters(policy.rules)
        self._rules = policy.rules.rules
        self._setters: dict[str, list[tuple[int, int]]] = {}
        for index, rule in enumerate(self._rules):
            for place, derivation in enumerate(rule.derive):
                self._setters.setdefault(derivation.fact, []).append((index, place))
        #: The licences that the model chosen on an option may have; what chooses models fills it in.
        self.licences: dict[str, Callable[[], Text]] = {}
        #: What tells apart the cost of an option from that under another policy; filled in likewise.
        self.variant_of: Callable[[str], str] = lambda _: variant
        self._outcomes: dict[int, Truth] = {}

    @property
    def fallback(self) -> bool:
        return self.proposal is not None

    @property
    def parameters(self) -> dict[str, Scalar]:
        return self.policy.rules.values

    def knows(self, name: str) -> Formula:
        """Return that the declared fact `name` is known here."""
        return self._known(name)

    def outcome(self, index: int) -> Truth:
        """Return when the rule of that index has fired, and when it has not.

        Raises:
            NotLoweredError: Z3 cannot say its condition.
        """
        found = self._outcomes.get(index)
        if found is None:
            if self.proposal is not None and not self._reads_proposal(index):
                found = self.proposal.outcome(index)
            else:
                found = self.lowering.condition(self._conditions.of(index))
            self._outcomes[index] = found
        return found

    def _reads_proposal(self, index: int) -> bool:
        return any(self.hangs_on_proposal(name) for name in self._rules[index].reads)

    def hangs_on_proposal(self, name: str) -> bool:
        """Whether the fact may differ between a proposal and its fallback."""
        if name.startswith((PROPOSAL, "licence.")):
            return True
        return any(self._reads_proposal(index) for index, _ in self._setters.get(name, ()))

    def fact(self, name: str) -> Value:
        """Return the fact `name`, declared or computed."""
        found = self._values.get(name)
        if found is None:
            if self.proposal is not None and not self.hangs_on_proposal(name):
                found = self.proposal.fact(name)
            else:
                found = self._make(name)
            self._values[name] = found
        return found

    def text(self, name: str) -> Text:
        found = self.fact(name)
        if not isinstance(found, Text):
            raise NotLoweredError(f"`{name}` is no string")
        return found

    def truth(self, name: str) -> Truth:
        found = self.fact(name)
        if not isinstance(found, Truth):
            raise NotLoweredError(f"`{name}` is no truth")
        return found

    def number(self, name: str) -> Number:
        found = self.fact(name)
        if not isinstance(found, Number):
            raise NotLoweredError(f"`{name}` is no number")
        return found

    def items(self, name: str) -> Items:
        found = self.fact(name)
        if not isinstance(found, Items):
            raise NotLoweredError(f"`{name}` is no list")
        return found

    # ---- where a fact comes from

    def _make(self, name: str) -> Value:
        if name in COMPUTED:
            return COMPUTED[name](self)
        if name in self._setters:
            return self._derived(name)
        if self.policy.vocabulary.facts[name].source == "rule":
            return self._never(name)
        if name.startswith("licence."):
            return licence(self, name.removeprefix("licence."))
        if name.startswith("cost.") or name in FREE_HARDWARE:
            return self._free(name)
        if self.fallback and name.startswith(PROPOSAL) and not name.startswith(FALLBACK):
            return self._of_fallback(name)
        return self.symbols.value(name, self._known(name))

    def _never(self, name: str) -> Value:
        return self.symbols.value(name, False)

    def _of_fallback(self, name: str) -> Value:
        if name == "proposal.quantization":
            return Text(True, ((True, "bf16"),))
        other = name.replace(PROPOSAL, FALLBACK, 1)
        return self.symbols.value(other, self._known(other))

    def _free(self, name: str) -> Value:
        """Return any value, known or not, of what the encoding does not compute."""
        if name != "proposal.hardware_verdict":
            option = name.removeprefix("cost.").removesuffix("_usd_per_month")
            variant = self.variant_of(option) if option in OPTIONS else self.variant
            return self.symbols.value(name, self._known(name + variant), variant)
        own = self.text("proposal.deployment")
        known = both(
            self._known(f"{FALLBACK if self.fallback else PROPOSAL}hardware_verdict{self.variant}"),
            self.truth("hardware.present").true,
            either(*[own.is_(each) for each in SELF_RUN]),
            self.text("proposal.model").known,
        )
        if not self.fallback:
            return self.symbols.value(name, known, self.variant)
        held = f.boolean(f"proposal.fallback.hardware_verdict=holds{self.variant}")
        return Text(known, ((held, "holds"), (neg(held), "contradicted")))

    def proposed(self) -> Formula:
        return True if self.fallback else self.truth("proposal.present").true

    def _derived(self, name: str) -> Value:
        """Return the value that the rules give which fired; what is declared stands before it."""
        declared = self._known(name) if self.policy.vocabulary.facts[name].source == "declared" else False
        parts = []
        for index, place in self._setters[name]:
            expression = self._conditions.substitute(self._rules[index].derive[place].expression)
            parts.append((self.outcome(index).true, self.lowering.expression(expression)))
        values = [(both(fired, _kept(value), neg(declared)), value) for fired, value in parts]
        if declared is not False:
            values.append((declared, self.symbols.value(name, True)))
        known = some(guard for guard, _ in values)
        first = values[0][1]
        if isinstance(first, Truth):
            return Truth(
                some(both(g, v.true) for g, v in values if isinstance(v, Truth)),
                some(both(g, v.false) for g, v in values if isinstance(v, Truth)),
            )
        if isinstance(first, Text):
            cases = [(both(g, h), atom) for g, v in values if isinstance(v, Text) for h, atom in v.cases]
            return Text(known, tuple(_merged(cases)))
        if isinstance(first, Number):
            term = f.integer if self.policy.vocabulary.facts[name].type == "int" else f.real
            value = term(f"{name}{self.tag}")
            self.constraints += [
                implies(g, value == f.number_term(v.value)) for g, v in values if isinstance(v, Number)
            ]
            return Number(known, value)
        raise NotLoweredError(f"a rule derives the list `{name}`")

    def conflicts(self) -> list[tuple[str, Formula]]:
        """Return, for each derived fact, that two fired rules give it different values."""
        found = []
        for name, setters in self._setters.items():
            given = []
            for index, place in setters:
                expression = self._conditions.substitute(self._rules[index].derive[place].expression)
                given.append((self.outcome(index).true, self.lowering.expression(expression)))
            pairs = [
                both(g, h, one.known, other.known, unequal(one, other))
                for at, (g, one) in enumerate(given)
                for h, other in given[at + 1 :]
            ]
            declared = self._known(name) if self.policy.vocabulary.facts[name].source == "declared" else False
            found.append((name, both(neg(declared), some(pairs))))
        return found

    def stated(self, name: str) -> Truth:
        """Return the truth `name`, which every workload file says."""
        return self.symbols.value(name, True)  # type: ignore[return-value]


def _kept(value: Value) -> Formula:
    """Return that the value is known, and one that a document can hold: as `kleene.kept`."""
    if not isinstance(value, Number):
        return value.known
    term = f.number_term(value.value)
    return (
        both(value.known, neg(value.wild), term > -_EXACT, term < _EXACT)
        if term.is_int()
        else both(value.known, neg(value.wild))
    )


def _merged(cases: list[tuple[Formula, Atom]]) -> list[tuple[Formula, Atom]]:
    merged: dict[Atom, list[Formula]] = {}
    for guard, atom in cases:
        merged.setdefault(atom, []).append(guard)
    return [(some(guards), atom) for atom, guards in merged.items()]


def unequal(one: Value, other: Value) -> Formula:
    """Return that two values of one type differ, where both are known."""
    if isinstance(one, Truth) and isinstance(other, Truth):
        return f.differ(one.true, other.true)
    if isinstance(one, Number) and isinstance(other, Number):
        return f.number_term(one.value) != f.number_term(other.value)
    if isinstance(one, Text) and isinstance(other, Text):
        return neg(some(both(g, h) for g, a in one.cases for h, b in other.cases if a == b))
    raise NotLoweredError("lists that rules derive are not compared")
