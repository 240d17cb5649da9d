"""Find the shipped rules and the layers over them, and read their files."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
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
CATALOG = "catalog"
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


def read_layers(paths: Sequence[Path]) -> list[LayerFiles]:
    """Read the shipped rules and each layer of `paths`, in order.

    Raises:
        RulesError: a layer is missing, empty, or holds a file that has no place there.
    """
    layers = [_read(shipped_rules(), "shipped")]
    for path in paths:
        layers.append(_read(path, _name(path, [each.layer.name for each in layers])))
    return layers


def _name(path: Path, taken: list[str]) -> str:
    base = path.resolve().name or "layer"
    name, count = base, 2
    while name in taken:
        name, count = f"{base}-{count}", count + 1
    return name


def _read(root: Path, name: str) -> LayerFiles:
    if not root.is_dir():
        message = f"the policy layer `{root}` is not a directory"
        raise RulesError(Problem("no-layer", message, help="--policy takes a directory of rules"))
    problems: list[Problem] = []
    files: dict[str, bytes] = {}
    empty = True
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root).as_posix()
        if path.is_dir() or any(part.startswith(".") for part in path.relative_to(root).parts):
            continue
        if path.suffix.lower() not in (".yaml", ".yml") or relative.endswith(CASES_SUFFIX):
            continue
        problem = _misplaced(root, relative)
        if problem is not None:
            problems.append(problem)
            continue
        empty = False
        if relative == RETENTION:
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
        if relative in (*ROOT_FILES, RETENTION):
            return None
        hint = (
            did_you_mean(relative, (*ROOT_FILES, RETENTION))
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
