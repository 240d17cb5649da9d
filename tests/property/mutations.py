"""Hostile input: valid texts and bytes in which a little was changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st


@st.composite
def mutated(draw: Callable[..., Any], text: str, alphabet: str) -> str:
    """Change, drop, add or repeat a few characters of `text`."""
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(text)))
        end = draw(st.integers(place, min(len(text), place + 5)))
        new = draw(st.sampled_from(["", text[place:end] * 2]) | st.text(alphabet, max_size=3))
        text = text[:place] + new + text[end:]
    return text


@st.composite
def mutated_bytes(draw: Callable[..., Any], data: bytes) -> bytes:
    """Change, drop, add or repeat a few bytes of `data`."""
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(data)))
        end = draw(st.integers(place, min(len(data), place + 8)))
        new = draw(st.sampled_from([b"", data[place:end] * 2]) | st.binary(max_size=4))
        data = data[:place] + new + data[end:]
    return data
