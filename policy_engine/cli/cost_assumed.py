"""`--assume NAME=VALUE` and `NAME=LOW:CENTRAL:HIGH`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from policy_engine.errors import Problem, UsageError, did_you_mean
from policy_engine.model.assumption import Assumption, wrong_range
from policy_engine.model.ranges import Range

_SOURCE = "--assume"


def assume(known: Mapping[str, Assumption], given: Sequence[str]) -> dict[str, Assumption]:
    """Return the assumptions with those of the command line in place.

    Raises:
        UsageError: with each that names nothing, or is no number of its unit.
    """
    found, problems = dict(known), []
    for text in given:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals:
            problems.append(Problem("bad-setting", f"`{text}` sets nothing", help="write --assume NAME=VALUE"))
        elif name not in known:
            hint = did_you_mean(name, list(known)) or f"there are {', '.join(known)}"
            problems.append(Problem("unknown-assumption", f"nothing is reckoned with `{name}`", help=hint))
        else:
            each = _range(value)
            wrong = "it is no number, nor three with colons between" if each is None else None
            if each is not None:
                found_wrong = wrong_range(name, known[name].unit, each.low, each.central, each.high)
                wrong = None if found_wrong is None else found_wrong[0]
            if wrong is not None or each is None:
                hint = f"give {known[name].unit}: --assume {name}=VALUE or {name}=LOW:CENTRAL:HIGH"
                problems.append(Problem("bad-setting", f"`{text}`: {wrong}", help=hint))
            else:
                found[name] = replace(known[name], range=each, source=_SOURCE)
    if problems:
        raise UsageError(problems)
    return found


def _range(text: str) -> Range | None:
    try:
        numbers = [float(each) for each in text.split(":")]
    except ValueError:
        return None
    if len(numbers) == 1:
        return Range(numbers[0], numbers[0], numbers[0])
    return Range(*numbers) if len(numbers) == 3 else None
