"""The headers that every answer has, errors and refusals of the protocol included."""

from __future__ import annotations

from policy_engine.api.documents import json_bytes

#: A year, as preload lists ask for at least.
_HSTS = b"max-age=31536000"
#: For what is no page: it loads nothing, is framed by nobody. Pages say more of themselves.
_CONTENT = b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_FEATURES = (
    "accelerometer camera display-capture geolocation gyroscope magnetometer microphone midi payment usb".split()
)


def security_headers(behind_tls: bool) -> list[tuple[bytes, bytes]]:
    """Return what is put on every answer that does not say it itself.

    The referrer is `same-origin`: under `no-referrer` browsers would send `Origin: null` with the console's own forms.
    """
    found = [
        (b"cache-control", b"no-store"),
        (b"content-security-policy", _CONTENT),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"permissions-policy", ", ".join(f"{each}=()" for each in _FEATURES).encode()),
        (b"referrer-policy", b"same-origin"),
        (b"x-content-type-options", b"nosniff"),
        (b"x-frame-options", b"DENY"),
    ]
    return [*found, (b"strict-transport-security", _HSTS)] if behind_tls else found


def refusal(status: int, title: str, code: str, detail: str) -> bytes:
    """Return the problem document of what is refused before there is a request."""
    rows = [{"code": code, "message": detail, "line": None, "column": None, "help": None}]
    head = {"type": f"urn:policy-engine:problem:{code}", "title": title, "status": status}
    return json_bytes({**head, "detail": detail, "code": code, "help": None, "problems": rows})
