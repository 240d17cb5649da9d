"""`policy catalog refresh`: shown, recorded, then written; and what a decision finds of it."""

from __future__ import annotations

import fcntl
import json
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from policy_engine.cli import options
from policy_engine.cli.audit_show_refreshed import refreshed_sections
from policy_engine.loading.layers import shipped_rules
from policy_engine.pricing import recording
from tests.unit.cli.conftest import Outcome

Run = Callable[..., Outcome]
CLOCK = datetime(2026, 11, 29, 12, tzinfo=UTC)
FIRST, SECOND = (("--backdate", "--at", f"2026-11-{day}T10:00:00Z") for day in (20, 25))
DATA = ("--data-day", "2026-11-01")
JSON = ("-o", "json")
FILE = "catalog/refreshed.yaml"
WORKLOAD = """\
apiVersion: policy-engine/v1
kind: Workload
metadata: {name: t, owner: o@acme.example}
spec:
  stage: pilot
  tasks:
    - {name: t, kind: classification, complexity: simple, quality: sufficient, context_tokens: 8000,
       proposal: {deployment: proprietary_api, model: gpt-4o, provider: openai}}
  data: {sensitivity: internal, may_leave_network: true, third_party_accepted: true}
  volume: {input_tokens_per_month: 400000000, output_tokens_per_month: 100000000}
"""


def price(into: float, out: float, **more: Any) -> dict[str, Any]:
    model = {"litellm_provider": "openai", "mode": "chat", "max_input_tokens": 128000, **more}
    return {**model, "input_cost_per_token": into / 1e6, "output_cost_per_token": out / 1e6}


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    (tmp_path / "acme").mkdir()
    return tmp_path / "acme"


@pytest.fixture
def prices(tmp_path: Path) -> Callable[..., Path]:
    """Write a price file of LiteLLM's form."""

    def write(**models: dict[str, Any]) -> Path:
        path = tmp_path / "prices.json"
        path.write_text(json.dumps({name.replace("_", "-"): each for name, each in models.items()}), encoding="utf-8")
        return path

    return write


@pytest.fixture
def refresh(policy: Run, layer: Path) -> Run:
    def run(file: Path, *arguments: str) -> Outcome:
        return policy("catalog", "refresh", "--to", str(layer), "--from", str(file), *DATA, *arguments)

    return run


@pytest.fixture(autouse=True)
def own_ledger_and_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "now", lambda: CLOCK)
    monkeypatch.setenv("POLICY_LEDGER", f"sqlite:///{tmp_path}/refreshed.db")


def entries(policy: Run) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = policy("audit", "list", "--type", "catalog-refreshed", *JSON).json["entries"]
    return found


def test_a_change_is_shown_recorded_and_in_force(
    policy: Run, refresh: Run, layer: Path, prices: Callable[..., Path], tmp_path: Path
) -> None:
    first = refresh(prices(gpt_4o=price(2.5, 10), gpt_4o_mini=price(0.15, 0.6)), *FIRST, *JSON)
    assert first.status == 0, first.err
    assert (first.json["status"], first.json["entry"], first.json["counts"]["added"]) == ("written", 0, 2)
    changed = refresh(prices(gpt_4o=price(2, 9), o1=price(15, 60)), *SECOND, *JSON).json
    assert changed["counts"] == {"added": 1, "back": 0, "changed": 1, "gone": 1, "same": 0}
    (row,) = [each for each in changed["changes"] if each["what"] == "changed"]
    assert (row["input_usd_per_million_before"], row["input_usd_per_million_after"]) == (2.5, 2.0)
    assert (row["input_percent"], row["output_percent"]) == (pytest.approx(-20), pytest.approx(-10))

    content = (layer / FILE).read_bytes()
    shown = policy("audit", "show", "1", *JSON).json
    body = shown["body"]
    assert body["file_sha256"] == {
        "before": first.json["file_sha256"]["after"],
        "after": sha256(content).hexdigest(),
    }
    assert body["catalog"] == changed["catalog"]
    assert {**body["changes"][0]}["input_usd_per_million_after"] == "2"
    assert policy("audit", "show", "1", "--blob", "refreshed").out.encode() == content
    text = policy("audit", "show", "1").out
    assert "2.5 -> 2" in text
    assert '{"' not in text
    assert policy("audit", "verify").status == 0

    # each day finds its own price, and the catalog in force is the one on record
    (tmp_path / "w.yaml").write_text(WORKLOAD, encoding="utf-8")
    costs = {}
    for day in ("2026-11-19", "2026-11-20", "2026-11-24", "2026-11-25"):
        decided = policy("evaluate", "w.yaml", "--policy", str(layer), "--at", f"{day}T23:00:00Z", *JSON).json
        assert decided["catalog"]["digest"] == body["catalog"]["after"]
        costs[day] = decided["tasks"][0]["proposal"]["monthly_usd"]
    # 400 and 100 million tokens at 10 and 30 (s1), 2.5 and 10, and 2 and 9 dollars a million
    assert costs == {"2026-11-19": 7000, "2026-11-20": 2000, "2026-11-24": 2000, "2026-11-25": 1700}


