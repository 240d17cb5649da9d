"""Layers written for a test, over the shipped rules."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from policy_engine.errors import Problem, RulesError
from policy_engine.loading.policy import Policy, load_policy


class Layers:
    """Writes layers below a folder of the test and loads them."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, name: str, files: dict[str, str]) -> Path:
        folder = self.root / name
        folder.mkdir(exist_ok=True)
        for path, text in files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        return folder

    def load(self, *layers: dict[str, str]) -> Policy:
        """Load the shipped rules with `layers` over them, called l1, l2, ..."""
        paths = [self.write(f"l{number}", files) for number, files in enumerate(layers, 1)]
        return load_policy(paths, use_cache=False)

    def problems(self, *layers: dict[str, str]) -> list[Problem]:
        """Return what is wrong with them."""
        with pytest.raises(RulesError) as caught:
            self.load(*layers)
        return list(caught.value.problems)

    def problem(self, *layers: dict[str, str]) -> tuple[str, str, str | None, str | None]:
        """Return the one problem's code, place below the folder, message and help."""
        (found,) = self.problems(*layers)
        place = str(found.span).removeprefix(f"{self.root}/") if found.span else None
        return found.code, f"{place}", found.message, found.help


@pytest.fixture
def layers(tmp_path: Path) -> Layers:
    return Layers(tmp_path)


@pytest.fixture
def rule() -> Callable[..., str]:
    """The text of a rule: its lines by key, of which None leaves one out."""

    def text(rule_id: str = "own-rule", /, **lines: str | None) -> str:
        parts: dict[str, str | None] = {
            "id": rule_id,
            "title": "A rule of our own",
            "origin": "works agreement",
            "when": "\"data.sensitivity == 'regulated'\"",
            "advise": "Mind it.",
            "message": "Regulated data.",
        }
        parts |= lines
        return "".join(f"{key}: {value}\n" for key, value in parts.items() if value is not None)

    return text
