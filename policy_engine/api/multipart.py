"""Bodies of `multipart/form-data` (RFC 7578): a workload, and with it the files that its evidence names.

Strict: what is not of the form is refused as a whole. The contents are taken byte for byte.
"""

from __future__ import annotations

from email import message_from_bytes
from email.message import Message
from email.policy import HTTP
from pathlib import PurePosixPath

from policy_engine.errors import InputError, Problem

MEDIA_TYPE = "multipart/form-data"
WORKLOAD = ("workload", "workloads")
MOST_PARTS = 100
_LONGEST_NAME = 200
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
    head = Message(policy=HTTP)
    head["Content-Type"] = content_type
    boundary = head.get_boundary()
    if not boundary or not boundary.isascii():
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
    message = message_from_bytes(headers.lstrip(b"\r\n"), policy=HTTP)
    name = message.get_param("name", header="content-disposition")
    if message.get_content_disposition() != "form-data" or not isinstance(name, str) or not name:
        raise _refused("a part has no name")
    if str(message.get("content-transfer-encoding", "binary")).strip().lower() not in ("binary", "8bit", "7bit"):
        raise _refused("a part is encoded")
    return name, content


def _check_name(name: str, names: dict[str, bytes]) -> None:
    path = PurePosixPath(name)
    plain = not path.is_absolute() and ".." not in path.parts and path.as_posix() == name and name != "."
    if not plain or len(name) > _LONGEST_NAME or not name.isprintable() or "\\" in name:
        raise _refused(f"no file beside a workload can be called `{name[:80]}`")
    if any(parent.as_posix() in names for parent in path.parents):
        raise _refused(f"`{name[:80]}` lies in what is a file itself")


def _refused(message: str) -> InputError:
    return InputError(Problem("multipart", message, help=_HELP))
