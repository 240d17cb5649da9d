"""Which waivers count: every way in which one that is on record lifts nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from policy_audit.keys import Ed25519Signer

from policy_engine.model.approvers import Approvers
from policy_engine.model.waiver import Waiver
from policy_engine.waivers.checking import Candidate, active_waivers
from policy_engine.waivers.notes import REVOCATION, WAIVER, note_of, note_text, signature_line
from tests.unit.waivers.making import (
    ANN,
    AT,
    BOB,
    EVE,
    GRANTED,
    REQUESTER,
    WORKLOAD,
    Person,
    approvers,
    candidate,
    signed,
    statement,
)

BOTH = approvers(ANN.approver(), BOB.approver())


def checked(*found: Candidate, who: Approvers = BOTH, at: datetime = AT, now: datetime | None = None) -> Waiver:
    (waiver,) = active_waivers(found, WORKLOAD, at, who, now or at)
    return waiver


def test_a_waiver_that_all_is_well_with_counts() -> None:
    waiver = checked(candidate(statement(), ANN))
    assert (waiver.problem, waiver.ends) == (None, date(2026, 12, 31))
    assert waiver.keys == (ANN.signer.key_id.hex(),)
    assert waiver.id == statement().id


def day(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}T12:00:00+00:00")


def forged(people: tuple[Person, ...]) -> Candidate:
    """A signature of somebody else's key under the name and id of one that is known."""
    note = signed(statement(), *people)
    line = note.rstrip("\n").rpartition("\n")[2]
    other = signature_line(WAIVER, statement(ticket="OPS-8").document(), people[0].signer)
    return Candidate(note.replace(line, other), GRANTED, requester=REQUESTER)


BEGINS = statement(valid_from=date(2026, 12, 1))
NOT: dict[str, tuple[Callable[[], Waiver], str]] = {
    "expired": (lambda: checked(candidate(statement(), ANN), at=day("2027-01-01")), "it ended on 2026-12-31"),
    "not begun": (
        lambda: checked(candidate(statement(valid_from=date(2026, 12, 1)), ANN)),
        "it holds from 2026-12-01 on",
    ),
    "expired when it was decided": (
        lambda: checked(candidate(statement(), ANN), now=day("2027-01-01")),
        "it ended on 2026-12-31, and the decision was made on 2027-01-01",
    ),
    "not begun when it was decided": (
        lambda: checked(candidate(BEGINS, ANN), at=day("2026-12-02"), now=AT),
        "it holds from 2026-12-01 on, and the decision was made on 2026-11-24",
    ),
    "a key that was revoked by then": (
        lambda: checked(
            candidate(statement(), ANN), who=approvers(ANN.approver(revoked=date(2026, 12, 1))), now=day("2026-12-01")
        ),
        "it has 0 of 1 approval; the key was revoked on 2026-12-01",
    ),
    "an approver of later": (
        lambda: checked(
            candidate(statement(), ANN),
            who=approvers(ANN.approver(valid_from=date(2026, 11, 25))),
            at=day("2026-11-26"),
            now=AT,
        ),
        "it has 0 of 1 approval; the key is valid from 2026-11-25 on",
    ),
    "granted later than the decision": (
        lambda: checked(candidate(statement(), ANN), at=GRANTED - timedelta(seconds=1)),
        "it was granted after the decision's time",
    ),
    "revoked": (lambda: checked(candidate(statement(), ANN, revoked=True)), "it was revoked"),
    "too long": (
        lambda: checked(candidate(statement(valid_until=date(2027, 2, 18)), ANN)),
        "it runs 91 days, and the policy allows 90",
    ),
    "unsigned by anybody known": (
        lambda: checked(candidate(statement(), EVE)),
        "it has 0 of 1 approval; no signature is by a key that the policy names",
    ),
    "one approval of two": (
        lambda: checked(candidate(statement(), ANN), who=replace(BOTH, waiver_approvals=2)),
        "it has 1 of 2 approvals",
    ),
    "one person twice": (
        lambda: checked(candidate(statement(), ANN, ANN), who=replace(BOTH, waiver_approvals=2)),
        "it has 1 of 2 approvals",
    ),
    "another role": (
        lambda: checked(candidate(statement(), ANN), who=approvers(ANN.approver(roles=("policy-activator",)))),
        "it has 0 of 1 approval; `ann` has not the role waiver-approver",
    ),
    "another namespace's approver": (
        lambda: checked(candidate(statement(), ANN), who=approvers(ANN.approver(namespaces=("payments",)))),
        "it has 0 of 1 approval; the namespace claims is not in the scope of `ann`",
    ),
    "another rule's approver": (
        lambda: checked(candidate(statement(), ANN), who=approvers(ANN.approver(rules=("other",)))),
        "it has 0 of 1 approval; the rule no-mlops-no-self-hosting is not in the scope of `ann`",
    ),
    "another option's approver": (
        lambda: checked(candidate(statement(), ANN), who=approvers(ANN.approver(options=("edge",)))),
        "it has 0 of 1 approval; the option self_hosted is not in the scope of `ann`",
    ),
    "a rule that a lower layer locks": (
        lambda: checked(candidate(statement(), ANN), who=approvers(ANN.approver(not_for=(statement().rule.id,)))),
        "it has 0 of 1 approval; `ann` is named by a later layer than the one that locks no-mlops-no-self-hosting",
    ),
    "a revoked key": (
        lambda: checked(candidate(statement(), ANN), who=approvers(ANN.approver(revoked=date(2026, 11, 24)))),
        "it has 0 of 1 approval; the key was revoked on 2026-11-24",
    ),
    "an expired key": (
        lambda: checked(candidate(statement(), ANN), who=approvers(ANN.approver(valid_until=date(2026, 11, 23)))),
        "it has 0 of 1 approval; the key was valid until 2026-11-23",
    ),
    "a key of tomorrow": (
        lambda: checked(candidate(statement(), ANN), who=approvers(ANN.approver(valid_from=date(2026, 11, 25)))),
        "it has 0 of 1 approval; the key is valid from 2026-11-25 on",
    ),
    "an approver who is gone": (
        lambda: checked(candidate(statement(), ANN), who=approvers(BOB.approver())),
        "it has 0 of 1 approval; no signature is by a key that the policy names",
    ),
    "self-approval past the commands": (
        lambda: checked(candidate(statement(), ANN, requester="Ann <ANN@acme.example>")),
        "it has 0 of 1 approval; `ann` asked for it, and nobody approves what they asked for",
    ),
    "a forged signature": (
        lambda: checked(forged((ANN,))),
        f"the signature by the key {ANN.signer.key_id.hex()} is bad",
    ),
}


