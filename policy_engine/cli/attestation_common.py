"""What the commands share that read attestations: the pinned keys, the subjects, and the file."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from policy_engine.cli.options import VerifierKey
from policy_engine.errors import InputError, Problem, Span, UsageError

if TYPE_CHECKING:
    from policy_engine.attesting.checking import Checked, Pinned, Wanted

F = TypeVar("F", bound=Callable[..., Any])
_MOST_BYTES = 256 * 1024 * 1024
_MOST_KEY = 4096
_MOST_PROBLEMS = 20


class PublicKey(NamedTuple):
    """A pinned key: its 32 bytes, and the verifier key where it was given as one."""

    public: bytes
    verifier_key: str | None


class GivenKey(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A verifier key, or a file that holds one or a public key in PEM."""

    name = "key"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> PublicKey:
        from policy_audit.errors import VerificationError
        from policy_audit.pem import parse_public_key

        text = str(value)
        try:
            # what is a key is never looked for as a file: whoever could put one there would choose the key
            return PublicKey(parse_public_key(text), text)
        except VerificationError as error:
            if not os.path.exists(text):
                self.fail(f"{error.message}, and there is no such file", param, ctx)
        try:
            held = _read(Path(text), _MOST_KEY).decode()
            return PublicKey(parse_public_key(held), None if held.startswith("-----") else held.removesuffix("\n"))
        except UnicodeDecodeError:
            self.fail(f"`{text}` does not hold a public key", param, ctx)
        except VerificationError as error:
            self.fail(f"`{text}` does not hold a public key: {error.message}", param, ctx)


def key_options(command: F) -> F:
    """`--key`, `--ledger-vkey` and `--no-receipt`."""
    command = click.option(
        "--no-receipt",
        is_flag=True,
        help="Accept decisions of which no pinned log has a receipt, such as spooled ones.",
    )(command)
    command = click.option(
        "--ledger-vkey",
        "logs",
        metavar="KEY",
        multiple=True,
        type=VerifierKey(),
        envvar="POLICY_LEDGER_VKEY",
        help="The ledger's verifier key that you pinned; repeatable.  [default: each --key that is one]",
    )(command)
    return click.option(
        "--key",
        "keys",
        metavar="VKEY|FILE",
        multiple=True,
        required=True,
        type=GivenKey(),
        help="Who may sign: a verifier key, or a file with one or with a public key in PEM; repeatable.",
    )(command)


def pinned(keys: Sequence[PublicKey], logs: Sequence[str], no_receipt: bool, subjects: Sequence[Wanted]) -> Pinned:
    """Return what the options pin.

    Raises:
        UsageError: receipts are to be verified, and no log is pinned.
    """
    from policy_engine.attesting.checking import Pinned

    known = tuple(logs) or tuple(key.verifier_key for key in keys if key.verifier_key is not None)
    if not known and not no_receipt:
        hint = "give --ledger-vkey KEY (POLICY_LEDGER_VKEY); or --no-receipt, which believes the signature alone"
        raise UsageError(Problem("no-ledger-key", "no log is pinned whose receipts could be verified", help=hint))
    # a key that may sign attestations need not be a log's: without receipts only a log that was named is one
    return Pinned(
        tuple(key.public for key in keys), tuple(logs) if no_receipt else known, not no_receipt, tuple(subjects)
    )


def check_file(file: Path, pins: Pinned) -> Checked:
    """Check a file of attestations.

    Raises:
        InputError: it cannot be read, or holds something else than an envelope on each line.
    """
    from policy_audit.dsse import parse_envelope
    from policy_audit.errors import VerificationError

    from policy_engine.attesting.checking import check_envelopes

    envelopes, problems = [], []
    for number, line in enumerate(_lines(file), 1):
        try:
            envelopes.append(parse_envelope(line))
        except VerificationError as error:
            hint = "`policy gate --attest` writes two on two lines"
            problems.append(Problem(error.code, error.message, Span(str(file), number, 1), hint))
    if problems:
        raise InputError(problems[:_MOST_PROBLEMS])
    return check_envelopes(envelopes, pins)


def _lines(file: Path) -> list[bytes]:
    data = _read(file, _MOST_BYTES)
    if not data:
        raise InputError(Problem("not-an-envelope", f"`{file}` is empty"))
    return data.removesuffix(b"\n").split(b"\n")


def _read(path: Path, most: int) -> bytes:
    from policy_audit.durable import read_given

    try:
        data = read_given(path, most)
    except OSError as error:
        message = f"cannot read `{path}`: {(error.strerror or str(error)).lower()}"
        raise InputError(Problem("file-unreadable", message)) from None
    if len(data) > most:
        raise InputError(Problem("file-unreadable", f"`{path}` has more than {most:,} bytes"))
    return data
