"""Change one value of a YAML text and nothing else: comments, order and layout stay as they are.

The text is never written anew from its values. The value, or the place where it belongs, is found by the parser's
marks; only its characters are replaced. Whether it came out right is not reasoned about but read: the new text is
loaded, and exactly that value has to differ. What cannot be edited so is refused, with its place.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from policy_engine.errors import InputError, Problem, Span
from policy_engine.loading.wording import dotted
from policy_engine.loading.yaml_scalars import resolve_plain
from policy_engine.loading.yaml_source import load_documents, load_yaml

Path = tuple[str | int, ...]
# Strings that need no quotes in a flow or block, unless they read as something else, such as `true`.
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_.@/-]*")
_LINE_BREAK = re.compile("\r\n|\r|\n")
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _NotEditableError(Exception):
    """The layout of the text has no place for the value that this module would find; the message says why."""


def set_value(text: str, file: str, index: int, path: Path, value: Any) -> str:
    """Return `text` with `value` at `path` of document `index`, and nothing else changed.

    Mappings on the way that are missing or null are made. `value` is plain data: scalars, lists, mappings.

    Raises:
        InputError: the text is not YAML, or the value cannot be put in without touching something else.
    """
    value = _composed(value)
    before = [document.value for document in load_yaml(text, file)]
    place = load_yaml(text, file)[index].span(*path)
    bom = "\ufeff" if text.startswith("\ufeff") else ""
    body = text.removeprefix("\ufeff")
    try:
        changed = bom + _edited(body, index, path, value)
    except (_NotEditableError, yaml.YAMLError) as caught:
        raise _refusal(path, place, str(caught) if isinstance(caught, _NotEditableError) else None) from None
    expected = list(before)
    expected[index] = with_value(before[index], path, value)
    after = load_documents(changed, file)
    if any(isinstance(each, Exception) for each in after) or not _same(
        [each.value for each in after if not isinstance(each, Exception)], expected
    ):
        raise _refusal(path, place, None)
    return changed


def with_value(document: Any, path: Path, value: Any) -> Any:
    """Return plain data with `value` at `path`; what was there is left as it is."""
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(step, int):
        return [with_value(item, rest, value) if place == step else item for place, item in enumerate(document)]
    return {**(document or {}), step: with_value((document or {}).get(step), rest, value)}


def flow(value: Any, quoted: bool = False) -> str:
    """Return `value` on one line; JSON is YAML, and its quotes keep a string a string. `quoted`: as JSON throughout."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{flow(k, quoted)}: {flow(v, quoted)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(flow(item, quoted) for item in value) + "]"
    if not quoted and isinstance(value, str) and _PLAIN.fullmatch(value) and resolve_plain(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _refusal(path: Path, place: Span, why: str | None) -> InputError:
    message = f"`{dotted(path)}` cannot be put in without touching something else" + (f": {why}" if why else "")
    return InputError(Problem("yaml-edit", message, place, "write it in by hand"))


@dataclass(frozen=True, slots=True)
class _Text:
    """The text with the offsets of its lines; the parser's marks count lines and columns as the loader's spans do."""

    text: str
    starts: tuple[int, ...]

    def at(self, mark: Any) -> int:
        offset: int = self.starts[mark.line] + mark.column
        return offset

    def end_of_line(self, offset: int) -> int:
        found = _LINE_BREAK.search(self.text, offset)
        return found.start() if found else len(self.text)

    @property
    def line_break(self) -> str:
        found = _LINE_BREAK.search(self.text)
        return found[0] if found else "\n"


def _edited(body: str, index: int, path: Path, value: Any) -> str:
    text = _Text(body, (0, *(found.end() for found in _LINE_BREAK.finditer(body))))
    node = list(yaml.compose_all(body, Loader=_Loader))[index]
    for depth, step in enumerate(path):
        child = _child(node, step)
        if child is None:
            if isinstance(step, int) or not isinstance(node, yaml.MappingNode):
                raise _NotEditableError("there is no such place")
            return _inserted(text, node, step, _nested(path[depth + 1 :], value))
        if isinstance(child, yaml.ScalarNode) and depth + 1 < len(path):
            # a null that stands for a mapping: the keys below it take its place
            if child.style or resolve_plain(child.value) is not None:
                raise _NotEditableError("a value stands where a mapping would have to")
            return _replaced(text, child, _nested(path[depth + 1 :], value), _is_json(text, node))
        node, parent = child, node
    return _replaced(text, node, value, _is_json(text, parent))


def _nested(path: Path, value: Any) -> Any:
    for step in reversed(path):
        if isinstance(step, int):
            raise _NotEditableError("there is no such place")
        value = {step: value}
    return value


def _child(node: Any, step: str | int) -> Any:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == step), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int):
        return node.value[step] if step < len(node.value) else None
    return None


