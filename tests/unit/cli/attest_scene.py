"""A gate's attestations, taken apart and put together again, and keys as securesystemslib has them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from policy_audit.dsse import sign_envelope
from policy_audit.keys import Ed25519Signer, parse_verifier_key, read_key_file
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey

from policy_engine.cli.main import call
from tests.unit.cli.given import ALLOWED, DENIED, REVIEWED

IMAGE = f"registry.example/app@sha256:{sha256(b'app').hexdigest()}"
OTHER_IMAGE = f"registry.example/app@sha256:{sha256(b'other').hexdigest()}"
DECISION = "urn:policy-engine:decision:v1"
SUMMARY = "https://slsa.dev/verification_summary/v1"


@dataclass(frozen=True)
class Attested:
    """What one run of the gate left: the ledger, and the attestations of an allow, a deny and a review."""

    folder: Path

    @property
    def ledger(self) -> str:
        return f"sqlite:///{self.folder}/ledger.db"

    @property
    def file(self) -> Path:
        return self.folder / "out.intoto.jsonl"

    @property
    def signer(self) -> Ed25519Signer:
        return read_key_file(self.folder / "ledger.db.key")

    @property
    def vkey(self) -> str:
        return self.signer.verifier_key

    @property
    def lines(self) -> list[bytes]:
        return self.file.read_bytes().splitlines()

    def pair(self, verdict: str) -> list[bytes]:
        """The two lines of the decision with this verdict."""
        for summary, decision in zip(self.lines[::2], self.lines[1::2], strict=True):
            if statement_of(decision)["predicate"]["decision"]["verdict"] == verdict:
                return [summary, decision]
        raise LookupError(verdict)


def gate_three(folder: Path) -> Attested:
    """Gate an allow, a deny and a review, for one image."""
    found = Attested(folder)
    given = [*map(str, (ALLOWED, DENIED, REVIEWED)), "--ledger", found.ledger, "-q"]
    assert call(["gate", *given, "--attest", str(found.file), "--subject", IMAGE]) == 1
    return found


def statement_of(line: bytes) -> dict[str, Any]:
    """The statement in an envelope, whoever signed it."""
    statement: dict[str, Any] = json.loads(base64.b64decode(json.loads(line)["payload"]))
    return statement


def signed(statement: dict[str, Any], signer: Ed25519Signer) -> bytes:
    """An envelope of a statement, in the form of RFC 8785 by another library than ours."""
    return sign_envelope(rfc8785.dumps(statement), signer).encode()


def edited(line: bytes, signer: Ed25519Signer, edit: Callable[[dict[str, Any]], object]) -> bytes:
    """The envelope of a statement that was edited and signed again."""
    statement = statement_of(line)
    edit(statement)
    return signed(statement, signer)


def write(path: Path, lines: Sequence[bytes]) -> Path:
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def verified(line: bytes, vkey: str) -> dict[str, Any]:
    """The statement of an envelope that securesystemslib verifies by this key, under the id that it gives the key."""
    key = SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(parse_verifier_key(vkey).public))
    envelope = Envelope.from_dict(json.loads(line))
    assert envelope.verify([key], 1) == {key.keyid: key}
    assert envelope.payload_type == "application/vnd.in-toto+json"
    statement: dict[str, Any] = json.loads(envelope.payload)
    return statement
