"""What `policy probe` puts on record: the attestation, its receipt, and how a workload names it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from msgspec import Struct

from policy_engine.cli.evidence_common import beside, check_target
from policy_engine.cli.options import ledger_options, opened
from policy_engine.cli.waiver_common import Day, acting, audited, signer_of
from policy_engine.errors import InputError, Problem, UsageError

if TYPE_CHECKING:
    from policy_audit.keys import Signer

    from policy_engine.cli.options import LedgerChoice
    from policy_engine.model.workload import Workload
    from policy_engine.probe.report import Report
    from policy_engine.probe.verdict import ClaimVerdict

F = TypeVar("F", bound=Callable[..., Any])
EVIDENCE = "hardware_attestation"
_BEGINS = "c2sp.org/tlog-proof@v1\n"


class Attesting(Struct, frozen=True):
    """Where and how to record: all of it checked before a device is touched.

    `workload` is the identity of the one whose claims are judged, None for an attestation of the host at large;
    `folder` is where its files are named from.
    """

    choice: LedgerChoice
    workload: str | None
    folder: Path
    signer: Signer | None
    until: date | None
    target: Path | None


def attest_options(command: F) -> F:
    """`--record/--no-record`, `--key`, `--valid-until`, `--to` and those of the ledger."""
    command = ledger_options(command)
    command = click.option(
        "--to",
        "target",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="Write the attestation's receipt; the entry goes beside it.",
    )(command)
    command = click.option(
        "--valid-until", "until", metavar="DATE", type=Day(), help="The last day on which the attestation counts."
    )(command)
    command = click.option(
        "--key", metavar="KEYFILE", type=click.Path(path_type=Path), help="Sign the attestation by this host's own key."
    )(command)
    return click.option(
        "--record/--no-record",
        "recording",
        default=True,
        show_default=True,
        help="Whether to put the attestation on record.",
    )(command)


def prepare(
    choice: LedgerChoice,
    workload: Workload | None,
    folder: Path,
    *,
    key: Path | None,
    until: date | None,
    target: Path | None,
) -> Attesting:
    """Check everything that would keep an attestation from being recorded, before half a minute is spent.

    Raises:
        InputError: the key is none.
        UsageError: the receipt cannot be written there, or nobody could use it.
        RecordingError: the ledger cannot be opened.
    """
    if target is not None:
        if choice.scratch:
            message = "a ledger in memory ends with this command, and its receipts prove nothing"
            raise UsageError(Problem("scratch-ledger", message, help="name another with --ledger"))
        check_target(target, _BEGINS)
        check_target(target.with_suffix(".entry.json"), "{")
    signer = signer_of(key) if key is not None else None
    with audited(), opened(choice):
        pass
    return Attesting(choice, workload.identity if workload is not None else None, folder, signer, until, target)


def attest(attesting: Attesting, report: Report, verdicts: Sequence[ClaimVerdict]) -> dict[str, Any]:
    """Record the attestation, write its receipt where one is asked for, and return what is said of it.

    Raises:
        RecordingError: the ledger refused: nothing that was measured is handed out.
        InputError: what was found is too large for an entry.
    """
    from policy_audit.entry import Draft, EntryType
    from policy_audit.errors import CanonicalError
    from policy_audit.keys import parse_verifier_key

    from policy_engine.probe.attestation import attestation_of
    from policy_engine.vouching.attested import attestation_body
    from policy_engine.waivers.on_record import stored_context

    context, signer = acting(), attesting.signer
    personal = {"actor": context.actor} if context.actor is not None else {}
    until = attesting.until.isoformat() if attesting.until is not None else None
    place = _place(attesting.workload)
    try:
        body = attestation_body(attestation_of(report, verdicts, attesting.workload, until), signer)
    except CanonicalError as error:
        hint = "probe fewer devices at a time with --device"
        raise InputError(Problem(error.code, error.message, help=hint)) from error
    kept = {**stored_context(context), **place}
    with audited(), opened(attesting.choice) as ledger:
        index = ledger.append(Draft(EntryType.PROBE_ATTESTATION, body=body, context=kept, personal=personal)).index
        entry, receipt = ledger.entry(index), ledger.receipt(index)
        log = {"origin": ledger.origin, "vkey": ledger.verifier_key}
    found = {
        "evidence": EVIDENCE,
        "workload": attesting.workload,
        "sha256": body["sha256"],
        "valid_until": until,
        "signed_by": parse_verifier_key(signer.verifier_key).key_id.hex() if signer is not None else None,
        "host": report.host.name,
        "measured_at": report.measured_at,
        "ledger": {**log, "index": index, "leaf_hash": entry.leaf_hash, "kept": not attesting.choice.scratch},
        "receipt": None,
        "entry": None,
    }
    if attesting.target is not None:
        found |= _written(attesting.target, attesting.folder, receipt.encode(), entry.raw)
    return found


def how_to_name(attestation: Mapping[str, Any]) -> list[str]:
    """Return the lines that tell how a workload names the attestation."""
    ledger = attestation["ledger"]
    if not ledger["kept"]:
        return ["recorded in memory, and gone with this command: name a ledger with --ledger"]
    of = f"for {attestation['workload']}" if attestation["workload"] is not None else "for whoever names this host"
    lines = [f"entry {ledger['index']} of {ledger['origin']}, {of}; a workload names it so:"]
    named = f"{{ledger_index: {ledger['index']}}}"
    if attestation["receipt"] is not None:
        named = f"{{receipt: {attestation['receipt']}, entry: {attestation['entry']}}}"
    lines += [f"hardware.host: {attestation['host']}", f"evidence.{EVIDENCE}: {named}"]
    if attestation["receipt"] is not None:
        return [*lines, f"approvers.yaml pins the ledger: origins: [{{vkey: {ledger['vkey']}}}]"]
    index = ledger["index"]
    return [*lines, f"another ledger's decisions need its receipt: policy audit prove {index} --to FILE --entry FILE"]


def _place(workload: str | None) -> dict[str, str]:
    if workload is None:
        return {}
    namespace, _, name = workload.partition("/")
    return {"namespace": namespace, "workload": name}


def _written(target: Path, folder: Path, receipt: bytes, entry: bytes) -> dict[str, str]:
    from policy_engine.cli.ledger_reading import write_bytes

    entry_path = target.with_suffix(".entry.json")
    write_bytes(str(entry_path), entry)
    write_bytes(str(target), receipt)
    return {"receipt": beside(target, folder), "entry": beside(entry_path, folder)}
