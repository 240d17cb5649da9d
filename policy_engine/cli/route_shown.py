"""Routes as people read them: each task with its chain, and what is no leg of it and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from policy_engine.cli.printable import printable
from policy_engine.cli.sections import Section
from policy_engine.wording import listed, usd

Document = Mapping[str, Any]
_VERDICTS = {"deny": "denied", "review": "under review", "allow_with_conditions": "allowed, with conditions"}
_STATES = {"routed": "routed", "conditional": "routed once it is approved", "unrouted": "not routed"}
_CENT = 0.01
#: Less than this would be shown as nothing.
_LEAST_SHOWN = 0.0005
_HEADER = ("Leg", "Deployment", "Model", "Where", ">USD/month", "~Stands in for, and needs")


def commented(lines: Iterable[str]) -> str:
    """Return lines as comments of YAML, each on a line of its own whatever is in it."""
    return "".join(f"# {printable(line).replace(chr(10), ' ')}\n" for line in lines)


def as_sections(documents: Sequence[Document]) -> list[Section]:
    """Return what people read of routes: of each workload its plan, then its tasks."""
    return [section for document in documents for section in _workload(document)]


def _workload(document: Document) -> Iterator[Section]:
    workload, decision = document["workload"], document["decision"]
    ledger = decision["ledger"]
    entry = f"entry {ledger['index']}" if ledger["index"] is not None else "spooled, in no ledger yet"
    pairs = [
        ("verdict", f"{_VERDICTS.get(decision['verdict'], 'allowed')} ({workload['stage']})"),
        ("plan", _plan(document["plan"])),
        ("decision", f"{decision['id']}, {entry}"),
    ]
    if document["valid_until"] is not None:
        pairs.append(("valid until", document["valid_until"]))
    yield Section(title=f"Route of {workload['namespace']}/{workload['name']}", pairs=pairs)
    for task in document["tasks"]:
        yield from _task(task)
    notes = list(_notes(document))
    if notes:
        yield Section(title="To note", lines=notes)


def _plan(plan: Document) -> str:
    routed = f"{plan['tasks_routed']} of {plan['tasks']} tasks routed"
    if plan["kind"] is None:
        return routed
    return f"{plan['kind']}, {routed}, {_cost(plan)}{', over budget' if plan['over_budget'] else ''}"


def _cost(row: Document) -> str:
    if row["usd_per_month"] is None:
        return "cost unknown"
    ends = "at least " * row["at_least"], "at most " * row.get("at_most", False)
    return f"{'about ' if all(ends) else ''.join(ends)}{usd(row['usd_per_month'])} USD/month"


def _task(task: Document) -> Iterator[Section]:
    title = f"{task['name']}: {_STATES[task['state']]}, {_share(task['share_of_volume'])} of the volume"
    lines = [*task["reasons"]]
    if task["waits_for"]:
        lines.append(f"it waits: {'; '.join(task['waits_for'])}")
    if task["legs"] and not task["independent_fallback"]:
        lines.append("no fallback runs elsewhere: where the first leg fails, so may they all")
    lines += [f"no leg: {_leg_text(leg)}: {_why_none(leg)}" for leg in task["no_legs"]]
    could = task["could_be_proposed"]
    if could is not None:
        standing = (
            "" if could["standing"] == "permitted" else f", {could['standing']} as a proposal: {_why_none(could)}"
        )
        lines.append(f"could be proposed: {_leg_text(could)}, {_cost(could)}{standing}")
    yield Section(title=title, lines=lines)
    if task["legs"]:  # apart from the list: in Markdown a table right behind one belongs to its last line
        yield Section(header=_HEADER, rows=[_row(number, leg) for number, leg in enumerate(task["legs"])])


def _share(share: float) -> str:
    return "<0.1%" if 0 < share < _LEAST_SHOWN else f"{share:.1%}"


def _row(number: int, leg: Document) -> Sequence[str]:
    cost = usd(leg["usd_per_month"]) + ("+" if leg["at_least"] else "")
    notes = [listed(leg["protects_against"])] if leg["protects_against"] else []
    notes += ["nothing that is known of"] if number and not leg["protects_against"] else []
    if leg["outstanding"]:
        notes.append(f"needs {listed(leg['outstanding'])}")
    if leg["over_budget"]:
        notes.append("over budget")
    return str(number + 1), leg["deployment"], _model(leg), _where(leg), cost, "; ".join(notes)


def _model(leg: Document) -> str:
    """Write the model, with the bits of its weights where these are not the usual ones."""
    bits = leg["quantization"] if leg["paid_when_idle"] else None
    return (leg["model"] or "-") + (f" at {bits}" if bits not in (None, "bf16") else "")


def _where(leg: Document) -> str:
    place = [each for each in (leg["provider"], leg["region"]) if each is not None]
    return " in ".join(place) if leg["provider"] is not None else (place[0] if place else "-")


def _leg_text(leg: Document) -> str:
    where = _where(leg)
    at = "" if where == "-" else f" ({where})"
    return f"{leg['deployment']} {_model(leg)}{at}"


def _why_none(leg: Document) -> str:
    if leg["standing"] == "permitted":
        return "; ".join(leg["reasons"]) or "permitted by itself"
    if leg["standing"] == "forbidden":
        return listed([*leg["rules"], *leg["reasons"]]) or "the catalog has no model for it"
    return "; ".join(_missing(leg)) or "what is not known of it could rule it out"


def _missing(leg: Document) -> Iterator[str]:
    for name in leg["missing"]:
        if name != "proposal.region_allowed":
            yield f"{name} is not known"
        elif leg["region"] is not None:
            yield f"whether {leg['region']} lies inside data.residency is not known"
        elif leg["paid_when_idle"]:
            proposed = leg["origin"] in ("proposal", "proposed_fallback")  # of which hardware.region says nothing
            yield f"where the machines stand is not known: {'propose a region' if proposed else 'say hardware.region'}"
        else:
            who = leg["provider"] or "the provider"
            yield f"where {who} processes is not known: propose a region, or say its regions in a layer"
    yield from leg["reasons"]


def _notes(document: Document) -> Iterator[str]:
    legs = [leg for task in document["tasks"] for leg in task["legs"]]
    if any(leg["at_least"] for leg in legs):
        yield "+ at least"
    total, firsts = document["plan"]["usd_per_month"], [task["legs"][0] for task in document["tasks"] if task["legs"]]
    if total is not None and len(firsts) > 1 and sum(leg["usd_per_month"] for leg in firsts) - total > _CENT:
        yield "the plan counts machines once that one model serves several tasks on"
    if len(legs) > len(document["tasks"]) or any(len(task["legs"]) > 1 for task in document["tasks"]):
        yield "each leg's cost is that of the whole volume of its task; the plan counts the first legs"
        own = {leg["model"] for leg in legs if leg["paid_when_idle"]}
        if len(own) > 1:
            yield f"machines of one's own need not hold {listed(sorted(own))} at once: each is judged by itself"
        if document["plan"]["at_most"]:
            yield "several models are on the same machines, which the plan counts once for each"
        if any(leg["paid_when_idle"] for task in document["tasks"] for leg in task["legs"][1:]):
            yield "machines of one's own that stand by as a fallback cost the same while they are idle"
