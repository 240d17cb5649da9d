"""What a workload file can say at all: which declared facts may be unknown, and what hangs together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec.structs import replace

from policy_engine.catalog import Catalog
from policy_engine.language.tree import Node
from policy_engine.loading.policy import Policy
from policy_engine.lowering.conditions import with_parameters
from policy_engine.lowering.to_z3 import Items, NotLoweredError, Number, Symbols, Text, Truth, constants_of
from policy_engine.lowering.to_z3 import formulas as f
from policy_engine.lowering.to_z3.formulas import Formula, both, either, implies, neg
from policy_engine.model.vocabulary import Fact
from policy_engine.model.workload import ANYWHERE, SHARE_TOLERANCE
from policy_engine.proofs.texts import valid

#: Regions that stand for all those inside another that no provider and no rule names.
_REGIONS = ("us-east-1", "eu-central-1")
_MODELS = ("proposal.model", "proposal.fallback.model", "migration.from.model")
_PLACES = ("data.residency", "proposal.region", "proposal.fallback.region")
_PROVIDERS = ("proposal.provider", "proposal.fallback.provider")
#: A proposal and its fallback are judged by the same rules, so that what one is told apart by, the other is.
_TWINS = ("deployment", "model", "provider", "region")
FLOOR = "task.min_scores"


def symbols_of(
    policies: Iterable[Policy], more: Iterable[Node] = (), twins: Mapping[str, str] | None = None
) -> Symbols:
    """Return symbols for the values of all facts that the policies know, told apart as far as they and `more` do.

    `twins` are facts that are one, by both of its names: what tells one from others tells the other.
    """
    facts: dict[str, Fact] = {}
    conditions, catalogs = [*more], []
    for policy in policies:
        ready = with_parameters(policy.rules)
        for name, each in policy.vocabulary.facts.items():
            facts[name] = each if name not in facts else wider(facts[name], each)
        catalogs.append(policy.catalog)
        for index, rule in enumerate(policy.rules.rules):
            conditions.append(ready.of(index))
            conditions += [ready.substitute(each.expression) for each in rule.derive]
    constants = constants_of(conditions)
    _add(constants, catalogs, facts)
    for policy in policies:
        names = {namespace for _, namespace in policy.rules.overrides if namespace != "*"}
        constants.setdefault("workload.namespace", set()).update(names)
        constants.setdefault("data.regulations", set()).update(policy.vocabulary.regulations)
    for pair in (twins or {}).items():
        named = {text for each in pair for text in (*constants.get(each, ()), *_texts(facts[each].default))}
        constants.update(dict.fromkeys(pair, named))
    return Symbols(facts, constants)


def _texts(default: object) -> tuple[str, ...]:
    if isinstance(default, str):
        return (default,)
    return tuple(default) if isinstance(default, list | tuple) else ()


def wider(one: Fact, other: Fact) -> Fact:
    """Return the fact with whatever one of two policies takes for it; the engine refuses what the other does not."""
    if one.type != other.type:
        raise NotLoweredError(f"`{one.name}` is a {one.type} under one policy and a {other.type} under the other")
    values = None
    if one.values is not None and other.values is not None:
        values = tuple(dict.fromkeys((*one.values, *other.values)))
    bounds = {
        "minimum": None if None in (one.minimum, other.minimum) else min(one.minimum or 0, other.minimum or 0),
        "maximum": None if None in (one.maximum, other.maximum) else max(one.maximum or 0, other.maximum or 0),
    }
    return replace(one, values=values, **bounds)


def _add(constants: dict[str, set[str]], catalogs: Iterable[Catalog], facts: Mapping[str, Fact]) -> None:
    """Add what the catalogs tell apart, and what a fallback is compared with as well as a proposal."""
    for catalog in catalogs:
        regions = {name for name in _REGIONS if name in catalog.regions}
        # the widest regions, each of which lies apart from the others
        tops = {each.key for each in catalog.regions.by_name.values() if each.parent is None}
        regions |= {each.key for each in catalog.regions.by_name.values() if each.parent in tops}
        for provider in catalog.providers.values():
            regions.update(provider.regions or ())
        named = {c for place in _PLACES for c in constants.get(place, ()) if c in catalog.regions}
        above = {a for name in regions | named for a in _line(catalog, name)}
        for place in _PLACES:
            constants.setdefault(place, set()).update(regions | above)
        # who runs where, as far as it is known: others tell nothing of the region
        placed = {key for key, provider in catalog.providers.items() if provider.regions}
        for name in _PROVIDERS if placed else ():
            constants.setdefault(name, set()).update(placed)
        for name in _MODELS:
            constants.setdefault(name, set()).update(catalog.models)
    constants["data.residency"].add(ANYWHERE)
    for name in _TWINS:
        own, other = f"proposal.{name}", f"proposal.fallback.{name}"
        both_ = constants.get(own, set()) | constants.get(other, set())
        if not facts[own].values:
            constants[own] = constants[other] = both_


def _line(catalog: Catalog, name: str) -> list[str]:
    """Return the region and those around it."""
    found, at = [], catalog.regions.by_name.get(name)
    while at is not None and at.key not in found:
        found.append(at.key)
        at = catalog.regions.by_name.get(at.parent) if at.parent is not None else None
    return found


class Knowledge:
    """Which facts a workload file states: `known` by name, and what holds between values and knowledge.

    `less`: a copy of `whole` that may know less of what may be unknown, and nothing else.
    """

    def __init__(
        self,
        symbols: Symbols,
        facts: Mapping[str, Fact],
        regulations: Iterable[str],
        *,
        whole: Knowledge | None = None,
    ) -> None:
        self._symbols, self._facts, self.whole = symbols, facts, whole
        self._regulations = frozenset(regulations)
        self._tag = "" if whole is None else " (less)"
        self._known: dict[str, Formula] = {}

    def known(self, name: str) -> Formula:
        """Return that the declared fact `name` is known."""
        found = self._known.get(name)
        if found is None:
            found = self._known[name] = self._make(name)
        return found

    def _make(self, name: str) -> Formula:
        fact = self._facts.get(name)
        if (fact is not None and fact.never_unknown) or name == "task.share":
            return True
        if name in ("proposal.deployment", "proposal.fallback.deployment"):
            return self._present(name.removesuffix("deployment"))
        own = self._symbol(name)
        for section in ("proposal.fallback.", "proposal.", "hardware.", "migration."):
            if name.startswith(section) and name != f"{section}present":
                return both(own, self._present(section))
        return own

    def _symbol(self, name: str) -> Formula:
        own = f.boolean(f"known {name}{self._tag}")
        return own if self.whole is None else both(own, self.whole.known(name))

    def _present(self, section: str) -> Formula:
        value = self._symbols.value(f"{section}present", self.known(f"{section}present"))
        assert isinstance(value, Truth)  # noqa: S101 - the vocabulary has it as a bool
        return value.true

    def domain(self) -> list[Formula]:
        """Return what holds of every valid workload file."""

        def value(name: str) -> object:
            return self._symbols.value(name, True)

        found: list[Formula] = []
        proposed, fallback = value("proposal.present"), value("proposal.fallback.present")
        champion, count, share = value("migration.champion_present"), value("workload.task_count"), value("task.share")
        residency, modalities = value("data.residency"), value("task.modalities")
        assert isinstance(proposed, Truth) and isinstance(fallback, Truth) and isinstance(champion, Truth)  # noqa: S101,PT018
        assert isinstance(count, Number) and isinstance(share, Number)  # noqa: S101,PT018
        assert isinstance(residency, Items) and isinstance(modalities, Items)  # noqa: S101,PT018
        found.append(implies(fallback.true, proposed.true))
        # a champion stands in the migration's section
        if self.whole is None:
            found.append(implies(champion.true, self._present("migration.")))
        # a task that is alone has all of the volume, but for what rounding takes
        found.append(implies(count.value == 1, share.value > f.number(1.0 - SHARE_TOLERANCE)))
        anywhere = residency.members[ANYWHERE]
        rest = [each for name, each in residency.members.items() if name != ANYWHERE]
        found.append(implies(anywhere, both(neg(either(residency.other, *rest)), residency.size == 1)))
        found += [residency.size >= 1, modalities.size >= 1]
        regulations = value("data.regulations")
        assert isinstance(regulations, Items)  # noqa: S101
        # others are refused where the file is read
        unknown = [each for name, each in regulations.members.items() if name not in self._regulations]
        found.append(neg(either(regulations.other, *unknown)))
        return found + list(self._no_invalid_texts())

    def _no_invalid_texts(self) -> Iterator[Formula]:
        """Yield that no string is a constant that a workload file may not have there."""
        for name, fact in self._facts.items():
            if fact.values or fact.source != "declared" or all(valid(name, c) for c in self._symbols.constants(name)):
                continue
            symbol = self._symbols.value(name, True)
            if isinstance(symbol, Text):
                constants = ((guard, atom) for guard, atom in symbol.cases if isinstance(atom, str))
                yield from (neg(guard) for guard, atom in constants if not valid(name, atom))
            elif isinstance(symbol, Items):
                yield from (neg(guard) for each, guard in symbol.members.items() if not valid(name, each))
