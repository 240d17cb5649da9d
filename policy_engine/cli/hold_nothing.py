"""Why a legal hold covers nothing that is on record: most often a name that is written otherwise there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from policy_engine.errors import did_you_mean

if TYPE_CHECKING:
    from policy_audit.holds import Hold
    from policy_audit.ledger import Ledger


def why_nothing(ledger: Ledger, hold: Hold) -> str:
    """Say that a hold covers nothing on record, what it may have meant, and whether later entries can be covered."""
    from policy_audit.view import instant

    from policy_engine.cli.options import now

    scope = hold.scope
    hint: str | None = None
    if scope.kind == "subject":
        hint = "a person is a whole value as it was recorded, such as an address; check the spelling"
    elif scope.kind in ("workload", "namespace"):
        hint = _near(ledger, scope.namespace or "", scope.workload)
    # an index below the hold's own, or a time before now, is one at which nothing more is recorded
    over = scope.until is not None and scope.until <= instant(now())
    if over or (scope.last is not None and scope.last <= hold.index):
        later = "and nothing that is recorded later can be"
    else:
        later = "what is recorded later is, where it fits"
    text = f"nothing on record is covered by the hold {hold.id}; {later}"
    return f"{text}; {hint or 'check the scope'}; `policy audit hold release {hold.id}` takes it back"


def _near(ledger: Ledger, namespace: str, workload: str | None) -> str | None:
    """Name the workload, or namespace, on record that is nearest."""
    from policy_audit.snapshot import open_snapshot

    with open_snapshot(ledger) as snapshot:
        found = {(row.namespace, row.workload) for row in snapshot.latest()}
    names = {each[0] for each in found} if workload is None else {"/".join(each) for each in found}
    return did_you_mean(namespace if workload is None else f"{namespace}/{workload}", sorted(names))
