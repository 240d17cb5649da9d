"""The facts that are computed of others, in Z3: as `completing` and `facts` compute them of one workload."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from policy_engine.catalog import Catalog, api_price
from policy_engine.catalog.entries import Price
from policy_engine.facts import DAYS_PER_MONTH
from policy_engine.lowering.to_z3 import Items, Number, Text, Truth, Value
from policy_engine.lowering.to_z3 import formulas as f
from policy_engine.lowering.to_z3.formulas import Formula, both, either, implies, neg, some
from policy_engine.model.fields import LARGEST_COUNT
from policy_engine.model.vocabulary import THIRD_PARTY
from policy_engine.model.workload import ANYWHERE

if TYPE_CHECKING:
    from policy_engine.proofs.worlds import World

MEASURED = "hardware.measured"
_SENT, _ANSWERED = "volume.input_tokens_per_month", "volume.output_tokens_per_month"
_SPEND = "cost.api_spend_usd_per_month"
#: What a few roundings of doubles may change, as a part of the value.
_ROUNDED = 1e-12


def licence(world: World, option: str) -> Text:
    """The licence of the proposed model on its option, else of the model that is chosen there."""
    chosen = world.licences[option]()
    on_it = both(world.proposed(), world.text("proposal.deployment").is_(option))
    if on_it is False:
        return chosen
    proposed = world.text("proposal.licence")
    cases = [
        (either(both(on_it, proposed.is_(word)), both(neg(on_it), chosen.is_(word))), word)
        for word in ("allowed", "review", "forbidden")
    ]
    known = either(both(on_it, proposed.known, neg(proposed.is_("proprietary"))), both(neg(on_it), chosen.known))
    return Text(known, tuple(cases))


def _proposal_licence(world: World) -> Text:
    words: dict[str, list[Formula]] = {"allowed": [], "review": [], "forbidden": [], "proprietary": []}
    model = world.text("proposal.model")
    for guard, atom in model.cases:
        word = world.catalog.licence(atom) if isinstance(atom, str) else None
        if word is not None:
            words[word].append(guard)
    known = both(model.known, world.proposed(), some(each for guards in words.values() for each in guards))
    return Text(known, tuple((some(guards), word) for word, guards in words.items()))


def _region_allowed(world: World) -> Truth:
    residency, region = world.items("data.residency"), world.text("proposal.region")
    placed, nobody = _placed(world)
    inside, outside = [], []
    for guard, atom in region.cases:
        name = atom if isinstance(atom, str) else None
        answer = within(world, residency, name)
        elsewhere = {
            where: here for where, here in placed.items() if name and world.catalog.regions.apart(where, [name])
        }
        contradicted, open_ = some(elsewhere.values()), nobody if elsewhere else False
        inside.append(both(guard, answer.true, neg(contradicted), neg(open_)))
        outside.append(both(guard, either(answer.false, contradicted)))
    anywhere = both(residency.known, residency.members.get(ANYWHERE, False))
    known = both(residency.known, region.known)
    true = both(world.proposed(), either(anywhere, both(known, some(inside))))
    beyond = some(both(here, _apart(world, residency, where)) for where, here in placed.items())
    false = either(both(known, some(outside)), both(residency.known, beyond))
    return Truth(true, both(world.proposed(), neg(anywhere), false))


def _placed(world: World) -> tuple[dict[tuple[str, ...], Formula], Formula]:
    """Return when the provider runs in which regions, as far as that is known, and when nobody is named."""
    catalog = world.catalog
    if not catalog.provider_places:
        return {}, False
    deployment, provider = world.text("proposal.deployment"), world.text("proposal.provider")
    third_party = some(deployment.is_(option) for option in THIRD_PARTY)
    found: dict[tuple[str, ...], Formula] = {}
    for where in catalog.provider_places:
        named = [guard for guard, atom in provider.cases if isinstance(atom, str) and _runs(catalog, atom) == where]
        found[where] = both(third_party, provider.known, some(named))
    return found, both(third_party, neg(provider.known))


def _runs(catalog: Catalog, provider: str) -> tuple[str, ...] | None:
    found = catalog.providers.get(provider)
    return found.regions if found is not None else None


def _apart(world: World, residency: Items, where: tuple[str, ...]) -> Formula:
    """Return that all of the residency, which is known, surely lies apart from all regions of `where`."""
    regions = world.catalog.regions
    touching = (each for name, each in residency.members.items() if not regions.apart(where, [name]))
    return neg(some((residency.other, *touching)))


def within(world: World, residency: Items, region: str | None) -> Truth:
    """Return whether `region` lies inside the residency, which is known: as `Regions.contains` has it."""
    regions = world.catalog.regions
    anywhere = residency.members.get(ANYWHERE, False)
    if region is None or region not in regions:
        return Truth(anywhere, False)
    above = [name for name in residency.members if regions.contains([name], region)]
    unknown = [residency.other, *(each for name, each in residency.members.items() if name not in regions)]
    holds = some(residency.members[name] for name in above)
    # `anywhere` stands alone, and is no region of the catalog
    return Truth(either(anywhere, holds), both(neg(anywhere), neg(holds), neg(some(unknown))))


def _tokens(world: World) -> Number:
    sent, answered = world.number(_SENT), world.number(_ANSWERED)
    total = sent.value + answered.value
    return Number(both(sent.known, answered.known), f.chosen(total <= LARGEST_COUNT, total, LARGEST_COUNT))


def _tokens_per_day(world: World) -> Number:
    whole = _tokens(world)
    return Number(whole.known, _near(world, "volume.tokens_per_day", f.as_real(whole.value) / f.number(DAYS_PER_MONTH)))


def _task_tokens(world: World) -> Number:
    whole, share = _tokens(world), world.number("task.share")
    return Number(whole.known, _near(world, "task.tokens_per_month", f.as_real(whole.value) * share.value))


def _near(world: World, name: str, exact: f.Term, guard: Formula = True) -> f.Term:
    """Return a real within the rounding of `exact`, which is not negative."""
    term = world.symbols.once((name, f.key_of(exact)), f.real)
    _close(world, term, exact, guard)
    return term


def _close(world: World, term: f.Term, exact: f.Term, guard: Formula) -> None:
    error = exact * f.number(_ROUNDED)
    world.constraints.append(implies(guard, both(term - exact <= error, exact - term <= error)))
    world.exact.append(implies(guard, term == exact))


def _spend(world: World) -> Number:
    """The declared bill, else the volume at the price of the model in use, else of the reference model."""
    declared = world.number("budget.api_spend_usd_per_month")
    sent, answered = world.number(_SENT), world.number(_ANSWERED)
    prices = _prices(world)
    kept = tuple((f.key_of(guard), price) for guard, price in prices)
    term = world.symbols.once((_SPEND, f.key_of(declared.known), f.key_of(sent.known), kept), f.real)
    world.constraints.append(implies(declared.known, term == declared.value))
    computed = both(neg(declared.known), sent.known, answered.known)
    priced = []
    for guard, price in prices:
        priced.append(guard)
        million = f.number(1e6)
        exact = (f.as_real(sent.value) * f.number(price[0]) + f.as_real(answered.value) * f.number(price[1])) / million
        _close(world, term, exact, both(computed, guard))
    return Number(either(declared.known, both(computed, some(priced))), term)


def _prices(world: World) -> list[tuple[Formula, tuple[float, float]]]:
    """Return the prices that turn volume into spend, and when each does."""
    used = world.text("migration.from.model")
    reference = api_price(world.catalog, str(world.parameters["reference_model"]), world.day)
    found: dict[tuple[float, float], list[Formula]] = {}
    for guard, atom in used.cases:
        price = api_price(world.catalog, atom, world.day) if isinstance(atom, str) else None
        for each, when in ((price or reference, used.known), (reference, neg(used.known))):
            if each is not None:
                found.setdefault(_rates(each), []).append(both(guard, when))
    return [(some(guards), rates) for rates, guards in found.items()]


def share(world: World) -> Number:
    return world.symbols.value("task.share", True)  # type: ignore[return-value]


def _measured(world: World) -> Text:
    value = world.symbols.value(MEASURED, True)
    assert isinstance(value, Text)  # noqa: S101 - the vocabulary has it as a string
    # without hardware there is nothing that an attestation could speak of
    world.constraints.append(implies(neg(value.is_("none")), f.boolean("evidence hardware_attestation asserted")))
    world.constraints.append(implies(world.truth("hardware.present").false, value.is_("none")))
    return value


def _champion(world: World) -> Truth:
    """Who leads the migration stands in its section: where that is unknown, nobody is named."""
    value = world.symbols.value("migration.champion_present", True)
    assert isinstance(value, Truth)  # noqa: S101 - the vocabulary has it as a bool
    named = both(value.true, world.truth("migration.present").true)
    return Truth(named, neg(named))


def _rates(price: Price) -> tuple[float, float]:
    return price.input_usd_per_million, price.output_usd_per_million


def _always(_: World) -> Truth:
    return Truth(True, False)


def _fallback_present(world: World) -> Truth:
    return Truth(False, True) if world.fallback else world.stated("proposal.fallback.present")


def _proposal_present(world: World) -> Truth:
    return Truth(True, False) if world.fallback else world.stated("proposal.present")


COMPUTED: dict[str, Callable[[World], Value]] = {
    "workload.owner_present": _always,
    "proposal.present": _proposal_present,
    "proposal.fallback.present": _fallback_present,
    "proposal.region_allowed": _region_allowed,
    "proposal.licence": _proposal_licence,
    "volume.tokens_per_month": _tokens,
    "volume.tokens_per_day": _tokens_per_day,
    "task.tokens_per_month": _task_tokens,
    "task.share": share,
    "migration.champion_present": _champion,
    _SPEND: _spend,
    MEASURED: _measured,
}
