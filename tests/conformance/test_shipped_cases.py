"""The cases of the shipped rules, on every engine."""

from __future__ import annotations

import pytest

from policy_engine.case_files import Case
from policy_engine.cases import ENGINES, CaseRunner, gather

(SHIPPED,) = gather([])
CASES = [case for file in SHIPPED.files for case in file.cases]


@pytest.fixture(scope="module")
def runner() -> CaseRunner:
    return CaseRunner(SHIPPED.policy)


def test_no_case_file_has_a_problem() -> None:
    assert [problem for file in SHIPPED.files for problem in file.problems] == []
    assert {case.rule for case in CASES} == {rule.id for rule in SHIPPED.policy.rules.rules}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}: {case.name}")
def test_case(case: Case, runner: CaseRunner) -> None:
    result = runner.run(case)
    assert result.failures == ()
    assert dict(result.outcomes) == dict.fromkeys(ENGINES, case.outcome)
