"""A server that lies, breaks off, drips, or sends elsewhere: nothing of it counts, and the token stays at home."""

from __future__ import annotations

import copy
import hashlib
import socket
import ssl
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from policy_audit.canonical import document_bytes

from policy_engine.client import Client, DeniedError, RefusedError, UnavailableError, UnreachableError, UntrustedError
from policy_engine.decide import Decider
from policy_engine.errors import PolicyError, UsageError
from policy_engine.loading.policy import load_policy
from tests.serving import WORKLOAD
from tests.unit.client.faking import Fake, Reply, answer_on, faking, reply

TOKEN = "pe_0123456789ab_" + "s3cret" * 7 + "x"


@cache
def honest() -> dict[str, Any]:
    return answer_on(Decider(load_policy()), WORKLOAD)


def client(fake: Fake, **more: Any) -> Client:
    return Client(fake.url, TOKEN, waits=more.pop("waits", ()), **more)


def asked(*replies: Reply, **more: Any) -> Any:
    with faking(*replies) as fake, client(fake, **more) as policy:
        return policy.decide([WORKLOAD])


def resealed(answer: dict[str, Any]) -> dict[str, Any]:
    """Give a changed decision the id that its content has, as a server would that knows how."""
    recorded = {name: value for name, value in answer.items() if name not in ("id", "ledger")}
    recorded["workload"] = {**recorded["workload"], "owner": {"present": True}}
    return {**answer, "id": hashlib.sha256(document_bytes(recorded)).hexdigest()}


def test_an_honest_answer_is_believed() -> None:
    (decision,) = asked(reply([honest()]))
    assert (decision.id, decision.verdict, decision.place.index) == (honest()["id"], honest()["verdict"], 3)


def _allowed(answer: dict[str, Any]) -> None:
    answer["verdict"] = "allow"


def _task_allowed(answer: dict[str, Any]) -> None:
    answer["verdict"] = answer["tasks"][0]["verdict"] = "allow"


def _nothing_open(answer: dict[str, Any]) -> None:
    _task_allowed(answer)
    option = answer["tasks"][0]["judged_option"]
    for row in answer["tasks"][0]["options"]:
        if row["deployment"] == option:
            row["status"] = "forbidden"
    answer["tasks"][0]["recommendation"]["firm"] = True
    answer["tasks"][0]["obligations"] = []


def _no_ledger(answer: dict[str, Any]) -> None:
    del answer["ledger"]


def _scratch(answer: dict[str, Any]) -> None:
    answer["ledger"]["status"] = "scratch"


def _beyond(answer: dict[str, Any]) -> None:
    answer["ledger"]["index"] = 4


def _negative(answer: dict[str, Any]) -> None:
    answer["ledger"]["index"] = -1


def _strange(answer: dict[str, Any]) -> None:
    answer["verdict"] = answer["tasks"][0]["verdict"] = "permitted"


def _without_tasks(answer: dict[str, Any]) -> None:
    answer["tasks"] = []


def _without_options(answer: dict[str, Any]) -> None:
    answer["tasks"][0]["options"] = []


SPOILT = (
    _allowed,
    _task_allowed,
    _nothing_open,
    _no_ledger,
    _scratch,
    _beyond,
    _negative,
    _strange,
    _without_tasks,
    _without_options,
)


@pytest.mark.parametrize("sealed", [False, True], ids=["as it was", "with its own id"])
@pytest.mark.parametrize("spoil", SPOILT, ids=lambda each: each.__name__)
def test_what_does_not_hold_together_is_no_decision(spoil: Callable[[dict[str, Any]], None], sealed: bool) -> None:
    answer = copy.deepcopy(honest())
    assert answer["verdict"] == "review", "else nothing here is a lie"
    spoil(answer)
    with pytest.raises(UntrustedError):
        asked(reply([resealed(answer) if sealed else answer]))


