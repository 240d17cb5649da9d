"""What an attacker tries, and what finds it: each row of the table in audit/README.md, done on a real database.

The attacker has all rights in the database, and drops and restores its triggers; where it says so, the signing key as
well. What finds it is what a user has: a command, or a call that is documented.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from policy_audit.anchors.place import parse_place
from policy_audit.anchors.rounds import Rounds, make_anchor
from policy_audit.checkpoint import Checkpoint, sign_checkpoint
from policy_audit.commitment import Disclosure
from policy_audit.entry import parse_entry
from policy_audit.errors import LedgerError
from policy_audit.heartbeat import BEAT, OFF, ON, gaps, heartbeat
from policy_audit.keys import generate_signer, write_key_file
from policy_audit.ledger import Draft, Ledger, Recorded
from policy_audit.verify import main as verify_alone

from policy_engine.loading.policy import load_policy
from policy_engine.loading.rule_document import rule_document, waivable_digest
from policy_engine.model.waiver import Requester
from policy_engine.waivers.on_record import granted_draft
from tests.integration.tampering import (
    Attack,
    change_byte,
    change_entry_and_all_that_follows_from_it,
    sql,
)
from tests.integration.threatened import (
    Outcome,
    Victim,
    asked,
    delete,
    delete_and_close_the_gap,
    drop_tail,
    everything,
    failing,
    forgeries,
    guess,
    in_process,
    insert,
    person,
    problem,
    reorder,
    rolled_back,
    swallow_entries,
)
from tests.stores import Store
from tests.unit.cli.waiver_scene import Scene, code
from tests.unit.waivers.making import ANN, RULE, SALT, signed, statement
from tests.witness import Witness, WitnessKey, served

ROOT = Path(__file__).parents[2]


@pytest.fixture
def policy(
    capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path, parsed_rules: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Outcome]:
    """Run `policy` with these arguments, in this process."""
    return in_process(capfdbinary, tmp_path, parsed_rules, monkeypatch)


@pytest.fixture
def victim(store: Store, tmp_path: Path, policy: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch) -> Victim:
    return Victim(store, tmp_path, policy, monkeypatch.setenv)


# --- edit an entry's bytes, or a query column ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attack", "step", "index"),
    [
        (change_byte, "entries", 6),
        (change_entry_and_all_that_follows_from_it, "tree", 4),
        (sql("UPDATE log_entry SET recorded_at = '2020-01-01T00:00:00.000000Z' WHERE leaf_index = 3"), "entries", 3),
        (sql("UPDATE decision SET verdict = 'allow' WHERE leaf_index = 3"), "view", 3),
        (sql("UPDATE decision SET run = 'ci-8' WHERE leaf_index = 3"), "view", 3),
        (sql("UPDATE tag SET value = 'another' WHERE tag_set = 1 AND kind = 'rule'"), "view", 1),
        (sql("UPDATE decision SET tag_set = 0 WHERE leaf_index = 3"), "view", 3),
        (sql("UPDATE blob SET content = X'00' WHERE content = ?", b'{"n":3}'), "blobs", 3),
    ],
    ids=["bytes", "bytes and all that follows", "time", "verdict", "run", "tag", "tags of another", "document"],
)
def test_edit_an_entry_or_a_query_column(victim: Victim, attack: Attack, step: str, index: int) -> None:
    assert victim.verify()[0] == 0
    with victim.store.administrator() as connection:
        attack(connection)
    status, report = victim.verify()
    assert (status, report["ok"], report["first_failing_index"]) == (6, False, index)
    assert step in failing(report)


# --- delete, insert or reorder in the middle ----------------------------------------------------------------------


@pytest.mark.parametrize("attack", [delete, delete_and_close_the_gap, insert, reorder])
def test_delete_insert_or_reorder_in_the_middle(victim: Victim, attack: Attack) -> None:
    with victim.store.administrator() as connection:
        attack(connection)
    status, report = victim.verify()
    assert status == 6
    assert "tree" in failing(report)
    assert 4 <= report["first_failing_index"] <= 6, "the commit of the entries 4 to 9"


# --- drop the tail, or restore an old snapshot --------------------------------------------------------------------


HOW = ("tail", "snapshot", "went on")


@pytest.mark.parametrize("how", HOW)
def test_drop_the_tail_or_restore_an_old_snapshot(victim: Victim, how: str) -> None:
    old, kept = victim.snapshot(), victim.grow()
    rolled_back(victim, old, how)
    assert victim.verify()[0] == 0, "what is left is what the ledger once was: nothing kept, nothing found"
    assert victim.verify(*victim.checkpoints.values())[0] == 0, "and found as far as what was kept reaches"
    for each in kept:
        status, report = victim.verify(victim.checkpoints[11], each)
        assert (status, failing(report)) == (6, ["kept"])
        assert (report["first_failing_index"], report["last_failing_index"]) == (11, 11)
    alone = [str(victim.export()), "--vkey", victim.vkey]
    assert verify_alone(alone) == 0
    for each in kept:
        assert verify_alone([*alone, "--kept", str(each)]) == 6


@pytest.mark.parametrize("how", HOW)
def test_a_witness_and_a_folder_elsewhere_find_it_by_themselves(victim: Victim, how: str) -> None:
    witness = Witness(WitnessKey("witness.example/w1"), victim.vkey)
    elsewhere = victim.folder / "elsewhere"
    elsewhere.mkdir()
    old, _ = victim.snapshot(), victim.grow()
    with served(witness) as url:
        places = (f"witness:{url}#{witness.key.verifier_key}", f"file:{elsewhere}")
        with victim.open() as ledger:
            outcomes = Rounds(ledger, [make_anchor(parse_place(place)) for place in places]).once()
        assert [each.result for each in outcomes] == ["held", "held"]
        rolled_back(victim, old, how)
        found = victim.policy("audit", "anchor", "--to", places[0], "--to", places[1], "-o", "json")
    assert found.status == 6
    assert witness.statuses[:2] == [200, 409]
    alarm = "split-view" if how == "went on" else "ledger-rolled-back"
    assert [each["code"] for each in found.json["places"]] == [alarm, alarm]
    status, report = victim.verify(f"file:{elsewhere}")
    assert (status, failing(report)) == (6, ["kept"])


# --- rewrite all and sign again with a stolen key -----------------------------------------------------------------


def test_rewrite_all_and_sign_again_with_a_stolen_key(victim: Victim) -> None:
    victim.at(victim.begun_again())
    with victim.open() as ledger:
        for numbers in ([0], [1], [2], [3], range(4, 10), [10]):
            ledger.append_many([asked(number, "allow" if number == 6 else "deny") for number in numbers])
    assert victim.verify()[0] == 0, "it is a ledger as good as the true one, but for what somebody kept"
    for size, kept in victim.checkpoints.items():
        status, report = victim.verify(kept)
        assert (status, failing(report)) == (6, ["kept"])
        assert (report["first_failing_index"], report["last_failing_index"]) == (0, size - 1)
    assert victim.verify(victim.receipt)[0] == 6


def test_what_was_rewritten_lies_after_the_last_kept_checkpoint_that_agrees(victim: Victim) -> None:
    with victim.store.administrator() as connection:
        drop_tail(connection, 4)
    with victim.open() as ledger:
        ledger.append_many([asked(number, "allow" if number == 6 else "deny") for number in range(4, 10)])
        ledger.append(asked(10))
    assert victim.verify(*(victim.checkpoints[size] for size in (1, 2, 3, 4)))[0] == 0
    status, report = victim.verify(*victim.checkpoints.values())
    assert (status, failing(report)) == (6, ["kept"])
    assert (report["first_failing_index"], report["last_failing_index"]) == (4, 9)
    assert (report["steps"][7]["problems"], problem(report, "kept")) == (
        2,
        "the tree does not continue the kept checkpoint of size 10",
    )


# --- two histories for two readers --------------------------------------------------------------------------------


def test_two_histories_for_two_readers(victim: Victim, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator keeps two ledgers from entry 11 on, and shows each reader one; each verifies by itself."""
    mine, yours = victim.store, victim.snapshot()
    shown = []
    for store, verdict in ((mine, "deny"), (yours, "allow")):
        victim.at(store)
        with victim.open() as ledger:
            ledger.append(asked(11, verdict))
            shown.append(victim.keep(f"{verdict}.checkpoint", ledger.checkpoint()))
            ledger.append(asked(12))
            later = victim.keep(f"{verdict}.later", ledger.checkpoint())
        assert victim.verify(*victim.checkpoints.values())[0] == 0
    compared = ("audit", "compare", str(shown[0]))
    found = victim.policy(*compared, str(later), "--vkey", victim.vkey, "-o", "json")
    assert (found.status, found.json["result"]) == (6, "two-histories"), "of different sizes, with either ledger"
    assert verify_alone([str(victim.export()), "--vkey", victim.vkey, "--kept", str(shown[0])]) == 6
    # of one size the two files are the proof: nobody needs a ledger to see it
    monkeypatch.setenv("POLICY_LEDGER", f"sqlite:///{victim.folder}/none.db")
    found = victim.policy(*compared, str(shown[1]), "--vkey", victim.vkey, "-o", "json")
    assert (found.status, found.json["result"]) == (6, "two-histories")
    assert victim.policy(*compared, str(shown[0]), "--vkey", victim.vkey).status == 0


