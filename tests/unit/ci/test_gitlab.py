"""GitLab's Code Quality report: as its documentation has it, and no two fingerprints alike."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from policy_engine.ci.gitlab import render
from policy_engine.ci.judged import Judged
from policy_engine.errors import Problem, Span
from tests.unit.ci.scene import ALLOWED, DENIED, HOSTILE, INVALID, accepting, everything, judge, many

SCHEMAS = Path(__file__).parents[2] / "schemas"


@cache
def validator() -> Draft202012Validator:
    schema = json.loads((SCHEMAS / "gitlab-code-quality.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def entries(judged: Judged, status: int = 1) -> list[Any]:
    found: list[Any] = json.loads(render(judged, status))
    assert [error.message for error in validator().iter_errors(found)] == []
    assert len({each["fingerprint"] for each in found}) == len(found)
    return found


def severities(judged: Judged) -> dict[str, str]:
    return {each["check_name"]: each["severity"] for each in entries(judged)}


def test_severities() -> None:
    found = severities(everything())
    assert found["data-stays-in-network"] == "critical"
    assert found["proposed-region-outside-residency"] == "major"
    assert found["proprietary-needs-fallback"] == "minor"
    assert found["total-cost-of-ownership"] == "info"
    assert found["invalid-file/workload-kind"] == "blocker"


def test_what_a_baseline_accepts_is_information() -> None:
    judged = accepting(judge(("w.yaml", DENIED)), "data-stays-in-network")
    (found,) = [each for each in entries(judged) if each["check_name"] == "data-stays-in-network"]
    assert found["severity"] == "info"
    assert "[accepted by a baseline through 2027-03-31: known since the audit of May]" in found["description"]


def test_the_whole_is_an_entry() -> None:
    (found,) = [each for each in entries(everything()) if each["check_name"] == "policy-gate-totals"]
    for said in ("6 workloads: 2 deny, 1 review", "waivers: 1 used and 1 expired", "accepted by a baseline: 1 finding"):
        assert said in found["description"]
    assert [each["check_name"] for each in entries(Judged(), 2)] == ["policy-gate-totals"]


def test_a_path_is_relative_and_a_line_is_the_fields() -> None:
    (found,) = [each for each in entries(judge(("./sub/../w.yaml", DENIED))) if each["severity"] == "critical"]
    line = next(at for at, text in enumerate(DENIED.splitlines(), 1) if "may_leave_network" in text)
    assert found["location"] == {"path": "w.yaml", "lines": {"begin": line}}
    assert entries(judge(("<stdin>", DENIED)))[0]["location"]["path"] == "stdin"


def test_a_fingerprint_stays_while_lines_and_facts_change() -> None:
    def prints(text: str) -> list[str]:
        return [each["fingerprint"] for each in entries(judge(("w.yaml", text)))]

    changed = DENIED.replace("spec:\n", "# more\nspec:\n").replace("model: gpt-4o}", "model: gpt-4o, region: us}")
    assert changed != DENIED
    assert prints(changed) == prints(DENIED)


def test_the_same_workload_twice_has_fingerprints_of_its_own() -> None:
    twice = judge(("w.yaml", f"{DENIED}---\n{DENIED}"), ("copy.yaml", DENIED), ("bad.yaml", INVALID))
    twice.problems += twice.problems
    assert len(entries(twice)) > 3 * 4


def test_what_stopped_the_run_is_a_blocker() -> None:
    judged = judge(("w.yaml", DENIED))
    judged.stop((Problem("ledger", "the ledger refused"),))
    found = entries(judged, 6)
    assert [each["severity"] for each in found] == ["blocker", "info"]
    assert found[0]["check_name"] == "stopped/ledger"


def test_hostile_text_and_many_findings() -> None:
    judged = judge(("w\n%\udcff.yaml", DENIED.replace("name: sort", f"name: {json.dumps(HOSTILE)}")), ("a", ALLOWED))
    judged.problems.append(Problem("x", "\x00\ud800\n::error::x", Span("\udcff\n", 1, 1)))
    for each in entries(judged):
        assert each["description"].isprintable()
        assert each["location"]["path"].isprintable()
    assert len({each["fingerprint"] for each in json.loads(render(many(10_000), 1))}) == 10_001
