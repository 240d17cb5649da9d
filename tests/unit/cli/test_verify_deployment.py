"""`policy verify-deployment`: each status, and nothing old, expired, unbound or unproven that passes."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from policy_audit.keys import generate_signer

from policy_engine.attesting.statements import summary_statement
from tests.unit.cli.attest_scene import IMAGE, OTHER_IMAGE, Attested, signed, statement_of, write

Run = Callable[..., Any]
Lines = list[bytes]
AT = "2026-12-01T12:00:00Z"
POLICY = f"sha256:{'1' * 64}"


@pytest.fixture
def deploy(policy: Run, attested: Attested, tmp_path: Path) -> Run:
    """Ask whether the image may be deployed, by the ledger's key."""

    def run(lines: Lines, *arguments: str, subject: str = IMAGE) -> Any:
        path = write(tmp_path / "given.jsonl", lines)
        given = ("--key", attested.vkey, "--subject", subject)
        return policy("verify-deployment", str(path), *given, "-o", "json", *arguments)

    return run


@pytest.fixture
def made(attested: Attested) -> Callable[..., Lines]:
    """Make the pair of a decision that a gate could have made, of a spooled run: no receipt."""

    def make(
        verdict: str,
        at: str = "2026-12-01T00:00:00Z",
        *,
        subjects: tuple[str, ...] = (IMAGE,),
        name: str = "triage",
        document: str = "1",
        until: str | None = None,
        stage: str = "pilot",
        **ledger: Any,
    ) -> Lines:
        statement = statement_of(attested.pair("allow")[1])
        predicate = statement["predicate"]
        decision = predicate["decision"]
        decision |= {"verdict": verdict, "decided_at": at, "valid_until": until}
        decision["workload"] |= {"name": name, "digest": f"sha256:{document * 64}", "stage": stage}
        decision["policy"]["digest"] = POLICY
        predicate |= {"entry": None, "receipt": None, "ledger": {"recorded_at": at, **ledger}}
        predicate["id"] = sha256(rfc8785.dumps(decision)).hexdigest()
        named = [each.partition("@sha256:") for each in subjects]
        workload = f"urn:policy-engine:workload:{decision['workload']['namespace']}/{name}"
        bound = [(left, right) for left, _, right in named] + [(workload, document * 64)]
        statement["subject"] = [{"name": left, "digest": {"sha256": right}} for left, right in bound]
        return [signed(summary_statement(statement), attested.signer), signed(statement, attested.signer)]

    return make


@pytest.fixture
def spooled(deploy: Run) -> Run:
    """Ask at noon, of decisions that have no receipt."""
    return lambda lines, *arguments, **more: deploy(lines, "--no-receipt", "--at", AT, *arguments, **more)


# ---- what the gate wrote


@pytest.mark.parametrize(
    ("verdict", "status", "kind"), [("allow", 0, None), ("deny", 1, "deny"), ("review", 5, "review")]
)
def test_the_status_is_the_verdict(
    deploy: Run, attested: Attested, verdict: str, status: int, kind: str | None
) -> None:
    found = deploy(attested.pair(verdict))
    assert found.status == status, found.err
    assert found.json["ok"] is (status == 0)
    assert [each["kind"] for each in found.json["findings"]] == ([kind] if kind else [])
    assert [each["verdict"] for each in found.json["decisions"]] == [verdict]


def test_the_worst_of_several_workloads_counts(deploy: Run, attested: Attested) -> None:
    assert deploy(attested.lines).status == 1
    assert deploy([*attested.pair("allow"), *attested.pair("review")]).status == 5
    name = "default/writing-assistant"
    for wanted in (name, "writing-assistant"):
        assert deploy(attested.lines, "--workload", wanted).status == 0
    assert deploy(attested.lines, "--workload", "writing").status == 6
    assert deploy(attested.pair("deny"), "--workload", name).status == 6
    text = deploy(attested.lines, "-o", "text=out.txt")
    assert text.status == 1
    assert Path("out.txt").read_text(encoding="utf-8").startswith("REFUSED")


def test_a_receipt_is_needed_and_verified(deploy: Run, policy: Run, attested: Attested, made: Any) -> None:
    assert deploy(made("allow"), "--at", AT).status == 6
    assert deploy(made("allow"), "--at", AT, "--no-receipt").status == 0
    stranger = generate_signer("stranger").verifier_key
    assert deploy(attested.pair("allow"), "--ledger-vkey", stranger).status == 6
    assert deploy(attested.pair("allow"), "--ledger-vkey", stranger, "--no-receipt").status == 6
    assert deploy(attested.pair("allow"), "--no-receipt").status == 0
    # a key in PEM names no log
    from cryptography.hazmat.primitives import serialization as forms
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from policy_audit.keys import parse_verifier_key

    key = Ed25519PublicKey.from_public_bytes(parse_verifier_key(attested.vkey).public)
    Path("key.pem").write_bytes(key.public_bytes(forms.Encoding.PEM, forms.PublicFormat.SubjectPublicKeyInfo))
    asked = ("verify-deployment", str(attested.file), "--key", "key.pem", "--subject", IMAGE)
    done = policy(*asked, "--workload", "writing-assistant")
    assert (done.status, done.out) == (2, "")
    assert "[no-ledger-key]" in done.err
    assert policy(*asked, "--workload", "writing-assistant", "--ledger-vkey", attested.vkey).status == 0


