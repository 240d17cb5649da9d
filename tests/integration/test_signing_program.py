"""A ledger whose private key stays with a program of the operator's, as with a key management service."""

from __future__ import annotations

import base64
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from policy_audit.errors import SigningKeyError
from policy_audit.keys import generate_signer, parse_verifier_key
from policy_audit.signing_program import program_signer, read_signer

from tests.integration.place import Place, refused
from tests.integration.test_cli_rotate_key import KILLED_BEFORE, dying

#: Signs with the seed in a file beside it; `mode` says how it misbehaves.
PROGRAM = """
import base64, pathlib, sys, time
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
here = pathlib.Path(__file__).parent
key = Ed25519PrivateKey.from_private_bytes((here / "seed").read_bytes())
mode = (here / "mode").read_text() if (here / "mode").exists() else ""
what = sys.argv[-1]
if mode == "fails":
    print("first line", file=sys.stderr); print("the token is locked", file=sys.stderr); sys.exit(3)
if mode == "empty":
    sys.exit(0)
if mode == "babbles":
    print("!!! not base64"); sys.exit(0)
if mode == "other":
    key = Ed25519PrivateKey.generate()
if what == "public-key":
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo) if "der" in sys.argv else (Encoding.Raw, PublicFormat.Raw)
    out = key.public_key().public_bytes(*form)
else:
    out = key.sign(sys.stdin.buffer.read() + (b"!" if mode == "another message" else b""))
print(base64.b64encode(out).decode())
"""


@pytest.fixture
def service(tmp_path: Path) -> Path:
    folder = tmp_path / "service with a blank"
    folder.mkdir()
    (folder / "program.py").write_text(PROGRAM)
    (folder / "seed").write_bytes(bytes(range(32)))
    return folder


def command(service: Path, *more: str) -> list[str]:
    return [sys.executable, str(service / "program.py"), *more]


def quoted(service: Path) -> str:
    return " ".join(f"'{part}'" for part in command(service))


def test_a_ledger_goes_over_to_a_program_and_is_verified_alone(three: Place, service: Path) -> None:
    new = three.home / "kms.key"
    done = three.run("audit", "rotate-key", "--new-key", str(new), "--program", quoted(service))
    assert done.returncode == 0, done.stderr
    assert (new.stat().st_mode & 0o777) == 0o600
    text = new.read_text()
    assert text.startswith("policy-audit/signing-program/v1\n")
    assert base64.b64encode(bytes(range(32))).decode() not in text
    vkey = text.split("\n")[1]
    refused(three.evaluate(), "signing-key-rotated")
    shutil.move(new, three.store.key)
    shutil.move(f"{new}.personal", three.store.personal_key)
    assert three.evaluate().returncode == 0
    assert three.verified("--vkey", vkey) == 5
    exported = three.run("audit", "export", str(three.home / "log"))
    assert exported.returncode == 0, exported.stderr
    alone = [sys.executable, "-m", "policy_audit.verify", str(three.home / "log"), "--vkey", vkey]
    assert subprocess.run(alone, check=False).returncode == 0
    back = three.run("audit", "rotate-key", "--new-key", str(three.home / "file.key"))
    assert back.returncode == 0, back.stderr
    assert three.verified("--vkey", vkey) == 7


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("fails", "it ended with status 3: the token is locked"),
        ("empty", "is no signature by the key"),
        ("babbles", "is not base64 on one line"),
        ("other", "is no signature by the key"),
        ("another message", "is no signature by the key"),
    ],
)
def test_what_the_program_does_not_sign_is_not_recorded(three: Place, service: Path, mode: str, said: str) -> None:
    new = three.home / "kms.key"
    assert three.run("audit", "rotate-key", "--new-key", str(new), "--program", quoted(service)).returncode == 0
    (service / "mode").write_text(mode)
    withheld = three.evaluate("--ledger-key", str(new))
    refused(withheld, "signing-program")
    assert said in withheld.stderr.decode()
    (service / "mode").unlink()
    assert three.evaluate("--ledger-key", str(new)).returncode == 0
    assert three.verified("--ledger-key", str(new)) == 5, "the refused one left nothing"


