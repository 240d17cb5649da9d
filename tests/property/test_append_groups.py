"""Groups, however they are put together into commits, are recorded and answered as one after the other."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from policy_audit.ledger import Draft, EntryType, Group, Guard, Ledger, open_ledger, prepare_draft

from tests.unit.audit.grouping import Clock, once, shown

TYPES = ("hold", "waiver-granted", "waiver-revoked")
DRAFTS = st.lists(st.sampled_from((*TYPES, "bad")), min_size=1, max_size=3)
GUARDS = st.none() | st.tuples(st.frozensets(st.sampled_from(TYPES), max_size=2), st.integers(0, 12))
#: Types, guard, key and request, hours that pass before, whether it begins a commit, whether it is prepared before.
STEPS = st.tuples(
    DRAFTS,
    GUARDS,
    st.sampled_from((None, None, "a", "b")),
    st.sampled_from(("x", "y")),
    st.sampled_from((0, 0, 0, 13, 24)),
    st.booleans(),
    st.booleans(),
)


def model(steps: list[Any]) -> tuple[list[tuple[str, int]], list[Any]]:
    """What is recorded, and what each group is answered, derived from nothing but the words of the documentation."""
    log: list[tuple[str, int]] = []
    asked: dict[str, tuple[int, str, list[int]]] = {}
    answers: list[Any] = []
    hours = 0
    for number, (types, guard, key, request, passed, _, _) in enumerate(steps):
        hours += passed
        if "bad" in types:
            answers.append("not-canonical")
            continue
        if key in asked and hours - asked[key][0] < 24:
            answers.append(asked[key][2] if asked[key][1] == request else "once-conflict")
            continue
        if guard is not None and any(kind in guard[0] for kind, _ in log[guard[1] :]):
            answers.append("ledger-moved")
            continue
        indexes = list(range(len(log), len(log) + len(types)))
        log += [(kind, number) for kind in types]
        if key is not None:
            asked[key] = hours, request, indexes
        answers.append(indexes)
    return log, answers


def group(number: int, step: Any) -> Group:
    types, guard, key, request, _, _, prepared = step
    drafts = [
        Draft(
            EntryType.HOLD if kind == "bad" else EntryType(kind),
            body={"n": 0.5 if kind == "bad" else number},
            once=once(key, request) if key is not None and place == 0 else None,
        )
        for place, kind in enumerate(types)
    ]
    ready = [prepare_draft(each) if prepared and "bad" not in types else each for each in drafts]
    return Group(ready, Guard(*guard) if guard is not None else None)


def recorded(ledger: Ledger) -> list[tuple[str, int]]:
    return [(entry.type, entry.document["body"]["n"]) for entry in ledger.walk()]


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, max_size=12))
def test_any_commits_are_as_one_after_the_other(steps: list[Any]) -> None:
    wanted, answers = model(steps)
    for alone in (False, True):
        clock = Clock()
        found: list[Any] = []
        with open_ledger("sqlite:///:memory:", clock=clock) as ledger:
            waiting: list[Group] = []
            for number, step in enumerate(steps):
                if alone or step[5] or step[4]:  # time passes between commits
                    found += map(shown, ledger.append_groups(waiting))
                    waiting = []
                clock.move(hours=step[4])
                waiting.append(group(number, step))
            found += map(shown, ledger.append_groups(waiting))
            assert (recorded(ledger), found) == (wanted, answers)
            report = ledger.verify()
            assert report.ok, report.problems
