"""What the checker refuses, where it points, and what it suggests."""

from __future__ import annotations

import pytest

from policy_engine.language.cel import Checker, ConditionError, parse_errors

CHECKER = Checker(
    {
        "budget.monthly_usd": "double",
        "team.mlops": "string",
        "team.ml_engineers": "int",
        "data.regulations": "list<string>",
        "data.residency": "list<string>",
        "data.must_own_logs": "bool",
        "param.limit": "double",
    }
)

REFUSED = [
    ("team.mlopss == 'none'", 1, 1, "no fact is called `team.mlopss`", "did you mean `team.mlops`?"),
    ("true &&\n  teem.mlops == 'none'", 2, 3, "no fact is called `teem.mlops`", "did you mean `team.mlops`?"),
    ("budget.monthly_usd > param.limt", 1, 22, "no fact is called `param.limt`", "did you mean `param.limit`?"),
    ("mlops == 'none'", 1, 1, "no fact or function is called `mlops`", "did you mean `team.mlops`?"),
    ("team.ml_engineers == 'two'", 1, 19, "`==` does not apply to an int and a string", None),
    ("budget.monthly_usd >= 5000", 1, 20, "`>=` stands between a double and an int", "write `5000.0`"),
    ("5000 < budget.monthly_usd", 1, 6, "`<` stands between a double and an int", "write `5000.0`"),
    ("budget.monthly_usd * 2 > 1.0", 1, 20, "`*` stands between a double and an int", "write `2.0`"),
    (
        "budget.monthly_usd > team.ml_engineers",
        1,
        20,
        "`>` stands between a double and an int",
        "write the number with a point, for example `5000.0`",
    ),
    ("has(team.mlops)", 1, 4, "`has()` is not part of the rule language", "ask `proposal.present`"),
    ("team.mlops == null", 1, 12, "`null` is not part of the rule language", "a fact that is not given is unknown"),
    ("team.ml_engineers / 0 > 1", 1, 19, "`/` may only divide by a constant other than zero", None),
    ("budget.monthly_usd / 0.0 > 1.0", 1, 20, "`/` may only divide by a constant other than zero", None),
    ("team.ml_engineers % team.ml_engineers == 1", 1, 19, "`%` may only divide by a constant other than zero", None),
    ("budget.monthly_usd / param.limit > 1.0", 1, 20, "`/` may only divide by a constant other than zero", None),
    ("team.mlops.matches('(')", 1, 19, "`(` is not a regular expression that RE2 accepts", None),
    ("team.mlops.matches('(?=a)')", 1, 19, "`(?=a)` is not a regular expression that RE2 accepts", None),
    ("team.mlops.matches(team.mlops)", 1, 19, "the pattern of `matches` must be a constant", None),
    ("team.mlops + 'x' == 'y'", 1, 12, "`+` on string values may not stand in a rule", None),
    ("data.regulations + data.residency == []", 1, 18, "`+` on list<string> values may not stand in a rule", None),
    ("team.ml_engineers", 1, 1, "the expression gives an int, and a bool is needed", None),
    ("team.ml_engineers in [1, 2.0]", 1, 22, "values of type list<dyn> may not stand in a rule", "rules know"),
    ("team.ml_engineers in data.regulations", 1, 19, "`in` does not apply to an int and a list<string>", None),
    ("data.regulations[0] == 'gdpr'", 1, 17, "`[...]`, an item of a list by its number, is not part", None),
    ("data.regulations.filter(r, r == 'gdpr') == []", 1, 24, "`filter()` is not part of the rule language", None),
    ("data.regulations.exists_one(r, r == 'gdpr')", 1, 28, "`exists_one()` is not part of the rule language", None),
    ("int(budget.monthly_usd) > 1", 1, 4, "`int()` is not part of the rule language", None),
    ("team.mlops.startswith('n')", 1, 22, "no fact or function is called `startswith`", "did you mean `startsWith`?"),
    ("[1, 2].exists(x, x == team.ml_engineers)", 1, 14, "`exists` ranges over lists of strings alone", None),
    ("{'a': 1} == {'a': 1}", 1, 1, "maps and messages may not stand in a rule", None),
    ("1u == 1u", 1, 1, "uint constants may not stand in a rule", None),
    ("b'a' == b'a'", 1, 1, "bytes constants may not stand in a rule", None),
    ("team.ml_engineers > 9007199254740993", 1, 21, "the constant lies beyond 2^53", None),
    ("team.ml_engineers > 99999999999999999999", 1, 21, "invalid int literal", None),
    ("data.must_own_logs ? true : 1", 1, 20, "`?:` does not apply to a bool and a bool and an int", None),
    ("data.must_own_logs &&", 1, 22, "the expression ends too early", None),
    ("(data.must_own_logs", 1, 20, "a `)` is missing at the end", None),
    ("", 1, 1, "the expression ends too early", None),
    ("data.must_own_logs and true", 1, 20, "`and` is not expected here", "write `&&`"),
    ("'\0' == team.mlops", 1, 1, "the condition holds a NUL character", None),
    ("'\\u0000' == team.mlops", 1, 1, "the constant holds a NUL character", None),
    ("true || " * 600 + "true", 1, 1, "the condition is 4,804 characters long; at most 4,000 are allowed", None),
]


@pytest.mark.parametrize(("text", "line", "column", "message", "hint"), REFUSED, ids=lambda value: str(value)[:40])
def test_what_is_refused_is_said_where_it_stands(
    text: str, line: int, column: int, message: str, hint: str | None
) -> None:
    with pytest.raises(ConditionError) as caught:
        CHECKER.check(text)
    problem = caught.value.problems[0]
    assert problem.message.startswith(message)
    assert (problem.line, problem.column) == (line, column)
    assert (problem.help or "").startswith(hint or "")
    assert "\n" not in problem.message
    assert len(caught.value.problems) == 1


def test_every_mistake_is_told() -> None:
    with pytest.raises(ConditionError) as caught:
        CHECKER.check("team.mlopss == 'a' || team.ml_engineer > 1 || budget.monthly_usd > 1")
    assert [problem.column for problem in caught.value.problems] == [1, 23, 66]


def test_an_expression_of_another_type_is_taken_where_it_is_asked_for() -> None:
    assert CHECKER.check("'workhorse'", "string").type == "string"
    assert CHECKER.check("team.ml_engineers + 1", "int").type == "int"


def test_positions_count_code_points() -> None:
    with pytest.raises(ConditionError) as caught:
        CHECKER.check("team.mlops == '😀é' || team.mlopss == 'x'")
    assert caught.value.problems[0].column == 23


def test_errors_without_a_place_keep_their_message() -> None:
    assert parse_errors("INTERNAL: something else") == [(0, 0, "something else")]
    text = "INVALID_ARGUMENT: ERROR: <input>:-1:-1: too deep\n | a\n | ^"
    assert parse_errors(text) == [(0, 0, "too deep")]


def test_patterns_match_by_re2() -> None:
    assert CHECKER.matches(r"^\d+$", "42")
    assert not CHECKER.matches(r"^\d+$", "4x2")
    assert CHECKER.matches("(?i)É", "é")


def test_a_program_tells_errors_from_missing_facts() -> None:
    program = CHECKER.program("team.ml_engineers * 9007199254740991 > 0")
    assert program.error({}) is None
    assert "overflow" in (program.error({"team.ml_engineers": 9007199254740991}) or "")
    assert program.error({"team.ml_engineers": 1}) is None
