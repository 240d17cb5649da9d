"""`policy catalog show` and `compare`: figures of the files, bests by hand, and what sources say otherwise."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
CATALOG = ROOT / "rules" / "catalog"
AT = ("--at", "2026-11-22T09:00:00Z")
OWN = {"source": "register", "as_of": "2026-11-22"}
Run = Callable[..., Any]


def layer(folder: Path, **sections: dict[str, Any]) -> tuple[str, str]:
    (folder / "ours" / "catalog").mkdir(parents=True, exist_ok=True)
    (folder / "ours" / "catalog" / "ours.yaml").write_text(yaml.safe_dump(sections), encoding="utf-8")
    return "--policy", str(folder / "ours")


def asked(policy: Run, command: str, *arguments: str) -> dict[str, Any]:
    at = () if "--at" in arguments else AT
    found = policy("catalog", command, *arguments, *at, "-o", "json")
    assert (found.status, found.err) == (0, "")
    return dict(found.json)


def line(document: dict[str, Any], figure: str, part: str = "lines") -> dict[str, Any]:
    return next(dict(each) for each in document[part] if each["figure"] == figure)


def values(found: dict[str, Any]) -> list[Any]:
    return [cell["value"] for cell in found["cells"].values()]


def test_show_has_every_figure_that_the_files_have_of_a_model(policy: Run) -> None:
    written = {
        key: entry
        for file in sorted(CATALOG.glob("*.yaml"))
        for section in yaml.safe_load(file.read_text(encoding="utf-8")).values()
        for key, entry in section.items()
    }
    for model in ("llama-3-70b", "qwen3-7b", "llama-3.1-405b"):
        document = asked(policy, "show", model)
        figures = [each for group in document["prices"] for each in group["history"]]
        figures += [each for group in document["benchmarks"] for each in group["scores"]]
        for part in ("hosting", "ownership", "memory_requirements", "speeds", "cost_examples", "routes"):
            figures += document[part]
        of_it = {
            key for key, entry in written.items() if entry.get("model") == model or model in entry.get("models", ())
        }
        assert {each["figure"] for each in figures} == of_it, model
        for each in figures:
            entry = written[each["figure"]]
            assert (each["source"], each["as_of"]) == (entry["source"], entry["as_of"].isoformat())
            assert each["stale"] is ((yaml.safe_load("2026-11-22") - entry["as_of"]).days > 365)
        text = policy("catalog", "show", model, *AT).out
        assert max(map(len, text.splitlines())) <= 80
        for name in {name for key in of_it for name in written[key].get("disputes", ())}:
            assert name in document["disputes"]
            assert f"`policy catalog disputes {name}`" in text


@pytest.mark.parametrize(
    ("day", "standing"),
    [
        ("2024-12-14", {"gpt-4o.s2": "not_yet", "gpt-4o.s0": "not_yet", "gpt-4o.s1": "not_yet"}),
        ("2024-12-15", {"gpt-4o.s2": "counts", "gpt-4o.s0": "not_yet", "gpt-4o.s1": "not_yet"}),
        ("2025-01-01", {"gpt-4o.s2": "superseded", "gpt-4o.s0": "counts", "gpt-4o.s1": "not_yet"}),
        ("2026-01-01", {"gpt-4o.s2": "superseded", "gpt-4o.s0": "superseded", "gpt-4o.s1": "counts"}),
    ],
)
def test_show_says_which_price_counts_on_the_day(policy: Run, day: str, standing: dict[str, str]) -> None:
    (group,) = asked(policy, "show", "gpt-4o", "--at", day)["prices"]
    assert {each["figure"]: each["standing"] for each in group["history"]} == standing


def test_show_finds_aliases_and_marks_prices_that_ended_or_are_not_used(policy: Run, tmp_path: Path) -> None:
    assert asked(policy, "show", "llama-3-405b")["model"]["name"] == "llama-3.1-405b"
    price = {"model": "o3", "option": "proprietary_api", "unit": "USD/1M tokens", "input": 2, "output": 8}
    prices = {
        "old": {**price, "provider": "openai", "source": "s0", "as_of": "2025-01-01", "valid_to": "2025-12-31"},
        "new": {**price, "provider": "openai", "source": "s1", "as_of": "2026-01-01"},
        "any": {**price, "source": "s1", "as_of": "2026-01-01"},
    }
    document = asked(policy, "show", "o3", *layer(tmp_path, prices=prices))
    found = {each["figure"]: each["standing"] for group in document["prices"] for each in group["history"]}
    assert found == {"old": "ended", "new": "counts", "any": "superseded"}
    own = {group["option"]: group["history"][0]["standing"] for group in asked(policy, "show", "llama-3-70b")["prices"]}
    assert own == {"open_api": "counts", "self_hosted": "unused"}


def test_a_best_is_marked_where_all_are_known(policy: Run) -> None:
    document = asked(policy, "compare", "gpt-4o", "llama-3-70b", "llama-3-405b")
    assert document["models"] == ["gpt-4o", "llama-3-70b", "llama-3.1-405b"]
    mmlu = line(document, "mmlu")
    assert (values(mmlu), mmlu["best"], mmlu["note"]) == ([88.7, 82, 88.6], ["gpt-4o"], None)
    assert [each["value"] for each in mmlu["cells"]["llama-3.1-405b"]["others"]] == [87.3]
    assert line(document, "gsm8k")["best"] == ["llama-3.1-405b"]
    alone = line(document, "arena_hard")
    assert (alone["best"], alone["note"]) == ([], "not compared: only gpt-4o has one")
    price = line(document, "cheapest_mixed_usd_per_million_tokens")
    assert (values(price), price["best"], price["note"]) == ([15, 0.625, None], [], "no best: not all are known")
    weights = line(document, "weights_bf16_gb")
    assert values(weights) == [None, pytest.approx(141.108), pytest.approx(811.706)]
    assert weights["cells"]["gpt-4o"]["state"] == "none"
    two = asked(policy, "compare", "gpt-4o", "llama-3-70b")
    assert line(two, "cheapest_mixed_usd_per_million_tokens")["best"] == ["llama-3-70b"]
    assert line(two, "context_tokens")["best"] == ["gpt-4o"]


def test_a_best_that_another_source_would_change_says_so(policy: Run) -> None:
    """Claude costs 6.00 USD a million; gpt-4o 15.00 by s1, and 4.375 by s0 and s2."""
    price = line(asked(policy, "compare", "claude-3.5-sonnet", "gpt-4o"), "cheapest_mixed_usd_per_million_tokens")
    assert (values(price), price["best"]) == ([6, 15], ["claude-3.5-sonnet"])
    assert price["note"] == "by s0 (DISPUTE-01) gpt-4o would come first"
    before = asked(policy, "compare", "claude-3.5-sonnet", "gpt-4o", "--at", "2025-06-01")
    assert line(before, "cheapest_mixed_usd_per_million_tokens")["best"] == ["gpt-4o"]


def test_what_a_source_said_before_is_history_and_no_other_side(policy: Run, tmp_path: Path) -> None:
    price = {"model": "o3", "option": "proprietary_api", "unit": "USD/1M tokens", "source": "s1"}
    prices = {
        "a": {**price, "input": 4, "output": 4, "as_of": "2025-01-01"},
        "b": {**price, "input": 2, "output": 2, "as_of": "2026-01-01"},
    }
    document = asked(policy, "compare", "o3", "gpt-4o", *layer(tmp_path, prices=prices))
    cell = line(document, "proprietary_api_input_usd_per_million_tokens")["cells"]["o3"]
    assert (cell["value"], cell["others"]) == (2, [])


def test_a_providers_own_price_stands_against_what_is_disputed_of_it(policy: Run, tmp_path: Path) -> None:
    price = {"model": "gpt-4o", "option": "proprietary_api", "provider": "openai", "unit": "USD/1M tokens", **OWN}
    own = {**price, "input": 2.5, "output": 10}
    for disputes, others in ((["DISPUTE-01"], [10]), ([], [])):
        ours = layer(tmp_path, prices={"own": {**own, "disputes": disputes}})
        found = line(asked(policy, "compare", "gpt-4o", "o3", *ours), "proprietary_api_input_usd_per_million_tokens")
        cell = found["cells"]["gpt-4o"]
        assert (cell["value"], cell["stated"]["figure"]) == (2.5, "own")
        assert [each["value"] for each in cell["others"]] == others


def test_the_vendors_dispute_is_marked_whoever_sells_at_its_price(policy: Run, tmp_path: Path) -> None:
    """Azure comes before openai by name; at its price the vendor's is shown, and below it the dispute all the same."""
    price = {"model": "gpt-4o", "option": "proprietary_api", "unit": "USD/1M tokens", **OWN}
    vendor = {**price, "provider": "openai", "input": 2.5, "output": 10, "disputes": ["DISPUTE-01"]}
    azure = {"options": ["proprietary_api"], "serves": ["gpt-4o"], **OWN}
    for usd, figure, others in ((2.5, "z", [10]), (2, "azure", [])):
        host = {**price, "provider": "azure", "input": usd, "output": 10}
        ours = layer(tmp_path, prices={"z": vendor, "azure": host}, providers={"azure": azure})
        found = line(asked(policy, "compare", "gpt-4o", "o3", *ours), "proprietary_api_input_usd_per_million_tokens")
        cell = found["cells"]["gpt-4o"]
        assert (cell["value"], cell["stated"]["figure"], cell["stated"]["disputes"]) == (usd, figure, ["DISPUTE-01"])
        assert [each["value"] for each in cell["others"]] == others


