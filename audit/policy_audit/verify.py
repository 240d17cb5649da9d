"""`python -m policy_audit.verify DIR --vkey KEY`: verify an exported log without the program that wrote it.

Needs Python, the package `cryptography`, and of this package the modules that are imported from here on; see
audit/README.md, "How to verify without us". The exit status is 0 where every step passed, 6 where one failed or
could not be run, and 2 where the command line or what it names cannot be read.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import NoReturn

from policy_audit.durable import read_given
from policy_audit.errors import VerificationError
from policy_audit.folder_check import Wanted, verify_folder
from policy_audit.folder_log import Progress
from policy_audit.keys import parse_verifier_key

OK, USAGE, FAILED = 0, 2, 6
MAX_KEPT_BYTES = 4_000_000
_EXAMPLE = """\
example:
  python -m policy_audit.verify export/ --vkey policy-ledger.local/60ca5227+c0da0951+ATqN... --kept 2026-01.checkpoint

Exit status: 0 verified, 6 not verified, 2 wrong usage. Nothing is ever taken from the folder but what is to be
verified: pin the key, and keep checkpoints or receipts, where whoever made the folder cannot change them.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify as the command line says, print the report, and return the exit status."""
    options = _parser().parse_args(arguments)
    wanted = Wanted(
        verifier_keys=[_key(key) for key in options.vkey],
        origin=options.origin,
        kept=[(str(path), _read(path)) for path in options.kept],
        hashes_only=options.hashes_only,
        documents=options.documents,
        strict=options.strict,
    )
    if not os.path.isdir(options.folder):
        _refuse(f"`{options.folder}` is not a folder")
    report = verify_folder(options.folder, wanted, _progress())
    if options.json:
        print(json.dumps(report.value(), indent=2))
    else:
        for line in report.lines():
            print(_printable(line))
    return OK if report.ok else FAILED


def run() -> NoReturn:
    """Run the command; whatever happens that is not foreseen, nothing was verified."""
    status = FAILED
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal without the character gets its number
    try:
        status = main()
        sys.stdout.flush()
    except KeyboardInterrupt:
        _say("interrupted: nothing is verified")
        status = FAILED
    except BrokenPipeError:
        # the report was not read to its end, and the interpreter must not try again when it exits
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = FAILED
    except Exception as error:  # noqa: BLE001 - the last line of defence: a status and a line instead of a traceback
        _say(f"unexpected {type(error).__name__}: {error}; nothing is verified")
        status = FAILED
    sys.exit(status)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m policy_audit.verify",
        description="Verify an exported log in C2SP's tlog-tiles layout, ours or another program's.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="checkpoint, tile/..., tile/entries/...")
    parser.add_argument("--vkey", metavar="KEY", action="append", required=True, help="pinned verifier key; repeatable")
    parser.add_argument("--origin", metavar="NAME", help="the log's pinned name (default: the first key's name)")
    kept = "a checkpoint or receipt (tlog-proof) that you kept; repeatable"
    parser.add_argument("--kept", metavar="FILE", action="append", type=Path, default=[], help=kept)
    hashes = "verify the tree alone, of a folder without tile/entries"
    parser.add_argument("--hashes-only", action="store_true", help=hashes)
    documents = "fail where entries name documents and the folder has none"
    parser.add_argument("--documents", action="store_true", help=documents)
    strict = "fail where files lie in the folder that the checkpoint does not cover"
    parser.add_argument("--strict", action="store_true", help=strict)
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser


def _key(text: str) -> str:
    try:
        parse_verifier_key(text)
    except VerificationError as error:
        _refuse(str(error))
    return text


def _read(path: Path) -> str:
    try:
        data = read_given(path, MAX_KEPT_BYTES)
    except OSError as error:
        _refuse(f"cannot read `{path}`: {(error.strerror or 'unknown reason').lower()}")
    if len(data) > MAX_KEPT_BYTES:
        _refuse(f"`{path}` has more than {MAX_KEPT_BYTES:,} bytes")
    # What is no UTF-8 fails its step, as any other malformed checkpoint does.
    return data.decode("utf-8", "surrogateescape")


def _progress() -> Progress | None:
    """Show how far it is on standard error, on a terminal alone."""
    if not sys.stderr.isatty():
        return None
    last = time.monotonic()

    def show(done: int, total: int) -> None:
        nonlocal last
        if done == total:
            sys.stderr.write("\r\x1b[K")
        elif time.monotonic() - last > 0.2:
            last = time.monotonic()
            sys.stderr.write(f"\r{done:,} of {total:,} entries")
            sys.stderr.flush()

    return show


def _refuse(message: str) -> NoReturn:
    _say(message)
    sys.exit(USAGE)


def _say(message: str) -> None:
    with suppress(OSError):
        print(_printable(f"error: {message}"), file=sys.stderr)


def _printable(line: str) -> str:
    """Write what a terminal would obey, and what cannot be encoded, as numbers: the folder's names are not ours."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in line)


if __name__ == "__main__":
    run()
