"""`policy cost`: a workload worked out by hand, what is unknown, what is refused, and that nothing is decided."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
import yaml

from policy_engine.model.ranges import ENDS
from tests.unit.cli.cost_scene import Run, cost, exact, line, only, written
from tests.unit.cli.given import AT, EXAMPLES, ROUTER


@pytest.mark.parametrize(
    ("option", "model", "usd"), [("proprietary_api", "gpt-4o-mini", 135), ("open_batch", "qwen3-7b", 12)]
)
def test_the_articles_example_costs_what_it_says(
    policy: Run, tmp_path: Path, option: str, model: str, usd: float
) -> None:
    found = line(only(cost(policy, written(tmp_path))), option, model)
    assert found["usd_per_month"] == exact(usd)
    assert found["usd_per_month_by_part"] == {"tokens": exact(usd)}
    assert found["decision_usd_per_month"] == pytest.approx(usd)
    assert found["total_12_months_usd"] == exact(12 * usd)


def test_the_articles_own_figures_stand_beside_their_arithmetic(policy: Run, tmp_path: Path) -> None:
    found = {each["says"]: each for each in cost(policy, written(tmp_path))["articles"]}
    values = [(each["unit"], round(each["value"], 2), each["stated"]) for each in found.values()]
    assert values == [
        ("USD/month", 135.0, 135),
        ("USD/month", 12.0, 12),
        ("USD/million tokens", 12.6, None),
        ("tokens/month", 26666666666.67, None),
    ]


def a_month(end: int) -> dict[str, float]:
    """Work out by hand what llama-3.1-8b costs on rented A100 80GB for 600 M tokens: end 0 is low, 2 is high."""
    weights, cache_of_token, bandwidth, peak = 8.03e9 * 2, 131072, 2039e9, 312e12
    requests, per_request = (128, 32, 8)[end], (500, 2000, 8000)[end]
    decode_part, prefill_part, busy = (0.85, 0.7, 0.55)[end], (0.7, 0.5, 0.3)[end], (0.6, 0.4, 0.2)[end]
    engineers = (1 * 8000, 1.5 * 14000, 2 * 22000)[end]
    operations = (100 + 0.5 * 0, 300 + 2 * 100, 1000 + 8 * 1000)[end]
    step = bandwidth / (weights + requests * per_request * cache_of_token)
    answers = requests * step * decode_part
    reads = peak / (2 * 8.03e9) * prefill_part
    seconds = (500e6 / reads + 100e6 / answers) / busy
    replicas = max(1, math.ceil(seconds / (730.5 * 3600))) + (0, 1, 1)[end]
    machines = replicas * 730.5 * 1.00
    set_up = (1 * 8000, 2 * 14000, 4 * 22000)[end]
    monthly = engineers + operations + machines
    return {"monthly": monthly, "replicas": replicas, "machines": machines, "36": set_up + 36 * monthly}


def test_self_hosting_costs_what_a_hand_works_out(policy: Run, tmp_path: Path) -> None:
    found = line(only(cost(policy, written(tmp_path))), "self_hosted", "llama-3.1-8b", owned=False)
    assert "1 x NVIDIA A100-SXM4-80GB, rented" in found["paid_for"]
    for place, end in enumerate(ENDS):
        by_hand = a_month(place)
        assert found["replicas"][end] == by_hand["replicas"]
        assert found["usd_per_month_by_part"]["machines"][end] == pytest.approx(by_hand["machines"])
        assert found["usd_per_month"][end] == pytest.approx(by_hand["monthly"])
        assert found["total_36_months_usd"][end] == pytest.approx(by_hand["36"])


def test_bought_hardware_carries_power_space_and_its_part_of_the_price(policy: Run, tmp_path: Path) -> None:
    fixed = ("spare_replicas=0", "engineer_usd_per_month=10000", "self_run_engineers=1", "set_up_engineer_months=2")
    given = [word for each in fixed for word in ("--assume", each)]
    found = line(only(cost(policy, written(tmp_path), *given)), "self_hosted", "llama-3.1-8b", owned=True)
    # one A100 of 400 W at 20,000 USD, the middle of 30,000 / 2 and 200,000 / 8; its host takes 35 % more
    kw = 0.4 * 1.35
    power = kw * 0.6 * 1.4 * 730.5 * 0.15
    assert found["usd_per_month_by_part"]["machines"]["central"] == pytest.approx(20_000 / 48 + 20_000 * 0.06 / 12)
    assert found["usd_per_month_by_part"]["power_and_space"]["central"] == pytest.approx(power + kw * 150)
    running = 10_000 + 300 + 200 + power + kw * 150 + 100
    assert found["total_12_months_usd"]["central"] == pytest.approx(2 * 10_000 + 20_000 + 12 * running)
    assert found["at_least"] is True


def test_a_break_even_that_is_stated_is_one(policy: Run, tmp_path: Path) -> None:
    """At the volume where it is said to pay, the two monthly costs are the same; twice the volume, and it saves."""
    task = only(cost(policy, written(tmp_path)))
    (even,) = (
        each["break_even_tokens_per_month"]
        for each in task["against_apis"]
        if each["api"]["model"] == "claude-3.5-sonnet" and each["own"]["owned"] is False
    )
    for factor, sign in ((1.0, 0), (2.0, 1), (0.5, -1)):
        tokens = even["central"] * factor
        volume = f"volume: {{input_tokens_per_month: {tokens * 5 / 6:.0f}, output_tokens_per_month: {tokens / 6:.0f}}}"
        at = only(cost(policy, written(tmp_path, "at", volume)))
        bill = line(at, "proprietary_api", "claude-3.5-sonnet")["usd_per_month"]["central"]
        own = line(at, "self_hosted", task["against_apis"][0]["own"]["model"], owned=False)["usd_per_month"]["central"]
        if sign == 0:
            assert bill == pytest.approx(own, rel=1e-6)
        else:
            assert (bill - own) * sign > 0


def test_without_a_volume_prices_and_break_even_stand_and_no_month_does(policy: Run, tmp_path: Path) -> None:
    file = written(tmp_path, volume="volume: {input_tokens_per_month: null}")
    task = only(cost(policy, file))
    assert task["to_state"] == ["volume.input_tokens_per_month", "volume.output_tokens_per_month"]
    mini = line(task, "proprietary_api", "gpt-4o-mini")
    assert (mini["usd_per_month"], mini["unknown"]) == (None, "the volume is not stated")
    assert mini["prompt_usd_per_million_tokens"] == exact(0.15)
    assert all(each["payback_months"] is None for each in task["against_apis"])
    assert any(each["break_even_tokens_per_month"]["central"] for each in task["against_apis"])
    shown = " ".join(policy("cost", file, *AT).out.split())
    assert "monthly costs need what the file does not state: volume.input_tokens_per_month" in shown


def test_a_model_without_a_price_is_unknown_and_not_free(policy: Run, tmp_path: Path) -> None:
    task = only(cost(policy, written(tmp_path)))
    found = line(task, "proprietary_api", "o3")
    assert (found["usd_per_month"], found["unknown"]) == (None, "no source states a price")
    assert found["total_36_months_usd"] is None
    assert "o3" not in {each["api"]["model"] for each in task["against_apis"]}


def test_what_is_ruled_out_is_shown_at_its_price_with_the_reason(policy: Run, tmp_path: Path) -> None:
    task = only(cost(policy, written(tmp_path, batch="false")))
    (batch,) = (each for each in task["options"] if each["deployment"] == "open_batch")
    assert (batch["status"], batch["rules"]) == ("forbidden", ["real-time-work-excludes-batch"])
    assert line(task, "open_batch", "qwen3-7b")["usd_per_month"] == exact(12)


def test_the_sides_of_a_disputed_price_are_its_range(policy: Run, tmp_path: Path) -> None:
    found = line(only(cost(policy, written(tmp_path))), "proprietary_api", "gpt-4o")["usd_per_month"]
    # 2.50 and 10.00 by s0 and s2, 10.00 and 30.00 by s1, which is the newest
    assert found == pytest.approx({"low": 2250.0, "central": 8000.0, "high": 8000.0})


def test_prices_are_those_of_the_day(policy: Run, tmp_path: Path) -> None:
    found = policy("cost", written(tmp_path), "--at", "2025-03-01", "-o", "json").json
    assert line(only(found), "proprietary_api", "gpt-4o")["usd_per_month"]["central"] == pytest.approx(2250)


def test_thresholds_of_the_articles_stand_beside_what_it_is_here(policy: Run, tmp_path: Path) -> None:
    found = only(cost(policy, written(tmp_path)))["thresholds"]
    says = {(each["source"], each["unit"]): each["says"] for each in found}
    assert says[("s2", "tokens/month")] == [304_375_000]
    assert says[("s0", "USD/month of API spend")] == [5000]
    own = [each for each in found if each["unit"] == "tokens/month" and each["criterion"] != "COST-04"]
    assert {each["comparison"] for each in own} == {"later here"}
    # what s1 says is of open models, and qwen3-7b by the batch costs less than gpt-4o from the first token
    (s1,) = (each for each in found if each["criterion"] == "COST-04")
    assert (s1["what"], s1["says"]) == ("open models are favoured from", [5_000_000])
    assert (s1["here"]["high"], s1["comparison"]) == (0.0, "sooner here")
    assert s1["by"].endswith(("on open_api", "on open_batch"))
    cheap = ["--assume", "engineer_usd_per_month=0", "--assume", "self_run_engineers=0"]
    again = only(cost(policy, written(tmp_path), *cheap, "--assume", "spare_replicas=0"))["thresholds"]
    (s2,) = (each for each in again if each["criterion"] == "COST-06")
    assert s2["here"]["low"] < 304_375_000 < s2["here"]["high"]
    assert s2["comparison"] == "within the range here"


def test_a_plan_over_several_tasks_pays_people_once(policy: Run) -> None:
    (workload,) = cost(policy, str(ROUTER))["workloads"]
    plans = {plan["name"]: plan for plan in workload["plans"]}
    hybrid = plans["hybrid, as ranked"]
    routes = [(route["deployment"], route["model"]) for route in hybrid["routes"]]
    assert len({option for option, _ in routes}) > 1
    lines = [
        line(task, option, model, False if option == "self_hosted" else None)
        for task, (option, model) in zip(workload["tasks"], routes, strict=True)
    ]
    assert hybrid["usd_per_month"]["central"] == pytest.approx(sum(each["usd_per_month"]["central"] for each in lines))
    own = plans["all on self_hosted"]
    assert own["usd_per_month_by_part"]["engineers"]["central"] == 1.5 * 14_000
    alone = [line(t, "self_hosted", r["model"], False) for t, r in zip(workload["tasks"], own["routes"], strict=True)]
    assert own["usd_per_month"]["central"] < sum(each["usd_per_month"]["central"] for each in alone) - 3 * 21_000
    assert plans["all on open_batch"]["status"] == "forbidden"


def test_assumptions_come_from_the_command_line_last(policy: Run, tmp_path: Path) -> None:
    file = tmp_path / "ours.yaml"
    file.write_text("assumptions: {monitoring_usd_per_month: {value: 5}, edge_engineers: {value: 1}}", encoding="utf-8")
    given = ("--assumptions", str(file), "--assume", "monitoring_usd_per_month=1:2:3")
    found = cost(policy, written(tmp_path), *given)["assumptions"]
    entries = {each["name"]: each for each in found["entries"]}
    assert [entries["monitoring_usd_per_month"][end] for end in (*ENDS, "source")] == [1, 2, 3, "--assume"]
    assert entries["edge_engineers"]["source"] == str(file)
    assert found["digest"] != cost(policy, written(tmp_path))["assumptions"]["digest"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("peak_shar=0.5", "nothing is reckoned with `peak_shar`"),
        ("peak_share", "`peak_share` sets nothing"),
        ("peak_share=half", "it is no number, nor three with colons between"),
        ("peak_share=0.2:0.4", "it is no number, nor three with colons between"),
        ("peak_share=0.4:0.2:0.6", "in that order"),
        ("peak_share=nan", "in that order"),
        ("engineer_usd_per_month=1e999", "in that order"),
        ("hours_per_month=200:400:700", "is one number"),
        ("peak_share=0", "must be above 0 ratio"),
        ("peak_share=1e-30", "must be above 0 ratio: 0.000001 at least"),
        ("decode_reached=1e-320", "must be above 0 ratio"),
        ("prefill_reached=5e-324", "must be above 0 ratio"),
        ("hours_per_month=1e-320", "must be above 0 hours/month: 1 at least"),
    ],
)
def test_a_wrong_assumption_is_refused(policy: Run, tmp_path: Path, given: str, says: str) -> None:
    found = policy("cost", written(tmp_path), "--assume", given)
    assert (found.status, found.out) == (2, "")
    assert says in " ".join(found.err.split())


def test_the_least_and_the_most_of_all_assumptions_are_worked_out(policy: Run, tmp_path: Path) -> None:
    """Each number at its bounds, all at once: what comes out is a number, or `never`."""
    entries = cost(policy, written(tmp_path))["assumptions"]["entries"]
    least = {"ratio": 1e-6, "hours/month": 1}
    most = {"ratio": 1, "hours/month": 744, "months": 1200, "requests": 1e6, "tokens": 1e9, "replicas": 1000}
    most |= {"W/W": 100, "W/W of all": 10}
    for bounds, other in ((least, 1), (most, 1e6)):
        given = [word for e in entries for word in ("--assume", f"{e['name']}={bounds.get(e['unit'], other)}")]
        assert policy("cost", written(tmp_path), *AT, *given).status == 0


def test_several_workloads_are_all_answered_and_a_picture_is_of_one(policy: Run, tmp_path: Path) -> None:
    both = tmp_path / "both.yaml"
    texts = [Path(written(tmp_path, name)).read_text(encoding="utf-8") for name in ("one", "two")]
    both.write_text("---\n".join(texts), encoding="utf-8")
    assert [each["workload"] for each in cost(policy, str(both))["workloads"]] == ["default/one", "default/two"]
    assert len(cost(policy, str(both), "--workload", "two")["workloads"]) == 1
    found = policy("cost", str(both), "--plot", str(tmp_path / "a.svg"))
    assert found.status == 2
    assert "give --workload: default/one, default/two" in " ".join(found.err.split())
    assert policy("cost", str(both), "--workload", "three").status == 2
    assert not (tmp_path / "a.svg").exists()


def test_nothing_is_decided_and_nothing_recorded(policy: Run, tmp_path: Path) -> None:
    document = cost(policy, written(tmp_path))
    assert "not a decision" in document["note"]
    assert "verdict" not in str(document)
    assert not list(tmp_path.rglob("ledger*"))
    shown = policy("cost", written(tmp_path), *AT).out
    assert "verdict" not in shown
    assert "not a decision, and not recorded" in " ".join(shown.split())


def test_the_readmes_sample_is_what_its_workload_costs(policy: Run, tmp_path: Path) -> None:
    document = (EXAMPLES.parent / "README.md").read_text(encoding="utf-8")
    workload = re.search(r"```yaml\n(apiVersion.*?)```", document, re.DOTALL)
    sample = re.search(r"```text\n(When self_hosted .*?)```", document, re.DOTALL)
    assert workload
    assert sample
    (tmp_path / "triage.yaml").write_text(workload[1], encoding="utf-8")
    assert sample[1] in policy("cost", str(tmp_path / "triage.yaml"), *AT).out


@pytest.mark.parametrize("name", ["support-tickets", "edge-inspection"])
def test_every_form_says_the_same_of_an_example(policy: Run, name: str) -> None:
    file = str(EXAMPLES / f"{name}.yaml")
    document = cost(policy, file)
    assert yaml.safe_load(policy("cost", file, *AT, "-o", "yaml").out) == document
    for task in document["workloads"][0]["tasks"]:
        for each in (each for option in task["options"] for each in option["lines"]):
            month = each["usd_per_month"]
            assert month is None or 0 <= month["low"] <= month["central"] <= month["high"]
            assert (month is None) == (each["unknown"] is not None)
            if month is not None and each["decision_usd_per_month"] is not None and not each["owned"]:
                assert month["high"] >= each["decision_usd_per_month"] * (1 - 1e-9)
    text, marked = policy("cost", file, *AT).out, policy("cost", file, *AT, "-o", "markdown").out
    assert max(map(len, text.splitlines())) <= 80
    for title in ("Total cost of ownership, USD", "What the articles say, and what it is here", "How to read it"):
        assert (title in text) == (f"### {title}" in marked)


@pytest.mark.parametrize("kind", ["volume", "options"])
def test_a_picture_is_drawn_or_said_to_be_impossible(policy: Run, tmp_path: Path, kind: str) -> None:
    picture = tmp_path / "cost.svg"
    assert policy("cost", written(tmp_path), *AT, "--plot", str(picture), "--plot-kind", kind).status == 0
    assert picture.read_text(encoding="utf-8").startswith("<?xml")
    picture.unlink()
    silent = written(tmp_path, "silent", volume="volume: {}")
    found = policy("cost", silent, *AT, "--plot", str(picture), "--plot-kind", kind)
    assert (found.status, picture.exists()) == ((0, True) if kind == "volume" else (2, False))