def test_one_price_counts_for_each_that_serves_the_model(policy: Run, tmp_path: Path) -> None:
    """Of the vendor's, named or not, one; of open weights a general one only where one has no own."""
    api = {"model": "gpt-4o", "option": "proprietary_api", "unit": "USD/1M tokens", "input": 2, "output": 8, **OWN}
    host = {**api, "model": "llama-3-70b", "option": "open_api"}
    groq = {"options": ["open_api"], "serves": ["llama-3-8b"], **OWN}
    prices = {
        "vendor": {**api, "provider": "openai", "disputes": ["DISPUTE-01"]},
        "hosted": {**host, "provider": "open-model-hosting"},
        "elsewhere": {**host, "provider": "groq"},
    }
    ours = layer(tmp_path, prices=prices, providers={"groq": groq})
    standing = {}
    for name in ("gpt-4o", "llama-3-70b"):
        for group in asked(policy, "show", name, *ours)["prices"]:
            standing |= {each["figure"]: (each["standing"], each["why"]) for each in group["history"]}
    assert [name for name, each in standing.items() if each[0] == "counts"] == ["vendor", "hosted"]
    assert standing["elsewhere"] == ("unused", "groq does not serve it")
    assert standing["llama-3-70b.s1"] == ("unused", "each provider that serves it has a price of its own")
    (thing,) = asked(policy, "disputes", "DISPUTE-01", *ours)["disputes"][0]["figures"]
    assert (thing["of"], thing["counts"]) == ("gpt-4o on proprietary_api", "vendor")


