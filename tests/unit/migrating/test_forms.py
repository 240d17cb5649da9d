"""Bodies of entries: what has another form, or contradicts itself, is refused with the place, and never believed."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from datetime import date
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_engine.migrating.forms import EvaluationBody, RolloutBody, read_body
from tests.unit.cli.migrate_scene import compared, report, rollout


def changed(value: Any, path: str, new: Any) -> Any:
    """Return `value` with one place of it changed; `...` takes it away."""
    found = deepcopy(value)
    *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    place = found
    for step in way:
        place = place[step]
    if new is ...:
        del place[last]
    else:
        place[last] = new
    return found


def signed(body: dict[str, Any]) -> dict[str, Any]:
    """Return the body with the digest of the report that it holds: what is wrong is another thing."""
    if "report" not in body:
        return body
    # of such values the canonical bytes are JSON without blanks, the keys in order
    whole = json.dumps(body["report"], sort_keys=True, separators=(",", ":"))
    return {**body, "sha256": sha256(whole.encode()).hexdigest()}


def test_an_entry_that_names_another_report_than_it_holds_is_refused() -> None:
    body = changed(dict(report(compared()).body), "report.seed", 1)
    with pytest.raises(ValueError, match="names another report"):
        read_body(body, EvaluationBody)


def test_decimal_text_is_read_as_numbers() -> None:
    body = read_body(report(compared(), valid_until="2027-01-31").body, EvaluationBody)
    (task,) = body.report.tasks
    assert (task.current.value, task.candidates[0].value, task.examples) == (0.85, 0.854, 500)
    assert (body.valid_until, body.report.margin) == (date(2027, 1, 31), 0.02)
    assert task.candidates[0].difference.low == -0.0125


@pytest.mark.parametrize("verdict", ["better", "equivalent", "worse", "inconclusive", "too_few"])
def test_every_verdict_that_its_interval_allows_is_read(verdict: str) -> None:
    body = read_body(report(compared(verdict=verdict)).body, EvaluationBody)
    assert body.report.tasks[0].candidates[0].verdict == verdict


@pytest.mark.parametrize(
    ("path", "new", "says"),
    [
        ("workload", 7, "about another workload"),
        ("workload", ..., "about another workload"),
        ("evidence", "golden_dataset", "none that `policy parity` writes"),
        ("evidence", ["golden_dataset"], "none that `policy parity` writes"),
        ("more", 1, "none that `policy parity` writes"),
        *(
            (path, new, "verdicts follow from its figures")
            for path, new in (
                ("valid_until", "soon"),
                ("report", None),
                ("report.golden", {}),
                ("report.more", 1),
                ("report.tasks.0.examples", "many"),
                ("report.tasks.0.examples", 3),
                ("report.tasks.0.current.value", "93"),
                ("report.tasks.0.candidates.0.value", "nan"),
                ("report.tasks.0.candidates.0.value", "0.2"),
                ("report.tasks.0.candidates.0.verdict", "splendid"),
                ("report.tasks.0.candidates.0.verdict", "better"),
                ("report.margin", "0.01"),
                ("report.tasks.0.candidates.0.difference.low", "0.2"),
                ("report.tasks.0.candidates.0.difference.high", "inf"),
            )
        ),
    ],
)
def test_a_report_of_another_form_is_refused(path: str, new: Any, says: str) -> None:
    body = signed(changed(dict(report(compared()).body), path, new))
    with pytest.raises(ValueError, match=r".") as caught:
        read_body(body, EvaluationBody)
    assert says in str(caught.value)
    assert not re.search(r"\b(str|int|float|Expected|Object)\b|\$", str(caught.value))


@pytest.mark.parametrize(
    ("decision", "percent", "path", "new"),
    [
        ("complete", 50, "workload", "help-desk/tickets"),
        ("complete", 100, "next", {"name": "more", "percent": 100}),
        ("advance", 10, "next", None),
        ("advance", 30, "workload", "help-desk/tickets"),
        ("hold", 101, "workload", "help-desk/tickets"),
        ("hold", 10, "stage.percent", "-1"),
        ("hold", 10, "decision", "go"),
        ("hold", 10, "reasons", ["fine"]),
        ("hold", 10, "task", 3),
        ("hold", 10, "task", None),
    ],
)
def test_a_rollout_that_contradicts_itself_is_refused(decision: str, percent: int, path: str, new: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_body(changed(dict(rollout("sorting", decision, percent).body), path, new), RolloutBody)


def test_rollouts_of_each_decision_are_read() -> None:
    for decision, percent in (("advance", 10), ("hold", 25), ("roll_back", 50), ("complete", 100)):
        found = read_body(rollout("sorting", decision, percent).body, RolloutBody)
        assert (found.decision, found.stage.percent) == (decision, percent)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 10) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(new=_JSON, path=st.sampled_from(["report", "report.tasks", "report.tasks.0", "report.tasks.0.candidates.0"]))
def test_whatever_stands_there_is_read_or_refused_as_a_value(new: Any, path: str) -> None:
    body = signed(changed(dict(report(compared()).body), path, new))
    try:
        found = read_body(body, EvaluationBody)
    except ValueError:
        return
    assert all(0 <= each.value <= 1 for task in found.report.tasks for each in task.candidates)