def test_what_does_not_verify_has_no_verdict(deploy: Run, attested: Attested) -> None:
    stranger = generate_signer("stranger")
    forged = [signed(statement_of(line), stranger) for line in attested.pair("allow")]
    for lines in (forged, [*attested.pair("allow"), forged[0]], attested.pair("allow")[1:]):
        found = deploy(lines)
        assert found.status == 6
        assert (found.json["ok"], found.json["verified"], found.json["decisions"]) == (False, False, [])
    found = deploy(attested.pair("allow"), subject=OTHER_IMAGE)
    assert found.status == 6
    assert deploy([b""]).status == deploy([b"{}"]).status == 2


def test_the_policy(deploy: Run, attested: Attested) -> None:
    digest = statement_of(attested.lines[1])["predicate"]["decision"]["policy"]["digest"]
    assert deploy(attested.pair("allow"), "--policy-digest", digest).status == 0
    for verdict in ("allow", "deny", "review"):
        assert deploy(attested.pair(verdict), "--policy-digest", POLICY).status == 3
    assert deploy(attested.pair("allow"), "--policy-digest", "47564144").status == 2


def test_the_policy_and_the_log_of_the_environment(
    deploy: Run, attested: Attested, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLICY_POLICY_DIGEST", POLICY)
    assert deploy(attested.pair("allow")).status == 3
    monkeypatch.setenv("POLICY_LEDGER_VKEY", generate_signer("stranger").verifier_key)
    assert deploy(attested.pair("allow")).status == 6


def test_a_policy_toml_says_nothing_to_a_deployer(deploy: Run, attested: Attested, tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(
        f'at = "2020-01-01T00:00:00Z"\nledger_vkey = "{generate_signer("x").verifier_key}"\n', encoding="utf-8"
    )
    assert deploy(attested.pair("allow")).status == 0


# ---- time


@pytest.mark.parametrize(
    ("until", "status"),
    [
        (None, 0),
        ("2026-12-01T12:00:00Z", 0),
        ("2026-12-01T11:59:59Z", 5),
        ("2026-12-01T13:00:00+02:00", 5),
        ("2020-01-01T23:59:59Z", 5),
    ],
)
def test_a_decision_ends(spooled: Run, made: Any, until: str | None, status: int) -> None:
    assert spooled(made("allow", until=until)).status == status
    assert spooled(made("deny", until=until)).status == 1
    if status:
        assert [each["kind"] for each in spooled(made("allow", until=until)).json["findings"]] == ["expired"]


def test_now_is_the_default(deploy: Run, attested: Attested, made: Any) -> None:
    assert deploy(made("allow", "2020-01-01T00:00:00Z", until="2020-06-30T23:59:59Z"), "--no-receipt").status == 5
    assert deploy(made("allow", "2020-01-01T00:00:00Z", until="2999-06-30T23:59:59Z"), "--no-receipt").status == 0
    assert deploy(made("allow", "2999-01-01T00:00:00Z"), "--no-receipt").status == 6
    assert deploy(attested.pair("allow"), "--at", "2020-01-01T00:00:00Z").status == 6


def test_a_clock_that_is_behind_does_not_bring_an_old_decision_back(spooled: Run, made: Any) -> None:
    old, new = made("allow", "2026-12-01T00:00:00Z"), made("deny", "2026-12-01T12:06:00Z")
    assert spooled(old).status == 0
    found = spooled([*old, *new])
    assert found.status == 6
    assert [each["kind"] for each in found.json["findings"]] == ["clock", "deny"]
    assert spooled(made("allow", "2026-12-01T12:04:00Z")).status == 0


# ---- several decisions

OLD, NEW, NEWEST = (f"2026-12-01T0{hour}:00:00Z" for hour in (1, 2, 3))


def test_the_newest_counts_wherever_it_stands(spooled: Run, made: Any) -> None:
    for before, after, status in (("allow", "deny", 1), ("allow", "review", 5), ("deny", "allow", 0)):
        pairs = made(before, OLD), made(after, NEW)
        for order in itertools.permutations([*pairs[0], *pairs[1]]):
            assert spooled(list(order)).status == status, (before, after)
        # in other writings of the same time, too
        assert spooled([*made(before, "2026-12-01T02:30:00+02:00"), *pairs[1]]).status == status


def test_where_none_is_newer_the_worst_counts(spooled: Run, made: Any) -> None:
    assert spooled([*made("allow", NEW), *made("deny", NEW, document="2")]).status == 1
    assert spooled([*made("allow", NEW), *made("review", NEW, document="2")]).status == 5
    # a log in which the later time has the earlier place: a clock was set back
    log = {"origin": "log.example", "leaf_hash": "0" * 64}
    first, second = made("deny", OLD, index=9, **log), made("allow", NEW, index=3, **log)
    assert spooled([*first, *second]).status == 1
    assert spooled([*made("deny", OLD, index=2, **log), *second]).status == 0


def test_another_workload_replaces_nothing(spooled: Run, made: Any) -> None:
    lines = [*made("deny", OLD), *made("allow", NEW, name="notes")]
    assert spooled(lines).status == 1
    assert spooled(lines, "--workload", "notes").status == 0
    assert {each["workload"] for each in spooled(lines).json["decisions"]} == {"default/triage", "default/notes"}


def test_a_newer_decision_on_the_same_document_counts_whatever_it_binds(spooled: Run, made: Any) -> None:
    bound = made("allow", OLD)
    assert spooled([*bound, *made("deny", NEW, subjects=())]).status == 1
    assert spooled([*bound, *made("deny", NEW, subjects=(OTHER_IMAGE,))]).status == 1
    # of another document: the image was not judged by it
    assert spooled([*bound, *made("deny", NEW, subjects=(), document="2")]).status == 0
    assert spooled([*made("deny", OLD), *made("allow", NEW, subjects=(), document="2")]).status == 1
    # an allow of the older document does not lift the deny of the one that binds it now
    lines = [*bound, *made("deny", NEW, document="2"), *made("allow", NEWEST, subjects=())]
    assert spooled(lines).status == 1
    # nor does one that binds nothing lift the deny of one that does
    assert spooled([*made("deny", OLD), *made("allow", NEW, subjects=())]).status == 1
    assert spooled([*bound, *made("deny", NEW, subjects=()), *made("allow", NEWEST, subjects=())]).status == 0


def test_every_subject_has_to_be_bound(spooled: Run, made: Any) -> None:
    lines = [*made("allow", OLD), *made("deny", NEW, subjects=(OTHER_IMAGE,), name="notes", document="2")]
    assert spooled(lines).status == 0
    assert spooled(lines, "--subject", OTHER_IMAGE).status == 1
    assert spooled(lines, "--subject", f"sha256:{'7' * 64}").status == 6
    assert spooled(lines, subject=IMAGE.partition("@")[2]).status == 0
    assert spooled(lines, subject=f"elsewhere/app@{IMAGE.partition('@')[2]}").status == 6
    assert spooled(lines, subject=f"sha256:{'1' * 64}").status == 0  # the workload's own digest


def test_the_stage(spooled: Run, made: Any) -> None:
    assert spooled(made("allow", stage="pilot"), "--stage", "pilot").status == 0
    assert spooled(made("allow", stage="pilot"), "--stage", "production").status == 6
    newer = [*made("allow", OLD, stage="production"), *made("allow", NEW, stage="pilot")]
    assert spooled(newer, "--stage", "production").status == 6
    assert spooled(made("allow"), "--stage", "canary").status == 2


def test_the_purpose_is_the_one_on_record(deploy: Run, spooled: Run, attested: Attested, made: Any) -> None:
    assert deploy(attested.pair("allow"), "--purpose", "draft").status == 0
    assert deploy(attested.pair("allow"), "--purpose", "deploy").status == 6
    assert deploy(attested.pair("allow")).json["decisions"][0]["purpose"] == "draft"
    assert spooled(made("allow"), "--purpose", "draft").status == 6


def test_the_first_of_several_statuses_wins(spooled: Run, made: Any) -> None:
    ended = "2026-11-01T00:00:00Z"
    assert spooled(made("deny", until=ended), "--policy-digest", f"sha256:{'2' * 64}").status == 3
    assert spooled(made("deny", until=ended), "--stage", "production", "--policy-digest", POLICY).status == 6
    found = spooled(made("review", until=ended), "--policy-digest", POLICY)
    assert (found.status, [each["kind"] for each in found.json["findings"]]) == (5, ["expired", "review"])


def test_conditions_are_no_failure(spooled: Run, made: Any) -> None:
    assert spooled(made("allow_with_conditions")).status == 0


@pytest.mark.parametrize("missing", ["--key", "--subject"])
def test_nothing_is_deployed_unasked(policy: Run, attested: Attested, missing: str) -> None:
    given = {"--key": attested.vkey, "--subject": IMAGE}
    rest = [part for name, value in given.items() if name != missing for part in (name, value)]
    assert policy("verify-deployment", str(attested.file), *rest).status == 2
    assert policy("verify-deployment", "none.jsonl", "--key", attested.vkey, "--subject", IMAGE).status == 2


def test_no_report_takes_the_place_of_what_is_verified(policy: Run, attested: Attested) -> None:
    before = attested.file.read_bytes()
    given = (str(attested.file), "--key", attested.vkey, "--subject", IMAGE, "-o", f"json={attested.file}")
    for command in (("verify-deployment",), ("audit", "verify-attestation")):
        assert policy(*command, *given).status == 2
    assert attested.file.read_bytes() == before
