"""`policy gate --attest`: the options, and the attestations that a run leaves behind.

INVARIANT: what is attested was recorded before, and the gate is not green where what was asked for is not written.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policy_engine.cli.options import Place
from policy_engine.cli.subjects import SubjectName
from policy_engine.errors import PolicyError, Problem, UsageError

if TYPE_CHECKING:
    from policy_audit.keys import Signer

    from policy_engine.attesting.statements import Subject
    from policy_engine.ci.judged import Judged
    from policy_engine.cli.door import Door
    from policy_engine.cli.run_options import Option, Run
    from policy_engine.model.decision import Decision

_BEGINS = '{"payload":'

attest_options: tuple[Option, ...] = (
    click.option(
        "--attest",
        metavar="FILE",
        type=Place(),
        help="Write signed attestations of the decisions (in-toto statements in DSSE envelopes), two lines each.",
    ),
    click.option(
        "--attest-key",
        metavar="KEYFILE",
        type=Place(),
        envvar="POLICY_ATTEST_KEY",
        help="Sign them by this key, also PEM.  [default: the ledger's]",
    ),
    click.option(
        "--subject",
        "subjects",
        metavar="NAME@sha256:HEX",
        multiple=True,
        type=SubjectName(),
        help="What is deployed by these decisions, such as an image; repeatable.",
    ),
)


class Attesting:
    """What is to be attested, and how: made while the ledger is open, and written after the reports."""

    def __init__(self, target: Path, signer: Signer | None, subjects: Sequence[Subject]) -> None:
        self._target, self._signer, self._subjects = target, signer, subjects
        self._lines: list[str] = []
        self._problem: PolicyError | None = None

    def gather(self, door: Door, decisions: Sequence[Decision], places: Sequence[Mapping[str, Any]]) -> None:
        """Make the envelopes of what was just recorded; what fails is told by `write`, for the decisions stand.

        `places` are the `ledger` parts of the decisions, in their order.
        """
        from policy_audit.errors import AuditError

        from policy_engine.recorder import recording_error

        try:
            self._refuse_two_of_one(decisions)
            for decision, place in zip(decisions, places, strict=True):
                self._lines += self._envelopes(door, decision, place)
        except AuditError as error:
            self._problem = recording_error(error)
        except PolicyError as error:
            self._problem = error

    def write(self) -> None:
        """Write the file, whole or not at all; nothing where nothing was recorded.

        Raises:
            PolicyError: it cannot be written, or what it would hold could not be made.
        """
        from policy_engine.cli.ledger_reading import write_bytes

        try:
            if self._problem is not None:
                raise self._problem
            if self._lines:
                write_bytes(str(self._target), "".join(f"{line}\n" for line in self._lines).encode())
        except PolicyError as error:
            message = f"`{self._target}` is not written; what was decided is on record"
            raise type(error)([*error.problems, Problem("not-attested", message)]) from error

    def _envelopes(self, door: Door, decision: Decision, place: Mapping[str, Any]) -> list[str]:
        from policy_audit.dsse import sign_envelope

        from policy_engine.attesting.statements import decision_statement, payload_of, summary_statement

        entry = receipt = None
        if place.get("index") is not None:  # a spool has none, and its decisions are put on record later
            ledger, index = door.ledger, int(place["index"])
            place = {"origin": ledger.origin, **place}
            entry, receipt = ledger.entry(index).raw, ledger.receipt(index)
        statement = decision_statement(decision, place, entry, receipt, self._subjects)
        payloads = [payload_of(summary_statement(statement)), payload_of(statement)]
        if self._signer is not None:
            return [sign_envelope(payload, self._signer) for payload in payloads]
        return [door.ledger.sign_statement(payload) for payload in payloads]

    def _refuse_two_of_one(self, decisions: Sequence[Decision]) -> None:
        """Refuse to attest two documents of one workload: nothing would tell which of them is deployed."""
        known: dict[str, str] = {}
        for decision in decisions:
            identity, digest = decision.workload.identity, decision.document["workload"]["digest"]
            if known.setdefault(identity, digest) != digest:
                message = f"two different documents of this run are of the workload `{identity}`"
                raise UsageError(Problem("ambiguous-workload", message, help="attest them in runs of their own"))


def clear(target: Path | None) -> None:
    """Remove what an earlier run left there, before anything else can fail: it would be taken for this run's.

    Raises:
        UsageError: the file cannot be written, or is none that the gate wrote.
    """
    if target is not None:
        _check_place(target)
        _remove(target)


def prepare(run: Run, target: Path | None, key: Path | None, subjects: Sequence[Subject]) -> Attesting | None:
    """Check everything else that would keep the run from being attested.

    Raises:
        UsageError: the file cannot be written, or nothing can sign it.
        InputError: the key is none.
    """
    if target is None:
        if subjects or _is_typed("attest_key"):
            raise UsageError(Problem("usage", "`--subject` and `--attest-key` go with `--attest`"))
        return None
    _check_subjects(subjects)
    if run.ledger.scratch:
        message = "a ledger in memory ends with this command, and what is attested has to be on record"
        raise UsageError(Problem("scratch-ledger", message, help="name another with --ledger"))
    if key is None and run.ledger.url.startswith("spool:"):
        message = "a spool has no key that could sign an attestation"
        raise UsageError(Problem("no-attest-key", message, help="name one with --attest-key (or POLICY_ATTEST_KEY)"))
    signer = _signer(key) if key is not None else None
    return Attesting(target, signer, subjects)


def write(attesting: Attesting | None, judged: Judged) -> int:
    """Write what is attested of a run, and return the exit status of that; what is wrong is a problem of the run."""
    from policy_engine.cli.main import OK, show_error, status_of

    if attesting is None:
        return OK
    try:
        attesting.write()
    except PolicyError as error:
        show_error(error)
        judged.problems += error.problems
        return status_of(error)
    return OK


def _signer(path: Path) -> Signer:
    from policy_audit.errors import AuditError
    from policy_audit.pem import read_any_signer

    from policy_engine.errors import InputError

    try:
        return read_any_signer(path)
    except AuditError as error:
        raise InputError(Problem(error.code, error.message, help=error.help)) from error


def _check_subjects(subjects: Sequence[Subject]) -> None:
    names = [each.name for each in subjects]
    for name in sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(Problem("usage", f"two subjects are called `{name}`", help="give each a name of its own"))


def _check_place(target: Path) -> None:
    from policy_engine.cli.evidence_common import check_target

    if os.path.exists(target) and not os.path.isfile(target) and not os.path.isdir(target):
        raise UsageError(Problem("cannot-write", f"cannot write `{target}`: it is no file"))
    check_target(target, "" if _is_empty(target) else _BEGINS)


def _is_empty(target: Path) -> bool:
    """Tell whether it is a file without content, as `mktemp` makes one: nothing is lost with that."""
    try:
        return target.is_file() and target.stat().st_size == 0
    except OSError:  # what is wrong is told where it is read
        return False


def _remove(target: Path) -> None:
    try:
        Path(os.path.realpath(target)).unlink(missing_ok=True)
    except OSError as error:
        message = f"cannot write `{target}`: {(error.strerror or str(error)).lower()}"
        raise UsageError(Problem("cannot-write", message)) from error


def _is_typed(parameter: str) -> bool:
    """Tell whether an option was given on the command line; the environment may hold one for other runs."""
    source = click.get_current_context().get_parameter_source(parameter)
    return source is not None and source.name == "COMMANDLINE"
