"""The ledger of a server, before it listens: made where there is none, or said to be missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from policy_engine.errors import RecordingError

if TYPE_CHECKING:
    from policy_engine.cli.options import LedgerChoice
    from policy_engine.service.settings import Settings
    from policy_engine.serving.logs import Log


@contextmanager
def saying(settings: Settings) -> Iterator[None]:
    """Say in the log what the ledger refuses a start with: who reads that is not always who gave the command."""
    from policy_engine.serving.logs import begin
    from policy_engine.serving.saying import problem_text

    try:
        yield
    except RecordingError as error:
        log = begin(settings.log_form, settings.log_level)
        for problem in error.problems:
            log.event("error", "not started", code=problem.code, message=problem_text(problem))
        log.close()
        raise


def begin_ledger(choice: LedgerChoice, log: Log) -> bool:
    """Open the ledger once, which makes one that is not there; return whether it is there now.

    The folder of a file that was named is not made: where that is missing, something was not mounted.
    """
    from policy_audit.database import locate
    from policy_audit.errors import AuditError
    from policy_audit.ledger import open_ledger

    path = locate(choice.url).path
    try:
        if path is not None and not choice.explicit:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        there = path is None or path.parent.is_dir()
        with open_ledger(choice.url, key_path=choice.key, create=there) as ledger:
            if ledger.created_verifier_key is not None and not ledger.is_scratch:
                log.event("info", "new ledger", ledger=repr(ledger), verifier_key=ledger.created_verifier_key)
        return True
    except AuditError as error:
        log.event("error", "no ledger", code=error.code, message=str(error))
    except OSError as error:
        log.event("error", "no ledger", code="ledger-unwritable", message=(error.strerror or str(error)).lower())
    return False