@pytest.mark.parametrize(
    "given",
    [
        reply({}),
        reply([]),
        reply(None),
        reply([1]),
        reply("[]"),
        reply({"status": 503, "code": "x", "detail": "a problem, with 200"}),
        Reply(200, b"<html>Log in</html>", {"Content-Type": "text/html"}),
        Reply(200, b"[{", {"Content-Type": "application/json"}),
        Reply(200, b"[" * 100_000, {"Content-Type": "application/json"}),
        Reply(200, b"\xff\xfe", {"Content-Type": "application/json"}),
        Reply(204, b"", {}),
    ],
)
def test_what_is_no_decision_is_an_error(given: Reply) -> None:
    with pytest.raises(UntrustedError):
        asked(given)


def test_fewer_or_more_decisions_than_workloads_are_none() -> None:
    with pytest.raises(UntrustedError, match="one decision for each workload"):
        asked(reply([honest(), honest()]))
    with pytest.raises(UntrustedError):
        asked(reply(honest()))


def test_no_redirect_is_followed_and_the_token_goes_nowhere_else() -> None:
    with faking(reply([honest()])) as other:
        for status in (301, 302, 303, 307, 308):
            with pytest.raises(UntrustedError, match="redirect"):
                asked(Reply(status, b"", {"Location": f"{other.url}/v1/decisions"}))
        assert other.asked == []


def test_an_answer_without_end_is_ended() -> None:
    def drip(handler: Any) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(40):
            handler.wfile.write(b"[")
            time.sleep(0.05)

    def drip_headers(handler: Any) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(40):
            handler.wfile.write(b"X-%d: y\r\n" % number)
            time.sleep(0.05)

    for write in (drip, drip_headers):
        started = time.monotonic()
        with pytest.raises(UnreachableError) as error:
            asked(Reply(write=write), longest=0.4)
        assert (error.value.code, time.monotonic() - started < 1.5) == ("server-slow", True)


def test_a_huge_answer_is_not_read() -> None:
    sent = 0

    def flood(handler: Any) -> None:
        nonlocal sent
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        for _ in range(200):
            handler.wfile.write(b" " * 1_000_000)
            sent += 1

    with pytest.raises(UntrustedError, match="larger than"):
        asked(Reply(write=flood))
    assert sent < 150


