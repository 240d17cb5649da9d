"""A backup from before a key rotation is put back: which keys are still there, and what way on there is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from policy_audit.anchors.place import parse_place
from policy_audit.anchors.rounds import Rounds, make_anchor
from policy_audit.errors import LedgerError, VerificationError
from policy_audit.keys import generate_signer, read_key_file
from policy_audit.restoring import restore_draft
from policy_audit.verify import main as verify_alone

from tests.integration.anchoring import results
from tests.integration.place import Place, refused
from tests.integration.tampering import decision, failed
from tests.integration.test_cli_rotate_key import vkey
from tests.integration.test_ledger_rotation import Rotated, rotated

__all__ = ["rotated"]


def restore(made: Rotated, *kept: str) -> None:
    """Say with the old key that the copy was put back, and that the new key's rotation was lost."""
    with made.store.open() as ledger:
        ledger.append(restore_draft(ledger, "backup", "disk failed", kept, [made.new.verifier_key]))


def test_what_the_new_key_signed_is_named_as_lost_by_whoever_names_that_key(rotated: Rotated) -> None:
    rotated.restore()
    kept = (rotated.kept_before, rotated.kept_at, rotated.kept_after)
    with rotated.store.open() as ledger:
        with pytest.raises(VerificationError) as caught:
            restore_draft(ledger, "backup", "disk failed", [rotated.kept_after])
        assert "`--vkey`" in str(caught.value.help)
        other = generate_signer(rotated.old.name).verifier_key
        with pytest.raises(VerificationError):
            restore_draft(ledger, "backup", "disk failed", [rotated.kept_after], [other])
        with pytest.raises(VerificationError):
            restore_draft(ledger, "backup", "disk failed", [], [generate_signer("example.com/x").verifier_key])
    restore(rotated, *kept)
    with rotated.store.open(read_only=True) as ledger:
        body = ledger.entry(11).document["body"]
        report = ledger.verify([rotated.old.verifier_key], kept=kept)
    assert (body["keys"], [each["size"] for each in body["lost"]]) == ([rotated.new.verifier_key], [12, 14])
    step = report.step("kept")
    assert (step.status, step.restored) == ("restored", 2), "it fails all the same, by its own name"
    assert not report.ok
    assert any("is not the log's: the rotation to it was lost" in finding for finding in report.findings)


def test_a_key_that_the_ledger_has_is_not_named_as_lost(rotated: Rotated) -> None:
    for opened in (rotated.open, rotated.store.open):
        with opened() as ledger:
            own = [rotated.old.verifier_key] + [rotated.new.verifier_key] * (opened == rotated.open)
            for key in own:
                with pytest.raises(VerificationError, match="was not lost"):
                    restore_draft(ledger, "backup", "disk failed", [], [key])
        if opened == rotated.open:
            rotated.restore()


def test_the_new_key_takes_over_again_where_its_file_is_still_there(rotated: Rotated) -> None:
    rotated.restore()
    restore(rotated, rotated.kept_at, rotated.kept_after)
    with rotated.store.open() as ledger:
        assert ledger.rotate_key(read_key_file(rotated.new_file)).index == 12
    with rotated.open() as ledger:
        ledger.append_many([decision(50), decision(51)])
        for pinned in ([rotated.old], [rotated.new], [rotated.old, rotated.new]):
            keys = [key.verifier_key for key in pinned]
            assert ledger.verify(keys, kept=[rotated.kept_before]).ok
            report = ledger.verify(keys, kept=[rotated.kept_at, rotated.kept_after])
            assert report.step("kept").status == "restored"
            assert not any("is not the log's" in finding for finding in report.findings)


def test_another_key_takes_over_where_that_file_is_gone(rotated: Rotated) -> None:
    rotated.restore()
    restore(rotated, rotated.kept_after)
    with rotated.store.open() as ledger:
        ledger.rotate_key(generate_signer(rotated.old.name))
        ledger.append(decision(50))
        assert ledger.verify([rotated.old.verifier_key]).ok
        report = ledger.verify([rotated.old.verifier_key, rotated.new.verifier_key])
    assert failed(report) == ["checkpoints"], "whoever pinned the lost key has to be told"
    assert any("do not pin it any more" in finding for finding in report.findings)


