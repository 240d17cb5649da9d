"""Parquet, scanned and never read whole: what passes the checks is kept by columns, the rest is looked at by rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from policy_engine.errors import InputError, Problem
from policy_engine.fleet.canonical import DTYPES, frame_of
from policy_engine.fleet.checking import Checks
from policy_engine.fleet.columns import ROW
from policy_engine.fleet.csv_rows import read_cell
from policy_engine.fleet.intake import GIVEN, PASSED, Job, row_alone, selected
from policy_engine.fleet.rejects import Rejects
from policy_engine.fleet.source import EVIDENCE
from policy_engine.fleet.workspace import Workspace
from policy_engine.loading.wording import quoted

_LOST = "__lost"
_ALONE = "alone-rows"
ROWS_AT_ONCE = 20_000


class ParquetRows:
    """The rows of one file, under a job.

    Raises:
        InputError: it is no Parquet file, or its columns are not those of a table of tasks.
    """

    def __init__(self, path: Path, job: Job, name: str) -> None:
        self._path, self._job, self._name = path, job, name
        self._stat = _stat(path)
        try:
            self._kinds = dict(pl.scan_parquet(path, glob=False).collect_schema())
            self.count: int = pl.scan_parquet(path, glob=False).select(pl.len()).collect().item()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise unreadable(name, error) from None
        job.columns.check(list(self._kinds), job.keep, name)
        if job.as_text:
            self._check_kept()
        self._checks = Checks(job.columns, job.policy, job.at, self._kinds)
        casts = [self._cast(column, kind) for column, kind in self._kinds.items() if column in job.columns.kinds]
        self._given = [expression.alias(column) for column, expression, _ in casts]
        # pandas makes doubles of whole numbers where one is missing
        wanted = {name: (kind, job.columns.kinds.get(name)) for name, kind in self._kinds.items()}
        self._whole = {name for name, (kind, wants) in wanted.items() if kind.is_float() and wants == "int"}
        self._texts = {name for name, (kind, wants) in wanted.items() if wants == "list<string>" and _is_text(kind)}
        self._failed = pl.Series(ROW, [], dtype=pl.UInt64)
        self._lost = pl.any_horizontal([pl.lit(False), *[lost for *_, lost in casts if lost is not None]])

    def _check_kept(self) -> None:
        """Refuse to pass through what no text says.

        Raises:
            InputError: with every such column.
        """
        problems = []
        for column in self._job.keep:
            if column not in self._job.columns.kinds and _no_text(kind := self._kinds[column]):
                message = (
                    f"{self._name}: the column {quoted(column)} is of type {quoted(kind)}, which no text file holds"
                )
                hint = "write the findings as Parquet, or leave its `--keep` out"
                problems.append(Problem("sweep-column", message, help=hint))
        if problems:
            raise InputError(problems)

    def _base(self) -> pl.LazyFrame:
        """Return the rows as given columns, and what the checks read of them first."""
        frame = pl.scan_parquet(self._path, glob=False).with_row_index(ROW, 1).with_columns(pl.col(ROW).cast(pl.UInt64))
        extra = [name for name in self._job.keep if name not in self._job.columns.kinds]
        frame = frame.select(ROW, *self._given, *[pl.col(name) for name in extra], self._lost.alias(_LOST))
        return frame.with_columns(self._checks.parsed())

    def passing(self) -> pl.LazyFrame:
        """Check all rows in one pass; return the canonical rows of those that pass, read again from the file."""
        frame = self._base()
        asked = frame.select(ROW, (self._checks.passes & ~pl.col(_LOST)).alias(PASSED)).filter(~pl.col(PASSED))
        self._failed = asked.select(ROW).collect(engine="streaming").to_series()
        if len(self._failed):
            frame = frame.filter(~pl.col(ROW).is_in(self._failed.implode()))
        if self._job.recorded:
            said = pl.struct(pl.col(name) for name in self._kinds if name in self._job.columns.kinds)
            frame = frame.with_columns(said.struct.json_encode().alias(GIVEN))
        return selected(frame, self._checks, self.schema)

    @property
    def schema(self) -> dict[str, Any]:
        """The canonical columns; those that pass through have the types that they have here."""
        job = self._job
        own = {name: self._kinds[name] for name in job.keep if name not in job.columns.kinds}
        return job.schema | own

    def look_at_the_rest(self, space: Workspace, rejects: Rejects) -> pl.LazyFrame | None:
        """Look at the rows that did not pass, one by one: return the canonical rows of those that are good, if any."""
        number = 0
        for batch in self._rest():
            good = []
            for row in batch.to_dicts():
                place = row.pop(ROW)
                found = row_alone({name: self._meant(name, value) for name, value in row.items()}, place, self._job)
                if isinstance(found, InputError):
                    rejects.add({"file": self._name, ROW: place}, found.problems, row, place)
                else:
                    good.append(found)
            if good:
                number += 1
                frame_of(good, self.schema).write_parquet(space.part(_ALONE, number))
        return pl.scan_parquet(space.parts(_ALONE), glob=False) if number else None

    def _rest(self) -> Iterator[pl.DataFrame]:
        numbers = self._failed
        raw = pl.scan_parquet(self._path, glob=False).with_row_index(ROW, 1).with_columns(pl.col(ROW).cast(pl.UInt64))
        wanted = [pl.col(name) if self._is_whole(name) else given for name, given in self._by_name().items()]
        for start in range(0, len(numbers), ROWS_AT_ONCE):
            some = numbers.slice(start, ROWS_AT_ONCE)
            extra = [name for name in self._job.keep if name not in self._job.columns.kinds]
            within = raw.filter(pl.col(ROW).is_between(some[0], some[-1]))
            frame = within.join(some.to_frame().lazy(), on=ROW, how="semi", maintain_order="left")
            yield frame.select(ROW, *wanted, *extra).collect(engine="streaming")

    def _by_name(self) -> Mapping[str, pl.Expr]:
        return {each.meta.output_name(): each for each in self._given}

    def _is_whole(self, name: str) -> bool:
        """Whether the raw value tells more than the cast one, which not every value survives."""
        kind = self._kinds[name]
        return kind.is_integer() or name in self._whole or name in self._texts

    def _meant(self, name: str, value: Any) -> Any:
        """Return what a raw value says in its column; what says nothing there stays, to be refused."""
        if name in self._whole and isinstance(value, float) and value.is_integer():
            return int(value)
        return read_cell(value, "list<string>") if name in self._texts and value else value

    def _cast(self, name: str, kind: Any) -> tuple[str, pl.Expr, pl.Expr | None]:
        """Return the column as the checks have it, and whether a value is lost by that.

        Raises:
            InputError: its type is not that of the fact.
        """
        wanted = self._job.columns.kinds[name]
        value = pl.col(name)
        if kind == DTYPES[wanted]:
            return name, value, None
        if not _may_be(kind, wanted, name):
            message = f"{self._name}: the column {quoted(name)} is of type {quoted(kind)}, and wants {_WANTED[wanted]}"
            raise InputError(Problem("sweep-column", message, help=f"cast it to {_CAST[wanted]}"))
        cast = _as(value, kind, wanted)
        return name, cast, value.is_not_null() & cast.is_null()

    def check_unchanged(self) -> None:
        """Refuse what was decided of a file that has changed meanwhile.

        Raises:
            InputError: it has.
        """
        if _stat(self._path) != self._stat:
            message = f"{self._name}: the file was changed while it was read"
            raise InputError(Problem("sweep-source", message, help="sweep it again"))


_WANTED = {
    "bool": "booleans",
    "int": "integers",
    "double": "numbers",
    "string": "strings",
    "object": "strings that hold JSON",
    "list<string>": "lists of strings",
}


#: What each kind is in Parquet.
_CAST = {
    "bool": "BOOLEAN",
    "int": "INT64",
    "double": "DOUBLE",
    "string": "STRING",
    "object": "STRING, as JSON, or to a struct",
    "list<string>": "a list of STRING, or to STRING, as JSON",
}


def _as(value: pl.Expr, kind: Any, wanted: str) -> pl.Expr:
    """Return a column as the kind that the checks have; null where a value does not survive that."""
    if wanted == "int" and kind.is_float():
        return pl.when(value == value.floor()).then(value.cast(pl.Int64, strict=False))
    if wanted == "object" and isinstance(kind, pl.Struct):
        return pl.when(value.is_not_null()).then(value.struct.json_encode())
    if wanted == "list<string>" and _is_text(kind):
        return value.cast(pl.String).map_batches(_lists, return_dtype=pl.List(pl.String), is_elementwise=True)
    return value.cast(DTYPES[wanted], strict=False)


def _lists(texts: pl.Series) -> pl.Series:
    """Return the lists that texts are, as CSV has them; null where one is none."""
    distinct = texts.unique().to_list()
    read = {text: read_cell(text, "list<string>") for text in distinct if text is not None}
    good = {
        text: found
        for text, found in read.items()
        if isinstance(found, list) and all(isinstance(each, str) for each in found)
    }
    return pl.Series(texts.name, [good.get(text) for text in texts.to_list()], dtype=pl.List(pl.String))


def _is_text(kind: Any) -> bool:
    return kind == pl.String or isinstance(kind, pl.Categorical | pl.Enum)


def _may_be(kind: Any, wanted: str, name: str) -> bool:
    if kind == pl.Null:
        return True
    words = _is_text(kind) and kind != pl.String
    match wanted:
        case "int":
            return bool(kind.is_integer() or kind.is_float())
        case "double":
            return bool(kind.is_numeric())
        case "string":
            return words or (kind == pl.Date and name.startswith(EVIDENCE))
        case "object":
            return words or isinstance(kind, pl.Struct)
        case "list<string>":
            if _is_text(kind):
                return True
            inner = getattr(kind, "inner", None)
            return kind.is_nested() and (inner in (pl.String, pl.Null) or isinstance(inner, pl.Categorical | pl.Enum))
    return False


def _no_text(kind: Any) -> bool:
    """Whether CSV or JSON Lines cannot hold values of a type, or of one within it."""
    if isinstance(kind, pl.Struct):
        return any(_no_text(each.dtype) for each in kind.fields)
    if isinstance(kind, pl.List):
        return _no_text(kind.inner)
    return isinstance(kind, pl.Binary | pl.Duration | pl.Array | pl.Object | pl.Unknown)


def unreadable(name: str, error: Exception) -> InputError:
    """Return what is said of a source that cannot be read."""
    reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
    message = f"{name}: cannot be read: {reason[:200].lower()}"
    return InputError(Problem("sweep-source", message, help="check that the file is whole, and of the format"))


def _stat(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError as error:
        raise unreadable(str(path), error) from None
    return found.st_ino, found.st_size, found.st_mtime_ns
