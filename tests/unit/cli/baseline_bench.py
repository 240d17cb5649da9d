"""A workload that is denied, beside one whose fallback is, and `policy gate` on both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests.unit.cli.conftest import Outcome
from tests.unit.cli.given import DENIED, MEMORY
from tests.unit.cli.waiver_scene import WORKLOAD

Policy = Callable[..., Outcome]


class Bench:
    """A workload that is denied, beside one whose fallback is, and a baseline of both."""

    def __init__(self, folder: Path, policy: Policy) -> None:
        self.folder, self.run = folder, policy
        self.workload, self.leaking = folder / "w.yaml", folder / "leaking.yaml"
        self.file, self.layer = folder / "baseline.yaml", folder / "acme"
        self.workload.write_text(WORKLOAD, encoding="utf-8")
        self.leaking.write_text(DENIED.read_text(encoding="utf-8"), encoding="utf-8")

    def gate(self, *arguments: str, ledger: tuple[str, ...] = MEMORY) -> Outcome:
        layers = ("--policy", str(self.layer)) if self.layer.exists() else ()
        return self.run("gate", str(self.workload), str(self.leaking), *ledger, *layers, *arguments)

    def with_baseline(self, *arguments: str, **more: Any) -> Outcome:
        return self.gate("--baseline", str(self.file), *arguments, **more)

    def write(self, *arguments: str, reason: str = "adopting the gate", **more: Any) -> Outcome:
        return self.gate("--write-baseline", str(self.file), "--reason", reason, "-q", *arguments, **more)

    def lay(self, name: str, text: str) -> None:
        self.layer.mkdir(exist_ok=True)
        (self.layer / name).parent.mkdir(exist_ok=True)
        (self.layer / name).write_text(text, encoding="utf-8")

    def change(self, old: str, new: str, file: Path | None = None) -> None:
        path = file or self.workload
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    def entries(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = yaml.safe_load(self.file.read_text(encoding="utf-8"))["findings"]
        return found

    def about(self, document: dict[str, Any]) -> dict[str, Any]:
        """What a report says of the baseline beside a decision."""
        found: dict[str, Any] = document["baseline"]
        return found
