"""Layers over the shipped rules: replacing, disabling, locks, parameters, namespaces; and what is misplaced."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from policy_engine.errors import RulesError
from policy_engine.loading import layers as module
from policy_engine.loading.layers import read_layers, shipped_rules
from policy_engine.loading.policy import load_policy

Rule = Callable[..., str]
SHIPPED = "data-stays-in-network"
FILE = f"data-residency/{SHIPPED}.yaml"
PARAMETER = "self_hosting_spend_usd_per_month"
SPEND = "high-api-spend-favours-self-hosting"
LOCKED_RULE = f'"budget.monthly_usd > param.{PARAMETER}"'


def test_a_layer_replaces_a_rule_of_the_same_id(layers: Any, rule: Rule) -> None:
    policy = layers.load({FILE: rule(SHIPPED, title="Ours")})
    found = policy.rules.rule(SHIPPED)
    assert (found.title, found.layer) == ("Ours", "l1")
    assert len(policy.rules.rules) == len(load_policy().rules.rules)
    assert [layer.name for layer in policy.rules.layers] == ["shipped", "l1"]
    assert policy.digest != load_policy().digest


def test_the_last_layer_wins(layers: Any, rule: Rule) -> None:
    policy = layers.load({FILE: rule(SHIPPED, title="First")}, {FILE: rule(SHIPPED, title="Second")})
    assert (policy.rules.rule(SHIPPED).title, policy.rules.rule(SHIPPED).layer) == ("Second", "l2")


def test_a_layer_disables_a_rule(layers: Any) -> None:
    policy = layers.load({FILE: f"id: {SHIPPED}\ndisabled: true\n"})
    assert policy.rules.rule(SHIPPED) is None
    assert len(policy.rules.rules) == len(load_policy().rules.rules) - 1


def test_a_rule_that_is_not_there_cannot_be_disabled(layers: Any) -> None:
    name = "data-stays-in-netwrk"
    found = layers.problem({f"data-residency/{name}.yaml": f"disabled: true\nid: {name}\n"})
    assert found[:2] == ("unknown-rule", f"l1/data-residency/{name}.yaml:2:5")
    assert found[3] == f"did you mean `{SHIPPED}`?"


def test_a_later_layer_may_disable_what_an_earlier_one_brought(layers: Any, rule: Rule) -> None:
    gone = "id: own-rule\ndisabled: true\n"
    policy = layers.load({"latency/own-rule.yaml": rule()}, {"latency/own-rule.yaml": gone})
    assert policy.rules.rule("own-rule") is None


@pytest.mark.parametrize(
    ("second", "verb"),
    [("id: own-rule\ndisabled: true\n", "disabled"), (None, "replaced")],
    ids=["disabled", "replaced"],
)
def test_a_locked_rule_stays(second: str | None, verb: str, layers: Any, rule: Rule) -> None:
    file = "latency/own-rule.yaml"
    found = layers.problem({file: rule(locked="true")}, {file: second or rule()})
    assert found[:3] == ("locked", f"l2/{file}:1:5", f"the rule `own-rule` is locked by layer l1 and may not be {verb}")


def test_a_locked_rule_stays_in_another_topic_too(layers: Any, rule: Rule) -> None:
    found = layers.problem({"latency/own-rule.yaml": rule(locked="true")}, {"hardware/own-rule.yaml": rule()})
    assert found[:2] == ("locked", "l2/hardware/own-rule.yaml:1:5")


def test_a_locked_rule_is_not_weakened(layers: Any, rule: Rule) -> None:
    locked = rule(forbid="[open_batch]", enforcement="waivable", locked="true", advise=None)
    weaker = "enforcement:\n  - {rule: own-rule, namespace: dev, enforcement: advisory}\n"
    found = layers.problem({"latency/own-rule.yaml": locked}, {"policy-set.yaml": weaker})
    message = "the rule `own-rule` is locked and may not be weakened"
    assert found[:3] == ("locked", "l2/policy-set.yaml:2:5", message)
    stronger = weaker.replace("advisory", "mandatory")
    layers.load({"latency/own-rule.yaml": locked}, {"policy-set.yaml": stronger})
    # the layer that locks may say where its rule is weaker
    layers.load({"latency/own-rule.yaml": locked, "policy-set.yaml": weaker})


def test_a_locked_rule_is_not_given_other_parameters(layers: Any, rule: Rule) -> None:
    locked = {"latency/own-rule.yaml": rule(when=LOCKED_RULE, locked="true")}
    other = {"parameters.yaml": f"parameters:\n  {PARAMETER}: {{value: 9000.0}}\n"}
    found = layers.problem(locked, other)
    message = f"`param.{PARAMETER}` is read by a locked rule and may not be set by a later layer"
    assert found[:3] == ("locked", "l2/parameters.yaml:2:3", message)


def test_a_lock_binds_later_layers_alone(layers: Any, rule: Rule) -> None:
    locked = {"latency/own-rule.yaml": rule(when=LOCKED_RULE, locked="true")}
    other = {"parameters.yaml": f"parameters:\n  {PARAMETER}: {{value: 9000.0}}\n"}
    assert layers.load(other, locked).rules.values[PARAMETER] == 9000.0
    assert layers.load({**other, **locked}).rules.values[PARAMETER] == 9000.0


def test_a_locked_parameter_stays(layers: Any) -> None:
    first = {"parameters.yaml": f"parameters:\n  {PARAMETER}: {{value: 9000, locked: true}}\n"}
    second = {"parameters.yaml": f"parameters:\n  {PARAMETER}: {{value: 1}}\n"}
    found = layers.problem(first, second)
    assert found[:3] == ("locked", "l2/parameters.yaml:2:3", f"`param.{PARAMETER}` is locked")


def test_enforcement_by_namespace_and_day(layers: Any, rule: Rule) -> None:
    text = rule(forbid="[open_batch]", enforcement="mandatory", advise=None, enforce_from="2027-01-01")
    chosen = "enforcement:\n  - {rule: own-rule, namespace: dev, enforcement: advisory}\n"
    chosen += "  - {rule: own-rule, enforcement: waivable}\n"
    policy = layers.load({"latency/own-rule.yaml": text, "policy-set.yaml": chosen})
    found, overrides = policy.rules.rule("own-rule"), policy.rules.overrides
    after = date(2027, 1, 1)
    assert [found.acts(name, after, overrides) for name in ("dev", "prod")] == ["advisory", "waivable"]
    assert found.acts("prod", date(2026, 12, 31), overrides) == "advisory"
    assert found.acts("prod", after, {}) == "mandatory"


MISPLACED = {
    "zzz.yaml": ("`zzz.yaml` has no place at the root of a layer", "a rule stands in its topic's folder"),
    "parameter.yaml": ("`parameter.yaml` has no place at the root of a layer", "did you mean `parameters.yaml`?"),
    "latencyy/own-rule.yaml": ("`latencyy` is not a topic", "did you mean `latency`?"),
    "xyz/own-rule.yaml": ("`xyz` is not a topic", "the topics are data-residency"),
    "latency/deep/own-rule.yaml": ("`latency/deep/own-rule.yaml` lies too deep", "put it in latency/ itself"),
    "latency/own-rule.yml": ("`latency/own-rule.yml` must end in .yaml", None),
    "latency/own-rule.YAML": ("`latency/own-rule.YAML` must end in .yaml", None),
}


@pytest.mark.parametrize("file", MISPLACED)
def test_a_file_that_nobody_would_read_is_refused(file: str, layers: Any, rule: Rule) -> None:
    message, hint = MISPLACED[file]
    found = layers.problem({file: rule()})
    assert found[:3] == ("misplaced-file", f"l1/{file}:1:1", message)
    assert (found[3] or "").startswith(hint or "")


def test_hidden_files_and_other_kinds_are_left_alone(layers: Any, rule: Rule) -> None:
    others = {".git/x.yaml": "a", "latency/.own.yaml": "a", "README.md": "# Ours", "rule.schema.json": "{}"}
    assert layers.load({"latency/own-rule.yaml": rule(), **others}).rules.rule("own-rule") is not None


@pytest.mark.parametrize("files", [{}, {"README.md": "# Ours"}, {"latency/own-rule_test.yaml": "cases: []"}])
def test_an_empty_layer_is_refused(files: dict[str, str], layers: Any) -> None:
    assert layers.problem(files)[0] == "empty-layer"


def test_a_layer_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path / "file"):
        (tmp_path / "file").write_text("", encoding="utf-8")
        with pytest.raises(RulesError) as caught:
            read_layers([path])
        assert caught.value.code == "no-layer"


def test_a_linked_folder_is_refused_and_not_left_out(rule: Rule, tmp_path: Path) -> None:
    """What is not followed would be rules that nobody enforces."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "own-rule.yaml").write_text(rule(), encoding="utf-8")
    ours = tmp_path / "ours"
    ours.mkdir()
    (ours / "policy-set.yaml").write_text("version: '1'\n", encoding="utf-8")
    (ours / ".hidden").symlink_to(elsewhere)
    assert len(read_layers([ours])) == 2
    (ours / "latency").symlink_to(elsewhere)
    with pytest.raises(RulesError, match="`latency` is a link to a folder") as caught:
        read_layers([ours])
    assert caught.value.code == "linked-folder"


