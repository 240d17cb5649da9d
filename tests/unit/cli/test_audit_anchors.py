"""`policy audit anchor`, `restored`, `compare` and what `verify` takes of anchors: arguments, words, exit statuses."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from policy_audit.checkpoint import Checkpoint, sign_checkpoint
from policy_audit.keys import generate_signer, read_key_file, write_key_file
from policy_audit.ledger import Draft, EntryType, open_ledger
from policy_audit.note import split_note

from tests.unit.cli.ledgers import add, vkey
from tests.witness import WitnessKey

Run = Callable[..., Any]
HOLD = Draft(EntryType.HOLD, body={"n": 1})


@pytest.fixture
def worm(tmp_path: Path) -> Path:
    folder = tmp_path / "worm"
    folder.mkdir()
    return folder


def restore(ledger: Path, copy: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        ledger.with_name(ledger.name + suffix).unlink(missing_ok=True)
    shutil.copy2(copy, ledger)


def test_anchor_and_verify_against_what_is_anchored(policy: Run, ledger: Path, worm: Path, tmp_path: Path) -> None:
    done = policy("audit", "anchor", "--to", f"file:{worm}")
    assert done.status == 0, done.err
    assert "ANCHORED" in done.out
    assert "1 of 1 places hold the checkpoint of 4 entries" in done.out
    config = tmp_path / "anchors.toml"
    config.write_text('to = ["file:worm"]\n', encoding="utf-8")
    for given in (("--kept", f"file:{worm}"), ("--kept", str(worm)), ("--anchors", str(config))):
        found = policy("audit", "verify", "-o", "json", *given)
        assert found.status == 0, found.err
        assert found.json["steps"][7] == {**found.json["steps"][7], "status": "ok", "checked": 1}
    shutil.copy2(ledger, tmp_path / "copy.db")
    add(ledger, HOLD, HOLD)
    assert policy("audit", "anchor", "--config", str(config), "-o", "json").json["ok"] is True
    restore(ledger, tmp_path / "copy.db")
    assert policy("audit", "verify").status == 0, "the ledger alone does not know"
    found = policy("audit", "verify", "--anchors", str(config))
    assert found.status == 6
    assert "older copy restored" in " ".join(found.out.split())
    alarm = policy("audit", "anchor", "--config", str(config))
    assert alarm.status == 6
    assert "alarm" in alarm.out


def test_settings_name_the_anchors(policy: Run, ledger: Path, worm: Path, tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "a.toml").write_text(f'to = ["file:{worm}"]\nneed = 1\n', encoding="utf-8")
    (tmp_path / "policy.toml").write_text('anchors = "conf/a.toml"\n', encoding="utf-8")
    assert policy("audit", "anchor").status == 0
    assert list(worm.rglob("4"))


@pytest.mark.usefixtures("ledger")
def test_so_many_places_have_to_hold_it(policy: Run, worm: Path, tmp_path: Path) -> None:
    places = ("--to", f"file:{worm}", "--to", f"file:{tmp_path}/none")
    failed = policy("audit", "anchor", *places, "-o", "json")
    assert failed.status == 6
    assert [place["result"] for place in failed.json["places"]] == ["held", "failed"]
    assert policy("audit", "anchor", *places, "--need", "1").status == 0
    assert policy("audit", "anchor", *places, "--need", "3").status == 2


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--to", "s3://bucket"),
        ("--to", "witness:http://h/"),
        ("--to", "witness:http://h/#not-a-key"),
        ("--to", "tsa:http://h/#none.pem"),
        ("--to", "file:x", "--every", "30s"),
        ("--to", "file:x", "--watch", "--every", "0s"),
        ("--to", "file:x", "--watch", "--every", "soon"),
        ("--to", "file:x", "--watch", "-o", "json"),
        ("--to", "file:x", "--to", "file:x"),
        ("--config", "none.toml"),
    ],
)
def test_what_cannot_be_asked_for_is_usage(policy: Run, arguments: tuple[str, ...]) -> None:
    found = policy("audit", "anchor", *arguments)
    assert found.status == 2, (found.out, found.err)
    assert found.out == ""


@pytest.mark.usefixtures("ledger")
def test_a_time_stamp_without_its_extra_says_what_to_install(policy: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rfc3161_client", None)
    found = policy("audit", "anchor", "--to", "tsa:http://127.0.0.1:1/#roots.pem")
    assert found.status == 2
    assert "pip install policy-engine[timestamp]" in found.err


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "to = []",
        'to = "file:x"',
        "to = [1]",
        'to = ["file:x"]\nneed = 2',
        'to = ["file:x"]\nneed = true',
        'to = ["file:x"]\nevery = 30',
        'to = ["file:x"]\nmore = 1',
        "to = [",
        'to = ["file:x"]\n#' + "x" * 200_000,
    ],
)
def test_a_configuration_that_says_what_it_cannot_say(policy: Run, tmp_path: Path, text: str) -> None:
    (tmp_path / "anchors.toml").write_text(text, encoding="utf-8")
    assert policy("audit", "anchor", "--config", "anchors.toml").status == 2
    assert policy("audit", "verify", "--anchors", "anchors.toml").status == 2


def test_no_ledger_is_made_to_anchor(policy: Run, worm: Path, tmp_path: Path) -> None:
    for arguments in (("anchor", "--to", f"file:{worm}"), ("restored", "--from", "a", "--reason", "b")):
        found = policy("audit", *arguments, "--ledger", f"sqlite:///{tmp_path}/none.db")
        assert found.status == 6
        assert "[ledger-missing]" in found.err
    assert not (tmp_path / "none.db").exists()


@pytest.mark.usefixtures("ledger")
def test_verify_wants_what_it_is_given_to_be_there(policy: Run, worm: Path, tmp_path: Path) -> None:
    assert policy("audit", "verify", "--kept", str(worm)).status == 6, "an empty folder is no checkpoint"
    assert policy("audit", "verify", "--kept", f"git:{tmp_path}/none.git#main").status == 6
    assert policy("audit", "verify", "--kept", "none").status == 2
    assert policy("audit", "verify", "--kept", "witness:http://h/").status == 2
    (worm / "notes.txt").write_text("a file that is no checkpoint", encoding="utf-8")
    assert policy("audit", "verify", "--kept", str(worm)).status == 6


def test_verify_wants_so_many_witnesses(policy: Run, ledger: Path, tmp_path: Path) -> None:
    first, second = WitnessKey("w.example/1"), WitnessKey("w.example/2")
    with open_ledger(f"sqlite:///{ledger}") as opened:
        note = opened.checkpoint()
    kept = tmp_path / "kept"
    kept.write_text(note + first.cosign(split_note(note)[0], 1_700_000_000), encoding="utf-8")
    both = ("--kept", "kept", "--witness", first.verifier_key, "--witness", second.verifier_key)
    found = policy("audit", "verify", *both)
    assert found.status == 6
    assert "1 of the 2 pinned witnesses cosigned, 2 must have" in " ".join(found.out.split())
    assert policy("audit", "verify", *both, "--need", "1").status == 0
    assert policy("audit", "verify", *both, "--need", "3").status == 2
    assert policy("audit", "verify", "--need", "1").status == 2
    assert policy("audit", "verify", "--witness", vkey(ledger)).status == 2, "that is the log's own key"


def test_a_verification_is_recorded_with_its_result(policy: Run, ledger: Path) -> None:
    found = policy("audit", "verify", "--record", "-o", "json")
    assert found.status == 0, found.err
    assert "recorded as entry 4" in found.err
    with open_ledger(f"sqlite:///{ledger}") as opened:
        body = opened.entry(4).document["body"]
        bad = sign_checkpoint(Checkpoint(str(opened.origin), 3, bytes(32)), read_key_file(Path(f"{ledger}.key")))
    assert (body["ok"], body["size"], body["root"], body["kept"]) == (True, 4, found.json["root"], 0)
    assert [step["status"] for step in body["steps"]] == ["ok"] * 7 + ["skipped"]
    Path("bad").write_text(bad, encoding="utf-8")
    assert policy("audit", "verify", "--record", "--kept", "bad").status == 6
    with open_ledger(f"sqlite:///{ledger}") as opened:
        assert opened.entry(5).document["body"]["ok"] is False
    Path(f"{ledger}.key").unlink()
    without = policy("audit", "verify", "--record", "--vkey", vkey_of(bad, body))
    assert without.status == 6


def vkey_of(note: str, body: dict[str, Any]) -> str:
    return WitnessKey(body["origin"], kind=b"\x01").verifier_key


def test_restored_says_what_is_lost(policy: Run, ledger: Path, worm: Path, tmp_path: Path) -> None:
    shutil.copy2(ledger, tmp_path / "copy.db")
    add(ledger, HOLD, HOLD)
    policy("audit", "anchor", "--to", f"file:{worm}")
    restore(ledger, tmp_path / "copy.db")
    done = policy("audit", "restored", "--from", "copy", "--reason", "a disk", "--kept", str(worm))
    assert done.status == 0, done.err
    assert "restored at entry 4: epoch 2 begins after 4 entries" in done.out
    assert "lost: the kept checkpoint of size 6: entries 4 to 5" in done.out
    found = policy("audit", "verify", "--kept", str(worm))
    assert found.status == 6
    assert "covers entries lost with the old epoch" in " ".join(found.out.split())
    assert policy("audit", "verify", "--kept", str(worm), "-o", "json").json["steps"][7]["status"] == "restored"
    alone = policy("audit", "verify")
    assert alone.status == 0
    assert "restored: at entry 4" in alone.out
    again = policy("audit", "restored", "--from", "copy", "--reason", "nothing kept")
    assert "no proof that nothing was" in again.out


def test_two_checkpoints_are_compared(policy: Run, ledger: Path, tmp_path: Path) -> None:
    key = vkey(ledger)
    with open_ledger(f"sqlite:///{ledger}") as opened:
        Path("receipt").write_text(opened.receipt(1), encoding="utf-8")
        Path("four").write_text(opened.checkpoint(), encoding="utf-8")
    signer = read_key_file(Path(f"{ledger}.key"))
    Path("other").write_text(sign_checkpoint(Checkpoint(signer.name, 4, bytes(32)), signer), encoding="utf-8")
    Path("short").write_text(sign_checkpoint(Checkpoint(signer.name, 2, bytes(32)), signer), encoding="utf-8")
    nowhere = ("--ledger", f"sqlite:///{tmp_path}/none.db")
    assert policy("audit", "compare", "four", "four", "--vkey", key, *nowhere).status == 0
    split = policy("audit", "compare", "four", "other", "--vkey", key, "-o", "json", *nowhere)
    assert (split.status, split.json["result"]) == (6, "two-histories"), "which takes no ledger"
    assert policy("audit", "compare", "receipt", "four", "--vkey", key).status == 0
    assert policy("audit", "compare", "receipt", "four", "--vkey", key, *nowhere).status == 6
    assert "TWO HISTORIES" in policy("audit", "compare", "four", "short", "--vkey", key).out
    undecided = policy("audit", "compare", "receipt", "other", "--vkey", key)
    assert (undecided.status, "UNDECIDED" in undecided.out) == (6, True)
    stranger = WitnessKey("x.example", kind=b"\x01").verifier_key
    assert policy("audit", "compare", "four", "other", "--vkey", stranger).status == 6
    assert policy("audit", "compare", "four", "none", "--vkey", key).status == 2
    assert json.loads(split.out)["checkpoints"][1]["size"] == 4


@pytest.fixture
def rotated(ledger: Path) -> tuple[str, str]:
    """The keys of a ledger of four entries that rotated at entry 4, with checkpoints from before and after."""
    old = vkey(ledger)
    with open_ledger(f"sqlite:///{ledger}") as opened:
        Path("before").write_text(opened.checkpoint(), encoding="utf-8")
        new = generate_signer(opened.origin)
        opened.rotate_key(new)
        Path("at").write_text(opened.checkpoint(), encoding="utf-8")
        opened.append(HOLD)
        Path("after").write_text(opened.checkpoint(), encoding="utf-8")
        Path("receipt").write_text(opened.receipt(5), encoding="utf-8")
    write_key_file(Path("new.key"), new)
    shutil.copy2(f"{ledger}.key.personal", "new.key.personal")
    return old, new.verifier_key


def test_checkpoints_of_both_keys_are_compared_by_either_where_the_ledger_shows_the_rotation(
    policy: Run, ledger: Path, rotated: tuple[str, str], tmp_path: Path
) -> None:
    nowhere = ("--ledger", f"sqlite:///{tmp_path}/none.db")
    for first, second in (("before", "after"), ("after", "before"), ("at", "receipt"), ("before", "at")):
        for pinned in rotated:
            found = policy("audit", "compare", first, second, "--vkey", pinned)
            assert (found.status, "CONSISTENT" in found.out) == (0, True), (first, second, found)
    for pinned in rotated:
        found = policy("audit", "compare", "before", "after", "--vkey", pinned, *nowhere)
        assert found.status == 6
        other = rotated[1] if pinned == rotated[0] else rotated[0]
        assert f"a key {other.split('+')[1]} by that name signed it" in " ".join(found.err.split())
        assert "pin both keys" in " ".join(found.err.split())
    assert policy("audit", "compare", "after", "after", "--vkey", rotated[1], *nowhere).status == 0


def test_a_history_that_the_old_key_forked_after_the_rotation_is_a_second_one(
    policy: Run, ledger: Path, rotated: tuple[str, str]
) -> None:
    thief = read_key_file(Path(f"{ledger}.key"))
    Path("forked").write_text(sign_checkpoint(Checkpoint(thief.name, 6, bytes(32)), thief), encoding="utf-8")
    found = policy("audit", "compare", "after", "forked", "--vkey", rotated[1], "-o", "json")
    assert (found.status, found.json["result"]) == (6, "two-histories")


def test_a_key_of_the_same_name_that_no_rotation_leads_to_compares_nothing(
    policy: Run, ledger: Path, rotated: tuple[str, str]
) -> None:
    thief = generate_signer(rotated[0].partition("+")[0])
    Path("forged").write_text(sign_checkpoint(Checkpoint(thief.name, 6, bytes(32)), thief), encoding="utf-8")
    found = policy("audit", "compare", "after", "forged", "--vkey", rotated[1])
    assert (found.status, found.out) == (6, "")
    assert f"a key {thief.key_id.hex()} by that name signed it" in " ".join(found.err.split())


def test_an_export_under_a_key_that_is_not_pinned_says_which_to_pin(
    policy: Run, ledger: Path, rotated: tuple[str, str], tmp_path: Path
) -> None:
    old, new = rotated
    key = ("--ledger-key", "new.key")
    made = policy("audit", "export", "out", "--format", "jsonl", *key)
    assert made.status == 0, made
    refused = policy("audit", "export-check", "out", "--vkey", old, "-o", "json")
    steps = {step["name"]: step["problem"] for step in refused.json["steps"] if step["status"] == "failed"}
    assert refused.status == 6
    assert set(steps) == {"checkpoint", "record", "proofs"}
    assert all(f"a key {new.split('+')[1]} by that name signed it" in problem for problem in steps.values())
    assert all("pin both keys" in problem for problem in steps.values())
    for pinned in ([new], [old, new]):
        arguments = [word for each in pinned for word in ("--vkey", each)]
        assert policy("audit", "export-check", "out", *arguments).status == 0


def test_a_report_and_a_sample_of_a_tree_from_before_the_rotation(
    policy: Run, ledger: Path, rotated: tuple[str, str]
) -> None:
    old, new = rotated
    key = ("--ledger-key", "new.key")
    sampled = policy("audit", "sample", "--size", "2", "--seed", "s", "--checkpoint", "before", *key, "-o", "json")
    assert (sampled.status, sampled.json["checkpoint"]["size"]) == (0, 4), sampled
    with open_ledger(f"sqlite:///{ledger}", read_only=True) as opened:
        then = opened.entry(3).recorded_at
    made = policy("audit", "report", "decisions", "--as-of", then, "--export", "out", *key)
    assert made.status == 0, made
    # the checkpoint is the old key's, and the entry of the export the new one's
    for pinned in ([old], [new]):
        assert policy("audit", "export-check", "out", *(w for each in pinned for w in ("--vkey", each))).status == 6
    assert policy("audit", "export-check", "out", "--vkey", old, "--vkey", new).status == 0
