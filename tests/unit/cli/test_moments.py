"""What a date stands for: one rule, in every command, and the exact instant in every answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from policy_audit.ledger import Draft, EntryType, open_ledger

from policy_engine.cli.main import command as root
from policy_engine.cli.moments import AsOf, Before, Since, Until
from policy_engine.cli.options import Time
from policy_engine.cli.token_create import End
from tests.unit.cli.test_help import ALL

Run = Callable[..., Any]
MARCH = {
    Since: "2026-03-31T00:00:00+00:00",
    Before: "2026-03-31T00:00:00+00:00",
    Until: "2026-04-01T00:00:00+00:00",
    AsOf: "2026-03-31T23:59:59.999999+00:00",
}
#: Every option that takes a time, and what a date is there; a time alone where a decision is made.
RULE: dict[str, type] = {"since": Since, "until": Until, "as_of": AsOf, "at": AsOf, "before": Before, "expires": End}
DECIDES = {
    "policy evaluate",
    "policy gate",
    "policy verify-deployment",
    "policy sweep",
    "policy catalog refresh",
    "policy prove",
    "policy diff",
    "policy new",
    "policy audit replay",
    "policy recheck",
    "policy rollout",
    "policy route",
}


@pytest.mark.parametrize("kind", MARCH)
def test_a_date_is_a_whole_day_in_utc_and_a_time_is_exact(kind: type[Time]) -> None:
    assert kind().convert("2026-03-31", None, None).isoformat() == MARCH[kind]
    exact = "2026-03-31T12:00:00.5+02:00"
    assert kind().convert(exact, None, None) == datetime(2026, 3, 31, 10, 0, 0, 500000, tzinfo=UTC)
    for wrong in ("2026-02-30", "31.3.2026", "2026-03", "tomorrow", ""):
        with pytest.raises(click.BadParameter, match=f"^`{wrong}` is not a time such as .* nor a date such as"):
            kind().convert(wrong, None, None)


def test_the_last_date_has_an_end_or_is_refused() -> None:
    assert AsOf().convert("9999-12-31", None, None).year == 9999
    with pytest.raises(click.BadParameter, match="too late"):
        Until().convert("9999-12-31", None, None)


@pytest.mark.parametrize("path", ALL, ids=lambda path: " ".join(("policy", *path)))
def test_every_option_for_a_time_goes_by_the_one_rule(path: tuple[str, ...]) -> None:
    found: click.Command = root
    for name in path:
        assert isinstance(found, click.Group)
        found = found.get_command(click.Context(found), name)  # type: ignore[assignment]
    for option in found.params:
        if isinstance(option.type, Time):
            whole = " ".join(("policy", *path))
            wanted = Time if option.name == "at" and whole in DECIDES else RULE[str(option.name)]
            assert type(option.type) is wanted, (whole, option.name)


@pytest.fixture
def days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Entries at the first and last microsecond of 30 and 31 March, and of 1 April."""
    moments = [datetime(2026, 3, day, tzinfo=UTC) + rest for day in (30, 31) for rest in (timedelta(), LAST)]
    moments += [datetime(2026, 4, 1, tzinfo=UTC)]
    clock = iter(moments)
    with open_ledger(f"sqlite:///{tmp_path}/days.db", clock=lambda: next(clock, moments[-1])) as ledger:
        recorded = [ledger.append(Draft(EntryType.HEARTBEAT)).recorded_at for _ in moments]
    monkeypatch.setenv("POLICY_LEDGER", f"sqlite:///{tmp_path}/days.db")
    return recorded


LAST = timedelta(days=1) - timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("options", "indexes"),
    [
        (("--since", "2026-03-31"), [2, 3, 4]),
        (("--until", "2026-03-31"), [0, 1, 2, 3]),
        (("--since", "2026-03-31", "--until", "2026-03-31"), [2, 3]),
        (("--as-of", "2026-03-31"), [0, 1, 2, 3]),
        (("--until", "2026-03-31T00:00:00Z"), [0, 1]),
        (("--as-of", "2026-03-31T00:00:00Z"), [0, 1, 2]),
        (("--since", "2026-03-31T23:59:59.999999Z", "--until", "2026-04-01T00:00:00Z"), [3]),
    ],
)
def test_lists_and_reports_go_by_the_same_days(
    policy: Run, days: list[str], options: tuple[str, ...], indexes: list[int]
) -> None:
    assert [day[:19] for day in days[:2]] == ["2026-03-30T00:00:00", "2026-03-30T23:59:59"]
    listed = policy("audit", "list", "--type", "all", "--oldest-first", *options, "-o", "json").json
    assert [each["index"] for each in listed["entries"]] == indexes
    report = policy("audit", "report", "incident", *options, "-o", "json").json
    assert [row["entry"] for row in report["rows"]] == indexes
    assert policy("audit", "list", "--type", "all", "--count", *options, "-o", "json").json["count"] == len(indexes)
    told = {name: listed[name] for name in ("since", "until", "as_of")}
    assert told == {**report["period"], "as_of": report["as_of"]}
    again = report["query"]["command"].split()[1:]
    assert [row["entry"] for row in policy(*again, "-o", "json").json["rows"]] == indexes, again


