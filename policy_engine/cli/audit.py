"""`policy audit`: what the compliance officer asks of the ledger. Each command is a module of its own.

INVARIANT: these commands never make a ledger, and those that only ask open it for reading, but where the question
itself goes on record.
"""

from __future__ import annotations

import click

from policy_engine.cli.lazy import LazyCommands

#: In the order of the help: the command, and its module in `policy_engine.cli`.
MODULES = {
    "list": "audit_list",
    "show": "audit_show",
    "verify": "audit_verify",
    "verify-attestation": "audit_verify_attestation",
    "prove": "audit_prove",
    "report": "audit_report",
    "sample": "audit_sample",
    "reconcile": "audit_reconcile",
    "replay": "audit_replay",
    "export": "audit_export",
    "export-check": "audit_export_check",
    "compare": "audit_compare",
    "collect": "audit_collect",
    "anchor": "audit_anchor",
    "rotate-key": "audit_rotate_key",
    "restored": "audit_restored",
    "subject": "audit_subject",
    "erase": "audit_erase",
    "hold": "audit_hold",
    "retention": "audit_retention",
    "dispose": "audit_dispose",
    "rekey": "audit_rekey",
}


@click.group(
    "audit",
    cls=LazyCommands,
    modules=MODULES,
    epilog="Example: policy audit verify --vkey policy-ledger.local/60ca5227+c0da0951+ATqN...",
)
def command() -> None:
    """List, show, prove, replay, report and export what is on record; erase and hold what it keeps of persons.

    A ledger that is not there, or is not what it should be, is exit status 6.
    """
