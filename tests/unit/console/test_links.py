"""Every page as its bytes are: no dead end, nothing of what strangers wrote obeyed, nothing from elsewhere."""

from __future__ import annotations

from collections import Counter
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from policy_engine.wording import printable
from tests.console_ledger import HOSTILE, SCRIPT, Seeded
from tests.pages import Parsed
from tests.unit.console.pages_open import PATHS, path_of

_MOST, _ALIKE = 400, 12


def test_every_link_leads_somewhere_and_no_page_holds_more_than_it_should(client: httpx.Client) -> None:
    """From the first page on, every link on every page once; of links that are alike but for a name the first few."""
    waiting, seen, pages = ["/"], set[str](), 0
    alike: Counter[str] = Counter()
    while waiting:
        path = waiting.pop(0)
        if path in seen or alike[_shape(path)] == _ALIKE:
            continue
        seen.add(path)
        alike[_shape(path)] += 1
        assert len(seen) < _MOST, "there is no end of links"
        answer = client.get(path)
        assert answer.status_code == 200, (path, answer.status_code, answer.text[:300])
        if not answer.headers["content-type"].startswith("text/html"):
            continue
        pages += 1
        found = Parsed(answer.text, path)
        assert not found.faults(), (path, found.faults())
        waiting += [urlsplit(each)._replace(fragment="").geturl() for each in found.links]
    assert pages > 40
    assert {"/", "/decisions", "/workloads", "/evaluate"} <= seen


def _shape(path: str) -> str:
    """Return what is left of an address without names and values."""
    parts = urlsplit(path)
    names = sorted(name for name, _ in parse_qsl(parts.query))
    return f"{'/'.join(parts.path.split('/')[:2])} {parts.path.count('/')} {names}"


@pytest.mark.parametrize("path", PATHS)
def test_a_page_says_what_may_be_loaded_and_is_kept_by_nobody(client: httpx.Client, seeded: Seeded, path: str) -> None:
    answer = client.get(path_of(path, seeded))
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    policy = dict(each.strip().split(" ", 1) for each in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["style-src"] == policy["form-action"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "script-src" not in policy
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert not Parsed(answer.text).faults()


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_what_strangers_wrote_is_text(client: httpx.Client, seeded: Seeded, number: int) -> None:
    text, index = HOSTILE[number], seeded.decisions[f"forged-{number}"]
    answer = client.get(f"/decisions/{index}", params={"rules": "all"})
    found = Parsed(answer.text)
    assert not found.faults()
    shown = printable(text)
    assert found.text.count(shown) > 50, "in names, reasons, messages, facts, models, context"
    assert not set("\u202e\u2066\x07\x1b") & set(answer.text)
    listed = Parsed(client.get("/decisions").text)
    assert shown[:150] in listed.text


def test_a_search_for_a_script_is_shown_as_it_was_asked(client: httpx.Client) -> None:
    for name in ("workload", "rule", "policy_digest", "since", "cursor", "owner", "unknown"):
        answer = client.get("/decisions", params={name: SCRIPT})
        assert answer.status_code in (200, 400), name
        assert not Parsed(answer.text).faults(), name
    for path in (f"/decisions/{SCRIPT}", f"/workloads/{SCRIPT}/x", "/workloads/a/b/c", "/decisions/%00", "/%ff", "/x"):
        answer = client.get(path, headers={"Accept": "text/html,*/*"})
        assert answer.status_code == 404, path
        assert answer.headers["content-type"].startswith("text/html"), path
        assert not Parsed(answer.text).faults(), path
    answer = client.get(f"/v1/{SCRIPT}", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_nobody_is_sent_elsewhere_after_logging_in(client: httpx.Client, officer: str) -> None:
    for target in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/\t/evil", ""):
        found = Parsed(client.get("/login", params={"next": target}).text)
        assert not found.faults()
        answer = client.post(
            "/login", data={"token": officer, "next": target}, headers={"Sec-Fetch-Site": "same-origin"}
        )
        assert (answer.status_code, answer.headers["location"]) == (303, "/"), target


def test_the_stylesheet_is_kept_for_ever_under_its_digest(client: httpx.Client) -> None:
    page = client.get("/login").text
    name = page.partition('<link rel="stylesheet" href="')[2].partition('"')[0]
    answer = client.get(name)
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert "immutable" in answer.headers["cache-control"]
    assert "url(" not in answer.text
    assert "@import" not in answer.text
    old = client.get("/console/0000000000000000.css")
    assert (old.status_code, old.headers["location"]) == (307, name)
    assert client.get("/console/other.js").status_code == 404
