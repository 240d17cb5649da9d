"""The two policies that are compared, each named by a folder, a revision of git, or a digest on record.

| word | policy |
|---|---|
| `shipped` | the shipped rules alone |
| a folder | a layer over the shipped rules; or, where it declares the shipped vocabulary itself, all rules there are |
| `git:REV`, `git:REV:PATH` | the same, of a folder as it stood at that revision |
| `sha256:...` | the policy of this digest that a decision on record was made under |
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from msgspec import Struct

from policy_engine.errors import InputError, PolicyError, Problem, RulesError, Span
from policy_engine.impact.revisions import PREFIX, Repository
from policy_engine.loading.layers import check_layer
from policy_engine.loading.policy import Policy, load_policy
from policy_engine.loading.recorded_policy import recorded_policy
from policy_engine.loading.yaml_source import read_yaml
from policy_engine.model.vocabulary import CUSTOM
from policy_engine.recorded import read_json
from policy_engine.replays import Walked, decisions_on_record

SHIPPED = "shipped"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


#: Opens the ledger; called only where a digest is named.
Opened = Callable[[], AbstractContextManager[Walked]]


class Side(Struct, frozen=True):
    """One policy, and how it was named."""

    name: str
    policy: Policy


def read_sides(words: tuple[str, str], below: Sequence[Path], ledger: Opened) -> tuple[Side, Side]:
    """Return both policies; layers at `below` lie under a folder that is a layer.

    Raises:
        InputError: a word names nothing.
        RulesError: what it names is invalid.
        RecordingError: the ledger that a digest needs cannot be read.
    """
    folders = [None if _is_other(word) else Path(word) for word in words]
    return (
        Side(words[0], _policy(words[0], folders[1], below, ledger)),
        Side(words[1], _policy(words[1], folders[0], below, ledger)),
    )


def _is_other(word: str) -> bool:
    return word == SHIPPED or word.startswith((PREFIX, "sha256:"))


def _policy(word: str, beside: Path | None, below: Sequence[Path], ledger: Opened) -> Policy:
    if word.startswith("sha256:"):
        if not _DIGEST.fullmatch(word):
            hint = "64 hexadecimal digits follow `sha256:`, as `policy rules list -o json` prints them"
            raise InputError(Problem("no-policy", f"`{word}` is no digest", help=hint))
        with ledger() as opened:
            return _on_record(opened, word)
    if word.startswith(PREFIX):
        return _at_revision(word, beside, below)
    return load_policy(below) if word == SHIPPED else _of_folder(Path(word), below)


def _of_folder(folder: Path, below: Sequence[Path], use_cache: bool = True) -> Policy:
    check_layer(folder)
    if not whole(folder):
        return load_policy([*below, folder], use_cache=use_cache)
    return load_policy(below, use_cache=use_cache, shipped=folder)


def whole(folder: Path) -> bool:
    """Whether a folder holds rules that stand alone: a layer declares facts of its own alone."""
    file = folder / "vocabulary.yaml"
    if not file.is_file():
        return False
    value = read_yaml(file, RulesError)[0].value
    facts = value.get("facts") if isinstance(value, dict) else None
    return isinstance(facts, dict) and any(isinstance(name, str) and not name.startswith(CUSTOM) for name in facts)


def _at_revision(word: str, beside: Path | None, below: Sequence[Path]) -> Policy:
    name = word.removeprefix(PREFIX)
    if ":" in name:
        beside = None
    elif beside is not None:
        check_layer(beside)
    # a folder's revisions are in the repository that it lies in, wherever this is called from
    repository = Repository(Path.cwd() if beside is None else beside.resolve())
    revision = repository.revision(name, beside)
    with tempfile.TemporaryDirectory(prefix="policy-diff-") as scratch:
        # called as the folder is, which is what the layer is called
        folder = Path(scratch) / (Path(revision.path).name or "top")
        folder.mkdir()
        repository.extract(revision, folder)
        try:
            return _of_folder(folder, below, use_cache=False)
        except PolicyError as error:
            problems = [_renamed(problem, folder, word) for problem in error.problems]
            if beside is None and ":" not in name:
                hint = f"write {word}:PATH, with the folder of the rules from the repository's top"
                problems.insert(
                    0, Problem("no-revision", f"`{word}` names no folder, and its top is no layer", help=hint)
                )
            raise type(error)(problems) from None


def _renamed(problem: Problem, folder: Path, word: str) -> Problem:
    """Return the problem as of the revision, and not of the folder that it was written to for a moment."""
    span = problem.span
    if span is not None:
        span = Span(span.file.replace(str(folder), word), span.line, span.column)
    return Problem(problem.code, problem.message.replace(str(folder), word), span, problem.help)


def _on_record(ledger: Walked, digest: str) -> Policy:
    """Return the policy that the newest decision under `digest` was made with, its catalog included."""
    from policy_audit.errors import LedgerError, VerificationError

    roles = ("rules", "layers", "catalog")
    found: dict[str, str] | None = None
    for entry in decisions_on_record(ledger):
        blobs = entry.document.get("blobs", {})
        if blobs.get("rules") == digest and all(role in blobs for role in roles):
            found = blobs
    if found is None:
        hint = "`policy audit list` shows the decisions, and each names its policy; an activation alone holds no layers"
        raise InputError(Problem("no-policy", f"no decision on record was made under {digest}", help=hint))
    try:
        rules, layers, catalog = (ledger.blob(found[role]) for role in roles)
    except (LedgerError, VerificationError) as error:
        message = f"the ledger no longer holds the policy {digest}: {error.message}"
        raise InputError(Problem("no-policy", message, help="`policy audit verify` says why")) from error
    return recorded_policy(rules, layers, catalog)


def document_of(policy: Policy) -> dict[str, object]:
    """Return the policy's document, parsed, with the catalog's entries in force."""
    found = read_json(policy.document)
    catalog = read_json(policy.catalog.document)
    return {**found, "catalog": catalog["entries"]}
