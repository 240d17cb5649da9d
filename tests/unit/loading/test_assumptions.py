"""`assumptions.yaml`: laid over one another, checked with their places, and no part of the policy."""

from __future__ import annotations

from pathlib import Path

import pytest

from policy_engine.errors import InputError, RulesError
from policy_engine.lint_registers import register_findings
from policy_engine.loading.assumptions import assumptions_digest, read_assumptions
from policy_engine.loading.policy import Policy, load_policy
from policy_engine.model.ranges import Range

ENTRY = "assumptions:\n  power_usd_per_kwh: {low: 0.1, central: 0.2, high: 0.3, source: project}\n"


@pytest.fixture(scope="module")
def shipped() -> Policy:
    return load_policy()


def layer(folder: Path, text: str, **more: str) -> Path:
    root = folder / "acme"
    root.mkdir()
    (root / "assumptions.yaml").write_text(text, encoding="utf-8")
    for name, content in more.items():
        (root / f"{name}.yaml").write_text(content, encoding="utf-8")
    return root


def test_every_shipped_range_is_in_order_and_says_who_says_so(shipped: Policy) -> None:
    found = read_assumptions((), shipped)
    assert len(found) == 24
    for each in found.values():
        assert each.range.low <= each.range.central <= each.range.high
        assert each.criterion in shipped.rules.criteria
        assert each.source in {*shipped.rules.sources, "project"}
        assert each.meaning.endswith(".")
        assert each.unit


def test_what_the_rules_know_too_is_read_from_them(shipped: Policy) -> None:
    found = read_assumptions((), shipped)
    assert found["self_run_engineers"].range == Range(1.0, 1.5, 2.0)
    assert found["decode_reached"].range == Range(0.55, 0.7, 0.85)
    assert found["migration_weeks"].range == Range(4.0, 6.0, 8.0)


def test_a_layer_replaces_a_range_and_the_policy_is_the_same(shipped: Policy, tmp_path: Path) -> None:
    root = layer(tmp_path, ENTRY)
    policy = load_policy((root,))
    assert policy.digest == shipped.digest
    found, before = read_assumptions((root,), policy), read_assumptions((), shipped)
    assert found["power_usd_per_kwh"].range == Range(0.1, 0.2, 0.3)
    assert found["power_usd_per_kwh"].meaning == before["power_usd_per_kwh"].meaning
    assert {name for name in found if found[name] != before[name]} == {"power_usd_per_kwh"}
    assert assumptions_digest(found) != assumptions_digest(before)


def test_a_policy_that_prices_engineers_is_believed(tmp_path: Path) -> None:
    parameter = (
        "parameters:\n  engineer_usd_per_month:\n    {value: 9500.0, type: double, unit: USD/month,"
        " meaning: ours, criterion: COST-08, source: project}\n"
    )
    root = layer(tmp_path, ENTRY, parameters=parameter)
    found = read_assumptions((root,), load_policy((root,)))["engineer_usd_per_month"]
    assert (found.range, found.source) == (Range(9500, 9500, 9500), "parameter engineer_usd_per_month")


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("assumptions:\n  power_usd_per_kw: {value: 1}\n", (2, 3), "nothing is reckoned with `power_usd_per_kw`"),
        ("assumptions:\n  peak_share: {value: 0}\n", (2, 23), "`peak_share` must be above 0 ratio"),
        ("assumptions:\n  peak_share: {value: 1.2}\n", (2, 23), "`peak_share` lies between 0 and 1 ratio"),
        ("assumptions:\n  peak_share: {low: 0.5, central: 0.4, high: 0.6}\n", (2, 21), "in that order"),
        ("assumptions:\n  peak_share: {low: 0.5, high: 0.6}\n", (2, 15), "`central` is missing"),
        ("assumptions:\n  peak_share: {value: .nan}\n", (2, 23), "not-a-number are not values here"),
        ("assumptions:\n  peak_share: {value: true}\n", (2, 23), "`value` must be a number"),
        ("assumptions:\n  spare_replicas: {value: 0.5}\n", (2, 27), "whole replicas"),
        ("assumptions:\n  peak_share: {value: 0.5, unit: percent}\n", (2, 34), "is in ratio, and not in percent"),
        ("assumptions:\n  peak_share: {value: 0.5, source: s9}\n", (2, 36), "`s9` is not a source here"),
        ("assumptions:\n  peak_share: {value: 0.5, criterion: COST-99}\n", (2, 39), "`COST-99` is not a criterion"),
        ("assumptions:\n  peak_share: {value: 0.5, max: 1}\n", (2, 28), "`max` is not a key here"),
        ("assumptions:\n  peak_share: {parameters: [a, b]}\n", (2, 28), "two parameters that are numbers"),
        ("assumptions:\n  peak_share: {low: 0.5, central: 0.6, high: 1.6}\n", (2, 46), "lies between 0 and 1 ratio"),
        ("assumptions:\n  peak_share: {low: 0.5, central: 0.6, high: 0.4}\n", (2, 46), "in that order"),
        ("assumptions:\n  peak_share: {low: 0.5, central: 0.6, high: 0.7, value: 1}\n", (2, 51), "is said twice"),
        ("assumptions:\n  peak_share: {value: 0.5, parameters: []}\n", (2, 28), "is said twice"),
        ("assumptions:\n  peak_share: {parameters: []}\n", (2, 28), "two parameters that are numbers"),
        ("assumptions:\n  peak_share: {value: 0.5, lowers_cost: true}\n", (2, 28), "`lowers_cost` is not a key here"),
        ("assumptions:\n  peak_share: {value: 0.5, replaced_by: x}\n", (2, 28), "`replaced_by` is not a key here"),
        ("assumptions:\n  peak_share: {value: 1.0e-7}\n", (2, 23), "must be above 0 ratio: 0.000001 at least"),
        ("assumptions:\n  hours_per_month: {value: 0.5}\n", (2, 28), "above 0 hours/month: 1 at least"),
        (
            "assumptions:\n  hardware_life_months: {parameters: [engineer_usd_per_month, engineer_usd_per_month]}\n",
            (2, 38),
            "`hardware_life_months` lies between 1 and 1,200 months",
        ),
        ("assumption: {}\n", (1, 1), "`assumption` is not a key here"),
    ],
)
def test_a_wrong_file_is_an_error_with_its_place(
    shipped: Policy, tmp_path: Path, text: str, place: tuple[int, int], says: str
) -> None:
    root = layer(tmp_path, text)
    with pytest.raises(RulesError) as caught:
        read_assumptions((root,), shipped)
    first = caught.value.problems[0]
    assert says in first.message
    assert first.span is not None
    assert first.span.file.endswith("assumptions.yaml")
    assert (first.span.line, first.span.column) == place


