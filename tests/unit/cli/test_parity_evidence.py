"""A report of models compared, from the command that records it to the decision that rests on it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from policy_audit.ledger import EntryType, open_ledger

from tests.unit.cli.conftest import Outcome
from tests.unit.cli.parity_scene import EVIDENCE, LABELS, SECRET, ParityScene


@pytest.fixture
def scene(tmp_path: Path, policy: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch) -> ParityScene:
    monkeypatch.setenv("POLICY_LEDGER", f"sqlite:///{tmp_path}/l.db")
    return ParityScene(tmp_path, policy)


def equivalent(scene: ParityScene, *arguments: str) -> Outcome:
    """Record a report by which the candidate is equivalent: it answers as the model in use does."""
    found = scene.run(
        "parity", "w.yaml", "--golden", "golden.jsonl", "--current", "gpt-4o=gpt-4o.jsonl", "--candidate",
        "qwen3-14b=alike.jsonl", "--record", "--resamples", "1000", *arguments,
    )  # fmt: skip
    assert found.status == 0, found.err
    return found


def why(scene: ParityScene) -> dict[str, str | None]:
    decided = scene.decide()
    return {row["evidence"]: row["why"] for row in decided["tasks"][0]["obligations"] if row["evidence"] in EVIDENCE}


def test_a_migration_is_allowed_by_its_report_and_not_before(scene: ParityScene) -> None:
    assert scene.decide()["verdict"] == "review"
    kept = equivalent(scene, "-o", "json").json["record"]
    assert (kept["counts"], kept["problem"], kept["evidence"]) == (True, None, list(EVIDENCE))
    scene.name(ledger_index=kept["ledger"]["index"])
    decided = scene.decide()
    assert decided["verdict"] == "allow_with_conditions"
    assert {decided["evidence"][name]["grade"] for name in EVIDENCE} == {"recorded"}
    elsewhere = scene.decide("--ledger", "sqlite:///:memory:")
    assert elsewhere["verdict"] == "review", "of another ledger the index says nothing"
    for path in [*scene.folder.glob("*.jsonl"), scene.folder / "w.yaml"]:
        path.unlink()
    assert scene.run("audit", "replay", "--all", "-o", "json").json["equal"] == 2
    assert scene.run("audit", "verify", "--recompute").status == 0


def test_a_decision_of_before_reports_were_evidence_is_replayed_and_a_new_one_is_held(
    scene: ParityScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then whatever an index named counted as asserted, and why it was not recorded stood beside it."""
    scene.name(ledger_index=0)
    with monkeypatch.context() as then:
        then.setattr("policy_engine.loading.evidence._held", lambda status, *_: status)
        before = scene.decide()["evidence"]["golden_dataset"]
    assert (before["grade"], before["problem"], before["short"]) == ("asserted", None, "this ledger has no entry 0")
    assert scene.decide()["evidence"]["golden_dataset"]["problem"] is not None
    replayed = scene.run("audit", "replay", "--all", "-o", "json")
    assert (replayed.status, replayed.json["equal"]) == (0, 2), replayed.out


def test_a_receipt_counts_where_the_ledger_is_pinned_and_none_that_was_changed(scene: ParityScene) -> None:
    out = equivalent(scene, "--to", "p.tlog-proof").out
    assert "evidence.golden_dataset" in out
    key = equivalent(scene, "-o", "json").json["record"]["ledger"]["vkey"]
    (scene.folder / "acme").mkdir()
    (scene.folder / "acme" / "approvers.yaml").write_text(f"origins: [{{vkey: {key}}}]\n", encoding="utf-8")
    scene.name(receipt="p.tlog-proof", entry="p.entry.json")
    other = ("--policy", "acme", "--ledger", "sqlite:///:memory:")
    assert scene.decide(*other)["verdict"] == "allow_with_conditions"
    checked = scene.run("evidence", "check", "w.yaml", "--policy", "acme", "-o", "json").json["evidence"]
    assert {row["evidence"]: row["grade"] for row in checked}["parallel_test"] == "recorded"
    entry = scene.folder / "p.entry.json"
    entry.write_bytes(entry.read_bytes().replace(b'"equivalent"', b'"better"'))
    decided = scene.decide(*other)
    assert decided["verdict"] == "review"
    assert decided["evidence"]["golden_dataset"]["problem"] == "its receipt does not prove its entry"


