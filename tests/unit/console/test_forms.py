"""Filters, and forms that are refused, sent twice, or sent by somebody whose session has ended."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from policy_audit.ledger import EntryType, open_ledger

from policy_engine.access.principal import UnauthenticatedError
from policy_engine.access.sessions import session_value
from policy_engine.console import waiver_request
from policy_engine.errors import Problem, RecordingError
from tests.console_ledger import DENIED, SCRIPT, Seeded, many
from tests.pages import Parsed
from tests.serving import Server, make_token, serving
from tests.unit.console.test_pages import OWN, form_token, session
from tests.unit.console.test_what_counts import ALLOWED, words_of

HTML = {"Accept": "text/html"}
RULE = "no-mlops-no-self-hosting"


def wanted(**more: str) -> dict[str, str]:
    """Return what a form asks for: a waiver of the rule that the workload claims/asked is denied by."""
    until = (datetime.now(UTC).date() + timedelta(days=9)).isoformat()
    said = {"rule": RULE, "workload": "claims/asked", "ticket": "OPS-1", "reason": "until March", "valid_until": until}
    return {**said, **more}


@pytest.fixture(scope="module")
def asker(server: Server) -> Iterator[httpx.Client]:
    """The session of somebody who decides and reads, with a denied decision on claims/asked."""
    token = server.token(subject="dora@acme.example")
    with server.client(token) as api:
        text = DENIED.replace("name: triage", "name: asked")
        done = api.post("/v1/decisions?purpose=deploy", content=text, headers={"Content-Type": "application/yaml"})
        assert done.json()["verdict"] == "deny", done.text
    with server.client(cookies=session(token)) as opened:
        yield opened


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A console over a ledger of its own, which many decisions may come into."""
    url = f"sqlite:///{tmp_path_factory.mktemp('forms') / 'l.db'}"
    make_token(url)
    with serving(url) as running:
        yield running


@pytest.fixture(scope="module")
def reader(large: Server) -> Iterator[httpx.Client]:
    """The session of somebody with every role there."""
    with large.client(cookies=session(large.token(subject="rosa@acme.example"))) as opened:
        yield opened


@pytest.fixture
def ended(server: Server) -> Iterator[httpx.Client]:
    """A browser whose session has ended."""
    value = session_value(server.token(), datetime.fromtimestamp(time.time() - 9 * 3600, UTC))
    with server.client(cookies={"policy": value}) as opened:
        yield opened


def counted(server: Server, kind: EntryType) -> int:
    """Return how many entries of a type are on record."""
    with open_ledger(server.ledger, read_only=True) as ledger:
        return len(list(ledger.list_entries(type=kind)))


def test_the_whole_log_is_not_exported_for_a_part_of_it(client: httpx.Client) -> None:
    form = {"form_token": form_token(client.get("/exports").text), "report": "log", "format": "tlog", "verdict": "deny"}
    answer = client.post("/exports", data=form, headers=OWN)
    assert answer.status_code == 400
    assert "takes no filters" in Parsed(answer.text).text
    unknown = client.post("/exports", data={**form, "report": "decisions", "format": "csv", "verdct": "x"}, headers=OWN)
    assert "no filter" in Parsed(unknown.text).text


@pytest.mark.parametrize("form", ["approval", "revocation", "removal", "verifications", "logout"])
def test_the_address_of_a_form_leads_to_its_page(
    client: httpx.Client, ended: httpx.Client, seeded: Seeded, form: str
) -> None:
    waiver = f"/waivers/{seeded.waivers['active']}"
    path, page = {
        "approval": (f"{waiver}/approval", waiver),
        "revocation": (f"{waiver}/revocation", waiver),
        "removal": ("/exports/aaaaaaaaaaaaaaaaaaaaaaaa/removal", "/exports/aaaaaaaaaaaaaaaaaaaaaaaa"),
        "verifications": ("/ledger/verifications", "/ledger"),
        "logout": ("/logout", "/"),
    }[form]
    opened = client.get(path, headers=HTML)
    assert (opened.status_code, opened.headers["location"]) == (303, page)
    assert client.delete(page, headers=HTML).headers["content-type"].startswith("text/html")
    assert client.get(path).status_code == 405, "a program is told so"
    if form == "removal":
        answer = ended.post(path, data={"form_token": "a.b"}, headers=OWN)
        assert parse_qs(urlsplit(answer.headers["location"]).query)["next"] == [page]


