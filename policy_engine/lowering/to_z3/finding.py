"""Facts of which something holds that is asked of conditions: Z3 finds them, and whoever asks has to confirm them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice, product
from typing import Any

import z3

from policy_engine.language.kleene import Matcher
from policy_engine.language.tree import Const, Node, facts_read, walk
from policy_engine.lowering.to_z3.formulas import Formula, boolean, every, neg
from policy_engine.lowering.to_z3.lower import Lowering, NotLoweredError
from policy_engine.lowering.to_z3.symbols import Symbols, constants_of
from policy_engine.lowering.to_z3.values import Items, Number, Text, Truth, Value
from policy_engine.model.vocabulary import Fact

Found = dict[str, Any]
_SECONDS = 2.0
_MODELS, _WORDS = 8, 400


def find(
    nodes: Sequence[Node],
    question: Callable[[Sequence[Truth]], Formula],
    declared: Mapping[str, Fact],
    matches: Matcher,
    confirms: Callable[[Found], bool],
) -> Found | bool | None:
    """Return facts of which `question` holds of what `nodes` come to; False where it is proved that there are none.

    None where nothing is known: it took too long, Z3 cannot say it, or nothing that it thought possible is confirmed.
    Parameters have to be put in before.
    """
    names = sorted({name for node in nodes for name in facts_read(node)})
    symbols = Symbols({name: declared[name] for name in names}, constants_of(nodes))
    known: dict[str, Formula] = {n: True if declared[n].never_unknown else boolean(f"known {n}") for n in names}
    lowering = Lowering(lambda name: symbols.value(name, known[name]), symbols, matches)
    try:
        asked = question([lowering.condition(node) for node in nodes])
    except NotLoweredError:
        return None
    solver = z3.Solver()
    solver.set("timeout", int(_SECONDS * 1000))
    solver.add(*[each for each in (*symbols.domain, asked) if each is not True])
    words = sorted({c.value for node in nodes for c in walk(node) if isinstance(c, Const) and isinstance(c.value, str)})
    for tried in range(_MODELS):
        answer = solver.check()
        if answer != z3.sat:
            # what was refused may have hidden what is
            return False if answer == z3.unsat and not tried else None
        model = solver.model()
        for facts in islice(_read(model, symbols, known, words), _WORDS):
            if confirms(facts):
                return facts
        free = [symbol for symbol, _ in symbols.open.values() if z3.is_bool(symbol)]
        if not free:
            return None
        solver.add(neg(every(each if _holds(model, each) else neg(each) for each in free)))
    return None


def _read(model: Any, symbols: Symbols, known: Mapping[str, Formula], words: Sequence[str]) -> Iterator[Found]:
    """Yield the facts of a model, with one word after another for what no constant is."""
    values = {
        name: list(_values(model, symbols.value(name, True), words))
        for name, is_known in known.items()
        if _holds(model, is_known)
    }
    for chosen in product(*values.values()):
        yield dict(zip(values, chosen, strict=True))


def _values(model: Any, value: Value, words: Sequence[str]) -> Iterator[Any]:
    if isinstance(value, Truth):
        yield _holds(model, value.true)
    elif isinstance(value, Number):
        term = model.eval(value.value, model_completion=True)
        yield term.as_long() if z3.is_int(term) else float(term.as_fraction()) if z3.is_rational_value(term) else 0.0
    elif isinstance(value, Text):
        atom = next(atom for guard, atom in value.cases if _holds(model, guard))
        named = {each for _, each in value.cases}
        yield from [atom] if isinstance(atom, str) else (each for each in _others(words) if each not in named)
    elif isinstance(value, Items):
        items = [name for name, guard in value.members.items() if _holds(model, guard)]
        others = (
            [each for each in _others(words) if each not in value.members] if _holds(model, value.other) else [None]
        )
        size = model.eval(value.size, model_completion=True).as_long() if z3.is_expr(value.size) else value.size
        for other in others:
            found = [*items, *([other] if other is not None else [])]
            yield [*found, *found[-1:] * max(min(size, 64) - len(found), 0)]


def _others(words: Sequence[str]) -> Iterator[str]:
    yield "other"
    for each in words:
        yield from (f"{each}x", f"x{each}", f"x{each}x", each[:-1], each[1:], f"{each}{each}")
    yield from (f"{one}{other}" for one in words for other in words if one != other)


def _holds(model: Any, formula: Formula) -> bool:
    return formula if isinstance(formula, bool) else z3.is_true(model.eval(formula, model_completion=True))
