"""Anchors after an honest restore: the alarm knows it, the old place stays as evidence, and a new one takes over."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from policy_audit.anchors.configuration import read_configuration
from policy_audit.anchors.place import parse_place
from policy_audit.anchors.rounds import make_anchor
from policy_audit.errors import AnchorError
from policy_audit.restoring import restore_draft

from tests.integration.anchoring import HELD, Anchored, results
from tests.integration.place import Place
from tests.integration.test_anchor_git import run
from tests.integration.test_cli_anchor import stop, wait_for, watching
from tests.witness import Witness, WitnessKey, served


@pytest.fixture(params=["file", "git"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    folder = tmp_path / "kept"
    folder.mkdir()
    if request.param == "file":
        return f"file:{folder}"
    run(folder, "init", "--quiet", "--bare")
    return f"git:{folder}#ledger"


def say_so(anchored: Anchored, *kept: str) -> None:
    with anchored.open() as ledger:
        ledger.append(restore_draft(ledger, "backup", "disk failed", kept))


@pytest.mark.parametrize("grown", [False, True])
def test_the_alarm_names_the_restore_that_names_what_the_place_holds(
    anchored: Anchored, place: str, grown: bool
) -> None:
    put_back = anchored.backup()
    anchored.grow(20, 21)
    assert results(anchored.anchor(place)) == HELD
    put_back()
    assert results(anchored.anchor(place)) == [("alarm", "ledger-rolled-back")]
    if grown:
        anchored.grow(*range(30, 40))
    say_so(anchored, *make_anchor(parse_place(place)).held(anchored.origin))
    (outcome,) = anchored.anchor(place)
    assert (outcome.result, outcome.code) == ("alarm", "anchor-lost"), "nothing is laundered"
    assert "the checkpoint of 13 entries that the restore at entry" in str(outcome.message)
    assert "`evidence`" in str(outcome.help)
    assert outcome.evidence is not None
    assert anchored.entries()[-1]["code"] == "anchor-lost"


def test_what_the_restore_does_not_name_is_an_alarm_as_ever(anchored: Anchored, place: str) -> None:
    put_back = anchored.backup()
    anchored.grow(20, 21)
    assert results(anchored.anchor(place)) == HELD
    put_back()
    say_so(anchored)
    (outcome,) = anchored.anchor(place)
    assert (outcome.result, outcome.code) == ("alarm", "ledger-rolled-back")
    assert "the restore at entry 11 (epoch 2) may say why" in str(outcome.help)
    anchored.grow(*range(30, 40))
    assert results(anchored.anchor(place)) == [("alarm", "split-view")]


def test_a_witness_that_cosigned_what_is_lost_is_told_apart(anchored: Anchored) -> None:
    witness = Witness(WitnessKey("witness.example/w1"), anchored.vkey)
    put_back = anchored.backup()
    anchored.grow(20, 21)
    with served(witness) as url:
        where = f"witness:{url}#{witness.key.verifier_key}"
        assert results(anchored.anchor(where)) == HELD
        put_back()
        say_so(anchored)
        (outcome,) = anchored.anchor(where)
        assert (outcome.result, outcome.code) == ("alarm", "ledger-rolled-back")
        assert "ask its operator to begin anew" in str(outcome.help)
        anchored.grow(*range(30, 40))
        (outcome,) = anchored.anchor(where)
        assert (outcome.result, outcome.code) == ("alarm", "split-view")
        assert "the restore at entry 11 (epoch 2) may say why" in str(outcome.message)


@pytest.mark.slow
def test_a_watch_goes_on_with_a_new_place_and_the_old_one_as_evidence(either: Place) -> None:
    old, new, configuration = (either.home / name for name in ("old", "new", "anchors.toml"))
    for folder in (old, new):
        folder.mkdir()
    assert either.evaluate().returncode == 0
    with either.store.backup() as put_back:
        assert either.evaluate().returncode == 0
        assert either.run("audit", "anchor", "--to", f"file:{old}").returncode == 0
        put_back()
    told = either.run("audit", "restored", "--from", "x", "--reason", "y", "--kept", f"file:{old}")
    assert told.returncode == 0, told.stderr
    alarm = either.run("audit", "anchor", "--to", f"file:{old}", "--to", f"file:{new}")
    assert alarm.returncode == 6
    assert b"names as lost" in b" ".join(alarm.stdout.split())
    held = {path: path.read_bytes() for path in old.rglob("*") if path.is_file()}
    configuration.write_text(f'to = ["file:{new}"]\nevidence = ["file:{old}"]\n', encoding="utf-8")
    before = set(new.rglob("[0-9]*"))
    with watching(either, "--config", str(configuration)) as process:
        # a checkpoint more than the alarm's run put there: now the watch is at work, and hears the signal
        wait_for(lambda: set(new.rglob("[0-9]*")) - before)
        assert either.evaluate().returncode == 0
        status, _ = stop(process)
    assert status == 0, "the old place is no alarm any more"
    assert {path: path.read_bytes() for path in old.rglob("*") if path.is_file()} == held, "it is not written to"
    checked = either.verify("--anchors", str(configuration))
    steps = {step["name"]: step for step in json.loads(checked.stdout)["steps"]}
    assert (checked.returncode, steps["kept"]["status"]) == (6, "restored"), "and not forgotten"
    assert either.verify("--kept", f"file:{new}").returncode == 0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('evidence = "file:b"', "is a list of places"),
        ("evidence = [1]", "is a list of places"),
        ('evidence = ["nowhere"]', "is no place"),
        ('evidence = ["file:a"]', "is named in `to` and in `evidence`"),
        ('evidence = ["file:b", "file:b"]', "is named twice"),
        ('evidence = ["tsa:https://t.example#r.pem"]', "gives nothing back"),
    ],
)
def test_what_evidence_cannot_be(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "anchors.toml"
    path.write_text(f'to = ["file:a"]\n{text}\n', encoding="utf-8")
    with pytest.raises(AnchorError) as caught:
        read_configuration(path)
    assert reason in caught.value.message


def test_evidence_is_read_and_not_a_place_to_write_to(tmp_path: Path) -> None:
    path = tmp_path / "anchors.toml"
    path.write_text('to = ["file:a"]\nevidence = ["file:b", "git:c#d"]\nneed = 1\n', encoding="utf-8")
    found = read_configuration(path)
    assert [place.where for place in found.places] == [f"file:{tmp_path}/a"]
    assert [place.where for place in found.evidence] == [f"file:{tmp_path}/b", f"git:{tmp_path}/c#d"]
