"""The parts of one task of a decision, as plain data, in the words that every report has for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policy_engine.changes_wording import change_lines, condition_text, pair_text
from policy_engine.console import links
from policy_engine.console.cells import Cell, Code, Lines, Mark, Muted, Table, Verdict, columns
from policy_engine.console.templates import words
from policy_engine.console.why_not_parts import why_nots
from policy_engine.hardware_wording import claim_text
from policy_engine.next_steps import next_steps
from policy_engine.option_wording import option_cells
from policy_engine.summary import (
    dispute_lines,
    missing_lines,
    option_why,
    proposal_text,
    proposed_text,
    ranked_options,
    reasons,
    recommendation_text,
    task_facts,
)
from policy_engine.ways_wording import on_server, waiver_text
from policy_engine.wording import value_text

Document = Mapping[str, Any]
_TONES = {"permitted": "good", "uncertain": "warn", "unavailable": "plain", "forbidden": "bad"}
_CLAIMS = {"holds": "good", "verified": "good", "contradicted": "bad", "unverifiable": "warn"}
_OUTCOMES = {"fired": "info", "indeterminate": "warn"}
_DUTIES = {"satisfied": "good", "outstanding": "bad", "uncertain": "warn"}


def task_parts(document: Document, task: Document) -> dict[str, Any]:
    """Return what the page shows of a task: lines of text, tables and pairs, by the names of its sections."""
    with on_server(""):
        steps, others = next_steps(task, None, document["id"]), why_nots(document, task)
    return {
        "name": task["name"],
        "verdict": task["verdict"],
        "named": _named(task),
        "reasons": reasons(task),
        "steps": steps,
        "options": options(task),
        "floors": any(row.get("at_least") and row["monthly_usd"] is not None for row in task["options"]),
        "missing": missing_lines(task),
        "obligations": _obligations(task),
        "advice": [each["message"] for each in task["advice"]],
        "claims": _claims(task),
        "changes": change_lines(task),
        "counterfactuals": _counterfactuals(task),
        "pairs": [pair_text(task, pair) for pair in (task.get("pairs") or {}).get("found", ())],
        "why_nots": others,
        "facts": _facts(task),
        "rules": _rules(task),
        "dispute_lines": dispute_lines(task["disputes"]),
        "disputes": _disputes(task),
        "waivers": _waivers(task),
    }


def _named(task: Document) -> list[tuple[str, Cell]]:
    found: list[tuple[str, Cell]] = [("Recommended", recommendation_text(task))]
    proposal = task["proposal"]
    if proposal is not None:
        found.append(("Proposed", proposed_text(task)))
        if proposal["fallback"] is not None:
            found.append(("Fallback", proposal_text(proposal["fallback"])))
    else:
        found.append(("Proposed", Muted("nothing; what is recommended was judged")))
    return found


def options(task: Document) -> Table:
    """Return the options, the best first, each with why it stands where it stands."""
    best = (task["recommendation"] or {}).get("deployment")
    rows = []
    for row in ranked_options(task):
        name, status, score, cost, model = option_cells(task, row)
        shown: Cell = Lines((Code(name), Mark("recommended", "info"))) if name == best else Code(name)
        rows.append((shown, Mark(status, _TONES[status]), score, cost or None, model or None, option_why(task, row)))
    heads = columns("Option", "Status", ">Score", ">USD a month", "Model", "~Why")
    return Table(f"Options of {task['name']}", heads, rows, hidden_caption=True)


def _obligations(task: Document) -> Table:
    rows = []
    for duty in task["obligations"]:
        waived = bool(duty.get("waived"))
        state = Mark("waived", "info") if waived else Mark(duty["status"], _DUTIES.get(duty["status"], "plain"))
        rules = Lines(tuple(links.rule(each) for each in duty["rules"]))
        rows.append((Code(duty["evidence"]), state, duty["enforcement"], duty["grade"], rules, duty["why"]))
    heads = columns("Evidence", "State", "Enforcement", "Grade asked for", "Rules", "~Why")
    empty = "No rule asks for evidence."
    return Table(f"Obligations of {task['name']}", heads, rows, empty, hidden_caption=True)


def _claims(task: Document) -> Table:
    rows = [
        (claim_text(row), Mark(row["verdict"], _CLAIMS.get(row["verdict"], "plain")), row["grade"], row["why"])
        for row in task.get("hardware_claims", ())
    ]
    heads = columns("Claim", "Verdict", "Grade", "~Why")
    return Table(f"Hardware claims of {task['name']}", heads, rows, hidden_caption=True)


def _counterfactuals(task: Document) -> Table:
    rows = []
    for row in task["counterfactuals"]:
        if "fact" not in row:
            continue
        option = row["recommendation"] or (row.get("provisional") and f"{row['provisional']}, provisionally")
        rows.append(
            (
                condition_text(row),
                Verdict(row["verdict"]),
                option or Muted("nothing permitted"),
                "a choice" if row.get("of") == "choice" else "the workload, where that is so",
            )
        )
    heads = columns("~Change", "Verdict", "Recommended", "Of")
    return Table(f"Single changes of {task['name']}", heads, rows, "No single change would.", hidden_caption=True)


def _facts(task: Document) -> Table:
    rows = [
        (Code(name), value_text(value), Mark(grade), Lines(tuple(links.rule(each) for each in rules)))
        for name, (value, grade, rules) in task_facts(task).items()
    ]
    heads = columns("Fact", "~Value", "Grade", "Read by")
    return Table(f"Facts of {task['name']}", heads, rows, "No rule that acted reads a fact.", hidden_caption=True)


def _rules(task: Document) -> Table:
    rows = []
    for row in task["rules"]:
        cited = ", ".join(row["criteria"]) or row.get("origin") or "no criterion"
        rows.append(
            (
                links.rule(row["id"]),
                Mark(words(row["outcome"]), _OUTCOMES.get(row["outcome"], "plain")),
                row["enforcement"],
                cited,
                row["message"] or row["title"],
            )
        )
    heads = columns("Rule", "Outcome", "Enforcement", "Criteria", "~What it says")
    return Table(f"Rules of {task['name']}", heads, rows, "No rule acted.", hidden_caption=True)


def _disputes(task: Document) -> Table:
    rows = []
    for row in task["disputes"]:
        verdict = any(each.get("changes_verdict") for each in row["alternatives"])
        recommendation = any(each["changes_recommendation"] for each in row["alternatives"])
        effect = [word for word, holds in (("verdict", verdict), ("recommendation", recommendation)) if holds]
        changes = Mark(f"changes the {' and the '.join(effect)}", "warn") if effect else Mark("changes neither")
        rows.append((Code(row["id"]), row["about"], changes, row["sides"]))
    heads = columns("Dispute", "About", "The other side", "~Sides")
    empty = "It rests on no figure on which the sources disagree."
    return Table(f"Disputed figures of {task['name']}", heads, rows, empty, hidden_caption=True)


def _waivers(task: Document) -> Table:
    rows = [
        (
            links.waiver(row["id"]),
            links.rule(row["rule"]),
            row["option"],
            Mark("applies", "good") if row["applies"] else Mark("does not apply", "warn"),
            waiver_text(row),
        )
        for row in task.get("waivers", ())
    ]
    heads = columns("Waiver", "Rule", "Option", "State", "~What it does")
    return Table(f"Waivers of {task['name']}", heads, rows, hidden_caption=True)
