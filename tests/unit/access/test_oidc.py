"""OIDC access tokens: what counts, and one by one what an attacker would try."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from policy_engine.access.issuer import Oidc
from policy_engine.access.oidc import Verifier
from policy_engine.access.principal import UnauthenticatedError
from policy_engine.errors import UsageError
from tests.unit.access.issuing import (
    AUDIENCE,
    EC,
    EC384,
    ED,
    ISSUER,
    NOW,
    OTHER_RSA,
    RSA,
    claims,
    jwk,
    jwks,
    raw,
    token,
)

SHORT = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - to be refused
AT = datetime.fromtimestamp(NOW, UTC)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return jwks(tmp_path_factory.mktemp("oidc") / "jwks.json")


def verifier(keys: Path, **more: Any) -> Verifier:
    return Verifier(Oidc(ISSUER, AUDIENCE, keys, **more))


def refused(keys: Path, text: str, **more: Any) -> str:
    with pytest.raises(UnauthenticatedError) as error:
        verifier(keys, **more).principal(text, AT)
    return error.value.code


@pytest.mark.parametrize(
    ("key", "algorithm", "name"),
    [(RSA, "RS256", "rs"), (EC, "ES256", "es"), (EC384, "ES384", "es384"), (ED, "EdDSA", "ed")],
)
def test_a_good_token_of_each_kind_of_key_counts(keys: Path, key: Any, algorithm: str, name: str) -> None:
    found = verifier(keys).principal(token(key=key, algorithm=algorithm, kid=name), AT)
    assert (found.subject, found.roles, found.known_by) == ("ann@acme.example", {"read"}, "oidc")


@pytest.mark.parametrize(
    "good",
    [
        token(typ="application/AT+jwt"),
        token(typ="JWT"),
        token(typ=None),
        token(claims(aud=["other", AUDIENCE])),
        token(claims(exp=NOW - 29)),
        token(claims(exp=NOW + 0.5)),
        token(claims(nbf=NOW + 29, iat=NOW + 29)),
        token(claims(iat=None)),
        token(claims(typ="Bearer")),
        token(claims(token_use="access")),
        token(jwk=jwk(OTHER_RSA), jku="https://evil.example/jwks", x5u="https://evil.example/x", x5c=["AA"]),
    ],
)
def test_what_counts_too(keys: Path, good: str) -> None:
    assert verifier(keys).principal(good, AT).roles == {"read"}


def pem(key: Any) -> bytes:
    return bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def by_secret(secret: bytes, algorithm: str = "HS256") -> str:
    text = raw({"alg": algorithm, "kid": "rs", "typ": "at+jwt"}, claims())
    signed = text.rpartition(".")[0]
    return f"{signed}.{raw({}, {}, hmac.new(secret, signed.encode(), hashlib.sha256).digest()).split('.')[2]}"


NONE = raw({"alg": "none", "kid": "rs"}, claims())
ATTACKS = {
    "alg none": (NONE, "token-algorithm"),
    "alg none in capitals": (raw({"alg": "NoNe", "kid": "rs"}, claims()), "token-algorithm"),
    "alg none without signature": (f"{NONE.rpartition('.')[0]}.", "token-form"),
    "no alg": (raw({"kid": "rs"}, claims()), "token-algorithm"),
    "alg is a list": (raw({"alg": ["RS256"], "kid": "rs"}, claims()), "token-algorithm"),
    "HS256 by the public key as PEM": (by_secret(pem(RSA)), "token-algorithm"),
    "HS256 by the modulus": (by_secret(jwk(RSA)["n"].encode()), "token-algorithm"),
    "another key": (token(key=OTHER_RSA), "token-signature"),
    "another key, brought along": (token(key=OTHER_RSA, jwk=jwk(OTHER_RSA)), "token-signature"),
    "another key by its address": (token(key=OTHER_RSA, kid="evil", jku="https://evil.example"), "token-key"),
    "unknown kid": (token(kid="nobody"), "token-key"),
    "no kid among several": (token(kid=None), "token-key"),
    "kid is a path": (token(kid="../../../../dev/null"), "token-key"),
    "kid is an injection": (token(kid="rs' OR '1'='1"), "token-key"),
    "kid is a number": (raw({"alg": "RS256", "kid": 7}, claims()), "token-key"),
    "kid of a key for encryption": (token(kid="enc"), "token-key"),
    "another algorithm of the key's kind": (token(algorithm="PS256"), "token-algorithm"),
    "an algorithm of another kind": (token(key=EC, algorithm="ES256"), "token-algorithm"),
    "no exp": (token(claims(exp=None)), "token-form"),
    "nbf as text": (token(claims(nbf="now")), "token-form"),
    "exp true": (token(claims(exp=True)), "token-form"),
    "expired": (token(claims(exp=NOW - 30)), "token-expired"),
    "expired long ago": (token(claims(exp=-1e300)), "token-expired"),
    "not yet by nbf": (token(claims(nbf=NOW + 31)), "token-early"),
    "not yet by iat": (token(claims(iat=NOW + 31)), "token-early"),
    "nbf null": (token({**claims(), "nbf": None}), "token-form"),
    "another issuer": (token(claims(iss="https://evil.example")), "token-issuer"),
    "issuer with a slash": (token(claims(iss=ISSUER + "/")), "token-issuer"),
    "no issuer": (token(claims(iss=None)), "token-issuer"),
    "another audience": (token(claims(aud="other")), "token-audience"),
    "other audiences": (token(claims(aud=["other", "policy"])), "token-audience"),
    "audience within a word": (token(claims(aud=f"{AUDIENCE}-dev")), "token-audience"),
    "no audience": (token(claims(aud=None)), "token-audience"),
    "audience is an object": (token(claims(aud={AUDIENCE: 1})), "token-audience"),
    "crit": (token(crit=["exp"], exp=1), "token-critical"),
    "b64 false": (raw({"alg": "RS256", "kid": "rs", "b64": False}, claims()), "token-critical"),
    "an ID token by its nonce": (token(claims(nonce="n", at_hash="h"), typ="JWT"), "token-kind"),
    "an ID token of Keycloak": (token(claims(typ="ID"), typ="JWT"), "token-kind"),
    "a refresh token of Keycloak": (token(claims(typ="Refresh"), typ="JWT"), "token-kind"),
    "an ID token of Cognito": (token(claims(token_use="id"), typ="JWT"), "token-kind"),
    "a logout token": (token(typ="logout+jwt"), "token-kind"),
    "a DPoP proof": (token(typ="dpop+jwt"), "token-kind"),
    "a logout token without typ": (token(claims(events={}), typ=None), "token-kind"),
    "no subject": (token(claims(sub=None)), "token-subject"),
    "an empty subject": (token(claims(sub="")), "token-subject"),
    "a subject of lines": (token(claims(sub="ann\nadmin")), "token-subject"),
    "a long subject": (token(claims(sub="x" * 201)), "token-subject"),
    "huge": (token(claims(pad="x" * 9000)), "token-form"),
    "nested": (raw(b'{"alg":"RS256","kid":"rs","x":' + b"[" * 2500, b"{}"), "token-form"),
    "claims nested": (raw({"alg": "RS256", "kid": "rs"}, b"[" * 2500), "token-signature"),
    "header is a list": (raw([], claims()), "token-form"),
    "no JSON": (raw(b"\xff\xfe", b"\xff"), "token-form"),
    "two parts": ("e30.e30", "token-form"),
    "five parts": ("e30.e30.e30.e30.e30", "token-form"),
    "a header of five": (f"{'e' * 5}.e30.e30", "token-form"),
    "empty": ("", "token-form"),
    "with a line": (f"{token()}\n", "token-form"),
    "padded": (f"{token()}==", "token-form"),
    "in other letters": (token().replace("e", "е"), "token-form"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_lets_nobody_in(keys: Path, attack: str) -> None:
    text, code = ATTACKS[attack]
    assert refused(keys, text) == code


def test_a_changed_byte_anywhere_lets_nobody_in(keys: Path) -> None:
    text = token()
    for at in range(0, len(text), 7):
        if text[at] != "." and at != len(text) - 1:  # the last character has bits that say nothing
            refused(keys, text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :])


@pytest.mark.parametrize(
    ("given", "more", "roles"),
    [
        ({"roles": "read decide"}, {}, {"read", "decide"}),
        ({"roles": ["root", "read", 7, None, ["decide"]]}, {}, {"read"}),
        ({"roles": {"read": True}}, {}, set()),
        ({"roles": None}, {}, set()),
        ({"realm_access": {"roles": ["Approver"]}}, {"roles_claim": "realm_access.roles"}, set()),
        (
            {"realm_access": {"roles": ["Approver"]}},
            {"roles_claim": "realm_access.roles", "roles": (("Approver", "approve"), ("Approver", "read"))},
            {"approve", "read"},
        ),
        (
            {"https://acme.example/roles": ["x"]},
            {"roles_claim": "https://acme.example/roles", "roles": (("x", "decide"),)},
            {"decide"},
        ),
        # once values are named, the names of roles are none
        ({"roles": ["administer"]}, {"roles": (("x", "decide"),)}, set()),
        ({"realm_access": "text"}, {"roles_claim": "realm_access.roles.deep"}, set()),
    ],
)
def test_roles_come_from_the_claim(keys: Path, given: dict[str, Any], more: dict[str, Any], roles: set[str]) -> None:
    assert verifier(keys, **more).principal(token(claims(**given)), AT).roles == roles


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "no JWKS"),
        (b"[]", "no JWKS"),
        (b'{"keys":[]}', "no key"),
        (b'{"keys":[{"kty":"oct","kid":"a","k":"AAAA"}]}', "secret"),
        (json.dumps({"keys": [{**jwk(RSA), "kid": "a", "d": "AAAA"}]}).encode(), "secret"),
        (json.dumps({"keys": [jwk(RSA, kid="a"), jwk(EC, kid="a")]}).encode(), "two keys"),
        (json.dumps({"keys": [jwk(RSA, kid="a"), jwk(EC)]}).encode(), "without an id"),
        (json.dumps({"keys": [{**jwk(RSA), "n": "AA", "kid": "a"}]}).encode(), "key"),
        (json.dumps({"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "a"}]}).encode(), "key"),
        (json.dumps({"keys": [jwk(RSA, alg="HS256")]}).encode(), "no key"),
        (json.dumps({"keys": [jwk(SHORT)]}).encode(), "bits"),
    ],
)
def test_a_file_of_keys_that_is_none_is_refused(tmp_path: Path, content: bytes, word: str) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=word) as error:
        verifier(path)
    assert error.value.code == "oidc-keys"


def test_a_token_without_kid_counts_where_there_is_one_key(tmp_path: Path) -> None:
    path = jwks(tmp_path / "one.json", [jwk(RSA)])
    assert verifier(path).principal(token(kid=None), AT).roles == {"read"}
    assert refused(path, token(kid="other")) == "token-key"
