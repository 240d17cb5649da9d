"""An issuer's keys, as a JWKS in a file: public ones, each with the algorithms that fit it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from msgspec import Struct

from policy_engine.errors import Problem, UsageError
from policy_engine.loading.regular_files import open_regular

Public = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey
_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_CURVES = {"P-256": ("ES256",), "P-384": ("ES384",), "P-521": ("ES512",)}
#: NIST SP 800-131A: shorter ones are not taken.
_LEAST_BITS = 2048
_MOST_BYTES = 1 << 20


class Key(Struct, frozen=True):
    """A public key, and how it signs. No HMAC is among the algorithms: the file is no secret."""

    public: Any
    algorithms: tuple[str, ...]


def read_keys(path: Path) -> dict[str | None, Key]:
    """Return the keys of a file by their ids; one without an id only where it is alone.

    Keys of kinds that are not known, and keys for encryption, are left out, as RFC 7517 5 says.

    Raises:
        UsageError: it cannot be read, holds no key to verify with, or a private or symmetric one.
    """
    try:
        with open_regular(path) as stream:
            content = stream.read(_MOST_BYTES + 1)
    except OSError as error:
        raise _refused(path, f"cannot be read: {(error.strerror or str(error)).lower()}") from None
    try:
        value = orjson.loads(content) if len(content) <= _MOST_BYTES else None
    except ValueError:
        value = None
    rows = value.get("keys") if isinstance(value, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise _refused(path, "is no JWKS, which has `keys`")
    found: dict[str | None, Key] = {}
    for row in rows:
        name = row.get("kid")
        if row.get("kty") == "oct" or "d" in row:
            raise _refused(path, "holds a secret: it takes public keys alone")
        key = _key(row, path)
        if key is None:
            continue
        if (name is not None and not isinstance(name, str)) or name in found:
            raise _refused(path, "has two keys of one id, or an id that is no text")
        found[name] = key
    if not found or (None in found and len(found) > 1):
        raise _refused(path, "has no key to verify with" if not found else "has several keys, and one without an id")
    return found


def _key(row: dict[str, Any], path: Path) -> Key | None:
    operations = row.get("key_ops", ["verify"])
    if row.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return None
    kind, curve = row.get("kty"), row.get("crv")
    if kind == "RSA":
        fitting: tuple[str, ...] = _RSA
    elif kind == "EC" and curve in _CURVES:
        fitting = _CURVES[curve]
    elif kind == "OKP" and curve == "Ed25519":
        fitting = ("EdDSA",)
    else:
        return None
    own = row.get("alg")
    algorithms = fitting if own is None else tuple(each for each in fitting if each == own)
    if not algorithms:
        return None
    public = _public(row, algorithms[0], path)
    if isinstance(public, RSAPublicKey) and public.key_size < _LEAST_BITS:
        raise _refused(path, f"has an RSA key of {public.key_size:,} bits, and {_LEAST_BITS:,} are the least")
    return Key(public, algorithms)


def _public(row: dict[str, Any], algorithm: str, path: Path) -> Any:
    import jwt

    try:
        return jwt.PyJWK({**row, "alg": algorithm}).key
    except (jwt.PyJWTError, ValueError, TypeError):
        raise _refused(path, "has a key that cannot be read") from None


def _refused(path: Path, message: str) -> UsageError:
    hint = "save what the issuer publishes at its `jwks_uri`, and name that file"
    return UsageError(Problem("oidc-keys", f"`{path}` {message}", help=hint))
