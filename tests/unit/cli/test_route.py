"""`policy route`: the chain of each task, held to the articles' router and to hand-worked costs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.cli.conftest import Outcome
from tests.unit.cli.given import AT, DENIED, EXAMPLES, MEMORY, REVIEWED, ROOT
from tests.unit.cli.route_scene import layer, routed, router, single, write

Run = Callable[..., Outcome]
README = (ROOT / "README.md").read_text(encoding="utf-8")
GPT_4O = {"deployment": "proprietary_api", "model": "gpt-4o", "provider": "openai", "region": "us"}


@pytest.fixture
def route(policy: Run) -> Callable[..., Any]:
    """Return the document of a route, in a ledger that is gone afterwards."""

    def run(path: Path, *arguments: str) -> Any:
        found = policy("route", str(path), *AT, *MEMORY, "-o", "json", *arguments)
        assert (found.status, found.err) == (0, "")
        return found.json

    return run


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The route of the articles' router, with as many fallbacks as there may be."""
    folder = routed(tmp_path_factory.mktemp("acme"), "--fallbacks", "5")
    return json.loads((folder / "route.json").read_text(encoding="utf-8"))


def legs(task: Any) -> list[tuple[str, str | None, str | None]]:
    return [(leg["deployment"], leg["model"], leg["provider"]) for leg in task["legs"]]


def test_the_articles_router(acme: Any) -> None:
    found, firsts = acme, {task["name"]: legs(task)[0] for task in acme["tasks"]}
    assert firsts == {
        "tagging": ("self_hosted", "llama-3-8b", None),
        "summaries": ("open_api", "llama-3-70b", "open-model-hosting"),
        "analysis": ("proprietary_api", "claude-3.5-sonnet", "anthropic"),  # the best score: more than GPT-4o has
        "code": ("proprietary_api", "claude-3.5-sonnet", "anthropic"),
    }
    # 1.20 USD for each of 730.5 hours; shares of 900M and 180M tokens, at 0.60/0.70 and 3/15 USD a million
    costs = [1.2 * 730.5, 0.3 * (900 * 0.6 + 180 * 0.7), 0.15 * (900 * 3 + 180 * 15), 0.05 * (900 * 3 + 180 * 15)]
    assert [task["legs"][0]["usd_per_month"] for task in found["tasks"]] == pytest.approx(costs)
    assert found["plan"]["usd_per_month"] == pytest.approx(sum(costs))
    assert found["plan"] | {"usd_per_month": 0} == {
        "kind": "hybrid",
        "tasks": 4,
        "tasks_routed": 4,
        "usd_per_month": 0,
        "at_least": False,
        "at_most": False,
        "over_budget": False,
    }
    assert [task["share_of_volume"] for task in found["tasks"]] == [0.5, 0.3, 0.15, 0.05]
    assert "a router of the sources names llama-3-8b for such a task" in found["tasks"][0]["reasons"]


def test_a_fallback_runs_elsewhere_first_and_says_what_it_stands_in_for(acme: Any) -> None:
    found, (tagging, summaries, *_) = acme, acme["tasks"]
    assert [leg["provider"] for leg in tagging["legs"]][:4] == [None, "open-model-hosting", "openai", "anthropic"]
    assert [leg["protects_against"] for leg in tagging["legs"]][:2] == [[], ["outage"]]
    assert summaries["legs"][1]["protects_against"] == ["outage", "price", "deprecation"]
    for task in found["tasks"]:
        hosts = [leg["provider"] or leg["deployment"] for leg in task["legs"]]
        assert len(set(hosts[:3])) == 3
        assert hosts.count("self_hosted") <= 1  # the same machines need not hold a second model
        assert task["independent_fallback"]
        last = {leg["provider"]: leg["protects_against"] for leg in task["legs"][1:]}
        assert last.get(task["legs"][0]["provider"], ["deprecation"]) == ["deprecation"]
    # EU and US are admitted, and the fallback is told where it would be
    assert {leg["region"] for task in found["tasks"] for leg in task["legs"]} == {"eu", "us"}


def test_no_leg_leaves_the_residency_and_what_is_not_known_is_none(route: Any, tmp_path: Path) -> None:
    path = router(tmp_path)
    silent = route(path)["tasks"]
    for task in silent:  # no source says where providers process
        assert all(leg["deployment"] == "self_hosted" for leg in task["legs"])
        assert task["legs"] or task["no_legs"][0]["missing"] == ["proposal.region_allowed"]
    tagging, summaries, *_ = silent
    assert {leg["provider"] for leg in tagging["no_legs"]} == {"open-model-hosting", "openai", "anthropic", "google"}
    assert (summaries["state"], summaries["could_be_proposed"]["deployment"]) == ("unrouted", "self_hosted")
    data = yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]["data"]
    inside = route(router(tmp_path, data={**data, "residency": ["eu"]}), *layer(tmp_path))
    assert {leg["region"] for task in inside["tasks"] for leg in task["legs"]} == {"eu"}
    assert "anthropic" not in {leg["provider"] for task in inside["tasks"] for leg in task["legs"]}
    unknown = route(router(tmp_path, data={**data, "residency": None}))
    assert [task["legs"] for task in unknown["tasks"]] == [[]] * 4


