"""SARIF 2.1.0: valid by OASIS' schema, at the places that an editor shows, and nothing that counts is suppressed."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
from jsonschema import Draft4Validator

from policy_engine import __version__
from policy_engine.ci.judged import Judged
from policy_engine.ci.sarif import ROOT, SCHEMA, render
from policy_engine.errors import Problem, Span
from tests.unit.ci.scene import (
    ALLOWED,
    DENIED,
    HOSTILE,
    INVALID,
    OPEN,
    accepting,
    engine,
    everything,
    judge,
    many,
    waiver,
)
from tests.unit.cli.waiver_scene import WORKLOAD as WAIVABLE

SCHEMAS = Path(__file__).parents[2] / "schemas"


@cache
def validator() -> Draft4Validator:
    schema = json.loads((SCHEMAS / "sarif-schema-2.1.0.json").read_text(encoding="utf-8"))
    Draft4Validator.check_schema(schema)
    assert schema["id"] == SCHEMA
    return Draft4Validator(schema, format_checker=Draft4Validator.FORMAT_CHECKER)


def run_of(judged: Judged, status: int = 1) -> Any:
    """Return the one run of a document that the schema accepts."""
    document = json.loads(render(judged, status))
    assert [error.message for error in validator().iter_errors(document)] == []
    (run,) = document["runs"]
    assert document["version"] == "2.1.0"
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for described in (*rules, *run["tool"]["driver"]["notifications"]):
        assert described.get("name", "").lower() != described["id"].lower()  # SARIF1001 of Microsoft's Multitool
        assert all(described[name]["text"] for name in ("shortDescription", "fullDescription", "help"))  # GH2012
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["kind"] == "fail"
        assert isinstance(result["suppressions"], list)  # 3.27.23: of all results, or of none
    return run


def results(judged: Judged, **having: Any) -> list[Any]:
    found = run_of(judged)["results"]
    return [each for each in found if all(each.get("properties", {}).get(k) == v for k, v in having.items())]


def test_everything_is_valid_and_counted() -> None:
    run = run_of(everything())
    assert run["tool"]["driver"]["name"] == "policy-engine"
    assert run["tool"]["driver"]["semanticVersion"] == __version__
    assert "informationUri" not in run["tool"]["driver"]
    assert run["columnKind"] == "unicodeCodePoints"
    totals = run["properties"]["totals"]
    assert (totals["workloads"], totals["deny"], totals["review"], totals["invalid"]) == (6, 2, 1, 1)
    assert (totals["waivers_used"], totals["waivers_expired"], totals["waivers_not_honoured"]) == (1, 1, 0)
    assert (totals["baseline_accepted"], totals["passing_by_baseline"]) == (1, 1)


@pytest.mark.parametrize("judged", [Judged(), Judged(policy=engine().policy)], ids=["nothing", "no workload"])
def test_with_nothing_decided_it_is_a_document_all_the_same(judged: Judged) -> None:
    run = run_of(judged, 2)
    assert run["results"] == []
    assert run["invocations"][0]["executionSuccessful"] is False
    assert run["invocations"][0]["exitCode"] == 2


def test_levels() -> None:
    by_effect = {(each["properties"]["effect"], each["level"]) for each in results(judge(("w.yaml", DENIED)))}
    assert by_effect == {("deny", "error"), ("review", "warning"), ("condition", "note")}
    assert {each["level"] for each in results(judge(("w.yaml", ALLOWED)))} == {"note"}
    assert [each["level"] for each in run_of(judge(("w.yaml", INVALID)))["results"]] == ["error"]


def test_a_rule_has_criteria_and_help() -> None:
    run = run_of(judge(("w.yaml", DENIED)))
    (rule,) = [each for each in run["tool"]["driver"]["rules"] if each["id"] == "data-stays-in-network"]
    shipped = engine().policy.rules.rule("data-stays-in-network")
    assert shipped is not None
    assert rule["shortDescription"]["text"] == shipped.title
    assert rule["defaultConfiguration"]["level"] == "error"
    assert rule["properties"]["tags"] == ["data-residency", "DATA-01"]
    for text in (rule["help"]["text"], rule["help"]["markdown"]):
        for said in ("DATA-01: Data bound to the network stays on own hardware", "mandatory", "data-residency"):
            assert said in text
    assert shipped.when in rule["help"]["text"]


# ---- places


UNICODE = DENIED.replace(
    "  data: {sensitivity: public, may_leave_network: false}",
    '  team: {mlops: mature}\n  data: {residency: ["eu", "🦊 zürich"], sensitivity: public, may_leave_network: false}',
).replace("  team: {mlops: mature, ml_engineers: 3, gpu_devops_engineers: 2, can_hire: true}\n", "")


@pytest.mark.parametrize("text", [DENIED, UNICODE, "\ufeff" + DENIED, DENIED.replace("\n", "\r\n")])
def test_a_region_is_where_an_editor_shows_the_field(text: str) -> None:
    judged = judge(("w.yaml", text))
    (found,) = [each for each in results(judged) if each["ruleId"] == "data-stays-in-network"]
    region = found["locations"][0]["physicalLocation"]["region"]
    line = text.removeprefix("\ufeff").splitlines()[region["startLine"] - 1]
    assert line[region["startColumn"] - 1 :].startswith("may_leave_network: false")


def test_a_task_is_a_logical_location() -> None:
    found = results(judge(("w.yaml", DENIED)))[0]
    (logical,) = found["locations"][0]["logicalLocations"]
    assert logical["fullyQualifiedName"] == "support/triage/sort"


SHARED = "/dev/shm"  # noqa: S108
NAMES = ["ünï 🦊.yaml", "100%25,a:b c.yaml", "w\n::error ::x.yaml", "<script>|@team].yaml", "-dash.yaml", "a#b?c.yaml"]


@pytest.mark.parametrize("name", [*NAMES, os.fsdecode(b"\xff\xfe.yaml")])
def test_the_uri_names_the_file_and_no_other(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    path = Path("sub") / name
    path.write_text(DENIED, encoding="utf-8")
    for given in (str(path), str(path.absolute())):
        for each in run_of(judge((given, DENIED), (given, INVALID)))["results"]:
            location = each["locations"][0]["physicalLocation"]["artifactLocation"]
            assert location["uriBaseId"] == ROOT
            assert location["uri"].isascii()
            assert unquote_to_bytes(location["uri"]) == os.fsencode(path)


def test_what_lies_outside_has_an_absolute_uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for given in ("../w x.yaml", str(tmp_path / "w x.yaml")):
        location = results(judge((given, DENIED)))[0]["locations"][0]["physicalLocation"]["artifactLocation"]
        assert location == {"uri": (tmp_path / "w x.yaml").as_uri()}


def test_a_file_in_shared_memory_is_a_file_as_on_a_disk() -> None:
    location = results(judge((f"{SHARED}/w.yaml", DENIED)))[0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert location == {"uri": f"file://{SHARED}/w.yaml"}


def test_the_checkout_that_ci_names_is_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    for acting, uri in (("", "w.yaml"), ("true", "sub/w.yaml")):
        monkeypatch.setenv("GITHUB_ACTIONS", acting)
        location = results(judge(("w.yaml", DENIED)))[0]["locations"][0]["physicalLocation"]["artifactLocation"]
        assert location["uri"] == uri


@pytest.mark.parametrize("name", ["<stdin>", "/dev/fd/63", f"{SHARED}/../fd/63", "/proc/self/fd/3"])
def test_what_came_through_a_pipe_is_no_artifact(name: str) -> None:
    for each in results(judge((name, DENIED))):
        assert "physicalLocation" not in each["locations"][0]
        assert each["locations"][0]["logicalLocations"][0]["name"] == "sort"
    run = run_of(judge((name, INVALID)))
    assert run["results"] == []
    assert "only `Workload` is read" in run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]


# ---- the same finding again


def fingerprints(text: str) -> dict[str, Any]:
    return {each["ruleId"]: each["partialFingerprints"] for each in results(judge(("w.yaml", text)))}


def test_fingerprints_outlive_lines_and_one_of_them_facts() -> None:
    before = fingerprints(DENIED)["data-stays-in-network"]
    assert "primaryLocationLineHash" not in before  # GitHub's own
    moved = fingerprints(DENIED.replace("spec:\n", "# a line more\n\nspec:\n"))["data-stays-in-network"]
    assert moved == before
    region = "proposed-region-outside-residency"
    named = DENIED.replace("model: gpt-4o}", "model: gpt-4o, region: us}")
    old, new = fingerprints(DENIED)[region], fingerprints(named)[region]
    assert old["policyFindingIdentity/v1"] == new["policyFindingIdentity/v1"]
    assert old["policyFindingFacts/v1"] != new["policyFindingFacts/v1"]


# ---- what does not count


def test_a_waiver_in_use_is_a_suppression_with_its_reason() -> None:
    (found,) = results(judge(("w.yaml", WAIVABLE), waivers=[waiver()]), finding="waiver")
    (suppression,) = found["suppressions"]
    assert (suppression["kind"], suppression["status"]) == ("external", "accepted")
    assert "OPS-7: the team starts in March" in suppression["justification"]
    assert "through 2026-12-31" in suppression["justification"]


def test_an_expired_waiver_is_a_note_and_suppresses_nothing() -> None:
    judged = judge(("w.yaml", WAIVABLE), waivers=[waiver("it ended on 2026-11-20")])
    assert [each["level"] for each in results(judged, finding="waiver-not-honoured")] == ["note"]
    assert all(each["suppressions"] == [] for each in results(judged))
    (denied,) = results(judged, effect="deny")
    assert denied["ruleId"] == "no-mlops-no-self-hosting"


def test_what_a_baseline_accepts_is_suppressed_and_keeps_its_level() -> None:
    judged = accepting(judge(("w.yaml", DENIED)), "data-stays-in-network")
    for found in results(judged):
        accepted = found["ruleId"] == "data-stays-in-network"
        assert bool(found["suppressions"]) is accepted
        if accepted:
            assert found["level"] == "error"
            assert "2027-03-31: known since the audit of May" in found["suppressions"][0]["justification"]


# ---- what was not judged


def test_an_invalid_file_is_a_result_and_a_notification() -> None:
    run = run_of(judge(("bad.yaml", INVALID), ("open.yaml", OPEN)), 2)
    (result,) = [each for each in run["results"] if each["ruleId"] == "invalid-file/workload-kind"]
    place = result["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]) == ("bad.yaml", {"startLine": 2, "startColumn": 7})
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    (notification,) = invocation["toolExecutionNotifications"]
    assert notification["level"] == "error"
    described = {each["id"] for each in run["tool"]["driver"]["notifications"]}
    assert notification["descriptor"]["id"] in described


def test_what_stopped_the_run_is_said() -> None:
    judged = judge(("w.yaml", DENIED))
    judged.stop((Problem("ledger", "the ledger refused", None, "look at it"),))
    run = run_of(judged, 6)
    assert run["results"] == []
    (invocation,) = run["invocations"]
    assert (invocation["executionSuccessful"], invocation["exitCode"]) == (False, 6)
    assert "the ledger refused" in invocation["exitCodeDescription"]
    assert invocation["toolExecutionNotifications"][0]["message"]["text"] == "the ledger refused; look at it"


def test_a_denial_is_a_successful_run() -> None:
    (invocation,) = run_of(judge(("w.yaml", DENIED)), 1)["invocations"]
    assert invocation["executionSuccessful"] is True


# ---- hostile text


def test_a_stranger_writes_no_link_no_placeholder_and_no_broken_json() -> None:
    judged = judge(("w.yaml", DENIED.replace("name: sort", f"name: {json.dumps(HOSTILE)}")))
    judged.problems.append(Problem("x", f"`{HOSTILE}\udcff\x00`", Span("\udcff.yaml", 1, 1), HOSTILE))
    run = run_of(judged)
    assert run["results"][1]["locations"][0]["logicalLocations"][0]["name"] == HOSTILE
    text = run["results"][0]["message"]["text"]
    assert "](" not in text
    assert "{{0}}" in text
    assert "\x00" not in text
    assert "\\udcff" in text


def test_ten_thousand_findings() -> None:
    run = json.loads(render(many(10_000), 1))["runs"][0]  # the schema would take a minute
    assert len(run["results"]) == 10_000
    assert len({each["partialFingerprints"]["policyFindingFacts/v1"] for each in run["results"]}) == 10_000


# ---- where it comes from


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        (
            {
                "GITHUB_ACTIONS": "true",
                "GITHUB_SERVER_URL": "https://github.com",
                "GITHUB_REPOSITORY": "acme/w",
                "GITHUB_SHA": "ab12",
                "GITHUB_REF_NAME": "main",
            },
            {"repositoryUri": "https://github.com/acme/w", "revisionId": "ab12", "branch": "main"},
        ),
        (
            {"GITLAB_CI": "true", "CI_PROJECT_URL": "https://gitlab.com/acme/w", "CI_COMMIT_SHA": "ab12"},
            {"repositoryUri": "https://gitlab.com/acme/w", "revisionId": "ab12"},
        ),
        ({"POLICY_REPOSITORY": "https://git.acme.example/w"}, {"repositoryUri": "https://git.acme.example/w"}),
        ({"POLICY_REPOSITORY": "acme/w", "POLICY_COMMIT": "ab12"}, None),
        ({"POLICY_REPOSITORY": "https://user:secret@git.acme.example/w"}, None),
        ({"POLICY_REPOSITORY": "https://[broken"}, None),
        ({}, None),
    ],
)
def test_provenance(
    environment: dict[str, str], expected: dict[str, str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GITHUB_ACTIONS", "GITLAB_CI", "POLICY_REPOSITORY", "POLICY_COMMIT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    run = run_of(Judged())
    found = run.get("versionControlProvenance")
    assert found == ([{**expected, "mappedTo": {"uriBaseId": ROOT}}] if expected else None)
    assert "secret" not in json.dumps(run)