def test_an_answer_that_breaks_off_is_none() -> None:
    def half(handler: Any) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 90\r\n\r\n[")

    for write in (half, lambda handler: handler.wfile.write(b"SSH-2.0\r\n"), lambda handler: None):
        with pytest.raises(UnreachableError) as error:
            asked(Reply(write=write))
        assert TOKEN not in str(error.value)


def test_tls_is_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = self_signed(tmp_path, "localhost")
    with faking(reply([honest()])) as fake:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        fake.socket = context.wrap_socket(fake.socket, server_side=True)
        address = f"https://localhost:{fake.server_address[1]}"
        for url in (address, address.replace("localhost", "127.0.0.1")):
            with Client(url, TOKEN, waits=()) as policy, pytest.raises(UnreachableError, match="certificate"):
                policy.decide([WORKLOAD])
            assert fake.asked == []
            # now the authority is trusted, and only the name is wrong
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with Client(address, TOKEN, waits=()) as policy:
            assert policy.decide([WORKLOAD])[0].id == honest()["id"]


def self_signed(folder: Path, name: str) -> Path:
    """Write a certificate for `name` that nobody vouches for, with its key, and return the file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / "server.pem"
    path.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(pem) + private)
    return path


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RefusedError),
        (401, DeniedError),
        (403, DeniedError),
        (404, RefusedError),
        (409, RefusedError),
        (413, RefusedError),
        (415, RefusedError),
        (422, RefusedError),
        (429, UnavailableError),
        (500, UnavailableError),
        (503, UnavailableError),
        (418, RefusedError),
    ],
)
def test_each_status_has_its_error_with_the_servers_words(status: int, kind: type[PolicyError]) -> None:
    rows = [{"code": "a-code", "message": "it is\nso", "help": "do that", "line": 2, "column": 3}]
    with pytest.raises(kind) as error:
        asked(reply({"status": status, "code": "a-code", "detail": "it is", "problems": rows}, status))
    (problem,) = error.value.problems
    assert (problem.code, problem.message, problem.help) == ("a-code", "it is so", "do that")
    assert problem.span is not None
    assert (problem.span.line, problem.span.column) == (2, 3)
    with pytest.raises(kind) as error:
        asked(Reply(status, b"<html>" + TOKEN.encode(), {"Content-Type": "text/html"}))
    assert error.value.code == f"http-{status}"
    assert TOKEN not in str(error.value)


def test_it_is_asked_again_with_the_same_key_and_no_more_than_it_should() -> None:
    busy = reply({"status": 503, "code": "busy", "detail": "busy"}, 503, Retry_After="0")
    with faking(busy, busy, reply([honest()])) as fake, client(fake, waits=(0.01, 0.01, 0.01)) as policy:
        assert policy.decide([WORKLOAD])[0].id == honest()["id"]
        policy.decide([WORKLOAD])
    keys = [each.headers["idempotency-key"] for each in fake.asked]
    assert len(keys) == 4
    assert len(set(keys[:3])) == 1
    assert keys[3] != keys[0]
    with faking(busy) as fake, client(fake, waits=(0.01, 0.01)) as policy:
        with pytest.raises(UnavailableError):
            policy.decide([WORKLOAD])
        assert len(fake.asked) == 3
        with pytest.raises(UnavailableError):
            policy.evaluate_access({})
        assert len(fake.asked) == 4, "what may count twice is asked once"


def test_nobody_waits_longer_than_is_of_use() -> None:
    late = reply({"status": 429, "code": "busy", "detail": "busy"}, 429, Retry_After="86400")
    with faking(late) as fake, client(fake, waits=(0.01,)) as policy:
        with pytest.raises(UnavailableError) as error:
            policy.checkpoint()
        assert len(fake.asked) == 1
    assert error.value.retry_after == 86400


def test_pages_that_do_not_end_are_an_error() -> None:
    endless = reply({"decisions": [{"id": "1"}], "next": "again"})
    with faking(endless) as fake, client(fake) as policy, pytest.raises(UntrustedError, match="do not come to an end"):
        list(policy.decisions(verdict=["deny"], expired=True))
    assert [each.path for each in fake.asked] == [
        "/v1/decisions?verdict=deny&expired=true",
        "/v1/decisions?verdict=deny&expired=true&cursor=again",
    ]


def test_a_name_is_one_step_of_a_path() -> None:
    with faking(reply({})) as fake, client(fake) as policy:
        for name in ("../../policy", "a?b#c", "..", "é"):
            policy.decision(name)
    assert [each.path for each in fake.asked] == [
        "/v1/decisions/..%2F..%2Fpolicy",
        "/v1/decisions/a%3Fb%23c",
        "/v1/decisions/%2E",
        "/v1/decisions/%C3%A9",
    ]


@pytest.mark.parametrize(
    "address",
    [
        "",
        "policy.acme.example",
        "ftp://acme.example",
        "https://",
        "https://user:hunter2@acme.example",
        "https://acme.example/?token=hunter2",
        "https://acme.example#x",
        "https://acme.example:port",
        "http://acme.example",
        "http://127.0.0.1.acme.example",
        "http://169.254.169.254",
        "https://acme .example",
        "https://[::1",
        "https://ácme.example",
    ],
)
def test_addresses_that_are_none_are_refused_without_what_is_in_them(address: str) -> None:
    with pytest.raises(UsageError) as error:
        Client(address, TOKEN)
    assert "hunter2" not in str(error.value)


def test_another_machine_without_tls_is_refused_unless_the_way_is_said_to_be_safe() -> None:
    Client("http://policy:8181/", TOKEN, plain=True).close()
    Client("http://[::1]:1", TOKEN).close()
    Client("http://localhost", TOKEN).close()


def test_a_server_that_accepts_and_says_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=lambda: listening.accept()[0].recv(1), daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with Client(url, TOKEN, waits=(), longest=0.3) as policy, pytest.raises(UnreachableError):
            policy.policy()


def test_a_detail_is_one_of_those_that_there_are() -> None:
    with faking(reply([honest()])) as fake, client(fake) as policy:
        for unknown in ("purpose", "token", "Run", ""):
            with pytest.raises(UsageError):
                policy.decide([WORKLOAD], purpose="deploy", details={unknown: "draft", "run": "1"})
        assert fake.asked == []
        policy.decide([WORKLOAD], purpose="deploy", details={"run": "1"})
    assert fake.asked[0].path == "/v1/decisions?purpose=deploy&all_rules=true&run=1"
