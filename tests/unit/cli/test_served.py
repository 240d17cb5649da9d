"""`policy --server URL evaluate` and `gate` against a real server, held to what the local commands say."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml
from policy_audit.keys import read_key_file
from policy_audit.ledger import open_ledger
from policy_audit.proof import parse_proof

from tests.console_ledger import DENIED as WAIVABLE
from tests.serving import Server, serving
from tests.unit.cli.attest_scene import statement_of
from tests.unit.cli.conftest import Outcome
from tests.unit.cli.given import ALLOWED, DENIED, EXAMPLES, REVIEWED

Policy = Callable[..., Outcome]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("served")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POLICY_CACHE_DIR", str(folder / "cache"))
        with serving(f"sqlite:///{folder}/ledger.db") as running:
            running.token("read")  # once there is one, everybody needs one
            yield running


@pytest.fixture
def served(server: Server, policy: Policy, monkeypatch: pytest.MonkeyPatch) -> Policy:
    """Run a command that the server does, as a pipeline that may have things decided and nothing else."""
    monkeypatch.setenv("POLICY_TOKEN", server.token("decide", subject="ci@acme.example"))
    monkeypatch.setenv("CI", "true")
    return lambda *arguments: policy("--server", server.url, *arguments)


def key_of(server: Server) -> str:
    with open_ledger(server.ledger, read_only=True) as ledger:
        return ledger.verifier_key


def size_of(server: Server) -> int:
    with open_ledger(server.ledger, read_only=True) as ledger:
        return ledger.list_entries(limit=1)[0].index + 1


def test_a_gate_says_what_the_local_one_says(served: Policy, server: Server, policy: Policy, tmp_path: Path) -> None:
    found = {}
    for name, run, where in (("server", served, ()), ("here", policy, ("--ledger", f"sqlite:///{tmp_path}/own.db"))):
        reports = [f"--output={each}={tmp_path / name}.{each}" for each in ("sarif", "junit", "json", "gitlab")]
        outcome = run("gate", str(EXAMPLES), "-q", *where, *reports, "-o", "text")
        found[name] = outcome.status, outcome.out
    assert found["server"] == found["here"]
    assert found["server"][0] == 1
    sarif = {name: json.loads((tmp_path / f"{name}.sarif").read_text())["runs"][0] for name in found}
    results = {name: [_result(each) for each in run["results"]] for name, run in sarif.items()}
    assert results["server"] == results["here"]
    assert sarif["server"]["properties"] == sarif["here"]["properties"]
    decisions = {name: json.loads((tmp_path / f"{name}.json").read_text()) for name in found}
    beside = ("id", "decided_at", "ledger")
    one, other = ([{k: v for k, v in each.items() if k not in beside} for each in decisions[name]] for name in found)
    assert one == other
    with open_ledger(server.ledger, read_only=True) as ledger:
        for each in decisions["server"]:
            assert ledger.entry(each["ledger"]["index"]).document["view"]["decision_id"] == each["id"]
            assert ledger.personal(each["ledger"]["index"])["actor"] == "ci@acme.example"


def _result(result: dict[str, Any]) -> dict[str, Any]:
    """Return what is the same wherever it is decided: of a fallback the server's answer says less."""
    prints = {"identity": result["partialFingerprints"]["policyFindingIdentity/v1"]}
    told = {name: result[name] for name in ("ruleId", "level", "locations", "suppressions", "kind")}
    return {**told, **prints, "message": result["message"] if result["properties"]["finding"] != "fallback" else None}


@pytest.mark.parametrize(("file", "status"), [(ALLOWED, 0), (DENIED, 1), (REVIEWED, 5)])
def test_the_exit_status_is_the_verdict(served: Policy, file: Path, status: int) -> None:
    assert served("gate", str(file), "-q").status == status
    assert served("evaluate", str(file), "-q").status == 0