def _is_json(text: _Text, parent: Any) -> bool:
    """Whether the mapping around a value is written as JSON, with quotes around its keys."""
    if not (isinstance(parent, yaml.MappingNode) and parent.flow_style and parent.value):
        return False
    return all(text.text[text.at(key.start_mark)] == '"' for key, _ in parent.value)


def _replaced(text: _Text, node: Any, value: Any, quoted: bool) -> str:
    start, end = text.at(node.start_mark), text.at(node.end_mark)
    if isinstance(node, yaml.ScalarNode) or node.flow_style:
        old = text.text[start:end]
        if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
            raise _NotEditableError("it is a block of text")
        if not isinstance(node, yaml.ScalarNode) and "#" in old and "\n" in old:
            raise _NotEditableError("it stands on several lines, with comments")
        gap = "" if old or text.text[start - 1 : start] in ("", " ") else " "
        return text.text[:start] + gap + flow(value, quoted) + text.text[end:]
    end = _last(text, node)
    if "#" in text.text[start:end]:
        raise _NotEditableError("it stands on several lines, with comments")
    before = text.text[:start].rstrip(" \r\n")
    if not before.endswith(":"):
        raise _NotEditableError("it stands on several lines")
    return f"{before} {flow(value)}{text.text[end:]}"


def _last(text: _Text, node: Any) -> int:
    """Return where the last character of `node` ends: a block's own mark is where the next token starts."""
    ends = [text.at(each.end_mark) for each in _leaves(node)]
    return max(ends)


def _leaves(node: Any) -> Iterator[Any]:
    """Yield the scalars and flow collections below `node`; the loader has bounded how deep that is."""
    if isinstance(node, yaml.ScalarNode) or node.flow_style:
        yield node
        return
    for item in node.value:
        for each in item if isinstance(item, tuple) else (item,):
            yield from _leaves(each)


def _inserted(text: _Text, parent: Any, key: str, value: Any) -> str:
    """Put a new key behind the last one of `parent`."""
    if parent.flow_style:
        return _into_flow(text, parent, key, value)
    indent = parent.value[0][0].start_mark.column
    end = _last(text, parent)
    at = end if text.text[end - 1 : end] in ("\n", "\r") else text.end_of_line(end)
    lines = "".join(f"{line}{text.line_break}" for line in _block(key, value, indent))
    rest = text.text[at:]
    if text.text[at - 1 : at] in ("\n", "\r"):
        return text.text[:at] + lines + rest
    return f"{text.text[:at]}{text.line_break}{lines.removesuffix(text.line_break)}{rest}"


def _into_flow(text: _Text, parent: Any, key: str, value: Any) -> str:
    if not parent.value:
        at = text.at(parent.start_mark) + text.text[text.at(parent.start_mark) :].index("{") + 1
        return f"{text.text[:at]}{flow(key)}: {flow(value)}{text.text[at:]}"
    quoted = _is_json(text, parent)
    at = text.at(parent.value[-1][1].end_mark)
    return f"{text.text[:at]}, {flow(key, quoted)}: {flow(value, quoted)}{text.text[at:]}"


def _block(key: str, value: Any, indent: int) -> Iterator[str]:
    pad = " " * indent
    if isinstance(value, dict) and len(value) == 1:
        yield f"{pad}{flow(key)}:"
        for below, each in value.items():
            yield from _block(below, each, indent + 2)
    else:
        yield f"{pad}{flow(key)}: {flow(value)}"


def _composed(value: Any) -> Any:
    """Return `value` as a loader reads it back: its texts in NFC."""
    if isinstance(value, dict):
        return {_composed(key): _composed(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_composed(each) for each in value]
    return unicodedata.normalize("NFC", value) if isinstance(value, str) else value


def _same(one: Any, other: Any) -> bool:
    """Whether two values are the same in type as well: 1 is neither true nor 1.0."""
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return type(one) is type(other) and bool(one == other)
