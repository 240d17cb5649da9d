"""`policy rules`: list, facts, show, lint, test, new; what they print, and their exit statuses."""

from __future__ import annotations

from collections.abc import Callable
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import yaml

from policy_engine.cases import ENGINES
from policy_engine.model.rule import TOPICS

pytestmark = pytest.mark.usefixtures("shipped_cases_run_once")

Run = Callable[..., Any]
TOPIC = "volume-cost"
SPEND = "high-api-spend-favours-self-hosting"
RULE = """\
id: own-rule
title: Ours
origin: works agreement
when: "task.batch"
advise: Do it.
message: Batch.
"""
CASES = """\
cases:
  - {name: it fires, facts: {task.batch: true}, outcome: fired}
  - {name: it does not, facts: {task.batch: false}, outcome: not_fired}
  - {name: nobody knows, facts: {}, outcome: indeterminate}
"""


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    """A layer with a rule of its own, and its cases."""
    folder = tmp_path / "ours"
    (folder / "latency").mkdir(parents=True)
    (folder / "latency/own-rule.yaml").write_text(RULE, encoding="utf-8")
    (folder / "latency/own-rule_test.yaml").write_text(CASES, encoding="utf-8")
    return folder


def ids(outcome: Any) -> list[str]:
    return [rule["id"] for rule in outcome.json["rules"]]


