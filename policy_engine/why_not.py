"""Why an option, or one of its models, is not the recommendation, and what would have to change. Pure.

Reads the recorded document alone, so that it answers for decisions of other rules and of other days too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policy_engine.changes_wording import releases, ways_lines
from policy_engine.errors import InputError, Problem, did_you_mean
from policy_engine.summary import option_row, rule_rows
from policy_engine.ways_wording import request_text, way_text
from policy_engine.wording import listed, usd, value_text

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Question:
    """Which options, and which of their models (None: all of them)."""

    options: tuple[str, ...]
    model: str | None = None


def parse_question(document: Document, text: str) -> Question:
    """Read `OPTION`, `OPTION/MODEL` or `MODEL` as the decision knows them.

    Raises:
        InputError: the decision considered no such option or model.
    """
    rows = [row for task in document["tasks"] for row in task["options"]]
    options = list(dict.fromkeys(row["deployment"] for row in rows))
    models = {
        option: {m["name"] for row in rows if row["deployment"] == option for m in row["models"]} for option in options
    }
    option, _, model = text.partition("/")
    if text in options:
        return Question((text,))
    if option in options and model in models[option]:
        return Question((option,), model)
    having = tuple(name for name in options if text in models[name])
    if having:
        return Question(having, text)
    if option in options and model:
        hint = did_you_mean(model, sorted(models[option])) or f"it considered {listed(sorted(models[option]))}"
        raise InputError(
            Problem("unknown-model", f"the decision considered no model `{model}` for {option}", help=hint)
        )
    every = sorted({name for names in models.values() for name in names})
    hint = did_you_mean(text, [*options, *every]) or f"the options are {listed(options)}"
    raise InputError(Problem("unknown-option", f"the decision considered no option or model `{text}`", help=hint))


def why_not(document: Document, question: Question) -> dict[str, Any]:
    """Return, for each task and asked option, where it stands and what it would need to come first."""
    return {
        "kind": "WhyNot",
        "id": document.get("id"),
        "model": question.model,
        "options": [
            _option(task, option_row(task, option), question.model, document.get("id"))
            for task in document["tasks"]
            for option in question.options
        ],
    }


def _option(task: Document, row: Document, model: str | None, decision: str | None) -> dict[str, Any]:
    recommendation = task["recommendation"]
    best = option_row(task, recommendation["deployment"]) if recommendation is not None else None
    found: dict[str, Any] = {
        "task": task["name"],
        "deployment": row["deployment"],
        "status": row["status"],
        "recommended": best is row,
        "provisional": bool(recommendation and recommendation["provisional"]),
        "recommendation": best["deployment"] if best is not None else None,
        "rules": [_rule(rule_rows(task)[name], name) for name in row["rules"] if name in rule_rows(task)],
        "reasons": list(row["reasons"]),
        "missing": list(row["missing"]),
        "score": row["score"],
        "score_range": list(row["score_range"]),
        "topics": _topics(row, best),
        "points_behind": best["score"] - row["score"] if best is not None and best is not row else None,
        "monthly_usd": row["monthly_usd"],
        "dearer_by_usd": _difference(row, best),
        "proposal": _proposal(task, row["deployment"]),
        "ways": row.get("ways"),
        "models": [_model(each, row) for each in row["models"] if model in (None, each["name"])],
    }
    found["changes"] = list(
        _model_changes(found, row, model) if model is not None else _changes(task, row, best, decision)
    )
    return found


def _rule(row: Document, name: str) -> dict[str, Any]:
    keys = ("title", "criteria", "layer", "outcome", "enforcement", "message", "facts", "missing")
    return {"id": name, **{key: row[key] for key in keys}}


def _topics(row: Document, best: Document | None) -> list[dict[str, Any]]:
    """Return both sides' points by topic, with the rules that gave them."""
    mine, its = _points(row), _points(best) if best is not None else {}
    return [
        {
            "topic": topic,
            "points": sum(points for _, points in mine.get(topic, ())),
            "recommended_points": sum(points for _, points in its.get(topic, ())) if best is not None else None,
            "rules": [rule for rule, _ in mine.get(topic, ())],
            "recommended_rules": [rule for rule, _ in its.get(topic, ())],
        }
        for topic in sorted(mine.keys() | its.keys())
    ]


def _points(row: Document) -> dict[str, list[tuple[str, int]]]:
    found: dict[str, list[tuple[str, int]]] = {}
    for part in row["scores"]:
        found.setdefault(part["topic"], []).append((part["rule"], part["points"]))
    return found


def _difference(row: Document, best: Document | None) -> float | None:
    if best is None or best is row or row["monthly_usd"] is None or best["monthly_usd"] is None:
        return None
    difference: float = row["monthly_usd"] - best["monthly_usd"]
    return difference


def _proposal(task: Document, option: str) -> list[str]:
    """Say what is wrong with the proposal itself, where it proposes this option."""
    proposal = task["proposal"]
    if proposal is None or proposal["deployment"] != option:
        return []
    rows, found = rule_rows(task), []
    for name in proposal["rules"]:
        row = rows.get(name)
        if row is not None and row["outcome"] == "fired":
            found.append(f"{row['message'] or row['title']} ({name})")
        elif row is not None:
            found.append(f"{row['title']} ({name}) depends on {listed(row['missing'])}")
    return found + list(proposal["reasons"])


