"""`policy audit verify-attestation`, attacked by who has no key, by who has another, and by who has the signing key."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from policy_audit.keys import Ed25519Signer, generate_signer
from policy_audit.ledger import Draft, EntryType, open_ledger
from securesystemslib.exceptions import VerificationError as OthersError

from tests.unit.cli.attest_scene import (
    IMAGE,
    OTHER_IMAGE,
    Attested,
    edited,
    signed,
    statement_of,
    verified,
    write,
)

Run = Callable[..., Any]
STRANGER = generate_signer("stranger")
Lines = list[bytes]


@pytest.fixture
def check(policy: Run, attested: Attested, tmp_path: Path) -> Run:
    """Check these lines by the ledger's own key."""

    def run(lines: Lines | bytes, *arguments: str, key: str = attested.vkey) -> Any:
        path = tmp_path / "given.jsonl"
        path.write_bytes(lines) if isinstance(lines, bytes) else write(path, lines)
        return policy("audit", "verify-attestation", str(path), "--key", key, "-o", "json", *arguments)

    return run


def failed(found: Any) -> list[str]:
    assert found.status == 6, found.err
    assert found.json["ok"] is False
    assert found.json["decisions"] == [], "nothing is repeated that does not verify"
    return [step["name"] for step in found.json["steps"] if step["status"] == "failed"]


def test_what_the_gate_wrote_verifies_in_every_order_and_several_times(check: Run, attested: Attested) -> None:
    lines = attested.lines
    found = check(lines, "--subject", IMAGE, "--subject", IMAGE.partition("@")[2])
    assert found.status == 0, found.out
    assert [step["status"] for step in found.json["steps"]] == ["passed"] * 6
    assert [step["checked"] for step in found.json["steps"]] == [6, 6, 3, 3, 3, 2]
    assert [each["verdict"] for each in found.json["decisions"]] == ["allow", "deny", "review"]
    assert check(lines[::-1]).status == check(lines * 2).status == check(attested.file.read_bytes()[:-1]).status == 0
    assert check(attested.pair("deny")).json["decisions"][0]["subjects"][0] == IMAGE


def test_the_text_says_what_was_not_checked(policy: Run, attested: Attested) -> None:
    check = ("audit", "verify-attestation", str(attested.file), "--key", attested.vkey)
    text = " ".join(policy(*check).out.split())
    assert "VERIFIED" in text
    assert "may be about anything" in text
    assert "is what the signer says" in " ".join(policy(*check, "--no-receipt", "--subject", IMAGE).out.split())
    assert "anything" not in policy(*check, "--subject", IMAGE).out


# ---- without a key


def test_no_flipped_bit_verifies(check: Run, attested: Attested) -> None:
    """A place of every kind of the file, and others at random."""
    data = b"".join(line + b"\n" for line in attested.pair("deny"))
    chance = random.Random(6)  # noqa: S311 - the same places in every run
    places = [
        0,
        12,
        data.index(b'"sig"') + 9,
        data.index(b"keyid") + 10,
        data.index(b"\n"),
        len(data) - 4,
        len(data) - 2,
    ]
    for place in [*places, *(chance.randrange(len(data) - 1) for _ in range(60))]:
        changed = bytearray(data)
        changed[place] ^= 1 << chance.randrange(8)
        assert check(bytes(changed)).status in (2, 6), (place, changed[place])


def test_a_payload_or_a_signature_of_another_envelope(check: Run, attested: Attested) -> None:
    denied, allowed = (json.loads(attested.pair(verdict)[1]) for verdict in ("deny", "allow"))
    for forged in ({**denied, "payload": allowed["payload"]}, {**denied, "signatures": allowed["signatures"]}):
        line = json.dumps(forged).encode()
        with pytest.raises(OthersError):
            verified(line, attested.vkey)
        assert failed(check([attested.pair("allow")[0], line])) == ["signatures", "summaries"]


