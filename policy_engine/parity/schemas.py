"""Answers held to a JSON Schema. The one door to jsonschema; nothing is fetched, whatever a schema refers to."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from policy_engine.errors import InputError, Problem, Span
from policy_engine.loading.wording import quoted
from policy_engine.parity.extra import missing
from policy_engine.parity.lines import LineError, read_json

_LARGEST = 1 << 20
#: For one value.
_SECONDS = 2.0


def read_schema(path: Path) -> Callable[[Any], bool]:
    """Return what says whether a value is as the schema in `path` has it; 2020-12 where it names no dialect.

    Raises:
        InputError: there is no such file, or no schema in it.
        UsageError: the extra is not installed.
    """
    try:
        import jsonschema
        import referencing
        import referencing.exceptions
    except ImportError:
        raise missing("jsonschema") from None
    schema = _read(path)
    known = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    try:
        known.check_schema(schema)
    except jsonschema.SchemaError as error:
        where = "/".join(map(str, error.absolute_path)) or "its root"
        raise _refused(path, f"it is no JSON Schema: at {quoted(where)}") from None
    # a registry of its own: the library's would fetch what a `$ref` names
    checker = known(schema, registry=referencing.Registry())

    def holds(value: Any) -> bool:
        try:
            with _bounded():
                return bool(checker.is_valid(value))
        except referencing.exceptions.Unresolvable:
            raise _refused(path, "it refers to a schema that is not in the file") from None
        except RecursionError:
            raise _refused(path, "it refers to itself without an end") from None
        except TimeoutError:
            raise _refused(path, f"to hold a value to it takes longer than {_SECONDS:g} seconds") from None
        except (ArithmeticError, ValueError, TypeError, re.error):
            # numbers that no float holds, patterns that are none here: what cannot be worked out does not fit
            return False

    return holds


@contextmanager
def _bounded() -> Iterator[None]:
    """Bound the time, for a pattern such as `^(a+)+$` takes twice as long with each character.

    Where there are no signals, or another thread runs, nothing is bounded.

    Raises:
        TimeoutError: the time is up.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def late(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, late)
    left = signal.setitimer(signal.ITIMER_REAL, _SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *left)
        signal.signal(signal.SIGALRM, before)


def _read(path: Path) -> Any:
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST:
            what = f"no regular file of at most {_LARGEST:,} bytes"
            raise InputError(Problem("unreadable", f"cannot read `{path}`: {what}"))
        schema = read_json(path.read_bytes().removeprefix(b"\xef\xbb\xbf").decode())
    except LineError as error:
        raise _refused(path, str(error)) from None
    except UnicodeDecodeError:
        raise _refused(path, "it is not UTF-8") from None
    except (OSError, ValueError) as error:
        why = (getattr(error, "strerror", None) or "no such file").lower()
        raise InputError(Problem("unreadable", f"cannot read `{path}`: {why}")) from None
    if not isinstance(schema, dict):
        raise _refused(path, "it is no JSON Schema: no object")
    return schema


def _refused(path: Path, message: str) -> InputError:
    return InputError(Problem("bad-schema", message, Span(str(path), 1, 1)))
