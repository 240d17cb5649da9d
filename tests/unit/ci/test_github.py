"""Workflow commands as the runner reads them: each line one annotation, and no stranger commands anything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from policy_engine.ci.github import MOST, Annotation, render
from policy_engine.ci.judged import Judged
from policy_engine.errors import Problem, Span
from tests.unit.ci.runner import Command, command_of, lines_of
from tests.unit.ci.scene import ALLOWED, DENIED, HOSTILE, INVALID, OPEN, accepting, everything, judge, many


@pytest.fixture(autouse=True)
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_STEP_SUMMARY", "GITHUB_ACTIONS", "GITHUB_WORKSPACE", "GITLAB_CI"):
        monkeypatch.delenv(name, raising=False)


def commands(judged: Judged, status: int = 1) -> list[Command]:
    """Return what the runner reads: every line has to be an annotation."""
    found = [command_of(line) for line in lines_of(render(judged, status))]
    assert all(each is not None and each.name in ("error", "warning", "notice") for each in found)
    return [each for each in found if each is not None]


def named(judged: Judged, name: str, status: int = 1) -> list[Command]:
    return [each for each in commands(judged, status) if each.name == name]


def test_levels_and_places() -> None:
    judged = judge(("sub/w.yaml", DENIED))
    (error,) = named(judged, "error")
    line = next(at for at, text in enumerate(DENIED.splitlines(), 1) if "may_leave_network" in text)
    column = DENIED.splitlines()[line - 1].index("may_leave_network") + 1
    assert error.properties == {
        "file": "sub/w.yaml",
        "line": str(line),
        "col": str(column),
        "title": "deny: data-stays-in-network (support/triage, sort)",
    }
    assert "Data of triage may not leave the network" in error.data
    assert "DATA-01" in error.data
    assert len(named(judged, "warning")) == 3
    assert {each.name for each in commands(judge(("w.yaml", ALLOWED)))} == {"notice"}


def test_the_whole_is_a_notice() -> None:
    (found,) = [each for each in commands(everything()) if each.properties["title"] == "policy gate"]
    assert found.name == "notice"
    for said in ("6 workloads: 2 deny", "waivers: 1 used and 1 expired", "accepted by a baseline: 1 finding"):
        assert said in found.data


def test_what_a_baseline_accepts_is_a_notice() -> None:
    assert named(accepting(judge(("w.yaml", OPEN)), "nothing-permitted"), "warning") == []


@pytest.mark.parametrize(
    "name", ["100%25,a:b=c.yaml", "w\n::error ::x.yaml", "a\r::stop-commands::t.yaml", "%0A,\udcff"]
)
def test_the_file_is_named_as_it_is(name: str) -> None:
    from policy_engine.wording import printable

    for each in commands(judge((name, DENIED), (name, INVALID))):
        if "file" in each.properties:
            assert each.properties["file"] == printable(name).replace("\n", "\\n")


def test_a_pipe_has_no_place() -> None:
    assert all("file" not in each.properties for each in commands(judge(("<stdin>", DENIED))))


def test_what_lies_outside_is_named_as_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert named(judge(("../w.yaml", DENIED)), "error")[0].properties["file"] == "../w.yaml"


INJECTIONS = [
    HOSTILE,
    "%0A::error::x",
    "::error::x",
    "a::stop-commands::token",
    "##[error]x",
    "##[add-mask]policy",
    "a,line=99,file=b::c",
    "%25%0D%0A%3A%2C",
    "x\u2028::error::y",
]


@pytest.mark.parametrize("text", INJECTIONS)
def test_no_task_commands_the_runner(text: str) -> None:
    plain, hostile = judge(("w.yaml", DENIED)), DENIED.replace("name: sort", f"name: {json.dumps(text)}")
    found = commands(judge(("w.yaml", hostile)))
    assert len(found) == len(commands(plain))
    error = next(each for each in found if each.name == "error")
    assert set(error.properties) == {"file", "line", "col", "title"}
    shown = text if text.isprintable() else text.encode("unicode_escape").decode()
    assert error.properties["title"] == f"deny: data-stays-in-network (support/triage, {shown})"


@pytest.mark.parametrize("text", ["a\n::error::x", "a\r\n::stop-commands::y", "a\x85::error::x\x0b\x0c", "\ud800%"])
def test_no_message_commands_the_runner(text: str) -> None:
    judged = judge(("w.yaml", OPEN))
    judged.problems.append(Problem(text, text, Span("w.yaml", 1, 1), text))
    (error,) = named(judged, "error")
    assert error.properties["line"] == "1"


def test_as_many_as_are_shown_are_left_alone() -> None:
    assert len(named(many(MOST), "error")) == MOST
    assert "more" not in named(many(MOST), "error")[-1].properties["title"]


@pytest.mark.parametrize("number", [MOST + 1, 10_000])
def test_beyond_ten_the_last_says_how_many_more(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    found = named(many(number), "error")
    assert len(found) == MOST
    assert found[-1].properties == {"title": f"policy gate: {number - MOST + 1:,} more errors"}
    assert "-o sarif=FILE" in found[-1].data
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "s.md")
    assert "all are in the job summary" in named(many(number), "error")[-1].data


def test_ten_are_shown_of_each_kind_and_the_gravest_stand() -> None:
    judged = many(30)
    judged.problems += judge(*[(f"{at}.yaml", INVALID) for at in range(30)]).problems
    judge(*[(f"{at}.yaml", OPEN) for at in range(30)], evaluated=judged)
    for name in ("error", "warning", "notice"):
        assert len(named(judged, name)) == MOST
    assert all("workload-kind" in each.properties["title"] for each in named(judged, "error")[:-1])
    assert named(judged, "notice")[0].properties["title"] == "policy gate"


def test_a_long_message_is_cut() -> None:
    judged = judge(("w.yaml", OPEN))
    judged.problems.append(Problem("long", "%" * 70_000))
    (error,) = named(judged, "error")
    assert error.data.endswith("…")
    assert len(error.data) == 4000
    long = judge(("w.yaml", DENIED.replace("name: sort", f"name: {'x' * 253}")))
    assert {len(each.properties["title"]) for each in named(long, "error")} == {255}


def test_what_stopped_the_run_and_nothing_at_all_are_errors() -> None:
    judged = judge(("w.yaml", DENIED))
    judged.stop((Problem("ledger", "the ledger refused", None, "look"),))
    (error,) = named(judged, "error", 6)
    assert (error.properties, error.data) == ({"title": "policy gate: ledger"}, "the ledger refused; look")
    assert [each.data for each in named(Judged(), "error", 2)] == ["no workload was judged"]
    assert named(Judged(), "error", 0) == []


def test_a_command_is_a_line_whatever_is_in_it() -> None:
    text = "50%,\n::error::a\r\n::warning::b:\r"
    (line,) = lines_of(Annotation("error", text, text, Span("w.yaml", 3, 4)).command())
    found = command_of(line)
    assert found is not None
    assert found.data == text.replace("\r", "\\r")  # what is not printable is an escape
    assert found.properties["title"] == text.replace("\r", "\\r").replace("\n", "\\n")
