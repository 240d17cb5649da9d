"""Rule files: every mistake with its file, line and column, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Rule = Callable[..., str]
FILE = "volume-cost/own-rule.yaml"
FORBID: dict[str, str | None] = {"forbid": "[open_batch]", "enforcement": "mandatory", "advise": None}

CONDITIONS: dict[str, tuple[str, int, int, str, str | None]] = {
    "a misspelt fact": (
        "data.sensitivty == 'regulated'",
        4,
        8,
        "no fact is called `data.sensitivty`",
        "did you mean `data.sensitivity`?",
    ),
    "a string against a number": ("team.mlops > 3", 4, 19, "`>` does not apply to a string and an int", None),
    "a double against 5000": (
        "budget.monthly_usd > 5000",
        4,
        27,
        "`>` stands between a double and an int",
        "write `5000.0`",
    ),
    "has()": ("has(data.sensitivity)", 4, 11, "`has()` is not part of the rule language", "ask `proposal.present`"),
    "null": ("data.sensitivity == null", 4, 25, "`null` is not part of the rule language", "a fact that is not"),
    "division by zero": (
        "team.ml_engineers / 0 > 1",
        4,
        26,
        "`/` may only divide by a constant other than zero",
        None,
    ),
    "a bad regular expression": (
        "data.sensitivity.matches('(')",
        4,
        32,
        "`(` is not a regular expression that RE2 accepts",
        None,
    ),
    "+ on strings": ("team.mlops + 'x' == 'y'", 4, 19, "`+` on string values may not stand in a rule", None),
    "no condition": ("team.ml_engineers", 4, 8, "the expression gives an int, and a bool is needed", None),
    "a parameter that is not there": (
        "budget.monthly_usd > param.quik_days",
        4,
        29,
        "no fact is called `param.quik_days`",
        None,
    ),
}


@pytest.mark.parametrize("name", CONDITIONS)
def test_a_wrong_condition_is_named_with_its_place(name: str, layers: Any, rule: Rule) -> None:
    text, line, column, message, hint = CONDITIONS[name]
    code, place, said, help_ = layers.problem({FILE: rule(when=f'"{text}"')})
    assert (code, place) == ("bad-condition", f"l1/{FILE}:{line}:{column}")
    assert said == f"rule `own-rule`: {message}"
    assert (help_ or "").startswith(hint or "")


def test_a_block_scalar_and_single_quotes_keep_the_place(layers: Any, rule: Rule) -> None:
    block = ">-\n  data.may_leave_network\n  && data.sensitivty == 'regulated'"
    assert layers.problem({FILE: rule(when=block)})[1] == f"l1/{FILE}:6:6"
    quoted = "'data.may_leave_network && data.sensitivty == ''regulated'''"
    assert layers.problem({FILE: rule(when=quoted)})[1] == f"l1/{FILE}:4:34"


def test_a_wrong_derivation_is_named_with_its_place(layers: Any, rule: Rule) -> None:
    code, place, said, _ = layers.problem({FILE: rule(derive="{task.class: \"'a' + 1\"}")})
    assert (code, place) == ("bad-condition", f"l1/{FILE}:7:27")
    code, place, said, _ = layers.problem({FILE: rule(derive='{task.class: "1"}')})
    assert (code, place) == ("bad-condition", f"l1/{FILE}:7:23")
    assert said.endswith("the expression gives an int, and a string is needed")
    code, place, said, _ = layers.problem({FILE: rule(derive="{data.sensitivity: \"'public'\"}")})
    assert (code, place) == ("bad-derivation", f"l1/{FILE}:7:10")


RANGED = """\
facts:
  custom.level: {type: string, values: [low, high], meaning: Level., source: rule}
  custom.tags: {type: list<string>, values: [red, green], meaning: Tags., source: rule}
  custom.ratio: {type: double, min: 0, max: 1, meaning: Ratio., source: rule}
  custom.seats: {type: int, min: 1, meaning: Seats., source: rule}
