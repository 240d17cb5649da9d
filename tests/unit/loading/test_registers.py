"""What a layer adds to the registers: parameters, facts, disputes, sources, its own policy set."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any

import pytest

from policy_engine.decide import Decider
from policy_engine.loading.policy import load_policy
from policy_engine.loading.workload_file import load_workloads

Rule = Callable[..., str]
SHIPPED = "data-stays-in-network"
PARAMETER = "self_hosting_spend_usd_per_month"


def test_a_parameter_is_set_and_keeps_the_rest(layers: Any) -> None:
    policy = layers.load({"parameters.yaml": f"parameters:\n  {PARAMETER}: {{value: 9000}}\n"})
    found = policy.rules.parameters[PARAMETER]
    assert (found.value, found.type, found.unit, found.source, found.layer) == (
        9000.0,
        "double",
        "USD/month",
        "l1",
        "l1",
    )
    assert "9000.0" in policy.strata[-1].networks[0].definition


PARAMETERS = {
    "another type": (f"{PARAMETER}: {{value: 1, type: int}}", "wrong-type", 3, f"`param.{PARAMETER}` is a double"),
    "a text for a number": (f"{PARAMETER}: {{value: much}}", "wrong-type", 45, "`value` must be a double"),
    "a fraction for an int": ("many_requests_per_day: {value: 1.5}", "wrong-type", 34, "`value` must be a int"),
    "new without a type": ("own: {value: 1}", "missing-key", 8, "`type` is missing"),
    "no name": ("own-limit: {value: 1, type: int}", "bad-parameter-name", 3, "`own-limit` cannot be the name"),
    "a reserved name": ("in: {value: 1, type: int}", "bad-parameter-name", 3, "`in` cannot be the name"),
    "disputes that are no list": ("own: {value: 1, type: int, disputes: {id: x}}", "wrong-type", 40, "`disputes` must"),
    "no mapping": ("own: 3", "not-a-mapping", 8, "a mapping of keys"),
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_wrong_parameter_is_named_with_its_place(name: str, layers: Any) -> None:
    line, code, column, message = PARAMETERS[name]
    found = layers.problems({"parameters.yaml": f"parameters:\n  {line}\n"})[0]
    assert (found.code, found.span.line) == (code, 2)
    assert found.message.startswith(message)
    assert found.span.column == column


ROOTS = {
    "enforcement that is no list": ("policy-set.yaml", "enforcement: {rule: x}\n", "wrong-type", "1:14"),
    "enforcement of a number": ("policy-set.yaml", "enforcement: 5\n", "wrong-type", "1:14"),
    "enforcement of an unknown rule": (
        "policy-set.yaml",
        "enforcement:\n  - {rule: data-stays-in-netwrk, enforcement: advisory}\n",
        "unknown-rule",
        "2:5",
    ),
    "an unknown enforcement": (
        "policy-set.yaml",
        f"enforcement:\n  - {{rule: {SHIPPED}, enforcement: adviory}}\n",
        "unknown-value",
        "2:48",
    ),
    "disputes that are no list": ("disputes.yaml", "disputes: {id: x}\n", "wrong-type", "1:11"),
    "a dispute without sides": ("disputes.yaml", "disputes:\n  - {id: OWN-01, about: Ours}\n", "missing-key", "2:5"),
    "two disputes of one id": (
        "disputes.yaml",
        "disputes:\n"
        "  - {id: OWN-01, about: Ours, sides: [{says: So.}]}\n"
        "  - {id: OWN-01, about: Ours, sides: [{says: Not so.}]}\n",
        "duplicate-id",
        "3:10",
    ),
    "a source without a day": ("sources.yaml", "sources:\n  own: {description: Ours}\n", "missing-key", "2:8"),
    "a source without a description": (
        "sources.yaml",
        "sources:\n  own: {as_of: 2026-01-01}\n",
        "missing-key",
        "2:8",
    ),
    "a source of no day": (
        "sources.yaml",
        "sources:\n  own: {description: Ours, as_of: 2026-13-01}\n",
        "not-a-date",
        "2:35",
    ),
    "a title for a description": (
        "sources.yaml",
        "sources:\n  own: {description: Ours, title: Ours, as_of: 2026-01-01}\n",
        "unknown-key",
        "2:28",
    ),
    "a bound that is no number": (
        "vocabulary.yaml",
        "facts:\n  custom.x: {type: int, meaning: X., min: low}\n",
        "wrong-type",
        "2:43",
    ),
    "a default of another type": (
        "vocabulary.yaml",
        "facts:\n  custom.x: {type: bool, meaning: X., default: 3}\n",
        "wrong-type",
        "2:48",
    ),
    "a fact of another section": (
        "vocabulary.yaml",
        "facts:\n  data.own: {type: int, meaning: X.}\n",
        "bad-fact-name",
        "2:3",
    ),
    "an unknown type": ("vocabulary.yaml", "facts:\n  custom.x: {type: float, meaning: X.}\n", "unknown-value", "2:20"),
    "a second document": ("parameters.yaml", "parameters: {}\n---\nparameters: {}\n", "several-documents", "3:1"),
    "a second policy set": ("policy-set.yaml", "version: '1'\n---\nversion: '2'\n", "several-documents", "3:1"),
    "a second catalog entry": ("catalog/gpus.yaml", "a: 1\n---\nb: 1\n", "several-documents", "3:1"),
    "a file that nobody reads": ("approver.yaml", "a: 1\n", "misplaced-file", "1:1"),
    "an unknown section": ("criteria.yaml", "criterion: {}\n", "unknown-key", "1:1"),
    "a policy set of another version": (
        "policy-set.yaml",
        "apiVersion: policy-engine/v2\nkind: PolicySet\n",
        "policy-set-kind",
        "1:13",
    ),
    "a policy set of another kind": (
        "policy-set.yaml",
        "apiVersion: policy-engine/v1\nkind: Workload\n",
        "policy-set-kind",
        "2:7",
    ),
    "a policy set of the kind null": (
        "policy-set.yaml",
        "apiVersion: policy-engine/v1\nkind: null\n",
        "policy-set-kind",
        "2:7",
    ),
    "a policy set without its kind": ("policy-set.yaml", "apiVersion: policy-engine/v1\n", "missing-key", "1:1"),
    "a policy set without its version": ("policy-set.yaml", "kind: PolicySet\n", "missing-key", "1:1"),
}


@pytest.mark.parametrize("name", ROOTS)
def test_a_wrong_register_is_named_with_its_place(name: str, layers: Any) -> None:
    file, text, code, place = ROOTS[name]
    assert layers.problem({file: text})[:2] == (code, f"l1/{file}:{place}")


HEAD = "apiVersion: policy-engine/v1\nkind: Workload\nmetadata: {name: a, owner: b}\n"
SMALL = HEAD + "spec:\n  stage: pilot\n  tasks: [{name: t, kind: judge}]\n"


def test_a_default_of_a_layer_counts_in_a_decision(layers: Any) -> None:
    policy = layers.load({"vocabulary.yaml": "facts:\n  custom.sold: {type: bool, meaning: Sold., default: true}\n"})
    for custom, known in (("", True), ("  custom: {sold: false}\n", False), ("  custom: {sold: null}\n", None)):
        workload = load_workloads(SMALL + custom, "w", policy.vocabulary)[0].workload
        [case] = Decider(policy).cases(workload, {}, datetime(2026, 11, 22, tzinfo=UTC))
        assert case.facts.get("custom.sold") is known


def test_a_fact_with_a_default_is_not_derived(layers: Any, rule: Rule) -> None:
    vocabulary = "facts:\n  custom.tier: {type: int, meaning: X., default: 1}\n"
    own = rule(when='"true"', advise=None, derive='{custom.tier: "3"}')
    code, place, message, hint = layers.problem({"vocabulary.yaml": vocabulary, "licence/own-rule.yaml": own})
    assert (code, message) == (
        "bad-derivation",
        "`custom.tier` has a default, so that a rule that derives it would hardly ever count",
    )
    assert place.startswith("l1/licence/own-rule.yaml:")
    assert "source: rule" in hint


def test_nobody_changes_a_default_by_changing_a_decision(layers: Any, rule: Rule) -> None:
    vocabulary = "facts:\n  custom.x: {type: list<string>, meaning: X., default: [a]}\n"
    own = rule(when="\"'a' in custom.x\"")
    policy = layers.load({"vocabulary.yaml": vocabulary, "licence/own-rule.yaml": own})
    workload = load_workloads(SMALL, "w", policy.vocabulary)[0].workload
    decider = Decider(policy)
    at = datetime(2026, 11, 22, tzinfo=UTC)
    first = decider.decide(workload, {}, at)
    before = first.content
    for row in first.document["tasks"][0]["rules"]:
        for value in (row["criteria"], row["forbid"], *(f["value"] for f in row["facts"].values())):
            if isinstance(value, list):
                value.append("changed")
    assert policy.vocabulary.facts["custom.x"].default == ["a"]
    assert decider.decide(workload, {}, at).content == before


def test_the_digest_covers_the_catalog_of_layers(layers: Any) -> None:
    plain = layers.load()
    own = {"catalog/own.yaml": "regions:\n  mars: {parent: world, title: Mars}\n"}
    one = layers.load(own)
    assert one.digest != plain.digest
    moved = layers.load({"catalog/own.yaml": "regions:\n  mars: {parent: eu, title: Mars}\n"})
    assert moved.digest not in (one.digest, plain.digest)
    assert layers.load({**own, "catalog/own.yaml": "# a comment\n" + own["catalog/own.yaml"]}).digest == one.digest
    renamed = layers.write("l2", {"catalog/other.yaml": own["catalog/own.yaml"]})
    assert load_policy([renamed], use_cache=False).digest == one.digest
    for policy in (plain, one, moved):
        assert f"sha256:{sha256(policy.document).hexdigest()}" == policy.digest


def test_a_layer_adds_custom_facts_that_its_rules_read(layers: Any, rule: Rule) -> None:
    vocabulary = "facts:\n  custom.export_controlled: {type: bool, meaning: Whether export control applies.}\n"
    policy = layers.load(
        {"vocabulary.yaml": vocabulary, "licence/own-rule.yaml": rule(when='"custom.export_controlled"')}
    )
    assert policy.vocabulary.facts["custom.export_controlled"].layer == "l1"
    assert policy.rules.rule("own-rule").reads == {"custom.export_controlled"}


#: Each with a mark where the place is.
DECLARED: dict[str, tuple[str, str, str | None]] = {
    "values of an int": (
        "type: int, values: ^[low, high]",
        "`values` lists words, and `custom.x` is of type int",
        "`min` and `max` bound a number",
    ),
    "values of a bool": (
        "type: bool, values: ^[yes]",
        "`values` lists words, and `custom.x` is of type bool",
        "a bool is true or false",
    ),
    "no values": ("type: string, values: ^[]", "`values` is empty", "leave it out where any word may stand"),
    "a bound of a word": (
        "type: string, max: ^3",
        "`max` bounds a number, and `custom.x` is of type string",
        "`values` lists the words that may stand",
    ),
    "a bound of a bool": (
        "type: bool, min: ^0",
        "`min` bounds a number, and `custom.x` is of type bool",
        "leave it out",
    ),
    "half a bound of an int": (
        "type: int, min: ^0.5",
        "`min` is 0.5, and `custom.x` is of type int",
        "write a whole number, or `type: double`",
    ),
    "bounds the wrong way round": (
        "type: double, min: ^2, max: 1",
        "`min` is 2, above the `max` of 1",
        "no number lies between them",
    ),
    "a default outside the values": (
        "type: string, values: [low, high], default: ^hihg",
        "the default `hihg` is not among the values of `custom.x`",
        "did you mean `high`?",
    ),
    "a part of a default outside the values": (
        "type: list<string>, values: [low, high], default: [low, ^middle]",
        "the default `middle` is not among the values of `custom.x`",
        "one of `low` or `high`",
    ),
    "a default below": ("type: int, min: 1, default: ^0", "the default 0 is below 1, the `min` of `custom.x`", None),
    "a default above": (
        "type: double, max: 1.5, default: ^2",
        "the default 2.0 is above 1.5, the `max` of `custom.x`",
        None,
    ),
    "required of every workload there is": (
        "type: bool, required: ^true",
        "`custom.x` cannot be required: workloads may leave out what a layer adds",
        "leave it out; a rule that reads it is indeterminate, and names it, while it is unknown",
    ),
    "a default of what rules derive": (
        "type: bool, source: rule, default: ^true",
        "`default` is for what workloads state, and the source of `custom.x` is `rule`",
        "leave it out",
    ),
    "what rules derive is required": (
        "type: bool, source: rule, required: ^true",
        "`required` is for what workloads state, and the source of `custom.x` is `rule`",
        "leave it out",
    ),
}


@pytest.mark.parametrize("name", DECLARED)
def test_a_fact_that_contradicts_itself_is_refused(name: str, layers: Any) -> None:
    fact, message, hint = DECLARED[name]
    line = f"  custom.x: {{meaning: X., {fact}}}\n"
    found = layers.problem({"vocabulary.yaml": "facts:\n" + line.replace("^", "")})
    assert found == ("bad-declaration", f"l1/vocabulary.yaml:2:{line.index('^') + 1}", message, hint)


@pytest.mark.parametrize(
    "fact",
    [
        "type: int, min: 1, max: 5, default: 5",
        "type: int, min: 1.0",
        "type: double, min: 0, default: 0",
        "type: string, values: [low, high], default: low",
        "type: string, values: [low], required: false",
        "type: list<string>, values: [low, high], default: []",
        "type: bool, default: false",
        "type: bool, required: false, default: true",
        "type: bool, required: false, default: null",
        "type: string, values: [low], source: rule",
    ],
)
def test_a_fact_that_does_not_is_taken(fact: str, layers: Any) -> None:
    found = layers.load({"vocabulary.yaml": f"facts:\n  custom.x: {{meaning: X., {fact}}}\n"})
    assert "custom.x" in found.vocabulary.facts


@pytest.mark.parametrize("header", ["", "apiVersion: policy-engine/v1\nkind: PolicySet\n"])
def test_a_policy_set_says_what_it_is_or_is_told_by_its_name(header: str, layers: Any) -> None:
    assert layers.load({"policy-set.yaml": f"{header}version: '7'\n"}).rules.version.endswith("+l1.7")


def test_what_a_policy_set_should_say_is_told(layers: Any) -> None:
    found = layers.problems({"policy-set.yaml": "apiVersion: policy-engine/v2\nkind: 3\n"})
    assert [(each.message, each.help) for each in found] == [
        (
            "`apiVersion` is `policy-engine/v2`, and only `policy-engine/v1` is read here",
            "write `apiVersion: policy-engine/v1`",
        ),
        ("`kind` is `3`, and only `PolicySet` is read here", "write `kind: PolicySet`"),
    ]


OWN_PRICES = """\
prices:
  gpt-4o.own: {model: gpt-4o, option: proprietary_api, unit: USD/1M tokens, blended: 3.0, disputes: [OWN-01],
               source: contract, as_of: 2026-02-01}
  gpt-4o.sales: {model: gpt-4o, option: proprietary_api, unit: USD/1M tokens, blended: 4.0, disputes: [OWN-01],
                 source: sales, as_of: 2026-01-01}
