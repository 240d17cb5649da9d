"""The console's session: a cookie that is the bearer token itself, with an end.

No session is stored anywhere: whoever revokes a token ends its sessions at once, in every worker. The token of a form
is made of the cookie, so that only a page that was served to its bearer can hold it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import datetime, timedelta

from policy_engine.access.principal import ForbiddenError, UnauthenticatedError
from policy_engine.errors import Problem

LONGEST = timedelta(hours=8)
#: The name of the field of a form that holds its token.
FORM_TOKEN = "form_token"  # noqa: S105 - a field's name
#: Tokens of ours and JWTs are of these characters, which need no quotes in a cookie; browsers drop longer ones.
_MOST_TOKEN = 3800
_TOKEN = re.compile(r"[A-Za-z0-9._-]+", re.ASCII)
_VALUE = re.compile(r"([1-9][0-9]{9})\.([A-Za-z0-9._-]{1,3800})", re.ASCII)


def cookie_name(tls: bool) -> str:
    """Return the cookie's name; where browsers come by TLS, one that no other host can set."""
    return "__Host-policy" if tls else "policy"


def session_value(token: str, at: datetime) -> str:
    """Return the value of the cookie of a session that begins at `at`.

    Raises:
        UnauthenticatedError: no cookie can hold this.
    """
    if len(token.strip()) > _MOST_TOKEN and _TOKEN.fullmatch(token.strip()):
        message = f"a browser's session holds a token of {_MOST_TOKEN:,} characters at most"
        hint = "take a token of `policy token create`, or one with fewer claims; the API takes this one"
        raise UnauthenticatedError(Problem("token-too-long", message, help=hint))
    value = f"{int((at + LONGEST).timestamp())}.{token.strip()}"
    if not _VALUE.fullmatch(value):
        raise UnauthenticatedError(Problem("token-unknown", "the token is not known"))
    return value


def token_of(value: str, at: datetime) -> str:
    """Return the token of a session.

    Raises:
        UnauthenticatedError: it is none, or has ended.
    """
    match = _VALUE.fullmatch(value)
    left = int(match.group(1)) - at.timestamp() if match is not None else 0.0
    # whoever wrote a later end into the cookie has no session at all
    if match is None or not 0 < left <= LONGEST.total_seconds():
        raise UnauthenticatedError(Problem("session-ended", "the session has ended", help="log in again"))
    return match.group(2)


def form_token(value: str) -> str:
    """Return what a form of the session with this cookie holds: another each time.

    A page that is packed and shows what somebody else chose would tell a constant one by its length (BREACH).
    """
    nonce = secrets.token_hex(8)
    return f"{nonce}.{_mac(value, nonce)}"


def check_form_token(value: str, given: str) -> None:
    """Refuse a form that was not served to this session.

    Raises:
        ForbiddenError: it was not.
    """
    nonce, _, mac = given.partition(".")
    if not hmac.compare_digest(_mac(value, nonce).encode(), mac.encode("utf-8", "replace")):
        hint = "load the page again, and send the form once more"
        raise ForbiddenError(Problem("form-token", "the form is not of this session", help=hint))


def _mac(value: str, nonce: str) -> str:
    text = f"policy-engine form {nonce}".encode("utf-8", "replace")
    return hmac.new(value.encode(), text, hashlib.sha256).hexdigest()