"""
RESULTS: dict[str, tuple[str, str, str, str | None]] = {
    "a word of no class": (
        "{task.class: \"'workhorze'\"}",
        "7:23",
        "`workhorze` is not among the values of `task.class`",
        "did you mean `workhorse`?",
    ),
    "in one branch": (
        "{custom.level: \"task.batch ? 'low' : 'middle'\"}",
        "7:46",
        "`middle` is not among the values of `custom.level`",
        "one of `low` or `high`",
    ),
    "in a branch of a branch": (
        "{custom.level: \"task.batch ? 'low' : task.well_defined ? 'lo' : 'high'\"}",
        "7:66",
        "`lo` is not among the values of `custom.level`",
        "did you mean `low`?",
    ),
    "in a list": (
        "{custom.tags: \"['red', 'gren']\"}",
        "7:32",
        "`gren` is not among the values of `custom.tags`",
        "did you mean `green`?",
    ),
    "above": ('{custom.ratio: "1.5"}', "7:25", "1.5 is above 1, the `max` of `custom.ratio`", None),
    "below": ('{custom.ratio: "-0.5"}', "7:25", "-0.5 is below 0, the `min` of `custom.ratio`", None),
    "below, whole": ('{custom.seats: "0"}', "7:25", "0 is below 1, the `min` of `custom.seats`", None),
}


@pytest.mark.parametrize("name", RESULTS)
def test_a_derivation_to_what_the_fact_cannot_be_is_refused(name: str, layers: Any, rule: Rule) -> None:
    derive, place, message, hint = RESULTS[name]
    found = layers.problem({"vocabulary.yaml": RANGED, FILE: rule(derive=derive)})
    assert found == ("bad-derivation", f"l1/{FILE}:{place}", f"rule `own-rule`: {message}", hint)


def test_a_derivation_to_what_the_fact_can_be_is_taken(layers: Any, rule: Rule) -> None:
    derive = "{task.class: \"task.batch ? 'workhorse' : 'frontier'\", custom.tags: \"['red']\", custom.ratio: '1.0'}"
    assert len(layers.load({"vocabulary.yaml": RANGED, FILE: rule(derive=derive)}).rules.rule("own-rule").derive) == 3
    compared = {"custom.level": "\"task.kind == 'coding' ? 'low' : 'high'\""}
    lines = "{" + ", ".join(f"{name}: {text}" for name, text in compared.items()) + "}"
    layers.load({"vocabulary.yaml": RANGED, FILE: rule(derive=lines)})


IDS = ["Own-rule", "own_rule", "own--rule", "-own", "own-", "own rule", "öwn", "own.rule"]


@pytest.mark.parametrize("rule_id", IDS)
def test_an_id_is_words_joined_by_hyphens(rule_id: str, layers: Any, rule: Rule) -> None:
    found = layers.problem({f"latency/{rule_id}.yaml": rule(rule_id)})
    message = f"`{rule_id}` cannot be the id of a rule"
    assert found[:3] == ("bad-rule-id", f"l1/latency/{rule_id}.yaml:1:5", message)
    assert found[3].startswith("lower-case letters and digits, with hyphens between words")
    gone = layers.problem({f"latency/{rule_id}.yaml": f"id: {rule_id}\ndisabled: true\n"})
    assert gone[0] == "bad-rule-id"


@pytest.mark.parametrize("rule_id", ["a", "4u", "own-rule-2", "o-w-n"])
def test_short_ids_are_ids(rule_id: str, layers: Any, rule: Rule) -> None:
    assert layers.load({f"latency/{rule_id}.yaml": rule(rule_id)}).rules.rule(rule_id) is not None


FILES: dict[str, tuple[dict[str, str | None], str, str, str, str | None]] = {
    "unknown key": ({"forbidden": "[edge]"}, "unknown-key", "7:1", "`forbidden` is not a key here", "did you mean"),
    "no title": ({"title": None}, "missing-key", "1:1", "`title` is missing", None),
    "no message": ({"message": None}, "missing-key", "1:1", "`message` is missing", None),
    "condition of another type": ({"when": "true"}, "wrong-type", "4:7", "`when` must be a string", None),
    "no criterion": ({"origin": None}, "no-criterion", "1:1", "a rule cites `criteria:`, or says its `origin:`", None),
    "no effect": ({"advise": None}, "no-effect", "1:1", "the rule has no effect", "give one of forbid"),
    "an empty effect": (
        {"advise": None, "forbid": "[]", "enforcement": "advisory"},
        "no-effect",
        "1:1",
        "the rule",
        None,
    ),
    "unknown option": (
        FORBID | {"forbid": "[edge, open_ap]"},
        "unknown-value",
        "6:16",
        "`open_ap` is not a",
        "did you",
    ),
    "no enforcement": (FORBID | {"enforcement": None}, "missing-key", "1:1", "`enforcement` is missing", None),
    "unknown enforcement": (
        FORBID | {"enforcement": "mandatry"},
        "unknown-value",
        "7:14",
        "`mandatry` is not",
        "did you",
    ),
    "unknown strength": ({"prefer": "{edge: mighty}"}, "unknown-value", "7:16", "a strength is strong, normal", None),
    "unknown evidence": (
        FORBID | {"require": "{dpaa: [open_api]}"},
        "unknown-reference",
        "8:11",
        "rule `own-rule`: `dpaa` is not an evidence name of the vocabulary",
        "did you mean `dpa`?",
    ),
    "evidence on no option": (FORBID | {"require": "{dpa: []}"}, "wrong-type", "8:16", "`dpa` must list", None),
    "unknown criterion": (
        {"criteria": "[DATA-01, DATA-99]", "origin": None},
        "unknown-reference",
        "6:21",
        "rule `own-rule`: `DATA-99` is not a criterion of the register",
        "did you mean",
    ),
    "unknown dispute": (
        {"disputes": "[DISPUTE-99]"},
        "unknown-reference",
        "7:12",
        "rule `own-rule`: `DISPUTE-99` is not a dispute of the register",
        "did you mean",
    ),
    "unknown field": (
        {"message": "of {workload.nam}"},
        "unknown-field",
        "6:10",
        "rule `own-rule`: the message names `{workload.nam}`, which is no fact",
        "did you mean `workload.name`?",
    ),
    "a parameter without its prefix": (
        {"message": "'{quick_deployment_days}'"},
        "unknown-field",
        "6:10",
        "rule `own-rule`: the message names `{quick_deployment_days}`, which is no fact",
        "did you mean `param.quick_deployment_days`?",
    ),
    "a brace that is not closed": (
        {"advise": "'{task.name'"},
        "unknown-field",
        "5:9",
        "rule `own-rule`: the advice names a brace that is not closed",
        None,
    ),
    "no date": ({"review_by": "soon"}, "not-a-date", "7:12", "`review_by` must be a date", None),
    "another id": (
        {"id": "other"},
        "id-not-file-name",
        "1:5",
        "the id `other` is not the file's name `own-rule`",
        None,
    ),
    "a list where a text belongs": ({"title": "[a]"}, "wrong-type", "2:8", "`title` must be a string", None),
    "grade": ({"grade": "claimed"}, "unknown-value", "7:8", "`claimed` is not a value here", "one of asserted"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_wrong_rule_file_is_named_with_its_place(name: str, layers: Any, rule: Rule) -> None:
    lines, code, place, message, hint = FILES[name]
    found = layers.problem({FILE: rule(**lines)})
    assert found[:2] == (code, f"l1/{FILE}:{place}")
    assert found[2].startswith(message)
    assert (found[3] or "").startswith(hint or "")


def test_every_problem_of_every_file_is_told(layers: Any, rule: Rule) -> None:
    found = layers.problems(
        {
            FILE: rule(when='"data.sensitivty == 1 || team.mlop == 2"'),
            "latency/other-rule.yaml": rule("other-rule", when='"has(task.batch)"'),
        }
    )
    assert [str(problem.span).rpartition("l1/")[2] for problem in found] == [
        "latency/other-rule.yaml:4:11",
        f"{FILE}:4:8",
        f"{FILE}:4:32",
    ]


def test_syntax_errors_and_several_documents(layers: Any, rule: Rule) -> None:
    assert layers.problem({FILE: "id: [own-rule\n"})[0].startswith("yaml-")
    code, place, _, _ = layers.problem({FILE: rule() + "---\n" + rule()})
    assert (code, place) == ("several-documents", f"l1/{FILE}:8:1")
    assert layers.problem({FILE: rule() + "title: again\n"})[1] == f"l1/{FILE}:7:1"


def test_one_id_in_two_topics(layers: Any, rule: Rule) -> None:
    code, place, message, _ = layers.problem({FILE: rule(), "latency/own-rule.yaml": rule()})
    assert (code, place) == ("duplicate-id", f"l1/{FILE}:1:5")
    assert "latency/own-rule.yaml:1:5" in message


CUSTOM = """\
facts:
  custom.a: {type: bool, meaning: A.}
  custom.b: {type: bool, meaning: B.}
  custom.c: {type: bool, meaning: C., source: derived}
