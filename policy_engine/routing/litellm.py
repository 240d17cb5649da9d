"""Routes as a configuration of the LiteLLM proxy: a deployment for each leg, and each task's fallbacks in order.

INVARIANT: a deployment can fall back to legs of its own task alone, and none is written that the rules do not permit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from policy_engine.catalog import Catalog
from policy_engine.catalog.entries import TOKENS_PER_PRICE_UNIT
from policy_engine.errors import Problem, UsageError
from policy_engine.routing.addresses import address_of, endpoint_of, is_bound
from policy_engine.routing.chains import Chain
from policy_engine.routing.gateway import SERVERS, Endpoint
from policy_engine.routing.legs import NOT_BEHIND, Leg, leg_name
from policy_engine.routing.route import Route, duplicates, valid_until, why

_RETRIES = 2


class Configuration(Struct, frozen=True):
    """What is written, and what is not: `left_out` says which and why, `to_fill` which addresses are not known."""

    document: Mapping[str, Any]
    left_out: tuple[str, ...]
    to_fill: tuple[str, ...]


def configuration(
    catalog: Catalog,
    routes: Sequence[tuple[Route, int | None]],
    endpoints: Mapping[str, Endpoint],
    allow_conditions: bool,
) -> Configuration:
    """Return the configuration for routes, each with the index of its decision in the ledger.

    A task is written where the decision approves it, or with `allow_conditions` where it waits for something; so are
    its fallbacks, each by itself. Where the first leg cannot be written the task is left out: nothing else leads.

    Raises:
        UsageError: two tasks have one name, a provider is not known to the gateway, or nothing can be written.
    """
    writer = _Writer(catalog, endpoints, allow_conditions)
    for alias in duplicates([route for route, _ in routes]):
        hint = "two documents have one namespace and name: give them names of their own"
        writer.refuse(Problem("alias-twice", f"two tasks have the name `{alias}`", help=hint))
    for route, index in routes:
        for chain in route.chains:
            writer.add(route, index, chain)
    return writer.close()


class _Writer:
    """Gathers deployments and fallbacks, and what is not written."""

    def __init__(self, catalog: Catalog, endpoints: Mapping[str, Endpoint], allow_conditions: bool) -> None:
        self._catalog, self._endpoints, self._allow = catalog, endpoints, allow_conditions
        self._models: list[dict[str, Any]] = []
        self._fallbacks: list[dict[str, list[str]]] = []
        self._longer: list[dict[str, list[str]]] = []
        self._left_out: list[str] = []
        self._to_fill: dict[str, None] = {}
        self._problems: list[Problem] = []
        self._waits = False

    def refuse(self, problem: Problem) -> None:
        """Note why nothing is written; each reason once."""
        if problem not in self._problems:
            self._problems.append(problem)

    def add(self, route: Route, index: int | None, chain: Chain) -> None:
        """Write a task, or note why it is left out."""
        alias = route.alias(chain)
        legs = list(self._written(alias, chain))
        if not legs:
            if not chain.legs:
                self._left_out.append(f"{alias}: {'; '.join((*why(chain), *_not_known(chain)))}")
            return
        bound = is_bound(chain.result.facts)
        for name, leg in legs:
            try:
                endpoint = endpoint_of(leg, self._endpoints)
            except UsageError as error:
                self.refuse(error.problems[0])
                continue
            address, gap = address_of(self._catalog, leg, endpoint, bound)
            self._to_fill |= {gap: None} if gap is not None else {}
            self._models.append(_deployment(name, leg, endpoint, address, _info(route, index, chain, name, leg)))
        first, *names = [name for name, _ in legs]
        self._fallbacks += [{first: names}] if names else []
        window = legs[0][1].context_tokens
        longer = [name for name, leg in legs[1:] if window is not None and (leg.context_tokens or 0) > window]
        self._longer += [{first: longer}] if longer else []

    def _written(self, alias: str, chain: Chain) -> Iterator[tuple[str, Leg]]:
        """Yield the legs that are written, each under its name: none where the first is not."""
        for number, leg in enumerate(chain.legs):
            reason = _why_left_out(chain, leg, number, self._allow)
            if reason is None:
                yield (alias if number == 0 else f"{alias}+{number}"), leg
                continue
            self._left_out.append(f"{alias}: {leg_name(leg)}: {reason}")
            if number == 0:
                self._waits = self._waits or bool(chain.holds and not self._allow)
                return

    def close(self) -> Configuration:
        """Return what was gathered.

        Raises:
            UsageError: with every reason why nothing is written.
        """
        if not self._problems and not self._models:
            hint = "`policy route` says what stands against each task"
            hint += ", and --allow-conditions writes what waits for approval" if self._waits else ""
            why = "; ".join(self._left_out) or "no workload was given"
            self.refuse(Problem("nothing-to-write", f"no task may be written: {why}", help=hint))
        if self._problems:
            raise UsageError(self._problems)
        settings = {
            "routing_strategy": "simple-shuffle",
            "num_retries": _RETRIES,
            "enable_pre_call_checks": True,
            "fallbacks": self._fallbacks,
            "context_window_fallbacks": self._longer,
            "content_policy_fallbacks": [],
            # a fallback for everything is one for data that may not go there
            "default_fallbacks": [],
            "model_group_alias": {},
        }
        document = {"model_list": self._models, "router_settings": settings}
        return Configuration(document, tuple(self._left_out), tuple(self._to_fill))


def _not_known(chain: Chain) -> Iterator[str]:
    """Yield what would have to be known for the first of what is no leg."""
    missing = chain.left[0].missing if chain.left and chain.left[0].standing == "uncertain" else ()
    if missing:
        yield f"not known: {', '.join(missing)}"


def _why_left_out(chain: Chain, leg: Leg, number: int, allow_conditions: bool) -> str | None:
    if leg.deployment in NOT_BEHIND:
        return NOT_BEHIND[leg.deployment]
    if leg.model is None:
        return "it names no model"
    if allow_conditions:
        return None
    if number == 0 and chain.holds:
        return f"it waits for approval: {'; '.join(chain.holds)}"
    if leg.conditions:
        return f"outstanding: {', '.join(each.evidence for each in leg.conditions)}"
    return None


def _deployment(name: str, leg: Leg, endpoint: Endpoint, address: str, info: Mapping[str, Any]) -> dict[str, Any]:
    model = endpoint.models.get(leg.model or "", leg.model)
    params: dict[str, Any] = {"model": f"{endpoint.prefix}/{model}"}
    if endpoint.api_key is not None:
        params["api_key"] = f"os.environ/{endpoint.api_key}"
    elif endpoint.prefix in SERVERS:
        # no variable is meant: where nothing is said LiteLLM looks for one of its own
        params["api_key"] = "none"
    # always: where a configuration names none LiteLLM asks whom its environment names
    params["api_base"] = address
    if leg.region is not None:
        params["region_name"] = leg.region
    if leg.price is not None:
        params["input_cost_per_token"] = leg.price.input_usd_per_million / TOKENS_PER_PRICE_UNIT
        params["output_cost_per_token"] = leg.price.output_usd_per_million / TOKENS_PER_PRICE_UNIT
    return {"model_name": name, "litellm_params": params, "model_info": dict(info)}


def _info(route: Route, index: int | None, chain: Chain, name: str, leg: Leg) -> dict[str, Any]:
    found = {
        "id": name,
        "mode": "chat",
        "policy_decision": route.decision.id,
        "policy_ledger_index": index,
        "policy_valid_until": valid_until(route),
        "policy_workload": "/".join(route.place),
        "policy_task": chain.name,
        "policy_outstanding": [each.evidence for each in leg.conditions],
    }
    if leg.own_machines:
        found["policy_quantization"] = leg.quantization
    if leg.context_tokens is not None:
        found["max_input_tokens"] = leg.context_tokens
    return found


def ended(routes: Sequence[tuple[Route, int | None]], clock: datetime) -> list[str]:
    """Return which workloads have a route that stands no more at `clock`, each with when that ended."""
    ends = (("/".join(route.place), valid_until(route)) for route, _ in routes)
    return [f"{name}, on {until}" for name, until in ends if until is not None and _time(until) < clock]


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def heading(
    found: Configuration, routes: Sequence[tuple[Route, int | None]], clock: datetime | None = None
) -> Iterator[str]:
    """Yield what stands above the configuration, a line each: what it follows from, what is left out, what is open.

    At `clock`, where one is given, what has ended is named before all else.
    """
    over = ended(routes, clock) if clock is not None else []
    if over:
        yield f"ALREADY ENDED, and not to be used: {'; '.join(over)}"
    yield "A LiteLLM proxy configuration, written by `policy route`. It follows from these decisions:"
    for route, index in routes:
        document = route.decision.document
        until = valid_until(route)
        yield (
            f"  {'/'.join(route.place)}: {document['verdict']}, decision {route.decision.id}, "
            + (f"ledger entry {index}" if index is not None else "spooled, in no ledger yet")
            + (f", valid until {until}" if until is not None else "")
        )
    yield "A caller that names fallbacks in a request chooses them itself: give each key its own tasks' names alone."
    yield from _keys_of_servers(found)
    for each in found.left_out:
        yield f"Left out: {each}"
    for each in found.to_fill:
        yield f"An address is missing, and nothing is reached there until a file for --gateway gives {each}"


def _keys_of_servers(found: Configuration) -> Iterator[str]:
    """Yield which keys LiteLLM sends to servers where the variable that a deployment names is not set."""
    sent = set()
    for each in found.document["model_list"]:
        params = each["litellm_params"]
        variable = SERVERS.get(params["model"].partition("/")[0])
        if variable is not None and params["api_key"] not in ("none", f"os.environ/{variable}"):
            sent.add((params["api_key"].removeprefix("os.environ/"), variable))
    for own, variable in sorted(sent):
        yield f"Set {own}: where it is not set LiteLLM sends {variable}, if that is set, to the servers that it is for."
