"""What a decision comes down to, in sentences: why the verdict, and what is not known. Reads the document alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from policy_engine.hardware_wording import decided_by
from policy_engine.model.origins import ORIGINS
from policy_engine.ways_wording import waiver_text, waivers_told
from policy_engine.wording import listed, usd

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
_FEW = 4
# what can let another model be chosen for an option, and with it another cost and licence
_CHOICE = ("task.quality", "workload.organisation", "task.complexity", *ORIGINS["task.tokens_per_month"])


def rule_rows(task: Document) -> dict[str, Document]:
    """Return the task's rules by id."""
    return {row["id"]: row for row in task["rules"]}


def option_row(task: Document, option: str) -> Document:
    """Return the row of one deployment option."""
    return next(row for row in task["options"] if row["deployment"] == option)


def denying_rules(task: Document) -> list[str]:
    """Return the rules that stand against what is judged: its option, what is proposed on it, and its fallback."""
    return list(dict.fromkeys(rule for _, rules in denied_parts(task) for rule in rules))


def denied_parts(task: Document) -> list[tuple[str | None, list[str]]]:
    """Return what is judged and then the fallback, where that is denied: the option, and the rules against it."""
    judged, proposal = task["judged_option"], task["proposal"]
    found = list(option_row(task, judged)["rules"]) if judged is not None else []
    found += proposal["rules"] if proposal is not None else ()
    if judged is None and task["collision"]:
        found += task["collision"]["rules"]
    parts = [(judged, list(dict.fromkeys(found)))]
    fallback = proposal["fallback"] if proposal is not None else None
    if fallback is not None and fallback["verdict"] == "deny":
        parts.append((fallback["deployment"], list(fallback["rules"])))
    return parts


def task_facts(task: Document) -> dict[str, tuple[Any, str, list[str]]]:
    """Return the facts that rules which acted read: value, grade, and the rules, by the facts' names."""
    found: dict[str, tuple[Any, str, list[str]]] = {}
    for row in task["rules"]:
        for name, fact in row["facts"].items():
            found.setdefault(name, (fact["value"], fact["grade"], []))[2].append(row["id"])
    return dict(sorted(found.items()))


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
    text = f"{proposal_text(proposal)}, {cost_text(proposal)}"
    return f"{text}, over budget" if proposal.get("over_budget") else text


def cost_text(priced: Document) -> str:
    """Say what a proposal, a route or a plan costs a month; documents of older engines do not tell a floor."""
    if priced["monthly_usd"] is None:
        return "monthly cost unknown"
    return f"{'at least ' if priced.get('at_least') else ''}{usd(priced['monthly_usd'])} USD/month"


def ranked_options(task: Document) -> list[Document]:
    """Return the rows of the options, the best first."""
    return sorted(task["options"], key=lambda row: (STATUS_ORDER.index(row["status"]), -row["score"]))


def stated(task: Document, names: Iterable[str]) -> list[str]:
    """Return the facts that a team can state behind `names`; a computed name only where nothing else is known."""
    missing = task.get("missing_facts", ())
    found: dict[str, None] = {}
    for name in names:
        behind = [each for each in _origins(task, name) if each in missing]
        lacks = [] if name in missing or not name.startswith("proposal.") else task.get("catalog_gaps", ())
        found.update(dict.fromkeys(behind or (lacks if name in ORIGINS else ()) or (name,)))
    return list(found)


def _origins(task: Document, name: str) -> Sequence[str]:
    """Return the declared facts that `name` may come from."""
    section, _, rest = name.partition(".")
    option = rest.removesuffix("_usd_per_month")
    if name in ORIGINS or section not in ("cost", "licence"):
        return ORIGINS.get(name, (name,))
    rows = [row for row in task["options"] if row["deployment"] == option]
    return (*(each for row in rows for each in row["missing"]), *_CHOICE)