def open_legs(scene: ParityScene) -> list[tuple[str | None, set[str]]]:
    """Return the models of the route's legs for which a report is asked for, each with what is outstanding of it."""
    (task,) = scene.run("route", "w.yaml", "-o", "json", "--fallbacks", "5").json["tasks"]
    legs = [leg for leg in task["legs"] if leg["deployment"] != "proprietary_api"]
    return [(leg["model"], set(EVIDENCE) & set(leg["outstanding"])) for leg in legs]


def test_a_report_is_no_evidence_of_a_fallback_that_it_does_not_name(scene: ParityScene) -> None:
    scene.document["spec"]["data"]["residency"] = ["anywhere"]
    proposal = scene.document["spec"]["tasks"][0]["proposal"]
    proposal |= {"provider": "open-model-hosting", "fallback": {**proposal, "provider": "other-hosting"}}
    scene.write()
    more = ("--candidate", "mistral-7b=mistral-7b.jsonl")
    index = equivalent(scene, *more, "-o", "json").json["record"]["ledger"]["index"]
    scene.name(ledger_index=index)
    first, *others = open_legs(scene)
    assert first == ("qwen3-14b", set())
    assert others
    assert all(owed == (set() if model == "qwen3-14b" else set(EVIDENCE)) for model, owed in others)
    assert set(why(scene).values()) == {None}
    proposal["fallback"]["model"] = "mistral-7b"
    scene.name(ledger_index=index, reference="EVAL-7")
    assert set(why(scene).values()) == {
        "its report found `mistral-7b` worse than `gpt-4o` on the task `triage`, by macro_f1"
    }
    assert scene.run("audit", "replay", "--all", "-o", "json").json["equal"] == 3


def test_a_worse_model_satisfies_nothing_whatever_is_typed_beside_it(scene: ParityScene) -> None:
    found = scene.parity("--record", "--fail-on", "worse", of=("mistral-7b", "qwen3-14b"))
    assert found.status == 1, "it is recorded all the same"
    scene.document["spec"]["tasks"][0]["proposal"]["model"] = "mistral-7b"
    scene.name(ledger_index=0, reference="EVAL-7")
    said = why(scene)
    assert set(said.values()) == {"its report found `mistral-7b` worse than `gpt-4o` on the task `triage`, by macro_f1"}
    assert scene.decide()["verdict"] == "review"
    assert scene.run("audit", "replay", "--all", "-o", "json").json["equal"] == 2


def test_a_report_of_another_model_is_none_of_the_one_proposed(scene: ParityScene) -> None:
    equivalent(scene)
    scene.document["spec"]["tasks"][0]["proposal"]["model"] = "llama-3.1-8b"
    scene.name(ledger_index=0)
    assert set(why(scene).values()) == {"it does not compare `llama-3.1-8b`, which the task `triage` proposes"}
    before = " ".join(scene.run("parity", *_arguments("llama-3.1-70b")).out.split())
    assert "on record this would be no evidence of the migration: it does not compare `llama-3.1-8b`" in before
    text = " ".join(scene.run("parity", *_arguments("llama-3.1-70b"), "--record").out.split())
    assert "it is no evidence that a model may be replaced: it does not compare `llama-3.1-8b`" in text


def _arguments(model: str) -> tuple[str, ...]:
    return (
        "w.yaml",
        "--golden",
        "golden.jsonl",
        "--current",
        "gpt-4o=gpt-4o.jsonl",
        "--candidate",
        f"{model}=alike.jsonl",
    )


def test_a_revoked_report_is_evidence_no_more_also_where_it_is_recorded_again(scene: ParityScene) -> None:
    equivalent(scene)
    done = scene.run("evidence", "revoke", "0", "--reason", "the dataset was a draft")
    assert done.status == 0, done.err
    said = equivalent(scene, "--seed", "1", "-o", "json").json["record"]
    assert (said["counts"], said["problem"]) == (False, "what it compared was revoked in the entry 1 of this ledger")
    for index in (0, 2):
        scene.name(ledger_index=index)
        assert set(why(scene).values()) == {"its entry was revoked in the entry 1 of this ledger"}
    with open_ledger(f"sqlite:///{scene.folder}/l.db", read_only=True) as ledger:
        assert ledger.entry(1).document["body"]["evidence"] == "golden_dataset, parallel_test"


