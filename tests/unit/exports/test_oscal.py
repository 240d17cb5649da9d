"""OSCAL: valid, from the recorded policies, the same for the same snapshot, and undetermined is never satisfied."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
from policy_audit.entry import Draft, EntryType

from policy_engine.errors import InputError, UsageError, VerificationFailedError
from policy_engine.exports import oscal
from policy_engine.exports.oscal_decision import FAIL, OTHER, open_rules
from policy_engine.exports.oscal_terms import control_token, criterion_token, line, prop, rule_token
from tests.unit.exports.given import HOSTILE, NUL, RULES, decision, export, ledger, policy_document, task
from tests.unit.exports.oscal_reading import members, read


def findings(result: Any) -> dict[str, tuple[str, str, int]]:
    return {
        finding["target"]["target-id"].removesuffix("_smt"): (
            finding["target"]["status"]["state"],
            finding["target"]["status"]["reason"],
            len(finding.get("related-observations", ())),
        )
        for finding in result["findings"]
    }


def test_findings_speak_of_the_latest_decision_on_each_workload(tmp_path: Path) -> None:
    drafts = [
        decision(0, task(forbidden=["stays"]), workload="mended"),
        decision(1, task(), workload="mended", verdict="allow"),
        decision(2, task(outstanding=["agreement"]), workload="open", verdict="review"),
        decision(3, task(forbidden=["own"], outcomes={"own": "indeterminate"}), workload="unknown", verdict="review"),
    ]
    with ledger(tmp_path / "ledger.db", *drafts) as opened:
        export(opened, tmp_path / "out", "oscal")
    found = read(tmp_path / "out")
    (result,) = found["assessment-results"]["results"]
    assert findings(result) == {
        "criterion_DATA-01": ("satisfied", "pass", 3),
        "criterion_DATA-03": ("not-satisfied", "fail", 1),
        "iso42001_A.6.2.8": ("satisfied", "pass", 3),
        control_token("nist ai rmf/MAP 1.1"): ("satisfied", "pass", 3),
        "rule_own": ("not-satisfied", "other", 1),
    }
    assert len(result["observations"]) == 4
    assert len(result["local-definitions"]["components"]) == 4
    props = {each["name"]: each["value"] for each in result["observations"][0]["props"]}
    assert (props["entry-index"], props["verdict"], props["rule-not-satisfied"]) == ("0", "deny", "stays")
    receipts = {each["uuid"]: each for each in found["assessment-results"]["back-matter"]["resources"]}
    receipt = receipts[result["observations"][3]["relevant-evidence"][0]["href"].removeprefix("#")]
    assert [each["href"] for each in receipt["rlinks"]] == ["../entries/3.json", "../proofs/3.tlog-proof"]


def test_the_catalog_has_the_controls_of_the_recorded_rules(tmp_path: Path) -> None:
    with ledger(tmp_path / "ledger.db", decision(0)) as opened:
        export(opened, tmp_path / "out", "oscal")
    groups = {group["class"]: group["controls"] for group in read(tmp_path / "out")["catalog"]["groups"]}
    assert {kind: len(controls) for kind, controls in groups.items()} == {"control": 2, "criterion": 2, "rule": 1}
    iso = next(control for control in groups["control"] if control["id"] == "iso42001_A.6.2.8")
    assert {"name": "label", "value": "iso42001:A.6.2.8"} in iso["props"]
    assert {each["value"] for each in iso["props"]} == {"iso42001:A.6.2.8", "stays", "DATA-01"}
    assert iso["parts"][0]["parts"][0]["prose"] == (
        "Data that may not leave stays. Forbids open\\_api. Applies where: \\!data.may\\_leave\\_network"
    )


def test_each_policy_of_the_period_has_a_result_of_its_own(tmp_path: Path) -> None:
    stricter = copy.deepcopy(RULES)
    stricter["stays"]["forbid"] = ["open_api", "edge"]
    del stricter["own"]
    other = policy_document(stricter, "2")
    drafts = [decision(0), decision(1, policy=other), decision(2, workload="b", policy=other)]
    with ledger(tmp_path / "ledger.db", *drafts) as opened:
        export(opened, tmp_path / "out", "oscal")
    found = read(tmp_path / "out")
    first, second = found["assessment-results"]["results"]
    assert [len(result["observations"]) for result in (first, second)] == [1, 2]
    assert "rule_own" in findings(first)
    assert "rule_own" not in findings(second)
    assert (second["start"], second["end"]) == ("2026-01-31T12:01:00.000000Z", "2026-01-31T12:02:00.000000Z")
    catalog = found["catalog"]
    control = next(c for group in catalog["groups"] for c in group["controls"] if c["id"] == "criterion_DATA-01")
    items = control["parts"][0]["parts"]
    assert len(items) == 2, "both forms of the rule are there"
    assert [sum(each["name"] == "policy" for each in item["props"]) for item in items] == [1, 1]


def test_the_same_snapshot_gives_the_same_files_but_for_the_time(tmp_path: Path) -> None:
    with ledger(tmp_path / "ledger.db", *(decision(n) for n in range(3))) as opened:
        for name in ("a", "b"):
            export(opened, tmp_path / name, "oscal", recorded=False)
    for name in ("catalog", "assessment-plan", "assessment-results"):
        a, b = ((tmp_path / folder / "oscal" / f"{name}.json").read_bytes() for folder in "ab")
        assert a == b


def test_hostile_names_make_valid_documents_and_different_controls(tmp_path: Path) -> None:
    named = (*HOSTILE, NUL, "a:b", "a_b", "a:b_c", "criterion:X", "rule:own", "1:2", "x" * 300, " ")
    rules = {
        **RULES,
        **{
            f"r{n}": {
                "id": f"r{n}",
                "title": text,
                "criteria": [text],
                "controls": [text],
                "forbid": [text],
                "when": text,
            }
            for n, text in enumerate(named)
        },
    }
    drafts = [
        decision(n, workload=text, namespace=text, policy=policy_document(rules)) for n, text in enumerate(HOSTILE)
    ]
    with ledger(tmp_path / "ledger.db", *drafts) as opened:
        export(opened, tmp_path / "out", "oscal")
    found = read(tmp_path / "out")
    told = [value for name, value in members(found) if name in ("title", "description", "prose", "remarks")]
    assert any("\\<script" in text for text in told)
    assert not [text for text in told if re.search(r"(?<!\\)[<*\[]", text)]
    assert not [text for _, text in members(found) if isinstance(text, str) and "\u202e" in text]
    tokens = [control_token(each) for each in named]
    assert len(set(tokens)) == len(tokens)
    assert len({*tokens, *map(criterion_token, named), *map(rule_token, named)}) == 3 * len(tokens)


def test_no_personal_values(tmp_path: Path) -> None:
    with ledger(tmp_path / "ledger.db", decision(0, personal={"owner": "olga.owner@acme.example"})) as opened:
        export(opened, tmp_path / "out", "oscal")
    for path in (tmp_path / "out").rglob("*"):
        assert path.is_dir() or b"olga" not in path.read_bytes()


@pytest.mark.parametrize(
    ("tasks", "expected"),
    [
        ([task()], {}),
        ([task(forbidden=["r"])], {"r": FAIL}),
        ([task(forbidden=["r"], outcomes={"r": "indeterminate"})], {"r": OTHER}),
        ([task(judged=None, forbidden=["r"])], {"r": OTHER}),
        ([task(outstanding=["r"])], {"r": FAIL}),
        ([task(proposal={"rules": ["r"]}, outcomes={"r": "fired"})], {"r": FAIL}),
        ([task(proposal={"rules": [], "fallback": {"rules": ["r"], "verdict": "deny"}})], {"r": FAIL}),
        ([task(proposal={"rules": [], "fallback": {"rules": ["r"], "verdict": "review"}})], {"r": OTHER}),
        ([task(forbidden=["r"], outcomes={}), task(forbidden=["r"])], {"r": FAIL}),
        ([task(forbidden=["r"]), task(forbidden=["r"], outcomes={})], {"r": FAIL}),
    ],
)
def test_which_rules_are_open(tasks: list[Any], expected: dict[str, str]) -> None:
    assert open_rules(0, {"tasks": tasks}) == expected


@pytest.mark.parametrize("document", [{}, {"tasks": 5}, {"tasks": [{}]}, {"tasks": [{"rules": None}]}, {"tasks": [[]]}])
def test_a_document_that_is_no_decision(document: Any) -> None:
    with pytest.raises(VerificationFailedError):
        open_rules(0, document)


def test_too_many_decisions_for_one_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oscal, "MOST_DECISIONS", 2)
    with ledger(tmp_path / "ledger.db", *(decision(n) for n in range(3))) as opened:
        with pytest.raises(UsageError) as error:
            export(opened, tmp_path / "out", "oscal")
        assert error.value.help == "narrow the period with --since and --until"
        assert not opened.list_entries(type="export")


def test_a_document_that_is_no_policy_is_refused(tmp_path: Path) -> None:
    for n, data in enumerate(
        (b"rules", b"[]", b'{"rules": 5}', b'{"rules": {"a": 5}}', b'{"rules": {"a": {"criteria": 5}}}')
    ):
        with ledger(tmp_path / f"{n}.db", decision(0, policy=data)) as opened:
            with pytest.raises(VerificationFailedError):
                export(opened, tmp_path / "out", "oscal")
            assert not opened.list_entries(type="export")


def test_a_decision_that_was_disposed_of_says_what_else_can_be_exported(tmp_path: Path) -> None:
    with ledger(tmp_path / "ledger.db", decision(0), decision(1)) as opened:
        gone = f"sha256:{opened.entry(0).document['view']['decision_id']}"
        opened.append(Draft(EntryType.DISPOSAL, body={"disposed": [], "documents": [gone]}))
        with opened._database.write() as connection:
            connection.exec_driver_sql("DELETE FROM blob WHERE digest = ?", (gone,))
        with pytest.raises(InputError, match="of the entry 0 was disposed of") as error:
            export(opened, tmp_path / "out", "oscal")
        assert "--since" in str(error.value.help)
        assert not opened.list_entries(type="export")
        export(opened, tmp_path / "rows")


def test_words() -> None:
    assert prop("x", "") is None
    assert prop("x", None) is None
    assert prop("x", " a\nb\u202e ") == {"name": "x", "ns": "urn:policy-engine:oscal", "value": "a b\\u202e"}
    assert line("a *b*\n<c>") == "a \\*b\\* \\<c\\>"
    assert line("") == "?"
