"""Lower a typed tree to durable_rules conditions.

durable_rules knows no third value and its negation does not withdraw, so every node gets four positive forms: T it
is true, F it is false, P it is not false, N it is not true. A rule becomes two: it has fired if T matches, and is
indeterminate if P matches and T does not. What the engine cannot say safely becomes an **atom**: a boolean that
the CEL runtime evaluates beforehand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from policy_engine.language import tree
from policy_engine.language.text import to_text
from policy_engine.language.tree import Node
from policy_engine.lowering.grouping import MAX_WIDTH, leaves, width
from policy_engine.lowering.values import sayable

#: A durable_rules condition, or a truth value that needs none.
Form = dict[str, Any] | bool

# durable_rules crashes or loops beyond 15 groups and 500 alternatives; these leave room
MAX_GROUPS = 12
MAX_LEAVES = 60
# nested `?:` multiply their forms with each level; a form this large is hoisted anyway
MAX_FORM = 4 * MAX_LEAVES

_REL = {"<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte", "!=": "$neq"}
_FLIP = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_COMPLEMENT = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}


@dataclass(frozen=True, slots=True)
class Forms:
    """The four positive forms of one node."""

    T: Form
    F: Form
    P: Form
    N: Form

    def inverted(self) -> Forms:
        return Forms(T=self.F, F=self.T, P=self.N, N=self.P)


@dataclass
class Names:
    """Short field names that are ours: durable_rules compares names by a 32-bit hash alone."""

    fields: dict[str, str] = field(default_factory=dict)
    lengths: dict[str, str] = field(default_factory=dict)
    atoms: dict[str, str] = field(default_factory=dict)

    def field_of(self, fact: str) -> str:
        return self.fields.setdefault(fact, f"f{len(self.fields)}")

    def length_of(self, fact: str) -> str:
        return self.lengths.setdefault(fact, f"n{len(self.lengths)}")

    def atom_of(self, text: str) -> str:
        return self.atoms.setdefault(text, f"a{len(self.atoms)}")

    def mark(self) -> tuple[int, int, int]:
        """Return a mark for `roll_back`."""
        return len(self.fields), len(self.lengths), len(self.atoms)

    def roll_back(self, mark: tuple[int, int, int]) -> None:
        """Forget the names given since `mark`: nothing reads them any more."""
        for names, count in zip((self.fields, self.lengths, self.atoms), mark, strict=True):
            for name in list(names)[count:]:
                del names[name]


def _junction(op: str, stop: bool, parts: list[Form]) -> Form:
    """Join conditions, flattening and dropping what is decided; never empty, since `$and: []` matches all."""
    out: list[dict[str, Any]] = []
    for part in parts:
        if isinstance(part, bool):
            if part is stop:
                return stop
            continue
        for item in part.get(op, (part,)):
            if item not in out:
                out.append(item)
    if not out:
        return not stop
    return out[0] if len(out) == 1 else {op: out}


def all_of(*parts: Form) -> Form:
    return _junction("$and", False, list(parts))


def any_of(*parts: Form) -> Form:
    return _junction("$or", True, list(parts))


def _groups(form: Form) -> int:
    if isinstance(form, bool):
        return 0
    ((key, value),) = form.items()
    return 1 + sum(map(_groups, value)) if key in ("$and", "$or") else 0


def _too_large(form: Form) -> bool:
    return _groups(form) > MAX_GROUPS or leaves(form) > MAX_LEAVES or width(form) > MAX_WIDTH


def lower(node: Node, names: Names) -> Forms:
    """Return the forms of the condition `node`, as one atom where it is too large for the engine."""
    mark = names.mark()
    forms = _forms(node, names)
    if any(_too_large(form) for form in (forms.T, forms.P)):
        names.roll_back(mark)
        return _atom(node, names)
    return forms


def _forms(node: Node, names: Names) -> Forms:
    mark = names.mark()
    forms = _forms_of(node, names)
    if max(map(leaves, (forms.T, forms.F, forms.P, forms.N))) > MAX_FORM:
        names.roll_back(mark)
        return _atom(node, names)
    return forms


def _forms_of(node: Node, names: Names) -> Forms:
    match node:
        case tree.Const(value=bool(value)):
            return Forms(T=value, F=not value, P=value, N=not value)
        case tree.FactRef(type="bool"):
            key = names.field_of(node.name)
            return _leaf((key,), {key: True}, {key: False})
        case tree.Not():
            return _forms(node.operand, names).inverted()
        case tree.And():
            return _conjunction([_forms(x, names) for x in node.operands])
        case tree.Or():
            return _conjunction([_forms(x, names).inverted() for x in node.operands]).inverted()
        case tree.Choose(type="bool"):
            return _choose(node, names)
        case tree.Compare():
            return _compare(node, names) or _atom(node, names)
        case tree.Member():
            return _member(node, names) or _atom(node, names)
        case tree.Quantified():
            return _quantified(node, names) or _atom(node, names)
    return _atom(node, names)


def _conjunction(parts: list[Forms]) -> Forms:
    return Forms(
        T=all_of(*(p.T for p in parts)),
        F=any_of(*(p.F for p in parts)),
        P=all_of(*(p.P for p in parts)),
        N=any_of(*(p.N for p in parts)),
    )


def _choose(node: tree.Choose, names: Names) -> Forms:
    condition = _forms(node.condition, names)
    then, otherwise = _forms(node.then, names), _forms(node.otherwise, names)
    unknown = all_of(condition.P, condition.N)

    def pick(form: Callable[[Forms], Form]) -> Form:
        return any_of(all_of(condition.T, form(then)), all_of(condition.F, form(otherwise)))

    return Forms(
        T=pick(lambda f: f.T),
        F=pick(lambda f: f.F),
        P=any_of(unknown, pick(lambda f: f.P)),
        N=any_of(unknown, pick(lambda f: f.N)),
    )


def _leaf(fields: tuple[str, ...], true: Form, false: Form) -> Forms:
    """Guard both sides by presence; P and N also match where a field is missing."""
    present: list[Form] = [{"$ex": {name: 1}} for name in fields]
    missing: list[Form] = [{"$nex": {name: 1}} for name in fields]
    if len(fields) == 1:
        # a comparison of one field is false by itself where the field is missing
        present = []
    true, false = all_of(*present, true), all_of(*present, false)
    return Forms(T=true, F=false, P=any_of(*missing, true), N=any_of(*missing, false))


def _atom(node: Node, names: Names) -> Forms:
    key = names.atom_of(to_text(node))
    return _leaf((key,), {key: True}, {key: False})


def _sayable(constant: tree.Const) -> bool:
    return sayable(constant.value)


def _test(key: str, op: str, operand: Any) -> dict[str, Any]:
    return {key: operand} if op == "==" else {_REL[op]: {key: operand}}


def _compare(node: tree.Compare, names: Names) -> Forms | None:
    left, right, op = node.left, node.right, str(node.op)
    if isinstance(left, tree.Const) and not isinstance(right, tree.Const):
        left, right, op = right, left, _FLIP[op]
    if left.type == "bool":
        return _compare_bool(left, right, op, names)
    if left.type == "string" and op not in ("==", "!="):
        return None  # durable_rules would order the raw JSON
    key = _scalar_key(left, names)
    if key is None:
        return None
    if isinstance(right, tree.Const):
        if not _sayable(right):
            return None
        return _leaf((key,), _test(key, op, right.value), _test(key, _COMPLEMENT[op], right.value))
    other = _scalar_key(right, names) if left.type != "string" else None
    if other is None or other == key:
        return None
    reference = {"$m": other}
    return _leaf((key, other), _test(key, op, reference), _test(key, _COMPLEMENT[op], reference))


def _compare_bool(left: Node, right: Node, op: str, names: Names) -> Forms | None:
    if not isinstance(right, tree.Const):
        return None
    forms = _forms(left, names)
    return forms if (op == "==") == right.value else forms.inverted()


def _scalar_key(node: Node, names: Names) -> str | None:
    """The field that holds a scalar: a fact's, or the asserted length of a list fact."""
    if isinstance(node, tree.FactRef) and node.type in ("int", "double", "string"):
        return names.field_of(node.name)
    if isinstance(node, tree.Call) and node.function == "size":
        (target,) = node.operands
        if isinstance(target, tree.FactRef) and target.type == "list<string>":
            return names.length_of(target.name)
    return None


