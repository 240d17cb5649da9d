"""Step 4, deployment: where each task is hosted, what is owed before, how it starts, what catches it, how far it is."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from policy_audit.entry import EntryType

from policy_engine.migrating.case import Case, TaskView
from policy_engine.migrating.item import Asks, Ground, Item, State, Step
from policy_engine.migrating.obliged import evidence_item, owed_of
from policy_engine.migrating.records import Rollout
from policy_engine.model.vocabulary import THIRD_PARTY
from policy_engine.rollout.moved import candidate_text, same_candidate
from policy_engine.rollout.on_record import Standing
from policy_engine.summary import proposal_text, ranked_options, recommendation_text
from policy_engine.wording import listed, value_text

_DEPLOY = "MIGRATE-04"
_PLAN = "rollout_plan"
#: Characters of a reason on record that are repeated.
_LONGEST = 300
_NOTE = "`{}` puts tasks of low risk first, and decides each next stage by what was observed"
#: Evidence that other steps, or items of this one, show.
ELSEWHERE = ("owner_named", "golden_dataset", "parallel_test", "own_benchmark", _PLAN, "monitoring", "fallback")


def deploy_step(case: Case) -> Step:
    """Return the items of step 4."""
    items = [
        *(_hosting(case, task) for task in case.tasks),
        *_duties(case),
        evidence_item(case, _PLAN, "A rollout plan", f"`{case.call('rollout')}` prints one; name it as evidence"),
        _start(case),
        *(_fallback(case, task) for task in case.tasks),
        *(_rollout(case, task) for task in case.tasks),
    ]
    return Step(4, "Deployment", tuple(items), (_NOTE.format(case.call("rollout")),))


def _hosting(case: Case, task: TaskView) -> Item:
    asks, title = case.asks(_DEPLOY, task), "Where it is hosted"
    proposal = task.document["proposal"]
    options = listed([f"{row['deployment']} {row['status']}" for row in ranked_options(task.document)])
    shown = [Ground("decision", "options", options)]
    if proposal is None:
        action = f"write `tasks[{task.index}].proposal`; the engine recommends {recommendation_text(task.document)}"
        return Item("hosting", title, "missing", asks, tuple(shown), action, task.name)
    shown.insert(0, Ground("fact", "proposal", proposal_text(proposal)))
    status = next(r["status"] for r in task.document["options"] if r["deployment"] == proposal["deployment"])
    if status == "permitted" and proposal["holds"]:
        return Item("hosting", title, "done", asks, tuple(shown), task=task.name)
    state: State = "unknown"
    if status in ("forbidden", "unavailable") or proposal["holds"] is False:
        state = "missing"
    why = "; ".join(proposal["reasons"]) or f"{proposal['deployment']} is {status}"
    action = f"{why}: `{case.call('evaluate', names_workload=False)}` says what to do"
    return Item("hosting", title, state, asks, tuple(shown), action, task.name)


def _duties(case: Case) -> Iterator[Item]:
    """Yield what else the decision asks for, and the licence, which is looked at where nobody asks for a review."""
    names = dict.fromkeys(duty["evidence"] for task in case.tasks for duty in task.document["obligations"])
    for name in names:
        if name not in ELSEWHERE:
            yield evidence_item(case, name, f"Evidence {name}")
    if "licence_review" not in names and any(task.moves_to_open for task in case.tasks):
        says = [Ground("catalog", str(task.model), _licence(case, task)) for task in case.tasks if task.moves_to_open]
        asks = case.asks("LICENCE-01").unheard
        yield Item("licence_review", "Evidence licence_review", "not_needed", asks, tuple(dict.fromkeys(says)))


def _licence(case: Case, task: TaskView) -> str:
    model = case.catalog.model(task.model)
    if model is None:
        return "the catalog does not know the model"
    return f"licence {model.licence or 'not known'}, commercial use {case.catalog.licence(model.key) or 'not known'}"


def _start(case: Case) -> Item:
    percent = case.tasks[0].facts.get("migration.rollout_start_percent")
    low, high = (float(case.parameters[f"rollout_start_percent_{end}"]) for end in ("min", "max"))
    asks, title = case.asks(_DEPLOY), "A start with a small share of traffic"
    if percent is None:
        action = f"write `migration.rollout_start_percent: {low:g}`"
        return Item("start", title, "missing", asks, (), action)
    shown = (Ground("fact", "migration.rollout_start_percent", f"{value_text(percent)} percent"),)
    if 0 < percent <= high:
        return Item("start", title, "done", asks, shown)
    action = f"write `migration.rollout_start_percent`, {low:g} to {high:g}: {value_text(percent)} percent is no start"
    return Item("start", title, "missing", asks, shown, action)


def _fallback(case: Case, task: TaskView) -> Item:
    asks, title = _fallback_asks(case, task), "A fallback that does not fail with it"
    write = f"write `tasks[{task.index}].proposal.fallback`, at another provider or on another option"
    proposal = task.document["proposal"]
    if proposal is None or proposal["fallback"] is None:
        named = evidence_item(case, "fallback", title, write)
        if named.state == "done" and named.shown_by:
            return Item("fallback", title, "done", asks, named.shown_by, task=task.name)
        return Item("fallback", title, "missing", asks, named.shown_by, write, task.name)
    fallback = proposal["fallback"]
    shown = (Ground("fact", "proposal.fallback", proposal_text(fallback)), _verdict(fallback))
    if fallback["verdict"] == "deny":
        action = f"propose another fallback: {'; '.join(fallback['reasons']) or listed(fallback['rules'])}"
        return Item("fallback", title, "missing", asks, shown, action, task.name)
    alone = _independent(proposal, fallback)
    if alone is False:
        return Item(
            "fallback", title, "missing", asks, shown, f"it fails with what it stands in for: {write}", task.name
        )
    if alone is None or fallback["verdict"] == "review":
        action = f"state provider and region of both: {', '.join(fallback['missing']) or 'proposal.fallback.provider'}"
        return Item("fallback", title, "unknown", asks, shown, action, task.name)
    return Item("fallback", title, "done", asks, shown, task=task.name)


def _fallback_asks(case: Case, task: TaskView) -> Asks:
    owed = [duty for each, duty in owed_of(case, "fallback") if each is task]
    asks = case.asks(_DEPLOY, task)
    if not owed:
        return asks
    duty = owed[0]
    return Asks((*duty["rules"], *asks.rules), ("VENDOR-02", _DEPLOY), duty["enforcement"], duty["why"])


def _verdict(fallback: Any) -> Ground:
    words = {"deny": "ruled out", "review": "not settled"}
    return Ground("decision", "fallback", words.get(fallback["verdict"], "passes the same rules"))


def _independent(proposal: Any, fallback: Any) -> bool | None:
    """Tell whether a fallback stands where its proposal has failed: another option, or another provider."""
    if proposal["deployment"] not in THIRD_PARTY or fallback["deployment"] not in THIRD_PARTY:
        return bool(proposal["deployment"] != fallback["deployment"])
    if proposal["provider"] is None or fallback["provider"] is None:
        return None
    return bool(proposal["provider"] != fallback["provider"])


def _rollout(case: Case, task: TaskView) -> Item:
    asks, title = case.asks(_DEPLOY, task), "The rollout, by stages"
    standing = case.records.standing(task.name)
    if case.stays(task) and not standing.has_begun:
        said = Ground("decision", str(task.model), "it stays where it is")
        return Item("rollout", title, "not_needed", asks.unheard, (said,), task=task.name)
    index = standing.last["index"] if standing.last is not None else -1
    garbled = case.records.garbled_after(EntryType.ROLLOUT_DECIDED, index - 1)
    found = case.records.last_of(standing)
    command, shown = _command(case, task, standing), tuple(_decided(found))
    if garbled is not None:
        action = f"the later entry {garbled.index} is malformed, and nobody knows what it says: {command}"
        return Item("rollout", title, "unknown", asks, shown, action, task.name)
    if found is None:
        state: State = "unknown" if case.records.size is None else "missing"
        return Item("rollout", title, state, asks, (), command, task.name)
    if standing.candidate is not None and not same_candidate(standing.candidate, task.candidate, case.catalog):
        what = "was completed" if standing.is_complete else "was begun"
        action = f"it {what} with {candidate_text(standing.candidate)}, and {candidate_text(task.candidate)} is judged"
        back = f"`{case.call('rollout')} --task {shlex.quote(task.name)} --observations /dev/null` takes it back"
        return Item("rollout", title, "missing", asks, shown, f"{action}: {back}", task.name)
    if standing.is_complete:
        return Item("rollout", title, "done", asks, shown, task=task.name)
    words = {"roll_back": "it was rolled back: mend what the reasons name, and then ", "hold": "it is held: then "}
    return Item("rollout", title, "missing", asks, shown, words.get(found.body.decision, "") + command, task.name)


def _command(case: Case, task: TaskView, standing: Standing) -> str:
    """Return the command for the next step: the first stage begins, or what was observed of the one that is on."""
    if not standing.has_begun:
        return f"`{case.call('rollout')} --begin --task {shlex.quote(task.name)}`"
    return f"`{case.call('rollout')} --observations observed.jsonl`"


def _decided(found: Rollout | None) -> Iterator[Ground]:
    if found is None:
        return
    body = found.body
    said = f"{body.decision.replace('_', ' ')} at {body.stage.percent:g} percent of the traffic"
    if body.next is not None:
        said += f", {body.next.percent:g} percent next"
    yield Ground("entry", f"entry {found.index}", f"{said}, on {found.day}", found.index)
    yield from (Ground("entry", each.rule, each.says.rstrip(".")[:_LONGEST], found.index) for each in body.reasons[:2])
