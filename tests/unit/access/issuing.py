"""An issuer of access tokens: keys made here, a JWKS of them, and tokens as it or an attacker would write them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

ISSUER, AUDIENCE = "https://login.acme.example/realms/acme", "policy-engine"
NOW = 1_795_000_000

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
EC384 = ec.generate_private_key(ec.SECP384R1())
ED = ed25519.Ed25519PrivateKey.generate()


def jwk(key: Any, **more: Any) -> dict[str, Any]:
    """Return the public JWK of a private key."""
    public = key.public_key()
    kind = RSAAlgorithm if hasattr(key, "private_numbers") and hasattr(public, "encrypt") else None
    kind = kind or (OKPAlgorithm if isinstance(key, ed25519.Ed25519PrivateKey) else ECAlgorithm)
    found: dict[str, Any] = json.loads(kind.to_jwk(public))
    found.pop("key_ops", None)
    return {**found, **more}


def keys() -> list[dict[str, Any]]:
    """Return the issuer's keys; the one `rs` is bound to RS256."""
    return [
        jwk(RSA, kid="rs", alg="RS256", use="sig"),
        jwk(EC, kid="es"),
        jwk(EC384, kid="es384"),
        jwk(ED, kid="ed", key_ops=["verify"]),
        {"kty": "RSA", "kid": "enc", "use": "enc", **{k: v for k, v in jwk(RSA).items() if k in "ne"}},
        {"kty": "NEW", "kid": "later"},
    ]


def jwks(path: Path, rows: list[dict[str, Any]] | None = None) -> Path:
    """Write a JWKS."""
    path.write_text(json.dumps({"keys": keys() if rows is None else rows}), encoding="utf-8")
    return path


def claims(**changed: Any) -> dict[str, Any]:
    """Return the claims of a good token; a value of None is left out."""
    good = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "ann@acme.example",
        "iat": NOW - 60,
        "exp": NOW + 300,
        "roles": ["read"],
    }
    return {name: value for name, value in {**good, **changed}.items() if value is not None}


def token(given: Any = None, key: Any = RSA, algorithm: str = "RS256", **headers: Any) -> str:
    """Return a signed token."""
    named = {"kid": "rs", "typ": "at+jwt", **headers}
    header = {name: value for name, value in named.items() if value is not None}
    if "typ" not in header:
        header["typ"] = None  # PyJWT writes `JWT` otherwise
    text = jwt.encode(given if given is not None else claims(), key, algorithm, headers=header)
    assert isinstance(text, str)
    return text


def raw(header: Any, payload: Any, signature: bytes = b"x") -> str:
    """Return what looks like a token, from parts as bytes or as JSON."""
    parts = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in (header, payload)]
    return ".".join(base64.urlsafe_b64encode(each).rstrip(b"=").decode() for each in (*parts, signature))
