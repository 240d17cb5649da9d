"""The files that came with a workload, for as long as it is decided.

What evidence names is looked for among these alone: the server's own files are nobody's evidence.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from policy_engine.errors import InputError, Problem


@contextmanager
def folder_of(files: Mapping[str, bytes], empty: Path) -> Iterator[Path]:
    """Give a folder with these files and no others; `empty` is one without any.

    Raises:
        InputError: the file system cannot hold them.
    """
    if not files:
        yield empty
        return
    with tempfile.TemporaryDirectory(dir=empty.parent, prefix="sent-") as made:
        folder = Path(made)
        for name, content in files.items():
            try:
                place = folder / name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content)
            except (OSError, ValueError) as error:
                raise InputError(Problem("multipart", f"the file `{name[:80]}` cannot be kept")) from error
        yield folder
