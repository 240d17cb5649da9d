"""Text in SARIF: what a stranger wrote is no placeholder and no link."""

from __future__ import annotations

from typing import Any

from policy_engine.wording import printable

_DOUBLED = str.maketrans({"{": "{{", "}": "}}"})


def plain(text: str) -> str:
    """Return text as a plain text message means it: braces doubled (3.11.5), and no embedded link (3.11.6)."""
    return printable(text).replace("](", "] (").translate(_DOUBLED)


def message(text: str, markdown: str | None = None) -> dict[str, Any]:
    """Return a message; `markdown` holds what was escaped already."""
    found: dict[str, Any] = {"text": plain(text)}
    if markdown is not None:
        found["markdown"] = markdown.translate(_DOUBLED)
    return found


def clean(value: Any) -> Any:
    """Return a value of JSON in which halves of characters, which JSON cannot carry, are escapes."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {clean(name): clean(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [clean(each) for each in value]
    return value