def test_nobody_loses_what_they_typed_when_their_session_has_ended(ended: httpx.Client, seeded: Seeded) -> None:
    typed = f"typed with care {SCRIPT}"
    waiver = f"/waivers/{seeded.waivers['active']}"
    for path, fields in (
        ("/waiver-request", wanted(reason=typed)),
        (f"{waiver}/approval", {"signature": typed}),
        (f"{waiver}/revocation", {"reason": typed}),
        ("/ledger/verifications", {"kept": typed, "key": "pinned"}),
        ("/exports", {"report": "decisions", "format": "csv", "owner": typed}),
    ):
        answer = ended.post(path, data={"form_token": "a.b", **fields}, headers=OWN)
        assert answer.status_code == 401, path
        found = Parsed(answer.text)
        assert not found.faults(), path
        assert "not logged in any more" in found.text
        assert f'action="{path}"' in answer.text
        assert "typed with care" in answer.text, path
        refused = ended.post(path, data=fields)
        assert refused.status_code == 403, "another page sent it"
        assert "typed with care" not in refused.text


def test_what_was_typed_is_kept_while_the_ledger_is_away(asker: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object, **__: object) -> None:
        raise RecordingError(Problem("ledger-unreachable", "the ledger does not answer", help="come back later"))

    monkeypatch.setattr(waiver_request.waivers, "ask", away)
    form = {"form_token": form_token(asker.get("/waiver-request").text), **wanted(reason="typed with care")}
    answer = asker.post("/waiver-request", data=form, headers=OWN)
    assert answer.status_code == 503
    assert "Retry-After" in answer.headers
    assert "typed with care" in answer.text
    assert "the ledger does not answer" in answer.text.replace("The ledger", "the ledger")


def test_a_form_that_is_sent_twice_is_taken_once(server: Server, asker: httpx.Client) -> None:
    form = {"form_token": form_token(asker.get("/waiver-request").text), **wanted()}
    before = counted(server, EntryType.WAIVER_REQUESTED)
    first, second = (asker.post("/waiver-request", data=form, headers=OWN) for _ in range(2))
    again = asker.post("/waiver-request", data={**form, "reason": "until April"}, headers=OWN)
    places = [Parsed(each.text, "/").links or each.headers.get("location") for each in (first, second, again)]
    assert first.status_code == second.status_code, second.text
    assert counted(server, EntryType.WAIVER_REQUESTED) == before + 2, "what was changed is another request"
    assert places[0] == places[1]

    draft = {"form_token": form_token(asker.get("/evaluate").text), "workload": DENIED}
    locations = {asker.post("/evaluate", data=draft, headers=OWN).headers["location"] for _ in range(2)}
    assert len(locations) == 1

    export = {"form_token": form_token(asker.get("/exports").text), "report": "decisions", "format": "csv"}
    locations = {asker.post("/exports", data=export, headers=OWN).headers["location"] for _ in range(3)}
    assert len(locations) == 1
    other = {**export, "form_token": form_token(asker.get("/exports").text)}
    assert asker.post("/exports", data=other, headers=OWN).headers["location"] not in locations


def test_a_form_that_is_sent_twice_is_taken_once_where_nobody_logs_in(tmp_path: Path) -> None:
    with serving(f"sqlite:///{tmp_path / 'open.db'}") as running, running.client() as anybody:
        draft = {"form_token": form_token(anybody.get("/evaluate").text), "workload": DENIED}
        locations = {anybody.post("/evaluate", data=draft, headers=OWN).headers["location"] for _ in range(2)}
        assert len(locations) == 1
        again = {**draft, "form_token": form_token(anybody.get("/evaluate").text)}
        assert anybody.post("/evaluate", data=again, headers=OWN).headers["location"] not in locations
        assert counted(running, EntryType.DECISION) == 2


def test_a_second_revocation_says_that_its_reason_is_not_recorded(asker: httpx.Client, seeded: Seeded) -> None:
    path = f"/waivers/{seeded.waivers['revoked']}"
    form = {"form_token": form_token(asker.get(path).text), "reason": "another reason"}
    answer = asker.post(f"{path}/revocation", data=form, headers=OWN)
    assert answer.status_code == 409
    found = Parsed(answer.text)
    assert "Yours was not recorded" in found.text
    assert "field-reason" in found.ids, "the summary leads there"
    form = {"form_token": form["form_token"], "signature": "\N{EM DASH} ann AAAA"}
    stale = Parsed(asker.post(f"{path}/approval", data=form, headers=OWN).text)
    assert "field-signature" in stale.ids
    assert not stale.faults()


