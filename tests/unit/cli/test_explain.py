"""`policy explain`: a recorded decision again, and why an option was not recommended."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from policy_engine.errors import InputError
from policy_engine.why_not import Question, parse_question, why_not

Run = Callable[..., Any]

HOSPITAL = str(Path(__file__).parents[3] / "examples" / "hospital.yaml")


def identifier(policy: Run, index: int = 0) -> str:
    found: str = policy("audit", "show", str(index), "-o", "json").json["view"]["decision_id"]
    return found


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.usefixtures("ledger")
def test_the_recorded_decision_is_shown_in_full(policy: Run) -> None:
    decision = identifier(policy)
    shown = policy("explain", decision[:6], "-o", "json").json
    stored = json.loads(policy("audit", "show", "0", "--blob", "decision").out)
    assert shown["id"] == decision
    assert shown["workload"].pop("owner") == "olga.owner@acme.example"
    assert stored["workload"].pop("owner") == {"present": True}
    for name in ("verdict", "workload", "policy", "catalog", "plan", "decided_at", "engine", "evidence"):
        assert shown[name] == stored[name]
    assert shown["ledger"]["index"] == 0
    assert shown["ledger"]["tree_size"] == 1
    assert shown["personal"]["actor"] == "anna.actor@acme.example"
    outcomes = {row["outcome"] for row in shown["tasks"][0]["rules"]}
    assert outcomes <= {"fired", "indeterminate"}
    every = policy("explain", decision, "--all-rules", "-o", "json").json
    assert every["tasks"] == stored["tasks"]


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize("format_", ["text", "markdown", "yaml"])
def test_every_format_has_verdict_names_and_place(policy: Run, format_: str) -> None:
    found = policy("explain", identifier(policy, 2), "-o", format_)
    assert found.status == 0, found.err
    text = found.out.replace("\\", "").replace("\u2060", "")
    for part in ("olga.owner@acme.example", "deny" if format_ == "yaml" else "DENY", "deploy", "leaf"):
        assert part in text, part
    if format_ == "text":
        assert max(map(len, text.splitlines())) <= 80
        assert "policy audit prove 2" in flat(text)
        assert "did not fire" not in text
        assert "did not fire" in policy("explain", identifier(policy, 2), "--all-rules").out


@pytest.mark.usefixtures("ledger")
def test_evaluate_and_explain_say_the_same(policy: Run, recorded: Path) -> None:
    made = policy("evaluate", str(recorded / "denied.yaml"), "-o", "json", "--at", "2026-11-05T00:00:00Z").json
    again = policy("explain", made["id"], "-o", "json").json
    assert {name: again[name] for name in made} == made


def test_an_owner_that_is_not_held_is_absent(policy: Run, ledger: Path) -> None:
    connection = sqlite3.connect(ledger)
    connection.execute("DELETE FROM personal WHERE leaf_index = 0")
    connection.commit()
    connection.close()
    found = policy("explain", identifier(policy), "-o", "json").json
    assert "owner" not in found["workload"]
    text = policy("explain", identifier(policy))
    assert text.status == 0, text.err
    assert "olga.owner" not in text.out
    assert "owner missing, and no entry erases it: run `policy audit verify`" in flat(text.out)


@pytest.mark.usefixtures("ledger")
def test_an_unknown_id_is_status_2(policy: Run) -> None:
    decision = identifier(policy)
    other = "0" if decision[7] != "0" else "1"
    for given, hint in (
        ("abc", "at least 4 characters"),
        (decision[:7] + other + decision[8:12], f"did you mean `{decision[:16]}`?"),
        ("support/triage", "policy audit list --workload support/triage"),
        ("triage", "policy audit list --workload triage"),
        ("zzzzzzzz", "policy audit list"),
    ):
        found = policy("explain", given)
        assert (found.status, found.out) == (2, ""), given
        assert hint in found.err
    assert policy("explain", f"sha256:{decision.upper()}", "-q").out == "deny support/triage\n"


def test_an_ambiguous_beginning_lists_the_candidates(policy: Run, ledger: Path) -> None:
    from policy_audit.ledger import Draft, EntryType, open_ledger

    view = dict.fromkeys(("namespace", "workload", "verdict", "policy_digest", "catalog_digest"), "x")
    view["decided_at"] = "2026-11-01T00:00:00Z"
    with open_ledger(f"sqlite:///{ledger}") as opened:
        opened.append_many(
            Draft(EntryType.DECISION, view={**view, "decision_id": "abcd" + end * 60}) for end in ("0", "1")
        )
    found = policy("explain", "abcd")
    assert found.status == 2
    assert "abcd000" in found.err
    assert "abcd111" in found.err


def test_a_missing_ledger_is_status_6(policy: Run) -> None:
    found = policy("explain", "abcd1234")
    assert (found.status, found.out) == (6, "")
    assert "[ledger-missing]" in found.err


@pytest.mark.parametrize("where", ["blob", "view"])
def test_a_changed_document_is_never_shown(policy: Run, ledger: Path, where: str) -> None:
    decision = identifier(policy)
    connection = sqlite3.connect(ledger)
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    if where == "blob":
        connection.execute("UPDATE blob SET content = ? WHERE digest = ?", (b"{}", f"sha256:{decision}"))
    else:
        connection.execute("UPDATE decision SET decision_id = 'feed' WHERE leaf_index = 0")
        decision = "feed"
    connection.commit()
    connection.close()
    found = policy("explain", decision)
    assert (found.status, found.out) == (6, "")


@pytest.mark.usefixtures("ledger")
def test_why_not_a_forbidden_option(policy: Run) -> None:
    decision = identifier(policy)
    (found,) = policy("explain", decision, "--why-not", "proprietary_api", "-o", "json").json["options"]
    assert found["status"] == "forbidden"
    (rule,) = found["rules"]
    assert (rule["id"], rule["criteria"]) == ("data-stays-in-network", ["DATA-01"])
    assert rule["facts"] == {"data.may_leave_network": {"value": False, "grade": "declared"}}
    assert any("data.may_leave_network" in change and "true" in change for change in found["changes"])
    assert {"gpt-4o"} <= {model["name"] for model in found["models"]}
    text = flat(policy("explain", decision, "--why-not", "proprietary_api").out)
    for part in ("Why not proprietary_api", "DATA-01", "(declared)", "Models", "What would have to change"):
        assert part in text, part
    markdown = policy("explain", decision, "--why-not", "proprietary_api", "-o", "markdown")
    assert (markdown.status, "### What would have to change" in markdown.out) == (0, True)


@pytest.mark.usefixtures("ledger")
def test_why_not_a_model(policy: Run) -> None:
    decision = identifier(policy)
    for asked in ("gpt-4o", "proprietary_api/gpt-4o"):
        found = policy("explain", decision, "--why-not", asked, "-o", "json").json
        assert found["model"] == "gpt-4o"
        assert [option["deployment"] for option in found["options"]] == ["proprietary_api"]
        assert [model["name"] for model in found["options"][0]["models"]] == ["gpt-4o"]
        assert "Why not gpt-4o on proprietary_api" in flat(policy("explain", decision, "--why-not", asked).out)


@pytest.mark.usefixtures("ledger")
def test_an_unknown_option_is_status_2(policy: Run) -> None:
    decision = identifier(policy)
    for asked, hint in (
        ("self-hosted", "did you mean `self_hosted`?"),
        ("gpt-4p", "did you mean `gpt-4"),
        ("proprietary_api/gpt4o", "did you mean `gpt-4o`?"),
        ("elsewhere", "the options are proprietary_api"),
    ):
        found = policy("explain", decision, "--why-not", asked)
        assert (found.status, found.out) == (2, ""), asked
        assert hint in found.err


def option(name: str, status: str = "permitted", **more: Any) -> dict[str, Any]:
    row = {"deployment": name, "status": status, "score": 0, "score_range": [0, 0], "scores": [], "monthly_usd": None}
    row |= {"over_budget": None, "rules": [], "reasons": [], "missing": [], "model": None, "models": []}
    return row | more


def points(**topics: int) -> dict[str, Any]:
    scores = [{"topic": topic, "rule": f"{topic}-rule", "points": value} for topic, value in topics.items()]
    return {"scores": scores, "score": sum(topics.values()), "score_range": [sum(topics.values())] * 2}


def rule(name: str, enforcement: str, **facts: Any) -> dict[str, Any]:
    row: dict[str, Any] = {"id": name, "title": name, "topic": "t", "criteria": ["X-01"], "layer": "shipped"}
    row |= {"outcome": "fired", "enforcement": enforcement, "message": f"{name} speaks", "missing": []}
    return row | {"facts": {key: {"value": value, "grade": "declared"} for key, value in facts.items()}}


def changes(best: dict[str, Any] | None, row: dict[str, Any], *rules: dict[str, Any], model: str | None = None) -> str:
    recommendation = {"deployment": best["deployment"], "provisional": False} if best else None
    task = {"name": "t", "recommendation": recommendation, "proposal": None, "rules": list(rules)}
    task |= {"options": [row, *([best] if best and best is not row else [])], "collision": None, "counterfactuals": []}
    found = why_not({"id": "d", "tasks": [task]}, Question((row["deployment"],), model))
    return "\n".join(found["options"][0]["changes"])


def test_what_a_permitted_option_lacks() -> None:
    best = option("open_api", monthly_usd=100.0, **points(quality=3, cost=1))
    assert changes(best, best) == "nothing: it is the recommendation"
    assert "3 more points, or 2 and a lower cost" in changes(best, option("edge", monthly_usd=120.0, **points(cost=2)))
    assert "2 more points, since it costs less" in changes(best, option("edge", monthly_usd=80.0, **points(cost=2)))
    assert "behind in quality (0 against 3)" in changes(best, option("edge", **points(cost=2)))
    even = points(quality=2, cost=2)
    assert "20.00 USD/month less" in changes(best, option("edge", monthly_usd=120.0, **even))
    assert "the monthly cost of edge is unknown" in changes(best, option("edge", **even))
    assert "the fixed order" in changes(best, option("edge", monthly_usd=100.0, **even))


def test_what_releases_a_forbidden_option() -> None:
    best = option("open_api", **points(quality=3))
    row = option("edge", "forbidden", rules=["a", "b"], **points(quality=5))
    hard, soft = rule("a", "mandatory", **{"x.y": 3}), rule("b", "waivable", **{"x.z": True})
    text = changes(best, row, hard, soft)
    assert "a would have to hold no longer: it fired on x.y = 3 (declared)" in text
    assert "x.z would have to be false (declared true)" in text
    assert "a waiver can lift b, but not a" in text
    assert "once permitted, it would come before open_api, with 2 points more" in text
    waivable = option("edge", "forbidden", rules=["b"])
    assert "an approved waiver of b" in changes(best, waivable, soft)
    assert "`policy waiver request d --rule b --option " in changes(best, waivable, soft)


COULD = "then it could be recommended, or another option that this permits as well"


def test_an_option_comes_first_only_where_that_was_tried() -> None:
    """A change that permits one option may permit others, that come before it; early documents cannot tell."""
    row = option("edge", "forbidden", rules=["b"])
    assert COULD in changes(None, row, rule("b", "waivable"))
    way = {"fact": "x.z", "op": "in", "values": [False]}
    for recommended, line in (([], "it would come first by no change of a single fact"), ([way], "come first if x.z")):
        told = changes(None, {**row, "ways": {"permitted": [way], "recommended": recommended}}, rule("b", "waivable"))
        assert line in told
        assert COULD not in told
        assert told.count("first") == 1


def test_a_provisional_option_does_not_have_to_be_overtaken() -> None:
    """What is permitted comes before what is not, whatever the points."""
    best = option("open_api", "uncertain", **points(quality=3))
    task = {"name": "t", "recommendation": {"deployment": "open_api", "provisional": True}, "proposal": None}
    task |= {"options": [best, option("edge", "forbidden", rules=["b"])], "collision": None, "counterfactuals": []}
    found = why_not({"id": "d", "tasks": [task | {"rules": [rule("b", "waivable")]}]}, Question(("edge", "open_api")))
    for asked in found["options"]:
        assert COULD in asked["changes"]
        assert "to come before" not in "\n".join(asked["changes"])


def test_why_not_on_a_change_that_permits_two(policy: Run, tmp_path: Path) -> None:
    """With data that may leave, proprietary_api comes first for the hospital, not open_api."""
    ledger = f"sqlite:///{tmp_path / 'own.db'}"
    decision = policy("evaluate", "--ledger", ledger, HOSPITAL, "-o", "json").json["id"]
    (found,) = policy("explain", decision, "--ledger", ledger, "--why-not", "open_api", "-o", "json").json["options"]
    assert any("data.may_leave_network = true" in line for line in found["changes"])
    assert [line for line in found["changes"] if "first" in line] == [
        "it would come first by no change of a single fact"
    ]


def test_what_an_uncertain_or_unavailable_option_waits_for() -> None:
    best = option("open_api", **points(quality=3))
    assert "until it is known: needs.edge" in changes(best, option("edge", "uncertain", missing=["needs.edge"]))
    text = changes(best, option("edge", "unavailable", reasons=["context 1 is below 2"]))
    assert "context 1 is below 2" in text
    assert "once permitted" in text


def test_what_a_model_lacks() -> None:
    best = option("open_api", **points(quality=3))
    model = {"name": "m", "monthly_usd": None, "quantization": None}
    for qualifies, reasons, expected in (
        (True, ["dearer than n"], "it fits, and n is chosen: dearer than n"),
        (False, ["no vision"], "each of these would have to be otherwise: no vision"),
        (None, ["no MMLU score"], "would have to say more of it: no MMLU score"),
    ):
        row = option("edge", model="n", models=[{**model, "qualifies": qualifies, "reasons": reasons}])
        text = changes(best, row, model="m")
        assert expected in text
        assert "open_api is recommended" in text
    chosen = option("open_api", model="m", models=[{**model, "qualifies": True, "reasons": []}])
    assert "nothing: it is the model" in changes(chosen, chosen, model="m")


def test_a_model_of_several_options_is_explained_for_each() -> None:
    model = {"name": "m", "qualifies": True, "reasons": [], "monthly_usd": None, "quantization": None}
    document = {"tasks": [{"options": [option("open_api", models=[model]), option("self_hosted", models=[model])]}]}
    assert parse_question(document, "m") == Question(("open_api", "self_hosted"), "m")
    assert parse_question(document, "self_hosted/m") == Question(("self_hosted",), "m")
    with pytest.raises(InputError, match="no option or model `n`"):
        parse_question(document, "n")
