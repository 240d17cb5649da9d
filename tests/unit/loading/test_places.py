"""Problems in conditions point into the file, whatever the style of the YAML scalar."""

from __future__ import annotations

from pathlib import Path

import pytest

from policy_engine.errors import RulesError
from policy_engine.loading.places import locate
from policy_engine.loading.yaml_source import read_yaml

STYLES = {
    "plain": "when: a.b && wrong.fact == 1\n",
    "plain on two lines": "when: a.b\n  && wrong.fact == 1\n",
    "single quotes": "when: 'a.s == ''x'' && wrong.fact == 1'\n",
    "double quotes": 'when: "a.s == \\"x\\u00e9\\" && wrong.fact == 1"\n',
    "double quotes on two lines": 'when: "a.b &&\n\n    wrong.fact == 1"\n',
    "double quotes with a joined line": 'when: "a.b && \\\n    wrong.fact == 1"\n',
    "literal": "when: |\n  a.b\n    && wrong.fact == 1\n",
    "literal, stripped": "when: |-\n  a.b &&\n  wrong.fact == 1\n",
    "folded": "when: >-\n  a.b &&\n  true &&\n\n  wrong.fact == 1\nmessage: x\n",
    "folded with a comment behind": "when: >- # the rule\n  a.b && wrong.fact == 1\n",
    "windows": "when: >-\r\n  a.b &&\r\n  wrong.fact == 1\r\n",
}


@pytest.mark.parametrize("text", STYLES.values(), ids=STYLES.keys())
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["", "byte-order mark"])
def test_a_place_in_the_text_is_found_in_the_file(text: str, mark: str, tmp_path: Path) -> None:
    file = tmp_path / "rule.yaml"
    file.write_bytes((mark + "# é\n" + text).encode())
    document = read_yaml(file, RulesError)[0]
    value = document.value["when"]
    before = value[: value.index("wrong.fact")]
    line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
    found = locate(document, ("when",), value, line, column)
    source = file.read_bytes().decode("utf-8-sig").replace("\r\n", "\n").split("\n")
    assert source[found.line - 1][found.column - 1 :].startswith("wrong.fact")


def test_the_end_of_a_text_is_behind_its_last_character(tmp_path: Path) -> None:
    file = tmp_path / "rule.yaml"
    file.write_text("when: >-\n  a.b &&\nmessage: x\n", encoding="utf-8")
    document = read_yaml(file, RulesError)[0]
    found = locate(document, ("when",), "a.b &&", 1, 7)
    assert (found.line, found.column) == (2, 9)


def test_a_place_that_is_not_there_is_the_value_itself(tmp_path: Path) -> None:
    file = tmp_path / "rule.yaml"
    file.write_text('when: "a.b"\n', encoding="utf-8")
    document = read_yaml(file, RulesError)[0]
    for line, column in ((0, 0), (7, 1), (1, 90)):
        found = locate(document, ("when",), "a.b", line, column)
        assert found.line == 1
    file.unlink()
    assert locate(document, ("when",), "a.b", 1, 2) == document.span("when")
