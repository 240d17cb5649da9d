"""What a decision comes down to, in sentences: why the verdict, and what to do next. Reads the document alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from policy_engine.wording import listed, usd, value_text

Document = Mapping[str, Any]

VERDICT_WORDS = {
    "allow": "ALLOW",
    "allow_with_conditions": "ALLOW WITH CONDITIONS",
    "review": "REVIEW",
    "deny": "DENY",
}
#: What a report says in the place of a model.
NO_MODEL = "(no model named)"
STATUS_ORDER = ("permitted", "uncertain", "unavailable", "forbidden")


def rule_rows(task: Document) -> dict[str, Document]:
    """Return the task's rules by id."""
    return {row["id"]: row for row in task["rules"]}


def option_row(task: Document, option: str) -> Document:
    """Return the row of one deployment option."""
    return next(row for row in task["options"] if row["deployment"] == option)


def proposal_text(proposal: Document) -> str:
    """Name a proposal or fallback: option, model, precision, provider, region."""
    parts = [proposal["deployment"], proposal.get("model") or NO_MODEL]
    if proposal.get("quantization") not in (None, "bf16") and proposal["deployment"] in ("self_hosted", "edge"):
        parts.append(proposal["quantization"])
    if proposal.get("provider"):
        parts.append(f"at {proposal['provider']}")
    if proposal.get("region"):
        parts.append(f"in {proposal['region']}")
    return " ".join(parts)


def proposed_text(task: Document) -> str:
    """Name the proposal with what it costs, and whether that is over the budget."""
    proposal = task["proposal"]
    text = proposal_text(proposal)
    if proposal.get("monthly_usd") is not None:
        text += f", {usd(proposal['monthly_usd'])} USD/month"
    return f"{text}, over budget" if proposal.get("over_budget") else text


def recommendation_text(task: Document) -> str:
    """Say the recommendation, its model and its cost, or that there is none."""
    recommendation = task["recommendation"]
    if recommendation is None:
        return "no option is permitted"
    model = recommendation["model"] or "no model known yet"
    text = f"{recommendation['deployment']} with {model}"
    if recommendation.get("quantization") not in (None, "bf16"):
        text += f" at {recommendation['quantization']}"
    if recommendation.get("provider"):
        text += f" from {recommendation['provider']}"
    cost = recommendation["monthly_usd"]
    floor = "at least " if (recommendation.get("cost") or {}).get("at_least") else ""
    text += f", {floor}{usd(cost)} USD/month" if cost is not None else ", monthly cost unknown"
    if recommendation["provisional"]:
        return f"{text} (provisional: no option is permitted yet)"
    return text if recommendation["firm"] else f"{text} (not firm)"


def option_why(task: Document, row: Document) -> str:
    """Say in a line why an option stands where it stands."""
    rules = rule_rows(task)
    if row["status"] == "forbidden":
        return "; ".join(_title(rules, rule) for rule in row["rules"])
    parts = list(row["reasons"])
    if row["status"] == "uncertain":
        parts += [f"{_title(rules, rule)}?" for rule in row["rules"]]
        if row["missing"]:
            parts.append(f"unknown: {listed(row['missing'])}")
    if row["status"] == "permitted" and row["scores"]:
        strongest = sorted(row["scores"], key=lambda c: -abs(c["points"]))
        return ", ".join(f"{c['points']:+d} {c['topic']}" for c in strongest)
    return "; ".join(parts)


def _title(rules: Mapping[str, Document], rule: str) -> str:
    row = rules.get(rule)
    return f"{row['title']} ({', '.join(row['criteria']) or rule})" if row is not None else rule


def reasons(task: Document) -> list[str]:
    """Say why the task has its verdict: what blocks it first, then what it waits for."""
    found: list[str] = []
    judged = task["judged_option"]
    rules = rule_rows(task)
    told: Sequence[str] = ()
    if judged is None:
        collision = task["collision"]
        what = "nothing is proposed, and no option is permitted"
        found.append(f"{what}: {listed(collision['rules'])} leave nothing" if collision else what)
    else:
        row = option_row(task, judged)
        found += _option_reasons(task, row, rules)
        told = row["reasons"]
    proposal = task["proposal"]
    if proposal is not None:
        found += _ruling_reasons(proposal, rules, "the proposal", told)
        fallback = proposal["fallback"]
        if fallback is not None and fallback["verdict"] != "allow":
            found += _ruling_reasons(fallback, rules, f"the fallback {proposal_text(fallback)}")
    if task["verdict"] == "deny":
        return list(dict.fromkeys(found))
    found += _obligation_reasons(task)
    recommendation = task["recommendation"]
    if proposal is None and recommendation is not None and not recommendation["firm"] and judged is not None:
        facts = listed(recommendation["open_facts"], "or")
        found.append(f"the recommendation is not firm: another option could come first, depending on {facts}")
    return list(dict.fromkeys(found))


def _option_reasons(task: Document, row: Document, rules: Mapping[str, Document]) -> list[str]:
    option, status = row["deployment"], row["status"]
    if status == "permitted":
        proposed = task["proposal"] is not None
        return [f"{rules[r]['message']} ({r}, advisory)" for r in rules if _warns(rules[r], option, proposed)]
    if status == "forbidden":
        return [f"{option} is forbidden: {rules[r]['message']} ({r})" for r in row["rules"]]
    if status == "unavailable":
        return [f"{option} is unavailable: {'; '.join(row['reasons'])}"]
    found = [
        f"{option} is uncertain: {rules[r]['title']} ({r}) depends on {listed(rules[r]['missing'], 'and')}"
        for r in row["rules"]
    ]
    return found + [f"{option} is uncertain: {reason}" for reason in row["reasons"]]


