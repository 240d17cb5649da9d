"""A ledger with a waiver that was asked for, and whoever holds its key: decisions by waivers that were not granted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from policy_audit.entry import Draft
from policy_audit.ledger import Ledger, StoredEntry

from policy_engine.decide import Decider
from policy_engine.loading.evidence import check_evidence
from policy_engine.loading.policy import load_policy
from policy_engine.loading.rule_document import rule_document, waivable_digest
from policy_engine.loading.workload_file import load_workload_documents
from policy_engine.model.decision import Decision
from policy_engine.model.waiver import Statement, Waiver
from policy_engine.model.workload import Workload
from policy_engine.recorder import Context, Recorder
from policy_engine.replays import recomputing
from policy_engine.waivers.on_record import WaiversOnRecord, granted_draft, revoked_draft
from tests.stores import Store
from tests.unit.cli.waiver_scene import WORKLOAD as TEXT
from tests.unit.waivers.making import (
    ANN,
    AT,
    BOB,
    REQUESTER,
    RULE,
    WORKLOAD,
    Person,
    asked_for,
    file_of,
    signed,
    statement,
)

NOW = AT + timedelta(minutes=1)
Forge = Callable[["World"], Sequence[Waiver]]


def deciders_in(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Decider]:
    """One policy that asks for one approval, by ann or bob, and one that asks for two."""
    found = {}
    for count in (1, 2):
        layer = tmp_path_factory.mktemp(str(count)) / "acme"
        layer.mkdir()
        head = f"waivers: {{approvals: {count}, max_days: 60}}\n"
        (layer / "approvers.yaml").write_text(file_of(ANN.entry(), BOB.entry(), head=head), encoding="utf-8")
        found[count] = Decider(load_policy([layer], use_cache=False))
    return found


class World:
    """A ledger with a waiver that was asked for, and whoever holds its key."""

    def __init__(self, store: Store, deciders: dict[int, Decider], until: ExitStack) -> None:
        self.clock = AT - timedelta(days=2)
        self.deciders, self.decider = deciders, deciders[1]
        self.ledger: Ledger = until.enter_context(store.open(clock=lambda: self.clock))
        rule = self.decider.policy.rules.rule(RULE)
        assert rule is not None
        digest = waivable_digest(rule_document(rule), self.decider.policy.rules.values)
        self.unasked = statement(digest=digest, origin=self.ledger.origin)
        self.made: Statement = asked_for(self.ledger, self.unasked)

    @property
    def workload(self) -> Workload:
        (loaded,) = load_workload_documents(TEXT.encode(), "w.yaml", self.decider.policy.vocabulary)
        assert not isinstance(loaded, Exception)
        return loaded.workload

    def grant(self, *people: Person, made: Statement | None = None) -> int:
        one = made or self.made
        draft = granted_draft(one, signed(one, *people), {}, {"requester": REQUESTER}, {})
        place = {"namespace": WORKLOAD[0], "workload": WORKLOAD[1]}
        return self.ledger.append(Draft(draft.type, draft.body, place, draft.personal, draft.blobs)).index

    def found(self) -> tuple[Waiver, ...]:
        """What the commands find."""
        self.clock = NOW
        return WaiversOnRecord(self.ledger, self.decider.policy.approvers, self.clock).of(WORKLOAD, AT)

    def forged(self, made: Statement, *people: Person, **more: Any) -> Waiver:
        """The honest waiver, with another note or whatever else."""
        grounds = {"note": signed(made, *people), **more.pop("grounds", {})}
        (waiver,) = self.found()
        given = {"id": made.id, "statement": made, "problem": None, **more}
        return replace(waiver, grounds=replace(waiver.grounds, **grounds), **given)

    def decide(self, waivers: Sequence[Waiver]) -> Decision:
        workload = self.workload
        return self.decider.decide(workload, check_evidence(workload, AT.date(), Path.cwd()), AT, waivers)

    def record(self, decision: Decision, used: bool = True) -> StoredEntry:
        self.clock = max(self.clock, NOW + timedelta(minutes=1))
        recorder, context = Recorder(self.ledger, self.decider.policy), Context("deploy", None, "asserted", {})
        if used:
            return self.ledger.entry(recorder.record([decision], context)[0]["index"])
        return self.ledger.entry(self.ledger.append(recorder.draft(decision, context)).index)

    def revoke(self) -> None:
        self.ledger.append(revoked_draft(self.made, "over", None, {}, {}))

    def verified(self) -> tuple[bool, str]:
        step = self.ledger.verify(recompute=recomputing()).step("recompute")
        return step.status == "ok", str(step.first_problem)
