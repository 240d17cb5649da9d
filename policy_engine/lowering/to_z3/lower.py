"""Lower the typed nodes of a condition to Z3, in three values by the rules of `language/kleene`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from policy_engine.language import kleene, tree
from policy_engine.language.tree import Node
from policy_engine.lowering.to_z3 import formulas as f
from policy_engine.lowering.to_z3.arithmetic import double, related, whole
from policy_engine.lowering.to_z3.binding import Bound, OpaqueError, applied, elements, pushed, put, steps
from policy_engine.lowering.to_z3.formulas import Formula, both, either, every, neg, some
from policy_engine.lowering.to_z3.symbols import Facts, Symbols
from policy_engine.lowering.to_z3.values import Atom, Items, Number, Other, Text, Truth, Value, decided


class NotLoweredError(Exception):
    """A node has no form in Z3; the text says why."""


class Lowering:
    """Lowers conditions over the facts of one world; what was lowered once is remembered."""

    def __init__(self, fact: Callable[[str], Value], symbols: Symbols, matches: kleene.Matcher) -> None:
        self._fact, self._symbols, self._matches = fact, symbols, matches
        self._known: dict[Node, Truth] = {}
        self._whole_node: Node | None = None

    def condition(self, node: Node) -> Truth:
        """Return when the condition is surely true and when it is surely false.

        Raises:
            NotLoweredError: Z3 cannot say it.
        """
        found = self._known.get(node)
        if found is None:
            self._whole_node = node
            found = self._known[node] = self.truth(node, {})
        return found

    def expression(self, node: Node) -> Value:
        """Return the value of any expression.

        Raises:
            NotLoweredError: Z3 cannot say it.
        """
        self._whole_node = node
        if node.type == "bool":
            return self.truth(node, {})
        if node.type in ("int", "double"):
            return self._number(node, {})
        return self._text(node, {}) if node.type == "string" else self._items(node, {})

    def truth(self, node: Node, bound: Bound) -> Truth:
        match node:
            case tree.Const():
                return Truth(bool(node.value), not node.value)
            case tree.Not():
                inner = self.truth(node.operand, bound)
                return Truth(inner.false, inner.true)
            case tree.And():
                parts = [self.truth(each, bound) for each in node.operands]
                return Truth(every(p.true for p in parts), some(p.false for p in parts))
            case tree.Or():
                parts = [self.truth(each, bound) for each in node.operands]
                return Truth(some(p.true for p in parts), every(p.false for p in parts))
            case tree.Choose():
                return self._choice(node, bound)
            case tree.Quantified():
                return self._quantified(node, bound)
            case tree.Compare():
                return self._compare(node, bound)
            case tree.Member():
                return self._member(node, bound)
            case tree.Call():
                return self._call(node, bound)
            case tree.FactRef():
                found = self._fact(node.name)
                if isinstance(found, Truth):
                    return found
        raise NotLoweredError(f"`{type(node).__name__}` stands where a truth is needed")

    def _choice(self, node: tree.Choose, bound: Bound) -> Truth:
        condition = self.truth(node.condition, bound)
        then, otherwise = self.truth(node.then, bound), self.truth(node.otherwise, bound)
        return Truth(
            either(both(condition.true, then.true), both(condition.false, otherwise.true)),
            either(both(condition.true, then.false), both(condition.false, otherwise.false)),
        )

    # ---- comparisons

    def _compare(self, node: tree.Compare, bound: Bound) -> Truth:
        kind = node.left.type
        if kind == "bool":
            left, right = self.truth(node.left, bound), self.truth(node.right, bound)
            equal = f.same(left.true, right.true)
            return decided(both(left.known, right.known), equal if node.op == "==" else neg(equal))
        if kind in ("int", "double"):
            return self._compared_numbers(node, bound)
        if kind == "string":
            one, other = self._text(node.left, bound), self._text(node.right, bound)
            value = self._relation(node.op, one, other)
            return decided(both(one.known, other.known), value)
        first, second = self._items(node.left, bound), self._items(node.right, bound)
        equal = self._open(node if node.op == "==" else replace(node, op="=="), bound)
        return decided(both(first.known, second.known), equal if node.op == "==" else neg(equal))

    def _compared_numbers(self, node: tree.Compare, bound: Bound) -> Truth:
        left, right = self._number(node.left, bound), self._number(node.right, bound)
        value = related(node.op, left.value, right.value)
        wild = either(left.wild, right.wild)
        if wild is not False:
            value = either(both(neg(wild), value), both(wild, self._open(node, bound)))
        return decided(both(left.known, right.known), value)

    def _relation(self, op: str, left: Text, right: Text) -> Formula:
        """Return that `left op right`, by the cases of both."""
        return some(both(g, h, self._related_atoms(op, a, b)) for g, a in left.cases for h, b in right.cases)

    def _related_atoms(self, op: str, left: Atom, right: Atom) -> Formula:
        if op == "!=":
            return neg(self._related_atoms("==", left, right))
        if isinstance(left, str) and isinstance(right, str):
            return applied(op, left, right, self._matches)
        if op == "==":
            if left == right and not (isinstance(left, Other) and left.element):
                return True
            for one, other in ((left, right), (right, left)):
                if isinstance(one, Other) and isinstance(other, str) and other in self._symbols.constants(one.fact):
                    return False
            left, right = sorted((left, right), key=str)
        for atom in (left, right):
            if isinstance(atom, Other) and atom.element:
                raise OpaqueError
        return self._symbols.predicate((op, left, right), self._evaluated(op, left, right))

    def _evaluated(self, op: str, left: Atom, right: Atom) -> Callable[[Facts], bool | None]:
        def evaluate(facts: Facts) -> bool | None:
            one, other = (facts.get(atom.fact) if isinstance(atom, Other) else atom for atom in (left, right))
            return None if one is None or other is None else applied(op, one, other, self._matches)

        return evaluate

    # ---- members and calls

    def _member(self, node: tree.Member, bound: Bound) -> Truth:
        if isinstance(node.items, tree.ListOf):
            equal = [tree.Compare("==", node.item, each) for each in node.items.items]
            parts = [self.truth(each, bound) for each in equal]
            known = every([self._is_known(node.item, bound), *(part.known for part in parts)])
            return decided(known, some(part.true for part in parts))
        if isinstance(node.items, tree.Choose):
            return self._choice(pushed(node, "items"), bound)
        item, items = self._text(node.item, bound), self._items(node.items, bound)
        value = some(both(guard, self._holds(items, atom)) for guard, atom in item.cases)
        return decided(both(item.known, items.known), value)

    def _holds(self, items: Items, atom: Atom) -> Formula:
        if isinstance(atom, str) and atom in items.members:
            return items.members[atom]
        if isinstance(atom, Other) and atom.element:
            if atom.fact == items.fact:
                return True
            raise OpaqueError

        def evaluate(facts: Facts) -> bool | None:
            value = facts.get(atom.fact) if isinstance(atom, Other) else atom
            among = facts.get(items.fact or "")
            return None if value is None or among is None else value in among

        return both(items.other, self._symbols.predicate(("in", atom, items.fact), evaluate))

    def _is_known(self, node: Node, bound: Bound) -> Formula:
        if node.type == "bool":
            return self.truth(node, bound).known
        return self._number(node, bound).known if node.type in ("int", "double") else self._text(node, bound).known

    def _call(self, node: tree.Call, bound: Bound) -> Truth:
        left, right = (self._text(each, bound) for each in node.operands)
        return decided(both(left.known, right.known), self._relation(node.function, left, right))

    # ---- quantifiers

    def _quantified(self, node: tree.Quantified, bound: Bound) -> Truth:
        if isinstance(node.over, tree.Choose):
            return self._choice(pushed(node, "over"), bound)
        items = self._items(node.over, bound)
        true, open_, false = [], [], []
        for guard, atom in elements(items):
            body = self.truth(node.body, {**bound, node.variable: Text(True, ((True, atom),))})
            true.append(both(guard, body.true))
            open_.append(both(guard, body.open))
            false.append(both(guard, body.false))
        if items.other is not False:
            for found, formula in zip((true, open_, false), self._others(node, items, bound), strict=True):
                found.append(formula)
        some_true, some_open, some_false = some(true), some(open_), some(false)
        known = both(items.known, neg(self._too_many(node)))
        if node.kind == "exists":
            return Truth(both(known, some_true), both(known, neg(some_true), neg(some_open)))
        return Truth(both(known, neg(some_false), neg(some_open)), both(known, some_false))

    def _others(self, node: tree.Quantified, items: Items, bound: Bound) -> tuple[Formula, Formula, Formula]:
        """Return that one of the items without a name makes the body true, unknown, false."""
        fact = items.fact or ""
        try:
            body = self.truth(node.body, {**bound, node.variable: Text(True, ((True, Other(fact, True)),))})
        except OpaqueError:
            pass
        else:
            return both(items.other, body.true), both(items.other, body.open), both(items.other, body.false)
        if any(isinstance(atom, Other) and atom.element for text in bound.values() for _, atom in text.cases):
            raise OpaqueError
        named = set(self._symbols.constants(fact))
        node = put(node, bound)

        def comes_to(wanted: bool | None) -> Callable[[Facts], bool | None]:
            def evaluate(facts: Facts) -> bool | None:
                others = [tree.Const(x, "string") for x in facts.get(fact, ()) if x not in named]
                bodies = [tree.replace_variables(node.body, {node.variable: each}) for each in others]
                return any(kleene.truth(each, facts, self._matches)[0] is wanted for each in bodies)

            return evaluate

        found = [
            both(items.other, self._symbols.predicate(("others", wanted, node), comes_to(wanted)))
            for wanted in (True, None, False)
        ]
        self._symbols.domain.append(f.implies(items.other, some(found)))
        return found[0], found[1], found[2]

    def _too_many(self, node: tree.Quantified) -> Formula:
        """Return that the quantifiers of the whole condition go through so many items that the runtime gives up."""
        whole = self._whole_node or node
        if steps(whole, {}) < kleene.MOST_STEPS:
            return False

        def evaluate(facts: Facts) -> bool | None:
            # where it gives up hangs on the order of the items, too
            return False if steps(whole, facts) < kleene.MOST_STEPS else None

        return self._symbols.predicate(("steps", node, whole), evaluate)

    # ---- values

    def _text(self, node: Node, bound: Bound) -> Text:
        match node:
            case tree.Const():
                return Text(True, ((True, str(node.value)),))
            case tree.Variable():
                return bound[node.name]
            case tree.Choose():
                condition = self.truth(node.condition, bound)
                then, otherwise = self._text(node.then, bound), self._text(node.otherwise, bound)
                known = either(both(condition.true, then.known), both(condition.false, otherwise.known))
                cases = [(both(condition.true, g), a) for g, a in then.cases]
                # where the condition is unknown the value is, and its case matters to nobody
                cases += [(both(neg(condition.true), g), a) for g, a in otherwise.cases]
                return Text(known, tuple((g, a) for g, a in cases if g is not False))
            case tree.FactRef():
                found = self._fact(node.name)
                if isinstance(found, Text):
                    return found
        raise NotLoweredError(f"`{type(node).__name__}` stands where a string is needed")

    def _items(self, node: Node, bound: Bound) -> Items:
        if isinstance(node, tree.FactRef):
            found = self._fact(node.name)
            if isinstance(found, Items):
                return found
        if isinstance(node, tree.ListOf) and node.type == "list<string>":
            texts = tuple(self._text(each, bound) for each in node.items)
            return Items(every(each.known for each in texts), {}, False, len(texts), written=texts)
        if isinstance(node, tree.ListOf):
            return Items(every(self._is_known(each, bound) for each in node.items), {}, False, len(node.items))
        if isinstance(node, tree.Choose):
            condition = self.truth(node.condition, bound)
            one, other = self._items(node.then, bound), self._items(node.otherwise, bound)
            known = either(both(condition.true, one.known), both(condition.false, other.known))
            return Items(known, {}, False, f.chosen(condition.true, one.size, other.size))
        raise NotLoweredError(f"`{type(node).__name__}` stands where a list is needed")

    def _number(self, node: Node, bound: Bound) -> Number:
        match node:
            case tree.Const():
                return Number(True, node.value)
            case tree.FactRef():
                found = self._fact(node.name)
                if isinstance(found, Number):
                    return found
            case tree.Choose():
                condition = self.truth(node.condition, bound)
                then, otherwise = self._number(node.then, bound), self._number(node.otherwise, bound)
                known = either(both(condition.true, then.known), both(condition.false, otherwise.known))
                wild = either(both(condition.true, then.wild), both(condition.false, otherwise.wild))
                return Number(known, f.chosen(condition.true, then.value, otherwise.value), wild)
            case tree.Call():
                return self._size(node.operands[0], bound)
            case tree.Arithmetic():
                operands = [self._number(each, bound) for each in node.operands]
                if node.type == "int":
                    return whole(node, operands)
                return double(put(node, bound), operands, self._symbols, self._matches)
        raise NotLoweredError(f"`{type(node).__name__}` stands where a number is needed")

    def _size(self, node: Node, bound: Bound) -> Number:
        if node.type != "string":
            items = self._items(node, bound)
            return Number(items.known, items.size)
        text, size = self._text(node, bound), None
        for guard, atom in text.cases:
            each = len(atom) if isinstance(atom, str) else self._length(atom)
            size = each if size is None else f.chosen(guard, each, size)
        return Number(text.known, size)

    def _length(self, atom: Other) -> Any:
        if atom.element:
            raise OpaqueError
        term, new = self._symbols.open_number(
            ("size", atom), lambda facts: None if atom.fact not in facts else len(facts[atom.fact]), whole=True
        )
        if new:
            self._symbols.domain.append(term >= 0)
        return term

    def _open(self, node: Node, bound: Bound) -> Formula:
        """Return a predicate for what `node` says, which is left to whatever it comes to."""
        place = put(node, bound)
        return self._symbols.predicate(("node", place), lambda facts: kleene.truth(place, facts, self._matches)[0])
