"""HTML that prints: one file without scripts and without anything from elsewhere, for A4, in black and white too."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from html import escape
from html.parser import HTMLParser
from typing import IO

from policy_engine.exports.table import Cell, Column, Head, Row, text_of
from policy_engine.wording import number, printable

MAX_LISTED_FILES = 200
_MARKS = {"allow": "✓", "allow_with_conditions": "✓ *", "review": "?", "deny": "✗"}
_STYLE = """
:root { color-scheme: light dark; font: 10pt/1.4 system-ui, sans-serif; }
body { margin: 1.5rem auto; padding: 0 1rem; max-width: 80rem; }
h1 { font-size: 1.5rem; margin: 0 0 .5rem; }
h2 { font-size: 1.1rem; margin: 1.5rem 0 .5rem; break-after: avoid; }
table { border-collapse: collapse; width: 100%; }
caption { text-align: left; font-weight: 600; padding: .5rem 0; }
th, td { border-bottom: 1px solid; padding: .2rem .4rem; text-align: left; vertical-align: top; }
th, td { overflow-wrap: anywhere; }
thead th { border-bottom: 2px solid; }
td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.t { white-space: nowrap; }
td.d, pre { font: .8em/1.3 ui-monospace, monospace; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; border: 1px solid; padding: .5rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; }
dt { font-weight: 600; } dd { margin: 0; overflow-wrap: anywhere; }
@page { size: A4 landscape; margin: 15mm 12mm;
  @bottom-right { content: counter(page) " / " counter(pages); font: 8pt system-ui, sans-serif; } }
