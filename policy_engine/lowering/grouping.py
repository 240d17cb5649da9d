"""Group rules behind tags so that durable_rules stays within its fixed tables.

The engine walks a network with 64 places for pending tests: every alternative that matches waits there, and so does
every tag. Beyond them it refuses the fact; beyond 127 `$nex` or 511 other tests behind one test it refuses the
definition or loops for ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

# durable_rules' MAX_STACK_SIZE is 64
MAX_TAGS = 32
MAX_WIDTH = 28
MAX_TESTS = 120
RULES_PER_GROUP = 10

Form = dict[str, Any]
T = TypeVar("T")


def leaves(form: Form | bool) -> int:
    """Count the tests of `form`."""
    if isinstance(form, bool):
        return 1
    ((key, value),) = form.items()
    return sum(map(leaves, value)) if key in ("$and", "$or") else 1


def width(form: Form | bool) -> int:
    """Return how many tests of `form` can wait at once, at most."""
    if isinstance(form, bool):
        return 0
    ((key, value),) = form.items()
    if key == "$and":
        return 1 + sum(width(part) - 1 for part in value)
    return _alternatives(value) if key == "$or" else 1


def _alternatives(parts: Sequence[Form]) -> int:
    """Add the parts up; of a field's equalities one can match at a time, and none where the field is missing."""
    total, absent, equal, related = 0, set[str](), set[str](), dict[str, int]()
    for part in parts:
        ((key, value),) = part.items()
        if key in ("$and", "$or"):
            total += width(part)
        elif key == "$nex":
            absent.update(value)
        elif key.startswith("$"):
            (name,) = value
            related[name] = related.get(name, 0) + 1
        else:
            equal.add(key)
    fields = absent | equal | set(related)
    return total + sum(max(name in absent, (name in equal) + related.get(name, 0)) for name in fields)


def groups(items: Sequence[tuple[Form, T]]) -> Iterator[Sequence[tuple[Form, T]]]:
    """Split `items` into runs that can stand behind one tag each."""
    start = wide = tests = 0
    for place, (form, _) in enumerate(items):
        more_wide, more_tests = width(form), leaves(form)
        full = place - start == RULES_PER_GROUP or wide + more_wide > MAX_WIDTH or tests + more_tests > MAX_TESTS
        if full and place > start:
            yield items[start:place]
            start, wide, tests = place, 0, 0
        wide, tests = wide + more_wide, tests + more_tests
    if start < len(items):
        yield items[start:]
