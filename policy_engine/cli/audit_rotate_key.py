"""`policy audit rotate-key`: hand over to a new signing key, by an entry that both keys sign."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from policy_engine.cli.ledger_writing import officer, writing
from policy_engine.cli.options import ledger_options
from policy_engine.errors import Problem, RecordingError, UsageError

if TYPE_CHECKING:
    from policy_audit.keys import Signer
    from policy_audit.ledger import Ledger

#: Refusals after which a commit may come through all the same, or that of the same command in another process, which
#: waited for the same lock and took the key that it found.
_MAY_COME_YET = ("ledger-unreachable", "ledger-io", "ledger-interrupted", "ledger-locked", "ledger-timeout")


@click.command("rotate-key", epilog="Example: policy audit rotate-key --new-key ledger-2027.key --reason 'yearly'")
@click.option(
    "--new-key",
    metavar="FILE",
    required=True,
    type=click.Path(path_type=Path),
    help="Where the new key is written; one that a rotation cut short has left there is taken.",
)
@click.option(
    "--program",
    metavar="COMMAND",
    help="Sign with the key that this program has, such as one of a key management service; FILE then names it.",
)
@click.option("--reason", metavar="TEXT", help="Why; recorded with the rotation.")
@ledger_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    new_key: Path,
    program: str | None,
    reason: str | None,
    ledger: str | None,
    ledger_key: Path | None,
) -> None:
    """Replace the signing key: old and new key sign the entry, and the new key alone signs what comes after it.

    The new key is on disk before the entry is recorded. Verifiers that pinned the old key follow the entry to the new
    one; pin the new key all the same, since it finds a ledger rolled back to before the rotation. The old key's file
    stays where it is: receipts under it stay valid, and it appends nothing any more.

    With --program the private key stays where it is: COMMAND is run with one more argument, `public-key` or `sign`,
    reads the message from standard input, and prints the Ed25519 public key or the signature in base64.

    The personal key is copied to beside the new key, as FILE.personal: there it is looked for from then on.
    """
    from policy_audit.errors import AuditError
    from policy_audit.personal_key import path_of
    from policy_audit.vault_opening import write_beside

    with writing(ctx, ledger, ledger_key) as open_ledger:
        who = officer()
        signer, made = _new_signer(open_ledger, new_key, program)
        written = [new_key] if made else []
        try:
            if write_beside(open_ledger, new_key):
                written.append(path_of(new_key))
            recorded = open_ledger.rotate_key(signer, reason, by=who)
            if not new_key.exists():  # the same command in another process was refused, and took its file away
                _write_signer(new_key, signer)
            write_beside(open_ledger, new_key)
        except AuditError as error:
            # A server may have committed all the same, or do so later (a standby is waited for, and nobody sees the
            # entry until then), and a rotation without its new key would be the ledger's end.
            if error.code in _MAY_COME_YET:
                error.help = f"keep `{new_key}`: the rotation may yet be on record; if not, the same command takes it"
            elif not _in_force(open_ledger, signer):
                for file in written:
                    file.unlink(missing_ok=True)
            raise
    click.echo(f"rotated at entry {recorded.index}; the new key is `{new_key}`")
    click.echo(f"verifier key, pin it where you verify: {signer.verifier_key}")
    click.echo(f"name it from now on with --ledger-key {new_key}, or move it to where the old key is")


def _new_signer(ledger: Ledger, path: Path, program: str | None) -> tuple[Signer, bool]:
    """Make the new key, or take the one that is at `path` for this ledger; return whether the file was made."""
    from policy_audit.keys import generate_signer
    from policy_audit.signing_program import SigningProgram, program_signer, read_signer

    if not os.path.exists(path):
        assert ledger.origin is not None  # noqa: S101 - it was opened with its key
        name, given = ledger.origin, program is not None
        made = program_signer(name, _arguments(str(program))) if given else generate_signer(name)
        _write_signer(path, made)
        return made, True
    found = read_signer(path)
    named = found.program if isinstance(found, SigningProgram) else ()
    other = program is not None and tuple(_arguments(program)) != named
    if other or found.name != ledger.origin or found.verifier_key == ledger.verifier_key:
        message = f"the file `{path}` already holds a key, and not a new one of this ledger"
        raise RecordingError(Problem("signing-key-exists", message, help="name a file that is not there yet"))
    return found, False


def _write_signer(path: Path, signer: Signer) -> None:
    from policy_audit.keys import Ed25519Signer, write_key_file
    from policy_audit.signing_program import SigningProgram, write_program_file

    if isinstance(signer, SigningProgram):
        write_program_file(path, signer)
    elif isinstance(signer, Ed25519Signer):
        write_key_file(path, signer)


def _arguments(program: str) -> list[str]:
    try:
        found = shlex.split(program)
    except ValueError as error:
        raise UsageError(Problem("bad-program", f"`--program` cannot be read: {error}".rstrip("."))) from None
    if not found:
        raise UsageError(Problem("bad-program", "`--program` names no program", help="give it by its whole path"))
    return found


def _in_force(ledger: Ledger, signer: Signer) -> bool:
    """Whether the rotation to `signer` is on record, or that cannot be told."""
    from policy_audit.checkpoint import open_checkpoint
    from policy_audit.errors import AuditError, VerificationError

    try:
        open_checkpoint(ledger.checkpoint(), [signer.verifier_key], signer.name)
    except VerificationError:
        return False
    except AuditError:
        return True
    return True