def test_with_a_pinned_key_each_decision_is_proved(served: Policy, server: Server) -> None:
    assert served("gate", str(ALLOWED), "-q", "--ledger-vkey", key_of(server)).status == 0
    with open_ledger("sqlite:///other.db") as other:
        foreign = other.verifier_key
    outcome = served("gate", str(ALLOWED), "-q", "--ledger-vkey", foreign)
    assert (outcome.status, outcome.out) == (6, "")
    assert "server-unproved" in outcome.err


def test_invalid_files_keep_no_other_from_being_decided(served: Policy, tmp_path: Path) -> None:
    text = ALLOWED.read_text()
    named = tmp_path / "named.yaml"
    named.write_text(text.replace("regulations: []", "regulations: [gdpr, gdprr]"))
    assert "gdprr" in named.read_text(), "the example has another form now"
    (tmp_path / "shape.yaml").write_text(text.replace("stage:", "stagee:"))
    outcome = served("gate", str(named), str(tmp_path / "shape.yaml"), str(ALLOWED), "-q")
    assert outcome.status == 2
    assert outcome.out.splitlines()[0] == "allow default/writing-assistant"
    line = next(n for n, each in enumerate(named.read_text().splitlines(), 1) if "gdprr" in each)
    column = named.read_text().splitlines()[line - 1].index("gdprr") + 1
    assert f"{named}:{line}:{column}: error: unknown regulation `gdprr` [workload-unknown-name]" in outcome.err
    assert "did you mean `gdpr`?" in outcome.err


def test_attestations_are_of_what_was_proved(served: Policy, server: Server, policy: Policy, tmp_path: Path) -> None:
    key, out = tmp_path / "ann.key", tmp_path / "a.jsonl"
    assert policy("waiver", "keygen", str(key), "--identity", "ann@acme.example").status == 0
    outcome = served("gate", str(ALLOWED), "-q", "--attest", str(out))
    assert (outcome.status, outcome.err.count("error:"), out.exists()) == (2, 2, False)
    pinned = key_of(server)
    given = ("--attest", str(out), "--attest-key", str(key), "--ledger-vkey", pinned)
    assert served("gate", str(ALLOWED), "-q", *given).status == 0
    attester = read_key_file(key).verifier_key
    checked = policy("audit", "verify-attestation", str(out), "--key", attester, "--ledger-vkey", pinned, "-o", "json")
    assert checked.status == 0, checked.err
    statement = statement_of(out.read_bytes().splitlines()[1])
    with open_ledger(server.ledger, read_only=True) as ledger:
        place = statement["predicate"]["ledger"]
        assert place["origin"] == ledger.origin
        assert statement["predicate"]["entry"].encode() == ledger.entry(place["index"]).raw


@pytest.mark.parametrize(
    "option",
    [
        ("--ledger", "sqlite:///:memory:"),
        ("--ledger-key", "x.key"),
        ("--policy", "layer"),
        ("--at", "2026-11-22T09:00:00Z"),
        ("--waivers", "waivers"),
        ("--cross-check",),
        ("--baseline", "b.yaml"),
        ("--write-baseline", "b.yaml", "--reason", "r"),
    ],
    ids=lambda option: option[0],
)
def test_what_is_the_servers_to_say_is_refused(served: Policy, server: Server, option: tuple[str, ...]) -> None:
    before = size_of(server)
    outcome = served("gate", str(ALLOWED), "-q", *option)
    assert (outcome.status, outcome.out, size_of(server)) == (2, "", before)
    assert "[server-option]" in outcome.err
    assert "  help: " in outcome.err


def test_another_policy_than_the_pinned_one_decides_nothing(served: Policy, server: Server) -> None:
    before = size_of(server)
    outcome = served("gate", str(ALLOWED), "-q", "--policy-digest", "sha256:" + "0" * 64)
    assert (outcome.status, outcome.out, size_of(server)) == (3, "", before)


