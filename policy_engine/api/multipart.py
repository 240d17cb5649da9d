"""Bodies of `multipart/form-data` (RFC 7578): a workload, and with it the files that its evidence names.

Strict: what is not of the form is refused as a whole. The contents are taken byte for byte. Names are UTF-8, and have
a `"` as `%22`, as browsers send it, or as `\\"`, as older versions of curl do.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from policy_engine.api.field_values import parsed
from policy_engine.errors import InputError, Problem

MEDIA_TYPE = "multipart/form-data"
WORKLOAD = ("workload", "workloads")
MOST_PARTS = 100
_LONGEST_NAME = 200
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")
_FIELD = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")
_QUOTED = {"%22": '"', "%0D": "\r", "%0A": "\n"}
_HELP = "send the part `workload`, and each file as a part that is named as the workload names the file"


def read_parts(content_type: str, body: bytes) -> tuple[bytes, dict[str, bytes]]:
    """Return the workload of a body, and the files that came with it, by the names that the workload has for them.

    Raises:
        InputError: it is not of the form, names a part twice, or has a file with a name that no file can have.
    """
    parts: dict[str, bytes] = {}
    for name, content in _parts(content_type, body):
        if name in parts or (name in WORKLOAD and any(each in parts for each in WORKLOAD)):
            raise _refused(f"the part `{name[:80]}` is there twice")
        parts[name] = content
    found = [parts.pop(name) for name in WORKLOAD if name in parts]
    if not found:
        raise _refused("no part is called `workload`")
    for name in parts:
        _check_name(name, parts)
    return found[0], parts


def _parts(content_type: str, body: bytes) -> list[tuple[str, bytes]]:
    found = parsed(content_type)
    boundary = found[1].get("boundary", "") if found is not None else ""
    if not _BOUNDARY.fullmatch(boundary):
        raise _refused("the Content-Type has no boundary")
    preamble, *parts = (b"\r\n" + body).split(b"\r\n--" + boundary.encode())
    if preamble.strip() or len(parts) < 2 or parts[-1].strip() != b"--":
        raise _refused("the body does not begin and end with its boundary")
    if len(parts) - 1 > MOST_PARTS:
        raise _refused(f"the body has more than {MOST_PARTS} parts")
    return [_part(each) for each in parts[:-1]]


def _part(data: bytes) -> tuple[str, bytes]:
    start, line, rest = data.partition(b"\r\n")
    headers, blank, content = (b"\r\n" + rest).partition(b"\r\n\r\n")
    if start.strip(b" \t") or not line or not blank:
        raise _refused("a part has no headers")
    fields = _fields(headers)
    if fields.get("content-transfer-encoding", "binary").strip().lower() not in ("binary", "8bit", "7bit"):
        raise _refused("a part is encoded")
    return _name(fields.get("content-disposition", "")), content


def _fields(headers: bytes) -> dict[str, str]:
    """Return the header fields of a part, names in lower case. No line is the continuation of another."""
    fields: dict[str, str] = {}
    for line in headers.split(b"\r\n")[1:]:
        try:
            found = _FIELD.fullmatch(line.decode())
        except UnicodeDecodeError:
            found = None
        if found is None:
            raise _refused("a part has a header that is none")
        name = found.group(1).lower()
        if name in fields:
            raise _refused("a part has a header twice")
        fields[name] = found.group(2)
    return fields


def _name(disposition: str) -> str:
    found = parsed(disposition)
    kind, parameters = found if found is not None else ("", {})
    name = parameters.get("name", "")
    if kind != "form-data" or not name or any(each.startswith("name*") for each in parameters):
        raise _refused("a part has no name")
    return re.sub("%(?:22|0D|0A)", lambda each: _QUOTED[each.group()], name, flags=re.ASCII)


def _check_name(name: str, names: dict[str, bytes]) -> None:
    path = PurePosixPath(name)
    plain = not path.is_absolute() and ".." not in path.parts and path.as_posix() == name and name != "."
    if not plain or len(name) > _LONGEST_NAME or not name.isprintable() or "\\" in name:
        raise _refused(f"no file beside a workload can be called `{name[:80]}`")
    if any(parent.as_posix() in names for parent in path.parents):
        raise _refused(f"`{name[:80]}` lies in what is a file itself")


def _refused(message: str) -> InputError:
    return InputError(Problem("multipart", message, help=_HELP))
