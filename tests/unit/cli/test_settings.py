"""Settings: flag, then environment, then policy.toml, then default; and a policy.toml that cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ALLOW = Path(__file__).parents[3] / "examples" / "writing-assistant.yaml"
Policy = Callable[..., Any]


@pytest.fixture
def toml(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str, folder: Path = tmp_path) -> Path:
        path = folder / "policy.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def decided(policy: Policy, *arguments: str) -> str:
    done = policy("evaluate", str(ALLOW), "-o", "json", *arguments)
    assert done.status == 0, done.err
    return str(done.json["decided_at"])[:4]


def test_flag_environment_file_default(
    policy: Policy, toml: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLICY_LEDGER", "sqlite:///:memory:")
    assert decided(policy) > "2025"
    toml('at = "2021-01-01T00:00:00Z"')
    assert decided(policy) == "2021"
    monkeypatch.setenv("POLICY_AT", "2022-01-01T00:00:00Z")
    assert decided(policy) == "2022"
    assert decided(policy, "--at", "2023-01-01T00:00:00Z") == "2023"


def test_the_file_is_found_above_and_the_nearest_counts(
    policy: Policy, toml: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toml('at = "2021-01-01T00:00:00Z"\nledger = "sqlite:///:memory:"')
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert decided(policy) == "2021"
    toml('ledger = "sqlite:///:memory:"', tmp_path / "a")
    assert decided(policy) > "2025"


def test_layers_and_keys_are_relative_to_the_file(
    policy: Policy, toml: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = tmp_path / "layer"
    layer.mkdir()
    toml('policy = "layer"\nledger = "sqlite:///:memory:"')
    below = tmp_path / "below"
    below.mkdir()
    monkeypatch.chdir(below)
    done = policy("evaluate", str(ALLOW))
    assert done.status == 3  # found, and empty
    assert str(layer) in done.err
    toml(f'ledger = "sqlite:///{tmp_path}/l.db"\nledger_key = "keys"')
    (tmp_path / "keys").mkdir()
    assert policy("evaluate", str(ALLOW)).status == 6


@pytest.mark.parametrize("url", ["sqlite:///l.db", "sqlite:///~/l.db"])
def test_a_ledger_is_relative_to_the_file_or_to_the_user(
    policy: Policy, toml: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    toml(f'ledger = "{url}"')
    below = tmp_path / "below"
    below.mkdir()
    monkeypatch.chdir(below)
    assert policy("evaluate", str(ALLOW), "-q").status == 0
    assert (tmp_path / ("home" if "~" in url else ".") / "l.db").exists()
    assert list(below.iterdir()) == []


def test_an_empty_layer_is_usage(policy: Policy) -> None:
    assert policy("evaluate", str(ALLOW), "--policy", "", "--ledger", "sqlite:///:memory:").status == 2


def test_outputs_of_the_file(policy: Policy, toml: Callable[..., Path]) -> None:
    toml('output = ["json"]\nledger = "sqlite:///:memory:"')
    assert policy("evaluate", str(ALLOW)).json["verdict"] == "allow"
    assert policy("evaluate", str(ALLOW), "-o", "text").out.startswith("ALLOW")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("policy = [3]", "`policy` wants a string"),
        ('policy = ""', "`policy` wants a string"),
        ("ledger = {a = 1}", "`ledger` wants a value"),
        ('ledger = "oracle:x"', "[ledger-url]"),
        ("ledgre = 1", "did you mean `ledger`?"),
        ("nonsense = 1", "the settings are ledger, ledger_key, policy"),
        ("a = [", "cannot read policy.toml"),
        ("\udc80", "cannot read policy.toml"),
        ('at = "yesterday"', "`yesterday` is not a time"),
        ('purpose = "fun"', "fun"),
        ('output = ["jsn"]', "did you mean `json`?"),
        ('ledger = "spool:"', "`spool:` names no folder"),
        ('policy_digest = "sha256:0"', "the effective policy is"),
    ],
)
def test_a_wrong_file(policy: Policy, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "policy.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    done = policy("evaluate", str(ALLOW), *(() if "ledger" in text else ("--ledger", "sqlite:///:memory:")))
    assert done.status == (3 if "digest" in text else 2), done.err
    assert said in done.err
    assert "Traceback" not in done.err


def test_commands_without_settings_read_no_file(policy: Policy, toml: Callable[..., Path]) -> None:
    toml("a = [")
    assert policy("--help").status == 0
    assert policy("evaluate", "--help").status == 0