def test_a_lower_bound_is_not_the_best_and_hardware_is_not_mixed_up(policy: Run) -> None:
    document = asked(policy, "compare", "llama-3.1-70b", "llama-3.1-405b", "--gpu", "A100 80GB")
    month = line(document, "self_hosted_usd_per_month")
    assert (values(month), month["best"]) == ([2191.5, 14610], [])
    cell = month["cells"]["llama-3.1-70b"]
    assert (cell["low"], cell["high"], cell["at_least"]) == (1461, 2922, True)
    said = "1,461.00 to 2,922.00"
    for asked_for in (("compare", "llama-3.1-70b", "llama-3.1-405b"), ("show", "llama-3.1-70b")):
        out = " ".join(policy("catalog", *asked_for, "-o", "markdown").out.split())
        assert said in out
        assert "2,191.50" not in out
    speed = line(document, "decode_ceiling_tokens_per_s")
    assert (speed["best"], speed["note"]) == ([], "not compared: on other numbers of GPUs, or without a cache")
    # 16 x 2,039 GB/s over 141.108 and 811.706 GB of weights
    same = asked(policy, "compare", "llama-3.1-70b", "llama-3.1-405b", "--gpu", "A100 80GB", "--count", "16")
    speed = line(same, "decode_ceiling_tokens_per_s")
    assert values(speed) == pytest.approx([16 * 2039 / 141.108, 16 * 2039 / 811.706])
    assert speed["best"] == ["llama-3.1-70b"]
    few = asked(policy, "compare", "llama-3.1-70b", "llama-3.1-405b", "--gpu", "A100 80GB", "--count", "8")
    cell = line(few, "decode_ceiling_tokens_per_s")["cells"]["llama-3.1-405b"]
    assert (cell["state"], cell["text"]) == ("none", "does not fit 8")