# --- drop an entry before commit ----------------------------------------------------------------------------------


def test_drop_an_entry_before_commit(victim: Victim) -> None:
    """By the database: it takes the entry and stores nothing. No decision is handed out, and no receipt."""
    with victim.store.connection() as connection:
        swallow_entries(connection)
    with victim.open() as ledger, pytest.raises(LedgerError):
        ledger.append(asked(11))
    workload = victim.keep(
        "w.yaml",
        "apiVersion: policy-engine/v1\nkind: Workload\nmetadata: {name: a, owner: o}\n"
        "spec: {stage: pilot, tasks: [{name: t, kind: summarisation}]}\n",
    )
    found = victim.policy("evaluate", str(workload))
    assert (found.status, found.out) == (6, "")
    with victim.open() as ledger:
        assert len(ledger.list_entries()) == 11


def test_a_program_that_answers_and_records_nothing_has_no_receipt(
    victim: Victim, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the program: it says where the entry stands, which it never wrote. The callers' own counts tell."""
    honest = Ledger.append

    def append(self: Ledger, draft: Draft) -> Recorded:
        if draft.view["decision_id"] == "d-12":
            return Recorded(12, "00" * 32, 13, "2026-01-31T12:00:00.000000Z")
        return honest(self, draft)

    monkeypatch.setattr(Ledger, "append", append)
    run = [asked(number, run="ci-8") for number in (11, 12, 13)]
    with victim.open() as ledger:
        answered = {draft.view["decision_id"]: ledger.append(draft).index for draft in run}
    assert victim.verify(*victim.checkpoints.values())[0] == 0, "the ledger cannot know what it was never told"
    assert victim.policy("audit", "prove", "d-11").status == 0
    assert victim.policy("audit", "prove", "d-12").status != 0
    with victim.open() as ledger:
        # `policy audit reconcile --runs` counts so; the column is held to the entries by `verify`.
        on_record = {each.decision_id for each in ledger.list_decisions() if each.run == "ci-8"}
    assert answered.keys() - on_record == {"d-12"}


# --- switch the log off -------------------------------------------------------------------------------------------


def test_switch_the_log_off(store: Store) -> None:
    start = datetime(2026, 1, 31, tzinfo=UTC)
    now = [start]

    def at(ledger: Ledger, hours: float, draft: Draft) -> None:
        now[0] = start + timedelta(hours=hours)
        ledger.append(draft)

    with store.open(clock=lambda: now[0]) as ledger:
        at(ledger, 0, heartbeat(ON, 3600))
        for hour in (1, 2):
            at(ledger, hour, heartbeat(BEAT))
        # from here on nothing was recorded: the watch was killed, and decisions were made without the ledger
        at(ledger, 8, heartbeat(ON, 3600))
        at(ledger, 9, heartbeat(OFF))
        at(ledger, 12, heartbeat(ON, 3600))
        # who wants to fill the gap afterwards comes too late for its place in the order
        at(ledger, 5, heartbeat(BEAT))
        at(ledger, 13, asked(0))
        found = gaps(ledger, timedelta(hours=1, minutes=30), until=start + timedelta(hours=13))
    told = [(gap.kind, gap.after, gap.before, gap.off) for gap in found]
    assert told[:3] == [("silence", 2, 3, False), ("unclean", 2, 3, False), ("silence", 4, 5, True)]
    assert (found[0].since, found[0].until) == ("2026-01-31T02:00:00.000000Z", "2026-01-31T08:00:00.000000Z")
    with store.open(clock=lambda: now[0]) as ledger:
        stopped = gaps(ledger, timedelta(hours=1, minutes=30), until=start + timedelta(hours=20))
    assert [(gap.kind, gap.before) for gap in stopped][-1] == ("silence", None), "it is off to this day"


# --- swap the key, forge a proof ----------------------------------------------------------------------------------


def test_swap_the_key(victim: Victim) -> None:
    thief = generate_signer(victim.origin)
    with victim.store.administrator() as connection:
        for size, root in connection.execute("SELECT size, root FROM log_checkpoint"):
            note = sign_checkpoint(Checkpoint(victim.origin, size, root), thief)
            connection.execute("UPDATE log_checkpoint SET note = ? WHERE size = ?", (note, size))
    victim.store.key.unlink()
    write_key_file(victim.store.key, thief)
    own = victim.policy("audit", "verify")
    assert own.status == 0
    assert "this pins the operator's own key" in " ".join(own.out.split())
    status, report = victim.verify()
    assert (status, failing(report)) == (6, ["checkpoints"])
    with victim.open() as ledger:
        forged = victim.keep("forged.tlog-proof", ledger.receipt(10))
    assert code(victim.check(forged)) == "no-known-signature"
    assert verify_alone([str(victim.export()), "--vkey", victim.vkey]) == 6


def test_forge_a_proof(victim: Victim) -> None:
    assert victim.check(victim.receipt).status == 0
    earlier = victim.checkpoints[10].read_text(encoding="utf-8")
    for number, text in enumerate(forgeries(victim.receipt.read_text(encoding="utf-8"), earlier)):
        found = victim.check(victim.keep("forged.tlog-proof", text))
        assert (found.status, found.out) == (6, ""), number
    other = victim.keep("other.json", victim.entry.read_text(encoding="utf-8").replace("deny", "dent"))
    assert victim.check(victim.receipt, other).status == 6


# --- approve one's own waiver -------------------------------------------------------------------------------------


def test_approve_ones_own_waiver(
    store: Store, tmp_path: Path, policy: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(tmp_path, policy, monkeypatch.setenv)
    monkeypatch.setenv("POLICY_LEDGER", store.url)
    monkeypatch.setenv("POLICY_LEDGER_KEY", str(store.key))
    scene.actor(ANN.identity)
    assert scene.request(until=scene.soon()).status == 0
    refused = scene.approve("ann")
    assert (refused.status, code(refused)) == (2, "self-approval")
    assert scene.listed("--active") == []
    # Whoever holds the ledger's key writes the grant past all commands, and signs it with the approver's own key.
    effective = load_policy()
    rule = effective.rules.rule(RULE)
    assert rule is not None
    digest = waivable_digest(rule_document(rule), effective.rules.values)
    today = datetime.now(UTC).date()
    asker = Requester(Disclosure(SALT, "requester", ANN.identity).digest, "asserted")
    with store.open() as ledger:
        made = statement(origin=ledger.origin, digest=digest, requester=asker, valid_from=today, valid_until=today)
        personal = {"requester": ANN.identity, "approver": ANN.identity}
        ledger.append(granted_draft(made, signed(made, ANN), {}, personal, {}))
    decided = scene.decide()
    assert decided["verdict"] == "deny", "it lifts nothing"
    (row,) = decided["tasks"][0]["waivers"]
    assert "nobody approves what they asked for" in row["why"]
    (told,) = [each for each in scene.listed() if each["id"] == made.id]
    assert told["self_approved"] is True, "and it is reported"
    shown = scene.run("waiver", "show", made.id[:16])
    assert "requester and approver are one by name" in " ".join(shown.out.split())


# --- dictionary attack on erased values ---------------------------------------------------------------------------


def test_dictionary_attack_on_erased_values(victim: Victim) -> None:
    """The attacker has the whole database and the right name in a list, and lacks 128 bits."""
    erased = person(3)
    names = ["anna@acme.example", erased, person(4)]
    with victim.open() as ledger:
        commitment = parse_entry(ledger.entry(3).raw).commitments["owner"]
        salt = ledger.disclosures(3)["owner"].salt
    with victim.store.connection() as connection:
        (sealed,) = connection.execute("SELECT sealed FROM personal WHERE leaf_index = 3").fetchone()
    assert sealed in b"".join(everything(victim.store))
    found = victim.policy("audit", "erase", erased, "--reason", "request of 3 May")
    assert found.status == 0, found.err
    rows = everything(victim.store)
    for gone in (erased.encode(), salt.encode(), sealed):
        assert not [row[:40] for row in rows if gone in row], "not even the file of a SQLite ledger holds it"
    held = b"\n".join(row for row in rows if len(row) < 4096)
    assert guess(commitment, names, held + salt.encode()) == [erased], "with the salt the name is found"
    assert guess(commitment, names, held) == []
    assert victim.verify(*victim.checkpoints.values())[0] == 0, "the tree stands as before"
    assert victim.policy("audit", "subject", erased, "--unrecorded", "-o", "json").json["values"] == []


# --- the table ----------------------------------------------------------------------------------------------------


def test_every_row_of_the_table_has_its_test() -> None:
    text = (ROOT / "audit/README.md").read_text(encoding="utf-8")
    table = text.partition("## What an attacker tries, and what finds it\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[1:-1] for line in table.splitlines() if line.startswith("| ")][1:]
    named = [name for row in rows for name in re.findall(r"`(test_\w+)`", row[-1])]
    assert len(rows) == 10
    assert all(re.search(r"`test_\w+`", row[-1]) for row in rows)
    tests = [
        name for name in globals() if name.startswith("test_") and name != "test_every_row_of_the_table_has_its_test"
    ]
    assert sorted(named) == sorted(tests)
