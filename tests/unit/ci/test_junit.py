"""JUnit XML: valid by Jenkins' schema; what waits for somebody is not green, and what a baseline accepts is skipped."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

import pytest
import xmlschema

from policy_engine.ci.judged import Judged
from policy_engine.ci.junit import render
from policy_engine.errors import Problem, Span
from tests.unit.ci.scene import ALLOWED, DENIED, HOSTILE, INVALID, OPEN, accepting, everything, judge, many, waiver
from tests.unit.cli.waiver_scene import WORKLOAD as WAIVABLE

SCHEMAS = Path(__file__).parents[2] / "schemas"
CONDITIONAL = ALLOWED.replace("stage: pilot", "stage: production")


@cache
def schema() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(str(SCHEMAS / "junit-10.xsd"))


def parsed(text: str) -> Element:
    return fromstring(text)  # noqa: S314 - written here


def suites(judged: Judged, status: int = 1) -> list[Element]:
    """Return the suites of a document that the schema accepts, and whose numbers are right."""
    text = render(judged, status)
    schema().validate(text)
    root = parsed(text)
    for suite in root:
        for name, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.get(name, "")) == len(suite.findall(f"testcase/{kind}"))
        assert int(suite.get("tests", "")) == len(suite.findall("testcase"))
    for name in ("tests", "failures", "errors"):
        assert int(root.get(name, "")) == sum(int(suite.get(name, "")) for suite in root)
    return list(root)


def outcomes(judged: Judged, status: int = 1) -> dict[str, str]:
    """Return by case what it came to."""
    found = {}
    for suite in suites(judged, status):
        for case in suite.findall("testcase"):
            kinds = [kind for kind in ("failure", "error", "skipped") if case.find(kind) is not None]
            found[f"{case.get('classname')}.{case.get('name')}"] = "".join(kinds) or "passed"
    return found


def test_every_outcome() -> None:
    assert outcomes(everything()) == {
        "support.triage.sort": "failure",
        "drafts.assistant.t": "skipped",
        "default.writing-assistant.drafting": "passed",
        "claims.triage.t": "passed",
        "claims.expired.t": "failure",
        "policy-gate.gate/invalid.yaml": "error",
    }


def test_a_review_is_a_failure() -> None:
    (failure,) = [found for suite in suites(judge(("w.yaml", OPEN)), 5) for found in suite.iter("failure")]
    assert failure.get("type") == "review"


def test_the_whole_has_its_tallies() -> None:
    (totals, *_) = suites(everything())
    found = {each.get("name"): each.get("value") for each in totals.iter("property")}
    assert (found["workloads"], found["deny"], found["waivers_used"], found["waivers_expired"]) == ("6", "2", "1", "1")
    assert (found["baseline_accepted"], found["passing_by_baseline"]) == ("1", "1")
    said = totals.findtext("system-out") or ""
    assert "waivers: 1 used and 1 expired" in said
    assert "accepted by a baseline: 1 finding, by which 1 workload passes" in said


def test_a_suite_names_decision_policy_and_entry() -> None:
    judged = judge(("sub/w.yaml", DENIED))
    suite = suites(judged)[1]
    document = judged.workloads[0].decision.document
    found = {each.get("name"): each.get("value") for each in suite.iter("property")}
    assert found["decision"] == judged.workloads[0].decision.id
    assert (found["policy"], found["ledger.index"]) == (document["policy"]["digest"], "0")
    assert (suite.get("file"), suite.get("name"), suite.get("time")) == ("sub/w.yaml", "support/triage", "0.250")
    assert suite.get("timestamp") == "2026-11-29T09:00:00"


def test_a_failure_names_line_rule_and_what_to_do() -> None:
    (failure,) = [found for suite in suites(judge(("w.yaml", DENIED))) for found in suite.iter("failure")]
    assert failure.text
    line = next(at for at, text in enumerate(DENIED.splitlines(), 1) if "may_leave_network" in text)
    assert failure.text.startswith(f"w.yaml:{line}: deny: ")
    assert "(data-stays-in-network, DATA-01)" in failure.text.splitlines()[0]
    assert "What to do next:\n1. " in failure.text


def test_conditions_and_waivers_pass_and_are_said() -> None:
    case = suites(judge(("w.yaml", CONDITIONAL)))[1].find("testcase")
    assert case is not None
    assert "condition: evidence `fallback` is needed" in (case.findtext("system-out") or "")
    case = suites(judge(("w.yaml", WAIVABLE), waivers=[waiver()]))[1].find("testcase")
    assert case is not None
    assert "lifts it through 2026-12-31" in (case.findtext("system-out") or "")


def test_an_expired_waiver_leaves_the_failure() -> None:
    judged = judge(("w.yaml", WAIVABLE), waivers=[waiver("it ended on 2026-11-20")])
    assert outcomes(judged) == {"claims.triage.t": "failure"}
    assert "it ended on 2026-11-20" in (suites(judged)[1].findtext("testcase/system-out") or "")


def test_what_a_baseline_accepts_in_part_is_a_failure() -> None:
    judged = accepting(judge(("w.yaml", DENIED)), "data-stays-in-network")
    suite = suites(judged)[1]
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert failure.get("type") == "review"
    assert "data-stays-in-network" not in (failure.text or "").split("What to do next")[0]
    assert "known since the audit of May" in (suite.findtext("testcase/system-out") or "")


def test_a_skipped_case_says_why_and_until_when() -> None:
    skipped = suites(accepting(judge(("w.yaml", OPEN)), "nothing-permitted"), 0)[1].find("testcase/skipped")
    assert skipped is not None
    assert skipped.get("message") == "accepted by a baseline through 2027-03-31: known since the audit of May"


def test_a_verdict_that_no_task_has_fails_all_the_same() -> None:
    judged = judge(("w.yaml", DENIED))
    judged.workloads[0].shown = {**judged.workloads[0].shown, "tasks": []}
    assert outcomes(judged) == {"support.triage.verdict": "failure"}


def test_what_stopped_the_run_is_an_error() -> None:
    judged = judge(("w.yaml", DENIED))
    judged.stop((Problem("ledger", "the ledger refused", Span("rules/x.yaml", 3, 1)),))
    assert outcomes(judged, 6) == {"policy-gate.run": "error"}
    error = suites(judged, 6)[-1].find("testcase/error")
    assert error is not None
    assert error.text == "rules/x.yaml:3: the ledger refused [ledger]"


def test_nothing_judged_is_no_green_report() -> None:
    assert outcomes(Judged(), 2) == {"policy-gate.run": "error"}
    assert outcomes(Judged(), 0) == {}


def test_all_problems_of_a_file_are_one_error() -> None:
    judged = judge(("bad.yaml", INVALID), ("worse.yaml", "kind: Pod\nmetadata: 3\n"))
    found = [error for suite in suites(judged, 2) for error in suite.iter("error")]
    assert len(found) == 2
    assert sum(len((error.text or "").splitlines()) for error in found) == len(judged.problems)


def test_problems_of_no_file_are_an_error_each() -> None:
    judged = judge(("w.yaml", ALLOWED))
    judged.problems += [Problem("one", "the first"), Problem("two", "the second")]
    assert [error.get("message") for suite in suites(judged, 2) for error in suite.iter("error")] == [
        "the first",
        "the second",
    ]


ILLEGAL = "\x00\x01\x08\x0b\x1f\x7f\x85\ufffe\uffff\ud800\u202e"


def test_what_xml_cannot_carry_is_an_escape() -> None:
    judged = judge((f"a{ILLEGAL}&<.yaml", DENIED.replace("name: sort", f"name: {json.dumps(HOSTILE)}")))
    judged.problems.append(Problem(ILLEGAL, f"`{ILLEGAL}`", Span(f"{ILLEGAL}\n.yaml", 1, 1), ILLEGAL))
    found = outcomes(judged)
    assert found[f"support.triage.{HOSTILE}"] == "failure"
    text = render(judged, 1)
    assert not set(ILLEGAL) & set(text)
    assert "\\x00\\x01\\x08" in text
    assert "<script>" not in text


def test_ten_thousand_findings() -> None:
    (_, suite) = parsed(render(many(10_000), 1))
    assert len((suite.findtext("testcase/failure") or "").splitlines()) >= 10_000


@pytest.mark.parametrize("seconds", [0.0, 0.0004, 0.25, 999.9996, 12345.678])
def test_times_are_as_the_schema_has_them(seconds: float) -> None:
    judged = judge(("w.yaml", OPEN))
    judged.workloads[0].seconds = seconds
    assert float(suites(judged)[1].get("time", "")) == round(seconds, 3)
