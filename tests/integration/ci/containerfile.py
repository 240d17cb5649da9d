"""Reads a Containerfile and an ignore file, strictly: what it does not know is an error."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_KNOWN = {
    "ARG", "FROM", "RUN", "WORKDIR", "COPY", "LABEL", "ENV", "USER", "HEALTHCHECK", "ENTRYPOINT", "CMD", "EXPOSE",
}  # fmt: skip


@dataclass(frozen=True)
class Instruction:
    name: str
    text: str

    @property
    def words(self) -> list[str]:
        """The words of an exec form, which is JSON."""
        found: list[str] = json.loads(self.text[self.text.index("[") :])
        assert all(isinstance(word, str) for word in found)
        return found


@dataclass(frozen=True)
class Stage:
    name: str
    base: str
    instructions: tuple[Instruction, ...]

    def of(self, name: str) -> list[Instruction]:
        return [each for each in self.instructions if each.name == name]

    def one(self, name: str) -> Instruction:
        (found,) = self.of(name)
        return found

    def copies(self) -> list[tuple[str | None, list[str], str]]:
        """Each COPY: the stage that it takes from, the sources, the target."""
        found = []
        for each in self.of("COPY"):
            words = each.text.split()
            stage = words.pop(0).removeprefix("--from=") if words[0].startswith("--from=") else None
            assert not [word for word in words if word.startswith("-")]
            found.append((stage, words[:-1], words[-1]))
        return found


def read(path: Path) -> list[Stage]:
    """Return the stages; what stands before the first is left to the builder."""
    stages: list[Stage] = []
    for name, text in _instructions(path.read_text(encoding="utf-8")):
        assert name in _KNOWN, f"the test does not know {name}"
        if name == "FROM":
            match = re.fullmatch(r"(\S+)(?: AS ([a-z]+))?", text)
            assert match
            stages.append(Stage(match[2] or "", match[1], ()))
        elif stages:
            last = stages[-1]
            stages[-1] = Stage(last.name, last.base, (*last.instructions, Instruction(name, text)))
        else:
            assert name == "ARG"
    return stages


def _instructions(text: str) -> list[tuple[str, str]]:
    """The instructions, with continued lines joined; comments are left out."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    found = []
    for line in joined.splitlines():
        name, _, rest = line.partition(" ")
        assert name.isupper(), line
        found.append((name, rest.strip()))
    return found


class Ignored:
    """The patterns of .containerignore, as buildah and Docker read them: the last one that matches decides."""

    def __init__(self, path: Path) -> None:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
        self._patterns = [
            (line.startswith("!"), _regex(line.removeprefix("!"))) for line in lines if line and line[0] != "#"
        ]

    def __contains__(self, path: str) -> bool:
        places = [path, *(str(parent) for parent in PurePosixPath(path).parents if str(parent) != ".")]
        ignored = False
        for kept, pattern in self._patterns:
            if any(pattern.fullmatch(place) for place in places):
                ignored = not kept
        return ignored


def _regex(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*/|\*)", pattern)
    return re.compile("".join({"**/": "(?:.*/)?", "*": "[^/]*"}.get(part, re.escape(part)) for part in parts))