def test_what_may_not_run_on_an_option_has_no_known_cost_there(policy: Run, tmp_path: Path) -> None:
    ours = layer(tmp_path, models={"sizeless": {"weights": "open", **OWN}})
    edge = line(asked(policy, "compare", "llama-3.1-8b", "sizeless", *ours), "edge_usd_per_month")
    assert {name: cell["state"] for name, cell in edge["cells"].items()} == {
        "llama-3.1-8b": "known",
        "sizeless": "unknown",
    }


def test_the_decode_ceiling_is_that_of_sizing(policy: Run) -> None:
    gpu = ("--gpu", "H100", "--quantization", "fp8", "--context", "4000")
    speed = line(asked(policy, "compare", "llama-3.1-8b", "qwen3-8b", *gpu), "decode_ceiling_tokens_per_s")
    for name, cell in speed["cells"].items():
        (row,) = asked(policy, "size", name, *gpu)["sizes"]
        assert cell["value"] == row["decode_ceiling_tokens_per_s"]


def test_open_against_closed_is_by_real_tasks_and_latency(policy: Run) -> None:
    document = asked(policy, "compare", "--open-against-closed")
    expected = {
        "codeforces_elo": ([2029, 2727], ["closed"], 698),
        "swe_bench_verified": ([49.2, 71.7], ["closed"], 22.5),
        "reasoning_answer_seconds": ([105, 27], ["closed"], -78),
        "arena_hard": ([91, 85.3], ["open"], -5.7),
        "mmlu": ([88.6, 88.7], ["closed"], 0.1),
    }
    for figure, (both, best, gap) in expected.items():
        found = line(document, figure, "open_against_closed")
        assert (values(found), found["best"]) == (both, best)
        assert found["closed_minus_open"] == pytest.approx(gap)
    assert line(document, "arena_hard", "open_against_closed")["cells"]["open"]["text"] == "qwen3-30b-a3b"
    out = " ".join(policy("catalog", "compare", "--open-against-closed", *AT).out.split())
    assert "SWE-bench Verified: 22.5 percentage points more with closed models than with open ones" in out


def test_a_retired_model_is_no_best_of_its_field(policy: Run, tmp_path: Path) -> None:
    whole = yaml.safe_load((CATALOG / "models.yaml").read_text(encoding="utf-8"))["models"]["qwen3-30b-a3b"]
    ours = layer(tmp_path, models={"qwen3-30b-a3b": {**whole, "retires_on": "2026-01-01"}})
    found = line(asked(policy, "compare", "--open-against-closed", *ours), "arena_hard", "open_against_closed")
    assert found["cells"]["open"]["text"] == "qwq-32b"
    lines = asked(policy, "compare", "qwen3-30b-a3b", "qwq-32b", *ours)
    assert line(lines, "retires_on")["cells"]["qwen3-30b-a3b"]["text"] == "retired on 2026-01-01"


