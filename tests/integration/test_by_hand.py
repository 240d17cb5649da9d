"""What the documentation shows to check by hand gives what it should, with the tools of a shell."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.stores import Store

README = Path(__file__).parents[2] / "audit/README.md"


@pytest.fixture
def commands() -> list[str]:
    section = README.read_text(encoding="utf-8").partition("### By hand\n")[2]
    return re.findall(r"```sh\n(.*?)```", section.partition("\n## ")[0], re.DOTALL)[:2]


def test_the_commands_by_hand(in_file: Store, tmp_path: Path, commands: list[str]) -> None:
    with in_file.open() as ledger:
        ledger.export_log(tmp_path / "evidence", documents=True)
        entry = ledger.entry(0)
    (tmp_path / "0.json").write_bytes(entry.raw)

    def run(command: str) -> list[str]:
        for name in ("tile/0/000", "tile/entries/000"):  # a log of 11 entries has partial tiles alone
            command = command.replace(f"evidence/{name}", f"evidence/{name}.p/11")
        return subprocess.run(
            ["sh", "-euc", command], cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout.splitlines()

    digest, *hexadecimal = run(commands[0])
    assert digest.split()[0] == "".join(hexadecimal).replace(" ", "") == entry.leaf_hash
    shown, *documents = "\n".join(run(commands[1])).replace(entry.raw.decode(), "(entry)\n").splitlines()
    assert shown == "(entry)"
    assert len(documents) == 12
    assert all(Path(line.split()[1]).name == line.split()[0] for line in documents)
