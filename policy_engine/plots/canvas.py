"""The one door to matplotlib: the same figure gives the same bytes, whatever the user's settings and display are.

INVARIANT: a picture takes the place of nothing but a picture.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

from policy_engine.errors import Problem, UsageError
from policy_engine.whole_files import write_whole
from policy_engine.wording import printable

#: Endings, each with matplotlib's metadata that keep dates and versions out of the file.
_METADATA: dict[str, dict[str, str | None]] = {
    ".svg": {"Date": None, "Creator": "policy-engine"},
    ".png": {"Software": "policy-engine"},
}
_PNG = b"\x89PNG\r\n\x1a\n"
_DPI = 150
_LONGEST = 64
_SETTINGS = {
    "svg.hashsalt": "policy-engine",
    "svg.fonttype": "path",  # a reader without the font sees the same
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 9.0,
    "hatch.linewidth": 0.6,
    "text.parse_math": False,  # a `$` in a name is a dollar
}


def matplotlib() -> Any:
    """Return the library.

    Raises:
        UsageError: the extra is not installed, or it does not start.
    """
    # that it builds a cache of fonts, and where, is no news to whoever asked for a picture
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    try:
        import matplotlib as library
        import matplotlib.figure
    except ImportError:
        message = "a picture needs matplotlib, which is not installed"
        raise UsageError(Problem("extra-missing", message, help="pip install 'policy-engine[plot]'")) from None
    except ValueError as error:  # MPLBACKEND, or a matplotlibrc, that it refuses
        reason = str(error).partition("\n")[0].partition(";")[0]
        message = f"matplotlib does not start: {reason[:1].lower()}{reason[1:200]}"
        hint = "unset MPLBACKEND, or mend the file matplotlibrc"
        raise UsageError(Problem("plot-failed", message, help=hint)) from None
    return library


def check_picture(path: Path) -> None:
    """Refuse a place that no picture can be written to, before anything is worked out; also where the extra is missing.

    Raises:
        UsageError: the ending is neither .svg nor .png, something else than a picture stands there, or it cannot be
            written.
    """
    if path.suffix.lower() not in _METADATA:
        message = f"`{path}` does not end in {' or '.join(_METADATA)}"
        raise UsageError(Problem("unknown-picture", message, help="the ending decides the format of the picture"))
    reason = _refusal(path)
    if reason is not None:
        hint = "name another file" if reason == NO_PICTURE else None
        raise UsageError(Problem("cannot-write", f"cannot write `{path}`: {reason}", help=hint))
    matplotlib()


NO_PICTURE = "what stands there is no picture"


def _refusal(path: Path) -> str | None:
    place = Path(os.path.realpath(path))
    if os.path.isdir(place):
        return "is a directory"
    if not os.path.isdir(place.parent):
        return "no such directory"
    if not os.access(place.parent, os.W_OK):
        return "permission denied"
    return None if not os.path.lexists(place) or _is_picture(place) else NO_PICTURE


def _is_picture(path: Path) -> bool:
    """Whether a picture, or an empty file, stands there; a pipe or a device is none."""
    if not os.path.isfile(path):
        return False
    try:
        with path.open("rb") as stream:
            start = stream.read(512)
    except OSError:
        return False
    return (
        not start
        or start.startswith(_PNG)
        or (start.lstrip()[:1] == b"<" and b"<svg" in start.lower())
        or (b"<!DOCTYPE svg" in start)
    )


def draw(path: Path, width: float, height: float, paint: Callable[[Any], None]) -> None:
    """Write the picture that `paint` makes of an empty figure of that size, in inches: whole, or not at all.

    Raises:
        UsageError: see `check_picture`, or it cannot be written.
    """
    check_picture(path)
    library = matplotlib()
    ending = path.suffix.lower()
    content = BytesIO()
    with library.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a character that the font lacks is drawn as a box
        library.rcdefaults()  # the user's own style changes nothing
        library.rcParams.update(_SETTINGS)
        figure = library.figure.Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
        paint(figure)
        figure.savefig(content, format=ending[1:], metadata=_METADATA[ending])
    try:
        write_whole(path, content.getvalue())
    except OSError as error:
        message = f"cannot write `{path}`: {(error.strerror or str(error)).lower()}"
        raise UsageError(Problem("cannot-write", message)) from None


def label(text: str) -> str:
    """Return `text` as it may stand in a picture: on one line, not too long, and without what XML cannot hold."""
    line = printable(" ".join(text.split()))
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def figure_text(value: float) -> str:
    """Return a number for people: three digits, thousands marked."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def plain_ticks(axis: Any) -> None:
    """Label the decades of a logarithmic axis with plain numbers."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axis.set_major_formatter(FuncFormatter(lambda value, _: figure_text(value)))
    axis.set_minor_formatter(NullFormatter())
