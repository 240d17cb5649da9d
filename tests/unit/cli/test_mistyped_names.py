"""A name that no decision on record has is told from a question that nothing fits, wherever decisions are selected."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
MISTYPED = [
    (("--workload", "suport/triage"), "on the workload `suport/triage`; did you mean `support/triage`?"),
    (("--workload", "triag"), "on a workload `triag`; did you mean `triage`?"),
    (("--namespace", "suport"), "in the namespace `suport`; did you mean `support`?"),
    (("--namespace", "support", "--workload", "assistant"), "on the workload `support/assistant`"),
]


@pytest.mark.parametrize(("given", "hint"), MISTYPED)
@pytest.mark.usefixtures("ledger")
def test_lists_counts_and_reports_say_which_name_nothing_has(policy: Run, given: tuple[str, ...], hint: str) -> None:
    told = f"no recorded decision is {hint}"
    for asked in (("audit", "list"), ("audit", "list", "--count")):
        assert told in " ".join(policy(*asked, *given).out.split())
        assert policy(*asked, *given, "-o", "json").json["hint"].startswith(told)
    for report in ("denials", "decisions", "models", "expired", "incident", "ai-act-log"):
        found = policy("audit", "report", report, *given, "-o", "json").json
        assert found["remarks"][0].startswith(f"No decision fits: {told}"), report
    sample = policy("audit", "sample", "--size", "2", "--seed", "s", *given, "-o", "json").json
    assert sample["remarks"][0].startswith(f"No decision fits: {told}")


@pytest.mark.usefixtures("ledger")
def test_a_run_and_an_owner_that_nothing_has(policy: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run = policy("audit", "list", "--run", "18", "-o", "json").json
    assert run["hint"] == "no recorded decision is of the run `18`"
    owner = policy("audit", "list", "--owner", "olga.ovner@acme.example", "-o", "json").json
    assert owner["hint"].startswith("no recorded decision holds this owner")
    assert "olga" not in owner["hint"]


@pytest.mark.usefixtures("ledger")
def test_names_that_are_on_record_are_not_blamed(policy: Run, ledger: Path) -> None:
    given = ("--workload", "support/triage", "--owner", "olga.owner@acme.example", "--verdict", "allow")
    found = policy("audit", "list", *given, "-o", "json").json
    assert (found["decisions"], found["hint"]) == ([], None)
    report = policy("audit", "report", "incident", "--workload", "support/triage", "-o", "json").json
    assert not any(remark.startswith("No decision fits") for remark in report["remarks"])
