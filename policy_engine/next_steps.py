"""What to do next after a decision, in sentences, the most useful first. Reads the document alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policy_engine.changes_wording import releases
from policy_engine.evidence_wording import graded_by
from policy_engine.hardware_wording import claim_steps, facts_to_state
from policy_engine.model.origins import ORIGINS, PROVIDER
from policy_engine.summary import (
    NO_MODEL,
    cost_text,
    denied_parts,
    option_row,
    proposal_text,
    ranked_options,
    recommendation_text,
    rule_rows,
    stated,
)
from policy_engine.ways_wording import way_text
from policy_engine.wording import listed, runs_in

Document = Mapping[str, Any]

# what no file states of evidence that is not there; any other reason is a fault of evidence that is
_NOT_NAMED = "no such evidence is named"
_STDIN = ("-", "<stdin>")
# what a proposal is there for, and where: to change these is to propose something else
_NO_CHOICE = ("proposal.present", "proposal.deployment", "proposal.fallback.present")


def next_steps(task: Document, file: str | None = None, decision: str | None = None) -> list[str]:
    """Say what to do next, the most useful first; of a denial at least one step. `decision` is its id on record."""
    steps = _denied_steps(task, file, decision) if task["verdict"] == "deny" else _open_steps(task, file, decision)
    return list(dict.fromkeys(steps))


def _open_steps(task: Document, file: str | None, decision: str | None) -> list[str]:
    """Say what a review or an allowance waits for."""
    steps: list[str] = []
    if task["decisive_facts"]:
        step = f"state {listed(facts_to_state(task)[:6])}"
        # what came on standard input is no file that could be completed
        them = "them" if len(task["decisive_facts"]) > 1 else "it"
        steps.append(step if file in _STDIN else f"{step}; `policy new --complete {file or 'FILE'}` asks for {them}")
    steps += _gap_steps(task)
    steps += [
        f"add evidence `{duty['evidence']}`: {_demand(task, duty)}{graded_by(duty, file)}"
        for duty in task["obligations"]
        if duty["status"] == "outstanding" and not duty.get("waived")
    ]
    return steps + _ways(task, decision) + claim_steps(task, file)


def _denied_steps(task: Document, file: str | None, decision: str | None) -> list[str]:
    """Say what would lift a denial, and then what would be asked for."""
    steps = _other_proposals(task) + _gap_steps(task) + _ways(task, decision)
    return (steps or [_last_resort(task)]) + claim_steps(task, file) + _later_evidence(task)


def _gap_steps(task: Document) -> list[str]:
    gaps = task.get("catalog_gaps")
    return [f"add to a layer's catalog, which does not know it: {listed(gaps)}"] if gaps else []


def _ways(task: Document, decision: str | None) -> list[str]:
    collision = task.get("collision")
    if collision:
        # an option that the catalog leaves out is no way out: the table says why
        return [way_text(way, decision) for way in collision["ways_out"] if way["kind"] != "catalog"]
    return [way_text(way, decision) for way in releases(task)] + _waiver_ways(task, decision)


def _waiver_ways(task: Document, decision: str | None) -> list[str]:
    """Name the waivers that would lift what denies the judged option and the fallback, where all can be waived."""
    judged, rows = task["judged_option"], rule_rows(task)
    if judged is None or task["verdict"] != "deny":
        return []
    row, proposal = option_row(task, judged), task["proposal"]
    fallback = proposal["fallback"] if proposal is not None else None
    if row["status"] == "unavailable" or (proposal is not None and proposal["reasons"]):
        return []
    if fallback is not None and fallback["verdict"] == "deny" and (fallback["reasons"] or not fallback["rules"]):
        return []
    wanted: dict[str, list[str]] = {}
    for option, against in denied_parts(task):
        if option is not None and against:
            wanted[option] = list(dict.fromkeys([*wanted.get(option, ()), *against]))
    if not all(rule in rows and rows[rule]["enforcement"] == "waivable" for rules in wanted.values() for rule in rules):
        return []
    return [
        way_text({"option": option, "kind": "waiver", "rules": rules}, decision) for option, rules in wanted.items()
    ]


def _demand(task: Document, duty: Document) -> str:
    rules = rule_rows(task)
    return next((rules[r]["message"] for r in duty["rules"] if rules[r]["outcome"] == "fired"), "")


def _later_evidence(task: Document) -> list[str]:
    """Say what evidence a denied proposal lacks besides, and what is wrong with that which it names."""
    steps = []
    for duty in task["obligations"]:
        faulty = duty["status"] == "uncertain" and duty["why"] != _NOT_NAMED
        if duty["status"] == "outstanding" or faulty:
            needed = ", if it is needed" if faulty else ""
            what = f"for {task['judged_option']}{needed}, evidence `{duty['evidence']}`"
            step = f"and then provide, {what} ({duty['enforcement']}; {duty['why']})"
            steps.append(": ".join(part for part in (step, _demand(task, duty)) if part) + graded_by(duty))
    return steps


def _other_proposals(task: Document) -> list[str]:
    """Say what to propose instead of what is denied: another option or model, another fallback, other facts."""
    proposal = task["proposal"]
    if proposal is None:
        return []
    steps = []
    ruled_out = option_row(task, task["judged_option"])["status"] in ("forbidden", "unavailable")
    if ruled_out or proposal["holds"] is False:
        instead, changes = _instead(task, proposal), _changes(task, proposal)
        recommendation = task["recommendation"] or {}
        # another model on the same option may be ruled out by the same claim: what is wrong with that comes first
        same = recommendation.get("deployment") == task["judged_option"]
        steps += changes + instead if same else instead + changes
    fallback = proposal["fallback"]
    if fallback is not None and fallback["verdict"] == "deny":
        steps.append(f"propose another fallback than {proposal_text(fallback)}, or none")
    return steps


def _instead(task: Document, proposal: Document) -> list[str]:
    """Name the recommendation; where that is what is denied, the next option that is permitted."""
    recommendation = task["recommendation"]
    if recommendation is None or recommendation["provisional"]:
        return []
    if recommendation["deployment"] != task["judged_option"]:
        return [f"propose instead {recommendation_text(task)}"]
    if recommendation["model"] not in (None, proposal["model"]):
        instead = f" instead of {proposal['model']}" if proposal["model"] else ""
        return [f"propose the model {recommendation['model']}{instead}"]
    others = [row for row in ranked_options(task) if row["deployment"] != task["judged_option"]]
    best = next((row for row in others if row["status"] == "permitted"), None)
    if best is None:
        return []
    return [f"propose instead {best['deployment']} with {best['model'] or NO_MODEL}, {cost_text(best)}"]


def _changes(task: Document, proposal: Document) -> list[str]:
    """Name the facts of the proposal, or computed with it, on which the rules that rule it out rest."""
    steps, rules = [], rule_rows(task)
    for rule in proposal["rules"]:
        row = rules.get(rule)
        if row is None or row["outcome"] != "fired":
            continue
        computed = [name for name in row["facts"] if name in ORIGINS]
        own = [name for name in row["facts"] if name.startswith("proposal.") and name not in _NO_CHOICE]
        names = [origin for name in computed or own for origin in ORIGINS.get(name, (name,))]
        if not _elsewhere(task, proposal["provider"]):
            names = [name for name in names if name != PROVIDER]
        # what is said to be served is one claim; its fields would hide the rest
        whole = dict.fromkeys("hardware.serves" if n.startswith("hardware.serves.") else n for n in names)
        if whole:
            steps.append(f"correct or change {listed(list(whole), 'or')}, on which {rule} rests")
    return steps


def _elsewhere(task: Document, provider: str | None) -> bool:
    """Whether the catalog has the provider in other regions than it is proposed for."""
    return any(each["message"].startswith(runs_in(provider)) for each in task["advice"])


def _last_resort(task: Document) -> str:
    """Say of a denial that nothing else lifts what stands in the way."""
    proposal = task["proposal"]
    recommendation = task["recommendation"]
    if recommendation is not None and recommendation["provisional"]:
        row = option_row(task, recommendation["deployment"])
        waits = listed(stated(task, row["missing"])) or "what the catalog lacks"
        return f"propose another option: {row['deployment']} may be permitted once {waits} is known"
    if task.get("collision"):
        return "nothing is permitted, and no fact or waiver would change that: see why each option is out"
    why = "; ".join(proposal["reasons"]) if proposal is not None else ""
    return f"propose something else: {why or 'the reasons above stand against it'}"
