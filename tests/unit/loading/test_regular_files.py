"""Files that are read: regular ones, and what a command was handed open; nothing that would be waited for."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from policy_engine.access.oidc_keys import read_keys
from policy_engine.errors import InputError, UsageError
from policy_engine.loading.yaml_source import read_bytes


def written_later(pipe: Path) -> None:
    """Let go of whoever waits for the pipe."""
    for _ in range(2):
        os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_is_refused_without_being_waited_for(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe.yaml", tmp_path / "link.yaml"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    freed = threading.Timer(5, written_later, [pipe])
    freed.start()
    try:
        for path in (pipe, link):
            with pytest.raises(InputError, match="it is no regular file"):
                read_bytes(path)
        with pytest.raises(UsageError, match="it is no regular file"):
            read_keys(pipe)
        assert freed.is_alive()
    finally:
        freed.cancel()


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="the system has no such device")
def test_a_link_to_a_device_is_refused(tmp_path: Path) -> None:
    for device in ("zero", "null", "stdin"):
        link = tmp_path / device
        link.symlink_to(f"/dev/{device}")
        with pytest.raises(InputError, match="it is no regular file"):
            read_bytes(link)


def test_a_folder_and_what_is_not_there_are_said_to_be_that(tmp_path: Path) -> None:
    for path, says in ((tmp_path, "is a directory"), (tmp_path / "none", "no such file"), (Path("a\0b"), "not a path")):
        with pytest.raises(InputError, match=says):
            read_bytes(path)


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="the system does not name open files")
def test_what_was_handed_open_is_read(tmp_path: Path) -> None:
    for name in ("/dev/fd/%d", "/proc/self/fd/%d", f"/proc/{os.getpid()}/fd/%d"):
        reader, writer = os.pipe()
        os.write(writer, b"a: 1\n")
        os.close(writer)
        try:
            assert read_bytes(Path(name % reader)) == b"a: 1\n"
        finally:
            os.close(reader)
    assert read_bytes(Path("/dev/null")) == b""
