"""What `policy cost` says as text and in pictures: few rows of many, and nothing left out without a word."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.unit.cli.cost_scene import Run, cost, only, written
from tests.unit.cli.given import AT, EXAMPLES

MANY = 40


def priced(folder: Path) -> tuple[str, str]:
    """Write a layer with so many closed models, each dearer than the one before."""
    (folder / "many" / "catalog").mkdir(parents=True)
    names = [f"priced-{number:02}" for number in range(MANY)]
    stated = {"source": "register", "as_of": "2026-11-01"}
    models = {name: {"weights": "closed", "vendor": "openai", **stated} for name in names}
    price = {"option": "proprietary_api", "unit": "USD/1M tokens", **stated}
    prices = {name: {"model": name, **price, "blended": 0.1 + place} for place, name in enumerate(names)}
    for file, section in (("models", models), ("prices", prices)):
        text = yaml.safe_dump({file: section})
        (folder / "many" / "catalog" / f"{file}.yaml").write_text(text, encoding="utf-8")
    return "--policy", str(folder / "many")


def compared(text: str) -> list[str]:
    """Return the APIs that rented machines are held against."""
    part = text.partition("rented pays")[2].partition("What the articles say")[0]
    return re.findall(r"proprietary_api (\S+)", part)


def test_of_many_apis_the_cheapest_the_named_one_and_the_reference_are_shown(policy: Run, tmp_path: Path) -> None:
    layer, file = priced(tmp_path), written(tmp_path)
    text = policy("cost", file, *AT, *layer).out
    found = compared(text)
    assert "gpt-4o" in found
    assert len(found) <= 8
    assert re.search(r"\d+ more with --all", text.partition("rented pays")[2])
    assert re.search(r"^ gpt-4o ", text, re.MULTILINE)
    everything = compared(policy("cost", file, *AT, *layer, "--all").out)
    assert len(everything) >= MANY
    assert len(only(cost(policy, file, *layer))["against_apis"]) >= 2 * MANY


def test_the_head_names_the_day_and_the_table_of_assumptions_stays_one(policy: Run, tmp_path: Path) -> None:
    text = policy("cost", written(tmp_path), *AT, "--assume", "engineer_usd_per_month=9000:12000:15000").out
    assert "prices of 2026-11-22\n" in text
    assert re.search(r"^ engineer_usd_per_month +9,000 +12,000 +15,000 +USD/month +--assume$", text, re.MULTILINE)


def test_the_consumer_device_of_a_decision_is_named_where_it_is_left_out(policy: Run, tmp_path: Path) -> None:
    words = " ".join(policy("cost", written(tmp_path), *AT).out.split())
    assert "a consumer device is no machine here, though a decision counts one" in words


def test_a_floor_is_said_to_be_one_in_every_table(policy: Run, tmp_path: Path) -> None:
    """The price to buy hardware is a floor: so are its totals and pay-back, and what it saves is at most that."""
    cheap = [word for name in ("engineer_usd_per_month", "downtime_usd_per_hour") for word in ("--assume", f"{name}=0")]
    file = written(tmp_path)
    text = policy("cost", file, *AT, *cheap).out
    assert re.search(r"^ self_hosted llama-3.1-8b, bought +[\d,]+\+ +[\d,]+\+ ", text, re.MULTILINE)
    part = " ".join(text.partition("bought pays")[2].partition("rented pays")[0].split())
    assert re.search(r"gpt-4o [\d.]+ M\+ [\d.]+ M\+ [\d.]+ \w+\+ saves at most [^;]* without the purchase, paid", part)
    assert "paid back after at least" in part
    for each in only(cost(policy, file, *cheap))["against_apis"]:
        owned = each["own"]["owned"]
        assert each["break_even_tokens_per_month"]["at_least"] is owned
        assert (each["saving_at_most"], each["payback_months"]["at_least"]) == (owned, owned)


@pytest.mark.parametrize("kind", ["volume", "options"])
def test_what_a_picture_cannot_draw_is_said_in_it(policy: Run, tmp_path: Path, kind: str) -> None:
    picture = tmp_path / "cost.svg"
    file = str(EXAMPLES / "migration.yaml") if kind == "options" else written(tmp_path, batch="false")
    assert policy("cost", file, *AT, "--plot", str(picture), "--plot-kind", kind).status == 0
    drawn = "\n".join(re.findall(r"<!-- (.*?) -->", picture.read_text(encoding="utf-8"), re.DOTALL)).split("\n")
    if kind == "options":
        plans = cost(policy, file)["workloads"][0]["plans"]
        assert {plan["name"] for plan in plans} <= {each.split(" (")[0] for each in drawn}
        assert drawn.count("unknown") == len([plan for plan in plans if plan["usd_per_month"] is None]) > 0
    else:
        assert "open_batch qwen3-7b (forbidden, not known to qualify)" in drawn
        assert "open_batch gemma-2-2b, which the engine names: cost unknown" in drawn
