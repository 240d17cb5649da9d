"""Why each option of a task is not recommended, and what would have to change, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policy_engine.console import links
from policy_engine.console.cells import Cell, Lines, Mark, Muted, Table, columns
from policy_engine.summary import ranked_options
from policy_engine.why_not import Question, why_not
from policy_engine.wording import usd

Document = Mapping[str, Any]
_FITS = {True: ("fits", "good"), False: ("out", "bad"), None: ("unsure", "warn")}


def why_nots(document: Document, task: Document) -> list[dict[str, Any]]:
    """Return, for each option that is not the recommendation, where it stands and what would change that."""
    best = task["recommendation"]
    asked = tuple(
        row["deployment"] for row in ranked_options(task) if best is None or row["deployment"] != best["deployment"]
    )
    found = why_not({**document, "tasks": [task]}, Question(asked))["options"]
    return [_option(each) for each in found]


def _option(option: Document) -> dict[str, Any]:
    return {
        "name": option["deployment"],
        "status": option["status"],
        "standing": _standing(option),
        "reasons": [*(rule["message"] or rule["title"] for rule in option["rules"]), *option["reasons"]],
        "proposal": option["proposal"],
        "changes": option["changes"],
        "scores": _scores(option),
        "models": _models(option),
    }


def _standing(option: Document) -> list[tuple[str, Cell]]:
    best = option["recommendation"] or "no option is permitted"
    low, high = option["score_range"]
    score = str(option["score"]) + (f" ({low} to {high} while facts are missing)" if low != high else "")
    behind = option["points_behind"]
    if behind:
        score += f", {abs(behind)} {'behind' if behind > 0 else 'before'} {best}"
    return [
        ("Recommended", f"{best}{' (provisional)' if option['provisional'] else ''}"),
        ("Score", score),
        ("USD a month", _cost(option)),
    ]


def _cost(option: Document) -> Cell:
    cost, dearer = option["monthly_usd"], option["dearer_by_usd"]
    if cost is None:
        return Muted("unknown")
    if not dearer:
        return usd(cost)
    return f"{usd(cost)}, {usd(abs(dearer))} {'more' if dearer > 0 else 'less'} than {option['recommendation']}"


def _scores(option: Document) -> Table:
    best = option["recommendation"]
    compared = best is not None and not option["recommended"]
    rows = []
    for topic in option["topics"]:
        rules = dict.fromkeys([*topic["rules"], *(topic["recommended_rules"] if compared else ())])
        theirs = (f"{topic['recommended_points']:+d}",) if compared else ()
        rows.append((topic["topic"], f"{topic['points']:+d}", *theirs, Lines(tuple(map(links.rule, rules)))))
    heads = columns("Topic", f">{option['deployment']}", *((f">{best}",) if compared else ()), "~Rules")
    return Table(f"Score of {option['deployment']} for {option['task']}, by topic", heads, rows)


def _models(option: Document) -> Table:
    rows = []
    for model in option["models"]:
        word, tone = ("chosen", "good") if model["chosen"] else _FITS[model["qualifies"]]
        precision = model["quantization"]
        name = model["name"] + (f" at {precision}" if precision not in (None, "bf16") else "")
        cost = usd(model["monthly_usd"]) if model["monthly_usd"] is not None else Muted("unknown")
        rows.append((name, Mark(word, tone), cost, "; ".join(model["reasons"]) or None))
    heads = columns("Model", "Fit", ">USD a month", "~Why")
    return Table(f"Models for {option['deployment']} of {option['task']}", heads, rows, "The catalog has none.")