def test_strangers_words_are_shown_and_never_obeyed(policy: Run, tmp_path: Path) -> None:
    name = "x\u202e|<b>`y`"
    model = {"weights": "open", "modalities": ["text"], "note": "[a](http://b.example) \u200b @all", **OWN}
    ours = layer(tmp_path, models={name: model, "other": {"weights": "open", **OWN}})
    for command, names in (("show", [name]), ("compare", [name, "other"]), ("list", ["--weights", "open"])):
        for form in ("text", "markdown"):
            out = policy("catalog", command, *names, *ours, *AT, "-o", form).out
            assert "y" in out
            assert "\u202e" not in out
            assert "\u200b" not in out
            assert form == "text" or not re.search(r"<b>|(?<!\\)\]\(|(?<!\\)`y", out)


@pytest.mark.parametrize(
    ("arguments", "help_"),
    [
        (("show", "llama-3.1-70"), "did you mean `llama-3.1-70b`? else a layer adds one, in catalog/models.yaml"),
        (("show", "frobnicate"), "help: a layer adds one, in catalog/models.yaml"),
        (("compare", "gpt-4o", "gpt-4x"), "a layer adds one"),
        (("compare", "gpt-4o"), "name another one"),
        (("compare",), "name another one"),
        (("compare", "gpt-4o", "--open-against-closed"), "--open-against-closed alone"),
        (("compare", "llama-3-405b", "llama-3.1-405b"), "name each model once"),
        (("compare", "gpt-4o", "o3", "--count", "2"), "name it with --gpu"),
        (("compare", "gpt-4o", "o3", "--gpu", "A100"), "did you mean"),
    ],
)
def test_what_cannot_be_is_refused_with_2(policy: Run, arguments: tuple[str, ...], help_: str) -> None:
    found = policy("catalog", *arguments)
    assert (found.status, found.out) == (2, "")
    assert help_ in " ".join(found.err.split())
    assert "Traceback" not in found.err


def test_every_format_says_the_same_and_three_models_stand_side_by_side(policy: Run) -> None:
    names = ("gpt-4o", "llama-3-70b", "llama-3.1-405b")
    for given in (("show", "llama-3-70b"), ("compare", *names, "--gpu", "A100 80GB", "--open-against-closed")):
        assert yaml.safe_load(policy("catalog", *given, *AT, "-o", "yaml").out) == asked(policy, *given)
    out = policy("catalog", "compare", *names, "--gpu", "A100 80GB", *AT).out
    assert max(map(len, out.splitlines())) <= 80
    assert out.count("gpt-4o ") >= 7
    assert [row for row in out.splitlines() if row.split() == ["Figure", *names]]
    assert "s0, 2025-01-01, stale" in out
    markdown = policy("catalog", "compare", *names, *AT, "-o", "markdown").out
    assert "| Figure | gpt-4o | llama-3-70b | llama-3.1-405b |" in markdown


def test_every_json_key_at_the_top_is_documented(policy: Run) -> None:
    text = (ROOT / "policy_engine" / "catalog" / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(Catalog\w+)` \| (.*) \|$", text, re.MULTILINE))
    given = {"list": (), "show": ("gpt-4o",), "compare": ("gpt-4o", "o3"), "disputes": ()}
    for command, names in given.items():
        document = asked(policy, command, *names)
        keys = {*document} - {"apiVersion", "kind", "catalog", "day"}
        said = {*re.findall(r"`(\w+)`", rows[document["kind"]])}
        assert keys <= said
        first = (
            document["disputes"][0] if command == "disputes" else document["lines"][0] if command == "compare" else {}
        )
        assert {*first} - {"id", "about", "kind", "group", "name"} <= said
