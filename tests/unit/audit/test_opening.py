"""Opening: what is made, what is refused, and what is not imported."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from policy_audit import migrate
from policy_audit.errors import LedgerError, SigningKeyError
from policy_audit.keys import generate_signer, parse_verifier_key, read_key_file, write_key_file
from policy_audit.ledger import Draft, EntryType, open_ledger

HOLD = Draft(EntryType.HOLD)


def url_of(path: Path) -> str:
    return f"sqlite:///{path}"


def code_of(url: str, **options: object) -> str:
    with pytest.raises(LedgerError) as caught:
        open_ledger(url, **options)  # type: ignore[arg-type]
    assert caught.value.message[0].islower() or caught.value.message.startswith("`")
    assert not caught.value.message.endswith(".")
    return caught.value.code


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger with two entries, closed."""
    path = tmp_path / "folder" / "ledger.db"
    with open_ledger(url_of(path)) as ledger:
        ledger.append_many([HOLD, HOLD])
    return path


def test_the_first_use_makes_ledger_and_key(tmp_path: Path) -> None:
    path = tmp_path / "new" / "ledger.db"
    with open_ledger(url_of(path)) as ledger:
        key = path.with_name("ledger.db.key")
        assert ledger.created_verifier_key == ledger.verifier_key == read_key_file(key).verifier_key
        assert ledger.origin == parse_verifier_key(str(ledger.verifier_key)).name
        for made in (path, key):
            assert stat.S_IMODE(made.stat().st_mode) == 0o600
    with open_ledger(url_of(path)) as again:
        assert again.created_verifier_key is None
        assert again.verifier_key == ledger.verifier_key


def test_the_key_may_stand_elsewhere(tmp_path: Path) -> None:
    path, key = tmp_path / "ledger.db", tmp_path / "elsewhere.key"
    with open_ledger(url_of(path), key_path=key) as ledger:
        ledger.append(HOLD)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [
        "elsewhere.key",
        "elsewhere.key.personal",
        "ledger.db",
    ]
    assert code_of(url_of(path)) == "signing-key-missing"
    open_ledger(url_of(path), key_path=str(key)).close()


def test_relative_paths_and_names_with_odd_characters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("plain.db", "with space & %41 #.db", "é.db"):
        with open_ledger(f"sqlite:///{name}") as ledger:
            ledger.append(HOLD)
        assert (tmp_path / name).is_file()


@pytest.mark.parametrize(
    "url", ["", "ledger.db", "mysql://x", "sqlite://", "sqlite:///", "sqlite:///a?mode=ro", "spool:x", "postgresql://x"]
)
def test_other_urls_are_refused(url: str) -> None:
    assert code_of(url) == "ledger-url"


def test_a_ledger_without_its_key_is_refused_but_read(path: Path) -> None:
    path.with_name("ledger.db.key").unlink()
    assert code_of(url_of(path)) == "signing-key-missing"
    with open_ledger(url_of(path), read_only=True) as ledger:
        assert ledger.origin is None
        assert ledger.entry(1).type == "hold"
        ledger.receipt(1)
        with pytest.raises(LedgerError, match="nothing to verify against"):
            ledger.verify()


def test_a_key_without_its_ledger_is_refused(path: Path) -> None:
    content = path.read_bytes()
    path.unlink()
    assert code_of(url_of(path)) == "ledger-gone"
    assert not path.exists(), "refusing makes nothing"
    path.touch()
    assert code_of(url_of(path)) == "ledger-gone"
    assert code_of(url_of(path)) == "ledger-gone"
    path.write_bytes(content)
    open_ledger(url_of(path)).close()


def test_an_emptied_ledger_is_not_begun_again(path: Path) -> None:
    path.with_name("ledger.db.key").unlink()
    connection = sqlite3.connect(path)
    connection.execute("DROP TRIGGER log_checkpoint_no_delete")
    connection.execute("DELETE FROM log_checkpoint")
    connection.commit()
    connection.close()
    assert code_of(url_of(path)) == "signing-key-missing"


