"""A signing key that never leaves a key management service or a token: a program of the operator's signs with it.

The key's file names the program in place of a private key:

    policy-audit/signing-program/v1
    <verifier key>
    ["/usr/local/bin/kms-sign", "alias/ledger"]

The program is run with one more argument. `public-key`: it prints the Ed25519 public key in base64, as 32 bytes or as
SubjectPublicKeyInfo (RFC 8410). `sign`: it reads the message from standard input, and prints the signature of 64 bytes
in base64. It ends with status 0, within `SECONDS`; nothing goes through a shell. It is named by its whole path: what is
looked for from the folder that a command runs in would be whoever's that folder is.

INVARIANT: what the program gives is a signature of the file's verifier key over the message, or nothing is signed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from policy_audit.bounded import run
from policy_audit.errors import AnchorError, SigningKeyError, VerificationError
from policy_audit.keys import (
    Signer,
    decode_base64,
    no_key,
    parse_signer_key,
    parse_verifier_key,
    read_key_text,
    verifier_key_of,
    write_key_text,
)

FORMAT = "policy-audit/signing-program/v1"
SECONDS = 30
_PUBLIC_KEY_BYTES, _SIGNATURE_BYTES = 32, 64
_RFC8410 = bytes.fromhex("302a300506032b6570032100")  # SubjectPublicKeyInfo of Ed25519, up to the key
_MOST_OUTPUT = 4096


class SigningProgram:
    """Signs by running a program; a `Signer`."""

    def __init__(self, verifier_key: str, program: Sequence[str]) -> None:
        self.verifier_key = verifier_key
        self.program = tuple(program)
        self._verifier = parse_verifier_key(verifier_key)
        self.name, self.key_id = self._verifier.name, self._verifier.key_id

    def __repr__(self) -> str:
        return f"SigningProgram({self.verifier_key!r})"

    def sign(self, message: bytes) -> bytes:
        """Return the program's signature over `message`.

        Raises:
            SigningKeyError: it cannot be run, fails, takes too long, or signs with another key.
        """
        signature = _ask(self.program, "sign", message)
        if len(signature) != _SIGNATURE_BYTES or not self._verifier.is_signed(message, signature):
            key = self._verifier.key_id.hex()
            raise _failed(self.program, f"what it gave is no signature by the key {key}", "does it use another key?")
        return signature


def read_signer(path: Path) -> Signer:
    """Read a signing key's file, which holds the key, or names the program that has it.

    Raises:
        SigningKeyError: it is missing, unreadable, malformed, or others than its owner can read or write it.
    """
    text = read_key_text(path)
    try:
        return parse_signer(text)
    except SigningKeyError:
        raise no_key(path) from None


def parse_signer(text: str) -> Signer:
    """Return the signer that the text of a key's file gives.

    Raises:
        SigningKeyError: it is malformed; the message never holds any of it.
    """
    try:
        return _program(text) if text.startswith(FORMAT) else parse_signer_key(text.removesuffix("\n"))
    except (ValueError, RecursionError, VerificationError):
        raise SigningKeyError("not a signing key") from None


def _program(text: str) -> SigningProgram:
    first, key, program, end = text.split("\n")
    argv = json.loads(program)
    if first != FORMAT or end or not (isinstance(argv, list) and argv and all(isinstance(each, str) for each in argv)):
        raise ValueError("not three lines: the format, the verifier key, the program and its arguments")
    if not Path(argv[0]).is_absolute():
        raise ValueError("the program is not named by its whole path")
    return SigningProgram(key, argv)


def program_signer(name: str, program: Sequence[str]) -> SigningProgram:
    """Return the signer by the name `name` whose key the program has: it is asked for the public key.

    Raises:
        SigningKeyError: it cannot be run, or gives none.
    """
    if not Path(program[0]).is_absolute():
        raise _failed(program, "it is not named by its whole path", "name it by its whole path")
    given = _ask(program, "public-key", b"")
    public = given.removeprefix(_RFC8410)
    if len(public) != _PUBLIC_KEY_BYTES:
        raise _failed(program, "what it gave is no Ed25519 public key", "32 bytes, or SubjectPublicKeyInfo, in base64")
    return SigningProgram(verifier_key_of(name, public), program)


def write_program_file(path: Path, signer: SigningProgram) -> None:
    """Create the file that names the program, with mode 0600, durably; an existing one is never overwritten.

    Raises:
        SigningKeyError: the file exists or cannot be written.
    """
    write_key_text(path, f"{FORMAT}\n{signer.verifier_key}\n{json.dumps(list(signer.program))}\n")


def _ask(program: Sequence[str], what: str, message: bytes) -> bytes:
    place, environment = Path.cwd(), dict(os.environ)
    try:
        done = run(
            [*program, what], folder=place, environment=environment, seconds=SECONDS, given=message, most=_MOST_OUTPUT
        )
    except AnchorError as error:
        raise _failed(program, error.message, "name it by its whole path") from None
    if done.status != 0:
        raise _failed(program, f"it ended with status {done.status}: {done.reason}", None)
    try:
        return decode_base64(done.out.decode("ascii").strip())
    except (UnicodeDecodeError, VerificationError):
        raise _failed(program, "what it printed is not base64 on one line", None) from None


def _failed(program: Sequence[str], why: str, hint: str | None) -> SigningKeyError:
    message = f"the signing program `{Path(program[0]).name}` gave no signature: {why}"
    return SigningKeyError(message, code="signing-program", help=hint or "try it by hand: it has to sign what it reads")