def test_a_file_of_its_own_may_name_any_source(shipped: Policy, tmp_path: Path) -> None:
    path = tmp_path / "ours.yaml"
    path.write_text("assumptions:\n  power_usd_per_kwh: {value: 0.12, source: contract 17}\n", encoding="utf-8")
    found = read_assumptions((), shipped, path)["power_usd_per_kwh"]
    assert (found.range, found.source) == (Range(0.12, 0.12, 0.12), "contract 17")
    with pytest.raises(InputError):
        read_assumptions((), shipped, tmp_path / "none.yaml")


def test_lint_names_a_wrong_file_before_anybody_asks_for_costs(shipped: Policy, tmp_path: Path) -> None:
    root = layer(tmp_path, "assumptions:\n  peak_share: {value: 2}\n")
    policy = load_policy((root,))
    assert policy.digest == shipped.digest
    found = [(grade, problem.code) for grade, problem in register_findings(policy, (root,))]
    assert ("error", "bad-range") in found
    assert all(code != "bad-range" for _, problem in register_findings(shipped, ()) for code in [problem.code])


def test_a_parameter_that_a_range_is_read_from_has_its_bounds_too(tmp_path: Path) -> None:
    parameters = "parameters:\n  self_hosting_engineers_max: {value: 2.0}\n  decode_reached_low: {value: 0.0}\n"
    root = layer(tmp_path, ENTRY, parameters=parameters)
    with pytest.raises(RulesError) as caught:
        read_assumptions((root,), load_policy((root,)))
    (problem,) = caught.value.problems
    assert "`decode_reached` must be above 0 ratio" in problem.message
    assert problem.span is not None
    assert (problem.span.file.rpartition("/")[2], problem.span.line) == ("parameters.yaml", 3)


def test_a_price_of_engineers_beyond_all_bounds_is_refused_where_it_stands(tmp_path: Path) -> None:
    root = layer(tmp_path, ENTRY, parameters="parameters:\n  engineer_usd_per_month: {value: 1.0e+15}\n")
    with pytest.raises(RulesError) as caught:
        read_assumptions((root,), load_policy((root,)))
    (problem,) = caught.value.problems
    assert "`engineer_usd_per_month` lies between" in problem.message
    assert problem.span is not None
    assert (problem.span.file.rpartition("/")[2], problem.span.line) == ("parameters.yaml", 2)


ENGINEER = "assumptions: {engineer_usd_per_month: {value: 9000}}\n"
PRICED = "parameters: {engineer_usd_per_month: {value: 30000.0}}\n"


@pytest.mark.parametrize(
    ("files", "usd"),
    [
        (({"assumptions": ENGINEER}, {"parameters": PRICED}), 30_000),
        (({"parameters": PRICED}, {"assumptions": ENGINEER}), 9_000),
        (({"parameters": PRICED, "assumptions": ENGINEER},), 9_000),
        (({"parameters": PRICED}, {}), 30_000),
    ],
)
def test_of_a_parameter_and_an_assumption_the_later_layer_counts(
    tmp_path: Path, files: tuple[dict[str, str], ...], usd: float
) -> None:
    roots = []
    for number, each in enumerate(files):
        root = tmp_path / f"layer{number}"
        root.mkdir()
        (root / "assumptions.yaml").write_text(ENTRY, encoding="utf-8")
        for name, text in each.items():
            (root / f"{name}.yaml").write_text(text, encoding="utf-8")
        roots.append(root)
    assert read_assumptions(roots, load_policy(roots))["engineer_usd_per_month"].range.central == usd


def test_lint_names_a_parameter_that_no_range_may_be_read_from(tmp_path: Path) -> None:
    root = layer(tmp_path, ENTRY, parameters="parameters:\n  decode_reached_low: {value: 0.0}\n")
    found = [problem for _, problem in register_findings(load_policy((root,)), (root,)) if problem.code == "bad-range"]
    assert [(problem.span.line if problem.span else None) for problem in found] == [2]
