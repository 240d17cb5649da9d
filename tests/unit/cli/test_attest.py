"""`policy gate --attest`: what it writes, verified by securesystemslib and rfc8785, and when it is not green."""

from __future__ import annotations

import errno
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives import serialization as forms
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from policy_audit.keys import generate_signer, read_key_file, write_key_file, write_key_text
from policy_audit.ledger import EntryType, open_ledger
from policy_audit.proof import parse_proof
from policy_audit.signing_program import SigningProgram, write_program_file
from securesystemslib.exceptions import VerificationError as OthersError

from policy_engine.cli.gate_attest import prepare
from policy_engine.cli.options import LedgerChoice
from policy_engine.decide import Decider
from policy_engine.errors import UsageError
from policy_engine.loading.policy import load_policy
from policy_engine.loading.workload_file import load_workloads
from policy_engine.sources.selection import Selection
from tests.unit.cli.attest_scene import (
    DECISION,
    IMAGE,
    OTHER_IMAGE,
    SUMMARY,
    Attested,
    statement_of,
    verified,
)
from tests.unit.cli.conftest import DENIED as WITH_NAMES
from tests.unit.cli.given import ALLOWED, DENIED, MEMORY, ROOT
from tests.unit.cli.waiver_scene import Scene

Run = Callable[..., Any]
RESULTS = {"allow": "PASSED", "deny": "FAILED", "review": "FAILED"}
LEVELS = {"allow": "POLICY_ENGINE_ALLOW", "deny": "FAILED", "review": "FAILED"}
OUT = "out.intoto.jsonl"


@pytest.fixture
def gate(policy: Run, tmp_path: Path) -> Run:
    """Gate an allowed workload into the test's own ledger."""

    def run(*arguments: str, file: Path = ALLOWED) -> Any:
        return policy("gate", str(file), "--ledger", f"sqlite:///{tmp_path}/l.db", "-q", *arguments)

    return run


def recorded(tmp_path: Path) -> int:
    with open_ledger(f"sqlite:///{tmp_path}/l.db", read_only=True) as ledger:
        return len(ledger.list_entries(type=EntryType.DECISION))


def test_a_verification_summary_as_slsa_has_it(attested: Attested) -> None:
    assert len(attested.lines) == 6
    name, _, digest = IMAGE.partition("@sha256:")
    for line, decision in zip(attested.lines[::2], attested.lines[1::2], strict=True):
        statement = verified(line, attested.vkey)
        document = statement_of(decision)["predicate"]["decision"]
        assert statement.keys() == {"_type", "subject", "predicateType", "predicate"}
        assert (statement["_type"], statement["predicateType"]) == ("https://in-toto.io/Statement/v1", SUMMARY)
        identity = f"{document['workload']['namespace']}/{document['workload']['name']}"
        of_workload = {
            "name": f"urn:policy-engine:workload:{identity}",
            "digest": {"sha256": document["workload"]["digest"].removeprefix("sha256:")},
        }
        assert statement["subject"] == [{"name": name, "digest": {"sha256": digest}}, of_workload]
        summary = statement["predicate"]
        assert summary["verifier"] == {"id": "urn:policy-engine:gate", "version": {"policy-engine": "0.1.0"}}
        assert datetime.fromisoformat(summary["timeVerified"]).utcoffset() is not None
        assert summary["timeVerified"].endswith("Z")
        assert summary["resourceUri"] == f"urn:policy-engine:workload:{identity}"
        assert summary["policy"]["digest"] == {"sha256": document["policy"]["digest"].removeprefix("sha256:")}
        assert summary["policy"]["uri"]
        assert summary["inputAttestations"][0]["digest"] == of_workload["digest"]
        assert summary["verificationResult"] == RESULTS[document["verdict"]]
        assert summary["verifiedLevels"] == [LEVELS[document["verdict"]]]
        assert not any(level.startswith("SLSA_") for level in summary["verifiedLevels"])
        assert re.fullmatch(r"1\.\d", summary["slsaVersion"])


def test_the_decision_in_full_is_the_one_on_record(attested: Attested) -> None:
    with open_ledger(attested.ledger, read_only=True) as ledger:
        for index, line in enumerate(attested.lines[1::2]):
            statement = verified(line, attested.vkey)
            assert statement["predicateType"] == DECISION
            predicate = statement["predicate"]
            content = rfc8785.dumps(predicate["decision"])
            entry = ledger.entry(index)
            assert predicate["id"] == sha256(content).hexdigest()
            assert content == ledger.blob(entry.document["blobs"]["decision"])
            assert predicate["entry"].encode() == entry.raw
            assert sha256(b"\0" + entry.raw).hexdigest() == predicate["ledger"]["leaf_hash"] == entry.leaf_hash
            origin = attested.vkey.partition("+")[0]
            assert predicate["ledger"] == {
                "origin": origin,
                "index": index,
                "leaf_hash": entry.leaf_hash,
                "tree_size": 3,
                "recorded_at": entry.recorded_at,
                "status": "recorded",
            }
            assert parse_proof(predicate["receipt"]).verify(entry.raw, [attested.vkey], origin).size == 3


