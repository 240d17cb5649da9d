"""The YAML files below a folder: those that `policy sweep` decides, and those that a gate is shown a folder of."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from policy_engine.sources.globs import Glob

ENDINGS = (".yaml", ".yml")
#: A repository's own store, which holds no files of anybody's.
STORE = ".git"


def is_yaml(name: str) -> bool:
    """Whether a file's name says that it is YAML."""
    return name.lower().endswith(ENDINGS)


def files_below(
    folder: Path,
    on_error: Callable[[OSError], None],
    on_link: Callable[[Path], None] | None = None,
    on_folder: Callable[[Path], None] | None = None,
    glob: Glob | None = None,
) -> Iterator[Path]:
    """Yield the YAML files below `folder`, in order, hidden ones too; of a `glob`, those that it matches.

    Links to folders are not followed: `on_link` hears of each, and `on_folder` of each folder that is looked into.
    """
    matched = {str(folder): glob.start() if glob else frozenset()}
    takes = _taking(glob)
    for place, folders, names in os.walk(folder, onerror=on_error):
        if on_folder is not None:
            on_folder(Path(place))
        here = matched.pop(place, frozenset())
        folders[:] = sorted(name for name in folders if name != STORE)
        if glob is not None:
            steps = {name: glob.step(here, name) for name in folders}
            folders[:] = [name for name in folders if steps[name]]
            matched.update((os.path.join(place, name), steps[name]) for name in folders)
        if on_link is not None:
            for link in (path for name in folders if os.path.islink(path := Path(place, name))):
                on_link(link)
        for name in sorted(names):
            if takes(name) and (glob is None or glob.is_done(glob.step(here, name))):
                yield Path(place, name)


def _taking(glob: Glob | None) -> Callable[[str], bool]:
    ending = glob.ending if glob is not None else None
    if ending is None:
        return is_yaml
    return lambda name: is_yaml(name) or name.lower().endswith(ending)
