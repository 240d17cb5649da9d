"""Strings of which holds what a model says: what no rule names is told apart by predicates that are left open."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, permutations
from typing import TYPE_CHECKING

from policy_engine.language.tree import Const, walk
from policy_engine.lowering.to_z3 import Other, Symbols, Text
from policy_engine.lowering.to_z3.formulas import Formula, every, neg
from policy_engine.lowering.to_z3.symbols import Evaluator
from policy_engine.model.fields import LINE_PATTERN, LONGEST_NAME, NAME_PATTERN
from policy_engine.model.vocabulary import CUSTOM

if TYPE_CHECKING:
    from policy_engine.proofs.solving import Model

NAME, TASK = "counterexample", "task"
_NAMES = ("workload.namespace", "workload.name")
#: What stands for a string that no rule names; where it hangs on more, others are tried.
_ANOTHER = {
    "workload.namespace": "another",
    "workload.name": NAME,
    "task.name": TASK,
    "proposal.model": "no-such-model",
    "proposal.region": "nowhere-1",
    "data.residency": "nowhere-2",
}
#: How many of the constants that a string is compared with are tried two by two.
_JOINED = 8


def valid(fact: str, text: str) -> bool:
    """Return whether a workload file may have `text` for the fact, which is no enumeration."""
    if fact.startswith(CUSTOM):
        return True
    pattern = NAME_PATTERN if fact in _NAMES else LINE_PATTERN
    short = len(text) <= LONGEST_NAME or fact not in (*_NAMES, "task.name")
    return short and re.fullmatch(pattern, text) is not None


class Texts:
    """Chooses strings for one model; `chosen` has them by the name of their fact."""

    def __init__(self, model: Model, symbols: Symbols) -> None:
        self._model, self._symbols = model, symbols
        self.chosen: dict[str, str] = {}

    def another(self, name: str, taken: Sequence[str] | None = None) -> str:
        """Return a string that no rule names, and of which holds what the model says of it.

        `taken`: the other items, where it is one of a list.
        """
        if name not in self.chosen:
            about = self._about(name)
            best, most = self._usual(name), -1
            for each in self._possible(name):
                given = each if taken is None else [*taken, each]
                says = (evaluate({**self.chosen, name: given}) for _, evaluate in about)
                right = sum(_agree(self._model, symbol, said) for (symbol, _), said in zip(about, says, strict=True))
                if right > most:
                    best, most = each, right
            self.chosen[name] = best
        return self.chosen[name]

    def unattained(self, name: str) -> Iterator[Formula]:
        """Yield, of the string `name`, what the model says that holds of none that is tried: another model may do."""
        symbol = self._symbols.value(name, True)
        here = [guard for guard, atom in symbol.cases if isinstance(atom, Other)] if isinstance(symbol, Text) else []
        if not here or not self._model.holds(here[0]):
            return
        about = self._about(name)
        if not about:
            return
        tried = [[evaluate({name: each}) for _, evaluate in about] for each in self._possible(name)]
        decided = [at for at in range(len(about)) if all(isinstance(each[at], bool) for each in tried)]
        right = [{at for at in decided if _agree(self._model, about[at][0], each[at])} for each in tried]
        found: list[set[int]] = []
        for size in (1, 2):
            for some in map(set, combinations(decided, size)):
                if not any(each <= some for each in found) and not any(some <= each for each in right):
                    found.append(some)
        if not found and {*decided} not in right:
            found.append({*decided})
        for some in found:
            said = (about[at][0] for at in sorted(some))
            yield neg(every([here[0], *(each if self._model.holds(each) else neg(each) for each in said)]))

    def _usual(self, name: str) -> str:
        return _ANOTHER.get(name.replace("proposal.fallback.", "proposal."), "another")

    def _about(self, name: str) -> list[tuple[Formula, Evaluator]]:
        """Return the open predicates that speak of the fact."""
        return [found for key, found in self._symbols.open.items() if name in str(key)]

    def _possible(self, name: str) -> list[str]:
        """Return the strings to try."""
        constants = self._symbols.constants(name)
        tried = dict.fromkeys(_candidates(self._usual(name), self._compared(name)))
        return [each for each in tried if each not in constants and each and valid(name, each)]

    def _compared(self, name: str) -> Iterator[str]:
        """Yield the constants that the string is held to, and for a pattern something that may match it."""
        for key in self._symbols.open:
            if name in str(key):
                for part in key:
                    if isinstance(part, str):
                        yield from (part, sample(part))
                    elif not isinstance(part, Other | bool | None):
                        nodes = (each for each in walk(part) if isinstance(each, Const))
                        yield from (text for each in nodes for text in (str(each.value), sample(str(each.value))))


def unattained(model: Model, symbols: Symbols) -> Iterator[Formula]:
    """Yield what the model says of any string that holds of none that is tried."""
    texts = Texts(model, symbols)
    for name in list(symbols.made):
        yield from texts.unattained(name)


def _agree(model: Model, symbol: Formula, said: object) -> bool:
    return isinstance(said, bool) and said == model.holds(symbol)


def sample(pattern: str) -> str:
    """Return a text that a simple pattern may match: one character for each class, nothing for what is optional."""
    text = re.sub(r"\(\?i\)|[\^$()]|\(\?:", "", pattern)
    text = re.sub(r"\[\^?(\\?.)[^\]]*\]", lambda found: found[1], text)
    text = re.sub(r"\\[dw]", "0", text).split("|")[0]
    text = re.sub(r"(?<!\\)\.", "a", re.sub(r".[*?]", "", text))
    text = re.sub(r"(.)\{(\d+)[^}]*\}", lambda found: found[1] * int(found[2]), text)
    return text.replace("+", "").replace("\\", "")


def _candidates(usual: str, compared: Iterable[str]) -> Iterator[str]:
    yield usual
    parts = list(dict.fromkeys(compared))
    for each in parts:
        yield from (f"{each}x", f"x{each}", f"x{each}x", each[:-1], each[1:], each)
        yield from (f"{usual}{each}", f"{each}{usual}", chr(min(ord(each[0]) + 1, 0x7A)) if each else "z")
    for one, other in permutations(parts[:_JOINED], 2):
        yield from (f"{one}x{other}", f"{one}{other}")
    yield from ("a", "z", "A", "0", "x" * 40)
