"""What counts for a workload, what changed, and what is refused rather than left out; on a ledger of its own."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from policy_audit.ledger import open_ledger

from policy_engine.access.sessions import session_value
from policy_engine.next_steps import next_steps
from policy_engine.service.rules_folder import Failed, Standing
from policy_engine.summary import denying_rules
from tests.console_ledger import DENIED, EXAMPLES
from tests.pages import Parsed
from tests.serving import Server, make_token, serving
from tests.unit.console.test_pages import OWN, form_token, listed, session
from tests.unit.test_summary import example

ALLOWED = (EXAMPLES / "writing-assistant.yaml").read_text("utf-8")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A console over a ledger with a deployment, a pull request and drafts."""
    url = f"sqlite:///{tmp_path_factory.mktemp('counts') / 'l.db'}"
    make_token(url)
    with serving(url) as running:
        for purpose, text in (
            ("deploy", DENIED),
            ("pull_request", (EXAMPLES / "leaking-fallback.yaml").read_text("utf-8")),
            ("deploy", (EXAMPLES / "leaking-fallback.yaml").read_text("utf-8")),
        ):
            with running.client(running.token()) as api:
                headers = {"Content-Type": "application/yaml"}
                done = api.post(f"/v1/decisions?purpose={purpose}", content=text, headers=headers)
                assert done.status_code in (200, 201), done.text
        yield running


@pytest.fixture(scope="module")
def officer_of_own(own: Server) -> Iterator[httpx.Client]:
    """The session of somebody with every role there."""
    with own.client(cookies=session(own.token(subject="olga@acme.example"))) as opened:
        yield opened


def drafted(client: httpx.Client, text: str) -> httpx.Response:
    """Evaluate a text in the form."""
    token = form_token(client.get("/evaluate").text)
    return client.post("/evaluate", data={"workload": text, "form_token": token}, headers=OWN)


def words_of(client: httpx.Client, path: str, status: int = 200) -> str:
    """Return the text of a page."""
    answer = client.get(path)
    assert answer.status_code == status, answer.text[:500]
    found = Parsed(answer.text)
    assert not found.faults()
    return " ".join(found.text.split())


def test_a_denial_by_its_fallback_is_among_what_denies(officer_of_own: httpx.Client) -> None:
    task = example("leaking-fallback")
    assert denying_rules(task) == task["proposal"]["fallback"]["rules"] != []
    assert not any("approved waiver" in step for step in next_steps(task)), "they are mandatory"
    page = officer_of_own.get("/?purpose=pull_request").text
    blocks = page.partition('id="blocks"')[2].partition("</section>")[0]
    assert all(rule in blocks for rule in denying_rules(task))
    assert "Nothing was denied" not in page
    rule = "proposed-region-outside-residency"
    assert rule in denying_rules(task)
    assert len(listed(officer_of_own.get(f"/decisions?rule={rule}&verdict=deny").text)) == 2
    assert listed(officer_of_own.get(f"/rules/{rule}").text)
    shown = words_of(officer_of_own, "/")
    assert "2 decisions" in shown
    assert "Deployments (2)" in shown
    assert "Pull requests (1)" in shown


def test_a_draft_changes_no_headline(officer_of_own: httpx.Client) -> None:
    metadata = "metadata: {namespace: claims, name: triage, owner: mallory@evil.example}\n"
    forged = re.sub(r"metadata:\n(  .*\n)+", metadata, ALLOWED)
    assert drafted(officer_of_own, forged).status_code == 303
    listed = officer_of_own.get("/workloads?name=triage").text
    row = listed.partition("<tbody")[2]
    assert row.index("verdict deny") < row.index("later draft: allow")
    assert "o@acme.example" in row
    page = officer_of_own.get("/workloads/claims/triage").text
    head = page.partition('<header class="page">')[2].partition("</header>")[0]
    assert "verdict deny large" in head
    assert "A later draft says allow" in head
    assert "changed" in page.partition('data-label="Fact"><div><bdi>owner')[2][:400]
    index = re.findall(r"Entry (\d+)</a>", page)[-1]
    assert "it was not made for deploying, and this one counts" in words_of(officer_of_own, f"/decisions/{index}")
    assert 'href="/decisions/' in row


def test_a_history_compares_persons_as_far_as_they_are_held(own: Server, officer_of_own: httpx.Client) -> None:
    for owner in ("one@acme.example", "two@acme.example", "two@acme.example"):
        text = re.sub(r"owner: .*", f"owner: {owner}", ALLOWED.replace("name: writing-assistant", "name: owned"))
        assert drafted(officer_of_own, text).status_code == 303
    page = words_of(officer_of_own, "/workloads/default/owned")
    assert page.count("person owner") == 1
    assert "The same workload" in page
    with open_ledger(own.ledger) as ledger:
        ledger.erase("two@acme.example", reason="asked for")
    page = words_of(officer_of_own, "/workloads/default/owned")
    assert page.count("cannot be compared: erased") == 2
    assert "The same workload" not in page