def test_a_rotation_to_a_program_that_was_cut_short_is_repeated_by_the_same_command(
    place: Place, service: Path
) -> None:
    assert place.evaluate().returncode == 0
    new = place.home / "kms.key"
    rotate = ("--new-key", str(new), "--program", quoted(service))
    assert dying(place, KILLED_BEFORE, *rotate) == -signal.SIGKILL
    written = new.read_bytes()
    other = ("--new-key", str(new), "--program", "/usr/local/bin/other")
    refused(place.run("audit", "rotate-key", *other), "signing-key-exists")
    assert place.run("audit", "rotate-key", *rotate).returncode == 0
    assert new.read_bytes() == written
    assert place.evaluate("--ledger-key", str(new)).returncode == 0


def test_a_program_is_named_by_its_whole_path(place: Place, service: Path, tmp_path: Path) -> None:
    """Else whoever has the folder that a command is run in says what is run."""
    assert place.evaluate().returncode == 0
    ran, own = place.home / "ran", place.home / "sign"
    own.write_text(f"#!/bin/sh\ntouch '{ran}'\n")
    own.chmod(0o755)
    for name in ("./sign", "sign"):
        rotate = ("--new-key", str(place.home / "kms.key"), "--program", name)
        refused(place.run("audit", "rotate-key", *rotate), "signing-program")
    key = tmp_path / "named.key"
    key.write_text(f'policy-audit/signing-program/v1\n{generate_signer("log").verifier_key}\n["./sign"]\n')
    key.chmod(0o600)
    with pytest.raises(SigningKeyError):
        read_signer(key)
    assert not ran.exists()


def test_a_rotation_to_a_program_that_gives_no_key_leaves_nothing(three: Place, service: Path) -> None:
    new = three.home / "kms.key"
    (service / "mode").write_text("babbles")
    refused(three.run("audit", "rotate-key", "--new-key", str(new), "--program", quoted(service)), "signing-program")
    refused(three.run("audit", "rotate-key", "--new-key", str(new), "--program", "/nowhere/sign"), "signing-program")
    for wrong in ("", "'unclosed"):
        usage = three.run("audit", "rotate-key", "--new-key", str(new), "--program", wrong)
        assert usage.returncode == 2
        assert b"bad-program" in usage.stderr
    assert not new.exists()
    assert three.evaluate().returncode == 0


def test_the_public_key_comes_bare_or_as_the_service_gives_it(service: Path) -> None:
    bare, wrapped = (program_signer("log", command(service, *more)) for more in ((), ("der",)))
    assert bare.verifier_key == wrapped.verifier_key
    signature = bare.sign(b"message")
    assert parse_verifier_key(bare.verifier_key).is_signed(b"message", signature)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("/v1\n", "/v2\n"),
        lambda text: text + "\n",
        lambda text: text.rstrip("\n"),
        lambda text: text.rpartition("[")[0] + "[]\n",
        lambda text: text.rpartition("[")[0] + '["a", 1]\n',
        lambda text: text.rpartition("[")[0] + "[" * 3000 + "\n",
        lambda text: text.replace("+", "-"),
    ],
)
def test_a_file_that_names_no_program_is_no_key(tmp_path: Path, change: object) -> None:
    file = tmp_path / "key"
    key = generate_signer("log").verifier_key
    whole = f"policy-audit/signing-program/v1\n{key}\n{json.dumps(['/bin/true'])}\n"
    file.write_text(whole)
    file.chmod(0o600)
    assert read_signer(file).verifier_key == key
    file.write_text(change(whole))
    with pytest.raises(SigningKeyError, match="does not hold a signing key"):
        read_signer(file)


def test_a_file_that_others_can_write_is_not_run(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f'policy-audit/signing-program/v1\n{generate_signer("log").verifier_key}\n["/bin/true"]\n')
    file.chmod(0o622)
    with pytest.raises(SigningKeyError) as caught:
        read_signer(file)
    assert caught.value.code == "signing-key-exposed"


def test_a_program_that_hangs_is_ended_with_what_it_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("policy_audit.signing_program.SECONDS", 0.3)
    started = time.monotonic()
    with pytest.raises(SigningKeyError, match=r"not done within 0\.3 seconds"):
        program_signer("log", ["/bin/sh", "-c", "sleep 60 & wait"])
    assert time.monotonic() - started < 30
