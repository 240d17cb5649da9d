"""`/decisions/{identifier}`: one decision: what, why and why not, what would change it, and its proof."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from policy_engine.api.parameters import choice, read_items
from policy_engine.api.requests import record_read, service_of
from policy_engine.asking.persons import personal_text
from policy_engine.console.cells import Cell, Code, Lines, Link, Mark, Muted, Table, Verdict, When, columns
from policy_engine.console.decision_parts import task_parts
from policy_engine.console.filters import given, takes
from policy_engine.console.routing import page_router
from policy_engine.console.templates import words
from policy_engine.console.urls import url
from policy_engine.console.visiting import page, principal_of_page
from policy_engine.option_wording import plan_text
from policy_engine.service import recorded
from policy_engine.summary import NO_MODEL, cost_text

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger

    from policy_engine.access.principal import Principal
    from policy_engine.service.service import Service
    from policy_engine.service.still import Still

router = page_router()
_MOST_OTHERS = 10
_PARAMETERS = (choice("rules", ("all",), "With those that did not fire."),)
#: What a decision's own heading says of its context.
_SAID = ("namespace", "workload", "purpose")


@router.get("/decisions/{identifier}")
@takes("rules")
async def decision(request: Request, identifier: str) -> Response:
    """Show one decision; `?rules=all` with the rules that did not fire."""
    principal = await principal_of_page(request, "read")
    all_rules = read_items(given(request.query_params.multi_items()), _PARAMETERS)["rules"] == "all"
    service = service_of(request)
    ask = partial(_read, target=identifier, principal=principal, all_rules=all_rules, service=service)
    document, entry, key, still, others = await service.read(ask)
    namespace, name = (entry["view"][part] for part in ("namespace", "workload"))
    stands = await service.read(partial(recorded.standing_of, namespace=namespace, name=name))
    await record_read(request, "explain", 1)
    return await page(
        request,
        "decision.html",
        f"{namespace}/{name}",
        document=document,
        entry=entry,
        place=document["ledger"],
        later=_later(document["ledger"]["index"], stands),
        still=still,
        head=_head(document, others),
        persons=_persons(document),
        context=[(words(name).capitalize(), value) for name, value in document["context"].items() if name not in _SAID],
        plan=_plan(document),
        tasks=[task_parts(document, task) for task in document["tasks"]],
        evidence=_evidence(document),
        policy_facts=_policy(document),
        layers=_layers(document),
        documents=_documents(entry),
        all_rules=all_rules,
        key=key,
        history=url("/workloads", namespace, name),
    )


def _read(
    ledger: Ledger, target: str, principal: Principal, all_rules: bool, service: Service
) -> tuple[dict[str, Any], dict[str, Any], str, Still, list[int]]:
    from policy_engine.asking.shown import entry_shown

    document = recorded.decision(ledger, target, principal, all_rules=all_rules)
    entry = recorded.decision_entry(ledger, str(document["ledger"]["index"]), principal.namespaces)
    others = recorded.other_entries(ledger, entry)
    still = service.stillness.of(ledger, service.policy, [entry.index])[entry.index]
    return document, entry_shown(ledger, entry, ledger.receipt(entry.index)), ledger.verifier_key or "", still, others


def _later(index: int, stands: dict[str, Any] | None) -> list[Any]:
    """Return the later decisions on the workload as text, index and link: the last one, and the one that counts."""
    if stands is None:
        return []
    last = stands["later"] or stands
    found = []
    if last["index"] > index:
        found.append(("is the last decision on this workload", last))
    if stands["index"] != last["index"] and stands["index"] != index:
        found.append(("counts for this workload: the last one that was made for deploying", stands))
    if stands["index"] == index and found:
        return [(f"{found[0][0]}; it was not made for deploying, and this one counts", last)]
    return found


def _head(document: dict[str, Any], others: list[int]) -> list[tuple[str, Cell]]:
    workload, until = document["workload"], document["valid_until"]
    found: list[tuple[str, Cell]] = [
        ("Recorded", When(document["ledger"]["recorded_at"])),
        ("Decided", When(document["decided_at"])),
        ("Valid until", When(until) if until else Muted("no end is set")),
        ("Stage", workload["stage"] or Muted("not stated")),
        ("Made for", words(document["context"].get("purpose") or "not stated")),
        ("Decision", Code(document["id"])),
    ]
    if others:
        shown = tuple(Link(str(index), url("/decisions", str(index))) for index in others[:_MOST_OTHERS])
        found.append(("Recorded also as entry", Lines(shown)))
    return found


def _persons(document: dict[str, Any]) -> list[tuple[str, Cell]]:
    held = document["personal"]
    return [
        (words(name).capitalize(), value if value is not None else Muted(personal_text(document, name)))
        for name, value in held.items()
    ]


def _plan(document: dict[str, Any]) -> tuple[str, Table] | None:
    if len(document["tasks"]) < 2:
        return None
    plan = document["plan"]
    verdicts = {task["name"]: task["verdict"] for task in document["tasks"]}
    rows = [
        (
            route["task"],
            f"{route['share']:.0%}",
            Verdict(verdicts[route["task"]]),
            route["deployment"] or Muted("nothing permitted"),
            (route["model"] or Muted(NO_MODEL)) if route["deployment"] else None,
            cost_text(route) if route["deployment"] else None,
        )
        for route in plan["routes"]
    ]
    heads = columns("Task", ">Share", "Verdict", "Option", "Model", "Cost")
    return plan_text(plan), Table("The tasks and their routes", heads, rows, hidden_caption=True)


def _evidence(document: dict[str, Any]) -> Table:
    rows = [
        (
            Code(name),
            row["grade"] or Muted("none"),
            When(row["valid_until"], date=True) if row["valid_until"] else Muted("no end"),
            row["problem"],
        )
        for name, row in document["evidence"].items()
    ]
    empty = "The workload names no evidence."
    return Table(
        "Evidence that the workload names", columns("Evidence", "Grade", "Valid until", "~Problem"), rows, empty
    )


def _policy(document: dict[str, Any]) -> list[tuple[str, Cell]]:
    policy, catalog, engine = document["policy"], document["catalog"], document["engine"]
    stale = catalog.get("stale") or ()
    return [
        ("Policy version", policy["version"]),
        ("Policy", Code(policy["digest"])),
        ("Catalog as of", When(catalog["as_of"], date=True)),
        ("Catalog", Code(catalog["digest"])),
        ("Figures past their age", Mark(", ".join(stale), "warn") if stale else Muted("none")),
        ("Workload", Code(document["workload"]["digest"])),
        ("Engine", f"{engine['version']}, semantics {engine['semantics']}"),
    ]


def _layers(document: dict[str, Any]) -> Table:
    rows = [(layer["name"], Code(layer["digest"])) for layer in document["policy"]["layers"]]
    return Table("Policy layers, the lowest first", columns("Layer", "~Digest"), rows)


def _documents(entry: dict[str, Any]) -> Table:
    rows = [
        (role, blob["bytes"] if blob["bytes"] is not None else Muted("disposed of"), Code(blob["digest"]))
        for role, blob in entry["blobs"].items()
    ]
    return Table("Documents that the entry names", columns("Document", ">Bytes", "~Digest"), rows)
