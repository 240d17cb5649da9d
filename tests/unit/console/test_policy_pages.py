"""Rules, waivers and the catalog as pages, over HTTP without a browser."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from html import unescape

import httpx
import pytest
from policy_audit.ledger import EntryType, open_ledger
from policy_audit.note import sign_note

from policy_engine.console.signatures import signature_lines
from policy_engine.loading.policy import load_policy
from tests.console_ledger import DENIED, SCRIPT, Seeded
from tests.pages import Parsed
from tests.serving import Server
from tests.unit.console.test_pages import OWN, form_token, session
from tests.unit.waivers.making import ANN, BOB, RULE, Person


def test_the_rules_in_force_are_listed_each_once_with_how_often_it_acted(client: httpx.Client, seeded: Seeded) -> None:
    policy = load_policy([seeded.layer])
    page = client.get("/rules").text
    found = re.findall(r'<a href="/rules/([a-z0-9-]+)"><bdi>', page)
    assert found == [rule.id for rule in policy.rules.rules]
    acted: Counter[str] = Counter()
    with open_ledger(seeded.url, read_only=True) as ledger:
        for entry in ledger.list_entries(type=EntryType.DECISION):
            acted.update(entry.document["tags"].get("rule", ()))
    row = page.partition(f'<a href="/rules/{RULE}">')[2].partition("</tr>")[0]
    assert f"<div>{acted[RULE]}</div>" in row.replace("\n", "")
    forbidding = re.findall(r'<a href="/rules/([a-z0-9-]+)"><bdi>', client.get("/rules?effect=forbid").text)
    assert forbidding == [rule.id for rule in policy.rules.rules if rule.forbid]


@pytest.mark.parametrize("name", [RULE, "high-api-spend-favours-self-hosting"])
def test_a_rule_says_what_its_file_says(client: httpx.Client, seeded: Seeded, name: str) -> None:
    policy = load_policy([seeded.layer])
    rule = policy.rules.rule(name)
    assert rule is not None
    text = Parsed(client.get(f"/rules/{name}").text).text
    for each in (rule.title, rule.when, rule.message, *rule.reads, *rule.criteria):
        assert each in text
    for criterion in rule.criteria:
        assert policy.rules.criteria[criterion] in text
    cases = client.get(f"/v1/rules/{name}").json()["cases"]
    assert cases
    for case in cases:
        assert case["name"] in text
        for fact in case["facts"]:
            assert f"{fact} = " in text
    assert ("Ask for a waiver of this rule" in text) is (rule.enforcement == "waivable")


def test_waivers_are_listed_by_their_state(client: httpx.Client, seeded: Seeded) -> None:
    for state, name in (
        ("requested", "requested"),
        ("expired", "expired"),
        ("revoked", "revoked"),
        ("expiring", "active"),
    ):
        page = client.get("/waivers", params={"state": state}).text
        assert f"/waivers/{seeded.waivers[name]}" in page, state
        others = [each for key, each in seeded.waivers.items() if key != name]
        assert not [each for each in others if each in page], state
    page = client.get("/waivers?state=all").text
    assert all(each in page for each in seeded.waivers.values())
    assert SCRIPT not in page
    assert SCRIPT.split("<", maxsplit=1)[0] in unescape(page)


class Visitor:
    """Somebody with a session of their own, who fills in forms."""

    def __init__(self, server: Server, subject: str, *roles: str, **more: object) -> None:
        self.client = server.client(cookies=session(server.token(*roles, subject=subject, **more)))  # type: ignore[arg-type]

    def send(self, page: str, path: str, **fields: str) -> httpx.Response:
        token = form_token(self.client.get(page).text)
        return self.client.post(path, data={"form_token": token, **fields}, headers=OWN)


def _line(client: httpx.Client, identifier: str, person: Person) -> str:
    text = client.get(f"/v1/waivers/{identifier}").json()["text"]
    return sign_note(text, person.signer).rpartition("\n\n")[2].removesuffix("\n")


def asked(server: Server, rita: Visitor, name: str) -> str:
    """Return the id of a waiver that was asked for by the form, for a decision that was made by the form."""
    text = DENIED.replace("name: triage", f"name: {name}")
    assert rita.send("/evaluate", "/evaluate", workload=text).status_code == 303
    until = (datetime.now(UTC).date() + timedelta(days=20)).isoformat()
    terms = {"reason": "the team starts in March", "ticket": "OPS-7", "valid_until": until}
    answer = rita.send("/waiver-request", "/waiver-request", rule=RULE, workload=f"claims/{name}", **terms)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"].rpartition("/")[2]


def test_a_waiver_is_asked_for_approved_by_another_and_taken_back(server: Server) -> None:
    rita, ann = Visitor(server, "rita@acme.example"), Visitor(server, ANN.identity)
    bob = Visitor(server, BOB.identity)
    identifier = asked(server, rita, "walked")
    place = f"/waivers/{identifier}"
    own = rita.client.get(place).text
    assert "You asked for this waiver" in own
    assert "/approval" not in own
    line = _line(ann.client, identifier, ANN)
    refused = rita.send("/evaluate", f"{place}/approval", signature=line)
    assert refused.status_code == 409
    assert "obody approves what they asked for" in refused.text
    # with another person's key, with none at all, with one over something else
    assert bob.send(place, f"{place}/approval", signature=line).status_code == 403
    for text in ("", '{"signatures": 7}', "\N{EM DASH} ann AAAA", "x" * 100_000):
        answer = ann.send(place, f"{place}/approval", signature=text)
        assert answer.status_code == 422, text[:20]
        assert not Parsed(answer.text).faults()
    assert ann.client.get(place).text.count("requested") >= 1
    granted = ann.send(place, f"{place}/approval", signature=json.dumps({"signatures": [line]}))
    assert (granted.status_code, granted.headers["location"]) == (303, place)
    page = Parsed(ann.client.get(place).text).text
    assert "active" in page
    assert ANN.identity in page
    assert ann.send(place, f"{place}/revocation", reason=" ").status_code == 422
    assert ann.send(place, f"{place}/revocation", reason="it is over").status_code == 303
    revoked = ann.client.get(place).text
    assert "it is over" in revoked
    assert "/revocation" not in revoked
    with open_ledger(server.ledger, read_only=True) as ledger:
        kinds = [
            entry.type
            for kind in (EntryType.WAIVER_REQUESTED, EntryType.WAIVER_GRANTED, EntryType.WAIVER_REVOKED)
            for entry in ledger.list_entries(type=kind)
            if entry.document["context"].get("workload") == "walked"
        ]
    assert kinds == ["waiver-requested", "waiver-granted", "waiver-revoked"]


def test_what_is_wrong_with_a_request_is_said_at_its_field(server: Server) -> None:
    rita = Visitor(server, "rita@acme.example")
    good = {"rule": RULE, "workload": "claims/triage", "reason": "soon", "ticket": "OPS-7", "valid_until": "2999-01-01"}
    for changed, field in (
        ({"reason": ""}, "reason"),
        ({"workload": ""}, "workload"),
        ({"decision": "a" * 64}, "decision"),
        ({"workload": "nowhere/nothing"}, "workload"),
        ({"valid_until": "soon"}, "valid_until"),
        ({"valid_until": "2001-01-01"}, "valid_until"),
        ({"rule": "data-stays-in-network"}, "rule"),
    ):
        answer = rita.send("/waiver-request", "/waiver-request", **{**good, **changed})
        assert answer.status_code in (404, 422), changed
        assert f'id="field-{field}-error"' in answer.text, changed
        assert not Parsed(answer.text).faults()
    hostile = rita.send(
        "/waiver-request", "/waiver-request", **{**good, "reason": SCRIPT, "workload": SCRIPT, "option": SCRIPT}
    )
    assert hostile.status_code in (404, 422)
    assert not Parsed(hostile.text).faults()


def test_no_form_of_a_waiver_counts_from_elsewhere(server: Server, seeded: Seeded) -> None:
    ann = Visitor(server, ANN.identity)
    place = f"/waivers/{seeded.waivers['requested']}"
    for path, data in (
        (f"{place}/approval", {"signature": "x"}),
        (f"{place}/revocation", {"reason": "x"}),
        ("/waiver-request", {"rule": RULE}),
    ):
        assert ann.client.post(path, data=data, headers=OWN).status_code == 403, path
        token = form_token(ann.client.get(place).text)
        answer = ann.client.post(path, data={**data, "form_token": token}, headers={"Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 403, path


def test_signature_lines_are_read_of_what_is_pasted() -> None:
    line = "\N{EM DASH} ann AAAA"
    assert signature_lines(line) == signature_lines(f"  {line}\r\n") == [line]
    assert signature_lines(json.dumps({"signatures": [line, 7, None, "ann"]})) == [line]
    assert signature_lines(f"policy-engine/v1 waiver\n{{}}\n\n{line}\n") == [line]
    for text in ("", "[]", "{}", "null", '{"signatures": {}}', "[" * 5000, "- ann AAAA"):
        assert signature_lines(text) == [], text[:20]


def test_the_catalog_is_what_the_api_says(client: httpx.Client) -> None:
    page = client.get("/catalog").text
    rows = client.get("/v1/catalog/models").json()["models"]
    assert re.findall(r'<a href="/catalog/([^"]+)"><bdi>', page) == [row["name"] for row in rows]
    only = client.get("/catalog", params={"weights": "open", "context": "100000"}).text
    wanted = client.get("/v1/catalog/models", params={"weights": "open", "context": "100000"}).json()["models"]
    assert re.findall(r'<a href="/catalog/([^"]+)"><bdi>', only) == [row["name"] for row in wanted]
    sheet = Parsed(client.get("/catalog/llama-3.1-8b").text).text
    for each in ("llama-3.1-community", "131,072 tokens", "68.4", "the only one in force", "DISPUTE-15"):
        assert each in sheet
    compared = Parsed(client.get("/compare?model=llama-3.1-8b,gpt-4o").text).text
    assert "131,072 best" in compared
    dispute = client.get("/v1/catalog/disputes?id=DISPUTE-01").json()["disputes"][0]
    shown = Parsed(client.get("/disputes/DISPUTE-01").text).text
    for each in (*(side["says"] for side in dispute["sides"]), *(step["says"] for step in dispute["arithmetic"])):
        assert each in shown


def test_names_that_are_not_there_are_no_pages(client: httpx.Client) -> None:
    for path in ("/rules/x", f"/rules/{SCRIPT}", f"/catalog/{SCRIPT}", "/disputes/x", "/waivers/zzzz", "/waivers/%00"):
        answer = client.get(path, headers={"Accept": "text/html,*/*"})
        assert answer.status_code == 404, path
        assert not Parsed(answer.text).faults(), path
    for path, name in (
        ("/rules", "topic"),
        ("/rules", "criterion"),
        ("/catalog", "min_score"),
        ("/catalog", "sort"),
        ("/compare", "model"),
        ("/compare", "gpu"),
        ("/reports/decisions", "rule"),
        ("/waivers", "state"),
        ("/waiver-request", "rule"),
    ):
        answer = client.get(path, params={name: [SCRIPT, "\x00\u202e"], "make": "1"})
        assert answer.status_code in (200, 400), (path, name)
        assert not Parsed(answer.text).faults(), (path, name)
