"""Custom facts of which two policies have other defaults: what a workload leaves out is not the same under both."""

from __future__ import annotations

from pathlib import Path

import pytest

from policy_engine.loading.policy import Policy, load_policy, with_rules
from policy_engine.proofs.difference import differences
from tests.unit.proofs.given import AT, evaluated

#: By type: its declaration, a default that the rule fires on and one that it does not, and the rule's condition.
TYPES = {
    "bool": ("type: bool", ("false", "true"), "!custom.ours"),
    "int": ("type: int, min: 0, max: 9", ("7", "1"), "custom.ours * 2 > 7"),
    "double": ("type: double", ("1.5", "0.5"), "custom.ours > 1.0"),
    "string": ("type: string", ("abc", "xyz"), "custom.ours.startsWith('ab')"),
    "list": ('type: "list<string>"', ("[a]", "[b, c]"), "'a' in custom.ours"),
}


def layer(folder: Path, declared: str, when: str) -> Policy:
    (folder / "data-residency").mkdir(parents=True)
    rule = f'id: ours\ntitle: T\norigin: us\nwhen: "{when}"\nforbid: [proprietary_api]\nenforcement: mandatory\n'
    (folder / "data-residency/ours.yaml").write_text(f"{rule}message: M.\n", encoding="utf-8")
    (folder / "vocabulary.yaml").write_text(f"facts:\n  custom.ours: {{{declared}, meaning: M.}}\n", encoding="utf-8")
    policy = load_policy([folder], use_cache=False)
    return with_rules(policy, [each for each in policy.rules.rules if each.id == "ours"])


@pytest.mark.parametrize("kind", TYPES)
def test_another_default_changes_what_leaves_it_out_and_nothing_else(kind: str, tmp_path: Path) -> None:
    declared, defaults, when = TYPES[kind]
    given = [f"{declared}, default: {each}" for each in defaults] + [declared]
    policies = [layer(tmp_path / str(place), each, when) for place, each in enumerate(given)]
    # one default for another; a default for none, and none for a default
    for one, other in ((0, 1), (1, 2), (2, 0)):
        old, new = policies[one], policies[other]
        found = differences(old, new, AT, 10.0)
        denied = [each for each in found.found if "deny" in (each.before, each.after)]
        assert bool(denied) is (0 in (one, other))
        for change in found.found:
            assert change.example is not None
            text = change.example.text()
            assert (evaluated(old, text).verdict, evaluated(new, text).verdict) == (change.before, change.after)
            assert "custom" not in change.example.workload["spec"]
        ways = {(each.before, each.after) for each in denied}
        assert not any(each.possible for each in found.changes if (each.after, each.before) in ways)


def test_another_default_that_no_rule_tells_apart_changes_nothing(tmp_path: Path) -> None:
    old = layer(tmp_path / "old", "type: int, default: 1", "custom.ours > 3")
    new = layer(tmp_path / "new", "type: int, default: 2", "custom.ours > 3")
    assert differences(old, new, AT, 10.0).none


def test_what_is_stated_still_differs_where_the_rule_does(tmp_path: Path) -> None:
    old = layer(tmp_path / "old", "type: bool, default: true", "!custom.ours")
    new = layer(tmp_path / "new", "type: bool, default: false", "custom.ours")
    found = differences(old, new, AT, 10.0)
    (example,) = [each.example for each in found.changes if (each.before, each.after) == ("allow", "deny")]
    assert example is not None
    assert example.workload["spec"]["custom"] == {"ours": True}
    # what leaves it out is not denied under either
    assert found.undecided == ()
