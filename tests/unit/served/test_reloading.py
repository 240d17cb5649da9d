"""Rules that a supervisor reads for its workers: whole or not at all, and put back where they were cleaned away."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from policy_engine.access.issuer import Oidc
from policy_engine.errors import PolicyError, RulesError
from policy_engine.loading.layer_copies import packed, unpacked
from policy_engine.loading.layers import read_layers
from policy_engine.loading.policy import load_policy, policy_of
from policy_engine.service.rules_folder import RulesFolder
from policy_engine.service.rules_in_force import RulesInForce
from policy_engine.service.settings import Settings
from policy_engine.serving import reloading
from policy_engine.serving.reloading import Reloader
from policy_engine.serving.supervisor import _Place
from tests.asking_servers import until
from tests.unit.access.issuing import AUDIENCE, ISSUER, RSA, jwk, jwks

DAYS = "parameters: {attestation_days: {value: %s}}\n"


class World:
    """A layer, the folder of a supervisor, and what was said."""

    def __init__(self, folder: Path, **more: Any) -> None:
        self.file, self.rules, self.said = folder / "layer/parameters.yaml", folder / "rules", list[str]()
        self.file.parent.mkdir()
        self.rules.mkdir()
        self.file.write_text(DAYS % 30)
        self.settings = Settings("sqlite:///:memory:", layers=(self.file.parent,), rules=self.rules, **more)
        self.fields = dict[str, Any]()
        self.reloader = Reloader(self.settings, self._say)
        self.policy = self.reloader.load()

    def _say(self, level: str, event: str, **fields: Any) -> None:
        self.said.append(event)
        self.fields = fields

    def worker(self) -> RulesInForce:
        found = RulesInForce(self.settings)
        found.load()
        return found


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_copied_layers_make_the_same_policy_and_name_the_same_places(tmp_path: Path) -> None:
    layer = tmp_path / "layer"
    layer.mkdir()
    (layer / "parameters.yaml").write_text(DAYS % 30)
    read = read_layers([layer])
    copied = unpacked(packed(read))
    assert copied == read
    assert policy_of(copied, use_cache=False).document == load_policy([layer]).document
    (layer / "parameters.yaml").write_text("parameters: {no_such: {value: 1}}\n")
    with pytest.raises(RulesError) as caught:
        policy_of(unpacked(packed(read_layers([layer]))))
    assert str(caught.value.problems[0].span).startswith(f"{layer}/parameters.yaml:1:")


def test_a_worker_has_what_was_read_and_not_what_is_being_edited(world: World) -> None:
    world.file.write_text("parameters: {attest")
    assert world.worker().policy.digest == world.policy
    world.reloader.reload()
    late = world.worker()
    assert late.policy.digest == world.policy
    assert late.failed is not None
    assert str(world.file) in late.failed.problems[0]["place"]
    world.file.write_text(DAYS % 31)
    world.reloader.reload()
    assert world.worker().failed is None
    assert world.worker().policy.digest == load_policy([world.file.parent]).digest != world.policy
    assert world.said == ["reload failed", "rules refused", "rules reloaded"]


def test_it_is_said_whether_the_keys_of_an_issuer_are_others(tmp_path: Path) -> None:
    first, second = jwk(RSA, kid="a"), jwk(RSA, kid="b")
    keys = jwks(tmp_path / "acme.jwks", [first])
    world = World(tmp_path, oidc=Oidc(ISSUER, AUDIENCE, keys))
    jwks(keys, [first, second])
    world.reloader.reload()
    assert world.fields == {"policy": world.policy, "changed": False, "keys_changed": True}
    world.reloader.reload()
    assert world.fields == {"policy": world.policy, "changed": False, "keys_changed": False}


def test_a_worker_follows_and_says_what_became_of_each_reload(world: World) -> None:
    worker, results = world.worker(), list[str]()
    worker.reloaded = results.append
    worker.follow()
    try:
        world.file.write_text("[")
        world.reloader.reload()
        until(lambda: results == ["failed"])
        world.file.write_text(DAYS % 31)
        world.reloader.reload()
        until(lambda: results == ["failed", "loaded"])
        assert worker.policy.digest != world.policy
    finally:
        worker.stop()


def test_a_look_takes_only_what_stayed_the_same_since_the_one_before(world: World) -> None:
    for number in range(31, 34):
        world.file.write_text(DAYS % number)
        world.reloader.reload(asked=False)
        assert world.worker().policy.digest == world.policy
    world.reloader.reload(asked=False)
    assert world.worker().policy.digest == load_policy([world.file.parent]).digest
    world.reloader.reload(asked=False)
    assert world.said == ["rules reloaded"]


def test_since_when_it_fails_is_when_it_first_did(world: World) -> None:
    world.file.write_text("[")
    world.reloader.reload()
    first = world.worker().failed
    world.file.write_text(DAYS % "many")
    world.reloader.reload()
    second = world.worker().failed
    assert first is not None
    assert second is not None
    assert (first.since, first.problems == second.problems) == (second.since, False)
    world.file.write_text(DAYS % 30)
    world.reloader.reload()
    assert world.worker().failed is None


def held(reload: Callable[[], None], seconds: float = 20) -> threading.Thread:
    """Call `reload` in a thread, which may hang."""
    thread = threading.Thread(target=reload, daemon=True)
    thread.start()
    thread.join(seconds)
    return thread


def test_a_pipe_in_a_layer_is_refused_and_holds_nothing_up(world: World) -> None:
    world.file.unlink()
    os.mkfifo(world.file)
    assert not held(world.reloader.reload).is_alive()
    found = world.worker().failed
    assert found is not None
    assert "no regular file" in found.problems[0]["message"]
    world.file.unlink()
    world.file.write_text(DAYS % 31)
    world.reloader.reload()
    assert world.worker().failed is None


@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize("days", [30, 31])
def test_a_reload_that_takes_long_is_said_and_counts_when_it_ends(
    world: World, monkeypatch: pytest.MonkeyPatch, asked: bool, days: int
) -> None:
    answers, given = threading.Event(), world.reloader._given
    monkeypatch.setattr(reloading, "LATE_SECONDS", 0.05)
    monkeypatch.setattr(world.reloader, "_given", lambda: (answers.wait(20), given())[1])
    thread = held(lambda: world.reloader.reload(asked=asked), 0)
    until(lambda: "reload late" in world.said)
    late = world.worker()
    assert late.policy.digest == world.policy
    assert late.failed is not None
    assert late.failed.problems[0]["code"] == "reload-late"
    world.file.write_text(DAYS % days)
    answers.set()
    thread.join(20)
    monkeypatch.setattr(reloading, "LATE_SECONDS", 60)
    if not asked:
        world.reloader.reload(asked=False)  # the second look at the same
    now = world.worker()
    assert now.failed is None
    assert (now.policy.digest == world.policy) == (days == 30)
    assert world.said == ["reload late", "rules refused", "rules reloaded"]


def test_pinned_rules_are_not_replaced_by_others(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    digest = World(tmp_path / "a").policy
    (tmp_path / "b").mkdir()
    world = World(tmp_path / "b", policy_digest=digest)
    world.file.write_text(DAYS % 31)
    world.reloader.reload()
    found = world.worker()
    assert found.failed is not None
    assert (found.policy.digest, found.failed.problems[0]["code"]) == (digest, "policy-digest")


def test_what_was_cleaned_away_is_put_back_before_a_worker_starts(world: World) -> None:
    shutil.rmtree(world.rules)
    with pytest.raises(PolicyError):
        world.worker()
    world.reloader.keep()
    assert world.worker().policy.digest == world.policy


def test_a_changed_copy_is_not_believed(world: World) -> None:
    standing = RulesFolder(world.rules).read()
    assert standing is not None
    (world.rules / standing.layers).write_bytes(packed(read_layers([])))
    with pytest.raises(RulesError):
        world.worker()


def test_a_worker_that_dies_is_followed_at_once_and_then_ever_later() -> None:
    place, pauses = _Place(), []
    for _ in range(9):
        place.failed(100.0)
        pauses.append(place.not_before - 100.0)
    assert pauses == [0, 0.5, 1, 2, 4, 8, 16, 30, 30]