def test_another_ledgers_key_cannot_append(path: Path, tmp_path: Path) -> None:
    key = path.with_name("ledger.db.key")
    key.unlink()
    write_key_file(key, generate_signer())
    with open_ledger(url_of(path)) as ledger:
        with pytest.raises(LedgerError) as caught:
            ledger.append(HOLD)
        assert caught.value.code == "ledger-tampered"
        assert not ledger.verify().ok


def test_an_exposed_or_damaged_key_is_refused(path: Path) -> None:
    key = path.with_name("ledger.db.key")
    for mode in (0o640, 0o604, 0o620):
        key.chmod(mode)
        assert code_of(url_of(path)) == "signing-key-exposed"
    key.chmod(0o600)
    text = key.read_text()
    for damaged in ("", text[:-10], "\xff", text + text):
        key.write_bytes(damaged.encode("latin-1"))
        assert code_of(url_of(path)) == "signing-key"
    key.unlink()
    key.mkdir()
    assert code_of(url_of(path)) == "signing-key"


def test_a_key_file_is_never_overwritten(path: Path) -> None:
    with pytest.raises(SigningKeyError) as caught:
        write_key_file(path.with_name("ledger.db.key"), generate_signer())
    assert caught.value.code == "signing-key-exists"
    with pytest.raises(SigningKeyError, match="cannot be written"):
        write_key_file(path / "no-folder", generate_signer())


def test_files_that_are_no_ledger_are_refused_and_not_changed(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("not a database, but long enough to have a header of some bytes")
    other = tmp_path / "other.db"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
    connection.execute("INSERT INTO alembic_version VALUES ('0001')")
    connection.commit()
    connection.close()
    before = other.read_bytes()
    for found in (text, other):
        assert code_of(url_of(found)) == "not-a-ledger"
        assert not found.with_name(found.name + ".key").exists()
    assert code_of(url_of(tmp_path)) == "ledger-unreadable"
    assert other.read_bytes() == before


def test_reading_alone_makes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    assert code_of(url_of(path), read_only=True) == "ledger-missing"
    assert list(tmp_path.iterdir()) == []
    path.touch()
    assert code_of(url_of(path), read_only=True) == "ledger-missing"


def test_reading_alone_does_not_append(path: Path) -> None:
    with open_ledger(url_of(path), read_only=True) as ledger:
        assert ledger.verify().ok
        with pytest.raises(LedgerError) as caught:
            ledger.append(HOLD)
        assert caught.value.code == "ledger-read-only"


def test_a_newer_schema_is_refused(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    assert code_of(url_of(path)) == "ledger-newer"
    assert code_of(url_of(path), read_only=True) == "ledger-missing"


def test_a_migrated_file_becomes_a_ledger_when_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    assert migrate.upgrade(url_of(path)).current is None
    with open_ledger(url_of(path)) as ledger:
        assert ledger.created_verifier_key
        ledger.append(HOLD)
        assert ledger.verify().ok


def test_a_failing_creation_takes_the_key_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ledger.db"

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("policy_audit.durable.sync_folder", fail)
        with pytest.raises(KeyboardInterrupt):
            open_ledger(url_of(path))
    assert not path.with_name("ledger.db.key").exists()
    with open_ledger(url_of(path)) as ledger:
        assert ledger.created_verifier_key


def test_postgresql_wants_a_key_path_and_never_shows_the_password() -> None:
    url = "postgresql+psycopg://user:hunter2@127.0.0.1:1/none?connect_timeout=1"
    with pytest.raises(SigningKeyError) as missing:
        open_ledger(url)
    assert missing.value.code == "signing-key-path"
    assert "`--ledger-key`" in str(missing.value.help)
    with pytest.raises(LedgerError) as caught:
        open_ledger(url, key_path="/nonexistent/key")
    assert "hunter2" not in str(caught.value)
    assert "`postgresql://127.0.0.1:1/none`" in caught.value.message


def test_opening_a_current_ledger_imports_no_heavy_module(path: Path) -> None:
    code = (
        "import sys; from policy_audit.ledger import open_ledger, Draft, EntryType\n"
        f"with open_ledger({url_of(path)!r}) as ledger: ledger.append(Draft(EntryType.HOLD)); ledger.verify()\n"
        "print(sorted({'alembic', 'rich', 'click', 'psycopg', 'policy_engine', 'mako'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.strip() == "[]"
