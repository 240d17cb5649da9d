"""Before any route: headers of every answer, ids, what a request may not be, and open mode on loopback."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving import WORKLOAD, Server, serving
from tests.unit.served.raw import exchange, statuses

SAME = {"Sec-Fetch-Site": "same-origin"}
ALWAYS = {
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(f"sqlite:///{tmp_path_factory.mktemp('served') / 'ledger.db'}") as running:
        running.token("read")
        yield running


def head(*lines: str, method: str = "GET", path: str = "/healthz", body: bytes = b"", host: str = "Host: a") -> bytes:
    rows = [f"{method} {path} HTTP/1.1", *([host] if host else []), *lines, "Connection: close", "", ""]
    return "\r\n".join(rows).encode("latin-1") + body


def test_every_answer_has_the_headers_and_none_tells_the_version(server: Server) -> None:
    answers = [
        exchange(server.url, each)
        for each in (
            head(),
            head(path="/nowhere"),
            head(path="/v1/decisions", method="POST"),
            head(path="/healthz", method="DELETE"),
            head("Content-Type: application/json", "Content-Length: 9", "Content-Length: 9"),
            b"nonsense\r\n\r\n",
            head(f"X: {'a' * 40_000}"),
        )
    ]
    assert [statuses(each) for each in answers] == [[200], [404], [401], [405], [400], [400], [431]]
    for each in answers:
        lines = each.split(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
        found = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        assert found.items() >= ALWAYS.items(), found
        assert "frame-ancestors 'none'" in found["content-security-policy"]
        assert "script" not in found["content-security-policy"]
        assert not {"server", "x-powered-by", "access-control-allow-origin", "strict-transport-security"} & found.keys()
        assert "policy-engine/" not in each.decode()
        assert re.search(r"\b\d+\.\d+\.\d+\b", each.decode()) is None


def test_transport_security_and_the_host_cookie_where_tls_is_in_front(tmp_path: Path) -> None:
    with serving(f"sqlite:///{tmp_path / 'ledger.db'}", behind_tls=True) as server:
        token = server.token("read")
        with server.client() as client:
            assert client.get("/healthz").headers["strict-transport-security"].startswith("max-age=")
            told = client.get("/.well-known/authzen-configuration").json()
            assert told["policy_decision_point"] == server.url.replace("http:", "https:")
            headers = {"Origin": server.url.replace("http:", "https:")}
            cookie = client.post("/login", data={"token": token}, headers=headers).headers["set-cookie"]
    assert cookie.startswith("__Host-policy=")
    assert {"Secure", "HttpOnly", "Path=/"} <= set(cookie.split("; "))


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("0123456789abcdef", True),
        ("4bf92f35-77b3-4da6-a3ce-929d0e0e4736", True),
        ("", False),
        ("short", False),
        ("x" * 32, False),
        ("0123456789abcdef\tforged", False),
        ("a" * 65, False),
        ("0123456789abcdef'--", False),
        ("é" * 16, False),
    ],
)
def test_an_id_from_outside_is_kept_where_it_is_one(server: Server, given: str, kept: bool) -> None:
    answer = exchange(server.url, head(f"X-Request-Id: {given}")).decode()
    found = re.findall(r"x-request-id: (.*)\r\n", answer)
    assert len(found) == 1
    assert (found[0] == given) == kept
    assert re.fullmatch(r"[0-9a-f-]{16,64}", found[0])


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (head("Authorization: Bearer a", "Authorization: Bearer b"), 400),
        (head("Host: b"), 400),
        (head(host=""), 400),
        (head(host="Host: a b"), 400),
        (head(host="Host: a/../b"), 400),
        (head(host="Host: a@b"), 400),
        (head("Idempotency-Key: a", "Idempotency-Key: b"), 400),
        (head("Content-Type: a/b", "Content-Type: c/d"), 400),
        (head("Content-Encoding: gzip", method="POST", path="/v1/decisions"), 415),
        (head("Content-Encoding: identity"), 200),
        (head("X-HTTP-Method-Override: DELETE", "X-Method-Override: PUT"), 200),
        (head(path="/healthz?" + "a" * 9000), 414),
        (head(*(f"X-{number}: 1" for number in range(101))), 431),
        (head("Content-Length: 4", "Transfer-Encoding: chunked", method="POST", body=b"0\r\n\r\n"), 400),
        (head("Content-Length: 4", "Content-Length: 5", method="POST"), 400),
        (head("Content-Length: -1", method="POST"), 400),
        (head("Content-Length: +4", method="POST"), 400),
        (head("Content-Length: 99999999999999999999999", method="POST"), 400),
        (head("Transfer-Encoding: gzip, chunked", "Content-Type: application/json", method="POST"), 400),
        (head("Transfer-Encoding: xchunked", method="POST", path="/v1/decisions"), 400),
        (head("X: a\nY: b"), 400),
        (head("X: a\0b"), 400),
        (head("X : a"), 400),
        (head("X\0: a"), 400),
        (head(" X: folded"), 400),
        (head(path="/healthz\x01"), 400),
        (head(path="/he althz"), 400),
        (head(path="/healthz#x"), 200),
        (head(path="http://evil.example/healthz"), 200),
        (b"GET /healthz HTTP/9.9\r\nHost: a\r\n\r\n", 400),
        (b"GET /healthz\r\n\r\n", 400),
        (head(method="TRACE"), 405),
        (head(method="OPTIONS"), 405),
        (head(method="PROPFIND"), 405),
        (b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 400),
        (head(method="BREW"), 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    ],
)
def test_a_request_that_could_be_read_in_two_ways_is_refused(server: Server, sent: bytes, status: int) -> None:
    found = statuses(exchange(server.url, sent))
    assert found[:1] == [status]
    assert len(found) == 1


@pytest.mark.parametrize(
    "path",
    [
        "//v1/decisions",
        "/v1//decisions",
        "/v1/decisions/",
        "/v1/./decisions",
        "/v1/x/../decisions",
        "/v1/%2e%2e/v1/decisions",
        "/V1/decisions",
        "/v1/decisions;x=1",
        "/v1/decisions%00",
        "/v1/decisions%0d%0aX:1",
        "/v1/decisions.json",
        "/v1/decisions%20",
        "/%76%31/..%2fdecisions",
    ],
)
def test_no_other_path_leads_to_a_route(server: Server, path: str) -> None:
    answer = exchange(server.url, head("Content-Type: application/json", method="POST", path=path))
    assert statuses(answer) == [404], answer
    assert b"\r\nlocation:" not in answer.lower()


def test_in_open_mode_only_names_of_this_machine_and_no_page_of_another_site_count(tmp_path: Path) -> None:
    with serving(f"sqlite:///{tmp_path / 'ledger.db'}") as server, server.client() as client:

        def ask(method: str = "POST", path: str = "/v1/decisions", **headers: str) -> tuple[int, str]:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            answer = client.request(method, path, json=WORKLOAD if method == "POST" else None, headers=named)
            return answer.status_code, answer.json().get("code", "")

        assert ask()[0] == 200
        assert ask(Host="localhost:8181")[0] == 200
        assert ask(Origin=server.url, Sec_Fetch_Site="same-origin")[0] == 200
        for proxy in ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Proto", "X-Real-IP"):
            assert ask(**{proxy: "192.0.2.7"}) == (403, "proxied")
            assert ask("GET", "/readyz", **{proxy: "192.0.2.7"})[0] == 200
        for host in ("evil.example", "127.0.0.1.evil.example:80", "10.0.0.1"):
            assert ask(Host=host) == (403, "foreign-host")
        for crossing in (
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Origin": "http://localhost:1"},
            {"Sec_Fetch_Site": "cross-site"},
            {"Sec_Fetch_Site": "same-site"},
            {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"},
        ):
            assert ask(**crossing) == (403, "cross-site")
        assert ask("GET", "/healthz", Host="evil.example")[0] == 200
        # from the first token on a name of any kind is the proxy's affair, and everybody is asked for theirs
        token = server.token("decide")
        assert ask(Host="policy.acme.example") == (401, "token-missing")
        assert ask(Host="policy.acme.example", Authorization=f"Bearer {token}")[0] == 200
        assert ask(Host="localhost") == (401, "token-missing")


def test_a_server_that_is_not_on_loopback_is_never_open(tmp_path: Path) -> None:
    with serving(f"sqlite:///{tmp_path / 'ledger.db'}", host="0.0.0.0") as server, server.client() as client:  # noqa: S104
        assert client.post("/v1/decisions", json=WORKLOAD).status_code == 401
