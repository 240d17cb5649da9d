"""LiteLLM's price file: exact money, what is refused, and which region a key says."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from policy_engine.errors import InputError
from policy_engine.pricing import litellm_file
from policy_engine.pricing.quotes import ZERO, Quote

STOOD = date(2026, 11, 1)
GPT = {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 2.5e-06, "output_cost_per_token": 1e-05}


def written(folder: Path, models: Any) -> Path:
    path = folder / "prices.json"
    path.write_text(models if isinstance(models, str) else json.dumps(models), encoding="utf-8")
    return path


def quote(folder: Path, key: str = "gpt-4o", **changed: Any) -> Quote:
    (found,) = litellm_file.read_file(written(folder, {key: {**GPT, **changed}}), STOOD).quotes
    return found


def test_money_is_exact_and_all_else_is_noted(tmp_path: Path) -> None:
    more = {
        "cache_read_input_token_cost": 1.25e-06,
        "input_cost_per_token_batches": 1.25e-06,
        "output_cost_per_token_batches": 5e-06,
        "input_cost_per_token_above_200k_tokens": 5e-06,
        "deprecation_date": "2027-01-14",
        "max_input_tokens": 128000,
    }
    found = quote(tmp_path, **more)
    assert (found.input, found.output, found.problem) == (Decimal("2.5"), Decimal(10), None)
    assert found.notes == ("cached input: 1.25", "batch: 1.25 in, 5 out", "above 200,000 tokens: 5 in")
    assert (found.retires_on, found.context_tokens, found.regions) == (date(2027, 1, 14), 128000, None)


@pytest.mark.parametrize(
    ("price", "says"),
    [
        ("0", ZERO),
        ("0.0", ZERO),
        ("-1e-06", "no price of tokens"),
        ("NaN", "no price of tokens"),
        ("Infinity", "no price of tokens"),
        ('"2.5e-06"', "no price of tokens"),
        ("true", "no price of tokens"),
        ("[1e-06]", "no price of tokens"),
        ("1e99", "no price of tokens"),
        ("1e999999999", "no price of tokens"),
        ("1e-999999999", ZERO),
        ("1e-12", ZERO),
        ("1e99999999999999999999999", "no price of tokens"),
        ("2.5", "no price of tokens"),  # dollars a million, where a token is asked for
        ("1" * 5000, "no price of tokens"),
        ("null", "no price for both"),
    ],
)
def test_what_is_no_price_is_none(tmp_path: Path, price: str, says: str) -> None:
    text = json.dumps({"gpt-4o": GPT}).replace("2.5e-06", price)
    (found,) = litellm_file.read_file(written(tmp_path, text), STOOD).quotes
    assert found.problem is not None
    assert says in found.problem


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ('{"a": {"x": 1}, "a": {"x": 2}}', "price-file", 'the key "a" stands twice'),
        ('{"a": {"input_cost_per_token": 1, "input_cost_per_token": 0}}', "price-file", "stands twice"),
        ('{"a": {}', "json-syntax", "no JSON"),
        ("[]", "price-file", "not a mapping of models"),
        ('{"a": 1}', "price-file", "not a mapping of models"),
        ("[" * 200_000, "price-file", "nested too deep"),
        ("", "json-syntax", "no JSON"),
    ],
)
def test_what_is_no_such_file_is_refused(tmp_path: Path, text: str, code: str, says: str) -> None:
    with pytest.raises(InputError) as refused:
        litellm_file.read_file(written(tmp_path, text), STOOD)
    assert refused.value.code == code
    assert says in str(refused.value)


def test_a_file_that_is_too_large_or_not_there_is_refused(tmp_path: Path) -> None:
    large = tmp_path / "large.json"
    with large.open("wb") as stream:
        stream.truncate(50_000_000)
    with pytest.raises(InputError, match="larger than 32 MiB"):
        litellm_file.read_file(large, STOOD)
    with pytest.raises(InputError, match="no such file"):
        litellm_file.read_file(tmp_path / "nowhere", STOOD)
    (tmp_path / "latin").write_bytes(b'{"\xe9": {}}')
    with pytest.raises(InputError, match="not UTF-8"):
        litellm_file.read_file(tmp_path / "latin", STOOD)


@pytest.mark.parametrize(
    ("provider", "key", "placed"),
    [
        ("azure", "azure/eu/gpt-4o", ("azure/eu", "gpt-4o", ("eu",))),
        ("azure", "azure/gpt-4o", ("azure", "gpt-4o", None)),
        ("azure", "azure/global/gpt-4o", ("azure", "global/gpt-4o", None)),
        ("bedrock", "bedrock/eu-west-1/meta.llama3", ("bedrock/eu-west-1", "meta.llama3", ("eu-west-1",))),
        ("bedrock_converse", "eu.meta.llama3", ("bedrock/eu", "meta.llama3", ("eu",))),
        ("bedrock", "meta.llama3", ("bedrock", "meta.llama3", None)),
        ("bedrock", "apac.meta.llama3", ("bedrock", "apac.meta.llama3", None)),
        # a name that only looks like a region says nothing of where it is served
        ("groq", "groq/eu/llama3", ("groq", "eu/llama3", None)),
        ("openai", "eu.gpt-4o", ("openai", "eu.gpt-4o", None)),
    ],
)
def test_a_region_is_what_the_key_says_and_no_more(
    tmp_path: Path, provider: str, key: str, placed: tuple[str, str, tuple[str, ...] | None]
) -> None:
    found = quote(tmp_path, key, litellm_provider=provider)
    assert (found.provider, found.name, found.regions) == placed


def test_what_is_priced_otherwise_has_a_problem(tmp_path: Path) -> None:
    assert "another mode" in str(quote(tmp_path, mode="embedding").problem)
    assert "another mode" in str(quote(tmp_path, mode=None).problem)
    committed = quote(tmp_path, "bedrock/eu-west-1/1-month-commitment/m", litellm_provider="bedrock")
    assert "in advance" in str(committed.problem)
    assert quote(tmp_path, "gpt-\ud800", mode="\ud800").name == "gpt-?"
    assert "another mode than text: ?" in str(quote(tmp_path, mode="\ud800").problem)
    assert quote(tmp_path, **{f"input_cost_per_token_above_{'9' * 5000}k_tokens": 1e-06}).notes == ()
    assert "time of day" in str(quote(tmp_path, off_peak_pricing={"x": 1}).problem)
    assert quote(tmp_path, deprecation_date="2027-02-30").retires_on is None
    assert quote(tmp_path, max_input_tokens=-1).context_tokens is None
    assert quote(tmp_path, supported_regions=["us-central1", 3]).regions is None
    assert litellm_file.read_file(written(tmp_path, {"m": {**GPT, "litellm_provider": 3}}), STOOD).quotes == ()


def test_the_real_file_is_read() -> None:
    """The copy in the litellm package: OpenAI's prices as LiteLLM itself would charge them."""
    litellm = find_spec("litellm")
    if litellm is None or litellm.origin is None:
        pytest.skip("litellm is not installed")
    path = Path(litellm.origin).parent / "model_prices_and_context_window_backup.json"
    raw = json.loads(path.read_text(encoding="utf-8"))
    data = litellm_file.read_file(path, STOOD)
    found = {each.name: each for each in data.quotes if each.provider == "openai" and each.problem is None}
    assert len(found) > 50
    for name, each in found.items():
        assert each.input is not None
        assert float(each.input) == pytest.approx(raw[name]["input_cost_per_token"] * 1e6, rel=1e-12)
