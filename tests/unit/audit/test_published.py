"""Notes, checkpoints and proofs that others published, letter for letter, and what their specifications demand."""

from __future__ import annotations

import base64

import pytest
from policy_audit.checkpoint import Checkpoint, format_checkpoint, open_checkpoint, parse_checkpoint, sign_checkpoint
from policy_audit.errors import VerificationError
from policy_audit.keys import Ed25519Signer, generate_signer, parse_verifier_key
from policy_audit.merkle import leaf_hash
from policy_audit.note import open_note, split_note
from policy_audit.proof import parse_proof

#: The key of the Go checksum database, as the Go command pins it, and a tree that it signed (transparency-dev/formats).
SUMDB = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
SUMDB_TREE = (
    "go.sum database tree\n6476701\nmb8QLQIs0Z0yP5Cstq6guj87oXWeC9gEM8oVikmm9Wk=\n\n"
    "— sum.golang.org Az3grsLX85Gz+s1SiTbgkuqxgItqFq7gsMUEyVnrsa9LM7Us9S+1xbFIGu95949rj4nPRYfvimWEPWL+o3GeoWwOoAw=\n"
)
#: A later one, which a witness (another key type, unknown here) has signed as well.
SUMDB_WITNESSED = (
    "go.sum database tree\n15067302\ngJyioq6dwR9n+NjEWORfYmH+ubeYm3kH42BBQ0bTpYI=\n\n"
    "— sum.golang.org Az3grp1rvWOs5NKlr/xR4GLN/CDyzzakmt1o61uSxYKpK1SerqOP2ClbX/peKUZjYnyomH5Xz7GZG3TpB7OeKn4E2ww=\n"
    "— test.example.com qTGhC/xIPQ0AXKHK6Y+9ypRfuvMZWPjRXM8NiOg5M1WREn07VQXyuIXM3NRNav3ieVFLUqDRK77PWDmL6w8w84UqeAw=\n"
)
#: The examples of C2SP signed-note and tlog-checkpoint, whose keys are not published.
POEM = (
    "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n"
    "— quasimodo.example/salvatore "
    "NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n"
)
SOFA = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa "
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
)
#: The example of C2SP tlog-proof; the specification cuts its signatures and its extra data short.
PROOF = """\
c2sp.org/tlog-proof@v1
index 73894
gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=
B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=
EKNzoDWG8LGC0Yp9o+sv3qllpMP9uHQ9B20KNL+Q1zs=
RoopEkOdqkYqMB4MJXrbt/hMjOxsVn0IrWjpz1ZMMes=
AHCioX9nLjsrse6YhjRRmk1WUEirVOLLRoOQ6vfO5vk=

example.com/fancylog
109482
sFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=

— example.com/fancylog hI2DJw[...]1roloI=
"""


@pytest.mark.parametrize(("note", "size"), [(SUMDB_TREE, 6476701), (SUMDB_WITNESSED, 15067302)])
def test_the_checksum_database_of_go_verifies_by_its_pinned_key(note: str, size: int) -> None:
    assert open_note(note, [SUMDB])[1] == ["sum.golang.org"]
    assert open_checkpoint(note, [SUMDB], "go.sum database tree", "sum.golang.org").size == size
    with pytest.raises(VerificationError, match="bad"):
        open_note(note.replace(str(size), str(size + 1)), [SUMDB])
    with pytest.raises(VerificationError, match="has not signed"):
        open_checkpoint(note, [SUMDB], "go.sum database tree")


def test_the_tree_note_of_go_is_read_and_written() -> None:
    text = "go.sum database tree\n123456789012\nTszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=\n"
    checkpoint = parse_checkpoint(text)
    assert checkpoint == Checkpoint("go.sum database tree", 123456789012, leaf_hash(b"hello world"))
    assert format_checkpoint(checkpoint) == text
    for bad in (text.replace("123456789012", "0xabcdef"), text.replace("uwBb0=", "uwBTOOBIG=")):
        with pytest.raises(VerificationError):
            parse_checkpoint(bad)
    # extension lines are opaque, and end with a newline as all lines do
    assert parse_checkpoint(text + "JOE\n" * 1000) == checkpoint
    with pytest.raises(VerificationError):
        parse_checkpoint(text + "JOE")