def test_a_decision_before_a_refresh_replays_and_is_due(
    policy: Run, refresh: Run, layer: Path, prices: Callable[..., Path], tmp_path: Path
) -> None:
    assert refresh(prices(gpt_4o=price(2.5, 10)), *FIRST).status == 0
    (tmp_path / "w.yaml").write_text(WORKLOAD, encoding="utf-8")
    at = ("--at", "2026-11-24T00:00:00Z")
    before = policy("evaluate", "w.yaml", "--policy", str(layer), *at, *JSON).json
    assert policy("recheck", "--list", "--policy", str(layer), *at, *JSON).json["decisions"] == []
    assert refresh(prices(gpt_4o=price(2, 8)), *SECOND).status == 0
    replayed = policy("audit", "replay", str(before["ledger"]["index"]))
    assert replayed.status == 0, replayed.err
    (row,) = policy("recheck", "--list", "--policy", str(layer), *at, *JSON).json["decisions"]
    assert "catalog" in {each["kind"] for each in row["reasons"]}
    again = policy("evaluate", "w.yaml", "--policy", str(layer), *at, *JSON).json
    assert again["catalog"]["digest"] != before["catalog"]["digest"]
    assert again["tasks"][0]["proposal"] == before["tasks"][0]["proposal"]


def test_the_same_again_changes_and_records_nothing(
    policy: Run, refresh: Run, layer: Path, prices: Callable[..., Path]
) -> None:
    file = prices(gpt_4o=price(2.5, 10))
    assert refresh(file, *FIRST).status == 0
    content = (layer / FILE).read_bytes()
    again = refresh(file, *SECOND)
    assert (again.status, "nothing changed" in again.out) == (0, True)
    assert (layer / FILE).read_bytes() == content
    assert len(entries(policy)) == 1


def test_regions_context_and_retirement_are_changes_too(policy: Run, refresh: Run, prices: Callable[..., Path]) -> None:
    def file(region: str, **more: Any) -> Path:
        hosted = price(0.24, 0.24, litellm_provider="groq", supported_regions=[region])
        new = price(1, 2, max_input_tokens=more.pop("context", 1000))
        return prices(mixtral_8x7b_32768=hosted, gpt_4o=price(2.5, 10, **more), gpt_99=new)

    named = ("--provider", "groq", "--provider", "openai")
    first = refresh(file("eu"), *FIRST, *named, *JSON).json
    assert first["entry_counts"]["providers"] == {"added": 1, "changed": 0, "gone": 0}
    found = refresh(file("us", deprecation_date="2026-12-24", context=2000), *SECOND, "--dry-run").out
    assert "REGIONS CHANGED: residency is decided by them - groq: eu -> us" in " ".join(found.split())
    assert "gpt-99: context_tokens 1000 -> 2000" in found
    assert refresh(file("us", deprecation_date="2026-12-24", context=2000), *SECOND).status == 0
    entry = policy("audit", "show", "1", *JSON).json
    body = entry["body"]
    assert (body["changes"], body["counts"]["same"], body["entry_changes_left_out"]) == ([], 3, 0)
    assert body["entry_counts"] == {
        "models": {"added": 0, "changed": 2, "gone": 0},
        "providers": {"added": 0, "changed": 1, "gone": 0},
    }
    assert [(each["name"], each["what"], each["fields"]) for each in body["entry_changes"]] == [
        ("groq", "changed", [{"field": "regions", "before": ["eu"], "after": ["us"]}]),
        ("gpt-4o", "changed", [{"field": "retires_on", "before": None, "after": "2026-12-24"}]),
        ("gpt-99", "changed", [{"field": "context_tokens", "before": 1000, "after": 2000}]),
    ]
    assert entry["context"]["regions changed"] == "groq"
    assert "changed; regions eu -> us" in policy("audit", "show", "1").out


