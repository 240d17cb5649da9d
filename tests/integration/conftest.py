"""Ledgers that are to be tampered with, and places where the command line works on its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from policy_audit.ledger import open_ledger

from tests.integration.anchoring import Anchored
from tests.integration.place import Place
from tests.integration.tampering import decision


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("original") / "ledger.db"
    with open_ledger(f"sqlite:///{path}") as ledger:
        for number in range(4):
            ledger.append(decision(number))
        ledger.append_many([decision(number) for number in range(4, 10)])
        ledger.append(decision(10))
    return path


@pytest.fixture
def path(original: Path, tmp_path: Path) -> Path:
    """A ledger of eleven decisions: four commits of one, one of six, one of one."""
    shutil.copytree(original.parent, tmp_path, dirs_exist_ok=True)
    return tmp_path / original.name


@pytest.fixture(scope="session")
def parsed_rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache that a first run leaves, so that not every test has to parse all rules."""
    first = Place(tmp_path_factory.mktemp("first"))
    assert first.evaluate().returncode == 0
    return first.home / "cache"


@pytest.fixture(scope="session")
def three_decisions(tmp_path_factory: pytest.TempPathFactory, parsed_rules: Path) -> Path:
    """A folder with a ledger of three decisions, each of a commit of its own, which verifies."""
    made = Place(tmp_path_factory.mktemp("three"), parsed_rules)
    for _ in range(3):
        assert made.evaluate().returncode == 0
    assert made.verified() == 3
    return made.folder


@pytest.fixture
def place(tmp_path: Path, parsed_rules: Path) -> Place:
    return Place(tmp_path, parsed_rules)


@pytest.fixture
def anchored(path: Path) -> Anchored:
    """That ledger, to be anchored, rolled back and forked."""
    return Anchored(path)