def test_the_examples_of_signed_note_and_tlog_checkpoint_are_split() -> None:
    text, signatures = split_note(POEM)
    assert text.endswith("di sole:\n\ned è subito sera.\n")
    assert [(s.name, s.key_id.hex(), len(s.signature)) for s in signatures] == [
        ("quasimodo.example/salvatore", "367ba04b", 64)
    ]
    assert parse_checkpoint(SOFA).size == 20852163
    assert split_note(SOFA)[1][0].key_id.hex() == "033de0ae"


def test_the_example_of_tlog_proof_is_read_once_its_signature_is_whole() -> None:
    with pytest.raises(VerificationError):
        parse_proof(PROOF)
    proof = parse_proof(PROOF.replace("hI2DJw[...]1roloI=", "hI2DJw" + "A" * 84 + "roloI="[-6:]))
    assert (proof.index, len(proof.hashes), proof.extra) == (73894, 5, None)
    assert parse_checkpoint(proof.checkpoint).size == 109482


LOG = Ed25519Signer("log.example", bytes(32))
NOTE = sign_checkpoint(Checkpoint("log.example", 1, bytes(32)), LOG)


def _line(name: str, key_id: bytes, signature: bytes) -> str:
    return f"— {name} {base64.b64encode(key_id + signature).decode()}\n"


@pytest.mark.parametrize(
    "line",
    [
        _line(
            "log.example", b"\x00\x01\x02\x03", b"x"
        ),  # the log's name with another id: another type, or a rotated key
        _line("log.example", generate_signer("log.example").key_id, bytes(64)),
        _line("other.example", LOG.key_id, bytes(64)),  # the log's id with another name
        _line("w" * 300, b"abcd", bytes(8 + 64)),  # a cosignature/v1, and a name longer than ours may be
        _line("pq.example", b"abcd", bytes(5000)),  # a post-quantum signature
        _line("log.example/é", b"abcd", bytes(64)),
    ],
)
def test_signatures_of_keys_that_are_not_known_are_ignored(line: str) -> None:
    text, _, block = NOTE.partition("\n\n")
    for note in (NOTE + line, f"{text}\n\n{line}{block}", NOTE + line * 15):
        assert open_checkpoint(note, [LOG.verifier_key], "log.example").size == 1
    with pytest.raises(VerificationError, match="known key"):
        open_note(f"{text}\n\n{line}", [LOG.verifier_key])


@pytest.mark.parametrize("kind", [0, 2, 3, 5, 6, 0xFA, 0xFF])
def test_verifier_keys_of_other_types_are_refused_and_never_taken_for_ed25519(kind: int) -> None:
    public = base64.b64decode(LOG.verifier_key.rpartition("+")[2])
    name, identifier, _ = LOG.verifier_key.split("+", 2)
    encoded = base64.b64encode(bytes([kind]) + public[1:]).decode()
    with pytest.raises(VerificationError, match="type"):
        parse_verifier_key(f"{name}+{identifier}+{encoded}")


@pytest.mark.parametrize(
    "text",
    [
        "log\x00.example\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "log\t\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "log\ud800\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "log\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nextension\r\n",
        "log\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n" + "x" * 1_000_001 + "\n",
    ],
    ids=lambda text: ascii(text[:12]),
)
def test_a_checkpoints_text_is_a_notes_text(text: str) -> None:
    with pytest.raises(VerificationError):
        parse_checkpoint(text)


@pytest.mark.parametrize("size", [-1, 2**63, True, 1.0, "1"])
def test_sizes_that_are_none_are_not_written(size: int) -> None:
    with pytest.raises(VerificationError):
        format_checkpoint(Checkpoint("log", size, bytes(32)))
