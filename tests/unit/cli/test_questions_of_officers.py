"""Every question of the documentation, asked of a ledger in which everything has happened through the commands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from policy_audit.canonical import document_bytes
from policy_audit.entry import Blob, EntryType
from policy_audit.ledger import Draft, open_ledger

from policy_engine.cli.audit_list import TYPES
from tests.unit.cli.conftest import Outcome
from tests.unit.cli.everything import GUEST, OFFICER, OWNER, Everything, copied, perform
from tests.unit.cli.waiver_scene import RITA, Scene
from tests.unit.waivers.making import ANN, OPTION, RULE

Run = Callable[..., Outcome]
README = (Path(__file__).parents[3] / "audit" / "README.md").read_text(encoding="utf-8")
SECTION = README.partition("## The officer's questions")[2].partition("\n## ")[0]
QUESTIONS = dict(re.findall(r"^\| (.+) \| `policy (.+)` \|$", SECTION, re.MULTILINE))
TODAY = datetime.now(UTC).date()
_MADE: list[Everything] = []


@pytest.fixture
def made(
    policy: Run, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Everything:
    """What happened, with a copy of the ledger that the settings name."""
    if not _MADE:
        _MADE.append(perform(Scene(tmp_path_factory.mktemp("everything"), policy, monkeypatch.setenv)))
    monkeypatch.setenv("POLICY_LEDGER", f"sqlite:///{copied(_MADE[0], tmp_path)}")
    monkeypatch.setenv("POLICY_ACTOR", OFFICER)
    return _MADE[0]


def rows(found: Any, **wanted: Any) -> list[dict[str, Any]]:
    """The rows that have these cells."""
    listed: list[dict[str, Any]] = found.get("rows", found.get("decisions", found.get("entries", [])))
    return [row for row in listed if all(row[name] == value for name, value in wanted.items())]


def summary(found: Any) -> dict[str, Any]:
    return {row["name"]: row["value"] for row in found["summary"]}


def waivers(found: Any, made: Everything) -> None:
    (row,) = rows(found, waiver=made.waiver)
    assert (row["status"], row["rule"], row["option"], row["ticket"]) == ("revoked", RULE, OPTION, "OPS-7")
    assert (row["requester"], row["approvers"], row["self_approved"]) == (RITA, [ANN.identity], "kept apart")
    entries = ("requested_entry", "granted_entry", "last_use_entry", "revoked_entry")
    assert [row[name] for name in entries] == [5, 6, 8, 9]
    assert (row["uses"], row["used_out_of_time"]) == (1, 0)


def in_force(found: Any, made: Everything) -> None:
    (active, used) = found["rows"]
    assert (active["event"], active["policy_digest"], active["entry"]) == ("activated", made.policies[1], 11)
    assert (active["approvers"], active["approvals_needed"], active["actor"]) == (["ann", "bob"], 2, RITA)
    assert (used["event"], used["policy_digest"], used["decisions"]) == ("decided under", made.policies[1], 2)
    assert summary(found) == {"activated policy is that of the last decision": True}


def changes(found: Any, made: Everything) -> None:
    told = [(row["event"], row["policy_digest"], row["entry"]) for row in found["rows"]]
    old, new = made.policies
    assert told == [
        ("proposed", old, 0),
        ("activated", old, 1),
        ("decided under", old, 2),
        ("proposed", new, 10),
        ("activated", new, 11),
        ("decided under", new, 12),
    ]


def duties(found: Any, made: Everything) -> None:
    told = [(row["type"], row["finding"], row["approved"]) for row in found["rows"]]
    assert told == [
        ("policy-activation", "proposed", ["ann"]),
        ("policy-activation", "kept apart", ["ann", "bob"]),
        ("waiver-granted", "kept apart", [ANN.identity]),
        ("policy-activation", "proposed", ["ann"]),
        ("policy-activation", "kept apart", ["ann", "bob"]),
    ]


def erasures(found: Any, made: Everything) -> None:
    told = [(row["outcome"], row["values"], row["holds"], row["reason"]) for row in found["rows"]]
    assert told == [
        ("refused", None, ["case-7"], "asked to"),
        ("erased", 1, [], "asked to"),
        ("key changed", None, [], "a backup was lost"),
    ]
    assert {row["actor"] for row in found["rows"]} == {OFFICER}


def retention(found: Any, made: Everything) -> None:
    holds = {row["name"]: row for row in rows(found, kind="hold")}
    assert {name: row["state"] for name, row in holds.items()} == {"case-7": "released", "case-8": "active"}
    assert holds["case-7"]["released_entry"] is not None
    assert "claims" in holds["case-8"]["covers"]
    periods = rows(found, kind="period")
    assert {row["months"] for row in periods} >= {72, 6}
    assert (
        sum(row["entries"] for row in periods)
        + sum(row["value"] for row in found["summary"] if row["name"].startswith("covered"))
        == found["checkpoint"]["size"]
    )
    assert (summary(found)["active holds"], summary(found)["personal values due"]) == (1, 0)


def gaps(found: Any, made: Everything) -> None:
    kinds = [row["kind"] for row in found["rows"]]
    assert kinds == ["watching broke off", "key-rotation", "restore"]
    assert rows(found, kind="key-rotation")[0]["what"] == "reason yearly"
    assert "backup of Sunday" in rows(found, kind="restore")[0]["what"]


def hipaa(found: Any, made: Everything) -> None:
    told = [(row["type"], row["actor"], row["count"]) for row in found["rows"]]
    assert [each[:2] for each in told] == [("officer-query", OFFICER)] * 2 + [("export", OFFICER)]
    assert told[0][2] == told[2][2] == 6


def incident(found: Any, made: Everything) -> None:
    types = {row["type"] for row in found["rows"]}
    assert types == {str(kind) for kind in EntryType} - NEVER
    assert all(row["what"] for row in found["rows"])


def flipped(found: Any, made: Everything) -> None:
    (row,) = rows(found, fact="spec.team.mlops")
    assert (row["before"], row["after"], row["changed"]) == ('"none"', '"mature"', ["facts"])
    assert (row["denied_entry"], row["allowed_entry"]) == (12, 13)
    assert RULE in row["rules_that_read_it"]
    (waived,) = [row for row in found["rows"] if row["allowed_entry"] == 7]
    assert (waived["denied_entry"], waived["changed"], waived["fact"]) == (4, ["waiver"], None)
    assert waived["after"].startswith(made.waiver[:16])


def denials(found: Any, made: Everything) -> None:
    told = [(row["entry"], row["denied_before"], row["repeat"], row["owner"]) for row in found["rows"]]
    assert told == [(2, 0, False, OWNER), (3, 1, True, OWNER), (4, 2, True, OWNER), (12, 3, False, OWNER)]


def access(found: Any, made: Everything) -> None:
    assert {row["value"] for row in found["rows"]} == {OWNER}
    assert len(rows(found, type="decision", field="owner")) == 6
    assert len(rows(found, type="hold", field="subject")) == 1


def integrity(found: Any, made: Everything) -> None:
    assert found["ok"] is True
    assert {row["name"]: row["result"] for row in found["rows"]}["personal"] == "ok"
    remarks = " ".join(found["remarks"])
    assert "restored: at entry" in remarks
    assert "rotated: at entry" in remarks


def replays(found: Any, made: Everything) -> None:
    assert (found["ok"], found["rows"], found["population"]) == (True, [], 6)


def indexes(*wanted: int) -> Callable[[Any, Everything], None]:
    def check(found: Any, made: Everything) -> None:
        assert sorted(row.get("index", row.get("entry")) for row in rows(found)) == list(wanted)

    return check


def population(size: int) -> Callable[[Any, Everything], None]:
    def check(found: Any, made: Everything) -> None:
        assert found.get("population", found.get("count")) == size
        assert "checkpoint" in found

    return check


def explained(found: Any, made: Everything) -> None:
    assert found["id"] == made.decisions[0]["id"]
    assert any(row["id"] == RULE for row in found["tasks"][0]["rules"])


def models(found: Any, made: Everything) -> None:
    (row,) = found["rows"]
    assert (row["workload"], row["purpose"], row["entry"]) == ("triage", "deploy", 7)
    assert row["models"]


def reconciled(found: Any, made: Everything) -> None:
    assert found["population"] == 2


ALL = (2, 3, 4, 7, 12, 13)


#: What has to be in each answer. `policy explain` and `audit show` have no rows.
def collections(found: Any, made: Everything) -> None:
    (row,) = found["entries"]
    assert (row["type"], row["context"]["actor_known_by"]) == ("collection", "asserted")


ANSWERS: dict[str, Callable[[Any, Everything], None]] = {
    "Why was this decided?": explained,
    "Decisions on a workload": indexes(*ALL),
    "Decisions on what a person owns": indexes(*ALL),
    "Decisions in which a rule acted": indexes(2, 3, 4, 7, 12),
    "Decisions by a published criterion": indexes(2, 3, 4, 7, 12),
    "Decisions on data under a regulation": indexes(),
    "Decisions by verdict and period": indexes(2, 3, 4, 12),
    "How many?": population(4),
    "Denials and repeats": denials,
    "Waivers active, expiring, used after expiry, self-approved": waivers,
    "Which policy was in force at a time, and who activated it?": in_force,
    "Decisions under a policy": indexes(2, 3, 4, 7),
    "The ledger as of a time": indexes(*ALL),
    "Replay mismatches": replays,
    "Decisions without required evidence": indexes(),
    "Decisions past `valid_until`": indexes(),
    "Workloads that were not decided again in time": population(0),
    "What is held of a person": access,
    "Erasures and refusals": erasures,
    "Holds and due disposals": retention,
    "Gaps and restores": gaps,
    "Who read or exported what": hipaa,
    "The model in use, by workload": models,
    "A random sample, its total bound to a checkpoint": population(6),
    "SOC 2 population, and a sample of it": population(6),
    "AI Act log extract": indexes(*ALL),
    "Separation of duties": duties,
    "History of policy changes": changes,
    "Integrity certificate": integrity,
    "Timeline of an incident": incident,
    "Impact of a change of rules": population(6),
    "Denied, then allowed, and what changed between": flipped,
    "Deployed without decision, other model, expired, never deployed": reconciled,
    "Dropped before commit: the callers' counts": lambda found, made: None,
    "What was collected from runners without a ledger": collections,
}
#: No command writes these yet, or none without years that pass.
NEVER = {
    *("disposal", "catalog-refreshed"),
    *("access-token-created", "access-token-revoked", "log-ins-failed", "access-evaluated"),
    "waiver-approved",  # by the server alone
}


def test_every_type_of_entry_can_be_listed_and_every_question_is_known() -> None:
    assert set(TYPES) == {str(kind) for kind in EntryType} | {"all"}
    assert ANSWERS.keys() == QUESTIONS.keys()


@pytest.mark.parametrize("kind", sorted({str(kind) for kind in EntryType} - NEVER))
def test_everything_happened(policy: Run, made: Everything, kind: str) -> None:
    found = policy("audit", "list", "--type", kind, "--count", "-o", "json").json
    assert found["count"] > 0


def test_everything_verifies(policy: Run, made: Everything) -> None:
    for key in made.keys:
        found = policy("audit", "verify", "--vkey", key, "--kept", made.worm, "--recompute")
        assert found.status == 0, found.out


@pytest.mark.parametrize("question", QUESTIONS)
def test_each_question_has_the_answer_that_it_must_have(
    policy: Run, made: Everything, tmp_path: Path, question: str
) -> None:
    (tmp_path / "inventory.csv").write_text(
        "namespace,workload,deployment,model\nclaims,triage,self_hosted,llama-3.1-8b\nclaims,unknown,edge,m\n",
        encoding="utf-8",
    )
    (tmp_path / "counts.csv").write_text("run,decisions\n17,0\n", encoding="utf-8")
    digests = iter(made.policies)
    words = {
        "PERSON": OWNER,
        "KEY": made.keys[0],
        "ID": made.decisions[0]["id"],
        "support/triage": "claims/triage",
        "data-stays-in-network": RULE,
        "DATA-01": "OPS-01",
        "2026-01-01": (TODAY - timedelta(days=1)).isoformat(),
        "2026-03-31": (TODAY + timedelta(days=1)).isoformat(),
    }
    command = [
        next(digests) if word == "DIGEST" else words.get(word, word) for word in shlex.split(QUESTIONS[question])
    ]
    found = policy(*command, "-o", "json")
    assert found.status == 0, (command, found.err)
    ANSWERS[question](found.json, made)


def test_what_was_erased_is_told_by_a_word(policy: Run, made: Everything) -> None:
    found = policy("audit", "report", "ai-act-log", "-o", "json").json
    assert [row["actor"] for row in found["rows"]][:2] == ["(erased)", RITA]
    assert policy("audit", "report", "access", "--subject", GUEST, "-o", "json").json["rows"] == []
    same = policy("audit", "report", "access", "--subject", f" {OWNER.upper()} ", "-o", "json").json
    assert [row["type"] for row in same["rows"]] == ["decision"] * 6 + ["hold"] + ["officer-query"] * 2


def test_without_the_personal_key_values_are_sealed(policy: Run, made: Everything, tmp_path: Path) -> None:
    (tmp_path / "waivers.db.key.personal").unlink()
    found = policy("audit", "report", "ai-act-log", "-o", "json").json
    assert {row["owner"] for row in found["rows"]} == {"(sealed)"}
    assert found["rows"][0]["actor"] == "(erased)"
    told = policy("audit", "report", "separation-of-duties", "-o", "json").json
    assert rows(told, type="waiver-granted")[0]["finding"] == "cannot be told"
    (row,) = policy("audit", "report", "waivers", "-o", "json").json["rows"]
    assert (row["requester"], row["approvers"], row["self_approved"]) == ("(sealed)", ["(sealed)"], "cannot be told")
    assert policy("audit", "report", "access", "--subject", OWNER).status == 6
    assert policy("audit", "report", "integrity", "--vkey", made.keys[0]).status == 0


def test_the_register_verifies_signatures_by_the_layers_that_are_named(policy: Run, made: Everything) -> None:
    layer = str(made.folder / "acme")
    before = policy("waiver", "list", "--all", "--policy", layer, "-o", "json").json["waivers"]
    (row,) = policy("audit", "report", "waivers", "--policy", layer, "-o", "json").json["rows"]
    assert row["signatures"] == before[0]["signatures"]
    granted = rows(policy("audit", "list", "--type", "all", "--oldest-first", "-o", "json").json, index=6)[0]
    then = policy("audit", "report", "waivers", "--policy", layer, "--as-of", granted["recorded_at"], "-o", "json")
    (row,) = then.json["rows"]
    assert (row["status"], row["signatures"], row["uses"]) == ("active", "verified", 0)
    assert summary(then.json)["active"] == 1
    far = policy("audit", "report", "waivers", "--at", "2999-01-01", "-o", "json").json
    assert summary(far)["active"] == 0
    soon = ("audit", "report", "waivers", "--as-of", granted["recorded_at"], "-o", "json", "--within")
    assert [summary(policy(*soon, days).json)["expiring"] for days in ("29", "31")] == [0, 1]


def test_what_will_be_due_is_told_for_a_day_to_come(policy: Run, made: Everything) -> None:
    found = policy("audit", "report", "retention", "--at", "2099-01-01", "-o", "json").json
    due = rows(found, kind="due")
    assert due, "no period lasts so long"
    held = {row["name"]: row["entries"] for row in rows(found, kind="hold")}
    assert held["case-8"] >= len(ALL)
    assert not {row["entry"] for row in due} & set(ALL), "the hold on the workload covers them"


def test_the_policy_in_force_before_the_second_activation(policy: Run, made: Everything) -> None:
    listed = policy("audit", "list", "--type", "all", "--oldest-first", "-o", "json").json
    times = {row["index"]: row["recorded_at"] for row in listed["entries"]}
    for index, digest in ((0, None), (1, made.policies[0]), (10, made.policies[0]), (11, made.policies[1])):
        found = policy("audit", "report", "policy-in-force", "--at", times[index], "-o", "json").json
        active = rows(found, event="activated")
        assert [row["policy_digest"] for row in active] == ([digest] if digest else []), index


def test_a_kept_checkpoint_counts_in_the_certificate(policy: Run, made: Everything, tmp_path: Path) -> None:
    found = policy("audit", "report", "integrity", "--vkey", made.keys[0], "--kept", made.worm, "-o", "json").json
    assert {row["name"]: row["result"] for row in found["rows"]}["kept"] == "ok"
    with open_ledger(f"sqlite:///{tmp_path}/other.db") as other:
        other.append(Draft(EntryType.HEARTBEAT))
        (tmp_path / "foreign").write_text(other.checkpoint(), encoding="utf-8")
    foreign = policy("audit", "report", "integrity", "--vkey", made.keys[0], "--kept", str(tmp_path / "foreign"))
    assert foreign.status == 6


def test_a_decision_that_does_not_follow_is_a_mismatch(policy: Run, made: Everything, tmp_path: Path) -> None:
    """Whoever holds the key can record what no rules gave: all else verifies."""
    import json

    with open_ledger(f"sqlite:///{tmp_path}/waivers.db") as ledger:
        entry = ledger.entry(2).document
        decided = json.loads(ledger.blob(entry["blobs"]["decision"]))
        decided["tasks"][0]["verdict"] = decided["verdict"] = "allow"
        blobs = {role: Blob(ledger.blob(digest)) for role, digest in entry["blobs"].items()}
        content = document_bytes(decided)
        draft = Draft(EntryType.DECISION, body=entry["body"], context=entry["context"], blobs=blobs)
        view = {**entry["view"], "verdict": "allow", "decision_id": sha256(content).hexdigest()}
        forged = replace(draft, blobs={**blobs, "decision": Blob(content)}, view=view, tags=entry.get("tags", {}))
        index = ledger.append(forged).index
    assert policy("audit", "verify").status == 0
    found = policy("audit", "report", "replay-mismatches", "-o", "json")
    assert (found.status, found.json["ok"], found.json["population"]) == (6, False, 7)
    (row,) = found.json["rows"]
    assert (row["entry"], row["result"], row["judged"]) == (index, "differs", "failed")
    assert any("verdict" in path for path in row["differs_in"])
    before = policy("audit", "report", "replay-mismatches", "--until", "2020-01-01", "-o", "json")
    assert (before.status, before.json["population"]) == (0, 0)