def missing_lines(task: Document) -> list[str]:
    """Say what is not known, by what it could change."""
    decisive, recommendation = task["decisive_facts"], task["recommendation"]
    open_facts = stated(task, recommendation["open_facts"]) if recommendation is not None else []
    alone = [name for name in task["missing_facts"] if name in open_facts and name not in decisive]
    neither = [name for name in task["missing_facts"] if name not in decisive and name not in alone]
    parts = [
        ("can change the verdict", decisive),
        ("can change the recommendation alone", alone),
        ("change neither", neither),
    ]
    return [f"{what}: {', '.join(names)}" for what, names in parts if names]


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
            parts.append(f"unknown: {listed(stated(task, row['missing']))}")
    if row["status"] == "permitted" and (row["scores"] or row.get("waived")):
        strongest = sorted(row["scores"], key=lambda c: -abs(c["points"]))
        waived = [f"{each['rule']} is waived" for each in row.get("waived", ())]
        return ", ".join([f"{c['points']:+d} {c['topic']}" for c in strongest] + waived)
    return "; ".join(parts)


def _title(rules: Mapping[str, Document], rule: str) -> str:
    row = rules.get(rule)
    return f"{row['title']} ({', '.join(row['criteria']) or rule})" if row is not None else rule


class Reason(NamedTuple):
    """Why a task has its verdict: the rule that says so, or what a finding of that kind is called, and in words.

    Not `against` is what an allowance comes with: a warning, or what a waiver lifts.
    """

    code: str
    text: str
    against: bool = True


def reasons(task: Document) -> list[str]:
    """Say why the task has its verdict: what blocks it first, then what it waits for."""
    return list(dict.fromkeys(each.text for each in coded_reasons(task)))


def coded_reasons(task: Document) -> list[Reason]:
    """Return what `reasons` says, with codes."""
    found: list[Reason] = []
    judged = task["judged_option"]
    rules = rule_rows(task)
    told: Sequence[str] = ()
    if judged is None:
        collision = task["collision"]
        what = "nothing is proposed, and no option is permitted"
        text = f"{what}: {listed(collision['rules'])} leave nothing" if collision else what
        found.append(Reason("nothing-permitted", text))
    else:
        row = option_row(task, judged)
        found += _option_reasons(task, row, rules)
        told = row["reasons"]
    proposal = task["proposal"]
    if proposal is not None:
        found += _ruling_reasons(task, proposal, "the proposal", "proposal-not-qualified", told)
        fallback = proposal["fallback"]
        if fallback is not None and fallback["verdict"] != "allow":
            what = f"the fallback {proposal_text(fallback)}"
            found += _ruling_reasons(task, fallback, what, "fallback-not-qualified")
    if task["verdict"] != "deny":
        found += _obligation_reasons(task)
    found += [Reason(row["rule"], waiver_text(row), not row["applies"]) for row in waivers_told(task)]
    recommendation = task["recommendation"]
    if recommendation is not None and not recommendation["firm"] and not recommendation["provisional"]:
        names = listed(_open_facts(task, recommendation), "or")
        text = f"the recommendation is not firm: another option could come first, depending on {names}"
        found.append(Reason("recommendation-not-firm", text, proposal is None))
    return list(dict.fromkeys(found))


def _open_facts(task: Document, recommendation: Document) -> list[str]:
    """Return what a recommendation that is not firm waits for; what the catalog lacks is for no team to state."""
    names = stated(task, recommendation["open_facts"])
    facts = [name for name in names if not name.startswith("catalog.")]
    lacking = ["figures that the catalog lacks"] if len(facts) < len(names) else []
    # a long list stands once, with what is not known
    return [*(facts if len(facts) <= _FEW else [f"{len(facts)} facts that are not known"]), *lacking]


def _option_reasons(task: Document, row: Document, rules: Mapping[str, Document]) -> list[Reason]:
    option, status = row["deployment"], row["status"]
    if status == "permitted":
        proposed = task["proposal"] is not None
        warning = [r for r in rules if _warns(rules[r], option, proposed)]
        return [Reason(r, f"{rules[r]['message']} ({r}, advisory)", against=False) for r in warning]
    if status == "forbidden":
        return [Reason(r, f"{option} is forbidden: {rules[r]['message']} ({r})") for r in row["rules"]]
    if status == "unavailable":
        return [Reason("option-unavailable", f"{option} is unavailable: {'; '.join(row['reasons'])}")]
    found = []
    for rule in row["rules"]:
        waits = listed(stated(task, rules[rule]["missing"]))
        found.append(Reason(rule, f"{option} is uncertain: {rules[rule]['title']} ({rule}) depends on {waits}"))
    return found + [Reason("option-uncertain", f"{option} is uncertain: {reason}") for reason in row["reasons"]]


