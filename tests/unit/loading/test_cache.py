"""The cache of parsed rules: the same policy again, believed only where nobody else can have written it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from policy_engine.loading import cache, policy
from policy_engine.loading.layers import read_layers
from policy_engine.loading.policy import Policy, load_policy

Rule = Callable[..., str]
posix = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the test's own."""
    path = tmp_path / "cache"
    monkeypatch.setenv("POLICY_CACHE_DIR", str(path))
    return path


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each policy that was parsed and compiled."""
    made: list[int] = []
    build = policy._build

    def counted(layers: Any) -> Policy:
        made.append(1)
        return build(layers)

    monkeypatch.setattr(policy, "_build", counted)
    return made


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def test_a_hit_is_the_same_policy(folder: Path, builds: list[int], layers: Any, rule: Rule) -> None:
    lines = {"review_by": "2027-06-30", "enforce_from": "2027-01-01", "controls": "[iso42001:A.6.2.8]", "owner": "us"}
    own = layers.write(
        "l1",
        {
            "vocabulary.yaml": "facts:\n  custom.a: {type: string, values: [x, y], meaning: A., source: derived}\n",
            "latency/own-rule.yaml": rule(derive="{custom.a: \"'x'\"}", **lines),
            "policy-set.yaml": "enforcement:\n  - {rule: own-rule, enforcement: advisory}\n",
        },
    )
    fresh, cached = load_policy([own]), load_policy([own])
    assert len(builds) == 1
    assert cached == fresh
    assert cached.digest == fresh.digest == load_policy([own], use_cache=False).digest
    assert cached.document == fresh.document
    assert cached.rules.rule("own-rule").review_by == fresh.rules.rule("own-rule").review_by


def test_it_is_not_believed_where_a_digest_is_expected(folder: Path, builds: list[int]) -> None:
    digest = load_policy().digest
    load_policy(expected_digest=digest)
    assert len(builds) == 2


@posix
def test_nobody_else_may_read_or_write_it(folder: Path) -> None:
    load_policy()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    (file,) = files(folder)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@posix
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o640, 0o604, 0o666])
def test_a_file_that_others_may_touch_is_not_believed(mode: int, folder: Path, builds: list[int]) -> None:
    load_policy()
    (file,) = files(folder)
    file.chmod(mode)
    load_policy()
    assert len(builds) == 2
    assert stat.S_IMODE(files(folder)[0].stat().st_mode) == 0o600


@posix
@pytest.mark.parametrize("mode", [0o755, 0o770, 0o777])
def test_a_directory_that_others_may_touch_is_not_used(mode: int, folder: Path, builds: list[int]) -> None:
    folder.mkdir()
    folder.chmod(mode)
    load_policy()
    load_policy()
    assert len(builds) == 2
    assert files(folder) == []


@posix
def test_a_link_is_not_followed(folder: Path, builds: list[int], tmp_path: Path) -> None:
    load_policy()
    (file,) = files(folder)
    elsewhere = tmp_path / "elsewhere.json"
    file.rename(elsewhere)
    file.symlink_to(elsewhere)
    load_policy()
    assert len(builds) == 2


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"{}", b"null", b"\xff", b'{"rules": [{}]}', b'{"rules": 5}', b"[" * 5000],
    ids=repr,
)
def test_a_damaged_file_is_not_believed(content: bytes, signed: bool, folder: Path, builds: list[int]) -> None:
    digest = load_policy().digest
    (file,) = files(folder)
    file.write_bytes(sha256(content).hexdigest().encode() + b"\n" + content if signed else content)
    assert load_policy().digest == digest
    assert len(builds) == 2
    load_policy()
    assert len(builds) == 2


def test_no_bit_may_flip(folder: Path, builds: list[int]) -> None:
    load_policy()
    (file,) = files(folder)
    whole = file.read_bytes()
    for place in range(0, len(whole), len(whole) // 50):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert cache.load(file.stem, read_layers([])) is None


@posix
def test_a_pipe_is_not_waited_for(folder: Path, builds: list[int]) -> None:
    load_policy()
    (file,) = files(folder)
    file.unlink()
    os.mkfifo(file, 0o600)
    assert cache.load(file.stem, read_layers([])) is None


def test_what_comes_back_is_the_same_to_the_type(folder: Path, builds: list[int]) -> None:
    fresh, again = load_policy(), load_policy()
    assert len(builds) == 1
    for one, other in zip(fresh.vocabulary.facts.values(), again.vocabulary.facts.values(), strict=True):
        assert repr(one) == repr(other)
    for one, other in zip(fresh.rules.rules, again.rules.rules, strict=True):
        assert sorted(repr(one)) == sorted(repr(other))  # sets may print in another order
    assert repr(fresh.rules.parameters) == repr(again.rules.parameters)
    assert repr(fresh.catalog_documents) == repr(again.catalog_documents)


def test_a_truncated_file_is_not_believed(folder: Path, builds: list[int]) -> None:
    load_policy()
    (file,) = files(folder)
    whole = file.read_bytes()
    for part in range(10):
        file.write_bytes(whole[: len(whole) * part // 10])
        assert cache.load(file.stem, read_layers([])) is None


def test_the_key_changes_with_what_is_read(folder: Path, builds: list[int], layers: Any, rule: Rule) -> None:
    own = layers.write("l1", {"latency/own-rule.yaml": rule()})
    load_policy([own])
    layers.write("l1", {"latency/own-rule.yaml": rule(title="Another")})
    assert load_policy([own]).rules.rule("own-rule").title == "Another"
    layers.write("l1", {"latency/own-rule.yaml": "# moved\n" + rule(title="Another")})
    assert load_policy([own]).rules.rule("own-rule").span.line == 2
    assert len(builds) == 3
    load_policy([own])
    assert len(builds) == 3


def test_the_key_changes_with_the_program(folder: Path, builds: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    load_policy()
    monkeypatch.setattr(cache, "program_digest", lambda: "another")
    load_policy()
    assert len(builds) == 2
    assert len(files(folder)) == 2


def test_writers_at_the_same_time_leave_a_whole_file(folder: Path, builds: list[int]) -> None:
    with ThreadPoolExecutor(8) as pool:
        digests = set(pool.map(lambda _: load_policy().digest, range(8)))
    assert len(digests) == 1
    assert [path.suffix for path in files(folder)] == [".json"]
    count = len(builds)
    load_policy()
    assert len(builds) == count


def test_only_the_latest_are_kept(folder: Path) -> None:
    found = load_policy()
    for number in range(cache._KEEP + 4):
        cache.store(f"k{number}", found)
    assert len(files(folder)) == cache._KEEP


def test_a_cache_that_cannot_be_written_is_no_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch, builds: list[int]
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    load_policy()
    assert files(folder) == []
    monkeypatch.setenv("POLICY_CACHE_DIR", os.devnull + "/x")
    load_policy()
    assert len(builds) == 2


def test_numbers_of_any_size_come_back_as_they_were(folder: Path) -> None:
    found = load_policy(use_cache=False)
    documents = (("shipped", {"x": 2**70, "y": -(2**63) - 1, "z": 0.1, "w": 1e300, "v": 5.0}),)
    cache.store("k", replace(found, catalog_documents=documents))
    again = cache.load("k", read_layers([]))
    assert again is not None
    assert repr(again.catalog_documents) == repr(documents)
    assert again == replace(found, catalog_documents=documents)


def test_the_directory_is_the_users_own_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POLICY_CACHE_DIR")
    assert cache.directory().parts[-2:] == ("policy-engine", "rules")
