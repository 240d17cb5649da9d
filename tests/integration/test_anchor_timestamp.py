"""RFC 3161 time-stamps by `openssl ts`, behind a small server on 127.0.0.1."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from policy_audit.anchors.place import parse_place
from policy_audit.anchors.timestamp import read_certificates, verify_timestamp
from policy_audit.errors import AnchorError, VerificationError

from tests.integration.anchoring import HELD, Anchored, results
from tests.integration.tampering import in_file_alone
from tests.witness import serving

CONFIGURATION = """
[tsa]
default_tsa = tsa1
[tsa1]
dir = .
serial = serial
crypto_device = builtin
signer_cert = tsa.pem
signer_key = tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha512
accuracy = secs:1
ordering = yes
tsa_name = yes
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""
USAGE = "extendedKeyUsage=critical,timeStamping"


class Authority:
    """A time-stamping authority with a root certificate of its own."""

    def __init__(self, folder: Path, usage: str = USAGE) -> None:
        self.folder = folder
        folder.mkdir()
        new = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2")
        self.run(*new, "-subj", "/CN=root", "-keyout", "root.key", "-out", "root.pem")
        request = ("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=tsa", "-keyout", "tsa.key", "-out", "tsa.csr")
        self.run(*request)
        (folder / "extensions").write_text(f"{usage}\nkeyUsage=critical,digitalSignature\n", encoding="utf-8")
        signing = ("-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial", "-days", "1")
        self.run("x509", "-req", "-in", "tsa.csr", *signing, "-extfile", "extensions", "-out", "tsa.pem")
        (folder / "ts.cnf").write_text(CONFIGURATION, encoding="utf-8")
        (folder / "serial").write_text("01\n", encoding="utf-8")

    @property
    def roots(self) -> Path:
        return self.folder / "root.pem"

    def run(self, *arguments: str, given: bytes | None = None) -> bytes:
        done = subprocess.run(["openssl", *arguments], cwd=self.folder, input=given, capture_output=True, check=True)
        return done.stdout

    def stamp(self, query: bytes) -> bytes:
        (self.folder / "query").write_bytes(query)
        self.run("ts", "-reply", "-config", "ts.cnf", "-queryfile", "query", "-out", "reply")
        return (self.folder / "reply").read_bytes()

    def stamp_of(self, data: bytes, digest: str = "sha256", *, cert: bool = True) -> bytes:
        (self.folder / "data").write_bytes(data)
        more = ["-cert"] if cert else []
        return self.stamp(self.run("ts", "-query", "-data", "data", f"-{digest}", *more))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority") / "tsa")