def test_a_decision_edited_and_signed_by_another_key(check: Run, attested: Attested) -> None:
    def allow(statement: dict[str, Any]) -> None:
        statement["predicate"]["decision"]["verdict"] = "allow"

    forged = [edited(line, STRANGER, lambda _: None) for line in attested.pair("allow")]
    assert "signatures" in failed(check(forged))
    assert "signatures" in failed(check([edited(attested.pair("deny")[1], STRANGER, allow), *attested.lines]))
    for line in forged:
        with pytest.raises(OthersError):
            verified(line, attested.vkey)
    # under the name of the pinned key, too
    named = json.loads(attested.lines[0])["signatures"][0]["keyid"]
    renamed = []
    for line in forged:
        value = json.loads(line)
        value["signatures"][0]["keyid"] = named
        renamed.append(json.dumps(value).encode())
        with pytest.raises(OthersError):
            verified(renamed[-1], attested.vkey)
    assert "signatures" in failed(check(renamed))
    # whoever pins the stranger's key believes it, and no receipt of the ledger that was not pinned
    own = check(forged, key=STRANGER.verifier_key)
    assert failed(own) == ["receipts"]
    assert check(forged, "--no-receipt", key=STRANGER.verifier_key).status == 0


def test_half_of_a_pair_is_nothing(check: Run, attested: Attested) -> None:
    summary, decision = attested.pair("allow")
    assert failed(check([decision])) == ["summaries"]
    assert failed(check([summary])) == ["summaries"]
    assert failed(check([summary, attested.pair("deny")[1]])) == ["summaries"]
    assert failed(check([*attested.pair("allow"), summary])) == ["summaries"]


def test_a_stranger_beside_the_gate(check: Run, attested: Attested) -> None:
    """Whoever adds a line makes the file fail, and signs nothing into it."""
    line = signed({**statement_of(attested.lines[0])}, STRANGER)
    assert failed(check([*attested.lines, line])) == ["signatures"]


def test_an_envelope_that_several_signed(check: Run, attested: Attested) -> None:
    both = []
    for line in attested.pair("allow"):
        value = json.loads(line)
        other = json.loads(signed(statement_of(line), STRANGER))
        both.append(json.dumps({**value, "signatures": other["signatures"] + value["signatures"]}).encode())
    assert check(both).status == 0
    assert check(both, key=STRANGER.verifier_key).status == 6  # its signatures are good, and the log is not pinned
    bad = json.loads(both[0])
    bad["signatures"][0]["sig"] = bad["signatures"][1]["sig"]
    spoiled = [json.dumps(bad).encode(), both[1]]
    assert check(spoiled).status == 0
    assert failed(check(spoiled, "--key", STRANGER.verifier_key)) == ["signatures", "summaries"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"x",
        b"{}\n",
        b"\xff\xfe",
        b'{"payload":"e30=","payloadType":"a"}\n',
        b"GOOD\n\n",
        b"GOOD\nx",
        b"GOODx",
        b"x GOOD",
        b"GOOD GOOD",
        b"\n GOOD",
        b"NOTE",
        b"RECEIPT",
        b"LEDGER",
    ],
)
def test_what_holds_no_envelopes_is_no_input(check: Run, attested: Attested, data: bytes) -> None:
    receipt = statement_of(attested.lines[1])["predicate"]["receipt"]
    given = {
        b"GOOD": attested.lines[0],
        b"NOTE": receipt.partition("\n\n")[2].encode(),
        b"RECEIPT": receipt.encode(),
        b"LEDGER": (attested.folder / "ledger.db").read_bytes(),
    }
    for name, value in given.items():
        data = data.replace(name, value)
    found = check(data)
    assert (found.status, found.out) == (2, ""), found.out
    assert "[not-an-envelope]" in found.err
    assert "given.jsonl" in found.err


# ---- with the signing key: what the signer's word alone would be


def with_predicate(**members: Any) -> Callable[[dict[str, Any]], None]:
    return lambda statement: statement["predicate"].update(members)


def of_ledger(**members: Any) -> Callable[[dict[str, Any]], None]:
    return lambda statement: statement["predicate"]["ledger"].update(members)


def set_verdict(statement: dict[str, Any]) -> None:
    statement["predicate"]["decision"]["verdict"] = "allow"


def as_its_id_says(statement: dict[str, Any]) -> None:
    set_verdict(statement)
    statement["predicate"]["id"] = sha256(rfc8785.dumps(statement["predicate"]["decision"])).hexdigest()