def _warns(row: Document, option: str, proposed: bool) -> bool:
    """Whether an advisory forbid fired on what is judged: the condition of an allowance."""
    forbidden = row.get("forbid") or ()
    named = option in forbidden or (proposed and "proposal" in forbidden)
    return row["outcome"] == "fired" and row["enforcement"] == "advisory" and named


def _ruling_reasons(ruling: Document, rules: Mapping[str, Document], what: str, told: Sequence[str] = ()) -> list[str]:
    found = []
    ruled_out = ruling.get("verdict") == "deny" or ruling.get("holds") is False
    for rule in ruling["rules"]:
        # what rules out a fallback need not have fired on the proposal: then its row says nothing of it, or is left out
        row = rules.get(rule) or {"outcome": "not_fired"}
        if row["outcome"] == "fired" and row["message"]:
            found.append(f"{what} is ruled out: {row['message']} ({rule})")
        elif row["outcome"] == "indeterminate":
            found.append(f"{what} is not cleared: {row['title']} ({rule}) depends on {listed(row['missing'])}")
        else:
            name = f"{row['title']} ({rule})" if "title" in row else rule
            found.append(f"{what} is {'ruled out' if ruled_out else 'not cleared'} by {name}")
    return found + [f"{what}: {reason}" for reason in ruling["reasons"] if reason not in told]


def _obligation_reasons(task: Document) -> list[str]:
    found = []
    for duty in task["obligations"]:
        if duty["status"] == "satisfied":
            continue
        verb = "is needed" if duty["status"] == "outstanding" else "may be needed"
        why = duty["why"] or ""
        found.append(
            f"evidence `{duty['evidence']}` {verb} ({duty['enforcement']}): {why} ({', '.join(duty['rules'])})"
        )
    return found


def next_steps(task: Document, file: str | None = None) -> list[str]:
    """Say what to do next, the most useful first."""
    steps: list[str] = []
    rules = rule_rows(task)
    recommendation = task["recommendation"]
    proposal = task["proposal"]
    if task["verdict"] == "deny" and proposal is not None:
        steps += _other_proposals(task, proposal, recommendation)
    if task["decisive_facts"] and task["verdict"] != "deny":
        where = f"policy new --complete {file}" if file and file != "-" else "policy new --complete FILE"
        steps.append(f"state {listed(task['decisive_facts'][:6])}; `{where}` asks for them")
    if task.get("catalog_gaps"):
        steps.append(f"add to a layer's catalog, which does not know it: {listed(task['catalog_gaps'])}")
    for duty in task["obligations"]:
        if duty["status"] == "outstanding" and (task["verdict"] != "deny"):
            message = next((rules[r]["message"] for r in duty["rules"] if rules[r]["outcome"] == "fired"), "")
            steps.append(f"add evidence `{duty['evidence']}`: {message}")
    collision = task.get("collision")
    if collision:
        # an option that the catalog leaves out is no way out: the table says why
        steps += [way_text(way) for way in collision["ways_out"] if way["kind"] != "catalog"]
    else:
        steps += [way_text(way) for way in task["counterfactuals"]]
    return list(dict.fromkeys(steps))


def _other_proposals(task: Document, proposal: Document, recommendation: Document | None) -> list[str]:
    """Say what to propose instead of what is denied: another option or model, another fallback."""
    steps = []
    ruled_out = option_row(task, task["judged_option"])["status"] in ("forbidden", "unavailable")
    if (ruled_out or proposal["holds"] is False) and recommendation is not None and not recommendation["provisional"]:
        if recommendation["deployment"] != task["judged_option"]:
            steps.append(f"propose instead {recommendation_text(task)}")
        elif recommendation["model"] not in (None, proposal["model"]):
            instead = f" instead of {proposal['model']}" if proposal["model"] else ""
            steps.append(f"propose the model {recommendation['model']}{instead}")
    fallback = proposal["fallback"]
    if fallback is not None and fallback["verdict"] == "deny":
        steps.append(f"propose another fallback than {proposal_text(fallback)}, or none")
    return steps


def way_text(way: Document) -> str:
    """Say one way out of a collision."""
    option = way["option"]
    if way["kind"] == "waiver":
        return f"{option}: would need an approved waiver of {listed(way['rules'])}"
    if way["kind"] == "catalog":
        return f"{option}: {'; '.join(way['reasons'])}"
    lead = "hire or train, so that" if way["kind"] == "hire" else "would need"
    changes = dict.fromkeys(_release_text(change["any_of"]) for change in way["changes"])
    return f"{option}: {lead} {'; and '.join(changes)}"


def _release_text(any_of: Mapping[str, Any]) -> str:
    return listed(
        [f"{name} = {listed([value_text(v) for v in values], 'or')}" for name, values in any_of.items()], "or"
    )


def dispute_lines(disputes: Sequence[Document]) -> list[str]:
    """Say each dispute whose other side would change the recommendation, and name the rest in one line."""
    lines = [_dispute_text(dispute) for dispute in disputes if dispute["changes_recommendation"]]
    lines += [f"{dispute['id']} ({dispute['about']})" for dispute in disputes if not dispute["alternatives"]]
    rest = [d["id"] for d in disputes if d["alternatives"] and not d["changes_recommendation"]]
    return [*lines, f"{listed(rest)} would not change the recommendation"] if rest else lines


def _dispute_text(dispute: Document) -> str:
    """Say what would be recommended by the other side of a dispute."""
    side = next(each for each in dispute["alternatives"] if each["changes_recommendation"])
    other = f"by source {side['source']}" if side.get("source") else f"if {side['what']} {side['other_value']}"
    target = side["recommendation"] or "nothing permitted"
    if side.get("model"):
        target += f" with {side['model']}"
    return f"{dispute['id']} ({dispute['about']}): {other} the recommendation would be {target}"
