"""Keys in PEM, as openssl and `cryptography` write them, beside our own."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization as forms
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from policy_audit.dsse import open_envelope, parse_envelope, sign_envelope
from policy_audit.errors import SigningKeyError, VerificationError
from policy_audit.keys import COSIGNATURE, generate_signer, key_id, parse_verifier_key, write_key_file, write_key_text
from policy_audit.pem import parse_public_key, read_any_signer

PEM, PKCS8 = forms.Encoding.PEM, forms.PrivateFormat.PKCS8


def private(key: Ed25519PrivateKey, password: bytes | None = None) -> str:
    hidden = forms.BestAvailableEncryption(password) if password else forms.NoEncryption()
    return key.private_bytes(PEM, PKCS8, hidden).decode()


def public(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes(PEM, forms.PublicFormat.SubjectPublicKeyInfo).decode()


def test_a_key_in_pem_signs_and_its_public_half_verifies(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    write_key_text(tmp_path / "key.pem", private(key))
    line = sign_envelope(b"{}", read_any_signer(tmp_path / "key.pem"))
    assert parse_public_key(public(key)) == key.public_key().public_bytes_raw()
    assert open_envelope(parse_envelope(line.encode()), [parse_public_key(public(key))])


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl")
def test_keys_of_openssl(tmp_path: Path) -> None:
    made = tmp_path / "key.pem"
    done = subprocess.run(
        ["openssl", "genpkey", "-algorithm", "ed25519"], capture_output=True, text=True, check=True
    ).stdout
    write_key_text(made, done)
    shown = subprocess.run(
        ["openssl", "pkey", "-in", str(made), "-pubout"], capture_output=True, text=True, check=True
    ).stdout
    signer = read_any_signer(made)
    assert parse_public_key(shown) == parse_verifier_key(signer.verifier_key).public


def test_keys_of_ours(tmp_path: Path) -> None:
    signer = generate_signer("mine")
    write_key_file(tmp_path / "mine.key", signer)
    assert read_any_signer(tmp_path / "mine.key").verifier_key == signer.verifier_key
    for text in (signer.verifier_key, f"{signer.verifier_key}\n"):
        assert parse_public_key(text) == parse_verifier_key(signer.verifier_key).public


def test_other_keys_are_refused_without_a_word_of_them(tmp_path: Path) -> None:
    mine, other = Ed25519PrivateKey.generate(), generate_private_key(SECP256R1())
    wrong = {
        "encrypted": private(mine, b"secret"),
        "not an Ed25519 key": other.private_bytes(PEM, PKCS8, forms.NoEncryption()).decode(),
        "does not hold a signing key": private(mine).replace("MC4C", "MC4D"),
        "does not hold": public(mine),
        "hold a signing key": "PRIVATE+KEY+x",
    }
    for number, (message, text) in enumerate(wrong.items()):
        path = tmp_path / f"{number}.pem"
        write_key_text(path, text)
        with pytest.raises(SigningKeyError, match=message) as error:
            read_any_signer(path)
        assert text.splitlines()[-2 if "BEGIN" in text else 0] not in str(error.value)
    exposed = tmp_path / "exposed.pem"
    exposed.write_text(private(mine), encoding="utf-8")
    exposed.chmod(0o644)
    with pytest.raises(SigningKeyError, match="others than its owner"):
        read_any_signer(exposed)
    with pytest.raises(SigningKeyError, match="is missing"):
        read_any_signer(tmp_path / "none")


def test_what_is_no_public_key_is_refused() -> None:
    mine, other = Ed25519PrivateKey.generate(), generate_private_key(SECP256R1())
    of_other = other.public_key().public_bytes(PEM, forms.PublicFormat.SubjectPublicKeyInfo).decode()
    raw = mine.public_key().public_bytes_raw()
    line = base64.b64encode(COSIGNATURE + raw).decode()
    witness = f"w.example/w+{key_id('w.example/w', raw, COSIGNATURE).hex()}+{line}"
    assert parse_verifier_key(witness).public == raw
    for text in (witness, private(mine), of_other, "", "x", generate_signer("x").signer_key, public(mine)[:60]):
        with pytest.raises(VerificationError):
            parse_public_key(text)