def test_a_filter_that_is_none_is_refused(officer_of_own: httpx.Client) -> None:
    for path in ("/decisions?verdicts=deny", "/decisions?verdct=", "/workloads?verdct=deny", "/?day=7"):
        assert "did you mean" in words_of(officer_of_own, path, 400), path
    for path in (
        "/workloads?verdict=bogus",
        "/workloads?verdict=deny&verdict=review",
        "/?days=14",
        "/workloads?cursor=x",
    ):
        words_of(officer_of_own, path, 400)


def test_the_last_page_is_not_all(officer_of_own: httpx.Client) -> None:
    first = officer_of_own.get("/decisions?limit=2").text
    assert ": all of them<" not in first
    path = re.findall(r'href="([^"]*cursor=[^"]*)"', first)[0].replace("&amp;", "&")
    for _ in range(20):
        text = officer_of_own.get(path).text
        assert ": all of them<" not in text
        following = re.findall(r'href="([^"]*cursor=[^"]*)">Next', text)
        if not following:
            break
        path = following[0].replace("&amp;", "&")
    assert "of the rest that fit: the last ones" in text
    assert "fit: all of them" in words_of(officer_of_own, "/decisions?verdict=deny&since=2020-01-01")


def test_a_text_is_kept_whatever_refuses_it(own: Server, officer_of_own: httpx.Client) -> None:
    accents = ALLOWED + "# " + "\u00e9" * 200_000
    assert drafted(officer_of_own, accents).status_code == 303, "the decoded text is less than the limit"
    large = "# " + "x" * 1_100_000
    kept = drafted(officer_of_own, large)
    assert (kept.status_code, large in kept.text) == (413, True)
    with own.client(cookies=session(own.token("decide", namespaces=["elsewhere"]))) as client:
        kept = drafted(client, ALLOWED)
        assert (kept.status_code, "writing-assistant" in kept.text) == (403, True)
    ended = session_value(own.token(), datetime.fromtimestamp(time.time() - 9 * 3600, UTC))
    with own.client(cookies={"policy": ended}) as client:
        kept = client.post("/evaluate", data={"workload": ALLOWED, "form_token": "x.y"}, headers=OWN)
        assert (kept.status_code, "writing-assistant" in kept.text) == (401, True)
        assert "not logged in any more" in kept.text


def test_whoever_only_decides_is_told_why_and_led_to_no_closed_door(own: Server) -> None:
    with own.client(cookies=session(own.token("decide")), follow_redirects=True) as client:
        answer = drafted(client, DENIED)
        found = Parsed(answer.text, "/evaluate")
        assert "Why" in found.text
        assert "Do next" in found.text
        assert all(client.get(link).status_code == 200 for link in found.links if link.startswith("/"))
    for role in ("approve", "administer", "decide"):
        with own.client(cookies=session(own.token(role)), follow_redirects=True) as client:
            assert client.get("/").status_code == 200
            refused = client.get("/decisions", headers={"Accept": "text/html"})
            assert refused.status_code == 403
            button = re.findall(r'<a class="button" href="([^"]+)">To your first page', refused.text)[0]
            assert client.get(button).status_code == 200


def test_whose_session_ended_is_told_so_and_goes_on_where_they_were(own: Server) -> None:
    path = "/decisions?verdict=deny&verdict=review"
    with own.client() as client:
        place = urlsplit(client.get(path).headers["location"])
        assert parse_qs(place.query) == {"next": [path]}
    ended = session_value(own.token(), datetime.fromtimestamp(time.time() - 9 * 3600, UTC))
    with own.client(cookies={"policy": ended}) as client:
        answer = client.get(path)
        assert parse_qs(urlsplit(answer.headers["location"]).query) == {"next": [path], "problem": ["session-ended"]}
        assert 'policy=""' in answer.headers["set-cookie"]
        assert "Your session has ended" in client.get(answer.headers["location"]).text


def test_a_failed_reload_is_on_every_page(
    own: Server, officer_of_own: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert own.service is not None
    failed = Failed("2026-11-29T10:00:00Z", [{"code": "x", "message": "no such option", "place": "rules.yaml:3:1"}])
    monkeypatch.setattr(own.service.rules, "_standing", Standing("p", "2026-11-29T09:00:00Z", "l", failed=failed))
    assert "rules.yaml:3:1: no such option" in words_of(officer_of_own, "/decisions")
    with own.client(cookies=session(own.token("decide"))) as client:
        shown = words_of(client, "/evaluate")
        assert "older rules are in force" in shown
        assert "no such option" not in shown
    assert "older rules" not in own.client().get("/login").text


def test_a_row_that_is_gone_is_missed(own: Server, officer_of_own: httpx.Client) -> None:
    """The last test on this ledger: its rows are not put back."""
    for path in ("/", "/decisions", "/workloads"):
        assert "policy audit verify" in words_of(officer_of_own, path)
    with sqlite3.connect(Path(own.ledger.removeprefix("sqlite:///")), timeout=20) as database:
        for (name,) in database.execute("select name from sqlite_master where type = 'trigger'").fetchall():
            database.execute(f'drop trigger "{name}"')
        database.execute("delete from decision where leaf_index = (select min(leaf_index) from decision)")
    for path in ("/", "/decisions", "/workloads"):
        assert "policy audit verify" in words_of(officer_of_own, path, 503)