"""


def test_derivations_that_form_a_cycle(layers: Any, rule: Rule) -> None:
    files = {
        "vocabulary.yaml": CUSTOM,
        "latency/ab.yaml": rule("ab", when='"custom.a"', derive='{custom.b: "true"}'),
        "latency/ba.yaml": rule("ba", when='"custom.b"', derive='{custom.a: "true"}'),
    }
    code, place, message, _ = layers.problem(files)
    assert code == "derivation-cycle"
    assert place.startswith("l1/latency/")
    assert message == "the derivations form a cycle: ab -> ba -> ab"


def test_a_derivation_that_reads_its_own_fact(layers: Any, rule: Rule) -> None:
    own = rule(when='"true"', derive='{custom.a: "!custom.a"}')
    assert "own-rule -> own-rule" in layers.problem({"vocabulary.yaml": CUSTOM, FILE: own})[2]


def test_strata_follow_what_is_derived(layers: Any, rule: Rule) -> None:
    policy = layers.load(
        {
            "vocabulary.yaml": CUSTOM,
            "latency/ab.yaml": rule("ab", when='"custom.a"', derive='{custom.b: "true"}'),
            "latency/bc.yaml": rule("bc", when='"custom.b"', derive='{custom.c: "true"}'),
            "latency/reads-c.yaml": rule("reads-c", when='"custom.c"'),
        }
    )
    strata = [policy.rules.rule(name).stratum for name in ("ab", "bc", "reads-c")]
    assert strata == [0, 1, 2]
    assert {rule.stratum for rule in policy.rules.rules} == {0, 1, 2}


@pytest.mark.parametrize(
    ("lines", "fact"),
    [
        ({"when": '"cost.api_spend_usd_per_month > 5.0"'}, "cost.api_spend_usd_per_month"),
        ({"when": '"custom.b"'}, "custom.b"),
        ({"when": '"custom.c"'}, "custom.c"),
    ],
    ids=["coalesced", "declared and derived", "derived from such a fact"],
)
def test_enforcement_may_not_rest_on_a_coalesced_fact(
    lines: dict[str, str], fact: str, layers: Any, rule: Rule
) -> None:
    files = {
        "vocabulary.yaml": CUSTOM,
        "latency/ab.yaml": rule("ab", when='"custom.a"', derive='{custom.b: "true"}'),
        "latency/bc.yaml": rule("bc", when='"custom.b"', derive='{custom.c: "true"}'),
        FILE: rule(**(FORBID | lines)),
    }
    code, place, message, _ = layers.problem(files)
    assert (code, place) == ("coalesced-fact", f"l1/{FILE}:1:1")
    assert message == f"rule `own-rule`: a mandatory forbid or require may not read the coalesced fact `{fact}`"
    layers.load({**files, FILE: rule(**(FORBID | lines | {"enforcement": "advisory"}))})


def test_two_fired_derivations_that_differ_are_an_error(layers: Any, rule: Rule) -> None:
    from policy_engine.errors import RulesError
    from policy_engine.judging import Judge

    class Sheet:
        """What the judge needs of a sheet of facts."""

        def __init__(self, values: dict[str, Any]) -> None:
            self.values = values

        def derive(self, name: str, value: Any, *sources: str) -> None:
            self.values[name] = value

    class Completed:
        def __init__(self, values: dict[str, Any]) -> None:
            self.sheet = Sheet(values)

    files = {
        "vocabulary.yaml": CUSTOM + "  custom.d: {type: bool, meaning: D., source: derived}\n",
        "latency/first.yaml": rule("first", when='"task.batch"', derive='{custom.c: "true"}'),
        "latency/middle.yaml": rule("middle", when='"task.batch"', derive='{custom.d: "true"}'),
        # a stratum later, for it reads what `middle` derives
        "latency/second.yaml": rule("second", when='"custom.d"', derive='{custom.c: "false"}'),
    }
    judge = Judge(layers.load(files))
    given: Any = Completed({"task.kind": "coding", "task.batch": True})
    with pytest.raises(RulesError, match="`first` and `second` both fired") as caught:
        judge.infer(given)
    assert caught.value.code == "derivation-conflict"
    agreeing = {**files, "latency/second.yaml": files["latency/second.yaml"].replace('"false"', '"true"')}
    given = Completed({"task.kind": "coding", "task.batch": True})
    Judge(layers.load(agreeing)).infer(given)
    assert given.sheet.values["custom.c"] is True
