"""What a request is narrowed to: one option, and one task where several decided on other facts."""

from __future__ import annotations

from typing import Any

import pytest

from policy_engine.errors import InputError, UsageError
from policy_engine.waivers.requesting import plain, request_of

DECISION = {"workload": {"namespace": "n", "name": "w"}, "policy": {"digest": f"sha256:{'0' * 64}"}}


def row(outcome: str = "fired", enforcement: str | None = "waivable", **facts: Any) -> dict[str, Any]:
    graded = {name.replace("_", "."): {"value": value, "grade": "declared"} for name, value in facts.items()}
    missing = ["c.d"] if outcome == "indeterminate" else []
    return {"id": "r", "outcome": outcome, "enforcement": enforcement, "facts": graded, "missing": missing}


def task(name: str, found: dict[str, Any], judged: str | None = "edge", proposed: str | None = None) -> dict[str, Any]:
    proposal = {"deployment": proposed} if proposed is not None else None
    return {"name": name, "rules": [found], "judged_option": judged, "proposal": proposal}


def asked(*tasks: dict[str, Any], option: str | None = None, only: str | None = None, **effects: Any) -> dict[str, Any]:
    rule = {"id": "r", "when": "a.b > param.x", **(effects or {"forbid": ["edge", "self_hosted"]})}
    policy = {"rules": {"r": rule}, "parameters": {"x": {"value": 1}, "y": {"value": 2}}}
    return request_of({**DECISION, "tasks": list(tasks)}, "d" * 64, policy, "r", option, only)


def refusal(*tasks: dict[str, Any], **more: Any) -> str:
    with pytest.raises(InputError) as caught:
        asked(*tasks, **more)
    return caught.value.code


def test_the_judged_option_and_all_that_the_rule_read() -> None:
    found = asked(task("t", row(a_b=5)))
    assert found["scope"] == {"namespace": "n", "name": "w", "option": "edge", "task": None}
    assert (found["decided"]["facts"], found["decided"]["missing"]) == ({"a.b": 5}, [])
    waits = asked(task("t", row("indeterminate")))["decided"]
    assert (waits["outcome"], waits["missing"]) == ("indeterminate", ["c.d"])


def test_the_only_option_or_the_one_that_is_named() -> None:
    assert asked(task("t", row(), judged="open_api"), forbid=["edge"])["scope"]["option"] == "edge"
    assert refusal(task("t", row(), judged="open_api")) == "several-options"
    assert asked(task("t", row(), judged="open_api"), option="self_hosted")["scope"]["option"] == "self_hosted"
    assert refusal(task("t", row()), option="open_api") == "not-against-option"


def test_evidence_and_proposals_are_acted_on_too() -> None:
    assert asked(task("t", row()), require={"dpa": ["edge"]})["scope"]["option"] == "edge"
    assert asked(task("t", row(), judged="edge", proposed="edge"), forbid=["proposal"])["scope"]["option"] == "edge"
    assert refusal(task("t", row()), forbid=["proposal"]) == "several-options"


def test_of_several_tasks_the_one_that_it_is_about_is_named() -> None:
    one, other = task("t", row(a_b=5)), task("u", row("not_fired"))
    assert asked(one, other)["scope"]["task"] == "t"
    assert asked(one, task("u", row(a_b=5)))["scope"]["task"] is None
    assert refusal(one, task("u", row(a_b=6))) == "several-tasks"
    assert asked(one, task("u", row(a_b=6)), only="u")["decided"]["facts"] == {"a.b": 6}
    assert refusal(one, other, only="u") == "rule-did-not-act"
    assert refusal(one, other, only="v") == "unknown-task"


@pytest.mark.parametrize("enforcement", ["mandatory", "advisory", None])
def test_what_is_not_waivable_is_refused(enforcement: str | None) -> None:
    assert refusal(task("t", row(enforcement=enforcement))) == "not-waivable"
    assert refusal(task("t", row()), task("u", row(enforcement=enforcement))) == "not-waivable"


def test_the_digest_is_of_what_the_rule_reads() -> None:
    def digest(when: str, **values: int) -> str:
        policy = {"rules": {"r": {"id": "r", "when": when, "forbid": ["edge"], "title": "t"}}}
        parameters = {name: {"value": value} for name, value in values.items()}
        found = request_of(
            {**DECISION, "tasks": [task("t", row())]}, "d" * 64, {**policy, "parameters": parameters}, "r", None, None
        )
        text: str = found["rule"]["digest"]
        return text

    assert digest("a > param.x", x=1, y=1) == digest("a > param.x", x=1, y=2)
    assert digest("a > param.x", x=1) != digest("a > param.x", x=2)
    assert digest("a > param.x", x=1) != digest("a >= param.x", x=1)


@pytest.mark.parametrize("text", ["", " ", "a\nb", "a\x00b", "x" * 11])
def test_texts_that_the_ledger_does_not_take(text: str) -> None:
    with pytest.raises(UsageError):
        plain(text, "--reason", 10)
    assert plain(" e\u0301 ", "--reason", 10) == "\u00e9"