@pytest.mark.parametrize("name", NOT)
def test_a_waiver_lifts_nothing_and_says_why(name: str) -> None:
    found, problem = NOT[name]
    assert found().problem == problem


def test_one_bad_signature_voids_the_good_ones() -> None:
    note = signed(statement(), ANN, BOB)
    bad = signature_line(WAIVER, statement(ticket="x").document(), BOB.signer)
    lines = note.rstrip("\n").split("\n")
    forged_note = "\n".join([*lines[:-1], bad]) + "\n"
    assert "is bad" in str(checked(Candidate(forged_note, GRANTED)).problem)


def test_the_last_day_is_whole_and_the_first_too() -> None:
    one = candidate(statement(valid_from=date(2026, 11, 24), valid_until=date(2026, 11, 24)), ANN)
    assert checked(one, at=datetime.fromisoformat("2026-11-24T00:00:00+00:00")).problem is None
    assert checked(one, at=datetime.fromisoformat("2026-11-24T23:59:59+00:00")).problem is None
    assert checked(one, at=datetime.fromisoformat("2026-11-25T00:59:59+01:00")).problem is None
    assert checked(one, at=datetime.fromisoformat("2026-11-25T00:00:00+00:00")).problem is not None


def test_it_ends_with_the_key_or_the_approver() -> None:
    for more in ({"valid_until": date(2026, 12, 1)}, {"revoked": date(2026, 12, 2)}):
        assert checked(candidate(statement(), ANN), who=approvers(ANN.approver(**more))).ends == date(2026, 12, 1)


def test_granted_twice_it_counts_from_the_first_time_and_one_revocation_is_enough() -> None:
    first = candidate(statement(), ANN)
    again = candidate(statement(), ANN, granted_at=AT + timedelta(days=3))
    assert checked(again, first).problem is None
    assert checked(replace(first, revoked=True), again, at=AT + timedelta(days=5)).problem == "it was revoked"


def test_other_workloads_and_what_is_no_waiver_are_left_out() -> None:
    found: list[Any] = [candidate(statement(scope={"name": "other"}), ANN), Candidate("nonsense", GRANTED)]
    found.append(candidate(statement(scope={"namespace": "default"}), ANN))
    assert active_waivers(found, WORKLOAD, AT, BOTH, AT) == ()


def test_of_those_that_lift_nothing_the_last_one_is_told() -> None:
    old = [candidate(statement(ticket=str(n)), ANN, granted_at=GRANTED + timedelta(hours=n)) for n in range(9)]
    assert checked(*old, at=day("2027-03-01")).statement.ticket == "8"


def test_a_signature_of_another_kind_is_none() -> None:
    """A signed checkpoint or revocation says nothing of a waiver, whatever its bytes."""
    made = statement()
    for text in (note_text(REVOCATION, made.document()), f"{ANN.signer.name}\n5\nAAAA\n"):
        signature = ANN.signer.sign(text.encode())
        line = signature_line(WAIVER, made.document(), _Signing(signature))
        assert "is bad" in str(checked(Candidate(note_of(made, [line]), GRANTED)).problem)


class _Signing(Ed25519Signer):
    """Puts a signature that was made for something else under the note."""

    def __init__(self, signature: bytes) -> None:
        super().__init__(ANN.signer.name, ANN.signer._seed)
        self._signature = signature

    def sign(self, message: bytes) -> bytes:
        return self._signature


SPELLINGS = [
    "ANN@ACME.EXAMPLE",
    " ann@acme.example ",
    "a\u200bnn@acme.example",
    "ann+x@acme.example",
    "ann",
    "\uff41nn@acme.example",
    "\u0430nn@acme.example",
    "Ann Smith <ann@acme.example>",
    "\u00e1nn@acme.example",
]


def test_the_requester_is_known_however_the_name_is_written() -> None:
    for name in SPELLINGS:
        assert checked(candidate(statement(), ANN, requester=name)).problem is not None, name
    for name in ("anna@acme.example", "ann@other.example", REQUESTER):
        assert checked(candidate(statement(), ANN, requester=name)).problem is None, name


def test_who_asked_has_to_be_known_and_to_be_whom_the_grant_names() -> None:
    untold = checked(candidate(statement(), ANN, requester=None))
    assert untold.problem == "who asked for it cannot be told, so that it may be whoever approved it"
    other = checked(candidate(statement(), ANN, claimed="rolf@acme.example"))
    assert other.problem == "its grant names another requester than was signed"
    assert checked(candidate(statement(), ANN, claimed=f"Rita <{REQUESTER.upper()}>")).problem is None
    for names in ({"requester": ANN.identity, "claimed": REQUESTER}, {"requester": REQUESTER, "claimed": ANN.identity}):
        assert "nobody approves what they asked for" in str(checked(candidate(statement(), ANN, **names)).problem)
