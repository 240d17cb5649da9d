"""Workloads with the files that their evidence names, as a form (RFC 7578)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

#: More bytes no request has, by a server's default, and no more parts.
MOST_BYTES, MOST_PARTS = 1 << 20, 100
#: Bytes around each part, about, beside its name.
AROUND = 160
WORKLOAD = "workload"
_TAKEN = frozenset({WORKLOAD, "workloads"})
_LONGEST_NAME = 200


def is_sendable(name: str) -> bool:
    """Whether a server takes a file of this name: a plain path below the workload's folder."""
    plain = name not in _TAKEN and name != ".." and not name.startswith(("/", "../")) and "\\" not in name
    # of these, one would be another name there
    return plain and len(name) <= _LONGEST_NAME and name.isprintable() and "%" not in name


def form_of(workloads: bytes, files: Mapping[str, bytes]) -> tuple[str, bytes]:
    """Return the media type and the body of a form with these files; their names are sendable."""
    boundary = f"policy-{secrets.token_hex(24)}"
    parts = []
    for name, content in {WORKLOAD: workloads, **files}.items():
        shown = name.replace('"', "%22").encode()
        parts.append(b'--%s\r\nContent-Disposition: form-data; name="%s"\r\n\r\n' % (boundary.encode(), shown))
        parts += [content, b"\r\n"]
    return f"multipart/form-data; boundary={boundary}", b"".join([*parts, b"--%s--\r\n" % boundary.encode()])
