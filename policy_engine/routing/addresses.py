"""Where a gateway reaches a leg. A gap in it leads nowhere, and never to an address that somebody else chose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policy_engine.catalog import Catalog
from policy_engine.errors import Problem, UsageError
from policy_engine.model.workload import ANYWHERE
from policy_engine.routing.gateway import OPENAI_LIKE, Endpoint
from policy_engine.routing.legs import Leg

#: RFC 6761 6.4: no name under it is ever resolved, so that a configuration with a gap reaches nobody.
_NOWHERE = "invalid"


def is_bound(facts: Mapping[str, Any]) -> bool:
    """Whether data of the task may not go anywhere; what is not known binds."""
    residency = facts.get("data.residency")
    return residency is None or ANYWHERE not in residency


def endpoint_of(leg: Leg, endpoints: Mapping[str, Endpoint]) -> Endpoint:
    """Return how a leg is reached.

    Raises:
        UsageError: nobody says who serves it, or which provider that is to LiteLLM.
    """
    name = leg.deployment if leg.own_machines else leg.provider
    if name is None:
        message = f"who serves `{leg.model}` as {leg.deployment} is not known, and a gateway has to ask somebody"
        raise UsageError(Problem("provider-unnamed", message, help="propose the provider"))
    found = endpoints.get(name)
    if found is None or found.prefix is None:
        message = f"the gateway's table does not say which provider `{name}` is to LiteLLM"
        hint = f"say it in a file for --gateway, under `providers`: {{{name}: {{prefix: ..., api_key: ...}}}}"
        raise UsageError(Problem("provider-unmapped", message, help=hint))
    return found


def address_of(catalog: Catalog, leg: Leg, endpoint: Endpoint, bound: bool) -> tuple[str, str | None]:
    """Return where a leg is reached, and what is to be filled in where that is not known.

    INVARIANT: where that would not surely be the region that the leg was judged in, or not the machines that it stands
    on, the address leads nowhere until somebody gives it. An address says nothing of its region unless somebody does.
    """
    name = leg.deployment if leg.own_machines else str(leg.provider)
    if leg.region is not None:
        if leg.region in endpoint.regions:
            return endpoint.regions[leg.region], None
        stated = endpoint.address_region
        there = stated == leg.region or catalog.regions.contains((leg.region,), stated) is True
        if stated is not None and there and endpoint.api_base is not None:
            return endpoint.api_base, None
        return _nowhere(f"{name}.{leg.region}", endpoint), f"providers.{name}.regions.{leg.region}"
    if endpoint.api_base is not None and not bound:
        return endpoint.api_base, None
    return _nowhere(name, endpoint), f"providers.{name}.api_base"


def _nowhere(name: str, endpoint: Endpoint) -> str:
    kept = "".join(each if each.isascii() and (each.isalnum() or each in "-.") else "-" for each in name.lower())
    path = "/v1" if endpoint.prefix in OPENAI_LIKE else ""
    return f"https://{kept.strip('-.') or 'gap'}.{_NOWHERE}{path}"