def resubject(statement: dict[str, Any]) -> None:
    statement["subject"][0]["digest"]["sha256"] = OTHER_IMAGE.rpartition(":")[2]


EDITS: dict[str, tuple[Callable[[dict[str, Any]], object], list[str]]] = {
    "another verdict": (set_verdict, ["decisions", "summaries"]),
    "another verdict and its id": (as_its_id_says, ["summaries"]),
    "another subject": (resubject, ["summaries"]),
    "no subject": (lambda statement: statement.update(subject=[]), ["statements", "summaries"]),
    "without its workload": (lambda statement: statement["subject"].pop(), ["statements", "summaries"]),
    "another workload beside it": (
        lambda s: s["subject"].append(
            {"name": "urn:policy-engine:workload:default/other", "digest": {"sha256": "0" * 64}}
        ),
        ["statements", "summaries"],
    ),
    "another predicate type": (lambda s: s.update(predicateType="urn:x"), ["statements", "summaries"]),
    "another statement type": (
        lambda s: s.update(_type="https://in-toto.io/Statement/v0.1"),
        ["statements", "summaries"],
    ),
    "another member": (lambda s: s.update(more=1), ["statements", "summaries"]),
    "another predicate member": (with_predicate(more=1), ["statements", "summaries"]),
    "no receipt": (with_predicate(receipt=None, entry=None), ["receipts"]),
    "no entry": (with_predicate(entry=None), ["receipts"]),
    "another place": (of_ledger(index=0), ["receipts"]),
    "another log": (of_ledger(origin="policy-ledger.local/00000000"), ["receipts"]),
    "another leaf": (of_ledger(leaf_hash="0" * 64), ["receipts"]),
    "another time": (of_ledger(recorded_at="2099-01-01T00:00:00Z"), ["summaries"]),
    "no time": (of_ledger(recorded_at="soon"), ["statements", "summaries"]),
    "another verdict's word": (
        lambda s: s["predicate"]["decision"].update(verdict="ALLOW"),
        ["statements", "summaries"],
    ),
    "no end": (lambda s: s["predicate"]["decision"].pop("valid_until"), ["statements", "summaries"]),
    "an entry that is none": (with_predicate(entry="{}"), ["receipts"]),
    "a receipt that is none": (with_predicate(receipt="x"), ["receipts"]),
}


@pytest.mark.parametrize("name", EDITS)
def test_a_decision_edited_by_who_has_the_key(check: Run, attested: Attested, name: str) -> None:
    summary, decision = attested.pair("deny")
    edit, steps = EDITS[name]
    line = edited(decision, attested.signer, edit)
    verified(line, attested.vkey)
    assert failed(check([summary, line])) == steps


def follow(decision: bytes, signer: Ed25519Signer) -> list[bytes]:
    """A pair whose summary follows from the decision, as a signer makes it who is not honest."""
    from policy_engine.attesting.statements import summary_statement

    return [signed(summary_statement(statement_of(decision)), signer), decision]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (as_its_id_says, "records another decision"),
        (of_ledger(recorded_at="2020-01-01T00:00:00Z"), "of another place"),
    ],
)
def test_a_pair_that_agrees_is_not_on_record(
    check: Run, attested: Attested, edit: Callable[[dict[str, Any]], None], message: str
) -> None:
    pair = follow(edited(attested.pair("deny")[1], attested.signer, edit), attested.signer)
    found = check(pair)
    assert failed(found) == ["receipts"]
    assert message in found.json["steps"][4]["problems"][0]["problem"]
    # and not without receipts either, for what it has must fit
    assert failed(check(pair, "--no-receipt")) == ["receipts"]


def test_the_receipt_of_another_decision(check: Run, attested: Attested) -> None:
    allowed = statement_of(attested.pair("allow")[1])["predicate"]
    for members in (("receipt",), ("entry",), ("receipt", "entry"), ("receipt", "entry", "ledger")):
        swap = with_predicate(**{name: allowed[name] for name in members})
        pair = follow(edited(attested.pair("deny")[1], attested.signer, swap), attested.signer)
        assert failed(check(pair)) == ["receipts"], members


