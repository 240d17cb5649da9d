"""Generated conditions on partly unknown records: durable_rules, the evaluator and the CEL runtime agree on all.

`POLICY_PROPERTY_CASES` sets how many evaluations are made, on other conditions each time; without it they are few, and
always the same.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policy_engine.inference import Network, evaluate_all
from policy_engine.language import kleene
from policy_engine.language.cel import Checker, ConditionError, Program
from policy_engine.language.literals import literal, quote
from policy_engine.language.text import to_text
from policy_engine.language.tree import Node
from policy_engine.lowering.network import NetworkSpec, compile_networks

GIVEN = os.environ.get("POLICY_PROPERTY_CASES")
CASES = int(GIVEN or 20_000)
CONDITIONS, RECORDS = 12, 10
PROFILE = settings(
    max_examples=max(1, CASES // (CONDITIONS * RECORDS)),
    deadline=None,
    derandomize=GIVEN is None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
_NAMES = {"b": "bool", "c": "bool", "i": "int", "j": "int", "d": "double", "e": "double", "s": "string", "t": "string"}
_NAMES |= {"l": "list<string>", "m": "list<string>"}
TYPES = {f"{section}.{name}": type_ for section in ("a", "b") for name, type_ in _NAMES.items()}
CHECKER = Checker(TYPES)

SMALL_INTS, SMALL_DOUBLES, SMALL_STRINGS = [0, 1, 2, -3], [0.0, 1.0, -1.5], ["", "x", "y"]
INTS = [0, 1, -1, 2, -2, 3, 7, 1000, 2**53 - 1, -(2**53) + 1]
WIDE_INTS = [*INTS, 2**53, 2**53 + 1, 2**62, 2**63 - 1, -(2**63), -(2**63) + 1]
DOUBLES = [0.0, -0.0, 1.0, -1.5, 2.5, 1e-9, 1e22, 5e-324, 1.7976931348623157e308, 0.1, 0.30000000000000004, 4999.99]
STRINGS = [
    "",
    "x",
    "y",
    "xy",
    "X",
    "é",
    "😀",
    "ﬀ",
    '"',
    "\\",
    'a"]b',
    "\n",
    "true",
    "null",
    "1",
    "1.0",
    "a.b",
    "\u2028",
]
PATTERNS = ["x", "^x", "y$", "x|y", "[a-z]+", "^$", ".", "(?i)X", "\\d", "(x)(y)?", "é"]

Scope = tuple[str, ...]
Text = st.SearchStrategy[str]


def formatted(template: str, *parts: Text) -> Text:
    return st.tuples(*parts).map(lambda values: template.format(*values))


def facts(type_: str, scope: Scope) -> Text:
    names = [name for name, its in TYPES.items() if its == type_]
    # a loop variable that is called like a section hides it, and a leading dot reaches it
    return st.sampled_from(["." + name if name.split(".")[0] in scope else name for name in names])


def constants(values: list[Any]) -> Text:
    return st.sampled_from([literal(value) for value in values])


@functools.cache
def number(type_: str, depth: int, scope: Scope) -> Text:
    small, wide = (SMALL_INTS, INTS) if type_ == "int" else (SMALL_DOUBLES, DOUBLES)
    # mostly few values, so that what is compared is often equal
    found = facts(type_, scope) | facts(type_, scope) | constants(small) | constants(wide)
    if depth == 0:
        return found
    below = number(type_, depth - 1, scope)
    operators = st.sampled_from("+-*")
    found |= formatted("({} {} {})", below, operators, below) | formatted("-({})", below)
    found |= formatted("({} ? {} : {})", boolean(depth - 1, scope), below, below)
    if type_ == "int":
        divisors = constants([value for value in INTS if value])
        found |= formatted("({} {} {})", below, st.sampled_from("/%"), divisors)
        found |= formatted("size({})", strings(depth - 1, scope)) | formatted("size({})", lists(depth - 1, scope))
    else:
        found |= formatted("({} / {})", below, constants([value for value in DOUBLES if value]))
    return found


@functools.cache
def strings(depth: int, scope: Scope) -> Text:
    found = facts("string", scope) | constants(SMALL_STRINGS) | constants(STRINGS)
    if scope:
        found |= st.sampled_from(scope)
    if depth:
        below = strings(depth - 1, scope)
        found |= formatted("({} ? {} : {})", boolean(depth - 1, scope), below, below)
    return found


@functools.cache
def lists(depth: int, scope: Scope) -> Text:
    literals = st.lists(strings(max(depth - 1, 0), scope), min_size=1, max_size=3)
    return facts("list<string>", scope) | literals.map(lambda items: f"[{', '.join(items)}]")


@functools.cache
def compared(depth: int, scope: Scope) -> Text:
    below = max(depth - 1, 0)
    found: Text = st.nothing()
    for terms in (number("int", below, scope), number("double", below, scope), strings(below, scope)):
        found |= formatted("{} {} {}", terms, st.sampled_from("== != < <= > >=".split()), terms)
        found |= formatted(
            "{} in {}", terms, st.lists(terms, min_size=1, max_size=3).map(lambda i: f"[{', '.join(i)}]")
        )
    found |= formatted("{} {} {}", lists(below, scope), st.sampled_from(["==", "!="]), lists(below, scope))
    found |= formatted("{} in {}", strings(below, scope), lists(below, scope))
    functions = st.sampled_from(["startsWith", "endsWith", "contains"])
    found |= formatted("{}.{}({})", strings(below, scope), functions, strings(below, scope))
    found |= formatted("{}.matches({})", strings(below, scope), st.sampled_from(PATTERNS).map(quote))
    return found.map(lambda text: f"({text})")


@functools.cache
def simple(scope: Scope) -> Text:
    """A fact against a constant or another fact: what rules mostly say."""
    found: Text = st.nothing()
    for type_, values in (("int", SMALL_INTS), ("double", SMALL_DOUBLES), ("string", SMALL_STRINGS)):
        signs = st.sampled_from("== != < <= > >=".split())
        fact, constant = facts(type_, scope), constants(values)
        found |= formatted("{} {} {}", fact, signs, constant) | formatted("{} {} {}", constant, signs, fact)
        found |= formatted("{} {} {}", fact, signs, fact)
        if type_ == "int":
            divided = formatted("{} {} {}", fact, st.sampled_from("/%"), st.sampled_from(["2", "-2", "3"]))
            found |= formatted("{} {} {}", divided, signs, constant)
    return found.map(lambda text: f"({text})") | found.map(lambda text: f"!({text})")


@functools.cache
def boolean(depth: int, scope: Scope = ()) -> Text:
    found = facts("bool", scope) | simple(scope) | simple(scope) | compared(depth, scope)
    if depth == 0:
        return found | st.sampled_from(["true", "false"])
    below = boolean(depth - 1, scope)
    for sign in (" && ", " || "):
        found |= st.lists(below, min_size=2, max_size=4).map(lambda parts, sign=sign: f"({sign.join(parts)})")
    found |= formatted("!({})", below) | formatted("({} ? {} : {})", below, below, below)
    found |= formatted("(({}) {} ({}))", below, st.sampled_from(["==", "!="]), below)
    for variable in ("x", "y", "a"):
        inner = boolean(depth - 1, tuple(dict.fromkeys((*scope, variable))))
        kinds = st.sampled_from(["exists", "all"])
        over = lists(depth - 1, scope)
        found |= formatted("{}.{}(" + variable + ", {})", over, kinds, inner)
        plain = formatted("{} {} {}", st.just(variable), st.sampled_from(["==", "!="]), constants(STRINGS))
        found |= formatted("{}.{}(" + variable + ", {})", over, kinds, plain)
    return found


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "bool": st.booleans(),
    "int": st.sampled_from(WIDE_INTS) | st.integers(-3, 3),
    "double": st.sampled_from(DOUBLES) | st.floats(allow_nan=False, allow_infinity=False),
    "string": st.sampled_from(STRINGS)
    | st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=4),
    "list<string>": st.lists(st.sampled_from(STRINGS), max_size=4),
}
SMALL: dict[str, st.SearchStrategy[Any]] = VALUES | {
    "int": st.sampled_from(SMALL_INTS),
    "double": st.sampled_from(SMALL_DOUBLES),
    "string": st.sampled_from(SMALL_STRINGS),
    "list<string>": st.lists(st.sampled_from(SMALL_STRINGS), max_size=2),
}
#: Shallow conditions say more of each form, deep ones of how forms are joined.
CONDITION = boolean(0) | boolean(1) | boolean(1) | boolean(2) | boolean(3)
RECORD = st.fixed_dictionaries({}, optional={name: VALUES[type_] for name, type_ in TYPES.items()})
NARROW = st.fixed_dictionaries({}, optional={name: SMALL[type_] for name, type_ in TYPES.items()})
FULL = st.fixed_dictionaries({name: SMALL[type_] for name, type_ in TYPES.items()})


def checked(text: str) -> Node | None:
    """Return the tree, or None where the text is deeper or longer than the language takes."""
    try:
        return CHECKER.check(text)
    except ConditionError as error:
        if "recursion" in str(error) or "characters long" in str(error):
            return None
        raise


def atoms() -> Callable[[str, Mapping[str, Any]], bool | None]:
    programs: dict[str, Program] = {}

    def evaluate(text: str, record: Mapping[str, Any]) -> bool | None:
        if text not in programs:
            programs[text] = CHECKER.program(text)
        result: bool | None = programs[text].evaluate(record)
        return result

    return evaluate


@PROFILE
@given(
    st.lists(CONDITION, min_size=CONDITIONS, max_size=CONDITIONS),
    st.lists(RECORD | NARROW | FULL, min_size=RECORDS, max_size=RECORDS),
)
def test_engines_agree(texts: list[str], records: list[dict[str, Any]]) -> None:
    pairs = [(text, tree) for text in texts if (tree := checked(text)) is not None]
    programs = [CHECKER.program(text) for text, _ in pairs]
    trees = [tree for _, tree in pairs]
    specs = [stored(spec, NetworkSpec) for spec in compile_networks(trees, TYPES)]
    networks = [Network(spec, atoms()) for spec in specs]
    for record in records:
        found = evaluate_all(networks, len(trees), record)
        for (text, tree), program, durable in zip(pairs, programs, found, strict=True):
            oracle = program.evaluate(record)
            truth, missing = kleene.truth(tree, record, CHECKER.matches)
            assert durable is oracle, (text, record)
            assert truth is oracle, (text, record)
            assert not missing or truth is None
            assert missing.isdisjoint(record)


@settings(PROFILE, max_examples=max(1, CASES // (CONDITIONS * CONDITIONS)))
@given(st.lists(CONDITION, min_size=CONDITIONS, max_size=CONDITIONS))
def test_printing_is_stable(texts: list[str]) -> None:
    for text in texts:
        tree = checked(text)
        if tree is None:
            continue
        printed = to_text(tree)
        again = CHECKER.check(printed) if len(printed) <= 4_000 else None
        if again is not None:
            assert shape(again) == shape(tree)
            assert to_text(again) == printed
        assert stored(tree, Node) == tree


def stored(value: Any, type_: Any) -> Any:
    """Return `value` as it comes back from the cache of parsed rules."""
    return msgspec.json.decode(msgspec.json.encode(value), type=type_)


def shape(node: Node) -> Any:
    """Return the tree without places."""
    return _without_places(msgspec.to_builtins(node))


def _without_places(data: Any) -> Any:
    if isinstance(data, list | tuple):
        if data and data[0] == "Const":
            return ["Const", repr(data[1]), data[2]]
        named = data and isinstance(data[0], str)
        return [_without_places(each) for each in data if not (named and type(each) is int)]
    return data
