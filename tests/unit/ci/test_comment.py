"""One comment on a pull request: found by its marker, as long as GitHub takes, and nothing in it is a stranger's."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from policy_engine.ci.comment import marker, render, summary
from policy_engine.ci.judged import Compared, Judged, JudgedWorkload
from policy_engine.ci.limited import COMMENT, SUMMARY, limited, utf8_size
from policy_engine.errors import Problem, Span
from policy_engine.sources.selection import Held, Moved, Selection, Since
from policy_engine.wording import printable
from tests.unit.ci.scene import ALLOWED, DENIED, HOSTILE, INVALID, OPEN, accepting, everything, judge, many, waiver
from tests.unit.cli.waiver_scene import WORKLOAD as WAIVABLE


def tokens(text: str) -> list[Token]:
    """Return all tokens of Markdown with tables, as markdown-it reads it."""
    found = MarkdownIt("commonmark").enable("table").parse(text)
    return found + [child for each in found for child in each.children or ()]


def cells(text: str, heading: str) -> dict[str, list[str]]:
    """Return the rows of the table whose first column is called `heading`, by their first cell."""
    found: list[list[str]] = []
    parsed = MarkdownIt("commonmark").enable("table").parse(text)
    for at, token in enumerate(parsed):
        if token.type == "tr_open":
            found.append([])
        elif token.type in ("td_open", "th_open"):
            found[-1].append("".join(child.content for child in parsed[at + 1].children or ()))
    rows = [row for row in found if row[0] != heading]
    return {row[0]: row[1:] for row in rows}


def sections(text: str) -> list[str]:
    return re.findall(r"^#+ (.*)$", text, re.MULTILINE)


def test_the_first_line_is_the_marker_and_no_other_is() -> None:
    text = render(everything(), 1, "production")
    assert text.splitlines()[0] == "<!-- policy-gate:production -->" == marker("production")
    assert text.count("<!--") == 1


def test_a_row_has_what_the_decision_has() -> None:
    judged = judge(("w.yaml", DENIED))
    row = cells(render(judged, 1), "Workload")["support/triage"]
    assert row[0] == "DENY"
    assert row[2:5] == ["proprietary_api gpt-4o", "unknown", "fallback"]
    assert row[5] == "1 deny, 3 review, 1 condition"
    assert "support/triage, sort" not in cells(render(judged, 1), "Workload")


def test_findings_have_file_and_line() -> None:
    text = render(judge(("w.yaml", DENIED)), 1)
    line = next(at for at, each in enumerate(DENIED.splitlines(), 1) if "may_leave_network" in each)
    assert f"- **deny** w.yaml\\:{line} support/triage, sort: Data of triage" in text
    assert "### What to do next: support/triage\n\n1. " in text


def test_several_tasks_have_a_row_each() -> None:
    two = DENIED.replace("      batch: false\n", "      batch: false\n      share: 0.5\n").replace(
        "  data:", "    - {name: read, kind: extraction, share: 0.5}\n  data:"
    )
    assert set(cells(render(judge(("w.yaml", two)), 1), "Workload")) == {
        "support/triage, sort",
        "support/triage, read",
    }


@pytest.mark.parametrize(
    ("files", "status", "said"),
    [
        ([("w.yaml", DENIED)], 1, "denied"),
        ([("w.yaml", OPEN)], 5, "waits for a review"),
        ([("w.yaml", ALLOWED)], 0, "passes"),
        ([("w.yaml", ALLOWED.replace("stage: pilot", "stage: production"))], 0, "passes, with conditions"),
        ([("w.yaml", INVALID)], 2, "invalid files"),
        ([("w.yaml", OPEN), ("v.yaml", DENIED), ("u.yaml", INVALID)], 2, "denied, invalid files"),
        ([], 2, "nothing was judged"),
        ([], 0, "there was nothing to judge"),
    ],
)
def test_the_result_stands_first(files: list[tuple[str, str]], status: int, said: str) -> None:
    assert sections(render(judge(*files), status))[0] == f"Policy gate: {said}"


def test_waivers_and_baseline_have_tallies_and_sections_of_their_own() -> None:
    text = render(everything(), 1)
    assert "- Waivers: 1 used and 1 expired.\n" in text
    assert "- Accepted by a baseline: 1 finding, by which 1 workload passes.\n" in text
    used, expired = text.index("### Waivers in use"), text.index("### Expired waivers, which lift nothing")
    assert "lifts it through 2026-12-31" in text[used:expired]
    accepted = text.index("### Accepted by a baseline")
    assert "it ended on 2026-11-20" in text[expired:accepted]
    assert "accepted by a baseline through 2027-03-31: known since the audit of May" in text[accepted:]
    assert "nothing-permitted" not in text[text.index("### Findings") : used]


def test_a_waiver_that_lifts_nothing_for_another_reason() -> None:
    text = render(judge(("w.yaml", WAIVABLE), waivers=[waiver("it was revoked")]), 1)
    assert "- Waivers: 1 not honoured for another reason.\n" in text
    assert "Waivers that lift nothing for another reason" in sections(text)
    assert "Expired waivers, which lift nothing" not in sections(text)


def test_what_passes_by_a_baseline_alone_says_so_and_asks_for_nothing() -> None:
    text = render(accepting(judge(("w.yaml", OPEN)), "nothing-permitted"), 0)
    assert sections(text)[0] == "Policy gate: passes"
    assert cells(text, "Workload")["drafts/assistant"][0] == "REVIEW (accepted by a baseline)"
    assert "What to do next" not in text


def test_what_stopped_the_run_is_said() -> None:
    judged = judge(("w.yaml", DENIED))
    judged.stop((Problem("ledger", "the ledger refused", Span("x.yaml", 3, 1), "look at it"),))
    text = render(judged, 6)
    assert sections(text)[:2] == ["Policy gate: nothing was handed out", "Why nothing was handed out"]
    assert "- x.yaml\\:3: the ledger refused; look at it \\[ledger\\]" in text


# ---- as long as GitHub takes


def test_a_long_comment_is_cut_with_a_note() -> None:
    text = render(many(10_000), 1)
    assert COMMENT - 1000 < len(text) <= COMMENT
    assert re.search(r"\n\*\*[\d,]+ more lines are left out, for there is no room", text)
    assert "- Waivers: none." in text
    assert text.startswith(marker("gate"))


def test_what_was_deleted_pushes_out_nothing_that_was_found() -> None:
    """Whoever is judged can delete and move files at will, and give them names of any length."""
    judged = judge(("denied.yaml", DENIED))
    gone = tuple(Held(f"{'d' * 4000}-{number}.yaml", ("team/gone",)) for number in range(500))
    judged.selection = Selection(since=Since("main", "0" * 40), deleted=gone, listed=True)
    found = render(judged, 1)
    assert sections(found)[0] == "Policy gate: denied"
    assert cells(found, "Workload")
    assert "- **deny** denied.yaml" in found
    assert "and 451 more, which the text report has" in found
    assert "left out, for there is no room" not in found


@pytest.mark.parametrize("limit", [0, 10, 150, 160, 200, 500, 1000, 5000])
@pytest.mark.parametrize("size", [len, utf8_size])
def test_no_limit_is_exceeded(limit: int, size: type[len]) -> None:  # type: ignore[valid-type]
    lines = [f"{at} é🦊" for at in range(200)]
    text = limited(lines, limit, size)
    assert size(text) <= limit
    whole = "".join(f"{line}\n" for line in lines)
    assert (text == whole) is (size(whole) <= limit)
    kept = [line for line in text.splitlines() if "é" in line]
    assert kept == lines[: len(kept)]
    if text and text != whole:
        assert f"**{len(lines) - len(kept):,} more lines" in text


def test_a_summary_counts_bytes_and_has_no_marker() -> None:
    text = summary(many(6_000), 1, SUMMARY, utf8_size)
    assert SUMMARY - 1000 < len(text.encode()) <= SUMMARY
    assert "<!--" not in text


# ---- nothing in it is a stranger's


@pytest.mark.parametrize(
    "text",
    [
        HOSTILE,
        "<!-- policy-gate:gate -->",
        "--> <img src=x onerror=alert(1)>",
        "![x](https://evil.example/x.png) <https://evil.example> www.evil.example",
        "`code` | cell | ~~x~~ @octocat/team #12 GH-12",
        "1) # heading",
        "&lt;script&gt; \\| \\",
    ],
)
def test_a_strangers_text_means_itself(text: str, tmp_path: Path) -> None:
    judged = judge((f"{text}.yaml", DENIED.replace("name: sort", f"name: {json.dumps(text)}")))
    judged.problems.append(Problem("x", f"`{text}\n\n# y`", Span(f"{text}\n<!-- .yaml", 1, 1), text))
    judged.selection = Selection(
        since=Since(text, text), deleted=(Held(text, (text,)),), renamed=(Moved(text, text, (text,)),), listed=True
    )
    found = render(judged, 1)
    assert found.count("<!--") == 1
    seen = tokens(found)
    assert [each.content.strip() for each in seen if each.type.startswith("html")] == [marker("gate")]
    assert not [each for each in seen if each.type in ("link_open", "image", "s_open", "fence", "code_block")]
    policy = judged.policy
    assert policy is not None
    assert {each.content for each in seen if each.type == "code_inline"} == {policy.digest}
    assert not re.search(r"\bGH-\d", found)
    assert not re.search(r"(?<![\w\\])@\w", found.replace("\\@", "@\u2060"))
    shown = "".join(each.content for each in seen if each.type in ("text", "text_special"))
    assert printable(text.split(maxsplit=1)[0]).replace("\u2060", "") in shown.replace("\u2060", "")


def test_columns_of_the_table_stand_whatever_is_in_them() -> None:
    two = DENIED.replace("      batch: false\n", "      batch: false\n      share: 0.5\n").replace("sort", '"a | b"')
    two = two.replace("  data:", "    - {name: read, kind: extraction, share: 0.5}\n  data:")
    rows = cells(render(judge(("w.yaml", two)), 1), "Workload")
    assert {len(row) for row in rows.values()} == {6}
    assert "support/triage, a | b" in rows


# ---- before and after


def compared(judged: Judged, *before: tuple[str, str], unreadable: tuple[str, ...] = (), **more: Any) -> str:
    judged.selection = Selection(since=Since("main", "ab" * 20), listed=True, **more)
    were: dict[tuple[str, str], list[JudgedWorkload]] = {}
    for each in judge(*before).workloads:
        were.setdefault((each.file, each.name), []).append(each)
    judged.compared = Compared(were, unreadable)
    return render(judged, 1)


def test_before_and_after() -> None:
    changed = DENIED.replace("may_leave_network: false", "may_leave_network: true").replace(
        "model: gpt-4o}", "model: gpt-4o-mini}"
    )
    text = compared(judge(("w.yaml", changed)), ("w.yaml", DENIED))
    row = cells(text[text.index("### Since main") :], "Workload")["support/triage"]
    assert row[0] == "changed"
    assert row[1] == "DENY → REVIEW"
    assert row[2] == "proprietary_api gpt-4o → proprietary_api gpt-4o-mini"
    assert "It is on no record." in text


def test_the_same_outcome_new_deleted_renamed_and_unchanged() -> None:
    judged = judge(("w.yaml", DENIED), ("new.yaml", OPEN), ("broken-before.yaml", ALLOWED))
    text = compared(
        judged,
        ("w.yaml", DENIED),
        unreadable=("broken-before.yaml",),
        deleted=(Held("gone.yaml", ("support/old",)), Held("nobody-knows.yaml")),
        renamed=(Moved("old.yaml", "w.yaml", ("support/triage",)),),
        unchanged=(Held("same.yaml", ("support/a", "support/b")),),
    )
    rows = cells(text[text.index("### Since main") :], "Workload")
    assert rows["support/triage"][0] == "the same outcome"
    assert "→" not in "".join(rows["support/triage"])
    assert rows["drafts/assistant"][0] == "new"
    assert rows["default/writing-assistant"][0] == "what it was cannot be decided"
    assert rows["support/old"][0] == "deleted: it is not gated any more"
    assert rows["nobody-knows.yaml"][0] == "deleted: it is not gated any more"
    assert "- moved: old.yaml -\\> w.yaml (support/triage)\n" in text
    assert "- 3 workloads judged, 2 unchanged since main (abababababab), 2 deleted, 1 moved\n" in text


SAME, OTHER = "the same outcome", DENIED.replace("may_leave_network: false", "may_leave_network: true")


@pytest.mark.parametrize(
    ("before", "changes"),
    [
        ([("a.yaml", DENIED), ("b.yaml", OTHER)], {"a.yaml": SAME, "b.yaml": SAME}),
        ([("a.yaml", OTHER), ("b.yaml", OTHER)], {"a.yaml": "changed", "b.yaml": SAME}),
        ([("a.yaml", DENIED)], {"a.yaml": SAME, "b.yaml": "new"}),
        ([("elsewhere.yaml", DENIED)], {"a.yaml": "new", "b.yaml": "new"}),
        ([("a.yaml", f"{DENIED}---\n{OTHER}")], {"a.yaml": "several have this name", "b.yaml": "new"}),
    ],
)
def test_workloads_of_one_name_are_told_apart_by_file(before: list[tuple[str, str]], changes: dict[str, str]) -> None:
    text = compared(judge(("a.yaml", DENIED), ("b.yaml", OTHER)), *before)
    rows = cells(text[text.index("### Since main") :], "Workload")
    for file, change in changes.items():
        assert rows[f"support/triage in {file}"][0].startswith(change)
    assert "- support/triage is the name of 2 workloads: in a.yaml and b.yaml\n" in text


def test_workloads_of_one_name_in_one_file_are_told_apart_by_order() -> None:
    text = compared(judge(("a.yaml", f"{DENIED}---\n{OTHER}")), ("a.yaml", f"{DENIED}---\n{DENIED}"))
    changes = [line for line in text[text.index("### Since main") :].splitlines() if "support/triage" in line]
    assert "the same outcome | DENY" in changes[0]
    assert "changed | DENY → REVIEW" in changes[1]
    assert "- support/triage is the name of 2 workloads: in a.yaml\n" in text


def test_a_name_alone_finds_what_nobody_saw_move() -> None:
    text = compared(judge(("a.yaml", DENIED)), ("elsewhere.yaml", OTHER))
    assert cells(text[text.index("### Since main") :], "Workload")["support/triage"][:2] == ["changed", "REVIEW → DENY"]
    assert "is the name of" not in text


def test_without_a_revision_nothing_is_compared() -> None:
    assert "Since" not in render(judge(("w.yaml", DENIED)), 1)
