"""Words and figures of `policy parity`, for its own report and for the entry of one."""

from __future__ import annotations

from policy_engine.cli.printable import printable
from policy_engine.vouching.evaluation import Candidate

NAMES = {
    "macro_f1": "macro F1",
    "accuracy": "accuracy",
    "macro_precision": "macro precision",
    "macro_recall": "macro recall",
    "rouge_l": "ROUGE-L",
    "rouge_1": "ROUGE-1",
    "rouge_2": "ROUGE-2",
    "exact_match": "exact match",
    "token_f1": "token F1",
    "json_valid": "valid JSON",
    "schema_valid": "fits the schema",
}
SAID = {
    "better": "better",
    "equivalent": "equivalent",
    "worse": "worse",
    "inconclusive": "inconclusive",
    "too_few": "too few examples",
}
_LONGEST = 24


def signed(value: float) -> str:
    """Return a difference with its sign, to four places."""
    return f"{value:+.4f}" if round(value, 4) else "0.0000"


def interval_text(candidate: Candidate) -> str:
    """Return the interval of a difference."""
    return f"{signed(candidate.difference.low)} to {signed(candidate.difference.high)}"


def short(text: str) -> str:
    """Return a label or a name as the head of a column: on one line, and not too long."""
    line = printable(" ".join(text.split()))
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
