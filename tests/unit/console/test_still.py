"""That a decision whose ground was taken back is shown as one, wherever it is shown; on a ledger of its own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest
from policy_audit.ledger import open_ledger

from policy_engine.loading.policy import load_policy
from policy_engine.service.still import Stillness
from tests.console_ledger import Seeded, seed
from tests.serving import Server, make_token, serving
from tests.unit.console.test_pages import OWN, form_token, session
from tests.unit.console.test_what_counts import words_of

AUTHZEN = {
    "subject": {"type": "user", "id": "dora@acme.example"},
    "action": {"name": "deploy"},
    "resource": {"type": "workload", "id": "claims/triage"},
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Seeded:
    """A ledger whose last decision on claims/triage is allowed by a waiver."""
    found = seed(tmp_path_factory.mktemp("still"), days=3)
    make_token(found.url)
    return found


@pytest.fixture(scope="module")
def own(world: Seeded) -> Iterator[Server]:
    """A console over it."""
    with serving(world.url, layers=(world.layer,)) as running:
        yield running


@pytest.fixture(scope="module")
def officer_of_own(own: Server) -> Iterator[httpx.Client]:
    """The session of somebody with every role there."""
    with own.client(cookies=session(own.token(subject="olga@acme.example"))) as opened:
        yield opened


def allowed(own: Server) -> bool:
    """Return what AuthZEN says of a deployment of claims/triage."""
    with own.client(own.token()) as api:
        answer = api.post("/access/v1/evaluation", json=AUTHZEN)
        assert answer.status_code == 200, answer.text
        found: bool = answer.json()["decision"]
        return found


def test_a_decision_by_a_revoked_waiver_stands_nowhere(
    world: Seeded, own: Server, officer_of_own: httpx.Client
) -> None:
    decision = f"/decisions/{world.decisions['waived']}"
    assert allowed(own)
    assert "does not stand" not in words_of(officer_of_own, decision)
    assert "counts: the last decision" in words_of(officer_of_own, "/workloads/claims/triage")
    assert "does not stand" not in words_of(officer_of_own, "/workloads?name=triage").partition("Made for")[2]
    assert "No decision that counts and allows rests on" in words_of(officer_of_own, "/")

    waiver = f"/waivers/{world.waivers['active']}"
    form = {"form_token": form_token(officer_of_own.get(waiver).text), "reason": "the plan was dropped"}
    assert officer_of_own.post(f"{waiver}/revocation", data=form, headers=OWN).status_code == 303

    assert not allowed(own)
    for path in (decision, "/workloads/claims/triage", "/workloads?name=triage", "/"):
        shown = words_of(officer_of_own, path)
        assert "counts no more: it was revoked" in shown, path
        assert "oes not stand" in shown, path
    assert "is what counted: the last decision" in words_of(officer_of_own, "/workloads/claims/triage")


def test_what_was_found_is_asked_once_and_asked_again_once_something_bears_on_it(world: Seeded) -> None:
    policy, stillness = load_policy([world.layer]), Stillness()
    with open_ledger(world.url) as ledger:
        index = next(row.index for row in ledger.list_decisions(limit=50) if row.valid_until is None)
        first = stillness.of(ledger, policy, [index])[index]
        assert stillness.of(ledger, policy, [index], seconds=-1)[index] is first
        make_token(world.url)
        assert stillness.of(ledger, policy, [index], seconds=-1) == {}, "not told, rather than told of before"
        assert stillness.of(ledger, policy, [index])[index] == first


def test_another_policy_lets_decisions_stand_no_more(world: Seeded) -> None:
    with serving(world.url) as other, other.client(cookies=session(other.token())) as client:
        shown = words_of(client, f"/decisions/{world.decisions['waived']}")
        assert "does not stand any more" in shown
        assert "under another policy than the one in force" in shown
        assert "made under another policy than the one in force" in words_of(client, "/")


def test_a_decision_that_ends_today_is_asked_of_each_time(world: Seeded) -> None:
    policy, stillness = load_policy([world.layer]), Stillness()
    with open_ledger(world.url) as ledger:
        ending = [row for row in ledger.list_decisions(limit=500) if row.valid_until]
        today = datetime.now(UTC).date().isoformat()
        assert ending
        assert all(not str(row.valid_until).startswith(today) for row in ending)
        stillness.of(ledger, policy, [row.index for row in ending])
        assert {row.index for row in ending} == stillness.of(ledger, policy, [r.index for r in ending], -1).keys()
