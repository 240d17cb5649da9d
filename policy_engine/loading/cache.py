"""Parsed rules kept between runs, keyed by the bytes of the files and of this program.

The cache is only believed where nobody else can have written it: its directory and files must belong to this user
and be open to nobody else, a mode that a checkout never gives. JSON, not pickle. Anything odd means a fresh parse.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from policy_engine import __version__
from policy_engine.loading.layers import LayerFiles
from policy_engine.lowering.network import Alternatives, Stratum
from policy_engine.model.approvers import Approvers
from policy_engine.model.rule import Dispute, Enforcement, Parameter, Rule, RuleSet
from policy_engine.model.vocabulary import Vocabulary

if TYPE_CHECKING:
    from policy_engine.loading.policy import Policy

FORMAT = "4"
_KEEP = 16


def directory() -> Path:
    """Return the cache's directory; `POLICY_CACHE_DIR` sets another."""
    given = os.environ.get("POLICY_CACHE_DIR")
    if given:
        return Path(given)
    import platformdirs

    return Path(platformdirs.user_cache_dir("policy-engine", appauthor=False)) / "rules"


@functools.cache
def program_digest() -> str:
    """Return what changes with the code that parses and compiles: the version, or in a checkout the files' times."""
    package = Path(__file__).resolve().parent.parent
    whole = hashlib.sha256(__version__.encode())
    for folder in ("language", "lowering", "loading", "model"):
        for path in sorted((package / folder).glob("*.py")):
            status = path.stat()
            whole.update(f"{path.name}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
    return whole.hexdigest()


def load(key: str, layers: Sequence[LayerFiles]) -> Policy | None:
    """Return the policy stored under `key`, or None."""
    path = directory() / f"{key}.json"
    try:
        if not (_private(path.parent) and _private(path)):
            return None
        digest, _, data = path.read_bytes().partition(b"\n")
        if digest != hashlib.sha256(data).hexdigest().encode():
            return None  # a damaged disk is no other policy
        return _policy(data, layers)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def store(key: str, policy: Policy) -> None:
    """Keep `policy` under `key`; a cache that cannot be written is no error."""
    folder = directory()
    with contextlib.suppress(OSError, TypeError, OverflowError):  # OverflowError: an integer beyond 64 bits
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _private(folder):
            data = _stored(policy)
            _write(folder / f"{key}.json", hashlib.sha256(data).hexdigest().encode() + b"\n" + data)
            _prune(folder)


def _write(path: Path, data: bytes) -> None:
    """Put the file in place whole, so that a reader at the same time sees this one or the one before."""
    handle, name = tempfile.mkstemp(dir=path.parent)  # 0600 by itself
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _prune(folder: Path) -> None:
    files = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in files[_KEEP:]:
        path.unlink(missing_ok=True)


def _private(path: Path) -> bool:
    if os.name != "posix":
        return True
    status = path.lstat()
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        return False  # a pipe would be waited for
    return status.st_uid == os.getuid() and not status.st_mode & (stat.S_IRWXG | stat.S_IRWXO)


class _Stored(Struct, frozen=True):
    """A policy without what is read anew each time: its layers."""

    rules: tuple[Rule, ...]
    parameters: dict[str, Parameter]
    overrides: tuple[tuple[str, str, Enforcement], ...]
    disputes: dict[str, Dispute]
    criteria: dict[str, str]
    sources: dict[str, dict[str, Any]]
    mechanisms: dict[str, str]
    version: str
    digest: str
    vocabulary: Vocabulary
    strata: tuple[Stratum, ...]
    alternatives: Alternatives
    catalog: tuple[tuple[str, dict[str, Any]], ...]
    approvers: Approvers


def _stored(policy: Policy) -> bytes:
    rules = policy.rules
    whole = {
        "rules": rules.rules,
        "parameters": rules.parameters,
        "overrides": [(rule, namespace, e) for (rule, namespace), e in rules.overrides.items()],
        "disputes": rules.disputes,
        "criteria": rules.criteria,
        "sources": rules.sources,
        "mechanisms": rules.mechanisms,
        "version": rules.version,
        "digest": rules.digest,
        "vocabulary": policy.vocabulary,
        "strata": policy.strata,
        "alternatives": policy.alternatives,
        "catalog": policy.catalog_documents,
        "approvers": policy.approvers,
    }
    return msgspec.json.encode(whole)


def _policy(data: bytes, layers: Sequence[LayerFiles]) -> Policy:
    from policy_engine.loading.policy import Policy

    found = msgspec.json.decode(data, type=_Stored)
    rules = RuleSet(
        rules=found.rules,
        parameters=found.parameters,
        overrides={(rule, namespace): e for rule, namespace, e in found.overrides},
        disputes=found.disputes,
        criteria=found.criteria,
        sources=found.sources,
        mechanisms=found.mechanisms,
        layers=tuple(each.layer for each in layers),
        version=found.version,
        digest=found.digest,
    )
    return Policy(rules, found.vocabulary, found.strata, found.alternatives, found.catalog, found.approvers)
