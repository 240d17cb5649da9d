"""By which keys hosts attest, and which entries are evidence no more: what layers say, and what is wrong where."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from msgspec.structs import replace
from policy_audit.keys import generate_signer

from policy_engine.loading.policy import load_policy
from policy_engine.model.approvers import NOBODY
from policy_engine.model.recorded_approvers import approvers_on_record
from tests.unit.waivers.making import ANN, file_of

FILE = "approvers.yaml"
ONE, TWO = generate_signer("gpu-01-probe"), generate_signer("gpu-02-probe")
LEAF = "ab" * 32


def probes(*rows: str) -> str:
    return "probes:\n" + "".join(f"  - {{{row}}}\n" for row in rows)


def row(host: str = "gpu-01", key: Any = ONE, more: str = "") -> str:
    return f"host: {host}, vkey: {key.verifier_key}{more}"


def test_no_signature_is_asked_for_until_a_layer_names_a_key(layers: Any) -> None:
    assert NOBODY.probes is None
    assert layers.load({FILE: file_of(ANN.entry())}).approvers.probes is None
    found = layers.load({FILE: probes(row(more=", valid_until: 2027-01-31"))}).approvers.probes
    assert [(each.host, each.key.valid_until) for each in found] == [("gpu-01", date(2027, 1, 31))]


def test_later_layers_add_keys_and_take_them_away_but_ask_for_no_less(layers: Any) -> None:
    base = {FILE: probes(row())}
    both = layers.load(base, {FILE: probes(row("gpu-02", TWO))}).approvers.probes
    assert [each.host for each in both] == ["gpu-01", "gpu-02"]
    assert layers.load(base, {FILE: probes(row(more=", disabled: true"))}).approvers.probes == ()
    assert layers.load(base, {FILE: file_of(ANN.entry())}).approvers.probes == both[:1]


def test_a_locked_list_takes_no_key_more_and_loses_one(layers: Any) -> None:
    base = {FILE: probes(row()) + "locked: true\n"}
    assert layers.problem(base, {FILE: probes(row("gpu-02", TWO))})[0] == "locked"
    assert layers.load(base, {FILE: probes(row(more=", disabled: true"))}).approvers.probes == ()
    revoked = layers.load(base, {FILE: f"revoked_entries: [{LEAF}]\n"}).approvers.revoked_entries
    assert revoked == {LEAF}


def test_a_key_of_a_layer_above_a_locked_rule_is_not_for_it(layers: Any, rule: Any) -> None:
    locked = rule("own-rule", forbid="[edge]", enforcement="waivable", locked="true", advise=None)
    base = {"routing/own-rule.yaml": locked, FILE: probes(row())}
    found = layers.load(base, {FILE: probes(row("gpu-02", TWO))}).approvers.probes
    assert [each.not_for for each in found] == [(), ("own-rule",)]


def test_they_count_in_the_digest_and_are_read_back_from_the_document(layers: Any) -> None:
    texts = (
        probes(row()),
        probes(row("gpu-02")),
        probes(row(key=TWO)),
        probes(row(more=", revoked: 2027-01-01")),
        probes(row()) + f"revoked_entries: [{LEAF}]\n",
    )
    policies = [layers.load({FILE: text}) for text in texts]
    assert len({each.digest for each in policies}) == len(texts)
    for each in policies:
        document = json.loads(each.document)["approvers"]
        assert approvers_on_record(document) == replace(each.approvers, people={})
    closed = layers.load({FILE: probes(row())}, {FILE: probes(row(more=", disabled: true"))})
    assert approvers_on_record(json.loads(closed.document)["approvers"]).probes == ()


def test_the_cache_keeps_them(layers: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLICY_CACHE_DIR", str(tmp_path / "cache"))
    folder = layers.write("l", {FILE: probes(row()) + f"revoked_entries: [{LEAF}]\n"})
    first, second = load_policy([folder]), load_policy([folder])
    assert second.approvers == first.approvers != NOBODY
    assert (second.approvers.revoked_entries, second.document) == (frozenset({LEAF}), first.document)


WRONG: dict[str, tuple[str, str, str]] = {
    "no host": (probes(f"vkey: {ONE.verifier_key}"), "missing-key", "2:5"),
    "no key": (probes("host: gpu-01"), "missing-key", "2:5"),
    "a key that is none": (probes("host: gpu-01, vkey: hello"), "bad-key", "2:26"),
    "an unknown key": (probes(row(more=", days: 3")), "unknown-key", "2:"),
    "a key to disable that is not there": (probes(row(more=", disabled: true")), "unknown-probe", "2:26"),
    "a leaf that is none": ("revoked_entries: [hello]\n", "bad-leaf", "1:19"),
    "a leaf with a line break": (f"revoked_entries:\n  - |\n    {LEAF}\n", "bad-leaf", "2:"),
    "no probe": ("probes: []\n", "empty", "1:9"),
    "a leaf in capitals": (f"revoked_entries: ['{LEAF.upper()}']\n", "bad-leaf", "1:19"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named_with_its_place(name: str, layers: Any) -> None:
    text, code, place = WRONG[name]
    found = layers.problem({FILE: text})
    assert found[0] == code
    assert found[1].startswith(f"l1/{FILE}:{place}")