"""
OWN_SOURCES = """\
sources:
  contract: {description: Our contract, as_of: 2026-02-01}
  sales: {description: What sales says, as_of: 2026-01-01}
"""
OWN_DISPUTES = """\
disputes:
  - id: OWN-01
    about: what we pay
    kind: price
    sides:
      - {sources: [contract], says: USD 3.}
      - {sources: [sales], says: USD 4.}
"""
OWN = {"catalog/prices.yaml": OWN_PRICES, "sources.yaml": OWN_SOURCES, "disputes.yaml": OWN_DISPUTES}


def test_a_layers_registers_are_those_of_its_figures(layers: Any) -> None:
    policy = layers.load(OWN)
    day = date(2026, 11, 22)
    price = policy.catalog.price("gpt-4o", "proprietary_api", day)
    assert (price.key, price.layer, price.rank, price.disputes) == ("gpt-4o.own", "l1", 1, ("OWN-01",))
    assert policy.catalog.disputes["OWN-01"].sides == "contract: USD 3. sales: USD 4."
    assert policy.catalog.sources["contract"].description == "Our contract"
    assert policy.catalog.sources["contract"].as_of == date(2026, 2, 1)
    assert policy.catalog.other_sides("OWN-01", day) == ("sales",)
    assert policy.rules.disputes["OWN-01"].about == "what we pay"
    assert policy.rules.sources["contract"] == {"description": "Our contract", "as_of": "2026-02-01"}


def test_a_dispute_that_no_register_has_is_refused(layers: Any) -> None:
    found = layers.problems({"catalog/prices.yaml": OWN_PRICES})
    assert {each.code for each in found} == {"catalog-reference"}
    assert str(found[0].span).endswith("l1/catalog/prices.yaml:2:101")
    assert "`disputes` names `OWN-01`" in found[0].message
    assert found[0].help == "add it to disputes.yaml at the root of a layer"


def test_a_dispute_of_another_layers_register_counts_too(layers: Any) -> None:
    registers = {name: text for name, text in OWN.items() if name != "catalog/prices.yaml"}
    policy = layers.load(registers, {"catalog/prices.yaml": OWN_PRICES})
    assert policy.catalog.prices["gpt-4o.own"].disputes == ("OWN-01",)


def test_the_digests_cover_the_registers(layers: Any) -> None:
    shipped, own = load_policy(), layers.load(OWN)
    reworded = layers.load(OWN | {"disputes.yaml": OWN_DISPUTES.replace("USD 4.", "USD 4.50.")})
    assert reworded.digest != own.digest != shipped.digest
    assert reworded.catalog.digest != own.catalog.digest
    # what a source is decides nothing among the rules
    dated = layers.load(OWN | {"sources.yaml": OWN_SOURCES.replace("2026-02-01", "2026-02-02")})
    assert dated.digest == own.digest
    assert dated.catalog.digest != own.catalog.digest


@pytest.mark.parametrize(
    ("section", "text"), [("sources", OWN_SOURCES), ("disputes", "disputes: {OWN-01: {about: x}}\n")]
)
@pytest.mark.parametrize("file", ["own", "sources", "disputes"])
def test_a_register_in_the_catalogs_folder_is_refused(section: str, text: str, file: str, layers: Any) -> None:
    code, place, message, hint = layers.problem({f"catalog/{file}.yaml": "# ours\n" + text})
    assert (code, message) == ("catalog-unknown-section", f"`{section}` is no section of the catalog's files")
    assert place.startswith(f"l1/catalog/{file}.yaml:")
    assert hint == f"write it into {section}.yaml at the root of the layer, where rules find it too"
