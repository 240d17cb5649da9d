"""Addresses within the console, from names that may hold anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import quote, urlencode


def url(path: str, *names: str, **query: object) -> str:
    """Return `path`, with each of `names` as one more part of it, and the query without what is None or empty.

    A value that is a list stands once for each item.
    """
    parts = "".join(f"/{quote(name, safe='')}" for name in names)
    pairs = [(key.rstrip("_"), str(each)) for key, value in query.items() for each in _each(value)]
    return f"{path.rstrip('/') if parts else path}{parts}{'?' if pairs else ''}{urlencode(pairs)}"


def with_query(path: str, query: Mapping[str, object]) -> str:
    """Return `path` with a query whose names are given as a mapping."""
    return url(path, **query)


def current(path: str, place: str) -> bool:
    """Whether a page at `path` belongs to the entry of the navigation at `place`."""
    return path == place if place == "/" else path == place or path.startswith(f"{place}/")


def local(target: str) -> str:
    """Return `target` where it is an address within the console, else its first page: nobody is sent elsewhere."""
    inside = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if inside and "\\" not in target else "/"


def _each(value: object) -> Iterable[object]:
    if value is None or value == "" or value is False:
        return ()
    if value is True:
        return ("1",)
    return value if isinstance(value, list | tuple) else (value,)
