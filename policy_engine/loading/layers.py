"""Find the shipped rules and the layers over them, and read their files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from policy_engine.errors import Problem, RulesError, Span, did_you_mean
from policy_engine.loading.yaml_source import Document, read_bytes
from policy_engine.model.rule import TOPICS, Layer

POLICY_SET = "policy-set.yaml"
APPROVERS = "approvers.yaml"
#: Files that may stand at the root of a layer.
ROOT_FILES = (
    POLICY_SET,
    "vocabulary.yaml",
    "parameters.yaml",
    "disputes.yaml",
    "criteria.yaml",
    "sources.yaml",
    APPROVERS,
)
#: How long the ledger keeps what. It may stand there too, and is no part of the policy: no decision depends on it.
RETENTION = "retention.yaml"
#: What has to hold for every workload, for `policy prove`. No part of the policy either.
PROPERTIES = "properties.yaml"
#: What `policy cost` reckons with. No part of the policy either.
ASSUMPTIONS = "assumptions.yaml"
#: How a rollout goes on, by what is observed of it. No part of the policy either: it decides nothing of a workload.
ROLLOUT = "rollout.yaml"
_BESIDE = (RETENTION, PROPERTIES, ASSUMPTIONS, ROLLOUT)
CATALOG = "catalog"
#: How a catalog file begins that `policy catalog refresh` wrote: it says itself what its source is, and of which day.
REFRESHED = "# Written by `policy catalog refresh`"
CASES_SUFFIX = "_test.yaml"


class LayerFiles(Struct, frozen=True):
    """The bytes of one layer's files by path relative to it; case files are left out."""

    layer: Layer
    root: Path
    files: dict[str, bytes]

    def documents(self, name: str) -> list[Document]:
        from policy_engine.loading.yaml_source import load_yaml

        return load_yaml(self.files[name], str(self.root / name), RulesError)

    def document(self, name: str) -> Document:
        """Return the only document of a register or a catalog file.

        Raises:
            RulesError: it cannot be read, or holds a second document, which nobody would read.
        """
        first, *more = self.documents(name)
        if more:
            message = "a second document stands here, and only one is read"
            raise RulesError(Problem("several-documents", message, more[0].span(), "merge it into the first"))
        return first

    def rule_files(self) -> list[str]:
        return [name for name in self.files if "/" in name and not name.startswith(f"{CATALOG}/")]

    def catalog_files(self) -> list[str]:
        return [name for name in self.files if name.startswith(f"{CATALOG}/")]


def shipped_rules() -> Path:
    """Return the folder of the shipped rules: in the package, else in the checkout.

    Raises:
        RulesError: neither holds a policy set, so this build ships no rules.
    """
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "_rules", package.parent / "rules"):
        if (folder / POLICY_SET).is_file():
            return folder
    message = "this installation holds no rules"
    raise RulesError(
        Problem("no-rules", message, help="reinstall policy-engine; the wheel was built without its rules")
    )


def read_layers(paths: Sequence[Path], shipped: Path | None = None) -> list[LayerFiles]:
    """Read the shipped rules, or those at `shipped` in their place, and each layer of `paths`, in order.

    Raises:
        RulesError: a layer is missing, empty, or holds a file that has no place there.
    """
    layers = [_read(shipped or shipped_rules(), "shipped")]
    for path in paths:
        layers.append(_read(path, _name(path, [each.layer.name for each in layers])))
    return layers


def place_of(layers: Sequence[LayerFiles], file: str, *path: str) -> Span | None:
    """Return where the last layer that has `path`, a section and a name, in its `file` says it."""
    for layer in reversed(layers):
        if file in layer.files:
            document = layer.documents(file)[0]
            section = document.value.get(path[0]) if isinstance(document.value, dict) else None
            if isinstance(section, dict) and path[1] in section:
                return document.key_span(*path)
    return None