def test_no_name_is_in_it(gate: Run, tmp_path: Path) -> None:
    (tmp_path / "w.yaml").write_text(WITH_NAMES, encoding="utf-8")
    assert gate("--attest", OUT, file=tmp_path / "w.yaml").status == 1
    held = b"".join(rfc8785.dumps(statement_of(line)) for line in Path(OUT).read_bytes().splitlines())
    assert b"support/triage" in held
    for name in (b"acme.example", b"olga", b"carl", b"anna"):
        assert name not in held.lower(), name


def test_evidence_that_was_read_is_an_input(gate: Run, tmp_path: Path) -> None:
    (tmp_path / "dpa.pdf").write_bytes(b"signed")
    digest = sha256(b"signed").hexdigest()
    evidence = (
        f"  evidence:\n    dpa: {{file: dpa.pdf, sha256: {digest}}}\n"
        f"    security_controls: {{reference: soc2}}\n    no_training_term: {{file: none.pdf, sha256: {digest}}}\n"
    )
    text = ALLOWED.read_text(encoding="utf-8")
    assert "evidence:" not in text
    (tmp_path / "w.yaml").write_text(text.rstrip() + "\n" + evidence, encoding="utf-8")
    assert gate("--attest", OUT, file=tmp_path / "w.yaml").status in (0, 5)
    summary, decision = map(statement_of, Path(OUT).read_bytes().splitlines())
    assert decision["predicate"]["evidence"] == {"dpa": f"sha256:{digest}"}
    workload = summary["predicate"]["resourceUri"]
    assert [each["uri"] for each in summary["predicate"]["inputAttestations"]] == [workload, f"{workload}#evidence/dpa"]
    assert summary["predicate"]["inputAttestations"][1]["digest"] == {"sha256": digest}


def test_the_readmes_program_verifies_it(attested: Attested, monkeypatch: pytest.MonkeyPatch) -> None:
    program = re.search(
        r"```python\n(import json\n.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL
    )
    assert program
    monkeypatch.chdir(attested.folder)
    exec(program[1], {"VKEY": attested.vkey})  # noqa: S102
    with pytest.raises(OthersError):
        exec(program[1], {"VKEY": generate_signer("stranger").verifier_key})  # noqa: S102


def test_without_a_subject_the_workload_alone_is_one(gate: Run) -> None:
    assert gate("--attest", OUT).status == 0
    for line in Path(OUT).read_bytes().splitlines():
        assert [each["name"] for each in statement_of(line)["subject"]] == [
            "urn:policy-engine:workload:default/writing-assistant"
        ]


def keys(tmp_path: Path) -> dict[str, tuple[Path, str]]:
    """Signing keys of every kind, each with its verifier key or PEM file."""
    plain, pem, held = generate_signer("ci"), Ed25519PrivateKey.generate(), generate_signer("kms")
    write_key_file(tmp_path / "ci.key", plain)
    write_key_text(
        tmp_path / "ci.pem",
        pem.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption()).decode(),
    )
    public = pem.public_key().public_bytes(forms.Encoding.PEM, forms.PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "public.pem").write_bytes(public)
    write_key_file(tmp_path / "held.key", held)
    script = (
        "import base64, sys, pathlib; from policy_audit.keys import read_key_file; "
        f"signer = read_key_file(pathlib.Path({str(tmp_path / 'held.key')!r})); "
        "print(base64.b64encode(signer.sign(sys.stdin.buffer.read())).decode())"
    )
    write_program_file(tmp_path / "kms.key", SigningProgram(held.verifier_key, [sys.executable, "-c", script]))
    return {
        "signer key": (tmp_path / "ci.key", plain.verifier_key),
        "pem": (tmp_path / "ci.pem", str(tmp_path / "public.pem")),
        "program": (tmp_path / "kms.key", held.verifier_key),
    }


