"""Evidence that names files: those that came along count, and no file of the server is ever looked at."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_engine.api.multipart import read_parts
from policy_engine.errors import InputError
from tests.property.worlds import cases
from tests.serving import WORKLOAD, Server, serving

PDF = b"%PDF\r\n--not-a-boundary\r\n\x00\xff\r"
TYPE = "multipart/form-data; boundary=XX"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(f"sqlite:///{tmp_path_factory.mktemp('served') / 'ledger.db'}") as running:
        yield running


def workload(**evidence: Any) -> dict[str, Any]:
    return {**WORKLOAD, "spec": {**WORKLOAD["spec"], "evidence": evidence}}


def named(name: str, content: bytes = PDF) -> dict[str, str]:
    return {"file": name, "sha256": sha256(content).hexdigest()}


def send(server: Server, parts: list[tuple[str, Any]], **headers: str) -> Any:
    with server.client() as client:
        return client.post("/v1/decisions", files=[(name, (None, each)) for name, each in parts], headers=headers)


def test_files_that_came_along_count_and_are_gone_afterwards(server: Server) -> None:
    body = json.dumps(workload(dpa=named("papers/dpa.pdf"), security_controls=named("other.txt")))
    for _ in range(2):
        answer = send(server, [("workload", body), ("papers/dpa.pdf", PDF), ("other.txt", b"changed")])
        assert answer.status_code == 200, answer.text
        evidence = answer.json()["evidence"]
        assert evidence["dpa"] == {"grade": "attached", "problem": None, "valid_until": None}
        assert evidence["security_controls"]["problem"] == (
            "the file `other.txt` has another sha256 than the workload says"
        )
    alone = send(server, [("workload", body)]).json()["evidence"]
    assert alone["dpa"]["problem"] == "the file `papers/dpa.pdf` cannot be read: no such file or directory"
    assert server.service is not None
    kept = server.service.evaluator._sent.folder
    assert [path.relative_to(kept).as_posix() for path in kept.rglob("*")] == ["empty"]


@pytest.mark.parametrize("key", [None, "a-key"])
def test_no_body_is_taken_for_a_form_by_its_digests(server: Server, key: str | None) -> None:
    text, headers = json.dumps(WORKLOAD).encode(), {"Idempotency-Key": f"{key}-digests"} if key else {}
    assert send(server, [("workload", text), ("report.txt", PDF)], **headers).status_code == 200
    # what a digest of the form was made from, byte for byte: with a prefix, or without, of the body's own kind
    for made in (sha256(text), sha256(b"\xff" + text)):
        forged = json.dumps([made.hexdigest(), [["report.txt", sha256(PDF).hexdigest()]]])
        for kind in ("application/json", "application/yaml"):
            with server.client() as client:
                answer = client.post("/v1/decisions", content=forged, headers={"Content-Type": kind, **headers})
            assert answer.status_code in (409, 422), answer.text


@pytest.mark.parametrize(
    "name", ["/etc/hostname", "../../etc/hostname", "/dev/stdin", "/proc/self/environ", "\x00", "~"]
)
def test_no_file_of_the_server_is_evidence_or_is_told_apart_from_one_that_is_not_there(
    server: Server, name: str, tmp_path: Path
) -> None:
    there = Path(name).read_bytes() if name.startswith("/etc") else b""
    with server.client() as client:
        answers = []
        for each in (name, name.replace("hostname", "no-such-file")):
            answer = client.post("/v1/decisions", json=workload(dpa=named(each, there)))
            answers.append((answer.status_code, answer.text.replace(each, "N").count("lies outside")))
            if answer.status_code == 200:
                dpa = answer.json()["evidence"]["dpa"]
                assert dpa["grade"] == "asserted"
                assert dpa["problem"]
    assert answers[0] == answers[1]
    assert answers[0][0] in (200, 422)


def test_a_link_that_somebody_put_beside_is_followed_nowhere(server: Server, tmp_path: Path) -> None:
    assert server.service is not None
    secret = tmp_path / "secret"
    secret.write_bytes(PDF)
    link = server.service.evaluator._sent.empty / "link"
    os.symlink(secret, link)
    try:
        with server.client() as client:
            found = client.post("/v1/decisions", json=workload(dpa=named("link"))).json()["evidence"]["dpa"]
    finally:
        link.unlink()
    assert found["grade"] == "asserted"
    assert "lies outside" in found["problem"]


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ([("dpa.pdf", PDF)], "multipart"),
        ([("workload", "{}"), ("workload", "{}")], "multipart"),
        ([("workload", "{}"), ("workloads", "{}")], "multipart"),
        ([("workload", json.dumps(WORKLOAD)), ("../up", b"x")], "multipart"),
        ([("workload", json.dumps(WORKLOAD)), ("/abs", b"x")], "multipart"),
        ([("workload", json.dumps(WORKLOAD)), ("a", b"x"), ("a/b", b"x")], "multipart"),
        ([("workload", json.dumps(WORKLOAD)), ("n" * 201, b"x")], "multipart"),
        ([("workload", json.dumps(WORKLOAD)), *((f"f{n}", b"x") for n in range(100))], "multipart"),
        ([("workload", json.dumps(WORKLOAD)), ("big", bytes(1 << 20))], "body-too-large"),
    ],
)
def test_what_is_not_of_the_form_is_refused_as_a_whole(server: Server, parts: list[Any], code: str) -> None:
    answer = send(server, parts)
    assert answer.json()["code"] == code
    assert answer.status_code == (413 if code == "body-too-large" else 422)


def test_who_cleans_temporary_files_takes_nothing_from_requests(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert server.service is not None
    body = json.dumps(workload(dpa=named("dpa.pdf")))
    sent = server.service.evaluator._sent
    before = sent.folder
    shutil.rmtree(before)
    (tmp_path / "dpa.pdf").write_bytes(PDF)
    before.mkdir(mode=0o777)
    (before / "empty").symlink_to(tmp_path)  # somebody else takes the name that is free now
    with server.client() as client:
        alone = client.post("/v1/decisions", json=workload(dpa=named("dpa.pdf"))).json()["evidence"]["dpa"]
    assert alone["grade"] == "asserted"
    assert send(server, [("workload", body), ("dpa.pdf", PDF)]).json()["evidence"]["dpa"]["grade"] == "attached"
    assert sent.folder != before
    long = send(server, [("workload", body), ("\u00e9" * 180, PDF)])
    assert (long.status_code, long.json()["code"]) == (422, "multipart")

    def full(self: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    refused = send(server, [("workload", body), ("other.pdf", PDF)])
    assert (refused.status_code, refused.json()["code"]) == (503, "temporary-files")
    assert [each.name for each in sent.folder.iterdir()] == ["empty"]


def test_a_page_of_another_site_sends_no_form(server: Server) -> None:
    parts = [("workload", json.dumps(WORKLOAD))]
    assert send(server, parts).status_code == 200
    answer = send(server, parts, Origin="https://evil.example")
    assert (answer.status_code, answer.json()["code"]) == (403, "cross-site")


def _body(*parts: tuple[str, bytes]) -> bytes:
    made = [
        b'--XX\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (n.encode(), content)
        for n, content in parts
    ]
    return b"".join(made) + b"--XX--\r\n"


@cases(60)
@given(st.binary(max_size=60).filter(lambda each: b"\r\n--XX" not in each))
def test_contents_are_taken_byte_for_byte(content: bytes) -> None:
    assert read_parts(TYPE, _body(("workload", content), ("f", content))) == (content, {"f": content})


@cases(100)
@given(st.binary(max_size=80), st.integers(0, 200), st.integers(0, 4))
def test_no_body_does_more_than_be_refused(junk: bytes, place: int, cut: int) -> None:
    whole = _body(("workload", b"{}"), ("f", b"x"))
    for body in (junk, whole[:place] + junk + whole[place + cut :]):
        found: list[Any] = []
        with suppress(InputError):
            found = list(read_parts(TYPE, body))
        assert not found or isinstance(found[0], bytes)


def _form(header: str) -> bytes:
    whole = _body(("workload", b"{}"))
    return whole.replace(b"--XX--", b"--XX\r\n" + header.encode("latin-1") + b"\r\n\r\nz\r\n--XX--")


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('form-data; name="a.pdf"', "a.pdf"),
        ("form-data; name=a.pdf", "a.pdf"),
        ('Form-Data ; NAME="a.pdf" ; filename="x;y\\\\"; filename*=UTF-8\'\'x', "a.pdf"),
        ('form-data; name="a%22b.pdf"', 'a"b.pdf'),
        ('form-data; name="a\\"b.pdf"', 'a"b.pdf'),
        ('form-data; name="\u00c3\u00a9;=.pdf"', "\u00e9;=.pdf"),
        ('form-data; name="100%.pdf"', "100%.pdf"),
        ('form-data; name="dpa.pdf"junk.exe"', None),
        ('form-data; name="dpa.pdf" junk.exe', None),
        ('form-data; name="dpa.pdf', None),
        ('form-data; name="a"; name="b"', None),
        ("form-data; name=\"a\"; name*=utf-8''b", None),
        ("form-data(; name*0*=utf-8''%41; name*=utf-8''a", None),
        ("form-data*; name*0*=\"'", None),
        ('form-data; name="a\xff.pdf"', None),
        ('form-data; name="a%0D%0A.pdf"', None),
        ('form-data;\r\n name="a.pdf"', None),
        ('form-data; name="a"\r\nContent-Disposition: form-data; name="b"', None),
        ('form-data; name="a"\r\nContent-Transfer-Encoding: base64', None),
        ('form-data; name="a"\r\nno header', None),
        ('form-data; name="workload"', None),
    ],
)
def test_a_parts_name_is_what_its_header_says_or_the_form_is_refused(header: str, name: str | None) -> None:
    body = _form(f"Content-Disposition: {header}")
    if name is not None:
        assert read_parts(TYPE, body) == (b"{}", {name: b"z"})
        return
    with pytest.raises(InputError):
        read_parts(TYPE, body)


PIECES = (
    *(
        "form-data",
        "name",
        "=",
        '"',
        "\\",
        "'",
        "*",
        "*0",
        "*0*",
        ";",
        " ",
        "\t",
        "\r\n",
        "\r",
        "\n",
        "\0",
        "\xff",
        "(",
        ")",
    ),
    *(
        "%41",
        "%22",
        "utf-8''",
        "=?utf-8?b?a",
        "boundary",
        "XX",
        "multipart/form-data",
        "; name=workload",
        "\xc3\xa9",
        "/",
    ),
)
HEADERS = st.lists(st.sampled_from(PIECES) | st.text(st.characters(max_codepoint=255), max_size=3), max_size=8).map(
    "".join
)


@cases(300)
@given(HEADERS, HEADERS)
def test_no_header_does_more_than_be_refused(kind: str, header: str) -> None:
    for content_type, disposition in (
        (TYPE, f"Content-Disposition: form-data{header}"),
        (TYPE, header),
        (f"multipart/form-data; {kind}", 'Content-Disposition: form-data; name="a"'),
    ):
        with suppress(InputError):
            found, files = read_parts(content_type, _form(disposition))
            assert found == b"{}"
            assert all(name and name.isprintable() and content == b"z" for name, content in files.items())


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json; charset=UTF-8", 200),
        ('application/json;charset="utf-8";', 200),
        ("application/json; profile=x", 200),
        ("application/json; charset=utf-16", 415),
        ("application/yaml; charset=latin-1", 415),
        ("application/json; charset", 415),
        ("multipart/form-data; name=workload;form-data*", 415),
        ("multipart/form-data; boundary=XX; charset=utf-16", 415),
        ("multipart/form-data; boundary*0*=utf-8''XX", 422),
    ],
)
def test_a_body_of_another_charset_is_of_another_kind(server: Server, kind: str, status: int) -> None:
    with server.client() as client:
        answer = client.post("/v1/decisions", content=json.dumps(WORKLOAD), headers={"Content-Type": kind})
        assert answer.status_code == status, answer.text


@pytest.mark.parametrize(
    "given_type", ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=é"]
)
def test_a_body_without_a_boundary_is_refused(given_type: str) -> None:
    with pytest.raises(InputError, match="boundary"):
        read_parts(given_type, _body(("workload", b"{}")))