def test_nothing_beside_a_judged_file_names_the_server(policy: Policy, tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text('server = "http://127.0.0.1:1"\n')
    outcome = policy("gate", str(ALLOWED), "--ledger", "sqlite:///:memory:")
    assert outcome.status == 2
    assert "`server` is not a setting" in outcome.err


def test_settings_of_local_decisions_do_not_reach_the_server(served: Policy, tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text('ledger = "sqlite:///own.db"\npolicy = ["nowhere"]\n')
    assert served("evaluate", str(ALLOWED), "-q").status == 0
    assert not (tmp_path / "own.db").exists()


@pytest.mark.parametrize("command", [("audit", "list"), ("rules", "list"), ("serve",), ("sweep", "x", "--to", "y.csv")])
def test_other_commands_take_no_server(policy: Policy, command: tuple[str, ...]) -> None:
    outcome = policy("--server", "http://127.0.0.1:1", *command)
    assert (outcome.status, outcome.out) == (2, "")
    assert f"`--server` is for evaluate and gate, and not for `{command[0]}`" in outcome.err


def test_who_is_not_known_or_may_not_gets_nothing(
    server: Server, policy: Policy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    reader = server.token("read")
    for token, code in (("pe_000000000000_" + "x" * 43, "token-unknown"), (reader, "role"), (None, "token-missing")):
        monkeypatch.delenv("POLICY_TOKEN", raising=False)
        if token is not None:
            monkeypatch.setenv("POLICY_TOKEN", token)
        report = tmp_path / "gate.sarif"
        outcome = policy("--server", server.url, "gate", str(ALLOWED), "-o", f"sarif={report}")
        assert (outcome.status, outcome.out) == (6, "")
        assert f"[{code}]" in outcome.err
        assert (token is None) == ("set POLICY_TOKEN" in outcome.err)
        assert token is None or (token not in outcome.err and token not in report.read_text())
        run = json.loads(report.read_text())["runs"][0]
        assert run["invocations"][0]["executionSuccessful"] is False


def test_a_token_comes_from_a_file_too(server: Server, policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("token").write_text(server.token("decide") + "\n")
    monkeypatch.setenv("POLICY_TOKEN_FILE", "token")
    monkeypatch.setenv("POLICY_SERVER", server.url)
    assert policy("gate", str(ALLOWED), "-q").status == 0
    monkeypatch.setenv("POLICY_TOKEN", "x")
    outcome = policy("gate", str(ALLOWED), "-q")
    assert (outcome.status, "both set" in outcome.err) == (2, True)


def test_many_workloads_are_sent_in_parts(served: Policy, server: Server, tmp_path: Path) -> None:
    text = ALLOWED.read_text()
    many = "\n---\n".join(text.replace("name: writing-assistant", f"name: w{number}") for number in range(30))
    (tmp_path / "many.yaml").write_text(many)
    before = size_of(server)
    outcome = served("gate", str(tmp_path / "many.yaml"), "-q", "-o", "json")
    assert [each["workload"]["name"] for each in outcome.json] == [f"w{number}" for number in range(30)]
    assert size_of(server) >= before + 30


@pytest.mark.parametrize("large", [False, True])
def test_files_that_evidence_names_go_along(
    served: Policy, policy: Policy, tmp_path: Path, large: bool, server: Server
) -> None:
    content = {"a": b"%PDF a", "b": b"%PDF b" * (200_000 if large else 1)}
    names = ("./papers/dpa.pdf", 'x/../a "b" \u00e9.pdf', "gone.pdf")
    files = []
    for folder, text in content.items():
        (tmp_path / folder / "papers").mkdir(parents=True)
        (tmp_path / folder / "papers" / "dpa.pdf").write_bytes(text)
        (tmp_path / folder / 'a "b" \u00e9.pdf').write_bytes(b"x")
        digests = [sha256(text).hexdigest(), sha256(b"x").hexdigest(), sha256(b"y").hexdigest()]
        document = yaml.safe_load(ALLOWED.read_text())
        kinds = ("dpa", "security_controls", "monitoring")
        evidence = {k: {"file": n, "sha256": d} for k, n, d in zip(kinds, names, digests, strict=True)}
        document["metadata"]["name"] += f"-{folder}"
        document["spec"]["evidence"] = evidence
        files.append(tmp_path / folder / "w.yaml")
        files[-1].write_text(yaml.safe_dump(document))
    found = {}
    for run, where in ((served, ()), (policy, ("--ledger", f"sqlite:///{tmp_path}/own.db"))):
        outcome = run("evaluate", *map(str, files), "-o", "json", *where)
        assert outcome.status == 0, outcome.err
        found[run] = [each["evidence"] for each in json.loads(outcome.out)]
        if run is served:
            assert ("1 workload names files as evidence that are too large" in outcome.err) == large
    assert found[served][0] == found[policy][0]
    assert [each["grade"] for each in found[served][0].values()] == ["attached", "asserted", "attached"]
    assert (found[served][1] == found[policy][1]) == (not large)


def test_a_receipt_is_what_the_log_proves(server: Server) -> None:
    from policy_engine.client import Client
    from tests.serving import WORKLOAD

    with Client(server.url, server.token("decide")) as client:
        (decision,) = client.decide([WORKLOAD], purpose="deploy")
        proof = client.prove(decision, key_of(server), "deploy")
        assert parse_proof(proof.receipt).index == decision.place.index == proof.index
        with pytest.raises(Exception, match="another purpose"):
            client.prove(decision, key_of(server), "draft")
        assert client.policy()["policy"] == decision.policy_digest


def test_without_the_extra_it_is_said_which_to_install() -> None:
    given = ["--server", "http://127.0.0.1:1", "gate", str(ALLOWED)]
    code = f"import sys; sys.modules['httpx'] = None; from policy_engine.cli.main import run; run({given!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "pip install 'policy-engine[client]'" in done.stderr


def test_a_local_gate_loads_nothing_of_it() -> None:
    given = ["gate", str(ALLOWED), "-q", "--ledger", "sqlite:///:memory:"]
    code = f"import sys; from policy_engine.cli.main import call; call({given!r}); print('httpx' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("False\n")


def test_what_changed_since_a_revision_is_sent_alone(
    served: Policy, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "repository"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.yaml").write_text(ALLOWED.read_text().replace("name: writing-assistant", f"name: {name}"))
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@acme.example", "-C", str(folder)]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *words], check=True)
    (folder / "b.yaml").write_text((folder / "b.yaml").read_text().replace("name: b", "name: c"))
    before = size_of(server)
    monkeypatch.chdir(folder)
    outcome = served("gate", "--since", "HEAD", "-o", "json", "-o", f"markdown={tmp_path}/comment.md")
    assert [each["workload"]["name"] for each in outcome.json] == ["c"], outcome.err
    assert size_of(server) == before + 1
    assert "default/c" in (tmp_path / "comment.md").read_text()


def test_two_places_of_record_are_one_too_many(served: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLICY_LEDGER", "sqlite:///own.db")
    outcome = served("gate", str(ALLOWED))
    given = "`--ledger`, which `POLICY_LEDGER` of the environment gives, is not for `--server`"
    assert (outcome.status, given in outcome.err, "unset `POLICY_LEDGER`" in outcome.err) == (2, True, True)


def test_what_to_do_next_leads_to_the_server(served: Policy, server: Server, tmp_path: Path) -> None:
    (tmp_path / "w.yaml").write_text(WAIVABLE, encoding="utf-8")
    outcome = served("gate", str(tmp_path / "w.yaml"))
    told = "".join(outcome.out.split())
    assert f"`{server.url}/waiver-request?decision=" in told
    assert f"`GET{server.url}/v1/decisions/" in told
    assert "policywaiverrequest" not in told
    assert "policyexplain" not in told