def test_list_shows_every_rule_by_topic(policy: Run) -> None:
    found = policy("rules", "list")
    assert (found.status, found.err) == (0, "")
    for topic in TOPICS:
        assert f"\n{topic}\n" in f"\n{found.out}"
    assert "86 of 86 rules in force" in found.out
    assert max(map(len, found.out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("filters", "some"),
    [
        (("--topic", "hardware"), ["claimed-hardware-contradicted", "self-hosting-needs-measured-hardware"]),
        (("--criterion", "COST-02"), [SPEND]),
        (
            ("--topic", "data-residency", "--effect", "forbid"),
            ["data-stays-in-network", "proposed-region-outside-residency"],
        ),
        (("--effect", "derive"), ["task-class-frontier", "task-class-unclassified", "task-class-workhorse"]),
    ],
)
def test_list_filters(filters: tuple[str, ...], some: list[str], policy: Run) -> None:
    found = policy("rules", "list", *filters, "-o", "json")
    assert found.status == 0
    assert set(some) <= set(ids(found))
    assert len(ids(found)) < 10


def test_list_of_a_layer(policy: Run, layer: Path) -> None:
    assert ids(policy("rules", "list", "--policy", str(layer), "--layer", "ours", "-o", "json")) == ["own-rule"]
    found = policy("rules", "list", "--policy", str(layer), "--topic", "latency")
    assert "own-rule (layer ours)" in found.out


def test_list_formats(policy: Run) -> None:
    json = policy("rules", "list", "--criterion", "COST-02", "-o", "json").json
    assert yaml.safe_load(policy("rules", "list", "--criterion", "COST-02", "-o", "yaml").out) == json
    assert json["rules"][0]["prefer"] == {"self_hosted": "strong"}
    assert json["rules"][0]["place"].endswith(f"{SPEND}.yaml:2:1")
    assert policy("rules", "list", "--criterion", "COST-02", "-o", "markdown").out.startswith(
        "### volume-cost\n\n| Rule |"
    )


@pytest.mark.parametrize(
    ("arguments", "said", "hint"),
    [
        (("list", "--topic", "latencyy"), "there is no topic `latencyy`", "did you mean `latency`?"),
        (("list", "--criterion", "DATA-1"), "there is no criterion `DATA-1`", "did you mean `DATA-"),
        (("list", "--layer", "shiped"), "there is no layer `shiped`", "did you mean `shipped`?"),
        (("list", "--criterion", "HYBRID-01"), "no rule in force fits", "HYBRID-01 is answered by plan: "),
        (("list", "--topic", "hardware", "--effect", "derive"), "no rule in force fits", "leave a filter out"),
        (("list", "-o", "jsn"), "there is no format `jsn`", "did you mean `json`?"),
        (("facts", "dta"), "there is no section `dta`", "did you mean `data`?"),
        (
            ("show", "data-stays-in-netwrk"),
            "there is no rule `data-stays-in-netwrk`",
            "did you mean `data-stays-in-network`?",
        ),
    ],
)
def test_what_is_not_there_is_2(arguments: tuple[str, ...], said: str, hint: str, policy: Run) -> None:
    found = policy("rules", *arguments)
    assert (found.status, found.out) == (2, "")
    assert said in found.err
    assert hint in found.err


def test_facts_are_the_vocabulary(policy: Run) -> None:
    found = policy("rules", "facts", "budget", "-o", "json").json
    assert [fact["name"] for fact in found["facts"]][:1] == ["budget.monthly_usd"]
    text = policy("rules", "facts", "team").out
    assert "team.mlops" in text
    assert "One of none, building, mature." in text
    assert len(policy("rules", "facts", "-o", "json").json["facts"]) > 90


def test_show_is_the_rule_in_full(policy: Run) -> None:
    found = policy("rules", "show", SPEND)
    assert found.status == 0
    for part in (
        f"{SPEND}: A large API bill favours self-hosting",
        "cost.api_spend_usd_per_month >= param.self_hosting_spend_usd_per_month",
        "prefer self_hosted strong",
        "5,000.0 USD/month (source s0, COST-02)",
        "DISPUTE-03, s2",
        "COST-02 The API bill at which self-hosting breaks even",
        "spend exactly at the threshold",
        f"{SPEND}.yaml:",
    ):
        assert part in found.out, part
    json = policy("rules", "show", SPEND, "-o", "json").json
    assert json["parameters"]["self_hosting_spend_usd_per_month"]["value"] == 5000.0
    assert json["criteria"] == {"COST-02": "The API bill at which self-hosting breaks even"}
    assert [case["outcome"] for case in json["cases"]][:2] == ["not_fired", "fired"]


@pytest.mark.parametrize("rule", ["task-class-workhorse", "health-data-needs-baa", "migration-shortlist"])
def test_show_knows_every_effect(rule: str, policy: Run) -> None:
    out = policy("rules", "show", rule).out
    expected = {
        "task-class-workhorse": "derive task.class = 'workhorse'",
        "health-data-needs-baa": "require baa, asserted or better, on proprietary_api, open_api, open_batch",
        "migration-shortlist": "advise Pick {param.shortlist_min}",
    }
    assert expected[rule] in out


def test_show_of_a_layers_rule(policy: Run, layer: Path) -> None:
    (layer / "latency/own-rule.yaml").write_text(
        RULE + "owner: us\nlocked: true\nreview_by: 2027-06-30\ncontrols: [iso42001:A.6.2.8]\n", encoding="utf-8"
    )
    out = policy("rules", "show", "own-rule", "--policy", str(layer)).out
    for part in (
        "ours",
        "works agreement",
        "2027-06-30",
        "iso42001:A.6.2.8",
        "later layers may not touch it",
        "it fires",
    ):
        assert part in out


def test_lint_of_the_shipped_rules_is_clean(policy: Run) -> None:
    found = policy("rules", "lint", "--strict", "--at", "2026-11-22T00:00:00Z")
    assert found.status == 0
    assert "0 errors, 0 warnings" in found.out
    assert "worth knowing\n" in policy("rules", "lint", "-v").out


def test_lint_exits_with_3_on_errors_and_on_warnings_where_asked(policy: Run, layer: Path) -> None:
    assert policy("rules", "lint", str(layer), "--strict").status == 0
    (layer / "latency/own-rule.yaml").write_text(RULE + "review_by: 2026-01-01\n", encoding="utf-8")
    at = ("--at", "2026-11-22T00:00:00Z")
    found = policy("rules", "lint", str(layer), *at)
    assert found.status == 0
    assert "was to be reviewed by 2026-01-01 [review-due]" in " ".join(found.out.split())
    assert policy("rules", "lint", str(layer), *at, "--strict").status == 3
    (layer / "latency/own-rule_test.yaml").unlink()
    assert policy("rules", "lint", str(layer)).status == 3


def test_lint_shows_what_loading_refuses_as_findings(policy: Run, layer: Path) -> None:
    (layer / "latency/own-rule.yaml").write_text(RULE.replace("task.batch", "task.bach"), encoding="utf-8")
    found = policy("rules", "lint", "--policy", str(layer), "-o", "json")
    assert found.status == 3
    (finding,) = found.json["findings"]
    assert (finding["severity"], finding["code"]) == ("error", "bad-condition")
    assert finding["place"].endswith("own-rule.yaml:4:8")
    assert finding["help"] == "did you mean `task.batch`?"
    assert policy("rules", "list", "--policy", str(layer)).status == 3
    assert policy("rules", "test", str(layer)).status == 3


def test_test_runs_every_case_on_every_engine(policy: Run, layer: Path) -> None:
    found = policy("rules", "test", str(layer), "-o", "json")
    assert found.status == 0
    assert found.json["failed"] == 0
    assert found.json["cases"][-1]["outcomes"] == dict.fromkeys(ENGINES, "indeterminate")
    assert f"on {', '.join(ENGINES)}: all came out as they say" in " ".join(policy("rules", "test").out.split())


def test_a_failing_case_is_4(policy: Run, layer: Path) -> None:
    path = layer / "latency/own-rule_test.yaml"
    path.write_text(CASES.replace("outcome: fired", "outcome: not_fired"), encoding="utf-8")
    found = policy("rules", "test", str(layer))
    assert found.status == 4
    said = " ".join(found.out.split())
    assert "own-rule: it fires: expected not_fired, and it is fired [outcome]" in said
    assert "1 failed" in said


def test_an_invalid_case_file_is_3(policy: Run, layer: Path) -> None:
    (layer / "latency/own-rule_test.yaml").write_text(
        CASES.replace("task.batch: true", "task.bach: 1"), encoding="utf-8"
    )
    found = policy("rules", "test", str(layer))
    assert found.status == 3
    assert "own-rule_test.yaml:2:30: error: no fact is called `task.bach` [unknown-fact]" in found.err


def test_no_case_at_all_is_4(policy: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("policy_engine.cases.run_gathered", lambda gathered: [])
    found = policy("rules", "test")
    assert found.status == 4
    assert "no case was found" in found.out


def test_what_no_case_exercises_is_4_with_a_case_to_copy(policy: Run, layer: Path) -> None:
    assert policy("rules", "test", str(layer), "--coverage").status == 0
    (layer / "latency/own-rule_test.yaml").write_text(CASES.replace("facts: {}", "facts: {task.batch: true}").replace(
        "indeterminate", "fired"), encoding="utf-8")  # fmt: skip
    assert policy("rules", "test", str(layer)).status == 0
    found = policy("rules", "test", str(layer), "--coverage", "-o", "json")
    assert found.status == 4
    case = {"name": "nothing known", "facts": {}, "outcome": "indeterminate", "missing": ["task.batch"]}
    assert found.json["coverage"]["gaps"] == [
        {
            "rule": "own-rule",
            "kind": "outcome",
            "place": f"{layer}/latency/own-rule.yaml:1:1",
            "message": "no case is indeterminate",
            "unreachable": False,
            "counts": True,
            "case": case,
            "reason": None,
        }
    ]
    for form in ("text", "markdown"):
        shown = policy("rules", "test", str(layer), "--coverage", "-o", form)
        assert shown.status == 4
        lines = shown.out[shown.out.index("  - name:") :].splitlines()
        block = "\n".join(takewhile(lambda line: line.startswith("  "), lines))
        assert yaml.safe_load(block) == [case]


def test_another_policy_than_the_expected_one_is_3(policy: Run) -> None:
    for command in ("list", "facts", "lint", "test"):
        assert policy("rules", command, "--policy-digest", "sha256:0").status == 3, command


@pytest.mark.parametrize("topic", TOPICS)
def test_a_new_rule_passes_lint_and_test_as_it_is(topic: str, policy: Run, tmp_path: Path) -> None:
    made = policy("rules", "new", "our-own-rule", "--topic", topic, "--criterion", "DATA-01", "--to", "ours")
    assert (made.status, made.err) == (0, "")
    assert (tmp_path / "ours" / topic / "our-own-rule.yaml").is_file()
    assert (tmp_path / "ours" / "rule.schema.json").is_file()
    assert policy("rules", "lint", "ours", "--strict").status == 0
    found = policy("rules", "test", "ours", "-o", "json")
    assert found.status == 0
    assert [case["rule"] for case in found.json["cases"]].count("our-own-rule") == 3


def test_a_new_rule_may_have_an_origin_of_its_own(policy: Run) -> None:
    assert (
        policy("rules", "new", "a-b", "--topic", "latency", "--origin", "Bob's: #1 \\ {x}", "--to", "ours").status == 0
    )
    assert policy("rules", "show", "a-b", "--policy", "ours", "-o", "json").json["origin"] == "Bob's: #1 \\ {x}"


NEW = ("rules", "new", "a-b", "--topic", "latency")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((*NEW[:3], "--topic", "latncy", "--origin", "x"), "did you mean `latency`?"),
        (NEW, "a rule has either `--criterion` or `--origin`"),
        ((*NEW, "--origin", "x", "--criterion", "DATA-01"), "a rule has either `--criterion` or `--origin`"),
        ((*NEW, "--criterion", "DATA-99"), "there is no criterion `DATA-99`"),
        ((*NEW, "--origin", " "), "`--origin` is empty"),
        ((*NEW, "--origin", "a\nb"), "more than a line"),
        (("rules", "new", "A_b", "--topic", "latency", "--origin", "x"), "`A_b` cannot be the id of a rule"),
        (("rules", "new", "../x", "--topic", "latency", "--origin", "x"), "`../x` cannot be the id of a rule"),
        (("rules", "new", SPEND, "--topic", "latency", "--origin", "x"), f"`{SPEND}` is a shipped rule"),
        (("rules", "new", "a-b", "--origin", "x"), "missing option"),
    ],
)
def test_a_new_rule_that_cannot_be_is_2(arguments: tuple[str, ...], said: str, policy: Run, tmp_path: Path) -> None:
    found = policy(*arguments, "--to", "ours")
    assert (found.status, found.out) == (2, "")
    assert said in found.err
    assert not (tmp_path / "ours").exists()


