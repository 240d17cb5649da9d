"""A leg of a route: a deployment that a task may be sent to, held to the rules as a proposal of it would be."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from policy_engine.catalog import Catalog
from policy_engine.catalog.cost import SELF_RUN
from policy_engine.catalog.entries import Price
from policy_engine.decide import Decider
from policy_engine.facts import PROPOSED
from policy_engine.judging import proposing
from policy_engine.model.task_case import Obligation, TaskResult

Standing = Literal["permitted", "uncertain", "forbidden"]
#: What a fallback stands in for: where the first leg runs fails, its price is changed, its model is withdrawn.
OUTAGE, PRICE, DEPRECATION = "outage", "price", "deprecation"


#: What no gateway asks, and why.
NOT_BEHIND = {
    "edge": "it runs on the device, not behind a gateway",
    "open_batch": "a batch provider takes files of requests, which no gateway falls back to",
}


class Leg(Struct, frozen=True):
    """A deployment of one task, with what the rules say of it.

    `usd_per_month` is for the whole volume of the task. `conditions` are obligations that are not advisory and not met,
    and `protects` what a fallback stands in for. `origin` says whose it is: the decision's, or the catalog's.
    """

    deployment: str
    model: str | None
    provider: str | None = None
    region: str | None = None
    quantization: str | None = None
    origin: str = "catalog"
    standing: Standing = "uncertain"
    rules: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    conditions: tuple[Obligation, ...] = ()
    usd_per_month: float | None = None
    at_least: bool = False
    over_budget: bool | None = None
    price: Price | None = None
    context_tokens: int | None = None
    protects: tuple[str, ...] = ()
    until: str | None = None
    """When what this rests on ends: figures, evidence, waivers, and days from which a rule denies."""

    @property
    def own_machines(self) -> bool:
        return self.deployment in SELF_RUN

    @property
    def host(self) -> str | None:
        """Who runs it: a provider, or the option on machines of one's own; None where that is not known."""
        return self.deployment if self.own_machines else self.provider

    def stands_ready(self, allow_conditions: bool) -> bool:
        """Whether a gateway may send requests to it: not once something has happened, but now."""
        behind = self.deployment not in NOT_BEHIND and self.model is not None
        return behind and (allow_conditions or not self.conditions)

    def protecting(self, first: Leg) -> Leg:
        """Return the leg with what it stands in for where `first` is the leg that it follows."""
        found = []
        # an unnamed provider may be any: nothing is claimed of it
        if self.host is not None and first.host is not None and self.host != first.host:
            found += [OUTAGE] if first.own_machines else [OUTAGE, PRICE]
        # weights that one holds are withdrawn by nobody
        if not first.own_machines and (self.own_machines or self.model != first.model):
            found.append(DEPRECATION)
        return replace(self, protects=tuple(found))


def judged(decider: Decider, result: TaskResult, leg: Leg) -> Leg:
    """Return `leg` as the rules have it: the task decided again with it as the proposal, which is how a gate would.

    A leg that holds by the forbids is permitted; one of which that is not known is uncertain, and never permitted.
    """
    names = ("deployment", "model", "provider", "region", "quantization")
    proposed = {name: getattr(leg, name) for name in names}
    found = decider.judge.judge(proposing(result.case, proposed, decider.policy.catalog))
    standing, ruling = found.standings[leg.deployment], found.proposal
    holds = ruling.holds if ruling is not None else None
    status: Standing = "uncertain"
    if standing.status in ("forbidden", "unavailable") or holds is False:
        status = "forbidden"
    elif standing.status == "permitted" and holds:
        status = "permitted"
    reasons = ruling.reasons if ruling is not None else ()
    behind = (*standing.rules, *(ruling.rules if ruling is not None else ()))
    missing = standing.missing | (ruling.missing if ruling is not None else frozenset())
    if standing.status != "permitted" and not behind:
        reasons = tuple(dict.fromkeys((*reasons, *found.models[leg.deployment].why)))
    return replace(
        leg,
        standing=status,
        rules=tuple(dict.fromkeys(behind)),
        reasons=reasons,
        missing=tuple(sorted(missing)),
        conditions=unmet(found),
        until=decider.valid_until((found,)),
    )


def unmet(result: TaskResult) -> tuple[Obligation, ...]:
    """Return the obligations of the judged option that hold its approval up: not advisory, not met, not waived."""
    owed = (each for each in result.obligations if each.enforcement != "advisory")
    return tuple(each for each in owed if each.status != "satisfied" and not each.waived)


def priced(catalog: Catalog, result: TaskResult, leg: Leg) -> Leg:
    """Return `leg` with its monthly cost for the whole volume of the task, its price, and its context window."""
    model = catalog.model(leg.model)
    if model is None:
        return leg
    models = result.models[leg.deployment].naming(model.key, leg.provider)
    price, usd, at_least = None, models.monthly_usd, models.at_least
    if not leg.own_machines:
        if leg.provider is None or models.offers(model.key, leg.provider):
            price = catalog.price(model.key, leg.deployment, result.case.day, leg.provider)
        needs = models.asked.needs
        sent, answered = needs.input_tokens_per_month, needs.output_tokens_per_month
        usd = None if price is None or sent is None or answered is None else price.usd(sent, answered)
    budget = result.facts.get("budget.monthly_usd")
    over = None if usd is None else is_over(budget, usd, inf if at_least else usd)
    return replace(
        leg,
        model=model.key,
        usd_per_month=usd,
        at_least=at_least,
        over_budget=over,
        price=price,
        context_tokens=model.context_tokens,
    )


def is_over(budget: float | None, least: float, most: float) -> bool | None:
    """Return whether a cost between these ends is more than `budget`; None where that is not known."""
    if budget is None:
        return None
    return True if least > budget else (False if most <= budget else None)


def proposed_leg(facts: Mapping[str, Any], of: str, origin: str) -> Leg:
    """Return what a workload proposes under the facts `of`, such as `proposal.fallback`."""
    model, provider, region, bits = (facts.get(f"{of}.{name}") for name in (*PROPOSED[1:], "quantization"))
    return Leg(facts[f"{of}.deployment"], model, provider, region, bits, origin)


def leg_name(leg: Leg) -> str:
    """Write a leg as `self_hosted llama-3.1-8b`, with provider and region where they are known."""
    at = f" at {leg.provider}" if leg.provider is not None and not leg.own_machines else ""
    where = f" in {leg.region}" if leg.region is not None else ""
    return f"{leg.deployment} {leg.model or '(no model named)'}{at}{where}"