def test_a_receipt_under_a_checkpoint_that_the_log_did_not_sign(check: Run, attested: Attested) -> None:
    predicate = statement_of(attested.pair("deny")[1])["predicate"]
    head, _, note = predicate["receipt"].partition("\n\n")
    text, _, _ = note.partition("\n\n")
    from policy_audit.note import sign_note

    twin = Ed25519Signer(attested.vkey.partition("+")[0], bytes(32))
    for receipt in (
        f"{head}\n\n{sign_note(text + chr(10), twin)}",
        f"{head}\n\n{note.replace('— ', '— x')}",
        predicate["receipt"].replace("index 1\n", "index 0\n"),
        predicate["receipt"].replace("index 1\n", "index 7\n"),
    ):
        pair = follow(
            edited(attested.pair("deny")[1], attested.signer, with_predicate(receipt=receipt)), attested.signer
        )
        assert failed(check(pair)) == ["receipts"], receipt
        # the log's key pinned apart changes nothing, and no more does another log
        assert failed(check(pair, "--ledger-vkey", attested.vkey)) == ["receipts"]
    assert failed(check(attested.pair("deny"), "--ledger-vkey", STRANGER.verifier_key)) == ["receipts"]


def test_a_proof_that_does_not_lead_to_its_checkpoint_is_refused_though_no_log_is_pinned(
    check: Run, attested: Attested
) -> None:
    receipt = statement_of(attested.pair("deny")[1])["predicate"]["receipt"]
    lines = receipt.split("\n")
    lines[2] = base64.b64encode(bytes(32)).decode()
    swap = with_predicate(receipt="\n".join(lines))
    pair = follow(edited(attested.pair("deny")[1], attested.signer, swap), attested.signer)
    assert failed(check(pair, "--no-receipt")) == ["receipts"]


def test_another_kind_of_entry_records_no_decision(check: Run, attested: Attested, tmp_path: Path) -> None:
    """Who may write to the ledger names the decision's document in an entry that is none of a decision."""
    decision = attested.pair("deny")[1]
    content = rfc8785.dumps(statement_of(decision)["predicate"]["decision"])
    with open_ledger(f"sqlite:///{tmp_path}/l.db") as ledger:
        done = ledger.append(Draft(EntryType.EVALUATION_REPORT, blobs={"decision": content}))
        place = {"index": done.index, "leaf_hash": done.leaf_hash, "recorded_at": done.recorded_at}
        members = {"entry": ledger.entry(0).raw.decode(), "receipt": ledger.receipt(0)}
        swap = with_predicate(**members, ledger={"origin": ledger.origin, **place})
        log = str(ledger.verifier_key)
    found = check(follow(edited(decision, attested.signer, swap), attested.signer), "--ledger-vkey", log)
    assert failed(found) == ["receipts"]
    assert "another decision, or none" in found.json["steps"][4]["problems"][0]["problem"]


def test_what_is_not_canonical_is_refused_though_it_is_signed(check: Run, attested: Attested) -> None:
    from policy_audit.dsse import sign_envelope

    summary, decision = attested.pair("deny")
    good = base64.b64decode(json.loads(decision)["payload"])
    for payload in (
        good.replace(b'{"_type"', b'{"_type":"x","_type"', 1),
        good.replace(b'"verdict":"deny"', b'"verdict":"deny","verdict":"allow"'),
        good.replace(b'{"_type":', b'{ "_type":', 1),
        good + b" ",
        good + good,
        b"[" * 10_000,
        b"\xff",
        b"null",
    ):
        line = sign_envelope(payload, attested.signer).encode()
        assert failed(check([summary, line])) == ["statements", "summaries"], payload[:30]


def test_a_subject_that_nothing_binds(check: Run, attested: Attested) -> None:
    assert failed(check(attested.lines, "--subject", IMAGE, "--subject", OTHER_IMAGE)) == ["subjects"]
    found = check(attested.lines, "--subject", f"other/app@{IMAGE.partition('@')[2]}")
    assert failed(found) == ["subjects"]
    assert "under another name" in found.json["steps"][5]["problems"][0]["problem"]
