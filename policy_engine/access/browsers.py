"""What browsers say of where a request comes from, and what of it is refused.

A page of somebody else can make a browser send requests to this server, and a name of its own can be made to lead to
loopback (DNS rebinding). Browsers say both: by `Sec-Fetch-Site` and `Origin`, and by `Host`.
"""

from __future__ import annotations

import re
from ipaddress import ip_address

from policy_engine.access.principal import ForbiddenError
from policy_engine.errors import Problem

#: Methods that change nothing.
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_PORT = re.compile(r":[0-9]{1,5}", re.ASCII)
_ORIGIN = re.compile(r"(https?)://([^/?#@\\\s]+)", re.ASCII)


def is_loopback_host(host: str) -> bool:
    """Whether a `Host` header is a name of this machine for itself, with any port or none."""
    name = host.lower()
    if name.startswith("["):
        address, closed, port = name[1:].partition("]")
        if not closed or (port and not _PORT.fullmatch(port)):
            return False
    else:
        address, colon, port = name.partition(":")
        if colon and not _PORT.fullmatch(colon + port):
            return False
    if address in ("localhost", "localhost."):
        return True
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def is_cross_site(host: str, origin: str | None, fetch_site: str | None) -> bool:
    """Whether a browser says that a page of another origin made this request; nothing said is no."""
    if fetch_site is not None and fetch_site not in ("same-origin", "none"):
        return True
    return origin is not None and not _is_own(host, origin)


def check_same_origin(host: str, origin: str | None, fetch_site: str | None) -> None:
    """Refuse a form that no page of this server sent: a browser says of each where it comes from.

    Raises:
        ForbiddenError: another page sent it, or nothing says who did.
    """
    if fetch_site is not None:
        own = fetch_site == "same-origin" and origin != "null"
    else:
        own = origin is not None and _is_own(host, origin)
    if not own:
        hint = "send the form from the console's own page; programs use the API"
        raise ForbiddenError(Problem("cross-site", "the form does not come from a page of this server", help=hint))


def _is_own(host: str, origin: str) -> bool:
    match = _ORIGIN.fullmatch(origin)
    if match is None or not host:
        return False
    default = ":443" if match.group(1) == "https" else ":80"
    return match.group(2).lower().removesuffix(default) == host.lower().removesuffix(default)
