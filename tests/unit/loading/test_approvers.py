"""Who may approve: what approvers.yaml says, over layers, and what is wrong with it where."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import jsonschema
import pytest
import yaml
from policy_audit.keys import COSIGNATURE, generate_signer, key_id

from policy_engine.errors import RulesError
from policy_engine.loading.approvers_schema import approvers_schema, approvers_schema_text
from policy_engine.loading.layers import shipped_rules
from policy_engine.loading.policy import load_policy
from policy_engine.model.approvers import NOBODY
from tests.unit.waivers.making import ANN, BOB, EVE, Person, file_of

FILE = "approvers.yaml"


def test_the_shipped_rules_name_nobody_and_their_document_does_not_mention_it() -> None:
    policy = load_policy(use_cache=False)
    assert policy.approvers == NOBODY
    assert "approvers" not in json.loads(policy.document)


def test_people_are_read_with_scope_keys_and_settings(layers: Any) -> None:
    text = file_of(
        ANN.entry("options: [self_hosted]", "rules: [no-mlops-no-self-hosting]", "valid_until: 2027-01-31"),
        head="waivers: {approvals: 2, max_days: 30}\nactivation: {approvals: 2}\n",
    )
    found = layers.load({FILE: text}).approvers
    assert (found.waiver_approvals, found.max_days, found.activation_approvals) == (2, 30, 2)
    ann = found.people["ann"]
    assert (ann.options, ann.rules) == (("self_hosted",), ("no-mlops-no-self-hosting",))
    assert (ann.valid_until, ann.layer) == (date(2027, 1, 31), "l1")


def test_later_layers_add_replace_and_take_away(layers: Any) -> None:
    found = layers.load(
        {FILE: file_of(ANN.entry(), BOB.entry())},
        {FILE: file_of(EVE.entry(), ANN.entry("options: [edge]"), "  bob: {disabled: true}\n")},
    ).approvers
    assert sorted(found.people) == ["ann", "eve"]
    assert found.people["ann"].options == ("edge",)


def test_who_approves_counts_in_the_digest_and_names_do_not_stand_in_it(layers: Any) -> None:
    plain = layers.load({FILE: file_of(ANN.entry())})
    document = plain.document.decode()
    assert "acme.example" not in document
    assert ANN.signer.verifier_key in document
    others = {plain.digest, load_policy(use_cache=False).digest}
    for text in (
        file_of(ANN.entry(), BOB.entry()),
        file_of(ANN.entry("namespaces: [a]")),
        file_of(ANN.entry()).replace("ann@acme", "anna@acme"),
        file_of(ANN.entry(), head="waivers: {max_days: 91}\n"),
        file_of(ANN.entry(roles=["waiver-approver"])),
        file_of(ANN.entry()).replace("}]", ", revoked: 2027-01-01}]"),
    ):
        digest = layers.load({FILE: text}).digest
        assert digest not in others
        others.add(digest)


def test_the_cache_keeps_who_may_approve(layers: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLICY_CACHE_DIR", str(tmp_path / "cache"))
    text = file_of(ANN.entry("valid_from: 2026-01-01")) + origins(f"{LOG.verifier_key}, valid_until: 2027-01-31")
    folder = layers.write("l", {FILE: text})
    first, second = load_policy([folder]), load_policy([folder])
    assert second.approvers == first.approvers != NOBODY
    assert second.document == first.document


WRONG: dict[str, tuple[str, str, str]] = {
    "an unknown key": ("approver: {}\n", "unknown-key", "1:1"),
    "an unknown key of a person": (file_of(ANN.entry("role: x")), "unknown-key", "7:5"),
    "a role that is none": (file_of(ANN.entry(roles=["waiver-aprover"])), "unknown-value", "6:13"),
    "no role": (file_of(ANN.entry(roles=[])), "missing-key", "3:5"),
    "an id with capitals": (file_of(ANN.entry()).replace("  ann:", "  Ann:"), "bad-approver-id", "2:3"),
    "no identity": (file_of(ANN.entry()).replace("[ann@acme.example]", "[]"), "missing-key", "3:5"),
    "an identity of spaces": (file_of(ANN.entry()).replace("ann@acme.example", "'\u200b '"), "bad-identity", "3:18"),
    "no salt": (file_of(ANN.entry()).replace(f"    salt: {'A' * 22}\n", ""), "missing-salt", "3:5"),
    "a short salt": (file_of(ANN.entry()).replace("A" * 22, "AAAA"), "missing-salt", "4:11"),
    "a key that is none": (file_of(ANN.entry()).replace("key-ann+", "key-anna+"), "bad-key", "5:18"),
    "a rule that is none": (file_of(ANN.entry("rules: [no-such-rule]")), "unknown-value", "7:13"),
    "an option that is none": (file_of(ANN.entry("options: [cloud]")), "unknown-value", "7:15"),
    "an empty scope": (file_of(ANN.entry("options: []")), "empty", "7:14"),
    "a day that is none": (file_of(ANN.entry("valid_until: soon")), "not-a-date", "7:18"),
    "somebody to disable who is not there": ("approvers: {zoe: {disabled: true}}\n", "unknown-approver", "1:13"),
    "no approval at all": (file_of(ANN.entry(), head="waivers: {approvals: 0}\n"), "wrong-type", "1:22"),
    "approvals that are true": (file_of(ANN.entry(), head="waivers: {approvals: true}\n"), "wrong-type", "1:22"),
    "a setting that is none": (file_of(ANN.entry(), head="activation: {days: 3}\n"), "unknown-key", "1:14"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named_with_its_place(name: str, layers: Any) -> None:
    text, code, place = WRONG[name]
    assert layers.problem({FILE: text})[:2] == (code, f"l1/{FILE}:{place}")


def test_two_entries_of_one_person_are_refused(layers: Any) -> None:
    double = Person("ann2").entry().replace("ann2@", "ANN@")
    assert layers.problem({FILE: file_of(ANN.entry(), double)})[0] == "same-approver"
    same_key = BOB.entry().replace(BOB.signer.verifier_key, ANN.signer.verifier_key)
    assert layers.problem({FILE: file_of(ANN.entry(), same_key)})[0] == "same-approver"


def test_a_locked_list_can_only_be_narrowed(layers: Any) -> None:
    base = {FILE: file_of(ANN.entry(), BOB.entry(), head="locked: true\nwaivers: {approvals: 2, max_days: 30}\n")}
    assert layers.problem(base, {FILE: file_of(EVE.entry())})[0] == "locked"
    assert layers.problem(base, {FILE: file_of(ANN.entry())})[0] == "locked"
    assert layers.problem(base, {FILE: "waivers: {approvals: 1}\n"})[0] == "locked"
    assert layers.problem(base, {FILE: "waivers: {max_days: 31}\n"})[0] == "locked"
    narrowed = layers.load(base, {FILE: "approvers: {ann: {disabled: true}}\nwaivers: {approvals: 3, max_days: 9}\n"})
    assert list(narrowed.approvers.people) == ["bob"]
    assert (narrowed.approvers.waiver_approvals, narrowed.approvers.max_days) == (3, 9)


def test_a_locked_rule_is_waived_by_nobody_whom_a_later_layer_names(layers: Any, rule: Any) -> None:
    locked = rule("own-rule", forbid="[edge]", enforcement="waivable", locked="true", advise=None)
    base = {"routing/own-rule.yaml": locked, FILE: file_of(ANN.entry())}
    found = layers.load(base, {FILE: file_of(BOB.entry())}).approvers
    assert found.people["ann"].not_for == ()
    assert found.people["bob"].not_for == ("own-rule",)
    assert layers.problem(base, {FILE: "waivers: {max_days: 365}\n"})[0] == "locked"


def test_the_schema_is_what_is_generated_and_takes_what_the_loader_takes() -> None:
    committed = shipped_rules() / "schemas" / "approvers.schema.json"
    assert committed.read_text(encoding="utf-8") == approvers_schema_text()
    validator = jsonschema.Draft202012Validator(approvers_schema())
    jsonschema.Draft202012Validator.check_schema(approvers_schema())
    good = file_of(ANN.entry("valid_until: '2027-01-31'"), "  bob: {disabled: true}\n", head="waivers: {max_days: 9}\n")
    validator.validate(yaml.safe_load(good))
    for name in ("an unknown key", "a role that is none", "a short salt", "no approval at all", "an empty scope"):
        assert list(validator.iter_errors(yaml.safe_load(WRONG[name][0]))), name


LOG = generate_signer("ledger.acme.example/1")
OTHER_LOG = generate_signer("ledger.acme.example/1")


def origins(*lines: str, head: str = "") -> str:
    return f"{head}origins:\n" + "".join(f"  - {{vkey: {line}}}\n" for line in lines)


def test_origins_are_added_replaced_and_taken_away_by_layers(layers: Any) -> None:
    one, two = LOG.verifier_key, OTHER_LOG.verifier_key
    found = layers.load({FILE: origins(one, two)}).approvers.origins
    assert [each.key.text for each in found] == [one, two]
    assert {each.origin for each in found} == {LOG.name}
    changed = layers.load({FILE: origins(one, two)}, {FILE: origins(f"{one}, valid_until: 2027-01-31")}).approvers
    assert changed.origins[0].key.valid_until == date(2027, 1, 31)
    fewer = layers.load({FILE: origins(one, two)}, {FILE: origins(f"{one}, disabled: true")}).approvers
    assert [each.key.text for each in fewer.origins] == [two]


def test_pinned_origins_count_in_the_digest(layers: Any) -> None:
    found = {
        layers.load({FILE: file_of(ANN.entry()) + more}).digest
        for more in ("", origins(LOG.verifier_key), origins(f"{LOG.verifier_key}, revoked: 2027-01-01"))
    }
    assert len(found) == 3
    assert "origins" not in json.loads(layers.load({FILE: file_of(ANN.entry())}).document)["approvers"]


WRONG_ORIGINS = {
    "no key": ("origins: [{valid_from: 2026-01-01}]\n", "missing-key"),
    "a wrong key": (origins("ledger+12345678+AAAA"), "bad-key"),
    "a wrong date": (origins(f"{LOG.verifier_key}, valid_until: soon"), "not-a-date"),
    "an unknown key": (origins(f"{LOG.verifier_key}, until: 2027-01-01"), "unknown-key"),
    "twice": (origins(LOG.verifier_key, LOG.verifier_key), "same-origin"),
    "none to disable": (origins(f"{LOG.verifier_key}, disabled: true"), "unknown-origin"),
    "no list": ("origins: {}\n", "wrong-type"),
}


@pytest.mark.parametrize("name", WRONG_ORIGINS)
def test_what_is_wrong_with_an_origin_is_said(name: str, layers: Any) -> None:
    text, code = WRONG_ORIGINS[name]
    with pytest.raises(RulesError) as caught:
        layers.load({FILE: text})
    assert code in [each.code for each in caught.value.problems]
    schema = jsonschema.Draft202012Validator(approvers_schema())
    if name in ("no key", "an unknown key", "no list"):
        assert not schema.is_valid(json.loads(json.dumps(yaml.safe_load(text), default=str)))


def test_a_witness_is_no_log(layers: Any) -> None:
    import base64

    public = b"\7" * 32
    identifier = key_id("witness", public, COSIGNATURE).hex()
    key = f"witness+{identifier}+{base64.b64encode(COSIGNATURE + public).decode()}"
    with pytest.raises(RulesError) as caught:
        layers.load({FILE: origins(key)})
    assert "witness" in caught.value.problems[0].message


def test_a_locked_list_takes_no_more_origins_and_loses_some(layers: Any) -> None:
    below = {FILE: origins(LOG.verifier_key, head="locked: true\n")}
    with pytest.raises(RulesError) as caught:
        layers.load(below, {FILE: origins(OTHER_LOG.verifier_key)})
    assert caught.value.problems[0].code == "locked"
    assert layers.load(below, {FILE: origins(f"{LOG.verifier_key}, disabled: true")}).approvers.origins == ()
