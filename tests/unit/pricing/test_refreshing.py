"""What a refresh makes of quotes: which are placed, what is claimed, and which file comes of it."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from policy_engine.catalog import Catalog
from policy_engine.catalog.candidates import candidate
from policy_engine.errors import InputError
from policy_engine.pricing.generated import FILE, read_generated
from policy_engine.pricing.table import SELLERS
from tests.unit.pricing.scene import FIRST, quote, refreshed, shipped, source

SECOND = FIRST + timedelta(days=3)
API = "proprietary_api"


def reasons(done: object) -> dict[str, str]:
    return {each.name: each.reason for each in done.placed.skipped}  # type: ignore[attr-defined]


def test_every_model_in_the_table_is_one_of_the_catalog() -> None:
    models, providers = shipped().catalog.models, shipped().catalog.providers
    for seller in SELLERS.values():
        for names in seller.names.values():
            assert {*names.values()} <= {*models}
            wanted = "closed" if seller.option == API else "open"
            assert {models[name].weights for name in names.values()} <= {wanted}
        if seller.key in providers:
            assert seller.option in providers[seller.key].options


def test_the_price_of_today_counts_from_the_refresh_on(tmp_path: Path) -> None:
    done = refreshed(tmp_path, source(quote("gpt-4o", "2.5", "10", notes=("batch: 1.25 in, 5 out",))))
    counted = [done.after.price("gpt-4o", API, day) for day in (FIRST - timedelta(1), FIRST)]
    assert [(each.input_usd_per_million, each.source) for each in counted if each] == [
        (10.0, "s1"),
        (2.5, "genai-prices 9.9"),
    ]
    now = counted[1]
    assert now is not None
    assert (now.provider, now.as_of, now.disputes) == ("openai", date(2026, 11, 1), ("DISPUTE-01",))
    assert now.note == "batch: 1.25 in, 5 out"
    # the dispute goes on: s1's side is the other one now
    assert done.before.other_sides("DISPUTE-01", FIRST) == ("s0",)
    assert done.after.other_sides("DISPUTE-01", FIRST) == ("s1",)
    assert done.after.with_figures("DISPUTE-01", "s1").price("gpt-4o", API, FIRST).input_usd_per_million == 10  # type: ignore[union-attr]


def test_likeness_places_nothing(tmp_path: Path) -> None:
    names = (
        "gpt-4o-latest",
        "GPT-4o",
        " gpt-4o",
        "gpt-4o\n",
        "gemini-pro",
        "gpt-oss-20b",
        "llama-3-70b",
        "gpt-4o-audio",
    )
    quotes = [quote(each, "1", "2", "google" if each.startswith("gemini") else "openai") for each in names]
    done = refreshed(
        tmp_path, source(*quotes, quote("llama3-70b-8192", "1", "2", "groq-like")), wanted=["openai", "google"]
    )
    assert {slot.model for slot in done.placed.offers} == {"gpt-4o-latest"}
    assert {*reasons(done)} == {*names[1:]}
    assert "its name is none" in reasons(done)["gpt-4o\n"]
    assert "other work than text" in reasons(done)["gpt-4o-audio"]
    assert done.placed.not_asked == 1


@pytest.mark.parametrize(
    "name", ["gpt-null", "gpt-1e5", "gpt-a:b", "gpt-{x}", "gpt-\x1b[31m", "gpt-*", "gpt-" + "x" * 200]
)
def test_hostile_names_are_quoted_or_skipped(tmp_path: Path, name: str) -> None:
    done = refreshed(tmp_path, source(quote(name, "1", "2")), wanted=["openai"])
    made = name in ("gpt-null", "gpt-1e5", "gpt-a:b")
    assert (done.new_models == (name,)) is made
    assert (name in reasons(done)) is not made
    read = read_generated(done.scene.path)
    assert read is not None
    assert {*read.models} == ({name} if made else set())


def test_new_models_come_from_named_providers_alone(tmp_path: Path) -> None:
    data = source(quote("gpt-99", "1", "2", context_tokens=1000), quote("grok-9", "1", "2", "x-ai"))
    assert refreshed(tmp_path, data).new_models == ()
    done = refreshed(tmp_path, data, wanted=["openai", "x-ai"])
    assert (done.new_models, done.new_providers) == (("gpt-99", "grok-9"), ("x-ai",))
    made = done.after.models["gpt-99"]
    assert (made.weights, made.vendor, made.context_tokens) == ("closed", "openai", 1000)
    assert (made.modalities, made.params_b, made.retires_on) == (None, None, None)
    assert done.after.price("gpt-99", API, FIRST) is not None
    # who was named once is refreshed from then on
    again = refreshed(tmp_path, source(quote("gpt-98", "1", "2"), day=date(2026, 11, 2)), SECOND)
    assert again.named == ("openai", "x-ai")
    assert (again.new_models, again.counts()["gone"]) == (("gpt-98",), 2)
    assert {"gpt-99", "grok-9"} <= {*again.after.models}
    assert again.after.price("gpt-99", API, SECOND) is None
    assert again.after.price("gpt-99", API, SECOND - timedelta(1)) is not None


def test_other_files_and_layers_may_speak_of_what_was_refreshed(tmp_path: Path) -> None:
    refreshed(
        tmp_path,
        source(quote("gpt-99", "1", "2"), quote("llama3-8b-8192", "1", "2", "groq")),
        wanted=["openai", "groq"],
    )
    stated = {"model": "gpt-99", "source": "own", "as_of": "2026-11-21"}
    score = {"scores": {"own": {**stated, "benchmark": "mmlu", "score": 80}}}
    priced = {**stated, "option": API, "unit": "USD/1M tokens", "input": 0.5, "output": 1}
    later: Any = ("later", {"catalog/own.yaml": {"prices": {"ours": priced, "host": {**priced, "provider": "openai"}}}})
    later[1]["catalog/own.yaml"]["models"] = {"gpt-99": {"weights": "open", "source": "own", "as_of": "2026-11-21"}}
    more = source(quote("gpt-99", "3", "4"), quote("llama3-8b-8192", "2", "3", "groq"), day=date(2026, 11, 2))
    done = refreshed(tmp_path, more, SECOND, beside={"catalog/own.yaml": score}, later=[later])
    assert done.counts()["changed"] == 2
    assert (done.new_models, done.new_providers) == ((), ())
    assert {"gpt-99", "llama-3-8b"} <= {slot.model for slot in done.placed.offers}
    counts = done.after.price("gpt-99", API, SECOND)
    assert counts is not None
    assert (counts.source, counts.input_usd_per_million) == ("own", 0.5)
    assert done.after.score("gpt-99", "mmlu") is not None
    # and the layer does without them
    assert refreshed(tmp_path, more, SECOND, beside={"catalog/own.yaml": score}).is_same


def test_a_price_that_is_none_ends_the_one_before(tmp_path: Path) -> None:
    refreshed(tmp_path, source(quote("gpt-4o", "2.5", "10")))
    other = quote("o1", "15", "60")
    free = quote("gpt-4o", "0", "0", problem="a price of zero: free, or not known")
    done = refreshed(tmp_path, source(free, other), SECOND)
    assert done.counts()["gone"] == 1
    assert done.after.price("gpt-4o", API, SECOND).source == "s1"  # type: ignore[union-attr]
    assert "price of zero" in reasons(done)["gpt-4o"]


def test_a_day_keeps_who_served_a_model_on_it(tmp_path: Path) -> None:
    """As long as its own price is in force, and no day more; before it, and after it, it is as if it were not there."""
    llama, gpt = quote("llama-3.1-8b-instant", "0.05", "0.08", "groq"), quote("gpt-4o", "2.5", "10")
    mixtral = quote("mixtral-8x7b-32768", "0.24", "0.24", "groq")
    first = refreshed(tmp_path, source(llama, mixtral, gpt), wanted=["groq"])
    second = refreshed(tmp_path, source(mixtral, gpt, day=date(2026, 11, 2)), SECOND)
    third = refreshed(tmp_path, source(gpt, day=date(2026, 11, 3)), SECOND + timedelta(days=3))

    def sold(catalog: Catalog, name: str, day: date) -> list[tuple[str, float | None]]:
        offers = candidate(catalog, catalog.models[name], "open_api", day).offers
        return [
            (each.provider.key, each.price.input_usd_per_million if each.price else None)
            for each in offers
            if each.provider
        ]

    others = [("open-model-hosting", sold(shipped().catalog, "llama-3.1-8b", FIRST)[0][1])]
    for done in (first, second, third):
        assert sold(done.after, "llama-3.1-8b", FIRST - timedelta(1)) == others
        assert sold(done.after, "llama-3.1-8b", FIRST) == [("groq", 0.05), *others]
    for done in (second, third):
        assert sold(done.after, "llama-3.1-8b", SECOND) == others
        assert ("groq", 0.24) in sold(done.after, "mixtral-8x7b", SECOND)
    assert "groq" not in dict(sold(third.after, "mixtral-8x7b", SECOND + timedelta(days=3)))


def test_regions_are_those_of_all_models_or_unknown(tmp_path: Path) -> None:
    def host(region: str) -> str:
        return f"bedrock/{region}"

    data = source(
        quote("gpt-4o", "2.75", "11", "azure/eu", regions=("eu",)),
        quote("gpt-4o", "2.5", "10", "azure"),
        quote("meta.llama3-70b-instruct-v1:0", "2.86", "3.78", host("eu-west-1"), regions=("eu-west-1",)),
        quote("meta.llama3-70b-instruct-v1:0", "4", "5", host("xx-moon-1"), regions=("xx-moon-1",)),
        quote("deepseek.v3.2", "1", "2", "bedrock", regions=("global",)),
        name="litellm",
    )
    done = refreshed(tmp_path, data, wanted=["azure", "azure-eu", "aws"])
    regions = {name: done.after.providers[name].regions for name in done.new_providers}
    assert regions == {"azure": None, "azure-eu": ("eu",), "aws": None, "aws-eu-west-1": ("eu-west-1",)}
    assert done.after.providers["azure-eu"].serves == ("gpt-4o",)
    assert "does not know the region xx-moon-1" in reasons(done)["meta.llama3-70b-instruct-v1:0"]
    own = done.after.price("llama-3-70b", "open_api", FIRST, "aws-eu-west-1")
    assert own is not None
    assert (own.region, own.input_usd_per_million) == ("eu-west-1", 2.86)


def test_a_retirement_lies_over_the_models_own_entry_and_stays(tmp_path: Path) -> None:
    ends = date(2027, 1, 14)
    done = refreshed(tmp_path, source(quote("gpt-4o", "2.5", "10", retires_on=ends), name="litellm"))
    before, after = shipped().catalog.models["gpt-4o"], done.after.models["gpt-4o"]
    assert [(each.model, each.before, each.after) for each in done.retirements] == [("gpt-4o", None, ends)]
    assert (after.retires_on, after.sources["retires_on"]) == (ends, ("litellm 9.9", date(2026, 11, 1)))
    assert (after.modalities, after.context_tokens, after.vendor) == (
        before.modalities,
        before.context_tokens,
        "openai",
    )
    gone = refreshed(tmp_path, source(quote("o1", "15", "60"), day=date(2026, 11, 2), name="litellm"), SECOND)
    assert gone.after.models["gpt-4o"].retires_on == ends
    assert gone.retirements == ()
    put_off = quote("gpt-4o", "2.5", "10", retires_on=date(2028, 1, 1))
    later = refreshed(tmp_path, source(put_off, day=date(2026, 11, 3), name="litellm"), SECOND)
    assert [(each.before, each.after) for each in later.retirements] == [(ends, date(2028, 1, 1))]


def test_the_same_data_changes_no_byte_and_newer_data_confirms(tmp_path: Path) -> None:
    data = source(quote("gpt-4o", "2.5", "10"), quote("claude-3-5-sonnet", "3", "15", "anthropic"))
    first = refreshed(tmp_path, data)
    same = refreshed(tmp_path, data, SECOND)
    assert same.is_same
    assert same.content == first.content
    assert not same.is_confirmed
    newer = refreshed(tmp_path, source(*data.quotes, day=date(2026, 11, 19)), SECOND)
    assert (newer.is_same, newer.counts()["same"]) == (False, 2)
    assert newer.is_confirmed
    found = newer.after.price("claude-3.5-sonnet", API, FIRST)
    assert found is not None
    assert (found.valid_from, found.as_of) == (FIRST, date(2026, 11, 19))


def test_history_is_not_written_backwards(tmp_path: Path) -> None:
    data = source(quote("gpt-4o", "2.5", "10"), day=date(2026, 11, 10))
    refreshed(tmp_path, data, SECOND)
    with pytest.raises(InputError, match="the last refresh was at"):
        refreshed(tmp_path, data, FIRST)
    with pytest.raises(InputError, match="the last refresh was at"):
        refreshed(tmp_path, data, SECOND, hour=11)
    with pytest.raises(InputError, match="older than that of 2026-11-10"):
        refreshed(tmp_path, source(*data.quotes, day=date(2026, 11, 9)), SECOND + timedelta(1))
    with pytest.raises(InputError, match="the data is of 2026-12-01"):
        refreshed(tmp_path, source(*data.quotes, day=date(2026, 12, 1)), SECOND)


def test_two_names_of_one_model_at_one_seller_are_told(tmp_path: Path) -> None:
    # as one table has it: nothing but this keeps the second from replacing the first
    twice = source(quote("gpt-4o", "2.5", "10"), quote("gpt-4o", "1", "2"))
    done = refreshed(tmp_path, twice)
    assert [offer.input for offer in done.placed.offers.values()] == [2.5]
    assert reasons(done) == {"gpt-4o": "`gpt-4o` is taken for the same model"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text.replace("input: 2.5", "input: 0.1"), "was changed since"),
        (lambda text: text + "# mine\n", "was changed since"),
        (lambda text: text.replace('"providers": []', '"providers": ["x-ai"]'), "was changed since"),
        (lambda text: text.replace("sha256 of all other bytes: ", "sha256 of all other bytes: 0"), "was changed since"),
        (lambda text: text[:320], "was changed since"),
        (lambda text: "# mine\n" + text, "was not written by"),
        (lambda _: "prices: {}\n", "was not written by"),
        (lambda _: "", "was not written by"),
    ],
)
def test_what_was_changed_by_hand_is_left_alone(tmp_path: Path, change: object, says: str) -> None:
    path = refreshed(tmp_path, source(quote("gpt-4o", "2.5", "10"))).scene.path
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")  # type: ignore[operator]
    before = path.read_bytes()
    with pytest.raises(InputError, match=says):
        refreshed(tmp_path, source(quote("gpt-4o", "2", "8")), SECOND)
    assert path.read_bytes() == before


def test_a_link_is_no_file_of_ours(tmp_path: Path) -> None:
    written = refreshed(tmp_path, source(quote("gpt-4o", "2.5", "10"))).scene.path
    (tmp_path / "other" / "catalog").mkdir(parents=True)
    link = tmp_path / "other" / FILE
    link.symlink_to(written)
    with pytest.raises(InputError, match="is no file that"):
        read_generated(link)


def test_more_than_a_file_of_a_layer_may_hold_is_refused(tmp_path: Path) -> None:
    many = [quote(f"gpt-{number}", "1", "2", notes=("x" * 2000,)) for number in range(1100)]
    with pytest.raises(InputError, match="bytes, and a file of a layer 1,048,576 at most"):
        refreshed(tmp_path, source(*many), wanted=["openai"])
