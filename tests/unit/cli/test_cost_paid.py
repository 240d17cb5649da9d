"""What a workload pays for: moves, machines that it has, shares or prices itself, and requests of some length."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.unit.cli.cost_scene import VOLUME, Run, cost, exact, line, only, written
from tests.unit.cli.given import AT


def test_a_move_is_paid_once_and_only_where_something_moves(policy: Run, tmp_path: Path) -> None:
    replaced = "{from: {deployment: proprietary_api, model: gpt-4o-mini}}"
    for name, migration, on_mini, on_qwen in (
        ("moves", replaced, None, 6 / (365.25 / 12 / 7) * 14_000),
        ("new", "none", None, None),
        ("silent", "null", 6 / (365.25 / 12 / 7) * 14_000, 6 / (365.25 / 12 / 7) * 14_000),
    ):
        task = only(cost(policy, written(tmp_path, name, migration=migration)))
        for option, model, wanted in (("proprietary_api", "gpt-4o-mini", on_mini), ("open_batch", "qwen3-7b", on_qwen)):
            once = line(task, option, model)["once_usd"]
            if wanted is None:
                assert once == {}
            else:
                assert once["migration"]["central"] == pytest.approx(wanted)
                assert (once["migration"]["low"] == 0) is (name == "silent")
        # what is in use is what self-hosting is held against, else the policy's reference
        wanted_reference = "gpt-4o-mini" if name == "moves" else "gpt-4o"
        assert task["reference"] == {"deployment": "proprietary_api", "model": wanted_reference}


def test_what_both_ways_pay_once_is_no_part_of_the_investment(policy: Run, tmp_path: Path) -> None:
    file = written(tmp_path, migration="{from: {deployment: proprietary_api, model: gpt-4o}}")
    rows = [each for each in only(cost(policy, file))["against_apis"] if each["own"]["owned"] is False]
    invested = {each["api"]["model"]: each["invested_usd"] for each in rows}
    set_up = {"low": 8_000, "central": 28_000, "high": 88_000}
    assert invested["gpt-4o-mini"] == pytest.approx(set_up)
    assert invested["gpt-4o"]["central"] == pytest.approx(28_000 + 6 / (365.25 / 12 / 7) * 14_000)


def test_who_runs_models_already_sets_nothing_up(policy: Run, tmp_path: Path) -> None:
    file = written(tmp_path, migration="{from: {deployment: self_hosted, model: llama-3-8b}}")
    task = only(cost(policy, file))
    assert set(line(task, "self_hosted", "llama-3.1-8b", owned=False)["once_usd"]) == {"migration"}
    assert line(task, "self_hosted", "llama-3-8b", owned=False)["once_usd"] == {}


def test_requests_are_as_long_as_volume_and_number_say_and_never_longer_than_the_context(
    policy: Run, tmp_path: Path
) -> None:
    volume = VOLUME.replace("}", ", requests_per_day: 10000}")
    known = only(cost(policy, written(tmp_path, volume=volume)))["tokens_per_request"]
    assert known == exact(600e6 / (10_000 * 365.25 / 12))
    assumed = only(cost(policy, written(tmp_path), "--assume", "tokens_per_request=50000"))["tokens_per_request"]
    assert assumed == exact(8000)


def test_a_layers_price_of_hardware_counts_before_the_shipped_ones(policy: Run, tmp_path: Path) -> None:
    (tmp_path / "ours" / "catalog").mkdir(parents=True)
    entry = {"gpu": "NVIDIA A100-SXM4-80GB", "count": 4, "usd": 40000, "source": "register", "as_of": "2026-11-01"}
    text = yaml.safe_dump({"ownership_costs": {"a100.ours": entry}})
    (tmp_path / "ours" / "catalog" / "hosting.yaml").write_text(text, encoding="utf-8")
    task = only(cost(policy, written(tmp_path), "--policy", str(tmp_path / "ours")))
    found = line(task, "self_hosted", "llama-3.1-8b", owned=True)
    assert "bought at 10,000 USD" in found["paid_for"]


def test_a_cache_that_nobody_knows_is_not_free(policy: Run, tmp_path: Path) -> None:
    (tmp_path / "ours" / "catalog").mkdir(parents=True)
    entry = {"weights": "open", "licence": "apache-2.0", "modalities": ["text"], "context_tokens": 131072}
    entry |= {"params_b": 8.0, "source": "register", "as_of": "2026-11-01"}
    text = yaml.safe_dump({"models": {"ourmodel": entry}})
    (tmp_path / "ours" / "catalog" / "models.yaml").write_text(text, encoding="utf-8")
    layer = ("--policy", str(tmp_path / "ours"))
    task = only(cost(policy, written(tmp_path), *layer))
    ours, known = (line(task, "self_hosted", name, owned=False) for name in ("ourmodel", "llama-3.1-8b"))
    assert ours["at_least_because"] == ["the cache that each token takes is not known, and counts as nothing"]
    assert (ours["at_least"], known["at_least"], known["at_least_because"]) == (True, False, [])
    shown = " ".join(policy("cost", written(tmp_path), *AT, *layer, "--all").out.split())
    assert "at least, as the cache that each token takes is not known" in shown


def in_two(file: str) -> str:
    """Split the one task of a file into two alike."""
    path = Path(file)
    text = path.read_text(encoding="utf-8")
    start, end = text.index("    - {name: triage"), text.index("  data:")
    tasks = [text[start:end].replace("name: triage", f"name: {each}, share: 0.5") for each in ("one", "two")]
    path.write_text(text[:start] + "".join(tasks) + text[end:], encoding="utf-8")
    return file


def test_tasks_that_move_to_one_model_move_once_and_as_long_as_is_planned(policy: Run, tmp_path: Path) -> None:
    """Three weeks of one engineer at 14,000 USD a month, for both tasks together."""
    migration = "{from: {deployment: proprietary_api, model: gpt-4o}, weeks_planned: 3}"
    (workload,) = cost(policy, in_two(written(tmp_path, migration=migration)))["workloads"]
    moved = 3 / (365.25 / 12 / 7) * 14_000
    assert line(workload["tasks"][0], "open_api", "llama-3-70b")["once_usd"]["migration"]["central"] == pytest.approx(
        moved
    )
    (plan,) = (each for each in workload["plans"] if each["name"] == "all on open_api")
    assert plan["total_12_months_usd"]["central"] == pytest.approx(12 * plan["usd_per_month"]["central"] + moved)


def test_a_price_below_a_cent_is_not_shown_as_nothing(policy: Run, tmp_path: Path) -> None:
    (tmp_path / "ours" / "catalog").mkdir(parents=True)
    entry = {"model": "qwen3-14b", "option": "open_api", "unit": "USD/1M tokens", "source": "register"}
    entry |= {"input": 0.004, "output": 0.075, "as_of": "2026-11-22"}
    text = yaml.safe_dump({"prices": {"qwen3-14b.ours": entry}})
    (tmp_path / "ours" / "catalog" / "prices.yaml").write_text(text, encoding="utf-8")
    file = written(tmp_path, volume="volume: {input_tokens_per_month: 100000, output_tokens_per_month: 10000}")
    shown = policy("cost", file, *AT, "--policy", str(tmp_path / "ours")).out
    words = " ".join(shown.split())
    assert "*qwen3-14b <0.01 <0.01 <0.01" in words
    assert "0.004 and 0.075" in words


def test_tasks_with_one_model_share_its_machines(policy: Run, tmp_path: Path) -> None:
    (workload,) = cost(policy, in_two(written(tmp_path)))["workloads"]
    (plan,) = (each for each in workload["plans"] if each["name"] == "all on self_hosted")
    alone = [line(task, "self_hosted", "llama-3.1-8b", owned=False) for task in workload["tasks"]]
    assert [each["replicas"]["central"] for each in alone] == [2, 2]
    assert plan["usd_per_month_by_part"]["machines"]["central"] == pytest.approx(2 * 730.5)


@pytest.mark.parametrize(
    ("hardware", "paid_for", "owned"),
    [
        ("{gpus: [{name: A100 80GB, count: 1}], usd_per_hour: 1.5}", "the claimed hardware at 1.50 USD/hour", False),
        (
            "{gpus: [{name: A100 80GB, count: 1}]}",
            "the claimed 1 x NVIDIA A100-SXM4-80GB, bought at 15,000 to 25,000 USD",
            True,
        ),
        ("{gpus: [{name: H100, count: 1}]}", None, None),
    ],
)
def test_claimed_hardware_alone_is_priced_as_it_is_had(
    policy: Run, tmp_path: Path, hardware: str, paid_for: str | None, owned: bool | None
) -> None:
    file = written(tmp_path, volume=f"{VOLUME}\n  hardware: {hardware}")
    task = only(cost(policy, file))
    (lines,) = (each["lines"] for each in task["options"] if each["deployment"] == "self_hosted")
    (found,) = (each for each in lines if each["model"] == "llama-3.1-8b")
    assert (found["paid_for"], found["owned"]) == (paid_for, owned)
    if paid_for is None:
        assert "`hardware.usd_per_hour` is not stated" in found["unknown"]
        # nothing is known of self-hosting; what is said of open models holds for those of an API too
        assert [each["criterion"] for each in task["thresholds"]] == ["COST-04"]
    elif not owned:
        assert found["usd_per_month_by_part"]["machines"]["central"] == pytest.approx(2 * 730.5 * 1.5)
