"""Stages, the order of the tasks by risk, and the weeks."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_engine.errors import FieldError, UsageError
from policy_engine.rollout.risk import LEVELS, TaskRisk, in_order, risk_of
from policy_engine.rollout.stages import NOT_BEGUN, START, Plan, Stage, plan_of
from policy_engine.rollout.timeline import days_needed, timeline
from tests.rollouts import shipped

#: No risk at all.
HARMLESS = {
    "task.customer_facing": False,
    "data.sensitivity": "internal",
    "task.edge_cases_matter": False,
    "task.complexity": "simple",
    "task.class": "workhorse",
    "task.batch": True,
}


@pytest.mark.parametrize(
    ("start", "percents"),
    [
        (None, [5, 10, 25, 50, 100]),
        (7.5, [7.5, 10, 25, 50, 100]),
        (10.0, [10, 25, 50, 100]),
        (60.0, [60, 100]),
        (100.0, [100]),
    ],
)
def test_stages_begin_where_the_workload_says(start: float | None, percents: list[float]) -> None:
    plan = plan_of({} if start is None else {START: start}, shipped())
    assert [stage.percent for stage in plan.stages] == percents
    assert plan.stated is (start is not None)


def test_no_traffic_is_no_start() -> None:
    with pytest.raises(FieldError, match="never starts"):
        plan_of({START: 0.0}, shipped())


@given(st.floats(min_value=0.0, max_value=100.0, exclude_min=True))
def test_percent_only_rises_up_to_all_of_the_traffic(start: float) -> None:
    plan, stage, found = plan_of({START: start}, shipped()), NOT_BEGUN, [0.0]
    while (following := plan.after(stage)) is not None:
        assert following.percent > stage.percent
        assert float(following.document()["percent"]) == following.percent
        assert following.name != stage.name
        stage = following
        found.append(stage.percent)
    assert found[1] == start
    assert found[-1] == 100.0
    assert stage.is_last
    assert plan.hours_min(stage) == 48.0


def test_a_stage_that_the_plan_has_no_more_goes_on_to_the_next_above_it() -> None:
    plan = plan_of({START: 5.0}, shipped())
    assert plan.after(Stage(12.0)) == Stage(25.0)
    assert (plan.hours_min(Stage(12.0)), plan.hours_min(Stage(60.0)), plan.hours_min(Stage(1.0))) == (24, 48, 24)


@pytest.mark.parametrize(
    ("changed", "points", "level"),
    [
        ({}, 0, "low"),
        ({"task.customer_facing": True}, 1, "low"),
        ({"task.batch": None}, 1, "low"),
        ({"task.customer_facing": True, "task.batch": False}, 2, "medium"),
        ({"task.class": "frontier", "data.sensitivity": "regulated", "task.batch": False}, 3, "medium"),
        (dict.fromkeys(HARMLESS), 5, "high"),
    ],
)
def test_risks_count_where_they_are_so_or_not_known(changed: dict[str, object], points: int, level: str) -> None:
    facts = {name: value for name, value in {**HARMLESS, **changed}.items() if value is not None}
    found = risk_of("t", facts, shipped())
    assert (found.points, found.level) == (points, level)
    unknown = {name for each in found.found for name in each.missing}
    assert unknown == {name for name, value in changed.items() if value is None}


@given(st.lists(st.sampled_from(sorted(HARMLESS)), unique=True))
def test_knowing_less_never_makes_a_task_less_risky(gone: list[str]) -> None:
    for facts in (HARMLESS, {**HARMLESS, "task.customer_facing": True, "task.complexity": "complex"}):
        less = {name: value for name, value in facts.items() if name not in gone}
        assert risk_of("t", less, shipped()).points >= risk_of("t", facts, shipped()).points


RISKS = st.lists(st.tuples(st.sampled_from(LEVELS), st.integers(0, 5)), min_size=1, max_size=8)


@given(RISKS)
def test_the_order_is_total_and_stable(given_risks: list[tuple[str, int]]) -> None:
    risk = shipped().risks[0]
    found = risk_of("t", {}, shipped()).found[:1]
    made = [TaskRisk(f"t{n}", level, found * points) for n, (level, points) in enumerate(given_risks)]  # type: ignore[arg-type]
    ordered = in_order(made)
    assert sorted(each.task for each in ordered) == sorted(each.task for each in made)
    keys = [(LEVELS.index(each.level), each.points, int(each.task[1:])) for each in ordered]
    assert keys == sorted(keys)
    assert in_order(ordered) == ordered
    assert risk.id == "customers-see-it"


def _plan() -> Plan:
    return plan_of({}, shipped())


def _risk(task: str, level: str) -> TaskRisk:
    return TaskRisk(task, level, ())  # type: ignore[arg-type]


def test_eight_weeks_are_two_for_each_phase() -> None:
    course = timeline(_plan(), [_risk("a", "low"), _risk("b", "high")], 8.0, True, date(2026, 11, 30))
    assert [(phase.bar.first_day, phase.bar.last_day) for phase in course.phases] == [
        (0, 14),
        (14, 28),
        (28, 42),
        (42, 56),
    ]
    assert [[task for task, _ in phase.stages] for phase in course.phases] == [[], [], ["a"], ["b"]]
    bars = course.phases[2].stages[0][1]
    # 24, 24, 24, 48 and 48 of 168 hours, stretched from one week to two
    assert [(bar.first_day, bar.last_day) for bar in bars] == [(28, 30), (30, 32), (32, 34), (34, 38), (38, 42)]
    assert (course.day(28), course.day(course.days)) == (date(2026, 12, 28), date(2027, 1, 25))
    assert course.short_of == ()
    assert course.phases[2].bar.label == "low-risk tasks first"
    risky = timeline(_plan(), [_risk("b", "high")], 8.0, True, date(2026, 11, 30))
    assert risky.phases[2].bar.label == "high-risk tasks first"


def test_what_is_riskier_shares_the_last_quarter_in_turn() -> None:
    order = [_risk("a", "low"), _risk("b", "low"), _risk("c", "medium"), _risk("d", "high")]
    course = timeline(_plan(), order, 4.0, True, date(2026, 11, 30))
    spans = {task: (bars[0].first_day, bars[-1].last_day) for p in course.phases for task, bars in p.stages}
    assert spans == {"a": (14, 21), "b": (14, 21), "c": (21, 24.5), "d": (24.5, 28)}
    assert days_needed(_plan()) == 7.0
    assert course.short_of == ("c", "d")


def test_weeks_that_no_calendar_has_are_refused() -> None:
    course = timeline(_plan(), [_risk("a", "low")], 5200.0, True, date(9990, 1, 1))
    with pytest.raises(UsageError, match="beyond the year 9999"):
        course.day(course.days)