def test_with_the_new_key_alone_nothing_is_appended_and_it_says_why(rotated: Rotated) -> None:
    rotated.restore()
    with rotated.open() as ledger, pytest.raises(LedgerError) as caught:
        ledger.append(decision(50))
    old, new = rotated.old.key_id.hex(), rotated.new.key_id.hex()
    assert f"of the key {old}, and this is {new}" in caught.value.message
    assert "`--ledger-key`" in str(caught.value.help)
    assert "not extended" in str(caught.value.help)
    with rotated.store.open(read_only=True) as ledger:
        assert ledger.verify([rotated.old.verifier_key]).ok, "it is read and verified all the same"


def test_a_restore_gives_no_name_to_what_neither_key_signed(rotated: Rotated) -> None:
    rotated.restore()
    restore(rotated, rotated.kept_after)
    forged = rotated.kept_after.replace("— ", "— x")
    with rotated.store.open(read_only=True) as ledger:
        assert failed(ledger.verify([rotated.old.verifier_key], kept=[forged])) == ["kept"]


def test_an_anchor_and_an_export_say_it_too(
    rotated: Rotated, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place, new = tmp_path / "worm", tmp_path / "new"
    for folder in (place, new):
        folder.mkdir()
    with rotated.open() as ledger:
        assert results(Rounds(ledger, [make_anchor(parse_place(f"file:{place}"))]).once()) == [("held", None)]
        kept = ledger.checkpoint()
        held = make_anchor(parse_place(f"file:{place}")).held(str(ledger.origin))
    rotated.restore()
    with rotated.store.open() as ledger:
        assert results(Rounds(ledger, [make_anchor(parse_place(f"file:{place}"))]).once())[0][1] == "anchor-damaged"
    restore(rotated, *held)
    with rotated.store.open() as ledger:
        rotated_to = read_key_file(rotated.new_file)
        ledger.rotate_key(rotated_to)
        (outcome,) = Rounds(ledger, [make_anchor(parse_place(f"file:{place}"))]).once()
        assert (outcome.result, outcome.code) == ("alarm", "anchor-lost")
        assert "the restore at entry 12 (epoch 2) names as lost" in str(outcome.message)
        assert results(Rounds(ledger, [make_anchor(parse_place(f"file:{new}"))]).once()) == [("held", None)]
        ledger.export_log(tmp_path / "log")
    (tmp_path / "held").write_text(held[-1], encoding="utf-8")
    (tmp_path / "unnamed").write_text(kept, encoding="utf-8")
    arguments = [str(tmp_path / "log"), "--vkey", rotated.old.verifier_key, "--json"]
    assert verify_alone([*arguments, "--kept", str(tmp_path / "held")]) == 6
    steps = {step["name"]: step["status"] for step in json.loads(capsys.readouterr().out)["steps"]}
    assert steps["kept"] == "restored"
    assert verify_alone([*arguments, "--kept", str(tmp_path / "unnamed")]) == 6
    steps = {step["name"]: step["status"] for step in json.loads(capsys.readouterr().out)["steps"]}
    assert steps["kept"] == "failed"


def test_by_the_command_line(either: Place) -> None:
    assert either.evaluate().returncode == 0
    (either.home / "worm").mkdir()
    with either.store.backup() as put_back:
        done = either.run("audit", "rotate-key", "--new-key", "new.key")
        assert done.returncode == 0, done.stderr
        key = vkey(done.stdout)
        assert either.evaluate("--ledger-key", "new.key").returncode == 0
        anchored = either.run("audit", "anchor", "--to", "file:worm", "--ledger-key", "new.key")
        assert anchored.returncode == 0, anchored.stderr
        put_back()
    refused(either.evaluate("--ledger-key", "new.key"), "ledger-tampered")
    restored = ("audit", "restored", "--from", "backup", "--reason", "disk", "--kept", "file:worm")
    refused(either.run(*restored), "no-known-signature")
    told = either.run(*restored, "--vkey", key)
    assert told.returncode == 0, told.stderr
    assert b"lost: the kept checkpoint of size 3" in told.stdout
    assert b"`policy audit rotate-key`" in told.stdout
    again = either.run("audit", "rotate-key", "--new-key", "new.key")
    assert (again.returncode, vkey(again.stdout)) == (0, key), again.stderr
    assert either.evaluate("--ledger-key", "new.key").returncode == 0
    assert either.verified("--vkey", key) == 4
