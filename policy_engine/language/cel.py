"""Parse and type-check conditions with Google's CEL, and read the result into typed nodes.

The only place that imports `cel_expr_python`. The environment is restricted to what rules.md lists, and a probe at
its creation makes sure that the restriction holds, because CEL ignores unknown keys in its configuration.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cel_expr_python import cel

from policy_engine.errors import did_you_mean
from policy_engine.language.convert import NotExpressibleError, to_tree
from policy_engine.language.literals import quote
from policy_engine.language.tree import Call, Const, Node, walk
from policy_engine.language.wire import read_checked

MAX_TEXT = 4000
_FUNCTIONS = (
    "_&&_ _||_ !_ _==_ _!=_ _<_ _<=_ _>_ _>=_ _+_ _-_ _*_ _/_ _%_ -_ @in _?_:_ "
    "size startsWith endsWith contains matches @not_strictly_false"
).split()
_CONFIG = "name: policy\nstdlib:\n  include_macros: [exists, all]\n  include_functions:\n" + "".join(
    f'    - name: "{name}"\n' for name in _FUNCTIONS
)
_ABSENT = {
    name: f"`{name}()`"
    for name in "int uint double string bytes type dyn duration timestamp map filter exists_one".split()
} | {"_[_]": "`[...]`, an item of a list by its number,"}
_METHODS = {name.lower(): name for name in ("startsWith", "endsWith", "contains", "matches", "size", "exists", "all")}
_OPERATORS = {"and": "&&", "or": "||", "not": "!", "=": "==", "<>": "!="}
_MUST_BE_REFUSED = ("has(a.b)", "int(a.b) > 1", "a.l.map(x, x) == a.l", "a.l[0] == ''")
_MISSING = 'UNKNOWN: No value with name "'


@dataclass(frozen=True, slots=True)
class ConditionProblem:
    """What is wrong in a condition; `line` and `column` count from 1 in its text (0: no place)."""

    line: int
    column: int
    message: str
    help: str | None = None


class ConditionError(Exception):
    """A condition does not parse, type-check, or cannot be said by every engine."""

    def __init__(self, problems: list[ConditionProblem]) -> None:
        super().__init__(problems[0].message)
        self.problems = problems


def _cel_type(name: str) -> Any:
    simple = {
        "bool": cel.Type.BOOL,
        "int": cel.Type.INT,
        "double": cel.Type.DOUBLE,
        "string": cel.Type.STRING,
    }
    return simple[name] if name in simple else cel.Type.List(simple[name[5:-1]])


def _environment(variables: Mapping[str, str]) -> Any:
    declared = {name: _cel_type(type_) for name, type_ in variables.items()}
    return cel.NewEnv(config=cel.NewEnvConfigFromYaml(_CONFIG), variables=declared)


def _probe_restriction() -> None:
    env = _environment({"a.b": "double", "a.l": "list<string>"})
    for text in _MUST_BE_REFUSED:
        try:
            env.compile(text)
        except RuntimeError:
            continue
        raise RuntimeError(f"the CEL runtime accepts `{text}`, which rules may not say")


@dataclass(frozen=True)
class Program:
    """A compiled expression of the CEL runtime: the oracle, and the evaluator of atoms."""

    expression: Any
    environment: Any

    def evaluate(self, facts: Mapping[str, Any]) -> Any:
        """Return the value, or None where a missing fact or a run-time error leaves it unknown."""
        try:
            result = self.expression.eval(self.environment.Activation(facts))
        except RuntimeError:
            # more than 10,000 steps of `exists` and `all`: a failing condition is unknown
            return None
        if result.type() in (cel.Type.ERROR, cel.Type.UNKNOWN):
            return None
        return result.plain_value()

    def error(self, facts: Mapping[str, Any]) -> str | None:
        """Return the text of a run-time error that is not a missing fact."""
        result = self.expression.eval(self.environment.Activation(facts))
        if result.type() not in (cel.Type.ERROR, cel.Type.UNKNOWN):
            return None
        text = str(result.value())
        return None if text.startswith(_MISSING) else text


class Checker:
    """Checks conditions against `variables` (fact or parameter name -> type)."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.variables = dict(variables)
        self._patterns: dict[str, Program] = {}
        self._pattern_env: Any = None

    @cached_property
    def _env(self) -> Any:
        _probe_restriction()
        return _environment(self.variables)

    def check(self, text: str, expected: str | None = "bool") -> Node:
        """Return the typed tree of `text`.

        Raises:
            ConditionError: with every problem that CEL or the engines have with it.
        """
        self._check_text(text)
        try:
            compiled = self._env.compile(text)
        except RuntimeError as error:
            raise ConditionError(self._explain(str(error), text)) from None
        try:
            tree = to_tree(read_checked(compiled.serialize()))
        except NotExpressibleError as error:
            line, column = _place(text, error.at)
            raise ConditionError([ConditionProblem(line, column, error.message, error.help)]) from None
        if expected is not None and tree.type != expected:
            message = f"the expression gives {_a(tree.type)}, and {_a(expected)} is needed"
            raise ConditionError([ConditionProblem(1, 1, message)])
        self._check_patterns(tree, text)
        return tree

    def program(self, text: str) -> Program:
        """Compile `text` for evaluation by the CEL runtime."""
        return Program(self._env.compile(text), self._env)

    def matches(self, pattern: str, text: str) -> bool:
        """Say whether `pattern` is found in `text`, by RE2."""
        program = self._patterns.get(pattern)
        if program is None:
            if self._pattern_env is None:
                self._pattern_env = _environment({"a.text": "string"})
            compiled = self._pattern_env.compile(f"a.text.matches({quote(pattern)})")
            program = self._patterns[pattern] = Program(compiled, self._pattern_env)
        return bool(program.evaluate({"a.text": text}))

    @staticmethod
    def _check_text(text: str) -> None:
        if len(text) > MAX_TEXT:
            message = f"the condition is {len(text):,} characters long; at most {MAX_TEXT:,} are allowed"
            raise ConditionError([ConditionProblem(1, 1, message)])
        if "\0" in text:
            raise ConditionError([ConditionProblem(1, 1, "the condition holds a NUL character")])

    def _check_patterns(self, tree: Node, text: str) -> None:
        """Compile every regular expression now: CEL would only fail when it is evaluated."""
        for node in walk(tree):
            if isinstance(node, Call) and node.function == "matches":
                pattern = node.operands[1]
                assert isinstance(pattern, Const)  # noqa: S101 - `to_tree` refused everything else
                program = self._env.compile(f"''.matches({quote(str(pattern.value))})")
                result = program.eval(self._env.Activation({}))
                if result.type() == cel.Type.ERROR:
                    line, column = _place(text, node.at)
                    message = f"`{pattern.value}` is not a regular expression that RE2 accepts"
                    raise ConditionError([ConditionProblem(line, column, message)])

    def _explain(self, error: str, text: str) -> list[ConditionProblem]:
        found = parse_errors(error)
        macros = [p for p in found if re.match(r"undeclared reference to '(filter|map|exists_one|has)'", p[2])]
        # a macro that is not there leaves its loop variable undeclared: one mistake, one problem
        return [self._improve(*p, text) for p in macros or found][:20]

    def _improve(self, line: int, column: int, message: str, text: str) -> ConditionProblem:
        """Say CEL's message in the words of a rule's author, with what to do."""
        source = text.split("\n")[line - 1] if 0 < line <= text.count("\n") + 1 else ""
        unknown = re.match(r"undeclared reference to '([^']*)'", message)
        if unknown:
            return self._undeclared(unknown[1], line, column, source)
        overload = re.match(r"found no matching overload for '([^']+)' applied to '\((.*)\)'", message)
        if overload:
            return _overload(overload[1], overload[2], line, column, source)
        return _syntax(line, column, message)

    def _undeclared(self, name: str, line: int, column: int, source: str) -> ConditionProblem:
        for match in re.finditer(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+", source):
            if match.start() < column <= match.end() and not source[match.end() :].startswith("("):
                name, column = match[0], match.start() + 1
        if name == "has":
            hint = "ask `proposal.present`, `hardware.present` or `migration.present`, or let it be unknown"
            return ConditionProblem(line, column, "`has()` is not part of the rule language", hint)
        if "." not in name:
            known = [f for f in self.variables if "." in f]
            hint = did_you_mean(name, known) or "facts are named as `policy rules facts` lists them"
            if name in _ABSENT:
                return ConditionProblem(line, column, f"{_ABSENT[name]} is not part of the rule language")
            if name.lower() in _METHODS:
                hint = f"did you mean `{_METHODS[name.lower()]}`?"
            return ConditionProblem(line, column, f"no fact or function is called `{name}`", hint)
        return ConditionProblem(line, column, f"no fact is called `{name}`", did_you_mean(name, list(self.variables)))


def _syntax(line: int, column: int, message: str) -> ConditionProblem:
    """Shorten what the parser says: no list of forty tokens, no Python or ANTLR words."""
    message = re.sub(r" expecting \{.*\}|^Syntax error: ", "", message)
    if "'<EOF>'" in message:
        missing = re.match(r"missing '(.)'", message)
        return ConditionProblem(
            line, column, f"a `{missing[1]}` is missing at the end" if missing else "the expression ends too early"
        )
    unexpected = re.match(r"(?:mismatched|extraneous) input '([^']*)'", message)
    if unexpected:
        word = unexpected[1]
        hint = f"write `{_OPERATORS[word]}`" if word in _OPERATORS else None
        return ConditionProblem(line, column, f"`{word}` is not expected here", hint)
    return ConditionProblem(line, column, (message[:1].lower() + message[1:300]).replace("'", "`"))


def _with_point(source: str, column: int) -> str:
    """Return the whole number beside the operator at `column` as a double, or an example."""
    after = re.match(r"[^\w.]{0,3}\s*(-?\d+)(?![\w.])", source[column - 1 :])
    before = re.search(r"(?<![\w.])(\d+)\s*$", source[: column - 1])
    found = after or before
    return f"write `{found[1]}.0`" if found else "write the number with a point, for example `5000.0`"


def _overload(function: str, types: str, line: int, column: int, source: str) -> ConditionProblem:
    sides = [t.strip() for t in types.split(",")]
    operator = {"_?_:_": "?:"}.get(function) or function.strip("_@") or function
    sides = [side.replace("(", "<").replace(")", ">") for side in sides]
    if "null_type" in sides or "null" in sides:
        hint = "a fact that is not given is unknown; there is no `null` to compare with"
        return ConditionProblem(line, column, "`null` is not part of the rule language", hint)
    if sorted(sides) == ["double", "int"]:
        message = f"`{operator}` stands between a double and an int"
        return ConditionProblem(line, column, message, _with_point(source, column))
    message = f"`{operator}` does not apply to {' and '.join(_a(s) for s in sides)}"
    return ConditionProblem(line, column, message)


def _a(type_: str) -> str:
    return f"an {type_}" if type_[:1] in "aeiou" else f"a {type_}"


def _place(text: str, at: int) -> tuple[int, int]:
    before = text[:at]
    return before.count("\n") + 1, at - (before.rfind("\n") + 1) + 1


_ERROR = re.compile(r"(?:[A-Z_]+: )?ERROR: <input>:(-?\d+):(-?\d+): (.*)", re.DOTALL)


def parse_errors(text: str) -> list[tuple[int, int, str]]:
    """Split CEL's one error text into (line, column, message), code points from 1, (0, 0) for no place.

    Splits on newlines alone: other line separators occur inside messages.
    """
    found: list[tuple[int, int, str]] = []
    for line in re.sub(r" \[[A-Z_]+\]\Z", "", text).split("\n"):
        match = _ERROR.match(line)
        if match:
            row, column = int(match[1]), int(match[2])
            found.append((row, column, match[3]) if row > 0 and column > 0 else (0, 0, match[3]))
        elif not line.startswith(" | ") and not found:
            found.append((0, 0, line.split(": ", 1)[-1]))
    return found or [(0, 0, text[:300])]
