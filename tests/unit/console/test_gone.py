"""What the overview says of denials whose documents were disposed of: that it is not told, by every worker alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from policy_audit.disposing import dispose
from policy_audit.ledger import open_ledger
from policy_audit.retention import Period, Retention
from policy_audit.snapshot import open_snapshot

from policy_engine.loading.policy import load_policy
from policy_engine.loading.retention import regulations_of
from policy_engine.reports.activity import Denials, _denying, what_denies
from tests.console_ledger import DENIED, _Clock, _Seeding
from tests.serving import make_token, serving
from tests.unit.console.test_pages import session
from tests.unit.console.test_what_counts import words_of


def test_denials_whose_documents_are_gone_are_not_said_to_have_no_rule(tmp_path: Path) -> None:
    policy, url = load_policy(), f"sqlite:///{tmp_path / 'gone.db'}"
    now = datetime.now(UTC).replace(microsecond=0)
    clock = _Clock(now - timedelta(days=363))
    with open_ledger(url, clock=clock) as ledger:
        seeding = _Seeding(ledger, policy, clock)
        for number in range(3):
            text = DENIED.replace("name: triage", f"name: old{number}").replace("400000000", f"{number + 1}00000000")
            decision = seeding.decided(text, clock.at)
            assert decision.verdict == "deny"
            seeding.record(decision)

        def asked() -> Denials:
            with open_snapshot(ledger) as snapshot:
                return what_denies(snapshot, now - timedelta(days=364), now)

        before = asked()
        assert (before.without, before.gone) == (0, 0)
        assert before.rules
        clock.at = now - timedelta(hours=1)
        dispose(ledger, Retention([Period("all", 6, "project")]), regulations_of, reason="yearly disposal")
        with_memory = asked()
        _denying.clear()
        assert asked() == with_memory, "a worker that read them before says the same as one that did not"
        assert (with_memory.rules, with_memory.without, with_memory.gone, with_memory.workloads_gone) == ((), 0, 3, 3)

    token = make_token(url)
    with serving(url) as running, running.client(cookies=session(token)) as client:
        shown = words_of(client, "/?days=365")
    assert "Not told: their documents were disposed of" in shown
    assert "No rule: the model" not in shown
