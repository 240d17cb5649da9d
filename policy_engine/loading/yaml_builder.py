"""Parser events to nodes: the value, its place, and the places of its keys.

INVARIANT: no method calls itself; the nesting of the text is kept in `_open`, and bounded.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from policy_engine.errors import Problem, Span
from policy_engine.loading.wording import quoted
from policy_engine.loading.yaml_scalars import Refusal, check_string, resolve_plain

DEEPEST = 64
MOST_ALIASED_NODES = 10_000
MOST_PROBLEMS = 100

Place = tuple[int, int]


@dataclass(slots=True)
class Node:
    """A value with its place; `size` and `height` count what an alias to it would repeat."""

    place: Place
    value: Any
    keys: dict[str | int, Place] = field(default_factory=dict)
    children: dict[str | int, Node] = field(default_factory=dict)
    size: int = 1
    height: int = 1

    def child(self, step: str | int) -> Node | None:
        return self.children.get(step)


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not been read; `key` is the key that waits for its value."""

    node: Node
    anchor: str | None
    is_mapping: bool
    wants_key: bool
    key: str | None = None


class Builder:
    """Builds one document from its events; what is wrong gathers in `problems`."""

    def __init__(self, file: str) -> None:
        self.problems: list[Problem] = []
        self.root = Node((1, 1), None)
        self._file = file
        self._open: list[_Open] = []
        self._anchors: dict[str, Node | None] = {}  # None while the node is still open
        self._aliased = 0
        self.too_deep = False  # what follows is not worth parsing
        self._given_up = False

    @property
    def items(self) -> int:
        """How many items the list has so far that the document is; 0 where it is none."""
        outermost = self._open[0] if self._open else None
        return len(outermost.node.value) if outermost is not None and not outermost.is_mapping else 0

    def take(self, event: Any) -> None:
        """Take the next event of the document's body; after a fatal problem, ignore it."""
        if self._given_up:
            return
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            self._start(event)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self._end()
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        place = _place_of(event)
        self._refuse_tag(event, place)
        value = resolve_plain(event.value) if event.implicit[0] else check_string(event.value)
        if isinstance(value, Refusal):
            self._problem(value.code, value.message, place, value.help)
            value = ""
        if self._open and self._open[-1].wants_key:
            self._take_key(value, event, place)
            return
        node = Node(place, value)
        if event.anchor:
            self._anchors[event.anchor] = node
        self._attach(node)

    def _take_key(self, value: Any, event: yaml.ScalarEvent, place: Place) -> None:
        """Take a mapping's next key; one that is refused still takes its value, which is then dropped."""
        mapping = self._open[-1]
        mapping.wants_key, mapping.key = False, None
        if event.anchor:
            self._anchors[event.anchor] = Node(place, value)
        if not isinstance(value, str):
            shown = event.value or "an empty key"
            self._problem("yaml-key", f"the key {quoted(shown)} is not a string", place, "put quotes around it")
        elif value == "<<" and event.implicit[0]:
            hint = "write the keys out: a merge hides which value wins"
            self._problem("yaml-merge-key", "the merge key `<<` is not read", place, hint)
        elif value in mapping.node.keys:
            line, column = mapping.node.keys[value]
            message = f"the key {quoted(value)} stands here again; first at line {line}, column {column}"
            self._problem("yaml-duplicate-key", message, place, "remove one of them")
        else:
            mapping.key = value
            mapping.node.keys[value] = place

    def _start(self, event: Any) -> None:
        place = _place_of(event)
        self._refuse_tag(event, place)
        if len(self._open) >= DEEPEST:
            self.too_deep = True
            self._give_up("yaml-too-deep", f"nested deeper than {DEEPEST} levels", place)
            return
        if self._open and self._open[-1].wants_key:
            self._give_up("yaml-key", "a list or mapping cannot be a key", place)
            return
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        node = Node(place, {} if is_mapping else [])
        if event.anchor:
            self._anchors[event.anchor] = None
        self._open.append(_Open(node, event.anchor, is_mapping, wants_key=is_mapping))

    def _end(self) -> None:
        done = self._open.pop()
        if done.anchor:
            self._anchors[done.anchor] = done.node
        self._attach(done.node)

    def _alias(self, event: yaml.AliasEvent) -> None:
        place = _place_of(event)
        name = str(event.anchor)
        if name not in self._anchors:
            self._give_up("yaml-alias", f"the alias {quoted('*' + name)} names no anchor above it", place)
            return
        target = self._anchors[name]
        if target is None:
            self._give_up("yaml-alias", f"the alias {quoted('*' + name)} stands inside what it names", place)
            return
        if self._open and self._open[-1].wants_key:
            self._give_up("yaml-key", f"the alias {quoted('*' + name)} cannot be a key", place)
            return
        self._aliased += target.size
        if self._aliased > MOST_ALIASED_NODES:
            message = f"the aliases repeat more than {MOST_ALIASED_NODES:,} values"
            self._give_up("yaml-alias", message, place)
        elif len(self._open) + target.height > DEEPEST + 1:
            self._give_up("yaml-too-deep", f"nested deeper than {DEEPEST} levels", place)
        else:
            self._attach(replace(target, place=place))

    def _attach(self, node: Node) -> None:
        if not self._open:
            self.root = node
            return
        outer = self._open[-1]
        outer.node.size += node.size
        outer.node.height = max(outer.node.height, node.height + 1)
        if not outer.is_mapping:
            outer.node.children[len(outer.node.value)] = node
            outer.node.value.append(node.value)
            return
        if outer.key is not None:
            outer.node.children[outer.key] = node
            outer.node.value[outer.key] = node.value
        outer.wants_key = True

    def _refuse_tag(self, event: Any, place: Place) -> None:
        if event.tag is not None:
            tag = str(event.tag).replace("tag:yaml.org,2002:", "!!")
            hint = "leave the tag out; put quotes around what is meant as a string"
            self._problem("yaml-tag", f"the tag {quoted(tag)} is not read", place, hint)

    def _problem(self, code: str, message: str, place: Place, hint: str | None = None) -> None:
        if len(self.problems) >= MOST_PROBLEMS:
            self._give_up("yaml-too-many-problems", "more problems follow", place)
        else:
            self.problems.append(Problem(code, message, Span(self._file, *place), hint))

    def _give_up(self, code: str, message: str, place: Place) -> None:
        self._given_up = True
        self.problems.append(Problem(code, message, Span(self._file, *place)))


def _place_of(event: Any) -> Place:
    return event.start_mark.line + 1, event.start_mark.column + 1