@pytest.mark.parametrize("name", ["alike", "golden"])
def test_a_revoked_comparison_stays_so_however_its_files_are_written(scene: ParityScene, name: str) -> None:
    equivalent(scene)
    assert scene.run("evidence", "revoke", "0", "--reason", "the dataset was a draft").status == 0
    path = scene.folder / f"{name}.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    said = {"answer", "expected"}
    scene.lines(name, ({key: f"{row[key]} " if key in said else row[key] for key in row} for row in reversed(rows)))
    path.write_text(path.read_text(encoding="utf-8").replace(":", " : ") + "\n", encoding="utf-8")
    kept = equivalent(scene, "-o", "json").json["record"]
    assert (kept["counts"], kept["problem"]) == (False, "what it compared was revoked in the entry 1 of this ledger")


def test_one_candidate_of_a_revoked_report_is_revoked_too(scene: ParityScene) -> None:
    scene.parity("--record", of=("mistral-7b", "alike"))
    assert scene.run("evidence", "revoke", "0", "--reason", "the dataset was a draft").status == 0
    assert "revoked in the entry 1" in " ".join(equivalent(scene).out.split())
    body = scene.run("audit", "show", "1", "-o", "json").json["body"]
    names = [body["leaf"], body["attestation"], *body["compared"]]
    assert len(set(names)) == 4
    (scene.folder / "acme").mkdir()
    for name in body["compared"]:
        text = f"revoked_entries: [{name}]\n"
        (scene.folder / "acme" / "approvers.yaml").write_text(text, encoding="utf-8")
        kept = equivalent(scene, "-o", "json", "--policy", "acme", "--ledger", f"sqlite:///{scene.folder}/m.db")
        assert kept.json["record"]["counts"] == (name == body["compared"][0])


def test_a_report_ends_on_its_day(scene: ParityScene) -> None:
    equivalent(scene, "--valid-until", "2099-01-31")
    scene.name(ledger_index=0)
    assert scene.decide("--at", "2099-01-31T12:00:00Z")["evidence"]["golden_dataset"]["ends"] == "2099-01-31"
    assert scene.decide("--at", "2099-02-01T00:00:00Z")["verdict"] == "review"


def test_no_text_of_anybody_is_on_record_and_the_entry_reads_well(scene: ParityScene) -> None:
    equivalent(scene)
    with open_ledger(f"sqlite:///{scene.folder}/l.db", read_only=True) as ledger:
        (entry,) = ledger.list_entries(type=EntryType.EVALUATION_REPORT)
    for text in (SECRET, "Meier", *LABELS, "jsonl"):
        assert text.encode() not in entry.raw
    shown = scene.run("audit", "show", "0").out
    assert "macro F1 of 400 examples: 0.9800, and 0.9800 of gpt-4o" in " ".join(shown.split())
    assert "golden_dataset, parallel_test" in shown
    assert scene.run("audit", "show", "0", "-o", "json").json["body"] == entry.document["body"]


def test_nothing_is_told_that_the_ledger_refused(scene: ParityScene) -> None:
    (scene.folder / "l.db").write_bytes(b"no database" * 100)
    found = scene.parity("--record")
    assert (found.status, found.out) == (6, "")


def test_the_entry_is_told_where_the_report_cannot_be_shown(
    scene: ParityScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("policy_engine.plots.canvas.write_whole", full)
    found = scene.parity("--record", "--plot", "p.svg")
    assert (found.status, found.out) == (2, "")
    assert "the report is on record all the same: entry 0 of " in found.err
    monkeypatch.setattr("policy_engine.cli.ledger_reading.write_whole", full)
    assert "the report is on record all the same: entry 1 of " in scene.parity("--record", "--to", "p.tlog-proof").err


def test_nothing_is_recorded_of_files_that_are_wrong(scene: ParityScene) -> None:
    (scene.folder / "qwen3-14b.jsonl").write_text('{"id": "t0"}\n{"id": "t1", }\n', encoding="utf-8")
    found = scene.parity("--record")
    assert (found.status, found.out) == (2, "")
    assert "qwen3-14b.jsonl:2:14: error: it is no JSON" in found.err
    assert not (scene.folder / "l.db").exists()


def test_a_name_that_no_entry_holds_is_refused(scene: ParityScene) -> None:
    found = scene.run("parity", *_arguments("mode\u0301le"), "--record")
    assert (found.status, found.out) == (2, "")
    assert "Traceback" not in found.err
