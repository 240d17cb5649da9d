"""Ed25519 keys as files that other programs make: PEM, beside the texts of signed notes. `cryptography` alone."""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from policy_audit.errors import SigningKeyError, VerificationError
from policy_audit.keys import ED25519, Ed25519Signer, Signer, no_key, parse_verifier_key, read_key_text
from policy_audit.signing_program import parse_signer

#: PEM gives a key no name, and notes alone ask for one.
NAMELESS = "pem"
_BEGINS = "-----BEGIN "
_HOW = "`openssl genpkey -algorithm ed25519` makes one"


def read_any_signer(path: Path) -> Signer:
    """Read a signing key's file: a signer key, one that names a signing program, or PEM (PKCS#8, not encrypted).

    Raises:
        SigningKeyError: it is missing, unreadable, malformed, of another kind of key, or others than its owner can
            read it.
    """
    text = read_key_text(path)
    if not text.startswith(_BEGINS):
        try:
            return parse_signer(text)
        except SigningKeyError:
            raise no_key(path) from None
    try:
        key = load_pem_private_key(text.encode(), None)
    except TypeError:  # says nothing else: it is encrypted
        message = f"the signing key `{path}` is encrypted"
        raise SigningKeyError(message, help="give it without a password, readable by its owner alone") from None
    except (ValueError, UnsupportedAlgorithm):
        raise no_key(path) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningKeyError(f"the signing key `{path}` is not an Ed25519 key", help=_HOW)
    return Ed25519Signer(NAMELESS, key.private_bytes_raw())


def parse_public_key(text: str) -> bytes:
    """Return the 32 bytes of a public key: a verifier key, or PEM (SubjectPublicKeyInfo).

    Raises:
        VerificationError: it is none, or one of another kind.
    """
    if not text.startswith(_BEGINS):
        verifier = parse_verifier_key(text.removesuffix("\n"))
        if verifier.kind != ED25519:
            raise VerificationError("the key is a witness's, which signs checkpoints alone")
        return verifier.public
    try:
        key = load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise VerificationError("not a public key in PEM", help="`openssl pkey -pubout` writes one") from None
    if not isinstance(key, Ed25519PublicKey):
        raise VerificationError("the public key is not an Ed25519 key", help=_HOW)
    return key.public_bytes_raw()