@media print {
  :root { color-scheme: light; font-size: 8pt; } body { margin: 0; padding: 0; max-width: none; }
  thead { display: table-header-group; } tr { break-inside: avoid; }
}
"""
_STYLE_HASH = base64.b64encode(sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'"
_CLASSES = {"count": "n", "entry": "n", "time": "t", "digest": "d"}


def shown(text: str) -> str:
    """Return text that can stand anywhere in the page: nothing in it is markup, turns or hides what is read."""
    return escape(printable(text))


def cell_text(cell: Cell, kind: str, name: str = "") -> str:
    """Return what is read in a cell; a verdict has a mark, so that it is not told by its colour or place alone."""
    text = printable(text_of(cell))
    if kind == "time":
        return text[:19].replace("T", " ")
    return f"{_MARKS[text]} {text}" if name == "verdict" and text in _MARKS else text


class PageWriter:
    """Writes each row as it comes; the hashes of the files beside it come at the end."""

    def __init__(self, stream: IO[bytes], head: Head) -> None:
        self._stream, self._head = stream, head
        self._columns = [(at, head.columns[at]) for at in head.printed_columns]
        self._put(*_top(head), *_facts(head), *_table_head(head, [column for _, column in self._columns]))

    def write(self, row: Row) -> None:
        cells = []
        for at, column in self._columns:
            kind = f' class="{_CLASSES[column.kind]}"' if column.kind in _CLASSES else ""
            cells.append(f"<td{kind}>{escape(cell_text(row[at], column.kind, column.name))}</td>")
        self._put(f"<tr>{''.join(cells)}</tr>")

    def close(self, beside: Mapping[str, str]) -> None:
        self._put("</tbody>", "</table>")
        others = [c.name for at, c in enumerate(self._head.columns) if at not in dict(self._columns)]
        if others:
            self._put(f"<p>Not printed, but in the other formats: {shown(', '.join(others))}.</p>")
        self._put(*_evidence(self._head, beside), "</body>", "</html>")
        self._stream.flush()

    def _put(self, *lines: str) -> None:
        self._stream.write("".join(f"{line}\n" for line in lines).encode())


open_writer = PageWriter


def _top(head: Head) -> Iterator[str]:
    yield from ("<!DOCTYPE html>", '<html lang="en">', "<head>", '<meta charset="utf-8">')
    yield f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield from (f"<title>{shown(head.title)}</title>", f"<style>{_STYLE}</style>", "</head>", "<body>")
    yield f"<h1>{shown(head.title)}</h1>"


def _facts(head: Head) -> Iterator[str]:
    since, until = head.period.since or "the beginning", head.period.until or "the checkpoint"
    selected = f"{number(head.selected)} of {number(head.population)} {head.counted} under the checkpoint"
    pairs: list[tuple[str, str]] = [
        ("Asked", head.query.words),
        ("Command", head.query.command),
        ("Period", f"recorded from {since} until {until}"),
        ("Selected", selected),
        ("Ledger", head.checkpoint.origin),
        ("Checkpoint", f"{number(head.checkpoint.size)} entries, root {head.checkpoint.root}"),
        ("Personal values", "as held by the operator, on request" if head.personal else "none"),
        ("Made", f"{head.created_at} by {head.generator}"),
        *((name, text_of(value)) for name, value in head.summary),
    ]
    yield f"<dl>{''.join(f'<dt>{shown(name)}</dt><dd>{shown(value)}</dd>' for name, value in pairs)}</dl>"
    if head.remarks:
        yield f"<ul>{''.join(f'<li>{shown(remark)}</li>' for remark in head.remarks)}</ul>"


def _table_head(head: Head, columns: Sequence[Column]) -> Iterator[str]:
    yield from ('<table id="rows">', f"<caption>{shown(head.title)}: {shown(head.query.words)}</caption>")
    headings = "".join(f'<th scope="col">{shown(column.heading)}</th>' for column in columns)
    yield from (f"<thead><tr>{headings}</tr></thead>", "<tbody>")


def _evidence(head: Head, beside: Mapping[str, str]) -> Iterator[str]:
    yield from ("<h2>Checkpoint</h2>", f"<pre>{shown(head.checkpoint.note)}</pre>", "<h2>Files beside this page</h2>")
    yield "<p>manifest.json lists every file with its SHA-256, this one too. The ledger's entry has the manifest's.</p>"
    if len(beside) > MAX_LISTED_FILES:
        yield f"<p>{number(len(beside))} files; the first {MAX_LISTED_FILES} of them:</p>"
    yield '<table><caption>SHA-256 of the files</caption><thead><tr><th scope="col">File</th>'
    yield '<th scope="col">SHA-256</th></tr></thead><tbody>'
    for name in list(beside)[:MAX_LISTED_FILES]:
        yield f'<tr><th scope="row">{shown(name)}</th><td class="d">{beside[name]}</td></tr>'
    yield "</tbody></table>"


_PLAIN = "html head title style body h1 h2 p dl dt dd ul li pre table caption thead tbody tr th td".split()
#: All tags that a page has, each with its attributes: what else stood there could show other than what is compared.
_TAGS = frozenset(
    [(tag, ()) for tag in _PLAIN]
    + [("html", (("lang", "en"),)), ("table", (("id", "rows"),)), ("meta", (("charset", "utf-8"),))]
    + [("meta", (("http-equiv", "Content-Security-Policy"), ("content", _POLICY)))]
    + [("meta", (("name", "viewport"), ("content", "width=device-width, initial-scale=1")))]
    + [("th", (("scope", scope),)) for scope in ("col", "row")]
    + [("td", (("class", name),)) for name in set(_CLASSES.values())]
)


class _Rows(HTMLParser):
    """Collects the cells of the table `rows`, and refuses what a browser would show beside them or instead."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, ...]] = []
        self._inside = self._body = False
        self._tables = 0
        self._style: str | None = None
        self._title = False
        self._row: list[str] | None = None
        self._cell: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        inside = self._title or self._cell is not None or (self._body and tag not in ("tr", "td"))
        if inside or (tag, tuple(attrs)) not in _TAGS:
            raise _other(f"the tag `{tag:.40}`")
        if tag == "table":
            self._inside = bool(attrs)
            self._tables += self._inside
            if self._tables > 1:
                raise _other("another table of rows")
        elif tag == "style":
            self._style = ""
        elif tag == "title":
            self._title = True
        elif tag == "tbody":
            self._body = self._inside
        elif tag == "tr" and self._body:
            self._row = []
        elif tag == "td" and self._row is not None:
            self._cell = []

    def handle_endtag(self, tag: str) -> None:
        if tag == "style" and self._style != _STYLE:
            raise _other("another style")
        if tag == "style":
            self._style = None
        elif tag == "title":
            self._title = False
        elif tag == "tbody":
            self._body = False
        elif tag == "td" and self._cell is not None and self._row is not None:
            self._row.append("".join(self._cell))
            self._cell = None
        elif tag == "tr" and self._row is not None:
            self.found.append(tuple(self._row))
            self._row = None

    def handle_data(self, data: str) -> None:
        if self._style is not None:
            self._style += data
        elif self._cell is not None:
            self._cell.append(data)
        elif self._body and data.strip():
            raise _other("text between its cells")

    def handle_comment(self, data: str) -> None:
        raise _other("a comment")

    handle_pi = unknown_decl = handle_comment


def _other(what: str) -> ValueError:
    return ValueError(f"it has {what}, which no export writes")


def read_rows(stream: IO[bytes], columns: tuple[Column, ...], longest: int) -> Iterator[tuple[str, ...]]:
    """Yield the rows of a page that this module wrote, as the texts of their cells.

    Raises:
        ValueError: it is not UTF-8, a row has not these columns, or something is there that this module does not write.
    """
    parser = _Rows()
    for line in iter(lambda: stream.readline(longest), b""):
        parser.feed(line.decode("utf-8"))
        for row in parser.found:
            if len(row) != len(columns):
                raise ValueError("a row does not have the columns of the manifest")
            yield row
        parser.found.clear()
