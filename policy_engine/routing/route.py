"""The route of a workload: the chain of each task, what they cost together, and the decision that they follow from."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from policy_audit.canonical import document_bytes

from policy_engine.decide import Decider
from policy_engine.model.decision import Decision
from policy_engine.routing.chains import Chain, chain_of
from policy_engine.routing.legs import Leg
from policy_engine.routing.plan import plan

_DIGITS = 16
_OTHER, _DIGEST = re.compile(r"[^A-Za-z0-9._-]"), re.compile(rf"-[0-9a-f]{{{_DIGITS}}}\Z")


class Route(Struct, frozen=True):
    """The route of a workload that was decided, with the file that it stands in."""

    decision: Decision
    chains: tuple[Chain, ...]
    file: str

    @property
    def place(self) -> tuple[str, str]:
        workload = self.decision.document["workload"]
        return workload["namespace"], workload["name"]

    def alias(self, chain: Chain) -> str:
        """Return the name under which a gateway offers a task."""
        return alias_of(*self.place, chain.name)

    @property
    def digest(self) -> str:
        """The SHA-256 of the route's document as canonical bytes, as the entry of its decision has it."""
        return f"sha256:{hashlib.sha256(document_bytes(document(self))).hexdigest()}"


def alias_of(namespace: str, workload: str, task: str) -> str:
    """Return a name that no other task has, in characters that no gateway reads anything into.

    Neither a namespace nor a workload's name has an underscore. A task may be called anything: where more than plain
    characters stand in its name they are replaced, and its digest is added.
    """
    kept = _OTHER.sub("_", task)
    if kept != task or _DIGEST.search(task):  # a name may not look like one that was replaced
        kept = f"{kept}-{hashlib.sha256(task.encode('utf-8', 'surrogatepass')).hexdigest()[:_DIGITS]}"
    return "_".join((namespace, workload, kept))


def route_of(decider: Decider, decision: Decision, file: str, fallbacks: int, allow_conditions: bool = False) -> Route:
    """Return the route of a workload that was decided, with at most so many fallbacks for each task."""
    chains = (chain_of(decider, each, fallbacks, allow_conditions) for each in decision.results)
    return Route(decision, tuple(chains), file)


def document(route: Route) -> dict[str, Any]:
    """Return the route as a document with stable keys; what a leg costs is for the whole volume of its task."""
    decided, decision = route.decision.document, route.decision
    namespace, name = route.place
    return {
        "apiVersion": decided["apiVersion"],
        "kind": "Route",
        "workload": {"namespace": namespace, "name": name, "stage": decided["workload"]["stage"]},
        "decision": {
            "id": decision.id,
            "verdict": decided["verdict"],
            "decided_at": decided["decided_at"],
            "valid_until": decided["valid_until"],
        },
        "valid_until": valid_until(route),
        "policy": decided["policy"]["digest"],
        "catalog": {key: decided["catalog"][key] for key in ("digest", "as_of")},
        "plan": plan(route.chains),
        "tasks": [_task(route, chain) for chain in route.chains],
    }


def valid_until(route: Route) -> str | None:
    """Return until when the route stands: as long as the decision, and as what each leg rests on."""
    ends = [leg.until for chain in route.chains for leg in chain.legs]
    return min((each for each in (route.decision.document["valid_until"], *ends) if each is not None), default=None)


def _task(route: Route, chain: Chain) -> dict[str, Any]:
    result = chain.result
    needs = result.models["self_hosted"].asked.needs
    return {
        "name": chain.name,
        "alias": route.alias(chain),
        "verdict": result.verdict,
        "judged": "proposal" if result.proposal is not None else "recommendation",
        "state": chain.state,
        "waits_for": list(chain.holds),
        "reasons": list(why(chain)),
        "share_of_volume": chain.share,
        "input_tokens_per_month": needs.input_tokens_per_month,
        "output_tokens_per_month": needs.output_tokens_per_month,
        "independent_fallback": chain.independent,
        "legs": [_leg(leg) for leg in chain.legs],
        "no_legs": [_leg(leg) for leg in chain.left],
        "could_be_proposed": _leg(chain.proposable) if chain.proposable is not None else None,
    }


def _leg(leg: Leg) -> dict[str, Any]:
    price = leg.price
    return {
        "deployment": leg.deployment,
        "model": leg.model,
        "provider": leg.provider,
        "region": leg.region,
        "quantization": leg.quantization,
        "origin": leg.origin,
        "standing": leg.standing,
        "rules": list(leg.rules),
        "reasons": list(leg.reasons),
        "missing": list(leg.missing),
        "outstanding": [each.evidence for each in leg.conditions],
        "protects_against": list(leg.protects),
        "context_tokens": leg.context_tokens,
        "valid_until": leg.until,
        "usd_per_month": leg.usd_per_month,
        "at_least": leg.at_least,
        "over_budget": leg.over_budget,
        "paid_when_idle": leg.own_machines,
        "input_usd_per_million_tokens": None if price is None else price.input_usd_per_million,
        "output_usd_per_million_tokens": None if price is None else price.output_usd_per_million,
        "price_source": None if price is None else price.source,
        "price_as_of": None if price is None else price.as_of.isoformat(),
    }


def why(chain: Chain) -> Iterator[str]:
    """Yield why the first leg leads, or why nothing does."""
    result = chain.result
    if not chain.legs:
        yield _why_not(chain)
        return
    if result.proposal is not None:
        yield "it is what the workload proposes, and the decision permits it"
        return
    first = chain.legs[0]
    points = [f"{each.points:+d} {each.topic}" for each in result.standings[first.deployment].contributions]
    yield f"it comes first of what is permitted: {', '.join(points) or 'no rule prefers another'}"
    if first.model in result.models[first.deployment].routed_to:
        yield f"a router of the sources names {first.model} for such a task"


def _why_not(chain: Chain) -> str:
    result = chain.result
    if result.proposal is None:
        if not chain.left:
            return "no option is permitted, and `policy explain` says why"
        return "what the decision recommends is not surely permitted"
    if result.fallback_verdict == "deny" and chain.left and chain.left[0].standing == "permitted":
        return "the proposed fallback is ruled out, and the decision denies the proposal with it"
    if result.verdict == "deny":
        return "the decision denies what is proposed"
    return "whether what is proposed is permitted is not known"


def shown(route: Route, ledger: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document with the decision's place in the ledger, which exists once it is recorded."""
    found = document(route)
    place = {key: ledger.get(key) for key in ("index", "leaf_hash", "status")}
    found["decision"] = {**found["decision"], "ledger": place, "route_digest": route.digest}
    return found


def duplicates(routes: Sequence[Route]) -> list[str]:
    """Return the aliases that more than one task has: documents of one name, decided in one run."""
    seen: set[str] = set()
    found = []
    for route in routes:
        for chain in route.chains:
            alias = route.alias(chain)
            if alias in seen and alias not in found:
                found.append(alias)
            seen.add(alias)
    return found
