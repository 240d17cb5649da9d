"""A legal hold that covers nothing on record says so where it is placed, listed and reported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
WHY = ("--reason", "case 12")
LATER, NEVER = "what is recorded later is, where it fits", "nothing that is recorded later can be"


@pytest.mark.parametrize(
    ("scope", "later", "hint"),
    [
        (("--subject", "olga.ovner@acme.example"), LATER, "check the spelling"),
        (("--workload", "suport/triage"), LATER, "did you mean `support/triage`?"),
        (("--namespace", "suport"), LATER, "did you mean `support`?"),
        (("--namespace", "elsewhere-altogether"), LATER, "check the scope"),
        (("--since", "2999-01-01"), LATER, "check the scope"),
        (("--until", "2001-01-01"), NEVER, "check the scope"),
        (("--first", "100"), LATER, "check the scope"),
    ],
)
def test_a_hold_that_covers_nothing_is_placed_with_a_warning(
    policy: Run, ledger: Path, scope: tuple[str, ...], later: str, hint: str
) -> None:
    placed = policy("audit", "hold", "place", *scope, "--id", "case-12", *WHY)
    assert placed.status == 0, "what is recorded later must not slip through for a hold that came too early"
    assert "now it covers no entry\n" in placed.out
    assert placed.err.startswith("warning: nothing on record is covered by the hold case-12; ")
    assert later in placed.err
    assert hint in placed.err
    (hold,) = policy("audit", "hold", "list", "-o", "json").json["holds"]
    assert hold["covers"] == {"entries": 0, "decisions": 0}
    listed = " ".join(policy("audit", "hold", "list").out.split())
    assert "nothing on record is covered by: case-12" in listed
    assert "nothing on record is covered by: case-12" in " ".join(policy("audit", "retention").out.split())
    report = policy("audit", "report", "retention", "-o", "json").json
    assert {row["name"]: row["value"] for row in report["summary"]}["active holds that cover nothing"] == 1
    assert [(row["entries"], row["kept"]) for row in report["rows"] if row["kind"] == "hold"] == [(0, 0)]


def test_a_hold_that_covers_something_says_how_much(policy: Run, ledger: Path) -> None:
    for scope, entries in (
        (("--subject", "OLGA.owner@acme.example"), 2),
        (("--workload", "support/triage"), 2),
        (("--first", "1", "--last", "2"), 2),
        (("--all",), 7),  # the holds before it are entries too
        (("--since", "2001-01-01"), 8),
    ):
        placed = policy("audit", "hold", "place", *scope, *WHY)
        decisions = min(entries, 4)
        assert f"now it covers {entries} entries, of which {decisions} are decisions\n" in placed.out
        assert placed.err == ""
    report = policy("audit", "report", "retention", "-o", "json").json
    counts = [row["entries"] for row in report["rows"] if row["kind"] == "hold"]
    listed = [hold["covers"]["entries"] for hold in policy("audit", "hold", "list", "-o", "json").json["holds"]]
    assert counts == listed == [2, 2, 2, 8, 8]


def test_whom_a_hold_is_on_is_not_known_without_the_personal_key(policy: Run, ledger: Path) -> None:
    assert policy("audit", "hold", "place", "--subject", "nobody@x.example", *WHY).status == 0
    ledger.with_name("ledger.db.key.personal").unlink()
    (hold,) = policy("audit", "hold", "list", "-o", "json").json["holds"]
    assert hold["covers"] == {"entries": 4, "decisions": 4}, "it covers everything, as it may be on anyone"


def test_a_released_hold_covers_nothing_and_is_not_warned_of(policy: Run, ledger: Path) -> None:
    assert policy("audit", "hold", "place", "--all", "--id", "one", *WHY).status == 0
    assert policy("audit", "hold", "release", "one", *WHY).status == 0
    (hold,) = policy("audit", "hold", "list", "--released", "-o", "json").json["holds"]
    assert hold["covers"] is None
    assert "nothing on record" not in policy("audit", "hold", "list", "--released").out
