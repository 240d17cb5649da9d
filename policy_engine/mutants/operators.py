"""Small mistakes, made on purpose: every expression that differs from a rule's in one operator, operand or constant.

| part | becomes |
|---|---|
| `==` `!=` `<` `<=` `>` `>=` | its opposite; of an order every other order |
| `&&`, `||` | the other; and each operand is left out |
| `!` | left out; and put before every truth but comparisons, whose opposite is theirs |
| a member of a list | left out; and each constant of it another value |
| a word, a truth | another of its fact's values; the opposite |
| a number, a parameter | one step more, one step less: 1, of a double a thousandth of its value |
| `exists`, `all` | the other |
| `? :` | its arms changed over; either arm alone |
| `+ - * / %`, a sign | another operation; left out |
| `startsWith`, `endsWith`, `contains` | another of them |

What a rule does when it fires (forbid, prefer and the others) is no part of its cases, and is not changed here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from policy_engine.language import kleene, tree
from policy_engine.language.paths import Path, places, put, start
from policy_engine.language.text import to_text
from policy_engine.language.tree import Arithmetic, Const, FactRef, Node, Scalar
from policy_engine.mutants.domains import domains_of, other_word

PARAMETER = "param."
_ORDERS = ("<", "<=", ">", ">=")
_RELATIONS = {"==": ("!=",), "!=": ("==",), **{each: tuple(o for o in _ORDERS if o != each) for each in _ORDERS}}
_OPERATIONS = {"+": "-", "-": "+", "*": "/", "/": "*", "%": "/"}
_FUNCTIONS = {"startsWith": "endsWith", "endsWith": "startsWith", "contains": "startsWith"}
_TRUTHS = (FactRef, tree.Member, tree.Call, tree.Quantified, tree.Choose, tree.And, tree.Or)
#: Of a double's value: small against what anybody means, and large against rounding.
STEP = 0.001


class Mutant(Struct, frozen=True):
    """An expression with one change: `at` is its place in the text, and `says` what it is. `text` is all of it."""

    node: Node
    at: int
    says: str

    @property
    def text(self) -> str:
        return to_text(self.node)


class Setting(Struct, frozen=True):
    """What the names in an expression stand for: words by fact, and values by parameter."""

    words: Mapping[str, tuple[str, ...]]
    parameters: Mapping[str, Scalar]
    derived: str | None = None


def mutants_of(node: Node, setting: Setting) -> Iterator[Mutant]:
    """Yield every mutant of an expression once, in the order of the text; none is the expression itself."""
    seen = {to_text(node)}
    domains = domains_of(node, setting.derived)
    for path, each in places(node):
        above = _above(node, path)
        words = setting.words.get(domains.get(path, ""))
        if words is not None and isinstance(above, tree.ListOf):
            taken = {item.value for item in above.items if isinstance(item, Const) and item != each}
            words = tuple(word for word in words if word not in taken)
        for at, other, says in (*_changes(each, words, setting), *_added(each, above), *_shorter(each)):
            if isinstance(above, Arithmetic) and above.op in "/%" and isinstance(other, Const) and not other.value:
                continue  # nothing is divided by zero
            mutant = Mutant(put(node, path, other), at, says)
            if mutant.text not in seen:
                seen.add(mutant.text)
                yield mutant


Change = tuple[int, Node, str]


def _changes(node: Node, words: tuple[str, ...] | None, setting: Setting) -> Iterator[Change]:
    match node:
        case tree.Compare():
            for op in _RELATIONS[node.op]:
                yield node.at, replace(node, op=op), f"`{node.op}` becomes `{op}`"
        case tree.And():
            yield node.at, tree.Or(node.operands, node.at), "`&&` becomes `||`"
        case tree.Or():
            yield node.at, tree.And(node.operands, node.at), "`||` becomes `&&`"
        case tree.Not():
            yield node.at, node.operand, "`!` is left out"
        case tree.Quantified():
            other = "all" if node.kind == "exists" else "exists"
            yield node.at, replace(node, kind=other), f"`{node.kind}` becomes `{other}`"
        case tree.Choose():
            yield node.at, replace(node, then=node.otherwise, otherwise=node.then), "the arms change places"
            yield start(node.then), node.then, f"`{to_text(node.then)}` always"
            yield start(node.otherwise), node.otherwise, f"`{to_text(node.otherwise)}` always"
        case tree.Call() if node.function in _FUNCTIONS:
            function = _FUNCTIONS[node.function]
            yield node.at, replace(node, function=function), f"`{node.function}` becomes `{function}`"
        case tree.Arithmetic():
            yield from _operations(node)
        case tree.Const():
            for value in _values(node, words):
                yield (
                    node.at,
                    replace(node, value=value),
                    f"`{to_text(node)}` becomes `{to_text(Const(value, node.type))}`",
                )
        case FactRef() if node.name.startswith(PARAMETER) and node.type in ("int", "double", "bool"):
            yield from _stepped(node, setting.parameters[node.name.removeprefix(PARAMETER)])


def _operations(node: Arithmetic) -> Iterator[Change]:
    if node.op == "neg":
        yield node.at, node.operands[0], "`-` is left out"
        return
    op = _OPERATIONS[node.op]
    divisor = node.operands[1]
    # the language divides by constants alone
    if op != "/" or (isinstance(divisor, Const) and divisor.value):
        yield node.at, replace(node, op=op), f"`{node.op}` becomes `{op}`"


def _values(node: Const, words: tuple[str, ...] | None) -> tuple[Scalar, ...]:
    value = node.value
    if isinstance(value, bool):
        return (not value,)
    if isinstance(value, int | float):
        step = _step(value)
        return tuple(each for each in (value - step, value + step) if kleene.kept(each) is not None)
    return (other_word(value, words),)


def _step(value: float) -> float:
    return 1 if isinstance(value, int) else abs(value) * STEP or STEP


def _stepped(node: FactRef, value: Scalar) -> Iterator[Change]:
    if isinstance(value, bool):
        yield start(node), tree.Not(node), f"`{node.name}` becomes `!{node.name}`"
    elif isinstance(value, int | float):
        for op in ("-", "+"):
            other = Arithmetic(op, (node, Const(_step(value), node.type)), node.type)
            yield start(node), other, f"`{node.name}` becomes `{to_text(other)}`"


def _added(node: Node, above: Node | None) -> Iterator[Change]:
    """Put a `!` before a truth that has none: leaving one out is a change of its own."""
    parameter = isinstance(node, FactRef) and node.name.startswith(PARAMETER)
    if node.type == "bool" and isinstance(node, _TRUTHS) and not parameter and not isinstance(above, tree.Not):
        yield start(node), tree.Not(node), f"`!` is put before `{to_text(node)}`"


def _above(root: Node, path: Path) -> Node | None:
    """Return the node that holds the one at `path`; None for the root."""
    steps = path[:-1] if path and isinstance(path[-1], str) else path[:-2]
    found: Any = root
    for step in steps:
        found = found[int(step)] if isinstance(found, tuple) else getattr(found, str(step))
    return found if path else None


def _shorter(node: Node) -> Iterator[Change]:
    """Leave each operand out, and each member of a list."""
    if isinstance(node, tree.And | tree.Or):
        kind = type(node)
        for index, operand in enumerate(node.operands):
            left = (*node.operands[:index], *node.operands[index + 1 :])
            said = f"`{to_text(operand)}` is left out"
            yield start(operand), left[0] if len(left) == 1 else kind(left, node.at), said
    elif isinstance(node, tree.ListOf):
        for index, item in enumerate(node.items):
            rest = replace(node, items=(*node.items[:index], *node.items[index + 1 :]))
            yield start(item), rest, f"`{to_text(item)}` is left out of the list"
