"""From a recorded decision to what a waiver of one of its rules has to say. Pure: reads documents alone."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from policy_engine.errors import InputError, Problem, UsageError, did_you_mean
from policy_engine.loading.rule_document import waivable_digest
from policy_engine.model.rule import PROPOSAL
from policy_engine.model.waiver import API_VERSION, KIND, LONGEST_REASON, LONGEST_TICKET
from policy_engine.wording import listed

Document = Mapping[str, Any]


def request_of(
    decision: Document, decision_id: str, policy: Document, rule: str, option: str | None, task: str | None
) -> dict[str, Any]:
    """Return rule, scope and deciding facts of a request, narrowed to one option and as far as needed to one task.

    `policy` is the document of the policy that the decision was made under.

    Raises:
        InputError: the rule did not act there, or cannot be waived.
    """
    known = _known_rule(decision, policy, rule)
    tasks = _tasks(decision, rule, task)
    acting = [each for each in tasks if option is None or option in _options(known, each)]
    if option is None:
        option, acting = _one_option(known, tasks, rule)
    elif not acting:
        acts = sorted({name for each in tasks for name in _options(known, each)})
        hint = f"it acts on {listed(acts)}" if acts else None
        raise _refused("not-against-option", f"the rule `{rule}` holds nothing against `{option}` there", hint)
    rows = [_row(each, rule) for each in acting]
    deciding = [(row["outcome"], {n: f["value"] for n, f in row["facts"].items()}, row["missing"]) for row in rows]
    if any(each != deciding[0] for each in deciding):
        names = listed([each["name"] for each in acting])
        raise _refused("several-tasks", f"the rule decided on other facts in each of the tasks {names}", "give --task")
    outcome, facts, missing = deciding[0]
    # one task of several is named, so that the waiver covers no other that comes to the same facts
    only = acting[0]["name"] if len(acting) == 1 < len(decision["tasks"]) else None
    workload = decision["workload"]
    return {
        "rule": {"id": rule, "digest": waivable_digest(known, _values(policy))},
        "scope": {"namespace": workload["namespace"], "name": workload["name"], "option": option, "task": task or only},
        "decided": {
            "decision": decision_id,
            "policy": decision["policy"]["digest"],
            "outcome": outcome,
            "facts": facts,
            "missing": list(missing) if outcome == "indeterminate" else [],
        },
    }


def with_terms(request: Document, reason: str, ticket: str, valid_from: date, valid_until: date) -> dict[str, Any]:
    """Return the whole document of a request.

    Raises:
        UsageError: a text is empty, too long or has control characters, or the period is none.
    """
    if valid_until < valid_from:
        message = f"it would end on {valid_until}, before it begins on {valid_from}"
        raise UsageError(Problem("bad-period", message, help="--until is the last day on which it holds"))
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        **request,
        "reason": plain(reason, "--reason", LONGEST_REASON),
        "ticket": plain(ticket, "--ticket", LONGEST_TICKET),
        "valid_from": valid_from.isoformat(),
        "valid_until": valid_until.isoformat(),
    }


def plain(text: str, what: str, longest: int) -> str:
    """Return text as the ledger takes it: NFC, stripped.

    Raises:
        UsageError: it is empty, too long, or has control characters.
    """
    kept = unicodedata.normalize("NFC", text).strip()
    if not kept or len(kept) > longest:
        raise UsageError(Problem("bad-text", f"`{what}` takes 1 to {longest:,} characters"))
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in kept):
        raise UsageError(Problem("bad-text", f"`{what}` has control characters", help="write it in one line"))
    return kept


def _known_rule(decision: Document, policy: Document, rule: str) -> Document:
    known: Document | None = policy.get("rules", {}).get(rule)
    if known is None:
        names = [row["id"] for task in decision["tasks"] for row in task["rules"]]
        hint = did_you_mean(rule, names) or "`policy explain` shows the rules of the decision"
        raise _refused("unknown-rule", f"the decision knows no rule `{rule}`", hint)
    return known


def _tasks(decision: Document, rule: str, task: str | None) -> list[Document]:
    """Return the tasks in which the rule fired or is indeterminate, and can be waived."""
    names = [each["name"] for each in decision["tasks"]]
    if task is not None and task not in names:
        hint = did_you_mean(task, names) or f"it has {listed(names)}"
        raise _refused("unknown-task", f"the decision has no task `{task}`", hint)
    asked = [each for each in decision["tasks"] if task in (None, each["name"])]
    found = [each for each in asked if _row(each, rule)["outcome"] != "not_fired"]
    if not found:
        hint = "a waiver lifts what a rule did, so that its approver can see on which facts it was asked for"
        raise _refused("rule-did-not-act", f"the rule `{rule}` did not fire in that decision, nor may it have", hint)
    for each in found:
        enforcement = _row(each, rule)["enforcement"]
        if enforcement != "waivable":
            what = "prefers, derives or advises" if enforcement is None else f"is {enforcement}"
            hint = "only a rule whose enforcement is waivable can be waived"
            raise _refused("not-waivable", f"the rule `{rule}` {what}: there is nothing that a waiver could lift", hint)
    return found


def _row(task: Document, rule: str) -> Document:
    missing: Document = {"outcome": "not_fired", "enforcement": None, "facts": {}, "missing": []}
    return next((row for row in task["rules"] if row["id"] == rule), missing)


def _options(known: Document, task: Document) -> list[str]:
    """Return the options that the rule holds something against in this task."""
    found = [name for name in known.get("forbid", ()) if name != PROPOSAL]
    proposal = task["proposal"]
    if PROPOSAL in known.get("forbid", ()) and proposal is not None:
        found.append(proposal["deployment"])
    found += [name for options in known.get("require", {}).values() for name in options]
    return list(dict.fromkeys(found))


def _one_option(known: Document, tasks: Sequence[Document], rule: str) -> tuple[str, list[Document]]:
    """Return the option that is judged where the rule acts on it, else the only one that it acts on."""
    judged = list(dict.fromkeys(t["judged_option"] for t in tasks if t["judged_option"] in _options(known, t)))
    names = judged or sorted({name for each in tasks for name in _options(known, each)})
    if len(names) != 1:
        raise _refused("several-options", f"the rule `{rule}` acts on {listed(names) or 'no option'}", "give --option")
    return names[0], [each for each in tasks if names[0] in _options(known, each)]


def _values(policy: Document) -> dict[str, Any]:
    return {name: parameter["value"] for name, parameter in policy["parameters"].items()}


def _refused(code: str, message: str, hint: str | None) -> InputError:
    return InputError(Problem(code, message, help=hint))