def test_layers_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for folder in ("a/rules", "b/rules"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "policy-set.yaml").write_text("version: '1'\n", encoding="utf-8")
    found = read_layers([tmp_path / "a/rules", tmp_path / "b/rules"])
    assert [each.layer.name for each in found] == ["shipped", "rules", "rules-2"]


def test_an_installation_without_a_policy_set_holds_no_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "policy_engine" / "loading"
    package.mkdir(parents=True)
    (tmp_path / "rules").mkdir()
    monkeypatch.setattr(module, "__file__", str(package / "layers.py"))
    with pytest.raises(RulesError) as caught:
        shipped_rules()
    assert caught.value.code == "no-rules"
    (tmp_path / "rules" / "policy-set.yaml").write_text("version: '1'\n", encoding="utf-8")
    assert shipped_rules() == tmp_path / "rules"
    with pytest.raises(RulesError, match="no rule is in force"):
        load_policy(use_cache=False)


def test_another_effective_policy_is_refused(layers: Any, rule: Rule) -> None:
    digest = load_policy().digest
    assert load_policy(expected_digest=digest).digest == digest
    folder = layers.write("l1", {"latency/own-rule.yaml": rule()})
    with pytest.raises(RulesError) as caught:
        load_policy([folder], digest)
    assert caught.value.code == "policy-digest"


def test_the_digest_covers_what_decides_and_not_where_it_lies(layers: Any, rule: Rule) -> None:
    base = layers.load({"latency/own-rule.yaml": rule()})
    commented = layers.load({"latency/own-rule.yaml": "# a comment\n" + rule()})
    assert commented.digest == base.digest
    assert layers.load({"latency/own-rule.yaml": rule(title="Another")}).digest != base.digest
