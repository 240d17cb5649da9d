"""`policy catalog disputes`: arithmetic by hand, and figures of layers that change it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from policy_engine.browsing.reckoned import money

ROOT = Path(__file__).resolve().parents[3]
AT = ("--at", "2026-11-22T09:00:00Z")
Run = Callable[..., Any]


def dispute(policy: Run, name: str, *arguments: str) -> dict[str, Any]:
    found = policy("catalog", "disputes", name, *(arguments or AT), "-o", "json")
    assert (found.status, found.err) == (0, "")
    (only,) = found.json["disputes"]
    return dict(only)


def steps(found: dict[str, Any], unit: str) -> list[float]:
    return [each["value"] for each in found["arithmetic"] if each["unit"] == unit]


def layer(folder: Path, file: str, **sections: Any) -> tuple[str, str]:
    path = folder / "ours" / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(sections), encoding="utf-8")
    return "--policy", str(folder / "ours")


#: By dispute and unit: what it comes to, by hand from the articles' figures.
BY_HAND: dict[tuple[str, str], list[float]] = {
    # (3 x 2.50 + 10) / 4, (3 x 10 + 30) / 4
    ("DISPUTE-01", "USD per million tokens"): [4.375, 15],
    ("DISPUTE-02", "USD per million tokens"): [0.625, 0.64],
    # 5 and 10 million a month; 5,000 USD at 4.375 and 15 USD a million; 10 million a day for 365.25/12 days
    ("DISPUTE-03", "tokens/month"): [5e6, 1e7, 5000 / 4.375 * 1e6, 5000 / 15 * 1e6, 304_375_000],
    ("DISPUTE-03", "times"): [5000 / 4.375 / 5],
    ("DISPUTE-05", "USD/month"): [1461, 730.5],
    ("DISPUTE-06", "GB"): [811.706, 811.706],
    ("DISPUTE-07", "tokens/s"): [44.1],
    # 2 / 158,760 x 10^6 = 12.598
    ("DISPUTE-07", "USD per million tokens"): [12.59763],
    ("DISPUTE-07", "times"): [1.259763, 0.419921, 0.0419921],
    ("DISPUTE-08", "tokens/month"): [4000 / 0.15 * 1e6],
    ("DISPUTE-08", "tokens/s"): [10_140.1],
    ("DISPUTE-09", "percentage points"): [0, 1.2, 1.3],
    ("DISPUTE-10", "USD"): [12],
    ("DISPUTE-11", "USD/month"): [1461, 1461, 4000, 2000],
    ("DISPUTE-13", "times"): [2, 2],
    ("DISPUTE-14", "GB"): [16.06, 141.108, 141.108],
    ("DISPUTE-15", "models"): [8, 12, 1, 6],
}


def test_the_arithmetic_is_that_by_hand(policy: Run) -> None:
    document = policy("catalog", "disputes", *AT, "-o", "json").json
    found = {each["id"]: each for each in document["disputes"]}
    for (name, unit), expected in BY_HAND.items():
        got = steps(found[name], unit)
        assert sorted(got) == pytest.approx(sorted(expected), rel=1e-5), (name, unit)
    for name in ("DISPUTE-04", "DISPUTE-12"):
        assert found[name]["arithmetic"] == []


def test_every_dispute_of_the_register_is_there_with_both_sides(policy: Run) -> None:
    register = yaml.safe_load((ROOT / "rules" / "disputes.yaml").read_text(encoding="utf-8"))["disputes"]
    document = policy("catalog", "disputes", *AT, "-o", "json").json
    assert [(each["id"], each["about"], each["sides"]) for each in document["disputes"]] == [
        (each["id"], each["about"], each["sides"]) for each in register
    ]
    for step in (step for each in document["disputes"] for step in each["arithmetic"]):
        assert step["unit"]
        assert step["rests_on"]


def test_what_fits_eight_a100_is_said_at_each_precision(policy: Run) -> None:
    out = " ".join(policy("catalog", "disputes", "DISPUTE-06", *AT).out.split())
    assert (
        "8 x 80 = 640 GB; of the weights of llama-3.1-405b 811.7 GB at bf16 does not fit, 405.9 GB at fp8 fits" in out
    )
    assert "405.853 billion x 2 bytes = 811.7 GB" in out


def test_which_figure_counts_goes_by_the_day(policy: Run) -> None:
    for day, counts in (("2024-12-20", "gpt-4o.s2"), ("2025-12-31", "gpt-4o.s0"), ("2026-01-01", "gpt-4o.s1")):
        (prices,) = dispute(policy, "DISPUTE-01", "--at", day)["figures"]
        assert prices["counts"] == counts
    (prices,) = dispute(policy, "DISPUTE-01", "--at", "2024-12-14")["figures"]
    assert prices["counts"] is None
    assert {each["standing"] for each in prices["standings"]} == {"not_yet"}
    # no decision reads a price by the token of own hardware, nor a bill of self-hosting at large
    unused = dispute(policy, "DISPUTE-08")["figures"]
    assert {each["standing"] for thing in unused for each in thing["standings"]} == {"unused"}
    # what had no price yet is not reckoned with
    assert steps(dispute(policy, "DISPUTE-07", "--at", "2025-12-31"), "times") == pytest.approx([1.259763, 0.0419921])
    assert len(steps(dispute(policy, "DISPUTE-03", "--at", "2025-12-31"), "tokens/month")) == 4


def test_the_rules_and_parameters_that_rest_on_it_are_named(policy: Run) -> None:
    rules = {each["id"]: each["why"] for each in dispute(policy, "DISPUTE-03")["rules"]}
    assert rules["self-hosting-payback"] == "reads param.payback_tokens_per_month"
    named = {each["id"] for each in dispute(policy, "DISPUTE-15")["rules"]}
    texts = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "rules").glob("*/*.yaml")}
    assert named == {name for name, text in texts.items() if re.search(r"^disputes: .*DISPUTE-15", text, re.M)}
    about = {each["id"] for each in dispute(policy, "DISPUTE-12")["rules"]}
    assert {"data-stays-in-network", "no-mlops-no-self-hosting"} <= about
    assert "low-api-spend-favours-api" in {each["id"] for each in dispute(policy, "DISPUTE-01")["rules"]}
    parameters = {each["name"]: each for each in dispute(policy, "DISPUTE-13")["parameters"]}
    assert parameters["ml_engineers_min"]["others"][0] == {"source": "s1", "value": 2, "says": "two ML engineers"}


def test_a_layers_figure_changes_the_result(policy: Run, tmp_path: Path) -> None:
    """An H100 at 4 to 8 USD an hour for two: 2 to 4 for each, 12.60 to 25.20 a million tokens."""
    figure = {"gpu": "H100", "count": 2, "per": "hour", "usd": [4, 8], "source": "s3", "as_of": "2025-06-09"}
    ours = layer(tmp_path, "catalog/o.yaml", hosting_costs={"h100.s3": {**figure, "disputes": ["DISPUTE-07"]}})
    found = dispute(policy, "DISPUTE-07", *ours, *AT)
    assert steps(found, "USD per million tokens") == pytest.approx([3 / 158_760 * 1e6])
    assert "12.60 to 25.20 USD per million tokens" in found["arithmetic"][1]["says"]
    price = {"model": "llama-3-70b", "option": "self_hosted", "unit": "USD/1M tokens", "input": 0.3, "output": 0.3}
    own = {**price, "source": "s0", "as_of": "2025-01-01", "disputes": ["DISPUTE-08"]}
    ours = layer(tmp_path, "catalog/o.yaml", prices={"llama-3-70b.self-hosted.s0": own})
    assert steps(dispute(policy, "DISPUTE-08", *ours, *AT), "tokens/month") == pytest.approx([4000 / 0.3 * 1e6])


def test_history_the_future_and_other_sellers_are_no_sides(policy: Run, tmp_path: Path) -> None:
    """A vendor that changes its price does not disagree with itself, and neither does a host that has its own."""
    price = {"model": "gpt-4o", "option": "proprietary_api", "unit": "USD/1M tokens", "disputes": ["DISPUTE-01"]}
    host = {**price, "source": "litellm", "as_of": "2026-02-01"}
    vendor = {**host, "provider": "openai"}
    prices = {
        "old": {**vendor, "input": 5, "output": 15, "valid_to": "2026-10-31"},
        "now": {**vendor, "input": 2.5, "output": 10, "valid_from": "2026-11-01", "as_of": "2026-11-01"},
        "next": {**vendor, "input": 1, "output": 1, "valid_from": "2027-01-01"},
        "azure": {**host, "provider": "azure", "input": 3, "output": 12},
    }
    azure = {"options": ["proprietary_api"], "serves": ["gpt-4o"], "source": "litellm", "as_of": "2026-02-01"}
    ours = layer(tmp_path, "catalog/o.yaml", prices=prices, providers={"azure": azure})
    for name, unit in (("DISPUTE-01", "USD per million tokens"), ("DISPUTE-03", "tokens/month")):
        found = dispute(policy, name, *ours, *AT)
        assert sorted(steps(found, unit)) == pytest.approx(sorted(BY_HAND[name, unit]), rel=1e-5)
    assert any("at the price of gpt-4o by s0" in each["says"] for each in found["arithmetic"])
    got = steps(dispute(policy, "DISPUTE-07", *ours, *AT), "times")
    assert sorted(got) == pytest.approx(sorted(BY_HAND["DISPUTE-07", "times"]), rel=1e-5)


def test_a_price_above_zero_is_never_shown_as_zero() -> None:
    assert [money(each) for each in (0, 1e-7, 0.0042, 4.375, 0.1 + 0.2, 15.000001, 1234.5)] == [
        "0.00",
        "0.0000001",
        "0.0042",
        "4.375",
        "0.30",
        "15.00",
        "1,234",
    ]


def test_a_layers_parameter_that_contradicts_another_is_told(policy: Run, tmp_path: Path) -> None:
    other = {"id": "DISPUTE-03", "source": "s2", "value": 300_000_000, "says": "by a month of 30 days"}
    value = {"value": 10_000_000, "source": "s3", "disputes": [other]}
    ours = layer(tmp_path, "parameters.yaml", parameters={"payback_tokens_per_month": value})
    before = [each["says"] for each in dispute(policy, "DISPUTE-03")["arithmetic"]]
    after = [each["says"] for each in dispute(policy, "DISPUTE-03", *ours, *AT)["arithmetic"]]
    step, told = sorted(set(after) - set(before), reverse=True)
    assert step == "s3, layer ours: 10,000,000 tokens/month"
    assert "payback_tokens_per_month has 300,000,000 tokens/month for s2" in told
    assert "304,375,000" in told
    ours = layer(tmp_path, "parameters.yaml", parameters={"engineer_usd_per_month": {"value": 12000.0}})
    assert steps(dispute(policy, "DISPUTE-13", *ours, *AT), "USD/month") == [12000]
    assert steps(dispute(policy, "DISPUTE-13"), "USD/month") == [None]


def test_a_dispute_of_a_layer_is_reckoned_with_too(policy: Run, tmp_path: Path) -> None:
    sides = [{"sources": ["s0"], "says": "One."}, {"sources": ["s1"], "says": "Two."}]
    entry = {"id": "OURS-1", "about": "ours \u202e`x`", "sides": sides}
    layer(tmp_path, "disputes.yaml", disputes=[entry])
    price = {"model": "o3", "option": "proprietary_api", "unit": "USD/1M tokens", "disputes": ["OURS-1"]}
    ours = layer(
        tmp_path,
        "catalog/o.yaml",
        prices={
            "a": {**price, "input": 2, "output": 8, "source": "s0", "as_of": "2025-01-01"},
            "b": {**price, "input": 0, "output": 0, "source": "s1", "as_of": "2026-01-01"},
        },
    )
    found = dispute(policy, "OURS-1", *ours, *AT)
    assert steps(found, "USD per million tokens") == [0, 3.5]
    assert found["figures"][0]["counts"] == "b"
    out = policy("catalog", "disputes", "OURS-1", *ours, *AT).out
    assert "\u202e" not in out
    assert "ours \\`x\\`" not in policy("catalog", "disputes", *ours, *AT, "-o", "markdown").out


def test_the_readmes_sample_is_what_it_prints(policy: Run) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text[text.index("## Models, side by side") :]
    sample = re.search(r"```text\n(.*?)```", section, re.DOTALL)
    assert sample is not None
    out = policy("catalog", "disputes", "DISPUTE-07", *AT).out
    assert out.startswith(sample[1])


def test_what_is_not_in_the_register_is_refused_with_2(policy: Run) -> None:
    found = policy("catalog", "disputes", "DISPUTE-7")
    assert (found.status, found.out) == (2, "")
    assert "[unknown-name]" in found.err
    assert "did you mean `DISPUTE-0" in found.err


def test_every_format_says_the_same_and_the_text_fits_80_columns(policy: Run) -> None:
    for names in ((), ("DISPUTE-09", "DISPUTE-11")):
        asked = ("catalog", "disputes", *names, *AT)
        assert yaml.safe_load(policy(*asked, "-o", "yaml").out) == policy(*asked, "-o", "json").json
        out = policy(*asked).out
        assert max(map(len, out.splitlines())) <= 80
        assert "DISPUTE-11" in policy(*asked, "-o", "markdown").out
