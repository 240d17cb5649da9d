"""Entries of a baseline: what makes one another, and what is written is what is read."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from policy_engine.baselines.entry import Entry, replace_fingerprint
from policy_engine.baselines.reading import read_baseline
from policy_engine.baselines.writing import baseline_text
from policy_engine.errors import InputError
from policy_engine.loading.yaml_source import load_yaml

DAY = date(2026, 11, 29)
RULES = {"some-rule": f"sha256:{'1' * 64}"}


def entry(**more: Any) -> Entry:
    given_ = {"code": "some-rule", "kind": "forbid", "effect": "deny", "namespace": "n", "workload": "w", "task": "t"}
    given_ |= {"option": "edge", "rules": RULES, "enforcement": "waivable", "facts": {"team.ml_engineers": 1}}
    rest = {"fingerprint": "", "reason": "why", "added": DAY, "latest": DAY, "expires": DAY}
    return replace_fingerprint(Entry(**(given_ | rest | more)))


#: Members that decide, each with another value.
OTHERS: dict[str, Any] = {
    "code": "other-rule",
    "kind": "proposal",
    "effect": "review",
    "namespace": "m",
    "workload": "v",
    "task": "s",
    "option": None,
    "evidence": "dpa",
    "enforcement": "mandatory",
    "rules": {"some-rule": f"sha256:{'2' * 64}"},
    "facts": {"team.ml_engineers": 2},
    "missing": ("team.mlops",),
    "grounds": ("no model fits",),
}


@pytest.mark.parametrize("name", OTHERS)
def test_each_member_that_decides_makes_another_fingerprint(name: str) -> None:
    other = entry(**{name: OTHERS[name]})
    assert other.fingerprint != entry().fingerprint
    assert other.accepts() != entry().accepts()


def test_the_members_that_do_not_are_the_terms() -> None:
    terms = {"fingerprint", "reason", "added", "latest", "expires"}
    assert {*OTHERS, *terms} == {*entry().__struct_fields__}
    assert entry(reason="x", expires=date(2026, 1, 1)).fingerprint == entry().fingerprint


@pytest.mark.parametrize("name", ["added", "latest"])
def test_the_days_that_it_was_written_with_make_another_fingerprint_and_accept_the_same(name: str) -> None:
    other = entry(**{name: DAY + timedelta(days=1)})
    assert other.fingerprint != entry().fingerprint
    assert other.accepts() == entry().accepts()


@pytest.mark.parametrize(
    ("days", "message"),
    [
        ({"latest": DAY + timedelta(days=365)}, None),
        ({"latest": DAY + timedelta(days=366)}, "it runs for more than 365 days"),
        (
            {"added": DAY + timedelta(days=2), "latest": DAY + timedelta(days=9), "expires": DAY + timedelta(days=9)},
            "lies ahead",
        ),
        ({"expires": DAY - timedelta(days=1)}, "before it was added"),
        ({"expires": DAY + timedelta(days=1)}, f"and was written to end on {DAY}"),
    ],
)
def test_days_that_cannot_be_are_refused_whoever_made_the_fingerprint(
    days: dict[str, date], message: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "b.yaml"
    path.write_text(baseline_text([entry(**days)]), encoding="utf-8")
    if message is None:
        assert read_baseline(path, DAY).entries
        return
    with pytest.raises(InputError, match=message):
        read_baseline(path, DAY)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (5, 5.0, True),
        (1, True, False),
        ("1", 1, False),
        (["a", "b"], ["b", "a"], False),
        (5, 6, False),
        (0, False, False),
    ],
)
def test_values_are_compared_as_those_of_facts(one: Any, other: Any, same: bool) -> None:
    first, second = entry(facts={"f": one}), entry(facts={"f": other})
    assert (first.fingerprint == second.fingerprint) is same


#: Quotes, colons, U+2028, what is beyond the basic plane; control characters no workload file lets in, but line breaks.
_texts = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=40),
    st.sampled_from(["a\nb", "a\tb", " a ", "\ufeffa"]),
)
_values = st.one_of(
    st.booleans(),
    st.integers(-(2**53) + 1, 2**53 - 1),
    st.sampled_from([1e22, 1e-7, 1.5e300, 0.1, -0.0]),
    st.floats(allow_nan=False, allow_infinity=False, width=64),
    _texts,
    st.lists(_texts, max_size=3),
    st.sampled_from(
        ["null", "~", "yes", "No", "on", "0o17", "1e5", "1_000", "2026-11-29", "12:30", "-", "? a", "# b", "="]
    ),
)


@settings(max_examples=60, deadline=None)
@given(facts=st.dictionaries(_texts, _values, max_size=4), reason=_texts, task=_texts)
def test_what_is_written_is_read_and_other_programs_read_the_same(
    tmp_path_factory: pytest.TempPathFactory, facts: dict[str, Any], reason: str, task: str
) -> None:
    made = entry(facts=facts, reason=reason, task=task)
    text = baseline_text([made])
    path: Path = tmp_path_factory.getbasetemp() / "baseline.yaml"
    path.write_bytes(text.encode())
    (read,) = read_baseline(path, DAY).entries
    assert read == made
    ours = load_yaml(text, "b.yaml")[0].value["findings"][0].get("facts")
    assert yaml.safe_load(text)["findings"][0].get("facts") == ours


def test_ten_thousand_entries_are_no_matter(tmp_path: Path) -> None:
    """Far beyond what a workload file may hold: this one is not one."""
    path = tmp_path / "b.yaml"
    some = [entry(workload=f"w{number}", facts={"team.ml_engineers": number}) for number in range(2500)]
    path.write_text(baseline_text(some), encoding="utf-8")
    assert path.stat().st_size > 1024 * 1024
    assert read_baseline(path, DAY).entries == tuple(some)
    assert replace(some[0], reason="x").fingerprint == some[0].fingerprint
