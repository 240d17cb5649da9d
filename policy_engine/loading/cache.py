"""Parsed rules kept between runs, keyed by the bytes of the files and of this program.

The cache is only believed where nobody else can have written it: its directory and files must belong to this user
and be open to nobody else, a mode that a checkout never gives. JSON, not pickle. Anything odd means a fresh parse.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import os
import stat
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from policy_engine import __version__
from policy_engine.errors import Span
from policy_engine.language.tree import from_data, to_data
from policy_engine.loading.layers import LayerFiles
from policy_engine.lowering.network import NetworkSpec
from policy_engine.model.rule import Alternative, Derivation, Dispute, Parameter, Rule, RuleSet
from policy_engine.model.vocabulary import Fact, Vocabulary

if TYPE_CHECKING:
    from policy_engine.loading.policy import Policy

FORMAT = "1"
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
        return _policy(orjson.loads(path.read_bytes()), layers)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def store(key: str, policy: Policy) -> None:
    """Keep `policy` under `key`; a cache that cannot be written is no error."""
    folder = directory()
    with contextlib.suppress(OSError, TypeError):  # TypeError: an integer that orjson does not write
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _private(folder):
            _write(folder / f"{key}.json", orjson.dumps(_data(policy), default=_default))
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
    return status.st_uid == os.getuid() and not status.st_mode & (stat.S_IRWXG | stat.S_IRWXO)


def _default(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(type(value).__name__)


def _rule_data(rule: Rule) -> dict[str, Any]:
    data = {f.name: getattr(rule, f.name) for f in dataclasses.fields(rule)}
    data["condition"] = to_data(rule.condition)
    data["derive"] = [[d.fact, d.text, to_data(d.expression)] for d in rule.derive]
    data["span"] = [rule.span.file, rule.span.line, rule.span.column] if rule.span else None
    return data


def _rule(data: dict[str, Any]) -> Rule:
    data["condition"] = from_data(data["condition"])
    data["derive"] = tuple(Derivation(f, t, from_data(e)) for f, t, e in data["derive"])
    data["span"] = Span(*data["span"]) if data["span"] else None
    for name in ("reads", "parameters"):
        data[name] = frozenset(data[name])
    for name in ("criteria", "forbid", "disputes", "controls"):
        data[name] = tuple(data[name])
    data["require"] = {evidence: tuple(options) for evidence, options in data["require"].items()}
    for name in ("review_by", "enforce_from"):
        data[name] = date.fromisoformat(data[name]) if data[name] else None
    return Rule(**data)


def _data(policy: Policy) -> dict[str, Any]:
    rules = policy.rules
    return {
        "rules": [_rule_data(rule) for rule in rules.rules],
        "parameters": [dataclasses.asdict(p) for p in rules.parameters.values()],
        "overrides": [[rule, namespace, e] for (rule, namespace), e in rules.overrides.items()],
        "disputes": [dataclasses.asdict(d) for d in rules.disputes.values()],
        "criteria": dict(rules.criteria),
        "sources": dict(rules.sources),
        "mechanisms": dict(rules.mechanisms),
        "version": rules.version,
        "digest": rules.digest,
        "facts": [dataclasses.asdict(f) for f in policy.vocabulary.facts.values()],
        "evidence": dict(policy.vocabulary.evidence),
        "regulations": dict(policy.vocabulary.regulations),
        "alternatives": [policy.alternatives.keys, [n.to_data() for n in policy.alternatives.networks]],
        "strata": [[s.rules, [n.to_data() for n in s.networks]] for s in policy.strata],
        "catalog": policy.catalog_documents,
    }


def _parameter(data: dict[str, Any]) -> Parameter:
    data["alternatives"] = tuple(Alternative(**a) for a in data["alternatives"])
    return Parameter(**data)


def _fact(data: dict[str, Any]) -> Fact:
    data["values"] = tuple(data["values"]) if data["values"] else None
    return Fact(**data)


def _policy(data: dict[str, Any], layers: Sequence[LayerFiles]) -> Policy:
    from policy_engine.loading.policy import Alternatives, Policy, Stratum

    rules = RuleSet(
        rules=tuple(_rule(rule) for rule in data["rules"]),
        parameters={p["name"]: _parameter(p) for p in data["parameters"]},
        overrides={(rule, namespace): e for rule, namespace, e in data["overrides"]},
        disputes={d["id"]: Dispute(**d) for d in data["disputes"]},
        criteria=data["criteria"],
        sources=data["sources"],
        mechanisms=data["mechanisms"],
        layers=tuple(each.layer for each in layers),
        version=data["version"],
        digest=data["digest"],
    )
    vocabulary = Vocabulary({f["name"]: _fact(f) for f in data["facts"]}, data["evidence"], data["regulations"])
    strata = tuple(
        Stratum(tuple(indexes), tuple(NetworkSpec.from_data(n) for n in networks))
        for indexes, networks in data["strata"]
    )
    keys, networks = data["alternatives"]
    alternatives = Alternatives(
        tuple((name, number, index) for name, number, index in keys), tuple(NetworkSpec.from_data(n) for n in networks)
    )
    return Policy(
        rules, vocabulary, strata, alternatives, tuple((name, documents) for name, documents in data["catalog"])
    )