@contextmanager
def answering(reply: Callable[[bytes], bytes], kind: str = "application/timestamp-reply") -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.headers["Content-Type"] == "application/timestamp-query"
            body = reply(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    with serving(Handler) as url:
        yield url


def test_a_checkpoint_is_stamped_and_the_token_is_on_record(anchored: Anchored, authority: Authority) -> None:
    note = anchored.checkpoint().encode()
    with answering(authority.stamp) as url:
        place = f"tsa:{url}#{authority.roots}"
        assert results(anchored.anchor(place)) == HELD
        assert results(anchored.anchor(place)) == HELD
    (body,) = anchored.entries()
    with anchored.open() as ledger:
        (entry,) = ledger.list_entries(type="anchor")
        token = ledger.blob(entry.document["blobs"]["timestamp"])
        assert ledger.verify().ok
    roots = read_certificates(authority.roots)
    time, serial = verify_timestamp(token, note, roots)
    assert abs((datetime.now(UTC) - time).total_seconds()) < 600
    assert body["receipt"] == {"time": time.isoformat(), "serial": str(serial)}
    with pytest.raises(VerificationError):
        verify_timestamp(token, note + b"x", roots)
    (authority.folder / "token").write_bytes(token)
    (authority.folder / "note").write_bytes(note)
    shown = authority.run("ts", "-verify", "-in", "token", "-data", "note", "-CAfile", "root.pem")
    assert b"OK" in shown, "another program accepts it too"


@in_file_alone
def test_a_stamp_of_something_else_is_refused(anchored: Anchored, authority: Authority) -> None:
    with answering(lambda _: authority.stamp_of(b"another checkpoint")) as url:
        (outcome,) = anchored.anchor(f"tsa:{url}#{authority.roots}")
    assert outcome.result == "failed"


@in_file_alone
def test_a_stamp_without_our_nonce_is_refused(anchored: Anchored, authority: Authority) -> None:
    """An old answer for the same checkpoint, given out again: everything is right but the nonce."""
    note = anchored.checkpoint().encode()
    old = authority.stamp_of(note)
    verify_timestamp(old, note, read_certificates(authority.roots))
    with answering(lambda _: old) as url:
        (outcome,) = anchored.anchor(f"tsa:{url}#{authority.roots}")
    assert outcome.result == "failed"
    assert "once" in str(outcome.message).lower() or "nonce" in str(outcome.message).lower()


@in_file_alone
def test_an_authority_that_nobody_pinned_is_refused(anchored: Anchored, authority: Authority, tmp_path: Path) -> None:
    stranger = Authority(tmp_path / "stranger")
    with answering(stranger.stamp) as url:
        assert results(anchored.anchor(f"tsa:{url}#{authority.roots}")) == [("failed", "anchor-failed")]
        assert results(anchored.anchor(f"tsa:{url}#{stranger.roots}")) == HELD


def test_another_digest_is_refused(authority: Authority) -> None:
    token = authority.stamp_of(b"data", "sha512")
    with pytest.raises(VerificationError, match="SHA-256"):
        verify_timestamp(token, b"data", read_certificates(authority.roots))


@in_file_alone
def test_a_refusal_is_said_in_its_words(anchored: Anchored, authority: Authority) -> None:
    def refuse(_: bytes) -> bytes:
        return authority.stamp_of(b"data", "sha384")  # which the authority does not accept

    with answering(refuse) as url:
        (outcome,) = anchored.anchor(f"tsa:{url}#{authority.roots}")
    assert outcome.result == "failed"
    assert "refused: rejection" in str(outcome.message)


@in_file_alone
@pytest.mark.parametrize("reply", [b"", b"\x30", b"\x30\x80" * 5000, b"<html>", b"\xff" * 200_000])
def test_garbage_is_refused(anchored: Anchored, authority: Authority, reply: bytes) -> None:
    with answering(lambda _: reply) as url:
        assert results(anchored.anchor(f"tsa:{url}#{authority.roots}")) == [("failed", "anchor-failed")]


def test_every_changed_byte_of_a_stamp_is_found_or_changes_nothing(authority: Authority) -> None:
    token, roots = authority.stamp_of(b"data"), read_certificates(authority.roots)
    expected = verify_timestamp(token, b"data", roots)
    for position in range(0, len(token), 7):
        changed = token[:position] + bytes([token[position] ^ 0x55]) + token[position + 1 :]
        try:
            assert verify_timestamp(changed, b"data", roots) == expected
        except VerificationError:
            continue


@in_file_alone
def test_another_kind_of_answer_is_no_stamp(anchored: Anchored, authority: Authority) -> None:
    with answering(authority.stamp, "text/html") as url:
        assert results(anchored.anchor(f"tsa:{url}#{authority.roots}")) == [("failed", "anchor-failed")]


@in_file_alone
def test_certificates_that_cannot_be_read(anchored: Anchored, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing", encoding="utf-8")
    for name in ("empty.pem", "none.pem"):
        with pytest.raises(AnchorError) as caught:
            anchored.anchor(f"tsa:http://127.0.0.1:1/#{tmp_path / name}")
        assert caught.value.code == "anchor-place"
    for text in ("tsa:http://127.0.0.1:1/", "tsa:file:///etc/passwd#x", "tsa:http://u:p@h/#x", "tsa:ftp://h/#x"):
        with pytest.raises(AnchorError):
            parse_place(text)
