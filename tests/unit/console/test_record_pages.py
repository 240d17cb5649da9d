"""Ledger, reports, exports and tokens as pages, over HTTP without a browser."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from policy_audit.entry import EntryType
from policy_audit.errors import LedgerError
from policy_audit.keys import generate_signer
from policy_audit.ledger import open_ledger
from policy_audit.report import STEPS

from policy_engine.service.jobs import Job, Jobs
from tests.console_ledger import SCRIPT, Seeded
from tests.pages import Parsed
from tests.serving import Server, serving
from tests.unit.console.test_pages import OWN, form_token, session


def _send(client: httpx.Client, page: str, path: str, **fields: str) -> httpx.Response:
    token = form_token(client.get(page).text)
    return client.post(path, data={"form_token": token, **fields}, headers=OWN)


def test_the_ledger_is_shown_as_it_is_signed(client: httpx.Client, seeded: Seeded) -> None:
    page = Parsed(client.get("/ledger").text).text
    with open_ledger(seeded.url, read_only=True) as ledger:
        counted = Counter(entry.type for entry in ledger.walk())
        assert ledger.verifier_key is not None
        assert ledger.verifier_key in page
    for kind in (EntryType.DECISION, EntryType.WAIVER_GRANTED, EntryType.WAIVER_REQUESTED):
        assert re.search(rf"{kind}\s+{counted[kind]}\s", page), kind
    note = client.get("/checkpoint").text
    assert note.split("\n", maxsplit=1)[0] in page


def test_a_verification_says_what_the_command_says(client: httpx.Client, seeded: Seeded) -> None:
    with open_ledger(seeded.url, read_only=True) as ledger:
        key, kept = ledger.verifier_key or "", ledger.checkpoint()
        report = ledger.verify([key], kept=[kept])
    assert report.ok
    answer = _send(client, "/ledger", "/ledger/verifications", key=key, kept=kept)
    assert answer.status_code == 303
    page = client.get(answer.headers["location"]).text
    rows = re.findall(
        r'<th scope="row"[^>]*><div><bdi>(\w+)</bdi></div></th>\s*<td[^>]*><div>\s*<span class="mark (\w+)', page
    )
    assert rows == [(name, "good") for name, _ in STEPS]
    text = Parsed(page).text
    assert "every step passed" in text
    assert "a key that was given" in text
    assert answer.headers["location"] in client.get("/ledger").text


def test_the_result_of_a_verification_is_on_record_whatever_it_is(client: httpx.Client, seeded: Seeded) -> None:
    other = generate_signer("policy-ledger.local/other").verifier_key
    for key, ok in (("", True), (other, False)):
        place = _send(client, "/ledger", "/ledger/verifications", key=key).headers["location"]
        told = re.search(r"On record\s*entry (\d+)", Parsed(client.get(place).text).text)
        assert told is not None
        with open_ledger(seeded.url, read_only=True) as ledger:
            entry = ledger.entry(int(told[1]))
            assert entry.type == EntryType.VERIFICATION_RUN
            body = entry.document["body"]
            assert (body["ok"], body["kept"], body["size"] <= entry.index) == (ok, 0, True)
            assert ledger.personal(entry.index)["actor"] == "olivia.officer@acme.example"
            assert ledger.verify().ok


def test_a_result_that_the_ledger_refuses_is_told_as_not_on_record(
    client: httpx.Client, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise LedgerError("there is no space left", code="ledger-disk-full")

    monkeypatch.setattr(server.service.door.open(), "append", refused)
    place = _send(client, "/ledger", "/ledger/verifications").headers["location"]
    text = Parsed(client.get(place).text).text
    assert "every step that ran passed" in text
    assert "not on record" in text
    assert "there is no space left" in text


def test_a_verification_finds_what_a_kept_checkpoint_tells(client: httpx.Client, seeded: Seeded) -> None:
    with open_ledger(seeded.url, read_only=True) as ledger:
        changed = ledger.checkpoint().replace("\n", "\r\n")
        kept = re.sub(r"\n(\d+)\r", "\n999999\r", changed)
    place = _send(client, "/ledger", "/ledger/verifications", kept=kept).headers["location"]
    found = Parsed(client.get(place).text)
    assert "not verified" in found.text
    assert not found.faults()
    other = generate_signer("policy-ledger.local/other").verifier_key
    place = _send(client, "/ledger", "/ledger/verifications", key=other).headers["location"]
    assert "not verified" in client.get(place).text
    for key in ("no key", SCRIPT, "a+b+c"):
        refused = _send(client, "/ledger", "/ledger/verifications", key=key)
        assert refused.status_code == 422, key
        assert not Parsed(refused.text).faults()
    assert client.post("/ledger/verifications", data={"key": ""}, headers=OWN).status_code == 403


@pytest.fixture(scope="module")
def stateful(seeded: Seeded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """A console whose jobs lie in a folder that is known."""
    folder = tmp_path_factory.mktemp("stateful")
    with serving(seeded.url, layers=(seeded.layer,), state=folder) as running:
        yield running, folder


def test_what_is_under_way_says_how_far_and_refreshes_nothing(
    stateful: tuple[Server, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("policy_engine.console.verification._WAIT_SECONDS", 0.0)
    server, folder = stateful
    who = {"owner": "olga@acme.example", "known_by": "token", "namespaces": None}
    with server.client(cookies=session(server.token("read", subject="olga@acme.example"))) as client:
        for kind, place, report in (
            ("verifications", "/ledger/verifications", "verification"),
            ("exports", "/exports", "decisions"),
        ):
            jobs = Jobs(folder / kind)
            job = jobs.new(report=report, format="csv", **who)
            jobs.put(Job(**{**_members(job), "state": "running", "done": 25, "total": 100}))
            page = client.get(f"{place}/{job.id}")
            assert 'value="25"' in page.text
            assert "25 %: 25 of 100." in Parsed(page.text).text
            assert "refresh" not in {*map(str.lower, page.headers), *re.findall(r"http-equiv=\"(\w+)", page.text)}
            assert f'href="{place}/{job.id}">Look again' in page.text
            error = {"code": "x", "message": SCRIPT, "help": SCRIPT}
            jobs.put(Job(**{**_members(job), "state": "failed", "error": error}))
            found = Parsed(client.get(f"{place}/{job.id}").text)
            assert SCRIPT in found.text
            assert not found.faults()
            jobs.remove(job.id)
            assert client.get(f"{place}/{job.id}").status_code == 404


def _members(job: Job) -> dict[str, object]:
    return {name: getattr(job, name) for name in job.__struct_fields__}


@pytest.mark.parametrize(
    "query", ["verdict=deny", "verdict=deny&verdict=review&purpose=deploy", "workload=claims/triage"]
)
def test_a_report_has_the_rows_of_the_api(client: httpx.Client, query: str) -> None:
    wanted = client.get(f"/v1/reports/decisions?{query}").json()
    page = client.get(f"/reports/decisions?make=1&{query}").text
    rows = page.partition('aria-label="Decisions"')[2].partition("</table>")[0].count('<tr role="row">') - 1
    assert wanted["population"]
    assert rows == wanted["population"]
    text = Parsed(page).text
    assert f"{wanted['population']} decisions" in text
    for remark in wanted["remarks"]:
        assert remark in text
    series = page.partition('<table role="table">')[2].partition("</table>")[0]
    last = [int(each.replace(",", "")) for each in re.findall(r'data-label="All"><div>([\d,]+)<', series)]
    assert sum(last) == wanted["population"]


def test_every_report_opens_and_is_made_only_when_asked(client: httpx.Client) -> None:
    listed = client.get("/v1/reports").json()["reports"]
    page = client.get("/reports").text
    for row in listed:
        assert f'/reports/{row["name"]}"' in page
        form = client.get(f"/reports/{row['name']}")
        assert form.status_code == 200
        assert "Make the report" in form.text
        assert "What it does not prove" not in form.text
    assert client.get("/reports/nothing").status_code == 404
    for name in ("waivers", "separation-of-duties", "incident", "access"):
        made = client.get(f"/reports/{name}", params={"make": "1", "subject": "rita@acme.example"})
        assert made.status_code in (200, 400), name
        assert not Parsed(made.text).faults(), name
    early = client.get("/reports/rule-impact?make=1")
    assert early.status_code in (200, 400)
    assert "Make the report" in early.text, "the form is kept where the ledger has nothing to answer with"
    wrong = client.get("/reports/decisions?make=1&since=yesterday&verdict=maybe")
    assert wrong.status_code == 400
    assert 'id="field-since-error"' in wrong.text


def test_a_report_is_exported_from_its_page_and_fetched(client: httpx.Client, server: Server) -> None:
    before = client.get("/v1/reports/decisions?verdict=deny").json()["population"]
    page = client.get("/reports/decisions?make=1&verdict=deny").text
    assert '<input type="hidden" name="verdict" value="deny">' in page
    fields = {"report": "decisions", "format": "jsonl", "verdict": "deny"}
    answer = _send(client, "/exports", "/exports", **fields)
    assert answer.status_code == 303
    done = client.get(answer.headers["location"]).text
    assert "done" in Parsed(done).text
    content = re.search(r'href="(/v1/exports/[0-9a-f]{24}/content)"', done)
    assert content is not None
    with zipfile.ZipFile(io.BytesIO(client.get(content[1]).content)) as archive:
        (name,) = [each for each in archive.namelist() if each.endswith(".jsonl")]
        rows = [json.loads(line) for line in archive.read(name).splitlines()]
    assert len(rows) == before
    with server.client(cookies=session(server.token("read", subject="eve@acme.example"))) as other:
        assert other.get(answer.headers["location"]).status_code == 404
        assert answer.headers["location"] not in other.get("/exports").text
        assert _send(other, "/exports", f"{answer.headers['location']}/removal").status_code == 404
    assert _send(client, "/exports", f"{answer.headers['location']}/removal").status_code == 303
    assert client.get(answer.headers["location"]).status_code == 404


def test_what_no_export_is_is_refused_in_words(client: httpx.Client) -> None:
    for fields in (
        {"report": "log", "format": "csv"},
        {"report": "decisions", "format": "tlog"},
        {"report": "decisions", "format": SCRIPT},
        {"report": "decisions", "format": "csv", "since": SCRIPT},
        {"report": "decisions", "format": "csv", "unknown": "x"},
        {"report": "decisions"},
    ):
        answer = _send(client, "/exports", "/exports", **fields)
        assert answer.status_code == 400, fields
        found = Parsed(answer.text)
        assert not found.faults(), fields
        assert "Begin an export" in found.text
    assert _send(client, "/exports", "/exports", report=SCRIPT, format="csv").status_code == 404
    assert client.post("/exports", data={"report": "log", "format": "tlog"}, headers=OWN).status_code == 403


def test_tokens_are_shown_to_administrators_and_never_their_secrets(client: httpx.Client, server: Server) -> None:
    secret = server.token("read", subject=f"{SCRIPT[:60]}@acme.example")
    page = client.get("/tokens")
    assert secret.split("_")[1] in page.text
    assert secret.split("_")[2] not in page.text
    assert not Parsed(page.text).faults()
    with server.client(cookies=session(server.token("read", "decide", "approve"))) as other:
        assert other.get("/tokens").status_code == 403
    limited = server.token("administer", namespaces=["claims"], subject="limited@acme.example")
    with server.client(cookies=session(limited)) as other:
        shown = other.get("/tokens").text
        assert limited.split("_")[1] in shown
        assert secret.split("_")[1] not in shown


def test_a_token_for_a_namespace_sees_nothing_of_another(server: Server, seeded: Seeded) -> None:
    token = server.token(namespaces=["clinic"], subject="nora@acme.example")
    with server.client(cookies=session(token)) as client:
        for path in (
            "/rules",
            "/waivers?state=all",
            "/ledger",
            "/reports/decisions?make=1",
            "/exports",
            "/rules/no-mlops-no-self-hosting",
        ):
            page = client.get(path)
            assert page.status_code == 200, path
            for other in ("claims/", "help-desk", "writing-assistant", *seeded.waivers.values()):
                assert other not in page.text, (path, other)
        assert "clinic" in client.get("/reports/decisions?make=1").text
        assert client.get(f"/waivers/{seeded.waivers['active']}").status_code == 404
        assert client.get("/reports/waivers?make=1").status_code == 403
        assert client.get("/reports/decisions?make=1&namespace=claims").status_code == 404
        assert _send(client, "/evaluate", "/ledger/verifications").status_code == 403
        assert "Acted in decisions" not in client.get("/rules").text


@pytest.mark.parametrize(
    ("role", "first"), [("read", "/"), ("decide", "/evaluate"), ("approve", "/rules"), ("administer", "/rules")]
)
def test_the_menu_is_what_a_role_may_open(server: Server, role: str, first: str) -> None:
    with server.client(cookies=session(server.token(role, subject=f"{role}@acme.example"))) as client:
        answer = client.get("/")
        assert (answer.status_code, answer.headers.get("location", "/")) == (200 if first == "/" else 303, first)
        page = client.get("/rules").text
        menu = set(re.findall(r'<li><a href="(/[a-z-]*)"', page.partition("</nav>")[0]))
        everything = set(re.findall(r'href="(/[a-z-]+)"', page)) | {"/ledger", "/tokens", "/waivers", "/waiver-request"}
        for path in menu | {each for each in everything if not each.startswith("/console")}:
            assert (client.get(path).status_code in (200, 303)) is (path in menu), path


def test_what_these_pages_show_is_on_record_first(server: Server) -> None:
    token = server.token("read", "administer", subject="reads@acme.example")
    paths = ("/rules", "/waivers", "/ledger", "/reports/waivers?make=1", "/tokens")
    with server.client(cookies=session(token)) as client:
        for path in paths:
            assert client.get(path).status_code == 200
    with open_ledger(server.ledger, read_only=True) as ledger:
        found = list(ledger.list_entries(type=EntryType.OFFICER_QUERY, limit=30))
        mine = [each for each in found if ledger.personal(each.index).get("actor") == "reads@acme.example"]
    asked = {each.document["body"]["query"] for each in mine}
    assert asked == {"rules list", "waiver list", "ledger", "audit report waivers", "token list"}
    assert datetime.now(UTC) - datetime.fromisoformat(mine[0].recorded_at) < timedelta(minutes=5)
