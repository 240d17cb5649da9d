"""HTML pages taken apart, as an oracle of what a browser would make of them."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

_VOID = frozenset("area base br col embed hr img input link meta source track wbr circle path rect line".split())
#: What a page of the console has no use for.
_FORBIDDEN = frozenset("script style iframe object embed base template img video audio applet frame".split())
_ADDRESSES = frozenset("href src action formaction xlink:href data poster ping srcset background".split())


class Parsed(HTMLParser):
    """A page: its text, links, forms, and what stands in it that may not."""

    def __init__(self, text: str, at: str = "/") -> None:
        super().__init__(convert_charrefs=True)
        self.at, self.links, self.wrong, self.text = at, list[str](), list[str](), ""
        self.ids, self.headings = list[str](), list[int]()
        self._open: list[str] = []
        self.feed(text)
        self.close()
        if self._open:
            self.wrong.append(f"never closed: {self._open}")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _FORBIDDEN:
            self.wrong.append(f"<{tag}>")
        names = [name for name, _ in attrs]
        if len(set(names)) < len(names):
            self.wrong.append(f"<{tag}> has an attribute twice: {names}")
        for name, value in attrs:
            self._attribute(tag, name, value or "")
        if tag[0] == "h" and tag[1:].isdigit():
            self.headings.append(int(tag[1:]))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag in _VOID:
            return
        if not self._open or self._open.pop() != tag:
            self.wrong.append(f"</{tag}> closes nothing")

    def handle_data(self, data: str) -> None:
        self.text += data

    def _attribute(self, tag: str, name: str, value: str) -> None:
        if name.startswith("on") or name == "style":
            self.wrong.append(f"<{tag} {name}>")
        if name == "id":
            self.ids.append(value)
        if name in _ADDRESSES:
            parts = urlsplit(value)
            icon = tag == "link" and parts.scheme == "data"
            if (parts.scheme or parts.netloc or value.startswith("//")) and not icon:
                self.wrong.append(f"<{tag} {name}={value[:60]!r}>")
            if tag == "a" and name == "href":
                self.links.append(urljoin(self.at, value))

    def faults(self) -> list[str]:
        """Return what is wrong with the page."""
        found = list(self.wrong)
        found += [f"the id {each!r} is there twice" for each in set(self.ids) if self.ids.count(each) > 1]
        if self.headings.count(1) != 1 or self.headings[0] != 1:
            found.append(f"headings: {self.headings}")
        steps = zip(self.headings, self.headings[1:], strict=False)
        found += [f"h{two} comes after h{one}" for one, two in steps if two > one + 1]
        return found
