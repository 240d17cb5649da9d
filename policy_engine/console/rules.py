"""`/rules`: the rules in force, and one of them: what it says, what it reads, its cases, and where it acted."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from policy_engine.access.routes import KNOWN
from policy_engine.api.in_force import RULE_FILTERS
from policy_engine.api.requests import record_read, service_of
from policy_engine.browsing.rules import EFFECTS, effect_pairs
from policy_engine.console import links
from policy_engine.console.cells import Cell, Code, Lines, Link, Mark, Muted, Table, columns
from policy_engine.console.decisions import table as decision_table
from policy_engine.console.filters import asked, is_wrong, refusal, takes
from policy_engine.console.forms import Field
from policy_engine.console.routing import page_router
from policy_engine.console.urls import url
from policy_engine.console.visiting import page, visitor
from policy_engine.errors import UsageError
from policy_engine.model.rule import TOPICS
from policy_engine.service import in_force, recorded
from policy_engine.wording import value_text

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger

    from policy_engine.loading.policy import Policy
    from policy_engine.model.rule import Rule

router = page_router()
_LATEST = 10
_OUTCOMES = {
    "fired": ("fired", "info"),
    "not_fired": ("not fired", "plain"),
    "indeterminate": ("indeterminate", "warn"),
}


@router.get("/rules")
@takes(*(each.name for each in RULE_FILTERS))
async def rules(request: Request) -> Response:
    """Show the rules in force that the filters select, and how often each acted."""
    principal = await visitor(request, *KNOWN)
    service = service_of(request)
    policy = service.policy  # one for the whole page: rules may be loaded anew meanwhile
    options, fields = asked(request.query_params.multi_items(), RULE_FILTERS)
    fields = [_choice(policy, each) for each in fields]
    found: list[dict[str, Any]] = []
    refused: str | None = None
    try:
        wanted = {name: value for name, value in options.items() if value}
        found = [] if is_wrong(fields) else in_force.rules_shown(policy, wanted)["rules"]
    except UsageError as error:
        refused = refusal(error.problems[0])
    acted: dict[str, int] | None = None
    # counts are of all namespaces: whoever reaches some of them alone is not told
    if "read" in principal.roles and principal.namespaces is None:
        acted = await service.read(partial(_acted, digest=policy.digest))
        await record_read(request, "rules list", len(found))
    return await page(
        request,
        "rules.html",
        "Rules",
        status=400 if refused or is_wrong(fields) else 200,
        fields=fields,
        refused=refused,
        filtered=any(options.values()),
        table=_table(found, acted),
        counted=acted is not None,
    )


@router.get("/rules/{name}")
async def rule(request: Request, name: str) -> Response:
    """Show one rule."""
    principal = await visitor(request, *KNOWN)
    service = service_of(request)
    policy = service.policy
    shown = await service.work(service.rule_sheets.rule, policy, name)
    known, waivable = policy.rules.rule(shown["id"]), shown.get("enforcement") == "waivable"
    latest: list[dict[str, Any]] | None = None
    if "read" in principal.roles:
        question = {"rule": shown["id"], "limit": _LATEST}
        ask = partial(recorded.decisions, reach=principal.namespaces, asked=question)
        latest = (await service.read(ask))["decisions"]
        await record_read(request, "audit list", len(latest))
    return await page(
        request,
        "rule.html",
        shown["title"],
        rule=shown,
        head=_head(shown, known),
        effects=effect_pairs(known) if known is not None else [],
        reads=_reads(policy, shown),
        parameters=_parameters(shown),
        sides=_sides(shown),
        criteria=_criteria(shown),
        disputes=[links.dispute(each) for each in shown["disputes"]],
        dispute_rows=_disputes(shown),
        cases=_cases(shown),
        cases_known=shown["cases"] is not None,
        latest=decision_table(
            latest,
            "No decision is found in which it acted. That it only stood against a fallback is not found of older ones.",
            "Decisions that it acted in",
        )
        if latest is not None
        else None,
        all_decisions=url("/decisions", rule=shown["id"]),
        ask=url("/waiver-request", rule=shown["id"]) if waivable and "decide" in principal.roles else None,
    )


def _choice(policy: Policy, field: Field) -> Field:
    """Return a filter as a choice of what there is; one that was given something else stays a text."""
    known: dict[str, Mapping[str, str]] = {
        "topic": {each: each for each in TOPICS},
        "criterion": {name: f"{name}: {title}" for name, title in sorted(policy.rules.criteria.items())},
        "layer": {layer.name: layer.name for layer in policy.rules.layers},
    }
    values = known.get(field.name)
    if values is None or (field.value and field.value not in values):
        return field
    return replace(field, kind="select", options=(("", "Any"), *values.items()))


def _acted(ledger: Ledger, digest: str) -> dict[str, int]:
    """Return in how many decisions under a policy each rule acted, by the tags."""
    from policy_audit.snapshot import open_snapshot

    with open_snapshot(ledger) as snapshot:
        return snapshot.count_tags("rule", digest)


def _table(found: list[dict[str, Any]], acted: Mapping[str, int] | None) -> Table:
    rows = [
        (
            Link(each["title"], url("/rules", each["id"]), each["id"]),
            each["topic"],
            Lines(tuple(name for name in EFFECTS if each.get(name))),
            _enforcement(each),
            Lines(tuple(Link(one, url("/rules", criterion=one)) for one in each.get("criteria", ()))),
            *([acted.get(each["id"], 0)] if acted is not None else []),
        )
        for each in found
    ]
    counts = [">Acted in decisions"] if acted is not None else []
    heads = columns("~Rule", "=Topic", "Effect", "Enforcement", "=Criteria", *counts)
    empty = "No rule in force fits all of these filters. Leave one of them out."
    return Table("Rules in force", heads, rows, empty, hidden_caption=True)


def _enforcement(rule: Mapping[str, Any]) -> Cell:
    word = rule.get("enforcement")
    if word is None:
        return Muted("none")
    return Mark(word, {"mandatory": "bad", "waivable": "warn"}.get(word, "plain"))


def _head(shown: Mapping[str, Any], known: Rule | None) -> list[tuple[str, Cell]]:
    found: list[tuple[str, Cell]] = [
        ("Id", Code(shown["id"])),
        ("Topic", Link(shown["topic"], url("/rules", topic=shown["topic"]))),
        ("Enforcement", _enforcement(shown)),
        ("Can be waived", "yes, by an approver" if shown.get("enforcement") == "waivable" else "no"),
        ("Layer", shown["layer"]),
        ("File", Code(shown["place"]) if shown["place"] else Muted("none")),
    ]
    if known is not None:
        dates = (("Enforced from", known.enforce_from), ("Review by", known.review_by))
        found += [(name, day.isoformat()) for name, day in dates if day is not None]
        found += [(name, text) for name, text in (("Owner", known.owner), ("Origin", known.origin)) if text]
        found += [("Controls", ", ".join(known.controls))] if known.controls else []
        found += [("Locked", "later layers may not touch it")] if known.locked else []
    return found


def _reads(policy: Policy, shown: Mapping[str, Any]) -> Table:
    facts = policy.vocabulary.facts
    rows = [(Code(name), facts[name].type, facts[name].meaning) for name in shown["reads"] if name in facts]
    return Table(
        "Each fact that it reads", columns("Fact", "Type", "~Meaning"), rows, "It reads no fact.", hidden_caption=True
    )


def _parameters(shown: Mapping[str, Any]) -> Table:
    rows = [
        (
            Code(f"param.{name}"),
            " ".join(filter(None, (value_text(each["value"]), each.get("unit")))),
            each.get("source"),
            Link(each["criterion"], url("/rules", criterion=each["criterion"])) if each.get("criterion") else None,
            each["layer"],
            each.get("meaning"),
        )
        for name, each in shown["parameters"].items()
    ]
    heads = columns("Parameter", "Value", "Source", "Criterion", "Layer", "~Meaning")
    return Table("Each parameter", heads, rows, "It reads no parameter.", hidden_caption=True)


def _sides(shown: Mapping[str, Any]) -> Table:
    rows = [
        (
            Code(f"param.{name}"),
            " ".join(filter(None, (value_text(side["value"]), each.get("unit")))),
            side["source"],
            links.dispute(side["id"]),
            side.get("says"),
        )
        for name, each in shown["parameters"].items()
        for side in each.get("disputes", ())
    ]
    heads = columns("Parameter", "Would be", "Source", "Dispute", "~It says")
    return Table("What other sources say", heads, rows, "No other source says otherwise.")


def _criteria(shown: Mapping[str, Any]) -> Table:
    rows = [(Link(name, url("/rules", criterion=name)), title) for name, title in shown["criteria"].items()]
    return Table(
        "Each criterion", columns("Criterion", "~What it asks"), rows, "It cites no criterion.", hidden_caption=True
    )


def _disputes(shown: Mapping[str, Any]) -> Table:
    rows = [(links.dispute(name), about) for name, about in shown["disputes"].items()]
    return Table("Each dispute", columns("Dispute", "~About"), rows, "None.", hidden_caption=True)


def _cases(shown: Mapping[str, Any]) -> Table:
    rows = [
        (
            case["name"],
            Lines(tuple(Code(f"{name} = {value_text(value)}") for name, value in case["facts"].items()))
            if case["facts"]
            else Muted("nothing is known"),
            Mark(*_OUTCOMES.get(case["outcome"], (case["outcome"], "plain"))),
        )
        for case in shown["cases"] or ()
    ]
    heads = columns("~Case", "Facts", "Expected")
    return Table("Each case", heads, rows, "It has no cases.", hidden_caption=True)
