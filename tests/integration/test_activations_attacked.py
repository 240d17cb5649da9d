"""What whoever holds the ledger's key can do about activations without an activator's key, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from policy_audit.entry import Draft, EntryType
from policy_audit.ledger import Ledger, open_ledger

from policy_engine.activating import Proposed, activation_draft, judge_of, propose, statement_of, waiting
from policy_engine.activations import KIND, Activation, activations
from policy_engine.cli.options import now
from policy_engine.errors import InputError
from policy_engine.loading.policy import Policy, load_policy
from policy_engine.waivers.notes import note_text, signature_line
from tests.stores import Store
from tests.unit.waivers.making import ANN, BOB, Person, file_of

TWO = "activation: {approvals: 2}\n"


@cache
def loaded(folder: Path) -> Policy:
    return load_policy([folder], use_cache=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Policy]:
    """Return a policy of a version, whose approvers are ann and bob."""
    folder = tmp_path_factory.mktemp("layers")

    def policy(version: int, head: str = "") -> Policy:
        layer = folder / f"{version}{len(head)}" / "acme"
        if not layer.exists():
            layer.mkdir(parents=True)
            (layer / "approvers.yaml").write_text(file_of(ANN.entry(), BOB.entry(), head=head), encoding="utf-8")
            (layer / "policy-set.yaml").write_text(f"version: '{version}'\n", encoding="utf-8")
        return loaded(layer)

    return policy


def prepared(ledger: Ledger, policy: Policy, person: Person, reason: str = "RFC 12") -> Draft:
    """Return what the command records for somebody who runs it now."""
    before = activations(ledger)
    judge = judge_of(before, ledger, policy)
    statement = statement_of(policy, reason, ledger.origin, before)
    proposed = propose(statement, waiting(statement, before), judge, person.signer, now().date())
    return activation_draft(policy, proposed, judge.activation_approvals, {}, {})


def activate(ledger: Ledger, policy: Policy, *people: Person) -> list[Activation]:
    for person in people:
        ledger.append(prepared(ledger, policy, person))
    return activations(ledger)


def again(ledger: Ledger, other: Ledger, index: int) -> Activation:
    """Append an entry of `ledger` to `other`, as whoever holds its key can; return how it is judged."""
    document = ledger.entry(index).document
    blobs = {role: ledger.blob(digest) for role, digest in document["blobs"].items()}
    other.append(Draft(EntryType.POLICY_ACTIVATION, document["body"], document["context"], blobs=blobs))
    return activations(other)[-1]


def standing(rows: Sequence[Activation]) -> list[str]:
    return [row.status for row in rows]


def test_signatures_on_record_put_nothing_in_force_again(store: Store, made: Callable[..., Policy]) -> None:
    with store.open() as ledger:
        activate(ledger, made(1), ANN)
        assert standing(activate(ledger, made(2), BOB)) == ["active", "active"]
        first = again(ledger, ledger, 0)
        assert first.status == "refused"
        assert first.problem == "it was signed to follow no activation, and the entry 1 was in force"
        second = again(ledger, ledger, 1)
        assert second.problem == "it was signed to follow the entry 0, and the entry 1 was in force"
        rows = activate(ledger, made(1), ANN)
        assert standing(rows) == ["active", "active", "refused", "refused", "active"], "it takes a new signature"


def test_signatures_of_another_ledger_put_nothing_in_force(
    store: Store, made: Callable[..., Policy], tmp_path: Path
) -> None:
    with store.open() as ledger, open_ledger(f"sqlite:///{tmp_path / 'other.db'}") as other:
        activate(other, made(1), ANN)
        found = again(other, ledger, 0)
        assert (found.status, found.by) == ("refused", ())
        assert found.problem == f"it was signed for another ledger than `{ledger.origin}`"


def test_another_history_under_the_same_index_is_another_place(store: Store, made: Callable[..., Policy]) -> None:
    with store.open() as ledger:
        (first,) = activate(ledger, made(1), ANN)
        statement = statement_of(made(2), "RFC 12", ledger.origin, [first])
        forged = {**statement, "follows": {"index": 0, "leaf": "0" * 64}}
        ledger.append(activation_draft(made(2), _signed(forged, ANN), 1, {}, {}))
        assert activations(ledger)[-1].problem == "it was signed to follow another entry 0 than this ledger's"


def _signed(statement: dict[str, Any], *people: Person) -> Proposed:
    lines = "".join(f"{signature_line(KIND, statement, person.signer)}\n" for person in people)
    return Proposed(statement, f"{note_text(KIND, statement)}\n{lines}", tuple(person.name for person in people))


def test_of_two_that_were_signed_at_once_the_later_does_not_count(store: Store, made: Callable[..., Policy]) -> None:
    with store.open() as ledger:
        activate(ledger, made(1), ANN)
        one, other = prepared(ledger, made(2), ANN), prepared(ledger, made(3), BOB)
        ledger.append(one)
        ledger.append(other)
        rows = activations(ledger)
        assert standing(rows) == ["active", "active", "refused"]
        assert rows[-1].problem == "it was signed to follow the entry 0, and the entry 1 was in force"


def test_a_proposal_waits_only_while_what_it_follows_is_in_force(store: Store, made: Callable[..., Policy]) -> None:
    with store.open() as ledger:
        activate(ledger, made(1, TWO), ANN, BOB)
        activate(ledger, made(2, TWO), ANN)
        late = prepared(ledger, made(2, TWO), BOB)
        assert standing(activate(ledger, made(3, TWO), BOB, ANN)) == ["proposed", "active"] + ["proposed"] * 2 + [
            "active"
        ]
        ledger.append(late)
        assert activations(ledger)[-1].status == "refused"
        rows = activate(ledger, made(2, TWO), BOB)
        assert (rows[-1].status, rows[-1].by) == ("proposed", ("bob",)), "ann's signature was for another time"


FORMS: list[Any] = [
    {},
    {"origin": None, "follows": None},
    {"origin": 5, "follows": []},
    {"origin": "x", "follows": {"index": "0", "leaf": None}},
    {"origin": {"a": []}, "follows": {"index": 2**53 - 1}},
]


@pytest.mark.parametrize("form", FORMS)
def test_a_statement_of_another_form_is_refused_and_keeps_nobody_from_reading(
    store: Store, made: Callable[..., Policy], form: Any
) -> None:
    """What was signed before statements named their place, and what nobody would write."""
    policy = made(1)
    with store.open() as ledger:
        plain = statement_of(policy, "RFC 12", ledger.origin, [])
        old = {**{name: plain[name] for name in ("policy", "version", "layers", "reason")}, **form}
        ledger.append(activation_draft(policy, _signed(old, ANN), 1, {}, {}))
        if "origin" in form:
            here = {**old, "origin": ledger.origin}
            ledger.append(activation_draft(policy, _signed(here, ANN), 1, {}, {}))
        rows = activations(ledger)
        expected = ["refused", "active" if here["follows"] is None else "refused"] if "origin" in form else ["refused"]
        assert standing(rows) == expected
        if not form:
            assert "names neither the ledger nor the activation before it" in str(rows[0].problem)
        assert activate(ledger, made(2), BOB)[-1].status == "active"


def test_a_key_that_rotated_is_the_same_ledgers(store: Store, made: Callable[..., Policy]) -> None:
    from policy_audit.keys import generate_signer

    with store.open() as ledger:
        activate(ledger, made(1), ANN)
        ledger.rotate_key(generate_signer(str(ledger.origin)))
        assert standing(activate(ledger, made(2), BOB)) == ["active", "active"]


def test_a_second_signature_of_the_same_person_is_none(store: Store, made: Callable[..., Policy]) -> None:
    with store.open() as ledger:
        activate(ledger, made(1, TWO), ANN)
        with pytest.raises(InputError) as caught:
            prepared(ledger, made(1, TWO), ANN)
        assert caught.value.code == "approved-already"
