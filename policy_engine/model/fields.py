"""What the fields of a workload are made of: strict types, bounds as the vocabulary has them, and how they refuse.

Strict: a boolean is never a number, a string never becomes one, 3.0 is no integer; an integer is a double.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

NAME_PATTERN = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"
LINE_PATTERN = r"^\S(.*\S)?$"
DATE_PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
SHA256_PATTERN = r"^[0-9a-f]{64}$"
LONGEST_NAME = 253
MOST_TASKS = 1000
#: Items of a list that conditions may go through.
MOST_ITEMS = 256
MOST_TOKENS = 100_000_000
LARGEST_COUNT = 2**53 - 1
#: Amounts are multiplied by counts, hours and prices. Far beyond anything real, and no product of them is infinite.
MOST_USD = 1e15
MOST_TOKENS_PER_HOUR = 1e15
MOST_SCORE = 1e6
#: GB, GB/s and TFLOP/s of one device.
MOST_OF_A_DEVICE = 1e9
MOST_DEVICES = 100_000


class Finding(NamedTuple):
    """What a check across fields found; `path` is relative to the value that was checked."""

    path: tuple[str | int, ...]
    message: str
    help: str | None = None


def refused(findings: Iterable[Finding]) -> PydanticCustomError:
    """Return the error that carries `findings` through pydantic to the loader."""
    found = list(findings)
    text = "; ".join(each.message for each in found)
    return PydanticCustomError("findings", "{text}", {"text": text, "findings": found})


class Strict(BaseModel):
    """The base of every part of a workload: frozen, closed, no coercion."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def _check_date(text: str) -> str:
    # `fromisoformat` also reads week dates and dates without hyphens; RFC 3339 has neither.
    try:
        if not re.fullmatch(DATE_PATTERN, text, re.ASCII):
            raise ValueError
        date.fromisoformat(text)
    except ValueError:
        raise refused([Finding((), "is no date", "write it as `2027-06-30`")]) from None
    return text


Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=LONGEST_NAME)]
Line = Annotated[str, Field(pattern=LINE_PATTERN)]
ShortLine = Annotated[str, Field(pattern=LINE_PATTERN, max_length=LONGEST_NAME)]
Date = Annotated[
    str,
    AfterValidator(_check_date),
    WithJsonSchema({"type": "string", "format": "date", "pattern": DATE_PATTERN}),
]
Sha256 = Annotated[str, Field(pattern=SHA256_PATTERN)]

Count = Annotated[int, Field(ge=0, le=LARGEST_COUNT)]
People = Annotated[int, Field(ge=0, le=100_000)]
Days = Annotated[int, Field(ge=0, le=36_500)]
Milliseconds = Annotated[int, Field(ge=1, le=86_400_000)]
Tokens = Annotated[int, Field(ge=0, le=MOST_TOKENS)]
SomeTokens = Annotated[int, Field(ge=1, le=MOST_TOKENS)]
Usd = Annotated[float, Field(ge=0.0, le=MOST_USD)]
TokensPerHour = Annotated[float, Field(ge=0.0, le=MOST_TOKENS_PER_HOUR)]
Score = Annotated[float, Field(ge=0.0, le=MOST_SCORE)]
Devices = Annotated[int, Field(ge=1, le=MOST_DEVICES)]
DeviceFigure = Annotated[float, Field(ge=0.0, le=MOST_OF_A_DEVICE)]
Ratio = Annotated[float, Field(ge=0.0, le=1.0)]
Percent = Annotated[float, Field(ge=0.0, le=100.0)]
Weeks = Annotated[float, Field(ge=0.0, le=5200.0)]

Stage = Literal["prototype", "pilot", "production"]
Organisation = Literal["startup", "small_team", "enterprise", "research"]
Complexity = Literal["simple", "standard", "complex"]
Quality = Literal["sufficient", "high", "best"]
Modality = Literal["text", "vision", "audio", "tool_use"]
Deployment = Literal["proprietary_api", "open_api", "open_batch", "self_hosted", "edge"]
Quantization = Literal["bf16", "fp8", "int8", "int4"]
Sensitivity = Literal["public", "internal", "confidential", "regulated"]
Pattern = Literal["steady", "variable"]
Margin = Literal["tight", "normal"]
Mlops = Literal["none", "building", "mature"]
TaskKind = Literal[
    "extraction",
    "summarisation",
    "classification",
    "sentiment",
    "internal_qa",
    "synthetic_data",
    "judge",
    "translation",
    "email_drafting",
    "customer_chat",
    "coding",
    "complex_reasoning",
    "agentic",
    "research",
    "creative_writing",
    "strategy",
    "embedding",
    "other",
]
