"""Anchors at a witness, which is a server of its own that checks signatures and proofs by code of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from policy_audit.anchors import web
from policy_audit.checkpoint import open_checkpoint
from policy_audit.cosignature import Quorum
from policy_audit.entry import Blob
from policy_audit.keys import generate_signer, read_key_file, write_key_file
from policy_audit.note import open_note

from tests.integration.anchoring import HELD, Anchored, results
from tests.integration.tampering import in_file_alone
from tests.witness import Witness, WitnessKey, served, serving


@pytest.fixture
def witness(anchored: Anchored) -> Witness:
    return Witness(WitnessKey("witness.example/w1"), anchored.vkey)


@pytest.fixture
def place(witness: Witness) -> Iterator[str]:
    with served(witness) as url:
        yield f"witness:{url}#{witness.key.verifier_key}"


def test_a_witness_cosigns_a_ledger_as_it_grows(anchored: Anchored, witness: Witness, place: str) -> None:
    assert results(anchored.anchor(place)) == HELD
    anchored.grow(20, 21, 22)
    assert results(anchored.anchor(place)) == HELD
    anchored.grow(23)
    assert results(anchored.anchor(place)) == HELD
    assert witness.statuses == [200, 200, 200], "the ledger remembers what the witness cosigned last"
    assert witness.latest[anchored.origin][0] == 17
    assert witness.requests[0].startswith(b"old 0\n\n")
    assert witness.requests[1].startswith(b"old 11\n")


def test_the_cosigned_checkpoint_is_on_record_and_opens(anchored: Anchored, witness: Witness, place: str) -> None:
    anchored.anchor(place)
    with anchored.open() as ledger:
        (entry,) = ledger.list_entries(type="anchor")
        note = ledger.blob(entry.document["blobs"]["cosigned"]).decode()
        body = entry.document["body"]
        assert ledger.verify().ok
    keys = [anchored.vkey, witness.key.verifier_key]
    assert open_note(note, keys)[1] == [anchored.origin, witness.key.name]
    assert open_checkpoint(note, keys, anchored.origin).size == 11
    assert len(Quorum((witness.key.verifier_key,), 1).verify(note)) == 1
    assert body["receipt"]["witness"] == witness.key.name
    assert abs(body["receipt"]["timestamp"] - time.time()) < 600


def test_a_folder_beside_it_keeps_the_cosignature(
    anchored: Anchored, witness: Witness, place: str, tmp_path: Path
) -> None:
    (tmp_path / "kept").mkdir()
    assert [each.result for each in anchored.anchor(f"file:{tmp_path}/kept", place)] == ["held", "held"]
    (file,) = (tmp_path / "kept").rglob("11")
    Quorum((witness.key.verifier_key,), 1).verify(file.read_text(encoding="utf-8"))


def test_a_witness_that_knows_more_of_us_than_we_is_asked_again_once(
    anchored: Anchored, witness: Witness, place: str
) -> None:
    restore = anchored.backup()
    anchored.anchor(place)
    restore()  # of the anchoring nothing is known any more, and nothing else was lost
    anchored.grow(20)
    # what the ledger lost is its own entry of the anchoring, which the checkpoint of eleven does not cover
    assert results(anchored.anchor(place)) == HELD
    assert witness.statuses == [200, 409, 200]
    assert witness.requests[2].startswith(b"old 11\n")


def test_an_older_copy_of_the_ledger_is_found(anchored: Anchored, witness: Witness, place: str) -> None:
    restore = anchored.backup()
    anchored.grow(20, 21)
    anchored.anchor(place)
    restore()
    (outcome,) = anchored.anchor(place)
    assert (outcome.result, outcome.code) == ("alarm", "ledger-rolled-back")
    assert "13 entries, and the ledger has 11" in str(outcome.message)
    assert witness.statuses == [200, 409]
    assert witness.latest[anchored.origin][0] == 13


def test_an_older_copy_that_went_on_is_found(anchored: Anchored, witness: Witness, place: str) -> None:
    restore = anchored.backup()
    anchored.grow(20, 21)
    anchored.anchor(place)
    restore()
    anchored.grow(30, 31, 32, 33)
    assert results(anchored.anchor(place)) == [("alarm", "split-view")]
    assert witness.statuses == [200, 409, 422]


def test_two_histories_of_the_same_size_are_found(anchored: Anchored, witness: Witness, place: str) -> None:
    restore = anchored.backup()
    anchored.grow(20, 21)
    anchored.anchor(place)
    restore()
    anchored.grow(30, 31)
    assert results(anchored.anchor(place)) == [("alarm", "split-view")]
    assert witness.statuses == [200, 409, 409]


@in_file_alone
def test_a_witness_that_does_not_know_the_log_or_its_key_is_no_alarm(
    anchored: Anchored, witness: Witness, place: str
) -> None:
    witness.log_keys = []
    assert results(anchored.anchor(place)) == [("failed", "anchor-failed")]
    witness.log_keys = [generate_signer(anchored.origin).verifier_key]
    (outcome,) = anchored.anchor(place)
    assert outcome.result == "failed"
    assert "does not know the key" in str(outcome.message)
    assert witness.statuses == [404, 403]


def test_after_a_rotation_the_witness_wants_the_new_key(
    anchored: Anchored, witness: Witness, place: str, tmp_path: Path
) -> None:
    anchored.anchor(place)
    old = read_key_file(anchored.store.key)
    new = generate_signer(old.name)
    with anchored.open() as ledger:
        ledger.rotate_key(new)
    anchored.store.key.unlink()
    write_key_file(anchored.store.key, new)
    assert results(anchored.anchor(place)) == HELD, "the rotation's own checkpoint bears the old key's signature too"
    anchored.grow(20)
    assert results(anchored.anchor(place)) == [("failed", "anchor-failed")]
    witness.log_keys.append(new.verifier_key)
    assert results(anchored.anchor(place)) == HELD


Answerer = Callable[[BaseHTTPRequestHandler, bytes], None]


def answer(status: int, body: bytes, kind: str = "text/plain", **headers: str) -> Answerer:
    def send(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return send


def dripping(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(1000):
        handler.wfile.write(b".")
        handler.wfile.flush()
        time.sleep(0.05)


def hanging_up(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    handler.connection.close()


def stranger(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    text = body.decode().partition("\n\n")[2].rpartition("\n\n")[0] + "\n"
    answer(200, WitnessKey("witness.example/w1").cosign(text, 1).encode())(handler, body)


HOSTILE: list[Answerer] = [
    answer(200, b""),
    answer(200, b"\xff\xfe\n"),
    answer(200, "— witness.example/w1 AAAA\n".encode()),
    answer(200, b"x" * 2_000_000),
    answer(200, ("— a AAAAAAAAAAAAAA==\n" * 200).encode()),
    answer(302, b"", Location="file:///etc/passwd"),
    answer(307, b"", Location="http://127.0.0.1:1/"),
    answer(409, b"99\n"),
    answer(409, b"99", "text/x.tlog.size"),
    answer(409, b"-1\n", "text/x.tlog.size"),
    answer(409, b"007\n", "text/x.tlog.size"),
    answer(409, b"9" * 5000 + b"\n", "text/x.tlog.size"),
    answer(409, b"3\n", "text/x.tlog.size"),
    answer(422, b""),
    answer(500, b"oops"),
    stranger,
    hanging_up,
    dripping,
]


@in_file_alone
@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_no_answer_but_a_cosignature_passes(
    anchored: Anchored, witness: Witness, hostile: Answerer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "TIMEOUT_SECONDS", 2.0)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with suppress(OSError):
                hostile(self, body)

        def log_message(self, *arguments: object) -> None:
            pass

    with serving(Handler) as url:
        (outcome,) = anchored.anchor(f"witness:{url}#{witness.key.verifier_key}")
    assert outcome.result == "failed", outcome.message
    assert "\n" not in str(outcome.message)
    with anchored.open() as ledger:
        assert ledger.verify().ok, "what a server says may be recorded, and must be an entry"


@in_file_alone
def test_a_witness_that_is_not_there_is_a_failure(anchored: Anchored, witness: Witness) -> None:
    with served(witness) as url:
        pass
    (outcome,) = anchored.anchor(f"witness:{url}#{witness.key.verifier_key}")
    assert (outcome.result, outcome.code) == ("failed", "anchor-failed")


def test_a_document_on_record_is_stored_once(anchored: Anchored, place: str) -> None:
    anchored.anchor(place)
    anchored.anchor(place)
    assert len(anchored.entries()) == 1
    assert Blob(b"x").digest