def test_the_exact_instant_stands_in_every_answer(policy: Run, ledger: Path, workload: Callable[..., Path]) -> None:
    upto, end = "2026-04-01T00:00:00.000000Z", "2026-03-31T23:59:59.999999Z"
    for command, instants in (
        (("audit", "list", "--until", "2026-03-31"), [upto]),
        (("audit", "list", "--as-of", "2026-03-31", "--count"), [end]),
        (("audit", "list", "--expired", "--at", "2026-03-31"), [end]),
        (("audit", "report", "decisions", "--until", "2026-03-31", "--as-of", "2026-03-31"), [upto, end]),
        (("audit", "report", "waivers", "--at", "2026-03-31"), [end]),
        (("audit", "report", "policy-in-force", "--at", "2026-03-31"), [end]),
        (("audit", "sample", "--size", "1", "--seed", "s", "--as-of", "2026-03-31"), [end]),
        (("audit", "dispose", "--dry-run", "--reason", "x", "--before", "2026-03-31"), ["2026-03-31T00:00:00.000000Z"]),
        (("waiver", "list", "--at", "2026-03-31"), [end]),
        (("rules", "activations", "--at", "2026-03-31"), [end]),
        (("evidence", "check", str(workload()), "--at", "2026-03-31"), [end]),
    ):
        for form in ("json", "text"):
            found = policy(*command, "-o", form)
            assert found.status == 0, found.err
            for instant in instants:
                assert instant in found.out, (command, form, found.out)


def test_a_decision_is_not_past_on_its_last_day(policy: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from tests.integration.tampering import decision

    with open_ledger(f"sqlite:///{tmp_path}/one.db") as opened:
        draft = decision(0)
        view = {**draft.view, "valid_until": "2999-03-31T23:59:59Z"}
        opened.append(replace(draft, view=view, tags={"model": ["m"]}))
    monkeypatch.setenv("POLICY_LEDGER", f"sqlite:///{tmp_path}/one.db")
    for day, count in (("2999-03-31", 0), ("2999-04-01", 1)):
        assert policy("audit", "list", "--expired", "--at", day, "--count", "-o", "json").json["count"] == count
        assert len(policy("audit", "report", "expired", "--at", day, "-o", "json").json["rows"]) == count
        (row,) = policy("audit", "report", "models", "--at", day, "-o", "json").json["rows"]
        assert row["expired"] is bool(count)


@pytest.mark.parametrize(
    ("since", "until"), [("2026-04-01", "2026-03-31"), ("2026-03-31T12:00:00Z", "2026-03-31T12:00:00Z")]
)
@pytest.mark.parametrize(
    "command",
    [
        ("list",),
        ("list", "--type", "all"),
        ("report", "decisions"),
        ("report", "gaps"),
        ("export", "out", "--format", "csv"),
        ("sample", "--size", "1", "--seed", "s"),
        ("replay", "--all"),
        ("reconcile", "--runs", "counts.csv"),
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("ledger")
def test_a_period_that_holds_nothing_is_refused(
    policy: Run, tmp_path: Path, command: tuple[str, ...], since: str, until: str
) -> None:
    (tmp_path / "counts.csv").write_text("run,decisions\n17,0\n", encoding="utf-8")
    found = policy("audit", *command, "--since", since, "--until", until)
    assert (found.status, found.out) == (2, "")
    assert "the period ends before it begins" in found.err
    assert policy("audit", *command, "--since", "2000-01-01", "--until", "2000-01-01").status in (0, 2)


@pytest.mark.usefixtures("ledger")
def test_a_time_to_come_is_called_that(policy: Run) -> None:
    for command in (("list",), ("list", "--count"), ("report", "decisions"), ("sample", "--size", "1", "--seed", "s")):
        for form in ("text", "json"):
            found = policy("audit", *command, "--as-of", "2999-01-01", "-o", form)
            assert found.status == 0
            assert "has not come yet" in " ".join(found.out.split()), (command, form)
            assert "has not come yet" not in policy("audit", *command, "--as-of", "2020-01-01", "-o", form).out
    assert "has not come yet" in policy("audit", "report", "policy-in-force", "--at", "2999-01-01").out
    assert "has not come yet" not in policy("audit", "report", "waivers", "--at", "2999-01-01").out
