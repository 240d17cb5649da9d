"""What pages show and to whom, over HTTP without a browser."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import httpx
import pytest
from policy_audit.ledger import EntryType, open_ledger
from policy_audit.snapshot import open_snapshot

from policy_engine.access.sessions import session_value
from policy_engine.reports.activity import VERDICTS, verdicts_over_time, what_denies
from tests.console_ledger import DENIED, Seeded, many, seed
from tests.pages import Parsed
from tests.serving import Server, make_token, serving

OWN = {"Sec-Fetch-Site": "same-origin"}


def session(token: str) -> dict[str, str]:
    """Return the cookies of a session of a token."""
    return {"policy": session_value(token, datetime.now(UTC))}


def form_token(page: str) -> str:
    """Return what a form of a page has in it."""
    found = re.search(r'name="form_token" value="([^"]{20,})"', page)
    assert found is not None
    return found[1]


def listed(page: str) -> list[int]:
    """Return the entries that a list of decisions links to, in its order."""
    return [int(each) for each in re.findall(r'<a href="/decisions/(\d+)"><bdi>\1</bdi>', page)]


def test_the_pages_of_a_list_are_all_decisions_each_once(client: httpx.Client, seeded: Seeded) -> None:
    with open_ledger(seeded.url, read_only=True) as ledger:
        there = [each.index for each in ledger.list_entries(type=EntryType.DECISION)]
    found, path, pages = list[int](), "/decisions?limit=7", 0
    while path:
        page = client.get(path).text
        found += listed(page)
        link = re.search(r'href="([^"]*cursor=[^"]*)">Next page', page)
        path = link[1].replace("&amp;", "&") if link else ""
        pages += 1
    assert found == there
    assert pages == -(-len(there) // 7)


@pytest.mark.parametrize("verdict", VERDICTS)
def test_filters_select_what_the_entries_say(client: httpx.Client, seeded: Seeded, verdict: str) -> None:
    """The same of the API, whose parameters these are."""
    with open_ledger(seeded.url, read_only=True) as ledger:
        entries = list(ledger.list_entries(type=EntryType.DECISION))
        wanted = {each.index for each in entries if each.document["view"]["verdict"] == verdict}
        deployed = {each.index for each in entries if each.document["view"].get("purpose") == "deploy"}
    assert wanted
    page = client.get("/decisions", params={"verdict": verdict, "limit": "500", "owner": ""})
    assert set(listed(page.text)) == wanted
    both = client.get("/decisions", params={"verdict": verdict, "purpose": "deploy", "limit": "500"})
    assert set(listed(both.text)) == wanted & deployed
    rows = client.get("/v1/decisions", params={"verdict": verdict, "limit": "500"}).json()["decisions"]
    assert {row["index"] for row in rows} == wanted


def test_verdicts_over_time_and_what_denies_are_what_the_documents_say(seeded: Seeded) -> None:
    until = datetime.now(UTC) + timedelta(minutes=1)
    since = (until - timedelta(days=29)).replace(hour=0, minute=0, second=0, microsecond=0)
    days: Counter[tuple[str, str]] = Counter()
    denials: Counter[str] = Counter()
    with open_ledger(seeded.url, read_only=True) as ledger, open_snapshot(ledger) as snapshot:
        for entry in ledger.list_entries(type=EntryType.DECISION):
            if datetime.fromisoformat(entry.recorded_at) < since:
                continue
            verdict = entry.document["view"]["verdict"]
            days[entry.recorded_at[:10], verdict] += 1
            if verdict == "deny":
                document = json.loads(ledger.blob(entry.document["blobs"]["decision"]))
                denials.update({rule for task in document["tasks"] for rule in _against(task)})
        spans = verdicts_over_time(snapshot, since, until)
        found = what_denies(snapshot, since, until)
        weeks = verdicts_over_time(snapshot, since - timedelta(days=300), until)
    counted = {
        (span.first.isoformat(), name): n for span in spans for name, n in zip(VERDICTS, span.counts, strict=True)
    }
    assert {key: n for key, n in counted.items() if n} == dict(days)
    assert len(spans) == 30
    assert {each.rule: each.denials for each in found.rules} == dict(denials)
    assert found.read == found.total == sum(n for (_, verdict), n in days.items() if verdict == "deny")
    assert sum(sum(span.counts) for span in weeks) >= sum(days.values())
    assert {(two.first - one.first).days for one, two in pairwise(weeks)} == {7}


def _against(task: dict[str, object]) -> set[str]:
    """Return, by another way than the page, the rules that stand against what a task proposes: each fired forbid."""
    proposal = task["proposal"]
    assert isinstance(proposal, dict)
    rules = {each["id"]: each for each in task["rules"]}  # type: ignore[attr-defined]
    option = proposal["deployment"]
    acting = {name for name, each in rules.items() if each["outcome"] == "fired" and option in each["forbid"]}
    found = {*acting, *proposal["rules"]}
    fallback = proposal["fallback"]
    if fallback is not None and fallback["verdict"] == "deny":
        option = fallback["deployment"]
        found |= {name for name, each in rules.items() if each["outcome"] == "fired" and option in each["forbid"]}
        found |= set(fallback["rules"])
    return found


def test_a_token_for_a_namespace_sees_nothing_of_another(server: Server, seeded: Seeded) -> None:
    token = server.token("read", "decide", namespaces=["claims"])
    hidden = [name for name in ("hospital", "support-tickets", "forged-0") if name in seeded.decisions]
    with server.client(cookies=session(token)) as client:
        pages = {path: client.get(path) for path in ("/", "/?days=365", "/decisions?limit=500", "/workloads")}
        for path, page in pages.items():
            assert page.status_code == 200
            for other in ("clinic", "help-desk", "discharge-letters", "engineering", "{{ 7"):
                assert other not in page.text, path
        assert "claims/triage" in pages["/workloads"].text
        for name in hidden:
            refused = client.get(f"/decisions/{seeded.decisions[name]}")
            unknown = client.get(f"/decisions/{'0' * 64}")
            assert refused.status_code == unknown.status_code == 404
            same = [each.text.replace(form_token(each.text), "") for each in (refused, unknown)]
            assert same[0].replace(seeded.decisions[name], "0" * 64) == same[1]
        assert client.get("/workloads/clinic/discharge-letters").status_code == 404
        page = client.get("/evaluate").text
        data = {"workload": DENIED.replace("claims", "clinic"), "form_token": form_token(page)}
        assert client.post("/evaluate", data=data, headers=OWN).status_code == 403


def test_a_form_counts_only_from_its_own_page(server: Server) -> None:
    with server.client(cookies=session(server.token())) as client:
        page = client.get("/evaluate").text
        good = {"workload": DENIED, "form_token": form_token(page)}
        size = _size(server)
        for data, headers in (
            ({"workload": DENIED}, OWN),
            ({**good, "form_token": "0" * 64}, OWN),
            (good, {"Sec-Fetch-Site": "cross-site"}),
            (good, {"Origin": "https://evil.example"}),
            (good, {}),
        ):
            assert client.post("/evaluate", data=data, headers=headers).status_code == 403
        assert _size(server) == size, "nothing was decided"
        done = client.post("/evaluate", data=good, headers=OWN)
        assert done.status_code == 303
        assert re.fullmatch(r"/decisions/\d+", done.headers["location"])


def test_what_is_wrong_with_a_text_is_said_and_the_text_is_kept(client: httpx.Client) -> None:
    token = form_token(client.get("/evaluate").text)
    for text in ("", "\x00", "a: [", "- 1\n- 2\n", "\t", DENIED.replace("pilot", "\u202epilot"), "x" * 5000):
        answer = client.post("/evaluate", data={"workload": text, "form_token": token}, headers=OWN)
        assert answer.status_code == 422, text
        found = Parsed(answer.text)
        assert not found.faults(), text
        assert "nothing was decided or recorded" in found.text
        kept = text.replace("\x00", "\ufffd")
        assert kept in found.text, text
    answer = client.post("/evaluate", data={"workload": "x" * 2_000_000, "form_token": token}, headers=OWN)
    assert answer.status_code == 413
    two = f"{DENIED}---\n{DENIED.replace('name: triage', 'name: second')}"
    both = client.post("/evaluate", data={"workload": two.replace("\n", "\r\n"), "form_token": token}, headers=OWN)
    assert both.status_code == 200
    assert both.text.count("/workloads/claims/") == 2


def test_what_is_shown_is_on_record_first(server: Server) -> None:
    token = server.token("read", subject="reader@acme.example")
    with server.client(cookies=session(token)) as client:
        for path in ("/", "/decisions?verdict=deny", "/decisions/3", "/workloads", "/workloads/claims/triage"):
            assert client.get(path).status_code == 200
    with open_ledger(server.ledger, read_only=True) as ledger:
        found = list(ledger.list_entries(type=EntryType.OFFICER_QUERY, limit=20))
        mine = [each for each in found if ledger.personal(each.index).get("actor") == "reader@acme.example"]
    asked = Counter(each.document["body"]["query"] for each in mine)
    assert asked == {"overview": 1, "audit list": 2, "explain": 1, "workloads": 1}


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A console over 10,000 decisions on as many workloads."""
    made = seed(tmp_path_factory.mktemp("large"), days=2)
    many(made.url, made.layer, 10_000)
    make_token(made.url)
    with serving(made.url, layers=(made.layer,)) as running:
        yield running


@pytest.mark.slow
def test_ten_thousand_rows_are_shown_by_the_page(large: Server) -> None:
    with large.client(cookies=session(large.token())) as client:
        for path in (
            "/",
            "/decisions",
            "/workloads",
            "/workloads?name=w0999",
            "/decisions/5000",
            "/rules",
            "/ledger",
            "/reports/decisions?make=1",
        ):
            answer = client.get(path)
            assert answer.status_code == 200, path
            assert len(answer.text) < 600_000, path
            assert answer.text.count("<tr") < 300, path
        assert "10,0" in client.get("/workloads").text


def _size(server: Server) -> int:
    with open_ledger(server.ledger, read_only=True) as ledger:
        return len(list(ledger.list_entries(type=EntryType.DECISION)))
