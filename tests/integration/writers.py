"""Processes that append to a ledger and tell each entry that was acknowledged; run as a program by `Writer`."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

from tests.stores import Store


class Writer:
    """A process that appends `count` times `batch` entries, whatever happens to the server meanwhile."""

    def __init__(self, store: Store, name: str, count: int = 1_000_000, batch: int = 1) -> None:
        command = [sys.executable, "-m", "tests.integration.writers", store.url, str(store.key), name]
        self.process = subprocess.Popen([*command, str(count), str(batch)], stdout=subprocess.PIPE, text=True)
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            self.lines.extend(output)

    def wait_for_the_first(self) -> None:
        """Return when an entry was acknowledged."""
        while not acknowledged(self.lines[:2]):
            assert self.process.poll() is None, "the writer ended"
            time.sleep(0.002)

    def kill(self) -> None:
        """Kill the process at once; `told` has the rest."""
        self.process.send_signal(signal.SIGKILL)

    def told(self) -> dict[int, str]:
        """Wait until the process has ended; return the leaf hashes by index that it was told."""
        self.process.wait(60)
        self._reader.join(60)
        return acknowledged(self.lines)


def acknowledged(lines: Sequence[str]) -> dict[int, str]:
    """Return what lines tell; one that the kill cut short was not told."""
    words = (line.split() for line in lines if line.endswith("\n"))
    return {int(each[0]): each[1] for each in words if each and each[0].isdecimal()}


def _append(url: str, key: str, name: str, count: int, batch: int) -> None:
    from policy_audit.errors import LedgerError
    from policy_audit.ledger import Draft, EntryType, open_ledger

    with open_ledger(url, key_path=key) as ledger:
        if ledger.created_verifier_key:
            print("created", flush=True)
        number = 0
        while number < count:
            body = {"by": name, "n": number}
            drafts = [
                Draft(EntryType.HOLD, body={**body, "part": part}, blobs={"same": b"same"}) for part in range(batch)
            ]
            try:
                recorded = ledger.append_many(drafts)
            except LedgerError as error:
                if error.code not in ("ledger-unreachable", "ledger-locked"):
                    raise
                print("refused", error.code, flush=True)
                time.sleep(0.02)
                continue
            print("".join(f"{one.index} {one.leaf_hash}\n" for one in recorded), end="", flush=True)
            number += 1


if __name__ == "__main__":
    _append(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
