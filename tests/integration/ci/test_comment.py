"""The comment on a pull request, against a server that answers as GitHub does."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from click import Context

from policy_engine.cli.gate import command as gate
from policy_engine.errors import UsageError
from tests.integration.ci.action_runner import Ran
from tests.integration.ci.conftest import put
from tests.wheelhouse import ROOT

BOT = "github-actions[bot]"
MARKER = "<!-- policy-gate:policy -->"
SCRIPT = runpy.run_path(str(ROOT / "integrations" / "github" / "comment.py"))
TEXT = f"{MARKER}\n## DENY\n"


@dataclass
class GitHub:
    """What the server has and hears."""

    url: str = ""
    comments: list[dict[str, Any]] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    tokens: set[str | None] = field(default_factory=set)
    refuses: int = 0

    def add(self, author: str | None, body: str | None) -> None:
        user = None if author is None else {"login": author}
        self.comments.append({"id": 1000 + len(self.comments), "user": user, "body": body})

    def answer(self, method: str, path: str, data: Any) -> tuple[int, Any]:
        place = urlsplit(path)
        self.heard.append(f"{method} {place.path}")
        if self.refuses:
            return self.refuses, {"message": "Resource not accessible by integration"}
        query = parse_qs(place.query)
        if method == "GET":
            size, page = int(query["per_page"][0]), int(query["page"][0])
            return 200, self.comments[(page - 1) * size : page * size]
        if method == "POST":
            self.add(BOT, data["body"])
            return 201, self.comments[-1]
        (found,) = [each for each in self.comments if each["id"] == int(place.path.rsplit("/", 1)[1])]
        found["body"] = data["body"]
        return 200, found


@pytest.fixture
def github() -> Iterator[GitHub]:
    hub = GitHub()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            size = int(self.headers.get("Content-Length", 0))
            data = json.loads(self.rfile.read(size)) if size else None
            hub.tokens.add(self.headers.get("Authorization"))
            status, found = hub.answer(self.command, self.path, data)
            body = found if isinstance(found, bytes) else json.dumps(found).encode()
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", f"{hub.url}/elsewhere")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = _serve  # noqa: N815 - http.server calls them so

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hub.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield hub
        server.shutdown()


def environment(github: GitHub, folder: Path, event: Any) -> dict[str, str]:
    (folder / "event.json").write_text(json.dumps(event), encoding="utf-8")
    return {
        "GITHUB_API_URL": github.url,
        "GITHUB_REPOSITORY": "acme/shop",
        "GITHUB_EVENT_PATH": str(folder / "event.json"),
        "no_proxy": "127.0.0.1",
    }


def comment(github: GitHub, folder: Path, text: str | None = TEXT, event: Any = None, **more: str) -> str:
    """Write the comment, without a text where there is none; return what is said."""
    (folder / "comment.md").write_text(text or "", encoding="utf-8")
    given = {
        "INPUT_TOKEN": "ghs_token",
        "INPUT_COMMENT_AUTHOR": BOT,
        "INPUT_COMMENT_FILE": "" if text is None else str(folder / "comment.md"),
        "INPUT_COMMENT_NAME": "policy",
        "INPUT_STATUS": "",
        **more,
    }
    env = environment(github, folder, {"pull_request": {"number": 7}} if event is None else event) | given
    command = [sys.executable, "-I", str(ROOT / "integrations" / "github" / "comment.py")]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout


def test_the_first_time_it_is_added_and_from_then_on_replaced(github: GitHub, tmp_path: Path) -> None:
    github.add("ann", "looks good")
    assert comment(github, tmp_path) == ""
    assert comment(github, tmp_path, f"{MARKER}\n## ALLOW\n") == ""
    assert [each["body"] for each in github.comments] == ["looks good", f"{MARKER}\n## ALLOW\n"]
    assert github.heard[1] == "POST /repos/acme/shop/issues/7/comments"
    assert github.heard[-1] == "PATCH /repos/acme/shop/issues/comments/1001"
    assert github.tokens == {"Bearer ghs_token"}


def test_it_is_found_behind_a_hundred_others(github: GitHub, tmp_path: Path) -> None:
    for number in range(200):
        github.add("ann", f"no {number}")
    github.add(BOT, f"{MARKER}\nold")
    comment(github, tmp_path)
    assert github.comments[-1]["body"] == TEXT
    assert len(github.comments) == 201


def test_what_somebody_else_marked_and_what_is_marked_otherwise_is_left(github: GitHub, tmp_path: Path) -> None:
    others = [("mallory", TEXT), (BOT, f"<!-- policy-gate:other -->\n{TEXT}"), (BOT, f"> {TEXT}"), (None, TEXT)]
    for author, body in [*others, (BOT, None)]:
        github.add(author, body)
    comment(github, tmp_path)
    assert [(each["user"] and each["user"]["login"], each["body"]) for each in github.comments[:4]] == others
    assert github.comments[-1] == {"id": 1005, "user": {"login": BOT}, "body": TEXT}


@pytest.mark.parametrize(
    ("refuses", "said"),
    [(403, "GitHub answered 403: the job needs the permission pull-requests: write"), (500, "GitHub answered 500")],
)
def test_a_refusal_is_a_warning(github: GitHub, tmp_path: Path, refuses: int, said: str) -> None:
    github.refuses = refuses
    assert comment(github, tmp_path) == f"::warning title=policy gate::no comment was written: {said}\n"


def test_the_token_goes_nowhere_else(github: GitHub, tmp_path: Path) -> None:
    github.refuses = 302
    assert "GitHub answered 302" in comment(github, tmp_path)
    assert not [place for place in github.heard if "elsewhere" in place]


@pytest.mark.parametrize(
    ("text", "event"),
    [(TEXT, {"push": {}}), (TEXT, {"pull_request": {"number": "7/../8"}}), ("no marker", None), ("", None)],
)
def test_without_a_pull_request_or_a_marker_nobody_is_asked(
    github: GitHub, tmp_path: Path, text: str, event: Any
) -> None:
    assert comment(github, tmp_path, text, event).startswith("::warning ")
    assert github.heard == []


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("6", "For the gate left with exit status 6. The log of the job says why."),
        ("", "For the gate did not end. The log of the job says why."),
        ("6\n@all", "For the gate did not end. The log of the job says why."),
    ],
)
def test_a_gate_without_a_text_takes_the_older_verdict_away(
    github: GitHub, tmp_path: Path, status: str, said: str
) -> None:
    github.add(BOT, TEXT)
    assert comment(github, tmp_path, None, INPUT_STATUS=status) == ""
    (written,) = github.comments
    assert written["body"] == f"{MARKER}\n\n## Policy gate: no verdict\n\n{said}\n"
    where = {"GITHUB_SERVER_URL": "https://github.example", "GITHUB_RUN_ID": "12"}
    comment(github, tmp_path, None, **where)
    assert "[log](https://github.example/acme/shop/actions/runs/12)" in github.comments[0]["body"]


@pytest.mark.parametrize(
    "name", ["gate", "a.b_c/d-e", "9", "", "-", "a-", "a--b", "-a", "a b", "a\n", "a-->", "é", "a\n-->\n@all"]
)
def test_a_comment_without_a_text_has_a_name_that_the_gate_takes(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("INPUT_COMMENT_NAME", name)
    monkeypatch.setenv("INPUT_STATUS", "2")
    if name and isinstance(refusal(name), UsageError):
        with pytest.raises(SCRIPT["CommentError"]):
            SCRIPT["failure"]()
    else:
        assert SCRIPT["failure"]().startswith(f"<!-- policy-gate:{name or 'gate'} -->\n")


def refusal(name: str) -> Exception | None:
    """Return what `policy gate` says against `--comment-name`, if anything."""
    (option,) = [each for each in gate.params if each.name == "comment_name"]
    try:
        option.process_value(Context(gate), name)
    except UsageError as error:
        return error
    return None


@pytest.mark.parametrize(
    "given", [{"subjects": "app", "attest": "true"}, {"fail_on": "never"}, {"wheelhouse": "/proc"}]
)
def test_what_fails_before_there_are_reports_is_told_and_replaces_the_comment(
    action: Callable[..., Ran], github: GitHub, tmp_path: Path, given: dict[str, str]
) -> None:
    github.add(BOT, "<!-- policy-gate:gate -->\n## all is well")
    event = environment(github, tmp_path, {"pull_request": {"number": 7}})
    ran = action(event, comment="true", **given)
    assert ran.failed
    assert len(ran.errors) == 1
    assert ran.outputs["markdown"] == ""
    (written,) = github.comments
    assert written["body"].startswith("<!-- policy-gate:gate -->\n\n## Policy gate: no verdict\n")


@pytest.mark.parametrize(
    "answer",
    [
        [{"id": 1, "user": "mallory", "body": TEXT}],
        [{"id": 1, "user": {"login": BOT}, "body": [TEXT]}],
        [{"id": None, "user": {"login": BOT}, "body": TEXT}],
        [{"id": "9/../8", "user": {"login": BOT}, "body": TEXT}],
        [{"user": {"login": BOT}}],
        ["text"],
        {"message": "no list"},
        None,
        7,
        b"[" * 200_000,
        b"\xff",
        b"",
    ],
    ids=lambda answer: str(answer)[:30],
)
def test_an_answer_that_github_does_not_give_is_a_warning_or_no_comment_of_ours(
    github: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    monkeypatch.setattr(github, "answer", lambda method, _, data: (200, answer if method == "GET" else data))
    said = comment(github, tmp_path)
    assert said.count("\n") <= 1
    assert not said or said.startswith("::warning title=policy gate::no comment was written: ")
    assert not any(place.startswith("PATCH") for place in github.heard)


@pytest.mark.parametrize("event", [[], ["pull_request"], {"pull_request": [7]}, {"pull_request": "7"}, "x", 7, None])
def test_an_event_that_github_does_not_send_is_of_no_pull_request(tmp_path: Path, event: Any) -> None:
    (tmp_path / "event.json").write_text(json.dumps(event), encoding="utf-8")
    assert SCRIPT["pull_request"](tmp_path / "event.json") is None


@pytest.mark.parametrize("event", ["[" * 200_000, "", '{"pull_request":'], ids=len)
def test_an_event_that_cannot_be_read_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], event: str
) -> None:
    (tmp_path / "event.json").write_text(event, encoding="utf-8")
    monkeypatch.setenv("GITHUB_EVENT_PATH", str(tmp_path / "event.json"))
    assert SCRIPT["main"]() == 0
    assert capsys.readouterr().out.startswith("::warning title=policy gate::no comment was written: ")


def test_a_server_that_is_gone_is_a_warning(tmp_path: Path) -> None:
    assert comment(GitHub("http://127.0.0.1:9"), tmp_path).startswith("::warning ")


@pytest.mark.slow
def test_a_denied_workload_fails_the_action_with_its_outputs_annotations_and_a_comment(
    action: Callable[..., Ran], checkout: Path, github: GitHub, tmp_path: Path
) -> None:
    put(checkout, "deny")
    event = environment(github, tmp_path, {"pull_request": {"number": 7}})
    ran = action(event, comment="true", comment_name="shop", formats="github\nsarif")
    assert ran.failed
    assert ran.statuses == {"install": 0, "gate": 1, "Comment": 0}
    assert ran.outputs["status"] == "1"
    assert ran.outputs["verdict"] == "deny"
    assert [each["verdict"] for each in json.loads(Path(ran.outputs["decisions"]).read_bytes())] == ["allow", "deny"]
    assert Path(ran.outputs["sarif"]).is_file()
    assert not ran.outputs["junit"]
    assert any("file=workloads/deny.yaml" in properties for name, properties, _ in ran.commands if name == "error")
    (written,) = github.comments
    assert written["body"] == Path(ran.outputs["markdown"]).read_text(encoding="utf-8")
    assert written["body"].startswith("<!-- policy-gate:shop -->\n")
    assert "claims/claims-notes" in written["body"]
    assert "ghs_token" not in ran.log
