"""`policy route`: which deployment serves each task, what stands in for it, and the configuration of a gateway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policy_engine.cli.help_alone import HelpAlone
from policy_engine.cli.options import (
    Place,
    choose_ledger,
    decision_options,
    now,
    policy_options,
    recording_options,
)

if TYPE_CHECKING:
    from policy_engine.catalog import Catalog
    from policy_engine.ci.judged import Judged, JudgedWorkload
    from policy_engine.cli.run_options import Run
    from policy_engine.loading.policy import Policy
    from policy_engine.routing.gateway import Endpoint
    from policy_engine.routing.route import Route

FORMATS = ("text", "json", "yaml", "markdown", "litellm")
FAIL_ON = ("unrouted", "conditions", "no_fallback")
#: More than LiteLLM follows: its own limit is five for a request.
_MOST = 5
_EPILOG = "Example: policy route workload.yaml -o text --format litellm=config.yaml"


@click.command("route", cls=HelpAlone, short_help="Say which model serves each task.", epilog=_EPILOG)
@click.argument("files", nargs=-1, required=True, metavar="PATH...")
@click.option(
    "--fallbacks",
    metavar="N",
    type=click.IntRange(0, _MOST),
    default=2,
    show_default=True,
    help="So many fallbacks for each task at most.",
)
@click.option("--allow-conditions", is_flag=True, help="Write to a gateway what still waits for evidence, too.")
@click.option(
    "--gateway", metavar="FILE", type=Place(), help="Where providers are reached, and what LiteLLM calls them."
)
@click.option(
    "--fail-on", type=click.Choice(FAIL_ON), help="Exit with 1 where a task has no leg, waits, or stands alone."
)
@click.option(
    "--waivers", metavar="PATH", multiple=True, type=Place(), help="Signed waivers: files, or folders of them."
)
@click.option(
    "-o",
    "--output",
    "--format",
    "outputs",
    metavar="FORMAT[=PATH]",
    multiple=True,
    help=f"{', '.join(FORMATS)}; to a file with =PATH; repeatable.  [default: text]",
)
@decision_options
@policy_options
@recording_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    files: Sequence[str],
    fallbacks: int,
    allow_conditions: bool,
    gateway: Path | None,
    fail_on: str | None,
    outputs: Sequence[str],
    at: datetime | None,
    ledger: str | None,
    ledger_key: Path | None,
    **given: Any,
) -> int:
    """Decide each workload as `policy evaluate` does, record the decisions, and say which deployment serves each task.

    What leads is what the decision judged. A fallback is held to the same rules, and what is not surely permitted is
    none. -o litellm writes the configuration of a LiteLLM proxy, with what is approved alone; --format is another name
    of -o. A task that is denied is routed nowhere, and the exit status is 0 all the same, unless --fail-on asks
    otherwise.
    """
    from policy_engine.cli.main import CONDITION, OK, USAGE, first_of, show_error
    from policy_engine.cli.output import parse_outputs, write_reports
    from policy_engine.cli.run_options import Run
    from policy_engine.cli.run_places import check_places
    from policy_engine.routing.gateway import read_gateway
    from policy_engine.sources.selecting import select

    targets = parse_outputs(outputs, FORMATS)
    chosen = choose_ledger(ctx, ledger, ledger_key, spools=True)
    given |= {"ledger": chosen, "at": at or now(), "targets": targets, "cross_check": False}
    given |= {"all_rules": False, "verbose": 0, "quiet": False}
    run = Run(select(files), None, **given)
    check_places(run, {"gateway": gateway}, files)
    endpoints = read_gateway(gateway)
    routes = _Routes(fallbacks, allow_conditions)
    judged = _decide(run, routes, show_error)
    write_reports(targets, _writers(judged, routes, endpoints, allow_conditions, run))
    statuses = [USAGE] if judged.problems else [OK]
    if fail_on is not None and any(_is_met(fail_on, route) for route in routes.made):
        statuses.append(CONDITION)
    return first_of(statuses)


class _Routes:
    """Makes the routes of what was decided, before that is recorded: each decision's entry has its route's digest."""

    def __init__(self, fallbacks: int, allow_conditions: bool) -> None:
        self._asked = fallbacks, allow_conditions
        self.made: list[Route] = []
        self.catalog: Catalog | None = None

    def __call__(self, policy: Policy, made: Sequence[JudgedWorkload]) -> list[dict[str, str]]:
        from policy_engine.decide import Decider
        from policy_engine.routing.route import route_of

        decider, self.catalog = Decider(policy), policy.catalog
        self.made = [route_of(decider, each.decision, each.file, *self._asked) for each in made]
        return [{"route": route.digest} for route in self.made]


def _decide(run: Run, routes: _Routes, refuse: Any) -> Judged:
    from policy_engine.cli.deciding import decide_files

    return decide_files(run, refuse, accept=routes)


def _writers(
    judged: Judged, routes: _Routes, endpoints: Mapping[str, Endpoint], allow_conditions: bool, run: Run
) -> dict[str, Any]:
    from policy_engine.cli.output import to_yaml
    from policy_engine.cli.route_shown import as_sections, commented
    from policy_engine.cli.sections import report_writers
    from policy_engine.routing.litellm import configuration, ended, heading
    from policy_engine.routing.route import shown

    made = [(route, each.shown["ledger"]) for route, each in zip(routes.made, judged.workloads, strict=True)]
    documents = [shown(route, ledger) for route, ledger in made]

    def value() -> Any:
        alone = judged.documents == 1 and documents and not run.selection.listed
        return documents[0] if alone else documents

    def litellm(_stream: Any) -> str:
        indexed = [(route, ledger.get("index")) for route, ledger in made]
        found = configuration(_whole(judged, routes), indexed, endpoints, allow_conditions)
        clock = now()
        _check_ends(ended(indexed, clock), run)
        return commented(heading(found, indexed, clock)) + to_yaml(found.document)

    return {**report_writers(value, lambda: as_sections(documents)), "litellm": litellm}


def _whole(judged: Judged, routes: _Routes) -> Catalog:
    """Return the catalog of the routes; refuse a configuration that would lack a workload without saying so.

    Raises:
        UsageError: a file is invalid, or there is no workload.
    """
    from policy_engine.errors import Problem, UsageError

    if judged.problems or routes.catalog is None:
        message = "no configuration is written, for it would lack what cannot be read"
        raise UsageError(Problem("not-whole", message, help="mend the file, or leave it out"))
    return routes.catalog


def _check_ends(over: Sequence[str], run: Run) -> None:
    """Refuse a configuration that would be deployed after its decision ended.

    Raises:
        UsageError: a route stands no more.
    """
    from policy_engine.errors import Problem, UsageError

    if over and run.purpose == "deploy":
        message = f"the decision ended before now: {'; '.join(over)}"
        raise UsageError(Problem("already-ended", message, help="decide again, without --at"))


def _is_met(limit: str, route: Route) -> bool:
    if limit == "unrouted":
        return any(chain.state == "unrouted" for chain in route.chains)
    if limit == "conditions":
        return any(chain.state != "routed" for chain in route.chains)
    return any(not chain.independent for chain in route.chains)
