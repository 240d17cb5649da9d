"""What an approvers.yaml lets count that no ledger can be asked about: files of waivers, and baselines."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
import yaml

from policy_engine.loading.approvers_schema import approvers_schema
from policy_engine.model.recorded_approvers import approvers_on_record
from tests.unit.waivers.making import ANN, file_of

FILE = "approvers.yaml"
LOG, OTHER = "policy-ledger.local/60ca5227", "ledger.acme.example/1"


def waivers(*origins: str, more: str = "") -> str:
    return f"waivers: {{files_of: [{', '.join(origins)}]{more}}}\n"


def test_without_a_word_no_file_counts_unasked_and_a_baseline_accepts_everything(layers: Any) -> None:
    found = layers.load({FILE: file_of(ANN.entry())})
    assert (found.approvers.files_of, found.approvers.baseline) == ((), "all")
    document = json.loads(found.document)["approvers"]
    assert "baseline" not in document
    assert "files_of" not in document["waivers"], "the digest of a policy from before is what it was"


def test_what_they_say_counts_in_the_digest_and_is_read_back_from_the_record(layers: Any) -> None:
    texts = ("", waivers(LOG), waivers(LOG, OTHER), "baseline: {accepts: none}\n", "baseline: {accepts: waivable}\n")
    found = [layers.load({FILE: file_of(ANN.entry(), head=text)}) for text in texts]
    assert len({each.digest for each in found}) == len(texts)
    assert approvers_on_record(json.loads(found[2].document)["approvers"]).files_of == (LOG, OTHER)


def test_a_later_layer_says_it_anew(layers: Any) -> None:
    found = layers.load({FILE: waivers(LOG)}, {FILE: waivers(OTHER) + "baseline: {accepts: none}\n"}).approvers
    assert (found.files_of, found.baseline) == ((OTHER,), "none")
    assert layers.load({FILE: waivers(LOG)}, {FILE: "waivers: {files_of: []}\n"}).approvers.files_of == ()
    kept = layers.load({FILE: waivers(LOG)}, {FILE: "waivers: {max_days: 9}\n"}).approvers
    assert (kept.files_of, kept.max_days) == ((LOG,), 9)


def test_a_locked_list_is_only_made_stricter(layers: Any) -> None:
    base = {FILE: "locked: true\n" + waivers(LOG) + "baseline: {accepts: waivable}\n"}
    assert layers.problem(base, {FILE: waivers(LOG, OTHER)})[0] == "locked"
    assert layers.problem(base, {FILE: "baseline: {accepts: all}\n"})[0] == "locked"
    stricter = layers.load(base, {FILE: "waivers: {files_of: []}\nbaseline: {accepts: none}\n"}).approvers
    assert (stricter.files_of, stricter.baseline) == ((), "none")


def test_a_locked_rule_keeps_later_layers_from_letting_more_count(layers: Any, rule: Any) -> None:
    locked = rule("own-rule", forbid="[edge]", enforcement="waivable", locked="true", advise=None)
    below = {"routing/own-rule.yaml": locked}
    assert layers.problem(below, {FILE: waivers(LOG)})[0] == "locked"
    assert layers.load(below, {FILE: "baseline: {accepts: none}\n"}).approvers.baseline == "none"


WRONG = {
    "a text for a list": (f"waivers: {{files_of: {LOG}}}\n", "wrong-type"),
    "a key": (waivers(ANN.signer.verifier_key), "bad-origin"),
    "a blank": (waivers('"a b"'), "bad-origin"),
    "a number": (waivers("5"), "wrong-type"),
    "another word": ("baseline: {accepts: some}\n", "unknown-value"),
    "no word": ("baseline: {}\n", "missing-key"),
    "no mapping": ("baseline: none\n", "not-a-mapping"),
    "another key": ("baseline: {accepts: none, until: 2027-01-01}\n", "unknown-key"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named_and_the_schema_refuses_it_too(name: str, layers: Any) -> None:
    text, code = WRONG[name]
    assert layers.problem({FILE: text})[0] == code
    assert not jsonschema.Draft202012Validator(approvers_schema()).is_valid(
        json.loads(json.dumps(yaml.safe_load(text), default=str))
    )


def test_the_schema_takes_what_the_loader_takes() -> None:
    good = waivers(LOG, OTHER, more=", max_days: 9") + "baseline: {accepts: waivable}\n"
    jsonschema.Draft202012Validator(approvers_schema()).validate(yaml.safe_load(good))
