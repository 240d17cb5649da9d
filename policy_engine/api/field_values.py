"""Values of header fields with parameters (RFC 9110, 5.6.6): `form-data; name="workload"`, read strictly."""

from __future__ import annotations

import re

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # noqa: S105 - the grammar's word
_VALUE = re.compile(rf"[ \t]*({_TOKEN}(?:/{_TOKEN})?)[ \t]*")
# a `\` that escapes nothing stands for itself: old clients send paths of Windows
_PARAMETER = re.compile(rf';[ \t]*(?:({_TOKEN})=(?:({_TOKEN})|"((?:\\["\\]|[^"\x00-\x08\x0a-\x1f\x7f])*)"))?[ \t]*')
_ESCAPED = re.compile(r'\\(["\\])')


def parsed(text: str) -> tuple[str, dict[str, str]] | None:
    """Return a field's value and its parameters, names in lower case; None where it is not of the form.

    Parameters that are there twice are not of the form, and nothing of RFC 2231 (`name*0=`) is put together.
    """
    found = _VALUE.match(text)
    if found is None:
        return None
    parameters: dict[str, str] = {}
    place = found.end()
    while place < len(text):
        each = _PARAMETER.match(text, place)
        if each is None:
            return None
        name, token, quoted = each.groups()
        if name is not None:
            if name.lower() in parameters:
                return None
            parameters[name.lower()] = token if token is not None else _ESCAPED.sub(r"\1", quoted)
        place = each.end()
    return found.group(1).lower(), parameters
