"""Two decisions side by side."""

from __future__ import annotations

import json
from typing import Any

import pytest

from policy_engine.comparing import compare
from policy_engine.errors import InputError
from tests.unit.replay_case import decided


def changed(**whole: Any) -> bytes:
    return json.dumps({**json.loads(decided().content), **whole}).encode()


def with_task(**fields: Any) -> bytes:
    task = json.loads(decided().content)["tasks"][0]
    return changed(tasks=[task | fields])


def test_a_decision_beside_itself_has_no_change() -> None:
    found = compare(decided().content, decided().content)
    assert not found.changed
    assert not found.loosened


@pytest.mark.parametrize(
    "other",
    [
        changed(verdict="deny"),
        changed(plan={"monthly_usd": 12345.5}),
        changed(tasks=[]),
        with_task(verdict="deny"),
        with_task(recommendation=None),
        with_task(options=[]),
        with_task(obligations=[{"evidence": "dpa", "status": "outstanding", "enforcement": "mandatory"}]),
        with_task(rules=[{"id": "new", "outcome": "fired", "message": "x"}]),
        with_task(name="renamed"),
    ],
    ids=range(9),
)
def test_whatever_decides_is_a_change(other: bytes) -> None:
    assert compare(decided().content, other).changed


def test_words_are_none() -> None:
    assert not compare(decided().content, with_task(advice=[], disputes=[], missing_facts=["x"])).changed


def test_a_rule_that_the_other_has_not_and_that_did_not_fire_is_none() -> None:
    rules = json.loads(decided().content)["tasks"][0]["rules"]
    silent = [*rules, {"id": "silent", "outcome": "not_fired"}]
    assert not compare(decided().content, with_task(rules=silent)).changed
    fired = [*rules, {"id": "loud", "outcome": "fired", "message": "here"}]
    (task,) = compare(decided().content, with_task(rules=fired)).tasks
    assert [(each.name, each.before, each.after, each.message) for each in task.rules] == [
        ("loud", None, "fired", "here")
    ]


@pytest.mark.parametrize(
    ("before", "after", "loosened"),
    [
        ("deny", "allow", True),
        ("deny", "allow_with_conditions", True),
        ("deny", "review", False),
        ("review", "allow", False),
        ("allow", "deny", False),
    ],
)
def test_loosened_is_from_deny_to_allow(before: str, after: str, loosened: bool) -> None:
    assert compare(changed(verdict=before), changed(verdict=after)).loosened is loosened
    assert compare(with_task(verdict=before), with_task(verdict=after)).loosened is loosened


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"[" * 100_000, changed(verdict="maybe"), with_task(options=1)])
def test_what_is_no_decision_is_refused(content: bytes) -> None:
    with pytest.raises(InputError, match="not what this program reads"):
        compare(content, decided().content)