def test_what_is_no_checkpoint_is_no_finding_about_the_ledger(client: httpx.Client) -> None:
    page = client.get("/ledger").text
    for fields, named in (
        ({"kept": "garbage"}, "field-kept-error"),
        ({"kept": SCRIPT}, "field-kept-error"),
        ({"kept": "\u202e"}, "field-kept-error"),
        ({"key": "mistyped", "kept": "pasted with care"}, "field-key-error"),
    ):
        answer = client.post("/ledger/verifications", data={"form_token": form_token(page), **fields}, headers=OWN)
        assert answer.status_code == 422, fields
        found = Parsed(answer.text)
        assert not found.faults(), fields
        assert named in found.ids
        assert "pasted with care" in answer.text or "key" not in fields
    note = client.get("/checkpoint").text
    form = {"form_token": form_token(page), "kept": note.rstrip("\n")}
    assert client.post("/ledger/verifications", data=form, headers=OWN).status_code == 303
    shown = client.get("/ledger").text
    assert "olivia.officer@acme.example" in shown.partition('aria-label="Verifications"')[2].partition("</table>")[0]


def test_who_signed_a_granted_waiver_is_who_approved_it(client: httpx.Client, seeded: Seeded) -> None:
    for state in ("active", "revoked", "expired"):
        shown = words_of(client, f"/waivers/{seeded.waivers[state]}")
        assert "nobody yet" not in shown, state
        assert "Approved by" in shown
    assert "Signed by" in words_of(client, f"/waivers/{seeded.waivers['requested']}")


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("/waivers/abc", "There is no such waiver"),
        ("/decisions/99999999", "There is no such decision"),
        ("/reports/nope", "There is no such report"),
        ("/workloads/claims/nope", "There is no such workload"),
        ("/rules/nope", "There is nothing of this name"),
        ("/nope", "There is no such page"),
    ],
)
def test_what_is_not_there_is_said_in_words_for_people(client: httpx.Client, path: str, title: str) -> None:
    answer = client.get(path, headers=HTML)
    assert answer.status_code == 404
    assert f"<h1>{title}" in answer.text
    assert "/v1/" not in answer.text


def test_days_are_written_as_the_form_asks(server: Server, asker: httpx.Client) -> None:
    year = datetime.now(UTC).year + 1
    for text in (f"{year}0101", f"{year}-W01-1", f"{year}-1-1", "soon"):
        form = {"form_token": form_token(asker.get("/waiver-request").text), **wanted(valid_until=text)}
        answer = asker.post("/waiver-request", data=form, headers=OWN)
        assert answer.status_code == 422, text
        assert "no date such as" in answer.text
    long = {**form, "valid_until": f"{year + 3}-01-01"}
    before = counted(server, EntryType.WAIVER_REQUESTED)
    refused = asker.post("/waiver-request", data=long, headers=OWN)
    assert refused.status_code == 422
    assert "nobody may approve it" in Parsed(refused.text).text
    assert counted(server, EntryType.WAIVER_REQUESTED) == before
    words = Parsed(asker.post("/waiver-request", data={**form, "valid_until": "2020-01-01"}, headers=OWN).text).text
    assert "alid_until" not in words
    assert asker.get("/waiver-request?valid_from=20270101").status_code == 400


def test_a_waiver_is_offered_to_whoever_may_ask_for_one(server: Server, asker: httpx.Client) -> None:
    assert f"/waiver-request?rule={RULE}" in asker.get(f"/rules/{RULE}").text
    with server.client(cookies=session(server.token("read", "approve", subject="ann@acme.example"))) as client:
        assert "/waiver-request" not in client.get(f"/rules/{RULE}").text


def test_entries_are_numbered_as_their_addresses_are(large: Server, reader: httpx.Client) -> None:
    many(large.ledger, None, 1100)
    with large.client(cookies=session(large.token("decide", subject="dan@acme.example"))) as client:
        form = {"form_token": form_token(client.get("/evaluate").text), "workload": DENIED}
        shown = Parsed(client.post("/evaluate", data=form, headers=OWN).text).text
    assert re.search(r"\b1\d{3}\b", shown.partition("Entry")[2])
    assert not re.search(r"\b1,\d{3}\b", shown.partition("Entry")[2][:200])
    latest = reader.get("/ledger").text.partition('aria-label="Latest entries"')[2].partition("</table>")[0]
    assert not re.search(r">\d,\d{3}<", latest)


