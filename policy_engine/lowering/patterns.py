"""Regular expressions for Rust's engine, from RE2's dialect: what means the same in both, or a refusal by name.

CEL compiles every pattern with RE2 first, so that only what both accept is at issue here.
"""

from __future__ import annotations

import re

#: RE2's classes are ASCII, Rust's are Unicode: they are written out.
_CLASSES = {"d": "0-9", "s": r"\t\n\f\r "}
_SAME_ESCAPES = frozenset("AztnrfvaxD")
_PUNCTUATION = frozenset("\\.+*?()|[]{}^$-/!#%&',:;=@`~\" ")
_FLAGS = re.compile(r"\(\?[ims-]*[:)]")
_NAMED = re.compile(r"\(\?P<\w+>", re.ASCII)
_POSIX = re.compile(r"\[:\^?[a-z]+:\]")
_OPERATORS = ("&&", "--", "~~")


class PatternError(ValueError):
    """A part of a pattern that the two engines read differently; the message names it."""


def rust_pattern(pattern: str) -> str:
    """Return `pattern` as Rust's engine reads it.

    Raises:
        PatternError: it holds what the engines read differently.
    """
    found: list[str] = []
    at, inside = 0, False
    while at < len(pattern):
        sign = pattern[at]
        taken = sign
        if sign == "\\":
            taken = pattern[at : at + 2]
            found.append(_escape(taken, inside))
        elif inside:
            taken = _in_class(pattern, at)
            found.append(taken)
            inside = taken != "]"
        elif sign == "[":
            # a bracket right behind the opening one is a member of the class
            taken = next(head for head in ("[^]", "[]", "[^", "[") if pattern.startswith(head, at))
            found.append(taken.replace("]", r"\]"))
            inside = True
        else:
            if pattern.startswith("(?", at) and not (_FLAGS.match(pattern, at) or _NAMED.match(pattern, at)):
                raise PatternError("(?")
            found.append(sign)
        at += len(taken)
    return "".join(found)


def _escape(taken: str, inside: bool) -> str:
    name = taken[1:]
    if name in _CLASSES:
        return _CLASSES[name] if inside else f"[{_CLASSES[name]}]"
    if name == "D":
        if inside:
            raise PatternError(taken)
        return "[^0-9]"
    if name in _SAME_ESCAPES or name in _PUNCTUATION:
        return taken
    raise PatternError(taken)


def _in_class(pattern: str, at: int) -> str:
    """Return what stands at `at` inside a class, as one piece."""
    posix = _POSIX.match(pattern, at)
    if posix:
        return posix[0]
    if pattern[at] == "[":
        raise PatternError("[ in a class")
    for sign in _OPERATORS:
        if pattern.startswith(sign, at):
            raise PatternError(sign)
    return pattern[at]
