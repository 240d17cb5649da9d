"""The token that a client shows, from the environment or a file, and the address that it is shown to.

INVARIANT: the token is in no error, no log and no `repr`, and goes to nobody but the server that was named.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from policy_engine.errors import Problem, UsageError

TOKEN, TOKEN_FILE, PLAIN = "POLICY_TOKEN", "POLICY_TOKEN_FILE", "POLICY_SERVER_PLAIN"
_MOST = 16 * 1024
#: What may stand in the header (RFC 6750, b68token).
_FORM = re.compile(r"[A-Za-z0-9._~+/=-]+")


class Secret:
    """A token that does not show itself."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return it, to be sent."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(...)"


def token_from(environment: Mapping[str, str] | None = None) -> Secret | None:
    """Return the token of `POLICY_TOKEN`, else the first line of the file that `POLICY_TOKEN_FILE` names.

    Raises:
        UsageError: both are there, the file cannot be read, or what it holds is no token.
    """
    env = os.environ if environment is None else environment
    text, file = env.get(TOKEN, ""), env.get(TOKEN_FILE, "")
    if text and file:
        message = f"`{TOKEN}` and `{TOKEN_FILE}` are both set"
        raise UsageError(Problem("token", message, help="set one of them"))
    if file:
        text = _read(Path(file))
    return secret(text) if text else None


def secret(text: str) -> Secret:
    """Return a token's text as what does not show itself.

    Raises:
        UsageError: it is none.
    """
    text = text.strip()
    if len(text) > _MOST or not _FORM.fullmatch(text):
        message = "the token is empty, too long, or has characters that no token has"
        raise UsageError(Problem("token", message, help="`policy token create` prints one; it is a single line"))
    return Secret(text)


def _read(path: Path) -> str:
    try:
        with path.open(encoding="ascii") as stream:
            found = stream.read(_MOST + 2)
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or "it is no text").lower()
        raise UsageError(Problem("token", f"cannot read the token's file `{path}`: {reason}")) from None
    return found.strip() or "\n"


def server_address(text: str, *, plain: bool = False) -> str:
    """Return the address of a server without a slash at its end.

    Without TLS only this machine is reached, unless `plain` says that the way there is safe.

    Raises:
        UsageError: it is no address, or names more than a server.
    """
    try:
        parts = urlsplit(text.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not host or not text.isascii() or re.search(r"[\s\x00-\x20]", text):
        # the text is not shown: a password may stand in it
        message = "the server's address is not of the form https://HOST[:PORT]"
        raise UsageError(Problem("server-address", message, help="for example https://policy.acme.example"))
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        message = "the server's address has more than host, port and path"
        raise UsageError(Problem("server-address", message, help=f"a token goes into {TOKEN} or {TOKEN_FILE}"))
    if parts.scheme == "http" and not plain and not is_here(host):
        message = f"`{host}` is another machine, and http:// is read and changed by whoever is in between"
        hint = f"use https://; {PLAIN}=1 says that the way is safe, as inside a cluster"
        raise UsageError(Problem("server-plain", message, help=hint))
    return text.strip().rstrip("/")


def plain_allowed(environment: Mapping[str, str] | None = None) -> bool:
    """Whether the environment says that the way to the server is safe without TLS."""
    return (os.environ if environment is None else environment).get(PLAIN) == "1"


def is_here(host: str) -> bool:
    """Whether a host, as an address names it, is this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