def test_a_new_rule_overwrites_nothing(policy: Run, layer: Path) -> None:
    new = ("rules", "new", "own-rule", "--topic", "latency", "--origin", "x", "--to", str(layer))
    for file in ("own-rule.yaml", "own-rule_test.yaml"):
        found = policy(*new)
        assert found.status == 2
        assert f"{file}` is there already" in found.err
        (layer / "latency" / file).unlink()
    assert policy(*new).status == 0


def test_a_new_rule_where_nothing_can_be_written_is_2(policy: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    found = policy(*NEW, "--origin", "x", "--to", "file")
    assert found.status == 2
    assert "cannot write" in found.err


@pytest.mark.parametrize("depth", [1, 8, 30])
def test_a_place_is_never_broken_over_lines(depth: int, policy: Run, tmp_path: Path) -> None:
    layer = tmp_path.joinpath(*[f"a-folder-{number}" for number in range(depth)])
    made = policy("rules", "new", "hyphens-in-a-name", "--topic", TOPIC, "--origin", "ours", "--to", str(layer))
    assert made.status == 0, made.err
    file = layer / TOPIC / "hyphens-in-a-name.yaml"
    found = policy("rules", "show", "hyphens-in-a-name", "--policy", str(layer))
    assert found.status == 0, found.err
    assert f"{file}:" in found.out


def test_an_id_of_another_topic_is_not_given_again(policy: Run, tmp_path: Path) -> None:
    first = ("rules", "new", "our-rule", "--topic", "routing", "--origin", "ours", "--to", str(tmp_path))
    assert policy(*first).status == 0
    found = policy(*first[:3], "--topic", "latency", *first[5:])
    assert found.status == 2
    assert "our-rule.yaml` is there already [file-exists]" in found.err
    assert not (tmp_path / "latency").exists()
    assert policy("rules", "lint", str(tmp_path)).status == 0
