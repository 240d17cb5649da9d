"""Why a decision is due: by its end, by the engine, by what two policies differ in; and what counts as worse."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from policy_engine import SEMANTICS_VERSION
from policy_engine.cli.recheck_shown import worse
from policy_engine.comparing import Change, Comparison, TaskChange
from policy_engine.impact.structure import Differing
from policy_engine.rechecks.due import MOST_NAMES, by_engine, by_policy, by_time
from policy_engine.rechecks.policies import Older

END = "2026-06-09T23:59:59.000000Z"
NONE = Change(None, None)


@pytest.mark.parametrize(
    ("at", "within", "kinds"),
    [
        ("2026-06-09T23:59:58", None, []),
        ("2026-06-09T23:59:59.999999", None, []),  # its last second has not ended
        ("2026-06-10T00:00:00", None, ["expired"]),
        ("2026-06-10T00:00:00", 30, ["expired"]),
        ("2026-06-08T23:59:59", 1, []),
        ("2026-06-09T00:00:00", 1, ["expiring"]),
        ("2026-06-09T00:00:00", 0, []),
        ("9999-12-31T00:00:00", 3660, ["expired"]),
        ("2026-06-09T00:00:00", 3_000_000, ["expiring"]),
    ],
)
def test_the_end_is_a_second_and_days_are_of_24_hours(at: str, within: int | None, kinds: list[str]) -> None:
    moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
    assert [reason.kind for reason in by_time(END, moment, within)] == kinds
    assert list(by_time(None, moment, within)) == []


def test_other_semantics_are_a_reason() -> None:
    assert list(by_engine(SEMANTICS_VERSION)) == []
    (reason,) = by_engine("0")
    assert (reason.kind, "under semantics 0" in reason.why) == ("engine", True)


def document(rules: dict[str, str], model: str | None = None) -> dict[str, object]:
    rows = [{"id": name, "outcome": outcome} for name, outcome in rules.items()]
    task = {"rules": rows, "recommendation": {"model": model}, "proposal": None, "options": [{"model": None}]}
    return {"tasks": [task]}


def test_what_acted_or_is_named_comes_first() -> None:
    written = [Differing("rules", name, "changed") for name in ("a", "b", "c", "d")]
    written += [Differing("policy", "approvers", "changed"), Differing("catalog models", "m", "removed")]
    written += [Differing("parameters", "p", "added")]
    older = Older((), frozenset({"rules", "catalog"}), tuple(written))
    found = {r.kind: r for r in by_policy(older, document({"a": "not_fired", "c": "fired", "d": "indeterminate"}, "m"))}
    assert found["rules"].names == ("c", "d", "a", "b", "policy approvers")
    assert found["rules"].why == "c, d, a and 2 more differ, 2 of which acted in it"
    assert (found["parameters"].why, found["catalog"].why) == ("p is new", "models m is not there any more")
    assert "layers" not in found


def test_names_have_an_end_and_their_number_is_told() -> None:
    written = tuple(Differing("rules", f"r{number:03}", "changed") for number in range(MOST_NAMES + 5))
    (reason,) = by_policy(Older((), frozenset({"rules"}), written), document({}))
    assert (len(reason.names), reason.more) == (MOST_NAMES, 5)


@pytest.mark.parametrize("part", ["rules", "catalog", "layers"])
def test_another_digest_is_a_reason_where_nothing_is_seen_to_differ(part: str) -> None:
    (reason,) = by_policy(Older((), frozenset({part})), document({}))
    assert reason.kind == part
    assert list(by_policy(None, document({}))) == []


@pytest.mark.parametrize(
    ("whole", "tasks", "expected"),
    [
        (("allow", "allow"), [("allow", "allow")], False),
        (("allow", "allow_with_conditions"), [], True),
        (("review", "deny"), [], True),
        (("deny", "review"), [("deny", "allow"), ("review", "review")], False),
        (("deny", "deny"), [("deny", "deny"), ("allow", "review")], True),  # a task got worse behind another
    ],
)
def test_worse_is_told_of_each_task(whole: tuple[str, str], tasks: list[tuple[str, str]], expected: bool) -> None:
    changes = [TaskChange(str(n), Change(*each), NONE, NONE, (), (), ()) for n, each in enumerate(tasks)]
    assert worse(Comparison(Change(*whole), NONE, tuple(changes))) is expected
