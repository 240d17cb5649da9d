"""What `policy_engine.why_not` found, as sections that people read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policy_engine.cli.sections import Section
from policy_engine.wording import listed, usd, value_text

Document = Mapping[str, Any]
_FITS = {True: "fits", False: "out", None: "unsure"}


def sections(found: Document) -> list[Section]:
    """Return the sections of every task and option that was asked about."""
    several = len({option["task"] for option in found["options"]}) > 1
    return [section for option in found["options"] for section in _option(option, several, found["model"])]


def _option(option: Document, several: bool, model: str | None) -> list[Section]:
    where = f" for the task {option['task']}" if several else ""
    what = f"{model} on {option['deployment']}" if model else option["deployment"]
    found = [Section(f"Why not {what}{where}", pairs=_standing(option)[: 2 if model else None])]
    if model is None:
        found += [
            Section("Rules behind its status", lines=[_rule(rule) for rule in option["rules"]]),
            Section("From the catalog", lines=option["reasons"]),
            Section("The proposal itself", lines=option["proposal"]),
            _scores(option),
        ]
    found += [
        Section("Models", header=("Model", "=Fit", ">USD/month", "~Why"), rows=[_model(m) for m in option["models"]]),
        Section("What would have to change", lines=option["changes"]),
    ]
    return [section for section in found if section.lines or section.pairs or section.rows]


def _standing(option: Document) -> list[tuple[str, str]]:
    recommendation = option["recommendation"] or "no option is permitted"
    if option["provisional"]:
        recommendation += " (provisional)"
    low, high = option["score_range"]
    score = str(option["score"]) + (f" ({low}..{high} while facts are missing)" if low != high else "")
    if option["points_behind"]:
        points = option["points_behind"]
        score += f", {abs(points)} {'behind' if points > 0 else 'before'} {option['recommendation']}"
    return [
        ("status", option["status"] + (", recommended" if option["recommended"] else "")),
        ("recommended", recommendation),
        ("score", score),
        ("cost", _cost(option)),
    ]


def _cost(option: Document) -> str:
    if option["monthly_usd"] is None:
        return "unknown"
    text = f"{usd(option['monthly_usd'])} USD/month"
    difference = option["dearer_by_usd"]
    if difference is None:
        return text
    if not difference:
        return f"{text}, the same as {option['recommendation']}"
    return f"{text}, {usd(abs(difference))} {'more' if difference > 0 else 'less'} than {option['recommendation']}"


def _rule(rule: Document) -> str:
    facts = listed([f"{name} = {value_text(fact['value'])} ({fact['grade']})" for name, fact in rule["facts"].items()])
    cited = ", ".join((rule["id"], *rule["criteria"]))
    parts = [f"{rule['message'] or rule['title']} ({cited}; {rule['enforcement']}, {rule['outcome']})"]
    if facts:
        parts.append(f"on {facts}")
    if rule["missing"]:
        parts.append(f"unknown: {listed(rule['missing'])}")
    return "; ".join(parts)


def _scores(option: Document) -> Section:
    best = option["recommendation"]
    compared = best is not None and not option["recommended"]
    header = ("Topic", f">{option['deployment']}", *((f">{best}",) if compared else ()), "~Rules")
    rows = []
    for topic in option["topics"]:
        rules = list(dict.fromkeys([*topic["rules"], *(topic["recommended_rules"] if compared else ())]))
        points = (f"{topic['points']:+d}", *((f"{topic['recommended_points']:+d}",) if compared else ()))
        rows.append((topic["topic"], *points, ", ".join(rules)))
    return Section("Score by topic", header=header, rows=rows)


def _model(model: Document) -> tuple[str, ...]:
    mark = "chosen" if model["chosen"] else _FITS[model["qualifies"]]
    name = model["name"] + (f" at {model['quantization']}" if model["quantization"] not in (None, "bf16") else "")
    return name, mark, usd(model["monthly_usd"]), "; ".join(model["reasons"])
