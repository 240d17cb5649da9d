"""What a recorded decision says of each rule that forbids or requires: against what was judged, or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policy_engine.errors import Problem, VerificationFailedError

#: Why a rule is open: it was found to be violated, or nobody can say yet.
FAIL, OTHER = "fail", "other"


def open_rules(index: int, document: Mapping[str, Any]) -> dict[str, str]:
    """Return the rules that are open against what was judged in any task, each with `FAIL` or `OTHER`.

    Raises:
        VerificationFailedError: the document is not a decision.
    """
    found: dict[str, str] = {}
    try:
        for task in document["tasks"]:
            for rule, why in _of_task(task):
                found[rule] = FAIL if FAIL in (why, found.get(rule)) else OTHER
    except (KeyError, TypeError, AttributeError) as error:
        message = f"the document that the entry {index} names is not a decision"
        raise VerificationFailedError(Problem("decision-changed", message, help="run `policy audit verify`")) from error
    return found


def _of_task(task: Mapping[str, Any]) -> list[tuple[str, str]]:
    outcomes = {row["id"]: row["outcome"] for row in task["rules"]}

    def why(rule: str) -> str:
        return FAIL if outcomes.get(rule) == "fired" else OTHER

    judged, found = task["judged_option"], []
    for option in task["options"]:
        if option["deployment"] == judged and option["status"] in ("forbidden", "uncertain"):
            found += [(rule, why(rule)) for rule in option["rules"]]
        elif judged is None and option["status"] == "forbidden":
            # nothing was proposed and nothing is left: no rule was broken, and none is met
            found += [(rule, OTHER) for rule in option["rules"]]
    proposal = task["proposal"] or {}
    found += [(rule, why(rule)) for rule in proposal.get("rules") or ()]
    # the fallback's forbids ran again, so that the outcomes above are not of them
    fallback = proposal.get("fallback") or {}
    reason = FAIL if fallback.get("verdict") == "deny" else OTHER
    found += [(rule, reason) for rule in fallback.get("rules") or ()]
    for duty in task["obligations"]:
        if duty["status"] != "satisfied":
            open_by = FAIL if duty["status"] == "outstanding" else OTHER
            found += [(rule, open_by) for rule in duty["rules"]]
    return found
