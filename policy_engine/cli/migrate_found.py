"""The playbooks of a file's workloads: each decided by the engine, unrecorded, beside what is on record of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from policy_engine.cli.deciding import placed, read_source
from policy_engine.cli.options import now
from policy_engine.decide import Decider
from policy_engine.errors import InputError
from policy_engine.loading.evidence import check_evidence
from policy_engine.loading.workload_file import load_workload_documents
from policy_engine.migrating.case import Case, Given
from policy_engine.migrating.playbook import Playbook, playbook_of
from policy_engine.migrating.records import Records, read_records
from policy_engine.model.approvers import WAIVERS
from policy_engine.vouching.voucher import Voucher
from policy_engine.waivers.on_record import WaiversOnRecord

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger

    from policy_engine.loading.policy import Policy


@dataclass(frozen=True)
class Asked:
    """What was asked: a file, under a policy, as of a time (None: now), with a ledger (None: none is there)."""

    file: str
    policy: Policy
    at: datetime | None
    ledger: Ledger | None
    given: Given


def playbooks(asked: Asked) -> Iterator[Playbook | InputError]:
    """Yield the playbook of each workload, or what is wrong with its document.

    Raises:
        InputError: the file cannot be read.
        LedgerError: the ledger cannot be read.
    """
    policy, ledger, moment = asked.policy, asked.ledger, asked.at or now()
    text, name, folder = read_source(asked.file)
    decider = Decider(policy)
    voucher = Voucher(policy, None if ledger is None else lambda: ledger)
    waivers = None
    if ledger is not None and policy.approvers.acting(WAIVERS):
        waivers = WaiversOnRecord(ledger, policy.approvers, ledger.now())
    documents = load_workload_documents(text, name, policy.vocabulary)
    for loaded in documents:
        if isinstance(loaded, InputError):
            yield loaded
            continue
        workload = loaded.workload
        evidence = check_evidence(workload, moment.date(), folder, voucher.of(workload, moment, folder))
        records = Records() if ledger is None else read_records(ledger, workload.identity, asked.at)
        place = workload.namespace, workload.metadata.name
        lifting = waivers.of(place, moment) if waivers is not None else ()
        try:
            several = len(documents) > 1
            told = (moment, records, asked.file, lifting, several, asked.given)
            yield playbook_of(Case(decider, workload, evidence, *told))
        except InputError as error:
            yield placed(error, loaded)