def test_a_dry_run_leaves_nothing_behind(
    refresh: Run, layer: Path, prices: Callable[..., Path], tmp_path: Path
) -> None:
    found = refresh(prices(gpt_4o=price(2.5, 10)), "--dry-run", *FIRST)
    assert (found.status, "dry run" in found.out) == (0, True)
    assert "gpt-4o: 10 in, 30 out (s1, 2026-01-01) counted, now 2.5 in, 10 out" in " ".join(found.out.split())
    assert "DISPUTE-01" in found.out
    assert [*layer.iterdir()] == []
    assert not (tmp_path / "refreshed.db").exists()


def test_no_file_without_an_entry(
    refresh: Run, layer: Path, prices: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "no-ledger").write_text("text", encoding="utf-8")
    monkeypatch.setenv("POLICY_LEDGER", f"sqlite:///{tmp_path}/no-ledger")
    assert refresh(prices(gpt_4o=price(2.5, 10)), *FIRST).status == 6
    assert not (layer / FILE).exists()


def test_an_entry_without_its_file_is_made_good(
    policy: Run, refresh: Run, layer: Path, prices: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after `kill -9` between the two, or on a full disk."""
    file = prices(gpt_4o=price(2.5, 10))

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(recording, "write_whole", full)
        found = refresh(file, *FIRST)
    assert (found.status, found.out) == (2, "")
    assert "no space left on device" in found.err
    assert "the entry 0 says what was meant" in found.err
    assert not (layer / FILE).exists()
    assert refresh(file, *FIRST).status == 0
    first, second = (policy("audit", "show", str(index), *JSON).json["body"] for index in (0, 1))
    assert first == second
    assert sha256((layer / FILE).read_bytes()).hexdigest() == second["file_sha256"]["after"]


def test_what_changed_meanwhile_is_left_alone(
    policy: Run, refresh: Run, layer: Path, prices: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = recording.draft

    def slow(*given: Any) -> Any:
        (layer / FILE).write_text("mine: true\n", encoding="utf-8")
        return draft(*given)

    monkeypatch.setattr(recording, "draft", slow)
    found = refresh(prices(gpt_4o=price(2.5, 10)), *FIRST)
    assert (found.status, "was changed meanwhile" in found.err) == (2, True)
    assert (layer / FILE).read_text(encoding="utf-8") == "mine: true\n"


def test_one_refresh_at_a_time(policy: Run, refresh: Run, layer: Path, prices: Callable[..., Path]) -> None:
    descriptor = os.open(layer, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        found = refresh(prices(gpt_4o=price(2.5, 10)), *FIRST)
    finally:
        os.close(descriptor)
    assert (found.status, "another refresh" in found.err) == (2, True)
    assert entries_or_none(policy) == []


def entries_or_none(policy: Run) -> list[dict[str, Any]]:
    listed = policy("audit", "list", "--type", "catalog-refreshed", *JSON)
    return listed.json["entries"] if listed.status == 0 else []


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("--provider", "grok"), 2, "under which names `grok` has"),
        (("--provider", "x-aj"), 2, "did you mean `x-ai`?"),
        (("--data-day", "2026-11-31"), 2, "is not a date"),
        (("--data-day", "2026-12-31"), 2, "the data is of 2026-12-31"),
        (("--at", "2026-11-20"), 2, "is not a time"),
        (("--at", "2026-11-29T12:06:00Z"), 2, "is to come: the clock says 2026-11-29T12:00:00+00:00"),
        (("--at", "2030-01-01T00:00:00Z", "--dry-run"), 2, "is to come"),
        (("-o", "csv"), 2, "there is no format `csv`"),
    ],
)
def test_what_is_refused(
    refresh: Run, layer: Path, prices: Callable[..., Path], arguments: tuple[str, ...], status: int, says: str
) -> None:
    found = refresh(prices(gpt_4o=price(2.5, 10)), *FIRST, *arguments)
    assert (found.status, found.out) == (status, "")
    assert says in found.err
    assert [*layer.iterdir()] == []


def test_only_today_counts_as_today(refresh: Run, layer: Path, prices: Callable[..., Path]) -> None:
    file = prices(gpt_4o=price(2.5, 10))
    late = refresh(file, "--at", "2026-11-28T23:59:59Z")
    assert (late.status, "--backdate does it all the same" in late.err, [*layer.iterdir()]) == (2, True, [])
    for time in ("2026-11-29T00:00:00Z", "2026-11-29T13:04:00+01:00"):
        assert refresh(file, "--at", time).status == 0
    # a file that is dated ahead, by a clock that was: how to be rid of it
    back = refresh(prices(gpt_4o=price(2, 8)), *FIRST)
    assert (back.status, "take it out of the layer" in " ".join(back.err.split())) == (2, True)
    (layer / FILE).unlink()
    assert refresh(file, *FIRST).status == 0


def test_where_it_cannot_go(policy: Run, layer: Path, prices: Callable[..., Path], tmp_path: Path) -> None:
    file = str(prices(gpt_4o=price(2.5, 10)))
    nowhere = policy("catalog", "refresh", "--to", str(tmp_path / "nowhere"), "--from", file, *DATA, *FIRST)
    assert (nowhere.status, nowhere.out) == (2, "")
    rules = str(shipped_rules())
    shipped = policy("catalog", "refresh", "--to", rules, "--from", file, *DATA, *FIRST)
    assert (shipped.status, "holds the shipped rules" in shipped.err) == (2, True)
    undated = policy("catalog", "refresh", "--to", str(layer), "--from", file, *FIRST)
    assert (undated.status, "nothing says on which day" in undated.err) == (2, True)
    (layer / "catalog").mkdir()
    (layer / FILE).write_text("prices: {}\n", encoding="utf-8")
    foreign = policy("catalog", "refresh", "--to", str(layer), "--from", file, *DATA, *FIRST)
    assert (foreign.status, "was not written by" in foreign.err) == (2, True)
    assert (layer / FILE).read_text(encoding="utf-8") == "prices: {}\n"


def test_a_source_that_lost_everything_is_another_file(refresh: Run, layer: Path, prices: Callable[..., Path]) -> None:
    assert refresh(prices(gpt_4o=price(2.5, 10)), *FIRST).status == 0
    before = (layer / FILE).read_bytes()
    found = refresh(prices(gpt_99=price(2.5, 10)), *SECOND)
    assert (found.status, "states none of the 1 prices" in found.err) == (2, True)
    assert (layer / FILE).read_bytes() == before


def test_an_entry_of_another_form_is_shown_as_it_is() -> None:
    assert refreshed_sections({"source": "text"}) is None
    assert refreshed_sections({}) is None


def test_a_later_layers_price_counts_and_is_told(
    policy: Run, refresh: Run, layer: Path, prices: Callable[..., Path], tmp_path: Path
) -> None:
    own = tmp_path / "negotiated" / "catalog"
    own.mkdir(parents=True)
    (own / "prices.yaml").write_text(
        "prices:\n  ours: {model: gpt-4o, option: proprietary_api, unit: USD/1M tokens, input: 1, output: 4,"
        " source: contract, as_of: 2026-01-01}\n",
        encoding="utf-8",
    )
    layers = ("--policy", str(layer), "--policy", str(own.parent))
    (layer / "catalog").mkdir()
    (layer / "catalog" / "own.yaml").write_text("regions: {moon: {}}\n", encoding="utf-8")
    found = refresh(prices(gpt_4o=price(2.5, 10)), *FIRST, *layers)
    assert found.status == 0, found.err
    assert "gpt-4o: another price counts, 1 in, 4 out (contract, 2026-01-01)" in " ".join(found.out.split())


def test_the_installed_data_and_its_absence(
    policy: Run, layer: Path, prices: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("genai_prices")
    given = ("catalog", "refresh", "--to", str(layer), *FIRST)
    found = policy(*given, "--provider", "groq", *JSON)
    assert found.status == 0, found.err
    assert found.json["source"]["name"] == "genai-prices"
    assert {"gpt-4o", "llama-3.1-8b"} <= {each["model"] for each in found.json["changes"]}
    assert "unknown-source" not in policy("rules", "lint", str(layer)).out
    unknown = policy(*given, "--provider", "deepinfra")  # LiteLLM has it, and genai-prices has not
    assert (unknown.status, "under which names `deepinfra`" in unknown.err) == (2, True)
    other = policy(*given, "--from", str(prices(gpt_4o=price(2, 8))), *DATA)
    assert (other.status, "is of genai-prices, and this refresh of litellm" in other.err) == (2, True)
    for form in ("text", "yaml", "markdown"):
        assert policy(*given, "--provider", "groq", "-o", form).status == 0
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    missing = policy(*given)
    assert (missing.status, missing.out) == (2, "")
    assert "pip install 'policy-engine[prices]'" in missing.err