def _name(path: Path, taken: list[str]) -> str:
    base = path.resolve().name or "layer"
    name, count = base, 2
    while name in taken:
        name, count = f"{base}-{count}", count + 1
    return name


def check_layer(root: Path) -> None:
    """Refuse what is no directory: a mistyped layer is not one without rules, nor one without retention periods.

    Raises:
        RulesError: it is none, or cannot be seen.
    """
    if not os.path.isdir(root):
        message = f"the policy layer `{root}` is not a directory"
        raise RulesError(Problem("no-layer", message, help="--policy takes a directory of rules"))


def _files(root: Path) -> Iterator[Path]:
    """Yield every file but hidden ones. What would be left out unseen is refused: its rules would not be enforced."""

    def unreadable(error: OSError) -> None:
        message = f"cannot read the folder: {(error.strerror or str(error)).lower()}"
        raise RulesError(Problem("file-unreadable", message, Span(str(error.filename), 1, 1))) from error

    for folder, folders, files in os.walk(root, onerror=unreadable):
        folders[:] = [each for each in folders if not each.startswith(".")]
        for link in (path for each in folders if (path := Path(folder, each)).is_symlink()):
            message = f"`{link.relative_to(root).as_posix()}` is a link to a folder, which is not followed"
            raise RulesError(Problem("linked-folder", message, Span(str(link), 1, 1), "put the folder itself there"))
        yield from (Path(folder, each) for each in files if not each.startswith("."))


def _read(root: Path, name: str) -> LayerFiles:
    check_layer(root)
    problems: list[Problem] = []
    files: dict[str, bytes] = {}
    empty = True
    for path in sorted(_files(root)):
        relative = path.relative_to(root).as_posix()
        if path.suffix.lower() not in (".yaml", ".yml") or relative.endswith(CASES_SUFFIX):
            continue
        problem = _misplaced(root, relative)
        if problem is not None:
            problems.append(problem)
            continue
        empty = False
        if relative in _BESIDE:
            continue
        files[relative] = read_bytes(path, RulesError)
    if problems:
        raise RulesError(problems)
    if empty:
        message = f"the policy layer `{root}` holds no rules, parameters, vocabulary or catalog entries"
        raise RulesError(Problem("empty-layer", message, help="a layer holds <topic>/<rule-id>.yaml files"))
    return LayerFiles(Layer(name, str(root), _digest(files)), root, files)


def _digest(files: dict[str, bytes]) -> str:
    whole = hashlib.sha256()
    for name in sorted(files):
        whole.update(f"{name}\0{len(files[name])}\0".encode())
        whole.update(files[name])
    return f"sha256:{whole.hexdigest()}"


def _misplaced(root: Path, relative: str) -> Problem | None:
    """Say what is wrong with a file's place: a file that nobody reads would be a rule that nobody enforces."""
    span = Span(str(root / relative), 1, 1)
    parts = relative.split("/")
    if not relative.endswith(".yaml"):
        return Problem("misplaced-file", f"`{relative}` must end in .yaml", span)
    if len(parts) == 1:
        if relative in (*ROOT_FILES, *_BESIDE):
            return None
        hint = (
            did_you_mean(relative, (*ROOT_FILES, *_BESIDE))
            or "a rule stands in its topic's folder: <topic>/<rule-id>.yaml"
        )
        return Problem("misplaced-file", f"`{relative}` has no place at the root of a layer", span, hint)
    if len(parts) == 2 and parts[0] in (*TOPICS, CATALOG):
        return None
    if parts[0] in (*TOPICS, CATALOG):
        hint = f"put it in {parts[0]}/ itself"
        return Problem("misplaced-file", f"`{relative}` lies too deep", span, hint)
    hint = did_you_mean(parts[0], (*TOPICS, CATALOG)) or f"the topics are {', '.join(TOPICS)}"
    return Problem("misplaced-file", f"`{parts[0]}` is not a topic", span, hint)
