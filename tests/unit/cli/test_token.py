"""`policy token`: made once, listed without its secret, taken back for good."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from policy_audit.ledger import open_ledger

from policy_engine.access.principal import UnauthenticatedError
from policy_engine.access.tokens import Tokens

Run = Callable[..., Any]
ANN = "ann@acme.example"


def made(policy: Run, *more: str) -> tuple[str, str]:
    done = policy("token", "create", "--subject", ANN, "--role", "read", *more)
    assert done.status == 0, done.err
    text = done.out.removesuffix("\n")
    return text, text.split("_")[1]


def tokens_of(ledger: Path) -> Tokens:
    with open_ledger(f"sqlite:///{ledger}") as opened:
        return Tokens.read(opened)


def test_the_token_stands_alone_on_standard_output_and_its_secret_nowhere_else(policy: Run, ledger: Path) -> None:
    done = policy(
        "token", "create", "--subject", f" {ANN} ", "--role", "read", "--role", "decide", "--namespace", "support"
    )
    text = done.out.removesuffix("\n")
    name, secret = text.split("_", 2)[1:]
    assert done.err.startswith(f"token {name}, entry 4: decide, read in the namespaces support, until ")
    assert secret not in done.err
    shown = policy("audit", "show", "4", "-o", "json").json
    assert shown["body"]["sha256"] == hashlib.sha256(text.encode()).hexdigest()
    assert shown["personal"] == {"subject": ANN, "actor": "anna.actor@acme.example"}
    assert ANN not in str(shown["body"])
    listed = policy("token", "list", "-o", "json")
    (row,) = listed.json["tokens"]
    assert (row["id"], row["subject"], row["roles"], row["namespaces"], row["status"]) == (
        name, ANN, ["decide", "read"], ["support"], "active",
    )  # fmt: skip
    for each in (listed.out, policy("token", "list").out, policy("audit", "show", "4").out):
        assert secret not in each
    assert shown["body"]["sha256"] not in listed.out
    assert "Whoever holds the token" in policy("audit", "show", "4").out
    found = tokens_of(ledger).principal(text, datetime.now(UTC))
    assert (found.subject, found.roles, found.namespaces) == (ANN, {"decide", "read"}, {"support"})


@pytest.mark.parametrize(("given", "days"), [((), 90), (("--expires", "1"), 1), (("--expires", "366"), 366)])
def test_it_ends_after_so_many_days(policy: Run, ledger: Path, given: tuple[str, ...], days: int) -> None:
    made(policy, *given)
    (token,) = tokens_of(ledger).all()
    assert abs(token.expires_at - datetime.now(UTC) - timedelta(days=days)) < timedelta(minutes=1)


@pytest.mark.parametrize("given", ["0", "367", "9999", "2020-01-01", "2090-01-01", "tomorrow", "", "-1", "٣"])
def test_an_end_that_cannot_be_is_refused_and_nothing_is_on_record(policy: Run, ledger: Path, given: str) -> None:
    done = policy("token", "create", "--subject", ANN, "--role", "read", f"--expires={given}")
    assert done.status == 2
    assert done.out == ""
    assert not len(tokens_of(ledger))


@pytest.mark.parametrize(
    "given",
    [
        ("--subject", "", "--role", "read"),
        ("--subject", "a\nb", "--role", "read"),
        ("--subject", "x" * 201, "--role", "read"),
        ("--subject", ANN),
        ("--subject", ANN, "--role", "root"),
        ("--subject", ANN, "--role", "read", "--namespace", "No Such"),
        ("--subject", ANN, "--role", "read", "--namespace", ""),
    ],
)
def test_what_makes_no_token_is_refused(policy: Run, ledger: Path, given: tuple[str, ...]) -> None:
    done = policy("token", "create", *given)
    assert (done.status, done.out) == (2, "")
    assert not len(tokens_of(ledger))


def test_a_revoked_token_lets_nobody_in_and_is_revoked_once(policy: Run, ledger: Path) -> None:
    text, name = made(policy)
    named = policy("token", "revoke", name, "--reason", f"{ANN} left")
    assert (named.status, "names" in named.err) == (2, True)
    assert policy("token", "revoke", name, "--reason", "the pipeline is gone").status == 0
    with pytest.raises(UnauthenticatedError, match="revoked"):
        tokens_of(ledger).principal(text, datetime.now(UTC))
    again = policy("token", "revoke", text, "--reason", "again")  # the whole token is taken, too, and not shown
    assert (again.status, "token-revoked" in again.err, text in again.err) == (2, True, False)
    (row,) = policy("token", "list", "-o", "json").json["tokens"]
    assert (row["status"], row["revoked"]["reason"]) == ("revoked", "the pipeline is gone")
    missing = policy("token", "revoke", "0" * 12, "--reason", "x")
    assert (missing.status, "token-missing" in missing.err) == (2, True)


def test_the_token_of_somebody_who_was_erased_lets_nobody_in(policy: Run, ledger: Path) -> None:
    text, _ = made(policy)
    assert policy("audit", "erase", ANN, "--reason", "asked to").status == 0
    with pytest.raises(UnauthenticatedError) as refused:
        tokens_of(ledger).principal(text, datetime.now(UTC))
    assert refused.value.code == "token-nobody"
    (row,) = policy("token", "list", "-o", "json").json["tokens"]
    assert (row["status"], row["subject"]) == ("nobody", None)
    assert ANN not in policy("token", "list", "-o", "markdown").out


def test_the_duties_of_who_makes_tokens_are_reported(policy: Run, ledger: Path) -> None:
    _, other = made(policy)
    own = policy("token", "create", "--subject", "Anna.Actor@acme.example", "--role", "administer")
    assert own.status == 0
    rows = policy("audit", "report", "separation-of-duties", "-o", "json").json["rows"]
    assert [(row["type"], row["asked"], row["approved"], row["finding"]) for row in rows] == [
        ("access-token-created", ANN, ["anna.actor@acme.example"], "kept apart"),
        ("access-token-created", "Anna.Actor@acme.example", ["anna.actor@acme.example"], "same person"),
    ]
    assert other in rows[0]["what"]


def test_the_last_entry_that_a_token_made_is_told_where_it_is_asked(policy: Run, ledger: Path) -> None:
    from policy_audit.entry import Draft, EntryType

    _, name = made(policy)
    with open_ledger(f"sqlite:///{ledger}") as opened:
        body = {"query": "audit list", "count": 3, "command": "GET /v1/decisions"}
        index = opened.append(Draft(EntryType.OFFICER_QUERY, body=body, context={"token": name})).index
    (row,) = policy("token", "list", "--last-used", "-o", "json").json["tokens"]
    assert row["last_entry"]["entry"] == index
    assert "last_entry" not in policy("token", "list", "-o", "json").json["tokens"][0]


@pytest.mark.parametrize(
    ("kind", "body", "told"),
    [
        (
            "log-ins-failed",
            {
                "count": 1204,
                "since": "2026-11-29T10:00:00Z",
                "until": "2026-11-29T10:00:10Z",
                "failures": [
                    {"reason": "token-revoked", "token": "5f0c2a7e91bd", "count": 4},
                    {"reason": "token-unknown", "token": None, "count": 1200},
                ],
            },
            ("turned 1,204 requests away", "4 for the reason token-revoked, with the token 5f0c2a7e91bd", "Nobody was"),
        ),
        (
            "officer-query",
            {"query": "audit list", "command": "GET /v1/decisions", "count": 2, "repeated": 17},
            ("asked `audit list` and was shown 2", "17 times more"),
        ),
        (
            "access-evaluated",
            {
                "action": "deploy",
                "resource": {"type": "workload", "id": "support/triage"},
                "subject_type": "user",
                "decision": None,
                "entry": 7,
                "allowed": False,
                "reasons": ["expired"],
            },
            ("may deploy the workload support/triage; the answer was no, by the decision in entry 7: expired",),
        ),
        ("log-ins-failed", {"count": "many"}, ()),
        ("access-token-created", {"token": 7}, ()),
        ("access-evaluated", {"resource": None}, ()),
    ],
)
def test_what_entries_say_is_told_in_sentences(
    policy: Run, ledger: Path, kind: str, body: dict[str, Any], told: tuple[str, ...]
) -> None:
    from policy_audit.entry import Draft, EntryType

    with open_ledger(f"sqlite:///{ledger}") as opened:
        index = opened.append(Draft(EntryType(kind), body=body)).index
    shown = policy("audit", "show", str(index), "-o", "markdown")
    assert shown.status == 0, shown.err
    plain = shown.out.replace("\\", "")
    assert ("What it says" in plain) == bool(told)
    for each in told:
        assert each in plain
