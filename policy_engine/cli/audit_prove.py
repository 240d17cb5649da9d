"""`policy audit prove`: write the proof that an entry is in the log, or check such a file without the log."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from policy_engine.asking.entries import find_entry
from policy_engine.asking.verifying import check_keys
from policy_engine.cli.ledger_reading import read_exact, read_text, reading, write_bytes
from policy_engine.cli.options import ledger_options
from policy_engine.errors import Problem, UsageError, VerificationFailedError
from policy_engine.exports.evidence import other_key


@click.command(
    "prove",
    epilog="Example: policy audit prove 12 --to 12.tlog-proof --entry 12.json, and then without the ledger: "
    "policy audit prove --check 12.tlog-proof --entry 12.json --vkey KEY",
)
@click.argument("target", metavar="[INDEX|ID]", required=False)
@click.option("--to", metavar="FILE|-", help="Write the proof here.  [default: standard output]")
@click.option("--check", metavar="FILE", type=click.Path(path_type=Path), help="Check this proof; needs no ledger.")
@click.option("--entry", metavar="FILE", help="The entry's bytes: written beside a proof, read with --check.")
@click.option("--vkey", "vkeys", metavar="KEY", multiple=True, help="With --check: a verifier key that you pinned.")
@click.option("--origin", metavar="NAME", help="With --check: the log's name.  [default: the first key's name]")
@ledger_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    target: str | None,
    to: str | None,
    check: Path | None,
    entry: str | None,
    vkeys: Sequence[str],
    origin: str | None,
    ledger: str | None,
    ledger_key: Path | None,
) -> None:
    """Prove that an entry is in the log, as a C2SP tlog-proof file; or check such a file.

    With --check the exit status is 0 where the entry is in the log that the pinned key signed, and 6 where it is not.
    """
    if check is not None:
        _check_usage(target is None and to is None, "`--check` reads a proof, and writes none")
        _check_usage(bool(vkeys and entry), "`--check` needs `--entry FILE` and `--vkey KEY`")
        check_keys(vkeys)
        _verify(check, Path(str(entry)), list(vkeys), origin or vkeys[0].partition("+")[0])
        return
    _check_usage(target is not None, "name an entry by INDEX or ID, or a proof with `--check`")
    _check_usage(not vkeys and origin is None, "`--vkey` and `--origin` go with `--check`")
    _check_usage(entry != "-" or to not in (None, "-"), "only one of proof and entry can go to standard output")
    with reading(ctx, ledger, ledger_key) as open_ledger:
        found = find_entry(open_ledger, str(target))
        proof = open_ledger.receipt(found.index)
    if entry is not None:
        write_bytes(entry, found.raw)
    write_bytes(to or "-", proof.encode())


def _check_usage(holds: bool, message: str) -> None:
    if not holds:
        raise UsageError(Problem("usage", message, help="try `policy audit prove --help`"))


def _verify(proof_file: Path, entry_file: Path, vkeys: list[str], origin: str) -> None:
    from policy_audit.errors import VerificationError
    from policy_audit.proof import parse_proof

    text, entry = read_text(proof_file), read_exact(entry_file)
    try:
        proof = parse_proof(text)
        checkpoint = proof.verify(entry, vkeys, origin)
    except VerificationError as error:
        message = f"`{proof_file}` does not prove that `{entry_file}` is in the log `{origin}`: {error.message}"
        hint = error.help
        if hint is None and error.code == "no-known-signature":
            follow = (
                "or follow the rotation in an export: `python -m policy_audit.verify FOLDER --vkey KEY --kept PROOF`"
            )
            hint = other_key(parse_proof(text).checkpoint, origin, vkeys, follow)
        raise VerificationFailedError(Problem(error.code, message, help=hint)) from error
    click.echo(
        f"verified: `{entry_file}` is entry {proof.index} of the log `{checkpoint.origin}`, "
        f"under its signed checkpoint of {checkpoint.size:,} entries"
    )
