"""Reasons and tickets name nobody: whatever names a person is refused, and what only looks like it is not."""

from __future__ import annotations

import pytest
from policy_audit.changing import By
from policy_audit.disposing import dispose
from policy_audit.errors import LedgerError
from policy_audit.holding import place_hold, release_hold
from policy_audit.holds import Scope
from policy_audit.ledger import Draft, EntryType, open_ledger
from policy_audit.rekeying import rekey
from policy_audit.retention import Period, Retention
from policy_audit.words import check_words, refuse_names

ANN = "Ann.Smith@acme.example"


@pytest.mark.parametrize(
    ("person", "text"),
    [
        (ANN, "asked by ANN.SMITH@ACME.EXAMPLE"),
        (ANN, "ann.smith asked"),
        (ANN, "asked by (Ann.Smith)."),
        (ANN, "mail:ann.smith@acme.example,now"),
        ("Ann Smith <ann@acme.example>", "for Ann Smith"),
        ("Ann Smith <ann@acme.example>", "see ann@acme.example"),
        ("Ann Smith <ann@acme.example>", "Ann wants it"),
        ("asmith", "for asmith, who is away"),
        ("a.smith", "for A.Smith"),
        ("Jos\u00e9 Ruiz", "Jose\u0301 Ruiz is away"),
    ],
)
def test_what_names_a_person_is_refused(person: str, text: str) -> None:
    for words in ({"reason": text}, {"reason": "x", "ticket": text}):
        with pytest.raises(LedgerError) as caught:
            refuse_names(words, {"actor_2": person})
        assert caught.value.code == "reason-names-subject"
        assert "names the actor" in caught.value.message
        assert person not in f"{caught.value.message} {caught.value.help}"


@pytest.mark.parametrize(
    ("person", "text"),
    [
        ("ann", "planning of next year"),
        ("al", "al fine"),
        ("li@acme.example", "li"),
        (ANN, "the annual review of smiths"),
        ("asmith", "asmithy"),
        ("", "anything"),
    ],
)
def test_what_does_not_is_not(person: str, text: str) -> None:
    refuse_names({"reason": text}, {"actor": person})


def test_the_person_whom_it_is_about_is_found_inside_of_words_too() -> None:
    with pytest.raises(LedgerError):
        check_words("of asmithy", None, "asmith")


def test_holds_disposals_and_keys_are_asked_too() -> None:
    by = By({"actor": ANN})
    with open_ledger("sqlite:///:memory:") as ledger:
        ledger.append(Draft(EntryType.HEARTBEAT))
        hold = place_hold(ledger, Scope("all"), reason="case 7", by=by).id
        count = len(ledger.list_entries())
        for act in (
            lambda: place_hold(ledger, Scope("all"), reason="for ann.smith", by=by),
            lambda: place_hold(ledger, Scope("all"), reason="case", ticket=ANN, by=by),
            lambda: release_hold(ledger, hold, reason="ann.smith said so", by=by),
            lambda: dispose(
                ledger, Retention([Period("p", 12, "x")]), lambda _: None, reason="ann.smith said so", by=by
            ),
            lambda: rekey(ledger, reason="ann.smith left", by=by),
            lambda: ledger.erase("o@acme.example", reason="ann.smith said so", by=by),
        ):
            with pytest.raises(LedgerError) as caught:
                act()
            assert caught.value.code == "reason-names-subject"
        assert len(ledger.list_entries()) == count
