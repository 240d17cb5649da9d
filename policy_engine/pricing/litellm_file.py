"""LiteLLM's price file, `model_prices_and_context_window.json`: dollars per token by model, read without LiteLLM.

Money is read as decimals, so that 2.5e-06 a token is 2.5 a million, and a key that stands twice is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from pathlib import Path
from typing import Any

from policy_engine.errors import InputError, Problem, Span
from policy_engine.loading.yaml_source import read_bytes
from policy_engine.pricing.quotes import Quote, SourceData, problem_of, usd

NAME = "litellm"
LARGEST = 32 * 1024 * 1024
#: What serves text: the other modes are priced by images, seconds or pages.
_TEXT = ("chat", "completion", "responses")
_SAMPLE = "sample_spec"
_BEDROCK = ("bedrock", "bedrock_converse")
#: How Bedrock names a model that it serves within a geography, and the region that this is.
_GEOGRAPHIES = {"eu": "eu", "us": "us"}
_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d")
_ABOVE = re.compile(r"(input|output)_cost_per_token_above_(\d{1,6})k_tokens")
_MORE = (
    ("cached input", ("cache_read_input_token_cost",)),
    ("batch", ("input_cost_per_token_batches", "output_cost_per_token_batches")),
)


def read_file(path: Path, stood: date) -> SourceData:
    """Return what the file at `path` says; `stood` is the day on which it stood so, for it does not say itself.

    Raises:
        InputError: it cannot be read, is too large, or is no such file.
    """
    content = read_bytes(path, InputError, LARGEST)
    if len(content) > LARGEST:
        raise _refused(path, f"it is larger than {LARGEST // 1024 // 1024} MiB")
    digest = sha256(content).hexdigest()
    try:
        found = json.loads(content, parse_float=_number, parse_int=_number, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        place = Span(str(path), error.lineno, error.colno)
        raise InputError(Problem("json-syntax", f"it is no JSON: {error.msg.lower()}", place)) from None
    except UnicodeDecodeError:
        raise _refused(path, "it is not UTF-8") from None
    except RecursionError:
        raise _refused(path, "it is nested too deep") from None
    except _DuplicateKeyError as error:
        raise _refused(path, f"the key {error} stands twice in one place") from None
    if not isinstance(found, dict) or not any(isinstance(each, dict) for each in found.values()):
        raise _refused(path, "it is not a mapping of models")
    quotes = (_quote(key, each) for key, each in found.items() if key != _SAMPLE and isinstance(each, dict))
    return SourceData(NAME, None, stood, digest, tuple(each for each in quotes if each is not None))


class _DuplicateKeyError(ValueError):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _DuplicateKeyError(json.dumps(key[:80]))
        found[key] = value
    return found


def _number(text: str) -> Decimal | float:
    """Read a number exactly: as int() thousands of digits, and as Decimal an endless exponent, would be an error."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return float("nan")


def _clean(text: str) -> str:
    """Return `text` without halves of characters, which no other document can hold."""
    return text.encode("utf-8", "replace").decode()


def _refused(path: Path, why: str) -> InputError:
    hint = "--from takes LiteLLM's model_prices_and_context_window.json"
    return InputError(Problem("price-file", f"`{path}` is no LiteLLM price file: {why}", Span(str(path), 1, 1), hint))


def _quote(key: str, model: Mapping[str, Any]) -> Quote | None:
    named = model.get("litellm_provider")
    if not isinstance(named, str):
        return None  # nothing says who sells it
    provider, name, region = _placed(named, _clean(key))
    into, out = (_per_million(model.get(f"{way}_cost_per_token")) for way in ("input", "output"))
    mode = model.get("mode")
    problem = (
        problem_of(into, out) if mode in _TEXT else f"it is priced for another mode than text: {_clean(str(mode)[:40])}"
    )
    if "-commitment/" in key:
        problem = "a price of capacity that is paid for in advance"
    if "off_peak_pricing" in model or "tiered_pricing" in model:
        problem = problem or "its price depends on what this program does not read (time of day, or its own tiers)"
    return Quote(
        provider,
        name,
        into,
        out,
        tuple(_notes(model)),
        _tokens(model.get("max_input_tokens")),
        _day(model.get("deprecation_date")),
        _regions(model.get("supported_regions"), region),
        problem,
    )


def _placed(named: str, key: str) -> tuple[str, str, str | None]:
    """Return the provider, with the region that the key says in it, the model's name there, and that region."""
    parts = key.split("/")
    if named == "azure" and parts[0] == "azure":
        if len(parts) == 3 and parts[1] in _GEOGRAPHIES:
            return f"azure/{parts[1]}", parts[2], _GEOGRAPHIES[parts[1]]
        return "azure", "/".join(parts[1:]), None
    if named in _BEDROCK:
        if parts[0] == "bedrock":
            parts = parts[1:]
        if len(parts) == 2 and _REGION.fullmatch(parts[0]):
            return f"bedrock/{parts[0]}", parts[1], parts[0]
        geography, _, rest = parts[0].partition(".")
        if len(parts) == 1 and geography in _GEOGRAPHIES:
            return f"bedrock/{geography}", rest, _GEOGRAPHIES[geography]
        return "bedrock", "/".join(parts), None
    return named, key.removeprefix(f"{named}/"), None


def _per_million(value: Any) -> Decimal | None:
    """Return dollars per million tokens; None where none is stated, not-a-number where it is no number."""
    if value is None:
        return None
    if not isinstance(value, Decimal):
        return Decimal("nan")  # text, true, a list, NaN: stated, and no price
    # what is as large as that is no price of a token, nor of a million
    return value.scaleb(6) if value.is_finite() and abs(value.adjusted()) < 30 else value


def _tokens(value: Any) -> int | None:
    # the largest window there is has some ten millions; what is larger is no window
    known = isinstance(value, Decimal) and 0 < value < 10**9 and value == int(value)
    return int(value) if known else None


def _day(value: Any) -> date | None:
    try:
        return date.fromisoformat(value) if isinstance(value, str) and len(value) == 10 else None
    except ValueError:
        return None


def _regions(value: Any, region: str | None) -> tuple[str, ...] | None:
    if region is not None:
        return (region,)
    if not isinstance(value, list) or not value or not all(isinstance(each, str) for each in value):
        return None
    return tuple(sorted(set(value)))


def _notes(model: Mapping[str, Any]) -> Iterator[str]:
    for title, fields in _MORE:
        found = [_per_million(model.get(field)) for field in fields]
        if None not in found and problem_of(*found) is None:
            said = [usd(each) for each in found if each is not None]
            yield f"{title}: {said[0]}" if len(said) == 1 else f"{title}: {said[0]} in, {said[1]} out"
    above: dict[int, dict[str, Decimal]] = {}
    for field, value in model.items():
        match, amount = _ABOVE.fullmatch(field), _per_million(value)
        if match and amount is not None and problem_of(amount) is None:
            above.setdefault(int(match[2]) * 1000, {})[match[1].removesuffix("put")] = amount
    for start, each in sorted(above.items()):
        yield f"above {start:,} tokens: {', '.join(f'{usd(amount)} {way}' for way, amount in sorted(each.items()))}"