def test_what_is_proposed_leads_and_its_fallback_follows(route: Any, tmp_path: Path) -> None:
    own = {"deployment": "proprietary_api", "model": "gpt-4o-mini", "provider": "openai"}
    (task,) = route(write(tmp_path / "w.yaml", single(proposal={**GPT_4O, "fallback": own})))["tasks"]
    assert legs(task)[:2] == [("proprietary_api", "gpt-4o", "openai"), ("proprietary_api", "gpt-4o-mini", "openai")]
    assert task["legs"][1]["protects_against"] == ["deprecation"]  # the same provider is no help in its outage
    assert task["legs"][2]["provider"] != "openai"
    assert (task["state"], task["judged"], task["legs"][0]["origin"]) == ("routed", "proposal", "proposal")


def test_what_is_denied_is_routed_nowhere(route: Any, tmp_path: Path) -> None:
    (task,) = route(DENIED)["tasks"]
    assert (task["state"], task["legs"], task["verdict"]) == ("unrouted", [], "deny")
    assert [leg["standing"] for leg in task["no_legs"]] == ["permitted", "forbidden"]
    assert task["could_be_proposed"]["model"] == "mistral-7b"  # without the fallback that leaks
    (hospital,) = route(REVIEWED)["tasks"]
    assert (hospital["legs"], hospital["reasons"]) == ([], ["no option is permitted, and `policy explain` says why"])


def test_the_decision_is_on_record_and_names_the_route(policy: Run, tmp_path: Path) -> None:
    place = ("--ledger", f"sqlite:///{tmp_path}/l.db")
    path = write(tmp_path / "w.yaml", single())
    assert policy("evaluate", str(path), *AT, *place).status == 0
    found = policy("route", str(path), *AT, *place, "-o", "json", "--purpose", "deploy").json
    assert found["decision"]["ledger"]["index"] == 1
    shown = policy("audit", "show", "1", *place, "-o", "json").json
    assert shown["context"]["route"] == found["decision"]["route_digest"]
    assert (shown["context"]["purpose"], shown["body"]["id"]) == ("deploy", found["decision"]["id"])
    assert policy("audit", "verify", *place).status == 0
    assert policy("audit", "replay", "--all", *place).status == 0


def test_nothing_is_handed_out_that_is_not_recorded(policy: Run, tmp_path: Path) -> None:
    out = tmp_path / "config.yaml"
    path = write(tmp_path / "w.yaml", single())
    refused = ("--ledger", f"sqlite:///{path}/l.db")  # a file is no folder
    found = policy("route", str(path), *AT, *refused, "-o", "json", "--format", f"litellm={out}")
    assert (found.status, found.out, out.exists()) == (6, "", False)


def test_a_runner_without_a_ledger_has_a_route_that_says_so(policy: Run, tmp_path: Path) -> None:
    path = write(tmp_path / "w.yaml", single())
    (tmp_path / "spool").mkdir()
    found = policy("route", str(path), *AT, "--ledger", f"spool:{tmp_path}/spool", "-o", "json")
    assert found.json["decision"]["ledger"] | {"leaf_hash": ""} == {"index": None, "leaf_hash": "", "status": "spooled"}
    place = ("--ledger", f"sqlite:///{tmp_path}/l.db")
    assert policy("evaluate", str(path), *AT, *place, "-q").status == 0  # makes the ledger
    assert policy("audit", "collect", str(tmp_path / "spool"), *place).status == 0
    shown = policy("audit", "show", found.json["decision"]["id"], *place, "-o", "json").json
    assert shown["context"]["route"] == found.json["decision"]["route_digest"]


@pytest.mark.parametrize(("condition", "status"), [("unrouted", 0), ("conditions", 1), ("no_fallback", 0)])
def test_conditions_on_routes(policy: Run, tmp_path: Path, condition: str, status: int) -> None:
    waits = write(tmp_path / "w.yaml", {**(found := single()), "spec": {**found["spec"], "stage": "production"}})
    assert policy("route", str(waits), *AT, *MEMORY, "--fail-on", condition).status == status
    assert policy("route", str(DENIED), *AT, *MEMORY, "--fail-on", condition).status == 1