def _model(model: Document, row: Document) -> dict[str, Any]:
    return {**model, "chosen": model["name"] == row["model"]}


def _changes(task: Document, row: Document, best: Document | None, decision: str | None) -> Iterator[str]:
    """Say what would have to change for the option to come first."""
    if best is row and row["status"] == "permitted":
        yield "nothing: it is the recommendation"
        return
    status = row["status"]
    if status == "forbidden":
        yield from _release(task, row, decision)
    elif status == "unavailable":
        yield "the catalog would need a model for it, or the workload other needs: " + "; ".join(row["reasons"])
    elif status == "uncertain":
        facts = listed(row["missing"]) or "; ".join(row["reasons"]) or "what is unknown"
        yield f"it is neither permitted nor out until it is known: {facts}"
    if best is None or task["recommendation"]["provisional"]:
        # a change that permits this option may permit others: what was tried of that is told by the ways
        if status != "permitted" and row.get("ways") is None:
            yield "then it could be recommended, or another option that this permits as well"
    elif best is not row:
        lead = "" if status == "permitted" else "and, once permitted, "
        yield lead + _overtake(row, best)
    yield from ways_lines(task, row)


def _release(task: Document, row: Document, decision: str | None) -> Iterator[str]:
    rows = rule_rows(task)
    ways = [*(task["collision"] or {}).get("ways_out", ()), *releases(task)]
    known = [way_text(way, decision) for way in ways if way["option"] == row["deployment"]]
    if known:
        yield from dict.fromkeys(known)
        return
    for name in row["rules"]:
        if name in rows:
            yield f"{name} would have to hold no longer: {_facts_otherwise(rows[name])}"
    waivable = [name for name in row["rules"] if name in rows and rows[name]["enforcement"] == "waivable"]
    if row["rules"] and len(waivable) == len(row["rules"]):
        asked = [request_text(name, row["deployment"], decision) for name in waivable]
        yield f"or an approved waiver of {listed(waivable)} would lift what forbids it: {listed(asked)}"
    elif waivable:
        others = [name for name in row["rules"] if name not in waivable]
        yield f"a waiver can lift {listed(waivable)}, but not {listed(others)}"


def _facts_otherwise(rule: Document) -> str:
    """Say which values it fired on; a rule that reads one yes or no can only be turned by turning that."""
    facts = rule["facts"]
    if len(facts) == 1:
        ((name, fact),) = facts.items()
        if isinstance(fact["value"], bool):
            return (
                f"{name} would have to be {value_text(not fact['value'])} ({fact['grade']} {value_text(fact['value'])})"
            )
    read = listed([f"{name} = {value_text(fact['value'])} ({fact['grade']})" for name, fact in facts.items()])
    return f"it fired on {read}" if read else "it reads no fact that can be stated"


def _overtake(row: Document, best: Document) -> str:
    """Say what separates the option from the recommended one: points first, then cost, then the fixed order."""
    name, behind = best["deployment"], best["score"] - row["score"]
    if behind > 0:
        topics = [t for t in _topics(row, best) if (t["recommended_points"] or 0) > t["points"]]
        where = listed([f"{t['topic']} ({t['points']} against {t['recommended_points']})" for t in topics])
        needed = f"to come before {name} it needs {_more_points(row, best, behind)}"
        return f"{needed}; it is behind in {where}" if where else needed
    if behind < 0:
        return f"it would come before {name}, with {-behind} points more"
    mine, its = row["monthly_usd"], best["monthly_usd"]
    if mine is None or its is None:
        unknown = row["deployment"] if mine is None else name
        return (
            f"it has as many points as {name}, and the monthly cost of {unknown} is unknown, which decides between them"
        )
    if mine > its:
        return (
            f"it has as many points as {name} and would have to cost {usd(mine - its)} USD/month less, or gain a point"
        )
    if mine < its:
        return f"it has as many points as {name} and costs {usd(its - mine)} USD/month less, so it would come before it"
    return f"it has as many points and the same cost as {name}, which stands before it in the fixed order"


def _more_points(row: Document, best: Document, behind: int) -> str:
    mine, its = row["monthly_usd"], best["monthly_usd"]
    if mine is not None and (its is None or mine < its):
        return f"{behind} more point{'s' if behind > 1 else ''}, since it costs less"
    return f"{behind + 1} more points, or {behind} and a lower cost"


def _model_changes(found: Document, row: Document, model: str | None) -> Iterator[str]:
    """Say what would have to change for one model to be the option's choice, and for that to matter."""
    for each in found["models"]:
        if each["chosen"]:
            yield f"nothing: it is the model that {row['deployment']} would use"
        elif each["qualifies"]:
            yield f"it fits, and {row['model'] or 'another'} is chosen: {_joined(each['reasons'])}"
        elif each["qualifies"] is None:
            yield f"the catalog or the workload would have to say more of it: {_joined(each['reasons'])}"
        else:
            yield f"each of these would have to be otherwise: {_joined(each['reasons'])}"
    if not found["recommended"]:
        other = found["recommendation"] or "no option"
        option = row["deployment"]
        yield f"and {option} itself is {row['status']}, while {other} is recommended: ask `--why-not {option}`"


def _joined(reasons: Sequence[str]) -> str:
    return "; ".join(reasons) or "no reason is recorded"
