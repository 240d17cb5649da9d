"""A C2SP witness, written from the specification: its key, its state, and its server on 127.0.0.1.

It shares no code with what it tests: signatures, proofs and roots are its own.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


class WitnessKey:
    """A witness's name and key, of the type 0x04."""

    def __init__(self, name: str, kind: bytes = b"\x04") -> None:
        self.name = name
        self._key = Ed25519PrivateKey.from_private_bytes(secrets.token_bytes(32))
        public = self._key.public_key().public_bytes_raw()
        self.key_id = hashlib.sha256(name.encode() + b"\n" + kind + public).digest()[:4]
        self.verifier_key = f"{name}+{self.key_id.hex()}+{base64.b64encode(kind + public).decode()}"

    def cosign(self, text: str, timestamp: int) -> str:
        signature = self._key.sign(f"cosignature/v1\ntime {timestamp}\n{text}".encode())
        data = base64.b64encode(self.key_id + timestamp.to_bytes(8, "big") + signature).decode()
        return f"— {self.name} {data}\n"


class RefusalError(Exception):
    def __init__(self, status: int, body: str = "", kind: str = "text/plain") -> None:
        super().__init__(status)
        self.status, self.body, self.kind = status, body, kind


class Witness:
    """The state of a witness: which logs it knows by which keys, and the last checkpoint of each that it cosigned."""

    def __init__(self, key: WitnessKey, *log_keys: str) -> None:
        self.key = key
        self.log_keys = list(log_keys)
        self.latest: dict[str, tuple[int, bytes]] = {}
        self.requests: list[bytes] = []
        self.statuses: list[int] = []
        self._lock = threading.Lock()

    def add_checkpoint(self, body: bytes) -> str:
        head, blank, note = body.decode().partition("\n\n")
        lines = head.split("\n")
        if not blank or not lines[0].startswith("old ") or len(lines) > 64:
            raise RefusalError(400)
        old_text = lines[0][4:]
        if not old_text.isdigit() or str(int(old_text)) != old_text:
            raise RefusalError(400)
        old, proof = int(old_text), [base64.b64decode(line, validate=True) for line in lines[1:]]
        text, origin, size, root = self._open(note)
        if old > size:
            raise RefusalError(400)
        with self._lock:
            known, known_root = self.latest.get(origin, (0, hashlib.sha256(b"").digest()))
            if old != known:
                raise RefusalError(409, f"{known}\n", "text/x.tlog.size")
            if old == size:
                if known_root != root:
                    raise RefusalError(409, f"{known}\n", "text/x.tlog.size")
                if proof:
                    raise RefusalError(422)
            elif proof if not old else not consistent(old, size, known_root, root, proof):
                raise RefusalError(422)
            self.latest[origin] = size, root
        return self.key.cosign(text, int(time.time()))

    def _open(self, note: str) -> tuple[str, str, int, bytes]:
        text, _, signatures = note.rpartition("\n\n")
        text += "\n"
        origin, size, root = text.split("\n")[:3]
        keys = [key for key in self.log_keys if key.partition("+")[0] == origin]
        if not keys:
            raise RefusalError(404)
        for key in keys:
            _, identifier, encoded = key.split("+", 2)
            for line in signatures.splitlines():
                _, name, data = line.split(" ")
                raw = base64.b64decode(data)
                if name == origin and raw[:4].hex() == identifier:
                    try:
                        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(encoded)[1:])
                        public.verify(raw[4:], text.encode())
                    except InvalidSignature:
                        continue
                    return text, origin, int(size), base64.b64decode(root)
        raise RefusalError(403)


def consistent(old: int, size: int, old_root: bytes, root: bytes, proof: list[bytes]) -> bool:
    """RFC 9162 2.1.4.2, as it stands there."""

    def node(left: bytes, right: bytes) -> bytes:
        return hashlib.sha256(b"\x01" + left + right).digest()

    path = list(proof)
    if not path:
        return False
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    fn, sn = old - 1, size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for each in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node(each, fr), node(each, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node(sr, each)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and fr == old_root and sr == root


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve on a port of 127.0.0.1 that is free; give the URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def served(witness: Witness) -> Iterator[str]:
    """Serve a witness."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            witness.requests.append(body)
            try:
                if self.path != "/prefix/add-checkpoint":
                    raise RefusalError(404)
                status, answer, kind = 200, witness.add_checkpoint(body), "text/plain"
            except RefusalError as refusal:
                status, answer, kind = refusal.status, refusal.body, refusal.kind
            witness.statuses.append(status)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(answer.encode())))
            self.end_headers()
            self.wfile.write(answer.encode())

        def log_message(self, *arguments: object) -> None:
            pass

    with serving(Handler) as url:
        yield f"{url}/prefix"