@pytest.mark.parametrize("kind", ["signer key", "pem", "program"])
def test_a_given_key_signs_and_the_ledgers_receipt_stays(
    policy: Run, gate: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    file, public = keys(tmp_path)[kind]
    if kind == "pem":
        monkeypatch.setenv("POLICY_ATTEST_KEY", str(file))
        done = gate("--attest", OUT)
    else:
        done = gate("--attest", OUT, "--attest-key", str(file))
        verified(Path(OUT).read_bytes().splitlines()[0], public)
    assert done.status == 0, done.err
    vkey = re.findall(r"verify: (\S+)", done.err)[0]
    check = ("audit", "verify-attestation", OUT, "--key", public)
    assert policy(*check, "--ledger-vkey", vkey).status == 0
    assert policy(*check, "--no-receipt").status == 0
    own = policy("audit", "verify-attestation", OUT, "--key", vkey)
    assert own.status == 6
    assert "no pinned key signed it" in " ".join(own.out.split())


def test_waivers_are_an_input_and_name_nobody(policy: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(tmp_path, policy, monkeypatch.setenv)
    scene.granted()
    assert scene.decide("--attest", OUT, command="gate")["verdict"] == "allow_with_conditions"
    summary, decision = map(statement_of, Path(OUT).read_bytes().splitlines())
    document = decision["predicate"]["decision"]
    assert summary["predicate"]["verifiedLevels"] == ["POLICY_ENGINE_ALLOW_WITH_CONDITIONS"]
    assert summary["predicate"]["verificationResult"] == "PASSED"
    workload, waivers = summary["predicate"]["inputAttestations"]
    assert waivers["uri"] == f"{workload['uri']}#waivers"
    assert f"sha256:{waivers['digest']['sha256']}" == document["waivers"]["digest"]
    assert b"acme.example" not in rfc8785.dumps(decision)
    vkey = read_key_file(scene.ledger.with_name("waivers.db.key")).verifier_key
    assert policy("audit", "verify-attestation", OUT, "--key", vkey).status == 0


class NoLedger:
    """The door of a run that spools: there is no ledger behind it."""

    @property
    def ledger(self) -> Any:
        raise AssertionError("a spool was asked for its ledger")


def test_a_spooled_decision_has_no_receipt_and_needs_a_key(policy: Run, tmp_path: Path) -> None:
    write_key_file(tmp_path / "ci.key", generate_signer("ci"))
    rules = load_policy()
    (loaded,) = load_workloads(ALLOWED.read_bytes(), "w.yaml", rules.vocabulary)
    decided = Decider(rules).decide(loaded.workload, {}, datetime(2026, 11, 29, tzinfo=UTC))
    run: Any = SimpleNamespace(ledger=LedgerChoice("spool:s", None, True), selection=Selection(), layers=[], targets=[])
    with pytest.raises(UsageError) as error:
        prepare(run, Path(OUT), None, [])
    assert error.value.code == "no-attest-key"
    attesting = prepare(run, Path(OUT), Path("ci.key"), [])
    assert attesting is not None
    place = {"status": "spooled", "leaf_hash": "0" * 64, "recorded_at": "2026-11-29T00:00:01Z", "n": 1, "of": 1}
    door: Any = NoLedger()
    attesting.gather(door, [decided], [place])
    attesting.write()
    key = read_key_file(Path("ci.key")).verifier_key
    summary, decision = (verified(line, key) for line in Path(OUT).read_bytes().splitlines())
    assert summary["predicate"]["timeVerified"] == "2026-11-29T00:00:01Z"
    assert (decision["predicate"]["entry"], decision["predicate"]["receipt"]) == (None, None)
    assert decision["predicate"]["ledger"] == place
    assert policy("audit", "verify-attestation", OUT, "--key", key).status == 6
    assert policy("audit", "verify-attestation", OUT, "--key", key, "--no-receipt").status == 0


# ---- not green


def test_a_program_that_fails_makes_the_gate_fail_and_the_decision_stands(gate: Run, tmp_path: Path) -> None:
    signer = generate_signer("kms")
    write_program_file(tmp_path / "kms.key", SigningProgram(signer.verifier_key, [sys.executable, "-c", "exit(3)"]))
    Path(OUT).write_text('{"payload":"of an earlier run"}\n', encoding="utf-8")
    done = gate("--attest", OUT, "--attest-key", "kms.key")
    assert done.status == 6
    assert done.out == "allow default/writing-assistant\n"
    assert "[signing-program]" in done.err
    assert "[not-attested]" in done.err
    assert not Path(OUT).exists()
    assert recorded(tmp_path) == 1


def test_a_full_disk_makes_the_gate_fail_and_the_decision_stands(
    gate: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("policy_engine.cli.ledger_reading.write_whole", full)
    done = gate("--attest", OUT)
    assert (done.status, done.out) == (2, "allow default/writing-assistant\n")
    assert "no space left" in done.err
    assert recorded(tmp_path) == 1


def test_a_receipt_that_the_ledger_cannot_give_makes_the_gate_fail(
    gate: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from policy_audit.errors import VerificationError
    from policy_audit.ledger import Ledger

    def broken(ledger: Ledger, index: int) -> str:
        raise VerificationError("the tree was changed", code="tree-changed")

    monkeypatch.setattr(Ledger, "receipt", broken)
    done = gate("--attest", OUT)
    assert (done.status, Path(OUT).exists()) == (6, False)
    assert "[tree-changed]" in done.err
    assert recorded(tmp_path) == 1


def test_what_an_earlier_run_left_is_gone_where_nothing_is_attested(gate: Run, tmp_path: Path) -> None:
    assert gate("--attest", OUT).status == 0
    assert Path(OUT).exists()
    (tmp_path / "bad.yaml").write_text("kind: Pod\n", encoding="utf-8")
    assert gate("--attest", OUT, file=tmp_path / "bad.yaml").status == 2
    assert not Path(OUT).exists()


def test_two_documents_of_one_workload_are_not_attested(gate: Run, tmp_path: Path) -> None:
    text = ALLOWED.read_text(encoding="utf-8")
    both = f"{text}\n---\n{text.replace('stage: pilot', 'stage: prototype')}"
    (tmp_path / "two.yaml").write_text(both, encoding="utf-8")
    done = gate("--attest", OUT, "--subject", IMAGE, file=tmp_path / "two.yaml")
    assert (done.status, Path(OUT).exists(), recorded(tmp_path)) == (2, False, 2)
    assert "[ambiguous-workload]" in done.err
    (tmp_path / "same.yaml").write_text(f"{text}\n---\n{text}", encoding="utf-8")
    assert gate("--attest", OUT, file=tmp_path / "same.yaml").status == 0
    assert len(Path(OUT).read_bytes().splitlines()) == 4


def test_an_empty_file_is_written_over_and_one_byte_is_not(gate: Run, tmp_path: Path) -> None:
    descriptor, name = tempfile.mkstemp(dir=tmp_path)
    os.close(descriptor)
    assert gate("--attest", name).status == 0
    assert len(Path(name).read_bytes().splitlines()) == 2
    Path(name).write_bytes(b"\n")
    done = gate("--attest", name)
    assert (done.status, Path(name).read_bytes()) == (2, b"\n")
    assert "[file-exists]" in done.err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--subject", IMAGE), "usage"),
        (("--attest-key", "k"), "usage"),
        (("--attest", OUT, "--attest-key", "none.key"), "signing-key-missing"),
        (("--attest", OUT, "--attest-key", "wrong.key"), "signing-key"),
        (("--attest", "none/out"), "cannot-write"),
        (("--attest", "."), "cannot-write"),
        (("--attest", "l.db"), "cannot-write"),
        (("--attest", "l.db.key"), "cannot-write"),
        (("--attest", "wrong.key", "--attest-key", "wrong.key"), "cannot-write"),
        (("--attest", str(ALLOWED)), "cannot-write"),
        (("--attest", "other.txt"), "file-exists"),
        (("--attest", "pipe"), "cannot-write"),
        (("--attest", OUT, "-o", f"json={OUT}"), "two-in-one-file"),
        (("--attest", OUT, "--subject", IMAGE, "--subject", OTHER_IMAGE), "usage"),
        (("--attest", OUT, "--subject", "app"), "usage"),
        (("--attest", OUT, "--subject", "urn:policy-engine:workload:a/b@" + IMAGE.partition("@")[2]), "usage"),
        (("--attest", OUT, "--subject", "app@sha256:abc"), "usage"),
        (("--attest", OUT, "--subject", IMAGE.partition("@")[2]), "usage"),
        (("--attest", OUT, "--subject", "a\nb@" + IMAGE.partition("@")[2]), "usage"),
        (("--attest", OUT, "--subject", IMAGE.replace("sha256", "md5")), "usage"),
    ],
    ids=lambda given: " ".join(given)[:60] if isinstance(given, tuple) else given,
)
def test_what_cannot_work_is_found_before_anything_is_recorded(
    gate: Run, tmp_path: Path, arguments: tuple[str, ...], code: str
) -> None:
    write_key_text(tmp_path / "wrong.key", "no key")
    (tmp_path / "other.txt").write_text("something else", encoding="utf-8")
    os.mkfifo(tmp_path / "pipe")
    done = gate(*arguments)
    assert (done.status, done.out) == (2, ""), done.err
    assert f"[{code}]" in done.err
    assert not (tmp_path / "l.db").exists()
    assert (tmp_path / "other.txt").read_text(encoding="utf-8") == "something else"


def test_nothing_is_attested_that_a_ledger_in_memory_forgets(policy: Run, tmp_path: Path) -> None:
    write_key_file(tmp_path / "ci.key", generate_signer("ci"))
    done = policy("gate", str(DENIED), *MEMORY, "--attest", OUT, "--attest-key", "ci.key")
    assert (done.status, done.out, Path(OUT).exists()) == (2, "", False)
    assert "[scratch-ledger]" in done.err


def test_an_attest_key_of_the_environment_is_for_the_runs_that_attest(
    gate: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLICY_ATTEST_KEY", "none.key")
    assert gate().status == 0
    assert gate("--attest", OUT).status == 2
    assert json.loads(gate("-o", "json").out)["verdict"] == "allow"
