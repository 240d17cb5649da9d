"""OIDC access tokens: issuer, audience and key set are pinned, and the roles come from a claim.

The issuer is never asked anything: its keys are a file (a JWKS), read with the rules. PyJWT checks the signature alone;
the claims are checked here, by the clock that decisions have.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import jwt
import orjson

from policy_engine.access.issuer import Oidc
from policy_engine.access.oidc_keys import Key, read_keys
from policy_engine.access.principal import ROLES, Principal, UnauthenticatedError
from policy_engine.errors import Problem, UsageError
from policy_engine.recorder import recordable

#: By how much the clocks of issuer and server may differ, in seconds.
LEEWAY = 30
MOST_BYTES = 8192
_PARTS = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
#: RFC 9068 2.1, and what issuers wrote before it.
_KINDS = frozenset({"at+jwt", "application/at+jwt", "jwt"})
#: Claims that an ID token has and an access token has not (OIDC Core 2, 3.1.3.6), and one of logout tokens.
_OF_OTHERS = ("nonce", "at_hash", "c_hash", "s_hash", "events")
_LONGEST_SUBJECT = 200


class Verifier:
    """Verifies access tokens of one issuer."""

    def __init__(self, oidc: Oidc) -> None:
        """Read the keys.

        Raises:
            UsageError: the file holds none that can be used, or one that has no place in it.
        """
        self._oidc = oidc
        self._keys: Mapping[str | None, Key] = read_keys(oidc.keys)
        self._jws = jwt.PyJWS()
        self._roles: dict[str, set[str]] = {}
        for value, role in oidc.roles or [(role, role) for role in ROLES]:
            if role not in ROLES:
                hint = f"one of {', '.join(ROLES)}"
                raise UsageError(Problem("oidc-role", f"`{role}` is no role", help=hint))
            self._roles.setdefault(value, set()).add(role)

    def principal(self, text: str, now: datetime) -> Principal:
        """Return whom an access token speaks for.

        Raises:
            UnauthenticatedError: it is none of this issuer for this audience, or does not count now.
        """
        claims = self._claims(text)
        self._check_time(claims, now.timestamp())
        if claims.get("iss") != self._oidc.issuer:
            raise _refused("token-issuer", "the token is of another issuer")
        audience = claims.get("aud")
        if audience != self._oidc.audience and not (isinstance(audience, list) and self._oidc.audience in audience):
            raise _refused("token-audience", "the token is for another audience")
        if any(name in claims for name in _OF_OTHERS) or _says_other_kind(claims):
            raise _refused("token-kind", "the token is no access token")
        subject = claims.get(self._oidc.subject_claim)
        if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT or recordable(subject) != subject:
            raise _refused("token-subject", f"the token names nobody in `{self._oidc.subject_claim}`")
        return Principal(subject, self._roles_of(claims), "oidc")

    def _claims(self, text: str) -> dict[str, Any]:
        if len(text) > MOST_BYTES or not _PARTS.fullmatch(text) or text.index(".") % 4 == 1:
            raise _refused("token-form", "the token is no JWT, or too large")
        header = text.partition(".")[0]
        key = self._key(_object(urlsafe_b64decode(header + "=" * (-len(header) % 4)), "header"))
        try:
            # the algorithm is the key's: what the header names is compared with it, and chooses nothing
            payload = self._jws.decode_complete(text, key.public, algorithms=list(key.algorithms))["payload"]
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise _refused("token-signature", "the token's signature is not valid") from None
        return _object(payload, "claims")

    def _key(self, header: Mapping[str, Any]) -> Key:
        """Return the pinned key that a header names; keys and addresses of keys in the header itself count nothing."""
        kind, name, algorithm = header.get("typ"), header.get("kid"), header.get("alg")
        if "crit" in header or "b64" in header:
            raise _refused("token-critical", "the token asks for extensions that are not known")
        if kind is not None and (not isinstance(kind, str) or kind.lower() not in _KINDS):
            raise _refused("token-kind", "the token is no access token")
        if name is None and len(self._keys) == 1:
            key = next(iter(self._keys.values()))
        else:
            found = self._keys.get(name) if isinstance(name, str) else None
            if found is None:
                raise _refused("token-key", "the token is signed by a key that is not pinned")
            key = found
        if algorithm not in key.algorithms:
            raise _refused("token-algorithm", "the token is signed in another way than its key signs")
        return key

    def _check_time(self, claims: Mapping[str, Any], now: float) -> None:
        for name in ("exp", "nbf", "iat"):
            value = claims.get(name)
            if value is None and name not in claims and name != "exp":
                continue
            if type(value) not in (int, float):
                raise _refused("token-form", f"the token has no time in `{name}`")
        if claims["exp"] <= now - LEEWAY:
            raise _refused("token-expired", "the token has expired")
        if any(claims.get(name, now) > now + LEEWAY for name in ("nbf", "iat")):
            raise _refused("token-early", "the token does not count yet")

    def _roles_of(self, claims: Mapping[str, Any]) -> frozenset[str]:
        found = claim_at(claims, self._oidc.roles_claim)
        values: Sequence[Any] = found.split() if isinstance(found, str) else found if isinstance(found, list) else ()
        roles = [self._roles.get(value, set()) for value in values if isinstance(value, str)]
        return frozenset(role for each in roles for role in each)


def _object(content: bytes, what: str) -> dict[str, Any]:
    try:
        found = orjson.loads(content)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise _refused("token-form", f"the token has no {what}")
    return found


def claim_at(claims: Mapping[str, Any], path: str) -> Any:
    """Return a claim by its name, or by a dotted path into claims; None where there is none."""
    if path in claims:  # `https://acme.example/roles` is a name, too
        return claims[path]
    found: Any = claims
    for name in path.split("."):
        if not isinstance(found, dict) or name not in found:
            return None
        found = found[name]
    return found


def _says_other_kind(claims: Mapping[str, Any]) -> bool:
    """Whether a token says of itself that it is no access token: Keycloak in `typ`, Cognito in `token_use`."""
    kind, use = claims.get("typ"), claims.get("token_use")
    return (kind is not None and str(kind).lower() not in ("bearer", "at+jwt", "dpop")) or (
        use is not None and use != "access"
    )


def _refused(code: str, message: str) -> UnauthenticatedError:
    return UnauthenticatedError(Problem(code, message, help="get a new access token from the issuer"))
