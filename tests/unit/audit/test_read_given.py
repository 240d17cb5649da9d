"""What somebody hands over as a file may be a pipe, a device or a folder: it is read as far as it goes, or refused."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from policy_audit import durable
from policy_audit.durable import read_given


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def test_a_pipe_that_nobody_writes_to_ends(pipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable, "PIPE_SECONDS", 0.1)
    with pytest.raises(OSError, match="nothing came out of it"):
        read_given(pipe, 10)


def test_a_pipe_that_is_held_open_and_silent_ends(pipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable, "PIPE_SECONDS", 0.1)
    writer = os.open(pipe, os.O_RDWR)
    try:
        os.write(writer, b"begun")
        with pytest.raises(OSError, match="nothing came out of it"):
            read_given(pipe, 10)
    finally:
        os.close(writer)


def test_a_pipe_is_read_as_slowly_as_it_is_written(pipe: Path) -> None:
    def write() -> None:
        with pipe.open("wb", buffering=0) as stream:
            for part in (b"one", b"two", b"x" * 200_000):
                time.sleep(0.05)
                stream.write(part)

    thread = threading.Thread(target=write)
    thread.start()
    assert read_given(pipe, 1_000_000) == b"onetwo" + b"x" * 200_000
    thread.join()


def test_what_a_shell_puts_in_the_place_of_a_file_is_read() -> None:
    code = f"import sys; sys.path[:] = {sys.path!r}\nfrom pathlib import Path\n"
    code += "from policy_audit.durable import read_given\nprint(read_given(Path(sys.argv[1]), 99))"
    command = ["bash", "-c", '"$0" -c "$1" <(sleep 0.1; echo given)', sys.executable, code]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    assert done.stdout == b"b'given\\n'\n"


@pytest.mark.parametrize("size", [0, 9, 10, 11, 5000])
def test_a_file_is_read_as_far_as_asked_and_one_byte_more(tmp_path: Path, size: int) -> None:
    (tmp_path / "file").write_bytes(b"x" * size)
    assert len(read_given(tmp_path / "file", 10)) == min(size, 11)


def test_a_device_without_an_end_is_read_as_far_as_asked() -> None:
    assert read_given(Path("/dev/zero"), 3_000_000) == bytes(3_000_001)


def test_a_folder_and_what_is_not_there_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(OSError, match=r"[Dd]irectory"):
            read_given(path, 10)
