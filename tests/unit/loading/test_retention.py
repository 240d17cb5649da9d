"""Retention periods: what a layer may say, what it may not, and what they come to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_audit.retention import Period, Retention, add_months

from policy_engine.errors import RulesError
from policy_engine.lint import lint
from policy_engine.loading.layers import read_layers
from policy_engine.loading.policy import load_policy
from policy_engine.loading.retention import read_retention, regulations_of

Layer = Callable[[str], Path]
START = datetime(2026, 1, 31, 12, tzinfo=UTC)
MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@pytest.fixture
def layer(tmp_path: Path) -> Layer:
    def write(text: str) -> Path:
        folder = tmp_path / "ours"
        folder.mkdir(exist_ok=True)
        (folder / "retention.yaml").write_text(text, encoding="utf-8")
        return folder

    return write


def until(retention: Retention, *regulations: str) -> tuple[str, str | None]:
    cover = retention.cover(regulations, START)
    return cover.by, cover.until.date().isoformat() if cover.until else None


def test_a_layer_adds_and_lengthens(layer: Layer) -> None:
    assert until(read_retention(), "hipaa") == ("hipaa-documentation", "2032-01-31")
    assert until(read_retention()) == ("project-default", "2029-01-31")
    assert until(read_retention(), "hipaa", "sox") == ("no period is known for `sox`", None)
    ours = read_retention(
        [
            layer(
                "periods:\n"
                "  - {id: sox, years: 7, regulations: [sox], source: counsel}\n"
                "  - {id: hipaa-documentation, years: 8, minimum: true, regulations: [hipaa], source: counsel}\n"
                "  - {id: project-default, months: 18, source: counsel}\n"
            )
        ]
    )
    assert until(ours, "hipaa", "sox") == ("hipaa-documentation", "2034-01-31")
    assert until(ours, "sox") == ("sox", "2033-01-31")
    assert until(ours) == ("project-default", "2027-07-31")
    assert ours.cover(None, START).by == "hipaa-documentation", "not known is the longest"


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ("{id: hipaa-documentation, years: 5, minimum: true, regulations: [hipaa], source: us}", "locked"),
        ("{id: hipaa-documentation, years: 6, regulations: [hipaa], source: us}", "locked"),
        ("{id: hipaa-documentation, years: 6, minimum: true, regulations: [gdpr], source: us}", "locked"),
        ("{id: eu-ai-act-logs, years: 6, minimum: true, regulations: [gdpr], source: us}", "locked"),
        ("{id: own, source: us}", "wrong-type"),
        ("{id: own, years: 0, source: us}", "wrong-type"),
        ("{id: own, years: -1, source: us}", "wrong-type"),
        ("{id: own, years: 1.5, source: us}", "wrong-type"),
        ("{id: own, years: true, source: us}", "wrong-type"),
        ("{id: own, years: 100000, source: us}", "wrong-type"),
        ("{id: own, years: 1}", "missing-key"),
        ("{years: 1, source: us}", "missing-key"),
        ("{id: own, years: 1, source: us, regulations: []}", "empty"),
        ("{id: own, years: 1, source: us, regulations: hipaa}", "wrong-type"),
        ("{id: own, years: 1, source: us, until: never}", "unknown-key"),
        ("5", "not-a-mapping"),
    ],
)
def test_what_a_layer_may_not_say(layer: Layer, entry: str, code: str) -> None:
    folder = layer(f"periods:\n  - {entry}\n")
    with pytest.raises(RulesError) as caught:
        read_retention([folder])
    problem = caught.value.problems[0]
    assert problem.code == code
    assert problem.span is not None
    assert problem.span.line == 2
    assert code in {finding.code for finding in lint([folder])}


@pytest.mark.parametrize("text", ["", "5", "periods: 5", "periods: []\n---\nperiods: []", "periods: [", "period: []"])
def test_what_is_no_register_is_refused(layer: Layer, text: str) -> None:
    with pytest.raises(RulesError):
        read_retention([layer(text)])


def test_two_periods_of_one_id_are_refused(layer: Layer) -> None:
    text = "periods:\n  - {id: own, years: 1, source: us}\n  - {id: own, years: 2, source: us}\n"
    with pytest.raises(RulesError) as caught:
        read_retention([layer(text)])
    assert caught.value.code == "duplicate-id"


def test_the_policy_and_its_layers_have_the_same_digests_under_other_periods(layer: Layer) -> None:
    folder = layer("periods:\n  - {id: own, years: 1, source: us}\n")
    first = [each.layer.digest for each in read_layers([folder])]
    digest = load_policy([folder]).digest
    layer("periods:\n  - {id: own, years: 2, source: us}\n")
    assert [each.layer.digest for each in read_layers([folder])] == first
    assert load_policy([folder]).digest == digest == load_policy().digest


def test_lint_names_regulations_that_the_vocabulary_does_not_have(layer: Layer) -> None:
    findings = lint([layer("periods:\n  - {id: own, years: 1, regulations: [hipa, sox], source: us}\n")])
    found = {(f.severity, f.code): f.problem for f in findings if "regulation" in f.code}
    problem = found["warning", "unknown-regulation"]
    assert "`hipa`" in problem.message
    assert problem.help == "did you mean `hipaa`?"


@pytest.mark.parametrize(
    ("document", "regulations"),
    [
        (b'{"spec": {"data": {"regulations": ["hipaa", "gdpr"]}}}', ("hipaa", "gdpr")),
        (b'{"spec": {"data": {"regulations": []}}}', ()),
        (b'{"spec": {"data": {"regulations": null}}}', None),
        (b'{"spec": {"data": {}}}', None),
        (b'{"spec": {"data": {"regulations": {"hipaa": 1}}}}', None),
        (b'{"spec": {"data": {"regulations": ["hipaa", null]}}}', None),
        (b'{"spec": null}', None),
        (b"[]", None),
        (b"", None),
        (b"\xff", None),
        (b"[" * 100_000, None),
    ],
)
def test_what_a_recorded_workload_says_of_regulations(document: bytes, regulations: tuple[str, ...] | None) -> None:
    assert regulations_of(document) == regulations


@given(MOMENTS, st.integers(1, 2000))
def test_a_period_is_never_too_short(start: datetime, months: int) -> None:
    end = add_months(start, months)
    first = (end.year * 12 + end.month) - (start.year * 12 + start.month)
    assert first in (months, months + 1)
    assert end.time() == start.time()
    if first == months:
        assert end.day == start.day
    else:
        assert end.day == 1
        assert start.day > 28


@given(MOMENTS, st.lists(st.sampled_from(["a", "b", "c", "x"])), st.lists(st.integers(1, 200), min_size=4, max_size=4))
def test_the_period_that_ends_last_counts_and_not_knowing_never_shortens(
    start: datetime, regulations: list[str], months: list[int]
) -> None:
    named = [Period(name, m, "law", frozenset({name})) for name, m in zip("abc", months, strict=False)]
    retention = Retention([*named, Period("all", months[3], "law")])
    cover = retention.cover(regulations, start)
    if "x" in regulations:
        assert cover.until is None
        return
    assert cover.until == max(add_months(start, p.months) for p in retention.periods if p.id in (*regulations, "all"))
    unknown = retention.cover(None, start).until
    assert unknown is not None
    assert unknown >= cover.until


def test_a_period_for_every_entry_is_needed() -> None:
    for periods in ([], [Period("a", 1, "law", frozenset({"a"}))], [Period("all", 0, "law")]):
        with pytest.raises(ValueError, match="period"):
            Retention(periods)


def test_a_layer_that_is_not_there_shortens_no_period(tmp_path: Path) -> None:
    with pytest.raises(RulesError) as caught:
        read_retention([tmp_path / "mistyped"])
    assert caught.value.code == "no-layer"
    (tmp_path / "ours").mkdir()
    assert until(read_retention([tmp_path / "ours"])) == until(read_retention())
