"""What was decided is never answered on what it stood on before: waivers, evidence, tokens and days that changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec.structs import replace
from policy_audit.ledger import Draft, EntryType, open_ledger

from policy_engine.access.tokens import revoked_draft
from policy_engine.decide import Decider
from policy_engine.loading.evidence import check_evidence
from policy_engine.loading.workload_file import load_workloads
from policy_engine.recorder import Context
from policy_engine.service import answering, service
from policy_engine.service.ground import BEARING
from policy_engine.service.ledgers import LedgerDoor
from policy_engine.waivers import on_record
from tests.property.worlds import shipped
from tests.serving import WORKLOAD, Server, make_token, serving
from tests.unit.cli.conftest import (  # noqa: F401 - fixtures
    Outcome,
    cache,
    own_folders,
    parsed_once,
    policy,
)
from tests.unit.cli.waiver_scene import Scene
from tests.unit.waivers.making import ANN


@pytest.fixture
def scene(
    tmp_path: Path,
    policy: Callable[..., Outcome],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> Scene:
    return Scene(tmp_path, policy, monkeypatch.setenv)


@pytest.fixture
def server(scene: Scene) -> Iterator[Server]:
    scene.decide()
    with serving(f"sqlite:///{scene.ledger}", layers=(scene.layer,)) as running:
        yield running


def ask(server: Server, body: str | bytes, token: str | None = None) -> Any:
    with server.client(token) as client:
        return client.post("/v1/decisions", content=body, headers={"Content-Type": "application/yaml"})


def waivers_in(decision: dict[str, Any]) -> list[tuple[bool, str | None]]:
    return [(row["applies"], row["why"]) for row in decision["tasks"][0].get("waivers", ())]


def test_a_waiver_counts_from_its_grant_to_its_revocation(scene: Scene, server: Server) -> None:
    body = scene.workload.read_bytes()
    assert [ask(server, body).json()["verdict"] for _ in range(2)] == ["deny", "deny"]
    waiver = scene.granted()
    for _ in range(2):
        decision = ask(server, body).json()
        assert (decision["verdict"], waivers_in(decision)) == ("allow_with_conditions", [(True, None)])
    used = scene.entries(EntryType.WAIVER_USED)
    assert [each["body"]["decision"] for each in used][-1] == decision["id"]
    assert len(used) == 2
    assert scene.run("waiver", "revoke", waiver[:12], "--reason", "over").status == 0
    for _ in range(2):
        decision = ask(server, body).json()
        assert (decision["verdict"], waivers_in(decision)) == ("deny", [(False, "it was revoked")])
    found = scene.run("audit", "replay", "--all", "--policy", str(scene.layer))
    assert found.status == 0, found.out + found.err
    assert scene.verified()


def test_a_waiver_that_a_clock_ahead_granted_counts_from_then_on(
    scene: Scene, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
    granted_at, read = clock + timedelta(seconds=3), on_record.record_of

    def record_of(entry: Any, kind: EntryType) -> on_record.Record:
        found = read(entry, kind)
        return replace(found, recorded_at=granted_at) if kind == EntryType.WAIVER_GRANTED else found

    scene.granted()
    monkeypatch.setattr(on_record, "record_of", record_of)
    monkeypatch.setattr(answering, "now", lambda: clock)
    found = []
    for _ in range(3):
        found += waivers_in(ask(server, scene.workload.read_bytes()).json())
        clock += timedelta(seconds=2)
    assert found == [(False, "it was granted after the decision's time")] * 2 + [(True, None)]


def test_evidence_counts_until_it_is_revoked(scene: Scene, server: Server) -> None:
    raw = yaml.safe_load(scene.workload.read_text(encoding="utf-8"))
    (scene.folder / "soc2.txt").write_bytes(b"controls")
    digest = sha256(b"controls").hexdigest()
    raw["spec"]["evidence"] = {"security_controls": {"file": "soc2.txt", "sha256": digest}}
    scene.workload.write_text(yaml.safe_dump(raw), encoding="utf-8")
    scene.actor(ANN.identity)
    recorded = scene.run("evidence", "record", str(scene.workload), "security_controls", "--policy", str(scene.layer))
    assert recorded.status == 0, recorded.err
    index = int(recorded.out.removeprefix("recorded: entry ").partition(",")[0])
    raw["spec"]["evidence"]["security_controls"]["ledger_index"] = index
    parts = {"workload": json.dumps(raw), "soc2.txt": b"controls"}

    def grade() -> str:
        with server.client() as client:
            answer = client.post("/v1/decisions", files=[(name, (None, content)) for name, content in parts.items()])
        return str(answer.json()["evidence"]["security_controls"]["grade"])

    assert [grade(), grade()] == ["recorded", "recorded"]
    assert scene.run("evidence", "revoke", str(index), "--reason", "changed").status == 0
    assert [grade(), grade()] == ["attached", "attached"]
    parts["soc2.txt"] = b"others"
    assert [grade(), grade()] == ["asserted", "asserted"]


def test_a_token_counts_until_it_is_revoked_elsewhere(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    body = json.dumps(WORKLOAD)
    with serving(url) as server:
        mine, other = make_token(url, "decide"), make_token(url, "decide")
        assert ask(server, body, mine).status_code == 200
        with open_ledger(url) as ledger:
            by = Context("draft", None, "asserted", {})
            ledger.append(revoked_draft(mine.split("_")[1], "it leaked", by))
            size = ledger.latest([each.value for each in EntryType])
        refused = ask(server, body, mine)
        assert (refused.status_code, refused.json()["code"]) == (401, "token-revoked")
        assert ask(server, body, other).status_code == 200
    with open_ledger(url, read_only=True) as ledger:
        (failed,) = ledger.list_entries(type="log-ins-failed")
        assert failed.document["body"]["failures"] == [
            {"reason": "token-revoked", "token": mine.split("_")[1], "count": 1}
        ]
        made = [entry.index for entry in ledger.list_entries(type="decision", newest_first=False)]
        assert sorted([*made, failed.index]) == [2, size, size + 1]
        assert made[0] == 2


def test_each_kind_of_entry_that_bears_on_decisions_makes_a_new_ground(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    appendable = sorted(BEARING - {"key-rotation", "erasure", "disposal", "personal-key-rotation", "restore"})
    with serving(url) as server, open_ledger(url) as ledger:
        running = server.service
        assert running is not None
        for kind in appendable:
            assert ask(server, json.dumps(WORKLOAD), None).status_code in (200, 401)
            before = running._ground
            size = ledger.append(Draft(EntryType(kind), body={"made": "up"})).tree_size
            answer = ask(server, json.dumps(WORKLOAD))
            assert running._ground is not before, kind
            assert running._ground is not None
            assert running._ground.size == size
            assert answer.status_code == 200, answer.text


DAY = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.mark.parametrize(
    "moments",
    [
        [
            DAY + timedelta(hours=23, minutes=59, seconds=59),
            DAY + timedelta(days=1),
            DAY + timedelta(days=1, seconds=1),
        ],
        [DAY, DAY - timedelta(days=365), DAY + timedelta(days=365), DAY],
    ],
    ids=["midnight", "the clock is set back, and forward"],
)
def test_the_day_of_a_decision_is_that_of_the_clock(
    tmp_path: Path, moments: list[datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oracle: deciding anew, by the way that the command line goes."""
    raw = {
        **WORKLOAD,
        "spec": {**WORKLOAD["spec"], "evidence": {"dpa": {"reference": "R", "valid_until": "2026-11-24"}}},
    }
    body, engine = json.dumps(raw), Decider(shipped())
    (loaded,) = load_workloads(body, None, engine.policy.vocabulary)
    clock = moments[0]
    monkeypatch.setattr(answering, "now", lambda: clock)
    monkeypatch.setattr(service, "now", lambda: clock)
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    monkeypatch.setattr(LedgerDoor, "_open", lambda _: open_ledger(url, clock=lambda: clock))
    with serving(url) as server:
        for moment in moments:
            clock = moment
            evidence = check_evidence(loaded.workload, moment.date(), tmp_path)
            expected = engine.decide(loaded.workload, evidence, moment).id
            assert [ask(server, body).json()["id"] for _ in range(2)] == [expected] * 2, moment
