"""Summaries: the words in common with a reference, as ROUGE counts them. The one door to rouge-score.

The words are runs of letters and digits of any script with the marks on them, in normal form C and whatever their
case; where a script sets no spaces, each character is one. rouge-score's own are of ASCII alone: two texts in another
script would have nothing in common.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any
from unicodedata import category, normalize

from policy_engine.parity.extra import missing

#: ROUGE-L takes time and memory with the product of the two lengths.
MOST_WORDS = 3000
_NAMES = {"rouge_1": "rouge1", "rouge_2": "rouge2", "rouge_l": "rougeL"}
# Thai to Burmese, kana and the ideographs: written without spaces
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
# where combining marks stand; the variation selectors beyond are of ideographs
_MARKED = range(0x300, 0x20000)


class _Words:
    """What rouge-score asks of a tokenizer."""

    def tokenize(self, text: str) -> list[str]:
        return words(text)


def words(text: str) -> list[str]:
    """Return the words of a text, in lower case and in normal form C."""
    return _word().findall(normalize("NFC", text.lower()))


@cache
def _word() -> re.Pattern[str]:
    """Return what a word looks like: vowels of many scripts are marks, which `re` takes for no letters."""
    marks = re.escape("".join(chr(each) for each in _MARKED if category(chr(each)) in ("Mn", "Mc")))
    return re.compile(rf"[{_UNSPACED}][{marks}]*|(?:[^\W_{_UNSPACED}][{marks}]*)+")


def scorer() -> Any:
    """Return what scores a summary against its reference.

    Raises:
        UsageError: the extra is not installed.
    """
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError:
        raise missing("rouge-score") from None
    return RougeScorer(list(_NAMES.values()), tokenizer=_Words())


def overlap(scoring: Any, expected: str, answer: str) -> dict[str, float]:
    """Return the F measures of ROUGE-1, ROUGE-2 and ROUGE-L: shares."""
    found = scoring.score(expected, answer)
    return {name: float(found[theirs].fmeasure) for name, theirs in _NAMES.items()}
