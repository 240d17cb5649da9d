"""`policy catalog list`, held to the catalog's own files, read by another reader, and to `policy catalog size`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

CATALOG = Path(__file__).resolve().parents[3] / "rules" / "catalog"
AT = ("--at", "2026-11-22T09:00:00Z")
OWN = {"source": "register", "as_of": "2026-11-22"}
Run = Callable[..., Any]


def section(file: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CATALOG / f"{file}.yaml").read_text(encoding="utf-8"))[name]
    return found


def plain(value: Any) -> Any:
    """A field of a model, without its own source."""
    return value["value"] if isinstance(value, dict) else value


def listed(policy: Run, *arguments: str) -> dict[str, set[str]]:
    """The names that are found, not known and ruled out."""
    found = policy("catalog", "list", *arguments, *AT, "-o", "json")
    assert (found.status, found.err) == (0, "")
    document = found.json
    assert (document["apiVersion"], document["kind"]) == ("policy-engine/v1", "CatalogList")
    return {name: {each["name"] for each in document[name]} for name in ("models", "not_known", "ruled_out")}


def layer(folder: Path, **sections: dict[str, Any]) -> tuple[str, str]:
    (folder / "ours" / "catalog").mkdir(parents=True, exist_ok=True)
    (folder / "ours" / "catalog" / "ours.yaml").write_text(yaml.safe_dump(sections), encoding="utf-8")
    return "--policy", str(folder / "ours")


def by(keep: Callable[[dict[str, Any]], bool | None]) -> dict[str, set[str]]:
    """The models of the files by the answer of `keep`."""
    answers = {True: "models", None: "not_known", False: "ruled_out"}
    found: dict[str, set[str]] = {name: set() for name in answers.values()}
    for name, model in section("models", "models").items():
        found[answers[keep(model)]].add(name)
    return found


def commercial(model: dict[str, Any]) -> str | None:
    if model["weights"] == "closed":
        return "proprietary"
    licence = plain(model.get("licence"))
    return None if licence is None else str(section("licences", "licences")[licence]["commercial"])


def test_without_a_filter_every_model_is_listed(policy: Run) -> None:
    assert listed(policy) == by(lambda model: True)


@pytest.mark.parametrize("tokens", [1, 8192, 8193, 131072, 131073, 1_000_001])
def test_a_window_is_long_enough_too_short_or_not_known(policy: Run, tokens: int) -> None:
    def keep(model: dict[str, Any]) -> bool | None:
        window = plain(model.get("context_tokens"))
        return None if window is None else window >= tokens

    assert listed(policy, "--context", str(tokens)) == by(keep)


def test_modalities_are_all_asked_for(policy: Run) -> None:
    def keep(model: dict[str, Any]) -> bool | None:
        has = model.get("modalities")
        return None if has is None else {"vision", "audio"} <= {*has}

    assert listed(policy, "--modality", "vision", "--modality", "audio") == by(keep)


@pytest.mark.parametrize("wanted", [("allowed",), ("review", "forbidden"), ("proprietary",)])
def test_commercial_use_is_what_the_licence_says(policy: Run, wanted: tuple[str, ...]) -> None:
    asked = [part for each in wanted for part in ("--commercial-use", each)]
    answer = by(lambda model: None if commercial(model) is None else commercial(model) in wanted)
    assert listed(policy, *asked) == answer


def test_an_open_licence_is_open_weights_that_a_business_may_use(policy: Run) -> None:
    def keep(model: dict[str, Any]) -> bool | None:
        if model["weights"] == "closed":
            return False
        verdict = commercial(model)
        return None if verdict is None else verdict != "forbidden"

    found = listed(policy, "--open-licence")
    assert found == by(keep)
    assert "mistral-large" in found["ruled_out"]
    assert "qwq-32b" in found["not_known"]


def test_a_floor_is_of_the_newest_score(policy: Run) -> None:
    """Of llama-3.1-405b s0 says 88.6 and, earlier, s2 87.3."""
    newest: dict[str, tuple[Any, float]] = {}
    for each in section("benchmarks", "scores").values():
        if each["benchmark"] == "mmlu":
            newest[each["model"]] = max(newest.get(each["model"], (each["as_of"], 0)), (each["as_of"], each["score"]))
    names = [*section("models", "models")]
    found = listed(policy, "--min-score", "mmlu=88", "--min-score", "mmlu=70")
    assert found["models"] == {name for name in names if name in newest and newest[name][1] >= 88}
    assert "llama-3.1-405b" in found["models"]
    assert found["not_known"] == {name for name in names if name not in newest}


def test_an_option_takes_the_models_that_it_can_run(policy: Run) -> None:
    assert listed(policy, "--option", "proprietary_api") == by(lambda model: model["weights"] == "closed")

    def keep(model: dict[str, Any]) -> bool | None:
        size = plain(model.get("params_b"))
        return False if model["weights"] == "closed" else (None if size is None else size <= 8.5)

    assert listed(policy, "--option", "edge") == by(keep)


@pytest.mark.parametrize("gpus", ["A100 80GB:2", "NVIDIA L4"])
def test_what_fits_is_what_sizing_says(policy: Run, gpus: str) -> None:
    name, _, count = gpus.partition(":")
    asked = ("--quantization", "int8", "--context", "8000", "--concurrency", "4")
    found = listed(policy, "--fits", gpus, *asked)
    for model, entry in section("models", "models").items():
        if entry["weights"] == "closed" or (plain(entry.get("context_tokens")) or 8000) < 8000:
            assert model in found["ruled_out"]
            continue
        sized = policy("catalog", "size", model, "--gpu", name, "--count", count or "1", *asked, *AT, "-o", "json")
        fits = sized.json["sizes"][0]["fits"]
        known = fits if entry.get("context_tokens") is not None or fits is False else None
        answer = {True: "models", None: "not_known", False: "ruled_out"}[known]
        assert model in found[answer], (model, fits)


def test_weights_alone_are_said_to_be_alone(policy: Run) -> None:
    """141.1 GB of weights: two A100 80GB hold 2 x (71.28 - 3.9) GiB = 144.7 GB, one holds 72.8."""
    two = policy("catalog", "list", "--fits", "A100 80GB:2", "--quantization", "bf16", *AT)
    assert "without --context the cache of requests is not counted" in " ".join(two.out.split())
    assert "llama-3.1-70b" in two.out
    assert "llama-3.1-70b" not in listed(policy, "--fits", "A100 80GB", "--quantization", "bf16")["models"]
    any_of_them = policy("catalog", "list", "--fits", "A100 80GB", *AT, "-o", "json").json
    (row,) = [each for each in any_of_them["models"] if each["name"] == "llama-3.1-70b"]
    assert row["fits_at"] == "fp8"
    assert any_of_them["asked"]["fits"]["cache_counted"] is False


def test_filters_combine_and_what_rules_out_is_said(policy: Run) -> None:
    asked = ("--open-licence", "--context", "32000", "--min-score", "mmlu=80", "--fits", "A100 80GB:2")
    assert listed(policy, *asked)["models"] == {"llama-3.1-70b", "qwen2.5-72b"}
    document = policy("catalog", "list", *asked, *AT, "-o", "json").json
    reasons = {each["name"]: each["reasons"] for each in document["ruled_out"]}
    assert reasons["llama-3-70b"] == ["context 8,192 is below 32,000"]
    missing = {each["name"]: each["missing"] for each in document["not_known"]}
    assert missing["llama-3.3-70b"] == ["catalog.scores.llama-3.3-70b.mmlu"]


def test_the_order_is_of_the_prices_of_the_day_and_unknown_comes_last(policy: Run) -> None:
    def names(day: str) -> list[str]:
        asked = ("catalog", "list", "--option", "proprietary_api", "--sort", "price", "--at", day, "-o", "json")
        return [each["name"] for each in policy(*asked).json["models"] if each["price"] is not None]

    # three tokens in to one out: gpt-4o-mini 0.2625, gpt-4o 4.375 and from 2026 on 15, claude 6, gpt-4 300
    assert names("2025-07-01") == ["gpt-4o-mini", "gpt-4o", "claude-3.5-sonnet", "gpt-4"]
    assert names("2026-01-01") == ["gpt-4o-mini", "claude-3.5-sonnet", "gpt-4o", "gpt-4"]
    assert names("2025-01-01") == ["gpt-4o", "claude-3.5-sonnet"]
    rows = policy("catalog", "list", "--sort", "score:mmlu", *AT, "-o", "json").json["models"]
    scores = [each["scores"]["mmlu"]["score"] for each in rows if each["scores"]["mmlu"]]
    assert scores == sorted(scores, reverse=True)
    assert [each["scores"]["mmlu"] for each in rows[len(scores) :]] == [None] * (len(rows) - len(scores))


def test_a_retired_model_is_marked_by_the_day(policy: Run, tmp_path: Path) -> None:
    model = {"weights": "open", "licence": "mit", "modalities": ["text"], "retires_on": "2026-06-01", **OWN}
    ours = layer(tmp_path, models={"ours": model})
    for day, retired in (("2026-05-31", False), ("2026-06-01", True)):
        rows = policy("catalog", "list", *ours, "--at", day, "-o", "json").json["models"]
        assert [each["retired"] for each in rows if each["name"] == "ours"] == [retired]
    assert "retired on 2026-06-01" in policy("catalog", "list", *ours, "--at", "2026-06-01").out
    assert "retires on 2026-06-01" in policy("catalog", "list", *ours, "--at", "2026-05-31").out


def test_what_is_forgotten_becomes_unknown_and_never_no(policy: Run, tmp_path: Path) -> None:
    asked = ("--open-licence", "--context", "32000", "--modality", "tool_use", "--fits", "A100 80GB:2")
    assert "qwen3-14b" in listed(policy, *asked)["models"]
    whole = section("models", "models")["qwen3-14b"]
    for field in ("licence", "context_tokens", "modalities", "params_b", "kv_bytes_per_token"):
        ours = layer(tmp_path, models={"qwen3-14b": {name: whole[name] for name in whole if name != field}})
        document = policy("catalog", "list", *asked, *ours, *AT, "-o", "json").json
        missing = {each["name"]: each["missing"] for each in document["not_known"]}
        assert f"catalog.models.qwen3-14b.{field}" in missing["qwen3-14b"]
        assert "qwen3-14b" not in policy("catalog", "list", *asked, *ours, "--known-only").out


def test_hardware_that_is_paid_by_the_month_shows_its_month(policy: Run) -> None:
    """2 to 4 USD an hour for 730.5 hours: 1,461 to 2,922, and 2,191.50 in the middle."""
    rows = policy("catalog", "list", "--option", "self_hosted", *AT, "-o", "json").json["models"]
    (row,) = [each for each in rows if each["name"] == "llama-3.1-70b"]
    assert (row["usd_per_month_at_least"], row["usd_per_month_middle"], row["usd_per_month_high"]) == (
        1461,
        2191.5,
        2922,
    )
    assert row["price"] is None
    assert "2,192+" in policy("catalog", "list", "--option", "self_hosted", *AT).out


@pytest.mark.parametrize(
    ("arguments", "code", "help_"),
    [
        (("--min-score", "mmlx=80"), "unknown-name", "did you mean `mmlu`?"),
        (("--min-score", "mmlu"), "usage", "write --min-score mmlu=85"),
        (("--min-score", "mmlu=nan"), "usage", "write --min-score"),
        (("--min-score", "mmlu=1e999"), "usage", "write --min-score"),
        (("--sort", "score:mmlx"), "unknown-name", "did you mean `mmlu`?"),
        (("--sort", "cheap"), "unknown-name", "one of name, price"),
        (("--fits", "A100"), "unknown-name", "did you mean `NVIDIA A100 80GB PCIe`, "),
        (("--fits", "frobnicator"), "unknown-name", "a layer adds one, in catalog/gpus.yaml"),
        (("--fits", "A100 80GB:0"), "usage", "GPU:COUNT"),
        (("--fits", "A100 80GB:" + "9" * 5000), "usage", "GPU:COUNT"),
        (("--fits", "A100 80GB", "--concurrency", "4"), "usage", "--context TOKENS"),
        (("--quantization", "int4"), "usage", "--fits"),
        (("--context", "0"), "usage", "policy catalog list --help"),
        (("-o", "junit"), "unknown-format", "the formats are"),
    ],
)
def test_what_cannot_be_is_refused_with_2(policy: Run, arguments: tuple[str, ...], code: str, help_: str) -> None:
    found = policy("catalog", "list", *arguments)
    assert (found.status, found.out) == (2, "")
    assert f"[{code}]" in found.err
    assert help_ in found.err


def test_every_format_says_the_same_and_the_text_fits_80_columns(policy: Run) -> None:
    asked = ("catalog", "list", "--weights", "open", "--context", "32000", *AT)
    assert yaml.safe_load(policy(*asked, "-o", "yaml").out) == policy(*asked, "-o", "json").json
    out = policy(*asked).out
    assert max(map(len, out.splitlines())) <= 80
    markdown = policy(*asked, "-o", "markdown").out
    for name in listed(policy, "--weights", "open", "--context", "32000")["models"]:
        assert name in out
        assert f"| {name} |" in markdown
