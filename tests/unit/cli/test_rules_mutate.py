"""`policy rules mutate`: what it prints, what its author may list, and its exit status."""

from __future__ import annotations

from collections.abc import Callable
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import yaml

Run = Callable[..., Any]
RULE = """\
id: own-rule
title: Ours
origin: works agreement
when: >-
  task.batch
  || task.latency_p95_ms * 2 > 0
advise: Do it.
message: Batch.
"""
CASES = """\
cases:
  - {name: a, facts: {task.batch: true}, outcome: fired}
  - {name: b, facts: {task.batch: false, task.latency_p95_ms: 1}, outcome: fired}
  - {name: c, facts: {task.batch: false}, outcome: indeterminate, missing: [task.latency_p95_ms]}
  - {name: d, facts: {}, outcome: indeterminate, missing: [task.batch, task.latency_p95_ms]}
"""
LISTED = "equivalent:\n  - mutant: %s\n    reason: no latency is below 1\n"
SAME = "task.batch || task.latency_p95_ms * 2 > -1"


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    folder = tmp_path / "ours"
    (folder / "latency").mkdir(parents=True)
    (folder / "latency/own-rule.yaml").write_text(RULE, encoding="utf-8")
    return folder


def mutate(policy: Run, layer: Path, cases: str, *more: str) -> Any:
    (layer / "latency/own-rule_test.yaml").write_text(cases, encoding="utf-8")
    return policy("rules", "mutate", "own-rule", "--policy", str(layer), *more)


def test_no_mutant_of_the_shipped_rules_goes_unnoticed(policy: Run) -> None:
    found = policy("rules", "mutate", "-o", "json")
    assert (found.status, found.err) == (0, "")
    shown = found.json
    assert (shown["rules"], shown["survivors"], shown["problems"]) == (86, [], [])
    assert shown["mutants"] == shown["killed"] > 500


def test_what_no_case_notices_is_4_with_its_place(policy: Run, layer: Path) -> None:
    found = mutate(policy, layer, CASES, "-o", "json")
    assert found.status == 4
    alive = [(each["place"], each["change"], each["mutant"]) for each in found.json["survivors"]]
    start, text = f"{layer}/latency/own-rule.yaml:6:", "task.batch || task.latency_p95_ms * "
    assert alive == [
        (f"{start}30", "`>` becomes `>=`", f"{text}2 >= 0"),
        (f"{start}28", "`2` becomes `1`", f"{text}1 > 0"),
        (f"{start}28", "`2` becomes `3`", f"{text}3 > 0"),
        (f"{start}32", "`0` becomes `-1`", f"{text}2 > -1"),
        (f"{start}32", "`0` becomes `1`", f"{text}2 > 1"),
    ]
    assert {each["standing"] for each in found.json["survivors"]} == {"survives"}


def test_a_case_is_printed_that_would_notice(policy: Run, layer: Path) -> None:
    short = "\n".join(line for line in CASES.split("\n") if "name: b" not in line)
    found = mutate(policy, layer, short)
    assert found.status == 4
    printed = copied(found.out, "  - name:")
    assert yaml.safe_load(printed) == [
        {
            "name": "batch no, latency p95 ms 1",
            "facts": {"task.batch": False, "task.latency_p95_ms": 1},
            "outcome": "fired",
        }
    ]
    again = mutate(policy, layer, f"{short}{printed}\n", "-o", "json")
    assert (again.json["survives"], [each["case"] for each in again.json["survivors"]]) == (5, [None] * 5)


def test_what_nothing_tells_is_printed_as_its_author_would_list_it(policy: Run, layer: Path) -> None:
    found = mutate(policy, layer, CASES)
    listed = copied(found.out, "equivalent:")
    assert len(yaml.safe_load(listed)["equivalent"]) == 5
    unsaid = mutate(policy, layer, f"{CASES}{listed}\n")
    assert unsaid.status == 3
    assert "`reason` says nothing" in unsaid.err
    assert mutate(policy, layer, f"{CASES}{listed}\n".replace("...", "no latency is below 1")).status == 0


def copied(out: str, begins: str) -> str:
    """Return the block of `out` that begins so, up to the summary."""
    lines = out[out.index(f"\n{begins}") + 1 :].splitlines()
    return "\n".join([lines[0], *takewhile(lambda line: line.startswith("  "), lines[1:])])


def test_what_is_listed_with_a_reason_is_no_survivor(policy: Run, layer: Path) -> None:
    alive = [each["mutant"] for each in mutate(policy, layer, CASES, "-o", "json").json["survivors"]]
    assert SAME in alive
    listed = "equivalent:\n" + "".join(f"  - {{mutant: {each}, reason: no latency is below 1}}\n" for each in alive)
    found = mutate(policy, layer, CASES + listed, "-v")
    assert found.status == 0
    assert "no latency is below 1" in " ".join(found.out.split())
    assert "listed as equivalent" in found.out
    # the cases themselves are read as before
    assert policy("rules", "test", str(layer)).status == 0


@pytest.mark.parametrize(
    ("mutant", "code", "said"),
    [
        ("task.batch && task.latency_p95_ms * 2 > 0", "not-equivalent", "and a case kills it"),
        ("task.batch || task.latency_p95_ms > 0", "no-such-mutant", "and is none of its mutants"),
    ],
)
def test_a_list_that_is_wrong_is_4(mutant: str, code: str, said: str, policy: Run, layer: Path) -> None:
    found = mutate(policy, layer, CASES + LISTED % mutant, "-o", "json")
    assert found.status == 4
    (problem,) = found.json["problems"]
    assert (problem["code"], problem["place"]) == (code, f"{layer}/latency/own-rule_test.yaml:7:5")
    assert said in problem["message"]


def test_what_a_case_would_notice_cannot_be_listed(policy: Run, layer: Path) -> None:
    short = "\n".join(line for line in CASES.split("\n") if "name: b" not in line)
    found = mutate(policy, layer, short + LISTED % "task.batch || task.latency_p95_ms * 2 < 0", "-o", "json")
    assert found.status == 4
    assert [each["code"] for each in found.json["problems"]] == ["not-equivalent"]
    assert "a case would kill it" in found.json["problems"][0]["message"]


def test_a_list_that_cannot_be_read_is_3(policy: Run, layer: Path) -> None:
    found = mutate(policy, layer, CASES + "equivalent:\n  - {mutant: a, why: b, of: task.class}\n")
    assert found.status == 3
    for said in ("`why` is not a key here", "`reason` is missing", "the rule does not derive `task.class`"):
        assert said in found.err


def test_a_case_that_fails_as_it_is_says_nothing_of_mutants(policy: Run, layer: Path) -> None:
    found = mutate(policy, layer, CASES.replace("outcome: fired", "outcome: not_fired", 1))
    assert found.status == 4
    assert "own-rule_test.yaml:2:5: error: own-rule: the case a fails as it is [failing-case]" in found.err


def test_a_rule_that_is_not_there_is_2(policy: Run, layer: Path) -> None:
    found = policy("rules", "mutate", "own-rul", "--policy", str(layer))
    assert found.status == 2
    assert "there is no rule `own-rul`" in found.err
    assert "did you mean `own-rule`?" in found.err


def test_another_policy_than_the_expected_one_is_3(policy: Run) -> None:
    assert policy("rules", "mutate", "--policy-digest", "sha256:0").status == 3


def test_a_rule_without_cases_has_nothing_noticed(policy: Run, layer: Path) -> None:
    found = policy("rules", "mutate", "own-rule", "--policy", str(layer), "-o", "json")
    assert found.status == 4
    assert found.json["killed"] == 0
    assert found.json["survives"] > 10