def test_text_and_markdown_say_it_without_what_a_terminal_would_obey(policy: Run, tmp_path: Path) -> None:
    path = write(tmp_path / "w.yaml", single(name="a|*b*\u202e"))
    found = policy("route", str(path), *AT, *MEMORY)
    assert (found.status, "\u202e" in found.out, "a|*b*\\u202e: routed" in found.out) == (0, False, True)
    assert r"a\|\*b\*" in policy("route", str(path), *AT, *MEMORY, "-o", "markdown").out
    assert max(map(len, policy("route", str(router(tmp_path)), *AT, *MEMORY).out.splitlines())) <= 80


def test_several_files_are_a_list_and_an_invalid_one_keeps_no_other(policy: Run, tmp_path: Path) -> None:
    good, bad = write(tmp_path / "a.yaml", single()), tmp_path / "b.yaml"
    bad.write_text("apiVersion: policy-engine/v1\nkind: Workload\n", encoding="utf-8")
    out, config = tmp_path / "out.json", tmp_path / "config.yaml"
    found = policy("route", str(good), str(bad), *AT, *MEMORY, "-o", f"json={out}", "-o", f"litellm={config}")
    assert found.status == 2
    assert [each["kind"] for each in json.loads(out.read_text(encoding="utf-8"))] == ["Route"]
    assert not config.exists()
    assert "no configuration is written" in found.err


def test_a_route_ends_where_a_rule_begins_to_deny_one_of_its_legs(route: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "w.yaml", single())
    rule = {"id": "no-hosted", "title": "No hosted open models", "origin": "ACME 7", "when": "workload.task_count > 0"}
    rule |= {"forbid": ["open_api"], "enforcement": "mandatory", "enforce_from": "2026-12-01", "message": "no"}
    folder = tmp_path / "ours" / "licence"
    folder.mkdir(parents=True)
    (folder / "no-hosted.yaml").write_text(yaml.safe_dump(rule), encoding="utf-8")
    found = route(path, "--policy", str(tmp_path / "ours"))
    legs_until = {leg["deployment"]: leg["valid_until"] for leg in found["tasks"][0]["legs"]}
    assert legs_until["open_api"] == found["valid_until"] == "2026-11-30T23:59:59Z"


def test_the_readme_shows_what_is_printed(policy: Run) -> None:
    section = README.partition("\n## Routes\n")[2].partition("\n## ")[0]
    shown = section.partition("```text\n")[2].partition("```")[0]
    found = policy("route", str(EXAMPLES / "writing-assistant.yaml"), *AT, *MEMORY).out
    shown, found = (re.sub("[0-9a-f]{64}", "ID", text) for text in (shown, found))
    assert shown == found


def test_what_a_rule_asks_of_one_provider_holds_a_recommendation_of_it_up(policy: Run, tmp_path: Path) -> None:
    rule = {"id": "dpa-for-anthropic", "title": "A contract", "origin": "ACME 9", "enforcement": "mandatory"}
    rule |= {"when": "proposal.present && proposal.provider == 'anthropic'", "message": "a contract"}
    folder = tmp_path / "ours" / "licence"
    folder.mkdir(parents=True)
    text = yaml.safe_dump({**rule, "require": {"dpa": ["proprietary_api"]}})
    (folder / "dpa-for-anthropic.yaml").write_text(text, encoding="utf-8")
    given = (str(EXAMPLES / "writing-assistant.yaml"), *AT, *MEMORY, "--policy", str(tmp_path / "ours"))
    (task,) = policy("route", *given, "-o", "json").json["tasks"]
    assert (legs(task)[0][2], task["legs"][0]["outstanding"], task["state"]) == ("anthropic", ["dpa"], "conditional")
    assert task["waits_for"] == ["dpa is outstanding, once proprietary_api claude-3.5-sonnet at anthropic is proposed"]
    found = policy("route", *given, "-o", "litellm")
    assert (found.status, "[nothing-to-write]" in found.err) == (2, True)


def test_a_fallback_that_is_the_proposal_again_is_none_and_says_so(route: Any, tmp_path: Path) -> None:
    (task,) = route(write(tmp_path / "w.yaml", single(proposal={**GPT_4O, "fallback": GPT_4O})))["tasks"]
    assert legs(task)[1] != legs(task)[0]
    assert task["no_legs"][0]["origin"] == "proposed_fallback"
    assert task["no_legs"][0]["reasons"] == ["the same weights on the same host fail together"]


def test_the_readme_names_every_key(acme: Any) -> None:
    section = README.partition("\n## Routes\n")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| (.+?) \| (.+) \|$", section, flags=re.M))
    task = acme["tasks"][0]
    parts = {"a route": acme, "`decision`": acme["decision"], "`plan`": acme["plan"], "a task": task}
    for what, part in (parts | {"a leg": task["legs"][0]}).items():
        told = re.sub(r"\(.*?\)|:.*$", "", rows[what])
        assert re.findall(r"`(\w+)`", told) == list(part), what