def _member(node: tree.Member, names: Names) -> Forms | None:
    item, items = node.item, node.items
    if isinstance(items, tree.ListOf) and isinstance(item, tree.FactRef) and item.type in ("int", "double", "string"):
        constants = [c for c in items.items if isinstance(c, tree.Const) and _sayable(c)]
        if len(constants) != len(items.items) or not constants:
            return None
        key = names.field_of(item.name)
        true = any_of(*({key: c.value} for c in constants))
        false = all_of(*({"$neq": {key: c.value}} for c in constants))
        return _leaf((key,), true, false)
    if isinstance(item, tree.Const) and isinstance(items, tree.FactRef) and _sayable(item):
        return _any_item(items.name, "==", item.value, names)
    return None


def _quantified(node: tree.Quantified, names: Names) -> Forms | None:
    """`list.exists(x, x == c)` and its kin, by `$iany` and `$iall`."""
    body = node.body
    if not (isinstance(node.over, tree.FactRef) and isinstance(body, tree.Compare) and body.op in ("==", "!=")):
        return None
    sides = (body.left, body.right)
    constant = next((s for s in sides if isinstance(s, tree.Const)), None)
    variable = next((s for s in sides if isinstance(s, tree.Variable) and s.name == node.variable), None)
    if constant is None or variable is None or not _sayable(constant):
        return None
    if node.kind == "exists":
        return _any_item(node.over.name, body.op, constant.value, names)
    return _any_item(node.over.name, _COMPLEMENT[body.op], constant.value, names).inverted()


def _any_item(fact: str, op: str, constant: Any, names: Names) -> Forms:
    """Some item of the list stands in `op` to `constant`. `$iall` is false on an empty list, hence the length."""
    key, length = names.field_of(fact), names.length_of(fact)

    def item(relation: str) -> Any:
        return {"$i": constant} if relation == "==" else {"$neq": {"$i": constant}}

    true: Form = {"$iany": {key: item(op)}}
    false = any_of({length: 0}, {"$iall": {key: item(_COMPLEMENT[op])}})
    return _leaf((key,), true, false)