def test_a_token_that_no_cookie_holds_is_not_called_a_bad_copy(server: Server) -> None:
    with pytest.raises(UnauthenticatedError) as refused:
        session_value("e" * 4000, datetime.now(UTC))
    assert refused.value.code == "token-too-long"
    with server.client() as client:
        shown = Parsed(client.get("/login?problem=token-too-long").text).text
    assert "too long for a browser" in shown
    assert "Copy it again" not in shown
    with pytest.raises(UnauthenticatedError) as refused:
        session_value("\u202e" * 4000, datetime.now(UTC))
    assert refused.value.code == "token-unknown"


def test_the_pages_of_workloads_are_of_one_tree(large: Server, reader: httpx.Client) -> None:
    texts = [DENIED.replace("claims, name: triage", f"paged, name: p{number:03}") for number in range(105)]
    with large.client(large.token()) as api:

        def decide(text: str) -> str:
            headers = {"Content-Type": "application/yaml"}
            done = api.post("/v1/decisions?purpose=deploy", content=text, headers=headers)
            assert done.status_code in (200, 201), done.text[:500]
            return done.text

        decide("---\n".join(texts[:60]))
        decide("---\n".join(texts[60:]))
        first = reader.get("/workloads?namespace=paged&verdict=deny").text
        assert "105 workloads, page 1 of 2" in " ".join(Parsed(first).text.split())
        following = re.findall(r'href="([^"]*cursor=[^"]*)">Next', first)[0].replace("&amp;", "&")
        anew = decide(re.sub(r"metadata:\n(  .*\n)+", "metadata: {namespace: paged, name: p050, owner: o}\n", ALLOWED))
        assert json.loads(anew)["verdict"] == "allow"
        rest = reader.get(following).text
        seen = re.findall(r"paged/(p\d{3})<", first + rest)
        assert sorted(set(seen)) == [f"p{number:03}" for number in range(105)]
        assert ">First page<" in rest
        assert reader.get(following.replace("deny", "allow")).status_code == 400


def test_a_decision_on_record_several_times_names_its_other_entries(large: Server, reader: httpx.Client) -> None:
    with large.client(large.token()) as api:
        text = DENIED.replace("name: triage", "name: thrice")
        made: dict[str, list[int]] = {}
        for _ in range(6):
            headers = {"Content-Type": "application/yaml"}
            done = api.post("/v1/decisions?purpose=deploy", content=text, headers=headers).json()
            made.setdefault(done["id"], []).append(done["ledger"]["index"])
        identifier, entries = next(each for each in made.items() if len(each[1]) > 1)
    page = reader.get(f"/decisions/{identifier}").text
    named = page.partition("Recorded also as entry")[2].partition("</dd>")[0]
    assert re.findall(r">(\d+)<", named.replace("<bdi>", "").replace("</bdi>", "")) == [
        str(each) for each in sorted(entries, reverse=True)[1:]
    ]


@pytest.mark.parametrize(
    "path",
    [
        "/reports/decisions?make=1&verdct=deny",
        "/reports/decisions?make=0",
        "/reports?x=1",
        "/waivers?state=nonsense",
        "/waivers?namespace=support",
        "/waivers?state=active&state=all",
        "/rules?enforcment=advisory",
        "/rules/proposed-region-outside-residency?x=",
        "/catalog?wieghts=open",
        "/catalog/gpt-4o?at=2020-01-01",
        "/compare?modell=x",
        "/disputes?x=1",
        "/exports?verdict=deny",
        "/ledger?since=2026-01-01",
        "/tokens?status=active",
        "/evaluate?example=nope",
        "/waiver-request?wrkload=a/b",
        "/waiver-request?rule=nope",
        "/decisions/1?rules=most",
        "/decisions/1?x=1",
        "/waivers/abc?x=1",
    ],
)
def test_a_filter_that_a_page_does_not_take_is_refused_on_every_page(client: httpx.Client, path: str) -> None:
    shown = words_of(client, path, 400)
    assert not re.search(r"(no|the) parameter", shown)


@pytest.mark.parametrize("path", ["/", "/decisions", "/rules", "/nowhere", "/decisions?nothing=1"])
def test_a_head_is_that_of_the_page(client: httpx.Client, path: str) -> None:
    page, alone = client.get(path, headers=HTML), client.head(path, headers=HTML)
    assert (alone.status_code, alone.headers["content-type"]) == (page.status_code, page.headers["content-type"])
    assert not alone.content
