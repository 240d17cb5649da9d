"""`policy.toml`: found in the working directory or above it, read once.

INVARIANT: a gate that its subject can steer is no gate. For `gate`, a policy.toml beside or above a judged file may
not choose layers, ledger, keys, time or outputs.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from policy_engine.errors import Problem, Span, UsageError, did_you_mean

NAME = "policy.toml"
#: Option names as policy.toml spells them -> parameter names.
KEYS = {
    "ledger": "ledger",
    "ledger_key": "ledger_key",
    "policy": "layers",
    "policy_digest": "policy_digest",
    "at": "at",
    "purpose": "purpose",
    "output": "outputs",
    "anchors": "config",
    "record_query": "record_query",
    "ledger_vkey": "ledger_vkey",
}
_SQLITE = "sqlite:///"
STEERING = frozenset(
    {"ledger", "ledger_key", "ledger_vkey", "config", "layers", "policy_digest", "at", "purpose", "outputs"}
)


def setting(ctx: click.Context, parameter: str) -> Any:
    """Return the setting for `parameter`, or None."""
    found = _read(ctx)
    if found is None or parameter not in found[1]:
        return None
    path, values = found
    if parameter in STEERING and ctx.info_name == "gate" and _judges_below(ctx, path.parent):
        return None
    return values[parameter]


def settings_file(ctx: click.Context) -> Path | None:
    """Return the policy.toml that was found, whether or not it counts for the command."""
    found = _read(ctx)
    return found[0] if found is not None else None


def _judges_below(ctx: click.Context, folder: Path) -> bool:
    """Whether a judged file may lie in `folder` or below; standard input and other pipes count as lying anywhere.

    Of a folder that is judged, or searched for a pattern, all that is below counts: also where `folder` is.
    """
    from policy_engine.sources.words import read_word

    files: tuple[str, ...] = ctx.params.get("files") or ("-",)
    for name in files:
        if not name or name == "-" or _is_piped(Path(name)):
            return True
        for word in read_word(name):
            if _lies_below(word.place, folder) or (not word.is_file and _lies_below(folder, word.place)):
                return True
    return False


def _is_piped(file: Path) -> bool:
    """Whether `file` is no file of its own but a pipe or an open one, as a shell's `<(command)` makes."""
    from policy_engine.ci.places import is_open_file

    return is_open_file(str(file)) or (os.path.exists(file) and not os.path.isfile(file) and not os.path.isdir(file))


def _lies_below(file: Path, folder: Path) -> bool:
    """Whether `file` lies in `folder` by its name, or by what its name links to: its subject may have made the link."""
    places = (Path(os.path.abspath(file)), file.resolve())
    folders = (Path(os.path.abspath(folder)), folder.resolve())
    return any(place.is_relative_to(each) for place in places for each in folders)


def _read(ctx: click.Context) -> tuple[Path, dict[str, Any]] | None:
    root = ctx.find_root()
    if "settings" not in root.meta:
        root.meta["settings"] = _load()
    found: tuple[Path, dict[str, Any]] | None = root.meta["settings"]
    return found


def _load() -> tuple[Path, dict[str, Any]] | None:
    here = Path.cwd()
    try:
        path = next((folder / NAME for folder in (here, *here.parents) if (folder / NAME).is_file()), None)
    except OSError as error:  # it may be there, and pin something
        message = f"cannot look for {NAME}: `{error.filename}`: {(error.strerror or str(error)).lower()}"
        raise UsageError(Problem("bad-settings", message, help="call it from another folder")) from None
    if path is None:
        return None
    import tomllib

    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        message = f"cannot read {NAME}: {error}"
        raise UsageError(Problem("bad-settings", message, Span(str(path), 1, 1))) from None
    values: dict[str, Any] = {}
    for key, value in data.items():
        if key not in KEYS:
            hint = did_you_mean(key, list(KEYS)) or f"the settings are {', '.join(KEYS)}"
            raise UsageError(Problem("bad-settings", f"`{key}` is not a setting", Span(str(path), 1, 1), hint))
        values[KEYS[key]] = _placed(key, value, path)
    return path, values


def _placed(key: str, value: Any, path: Path) -> Any:
    """Read layers, keys and a SQLite ledger relative to the file; a list where the option repeats."""
    repeats = key in ("policy", "output")
    items = value if repeats and isinstance(value, list) else [value]
    for item in items:
        wrong = not isinstance(item, str) if repeats else isinstance(item, list | dict)
        if wrong or item == "":
            wanted = "a string that is not empty, or a list of them" if repeats else "a value that is not empty"
            raise UsageError(Problem("bad-settings", f"`{key}` wants {wanted}", Span(str(path), 1, 1)))
    if key == "policy":
        return [_beside(path, item) for item in items]
    if key == "output":
        return items
    if key in ("ledger_key", "anchors"):
        return _beside(path, str(value))
    if key == "ledger" and str(value).startswith(_SQLITE) and value not in (_SQLITE, f"{_SQLITE}:memory:"):
        return _SQLITE + _beside(path, str(value).removeprefix(_SQLITE))
    return str(value)


def _beside(path: Path, name: str) -> str:
    """Return the path `name` of the settings at `path`: `~` is the user's own folder, as in a ledger's URL."""
    try:
        return str(path.parent / Path(name).expanduser())
    except RuntimeError as error:
        raise UsageError(Problem("bad-settings", f"`{name}` is no path: {error}", Span(str(path), 1, 1))) from None
