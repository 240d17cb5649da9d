"""`policy catalog size`: what it prints, as agreed on, and what it refuses. UPDATE_GOLDEN=1 writes the texts anew."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = ROOT / "tests" / "golden" / "catalog"
AT = ("--at", "2026-11-22T09:00:00Z")
A100 = "NVIDIA A100-SXM4-80GB"
OWN = {"source": "register", "as_of": "2026-11-22"}
Run = Callable[..., Any]

#: Name -> arguments; the text is kept for each, and the shape of the JSON document for all.
CASES = {
    "all-types": ("llama-3.1-70b", "--quantization", "int8", "--context", "8000", "--concurrency", "16"),
    "all-types-all-quantizations": ("llama-3.1-8b",),
    "one-type": ("llama-3.1-405b", "--gpu", "A100 80GB", "--context", "4000"),
    "too-few": ("llama-3.1-405b", "--gpu", "A100 80GB", "--count", "8", "--quantization", "bf16"),
    "experts": ("deepseek-v3", "--gpu", "H200", "--quantization", "fp8", "--context", "32000", "--concurrency", "64"),
    "unknown": ("qwq-32b", "--context", "8000"),
    "heads": ("qwen3-14b", "--gpu", "T4", "--quantization", "bf16", "--context", "40960", "--concurrency", "64"),
}


def size(policy: Run, *arguments: str) -> Any:
    """Run it at the day of the prices, and return the JSON document."""
    found = policy("catalog", "size", *arguments, *AT, "-o", "json")
    assert (found.status, found.err) == (0, "")
    return found.json


def layer(folder: Path, section: str, entries: dict[str, Any]) -> tuple[str, str]:
    (folder / "ours" / "catalog").mkdir(parents=True, exist_ok=True)
    path = folder / "ours" / "catalog" / f"{section}.yaml"
    path.write_text(yaml.safe_dump({section: entries}), encoding="utf-8")
    return "--policy", str(folder / "ours")


def golden(name: str, text: str) -> str:
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", CASES)
def test_the_text_is_golden_and_fits_80_columns(policy: Run, name: str) -> None:
    found = policy("catalog", "size", *CASES[name], *AT)
    assert (found.status, found.err) == (0, "")
    assert found.out == golden(f"{name}.txt", found.out)
    assert max(map(len, found.out.splitlines())) <= 80


def test_the_markdown_is_golden(policy: Run) -> None:
    found = policy("catalog", "size", *CASES["one-type"], *AT, "-o", "markdown")
    assert found.out == golden("one-type.md", found.out)


def test_the_json_is_golden_and_yaml_says_the_same(policy: Run) -> None:
    found = policy("catalog", "size", *CASES["experts"], *AT, "-o", "json")
    text = re.sub(r"sha256:[0-9a-f]{64}", "sha256:...", found.out)
    assert text == golden("experts.json", text)
    assert yaml.safe_load(policy("catalog", "size", *CASES["experts"], *AT, "-o", "yaml").out) == found.json


def test_every_json_key_is_documented(policy: Run) -> None:
    """`weights_`, `cache_` and the like stand for all keys that begin so."""
    text = (ROOT / "policy_engine" / "catalog" / "README.md").read_text(encoding="utf-8")
    said = re.findall(r"`(\w+)`", text[text.index("-o json`") :])
    for case in CASES.values():
        document = size(policy, *case)
        for key in {*document, *(key for row in [*document["sizes"], *document["memory"]] for key in row)}:
            starts = [word for word in said if key.startswith(word) and word.endswith("_")]
            ends = [word for word in said if word.endswith("_high_") and "_high_" in key]
            ends += [word for word in said if word == "_high" and key.endswith("_high")]
            assert key in said or starts or ends, key


def test_the_readmes_sample_is_what_it_prints(policy: Run) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text[text.index("## Hardware for a model") :]
    sample = re.search(r"```text\n(.*?)```", section, re.DOTALL)
    assert sample is not None
    out = policy(
        *("catalog", "size", "llama-3.1-70b", "--quantization", "bf16", "--context", "4000"),
        *("--concurrency", "4", "--gpu", "A100 80GB", *AT),
    ).out
    assert sample[1] in out
    assert '--quantization bf16 --context 4000 --concurrency 4 --gpu "A100 80GB"' in section


def test_figures_worked_out_by_hand(policy: Run) -> None:
    """141.1 GB of weights; two A100 hold them; about 29 tokens/s; 405 billion at 8 bits are 406 GB."""
    document = size(policy, "llama-3.1-70b", "--gpu", A100, "--quantization", "bf16")
    (row,) = document["sizes"]
    assert document["memory"][0]["weights_bytes"] == pytest.approx(141.108e9)
    assert (row["devices_for_memory"], row["devices"], row["at_least"], row["fits"]) == (2, 2, True, None)
    assert row["left_bytes"] == pytest.approx(3.34 * 1024**3, rel=0.01)
    assert row["decode_ceiling_tokens_per_s"] == pytest.approx(28.9, abs=0.01)
    assert (row["usd_per_hour_low"], row["usd_per_hour_high"]) == (2, 4)
    assert row["usd_per_month_high"] == pytest.approx(2922)
    eight = size(policy, "llama-3.1-405b", "--quantization", "int8")
    assert eight["memory"][0]["weights_bytes"] == pytest.approx(405.853e9)


def test_a_cache_that_is_known_as_an_upper_bound_is_said(policy: Run) -> None:
    asked = ("gemma-3-27b", "--quantization", "bf16", "--context", "122000", "--gpu", "H100")
    text = " ".join(policy("catalog", "size", *asked, *AT).out.split())
    for said in (
        "without overhead, at most",
        "GPUs at most 2 memory",
        "at most 28.9 cache",
        "left at least 26.7 GiB",
        "fit at once at least 1",
        "decode ceilings are those of an empty cache",
    ):
        assert said in text, said
    one = " ".join(policy("catalog", "size", *asked, "--count", "1", *AT).out.split())
    assert "whether it fits is not known: its cache may take less" in one
    assert "fit at once" not in one
    small = policy("catalog", "size", *asked[:-1], "A100 40GB", "--count", "1", *AT).out
    assert "does not fit 1: each needs at least 53.8 GiB of 35.6" in " ".join(small.split())
    document = size(policy, *asked, "--count", "1")
    assert document["model"]["kv_upper_bound"] is True
    assert [(row["at_most"], row["fits"]) for row in document["sizes"]] == [(True, None)]


def test_every_type_of_gpu_at_every_quantization(policy: Run) -> None:
    document = size(policy, "llama-3.1-70b", "--context", "1000")
    pairs = {(row["gpu"], row["quantization"]) for row in document["sizes"]}
    assert len(pairs) == len(document["sizes"]) == 4 * len({gpu for gpu, _ in pairs})
    memory = [row["memory_bytes_per_device"] for row in document["sizes"] if row["quantization"] == "bf16"]
    assert memory == sorted(memory, reverse=True)
    for row in document["sizes"]:
        parts = [row[f"{part}_bytes_per_device"] for part in ("weights", "cache", "overhead")]
        assert row["needed_bytes_per_device"] == pytest.approx(sum(parts))
        assert row["fits"] is True
        assert row["needed_bytes_per_device"] <= row["usable_bytes_per_device"]


def test_a_cost_that_no_source_states_is_unknown(policy: Run) -> None:
    (row,) = size(policy, "llama-3.1-70b", "--gpu", "H200", "--quantization", "fp8")["sizes"]
    assert {value for key, value in row.items() if key.startswith("usd_")} == {None}
    text = policy("catalog", "size", "llama-3.1-70b", "--gpu", "H200", "--quantization", "fp8").out
    assert "not known to the catalog" in text


def test_the_settings_say_whose_prices_count(policy: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ("catalog", "size", "llama-3.1-70b", "--gpu", "H100", "--quantization", "bf16", "-o", "json")
    (tmp_path / "policy.toml").write_text('at = "2025-06-08T00:00:00Z"\n', encoding="utf-8")
    assert policy(*asked).json["sizes"][0]["usd_per_hour_low"] is None
    monkeypatch.setenv("POLICY_AT", "2025-06-09")
    row = policy(*asked).json["sizes"][0]
    assert (row["usd_per_hour_low"], row["usd_figure"], row["usd_stale"]) == (4, "h100.s3", False)
    for at in ("2025-06-08T00:00:00Z", "2025-06-09T01:00:00+02:00", "2025-06-08"):
        assert policy(*asked, "--at", at).json["day"] == "2025-06-08"


def test_a_layers_gpu_model_and_price_are_taken(policy: Run, tmp_path: Path) -> None:
    gpu = {"memory_gb": 96, "bandwidth_gb_s": 1792, "bf16_tflops": 500, **OWN}
    layer(tmp_path, "gpus", {"NVIDIA RTX PRO 6000 Blackwell Server Edition": gpu})
    price = {"gpu": "NVIDIA RTX PRO 6000 Blackwell Server Edition", "per": "hour", "usd": 1.5, **OWN}
    layer(tmp_path, "hosting_costs", {"ours": price})
    model = {"weights": "open", "licence": "mit", "modalities": ["text"], "context_tokens": 1000, "params_b": 30, **OWN}
    ours = layer(tmp_path, "models", {"ours-30b": {**model, "kv_bytes_per_token": 100_000}})
    document = size(policy, "ours-30b", "--gpu", price["gpu"], "--quantization", "bf16", "--context", "10", *ours)
    (row,) = document["sizes"]
    assert (row["devices"], row["usd_per_hour_low"], row["usd_figure"]) == (1, 1.5, "ours")


def test_an_unknown_cache_is_said(policy: Run, tmp_path: Path) -> None:
    model = {"weights": "open", "licence": "mit", "modalities": ["text"], "params_b": 30, **OWN}
    ours = layer(tmp_path, "models", {"ours-30b": model})
    out = policy("catalog", "size", "ours-30b", "--context", "8000", "--gpu", "H100", *ours).out
    told = " ".join(out.split())
    assert "does not know the size of its cache" in told
    assert "does not know how many tokens it reads at most" in told
    assert "GPUs at least 1" in told


def test_what_fits_no_number_of_devices_is_said(policy: Run, tmp_path: Path) -> None:
    tiny = layer(tmp_path, "gpus", {"tiny": {"memory_gb": 4, "bandwidth_gb_s": 100, **OWN}})
    out = policy("catalog", "size", "llama-3.1-8b", "--quantization", "int4", *tiny).out
    assert "none fits" in out
    assert "does not fit at all" in out
    (row,) = size(policy, "llama-3.1-8b", "--quantization", "int4", "--gpu", "tiny", *tiny)["sizes"]
    assert (row["devices_for_memory"], row["devices"], row["fits"]) == (None, None, False)
    assert policy("catalog", "size", "llama-3.1-8b", "--gpu", "tiny", *tiny).status == 0


@pytest.mark.parametrize(
    ("arguments", "code", "help_"),
    [
        (("llama-3.1-70",), "unknown-name", "did you mean `llama-3.1-70b`?"),
        (("frobnicate",), "unknown-name", "a layer adds one, in catalog/models.yaml"),
        (("",), "unknown-name", "a layer adds one"),
        (("llama-3.1-8b", "--gpu", "A100"), "unknown-name", "did you mean `NVIDIA A100 80GB PCIe`, "),
        (("llama-3.1-8b", "--gpu", "h200"), "unknown-name", "did you mean `NVIDIA H200`, "),
        (("llama-3.1-8b", "--gpu", "NVIDIA H20O"), "unknown-name", "did you mean `NVIDIA H20`?"),
        (("llama-3.1-8b", "--gpu", "Frobnicator 9"), "unknown-name", "without --gpu all are listed"),
        (("llama-3.1-8b", "--gpu", ""), "unknown-name", "without --gpu all are listed"),
        (("gpt-4o",), "closed-weights", "name a model with open weights"),
        (("llama-3-70b", "--context", "8193"), "context-too-long", "ask for fewer"),
        (("llama-3.1-8b", "--context", "0"), "usage", "policy catalog size --help"),
        (("llama-3.1-8b", "--concurrency", "1" + "0" * 400), "usage", "policy catalog size --help"),
        (("llama-3.1-8b", "--quantization", "fp4"), "usage", "policy catalog size --help"),
        (("llama-3.1-8b", "-o", "junit"), "unknown-format", "the formats are"),
        (("llama-3.1-8b", "--plot", "a.pdf"), "unknown-picture", "the ending decides"),
        (("llama-3.1-8b", "--plot", "a.svg", "-o", "json=a.svg"), "two-in-one-file", ""),
        (("qwq-32b", "--plot", "a.svg"), "nothing-to-draw", "leave --plot out"),
    ],
)
def test_what_cannot_be_is_refused_with_2(
    policy: Run, arguments: tuple[str, ...], code: str, help_: str, tmp_path: Path
) -> None:
    found = policy("catalog", "size", *arguments)
    assert (found.status, found.out) == (2, "")
    assert f"[{code}]" in found.err
    assert help_ in found.err
    assert "Traceback" not in found.err
    assert {each.name for each in tmp_path.iterdir()} == {"home"}


def test_parts_of_the_ceiling_that_are_none_are_refused_with_3(policy: Run, tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir()
    file = tmp_path / "ours" / "parameters.yaml"
    file.write_text("parameters: {decode_reached_low: {value: 0.9}}\n", encoding="utf-8")
    found = policy("catalog", "size", "llama-3.1-8b", "--policy", str(tmp_path / "ours"))
    assert (found.status, found.out) == (3, "")
    assert "[catalog-parameter]" in found.err
    file.write_text("parameters: {decode_reached_low: {value: 0.85}}\n", encoding="utf-8")
    row = size(policy, "llama-3.1-8b", "--gpu", "H100", "--policy", str(tmp_path / "ours"))["sizes"][0]
    assert row["decode_reached_all_low_tokens_per_s"] == row["decode_reached_all_high_tokens_per_s"]


@pytest.mark.parametrize("name", ["memory.svg", "memory.png"])
@pytest.mark.parametrize("more", [(), ("--gpu", "H100"), ("--count", "1"), ("--context", "4000")])
def test_a_picture_is_drawn_beside_the_report(policy: Run, tmp_path: Path, name: str, more: tuple[str, ...]) -> None:
    found = policy("catalog", "size", "llama-3.1-70b", "--plot", name, "-o", "json=size.json", *more)
    assert (found.status, found.out, found.err) == (0, "", "")
    assert json.loads((tmp_path / "size.json").read_bytes())["kind"] == "CatalogSize"
    first = (tmp_path / name).read_bytes()
    policy("catalog", "size", "llama-3.1-70b", "--plot", name, "-o", "json=size.json", *more)
    assert (tmp_path / name).read_bytes() == first


def test_a_picture_takes_the_place_of_a_picture_alone(policy: Run, tmp_path: Path) -> None:
    (tmp_path / "a.svg").write_text("notes", encoding="utf-8")
    found = policy("catalog", "size", "llama-3.1-8b", "--plot", "a.svg")
    assert (found.status, found.out) == (2, "")
    assert (tmp_path / "a.svg").read_text(encoding="utf-8") == "notes"


def test_the_extra_is_named_where_it_is_missing(policy: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    found = policy("catalog", "size", "llama-3.1-8b", "--plot", "a.svg")
    assert (found.status, found.out) == (2, "")
    assert "pip install 'policy-engine[plot]'" in found.err
    assert policy("catalog", "size", "llama-3.1-8b").status == 0