def _warns(row: Document, option: str, proposed: bool) -> bool:
    """Whether an advisory forbid fired on what is judged: the condition of an allowance."""
    forbidden = row.get("forbid") or ()
    named = option in forbidden or (proposed and "proposal" in forbidden)
    return row["outcome"] == "fired" and row["enforcement"] == "advisory" and named


def _ruling_reasons(
    task: Document, ruling: Document, what: str, code: str, told: Sequence[str] = ()
) -> Iterator[Reason]:
    """Yield why a proposal or fallback is ruled out, or not cleared: rules, and then the catalog, under `code`."""
    rules = rule_rows(task)
    ruled_out = ruling.get("verdict") == "deny" or ruling.get("holds") is False
    for rule in ruling["rules"]:
        # what rules out a fallback need not have fired on the proposal: then its row says nothing of it, or is left out
        row = rules.get(rule) or {"outcome": "not_fired"}
        if row["outcome"] == "fired" and row["message"]:
            text = f"{what} is ruled out: {row['message']} ({rule}){decided_by(task, row, ruling)}"
        elif row["outcome"] == "indeterminate":
            waits = listed(stated(task, row["missing"]))
            why = decided_by(task, row, ruling)
            text = f"{what} is not cleared: {row['title']} ({rule}) depends on {waits}{why}"
        else:
            name = f"{row['title']} ({rule})" if "title" in row else rule
            text = f"{what} is {'ruled out' if ruled_out else 'not cleared'} by {name}"
        yield Reason(rule, text)
    for reason in ruling["reasons"]:
        if reason not in told:
            yield Reason(code, f"{what}: {reason}")


def _obligation_reasons(task: Document) -> Iterator[Reason]:
    for duty in task["obligations"]:
        if duty["status"] == "satisfied" or duty.get("waived"):
            continue
        verb = "is needed" if duty["status"] == "outstanding" else "may be needed"
        why = duty["why"] or ""
        text = f"evidence `{duty['evidence']}` {verb} ({duty['enforcement']}): {why} ({', '.join(duty['rules'])})"
        yield Reason(duty["rules"][0], text, duty["enforcement"] != "advisory")


def dispute_lines(disputes: Sequence[Document]) -> list[str]:
    """Say each dispute whose other side would change verdict or recommendation, and name the rest in one line."""
    lines = [_dispute_text(dispute) for dispute in disputes if _changes(dispute)]
    lines += [f"{dispute['id']} ({dispute['about']})" for dispute in disputes if not dispute["alternatives"]]
    rest = [dispute for dispute in disputes if dispute["alternatives"] and not _changes(dispute)]
    # what an earlier engine recorded says nothing of the verdict
    both = all("changes_verdict" in dispute for dispute in rest)
    verb = f"would not change the recommendation{', nor the verdict' if both else ''}"
    return [*lines, f"{listed([dispute['id'] for dispute in rest])} {verb}"] if rest else lines


def _changes(found: Document) -> bool:
    return bool(found["changes_recommendation"] or found.get("changes_verdict"))


def _dispute_text(dispute: Document) -> str:
    """Say what would come out by the other side of a dispute: a verdict first."""
    sides = [each for each in dispute["alternatives"] if _changes(each)]
    side = next((each for each in sides if each.get("changes_verdict")), sides[0])
    other = f"by source {side['source']}" if side.get("source") else f"if {side['what']} {side['other_value']}"
    found = []
    if side.get("changes_verdict"):
        found.append(f"the verdict would be {side['verdict'].replace('_', ' ')}")
    if side["changes_recommendation"]:
        model = f" with {side['model']}" if side.get("model") else ""
        found.append(f"the recommendation would be {side['recommendation'] or 'nothing permitted'}{model}")
    return f"{dispute['id']} ({dispute['about']}): {other} {listed(found)}"
