"""The step of action.yml that keeps one comment on a pull request: it is found again by the marker in its first line.

What goes wrong is a warning: the verdict is the gate's, and a comment that cannot be written changes nothing about it.
"""

from __future__ import annotations

import json
import os
import re
import sys
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

_MARKER = re.compile(r"<!-- policy-gate:[^<>\r\n]* -->")
#: As `--comment-name` takes it: nothing that an end of a comment in HTML could be made of.
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/]|-(?!-|\Z))*")
_PAGE, _MOST_PAGES, _SECONDS = 100, 50, 30.0


class CommentError(Exception):
    """The comment was not written, and why."""


class _NoRedirects(HTTPRedirectHandler):
    """A redirect would carry the token to somewhere else."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Comments:
    """The comments of a pull request, in GitHub's API."""

    def __init__(self, api: str, repository: str, number: int, token: str) -> None:
        self._base, self._number, self._token = f"{api.rstrip('/')}/repos/{repository}/issues", number, token
        self._opener = build_opener(_NoRedirects)

    def find(self, marker: str, author: str) -> int | None:
        """Return the id of the author's comment that begins with the marker; anybody could write the marker."""
        for page in range(1, _MOST_PAGES + 1):
            found = self._ask("GET", f"/{self._number}/comments?per_page={_PAGE}&page={page}")
            if not isinstance(found, list):
                raise CommentError("GitHub answered with something else than comments")
            for each in found:
                match each:
                    case {"id": int(known), "user": {"login": str(login)}, "body": str(body)}:
                        if login == author and body.startswith(marker):
                            return known
            if len(found) < _PAGE:
                return None
        raise CommentError(f"the pull request has more than {_PAGE * _MOST_PAGES:,} comments")

    def write(self, known: int | None, body: str) -> None:
        """Replace the comment `known`, or add one."""
        method, place = ("POST", f"/{self._number}/comments") if known is None else ("PATCH", f"/comments/{known}")
        self._ask(method, place, {"body": body})

    def _ask(self, method: str, place: str, data: Any = None) -> Any:
        headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {self._token}",
            "Content-Type": "application/json",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        body = None if data is None else json.dumps(data).encode()
        request = Request(self._base + place, body, headers, method=method)  # noqa: S310 - the runner says where
        try:
            with self._opener.open(request, timeout=_SECONDS) as answer:
                return json.load(answer)
        except HTTPError as error:
            hint = ": the job needs the permission pull-requests: write" if error.code in (401, 403, 404) else ""
            raise CommentError(f"GitHub answered {error.code}{hint}") from None
        except (OSError, ValueError, HTTPException) as error:
            raise CommentError(f"GitHub cannot be asked: {error}") from None


def pull_request(event: Path) -> int | None:
    """Return the number of the pull request that the job runs for."""
    match json.loads(event.read_text(encoding="utf-8")):
        case {"pull_request": {"number": int(number)}}:
            return number
    return None


def failure() -> str:
    """Return the text for a gate that left none: a comment with an older verdict would stand on.

    Raises:
        CommentError: no comment can have this name.
    """
    env = os.environ
    name, status = env["INPUT_COMMENT_NAME"] or "gate", env["INPUT_STATUS"]
    if not _NAME.fullmatch(name):
        raise CommentError("the input comment-name is none that a comment can have")
    said = f"the gate left with exit status {status}" if re.fullmatch(r"\d", status) else "the gate did not end"
    parts = [env.get(f"GITHUB_{part}", "") for part in ("SERVER_URL", "REPOSITORY", "RUN_ID")]
    log = f"[log]({parts[0]}/{parts[1]}/actions/runs/{parts[2]})" if all(parts) else "log"
    return f"<!-- policy-gate:{name} -->\n\n## Policy gate: no verdict\n\nFor {said}. The {log} of the job says why.\n"


def comment() -> None:
    """Write the comment.

    Raises:
        CommentError: it could not be.
    """
    env = os.environ
    number = pull_request(Path(env["GITHUB_EVENT_PATH"]))
    if number is None:
        raise CommentError("the job runs for no pull request")
    file = env["INPUT_COMMENT_FILE"]
    body = Path(file).read_text(encoding="utf-8") if file else failure()
    marker = body.partition("\n")[0].rstrip()
    if not _MARKER.fullmatch(marker):
        raise CommentError("the text has no marker by which to find it again")
    comments = Comments(env["GITHUB_API_URL"], env["GITHUB_REPOSITORY"], number, env["INPUT_TOKEN"])
    comments.write(comments.find(marker, env["INPUT_COMMENT_AUTHOR"]), body)


def main() -> int:
    """Write the comment, or say why not."""
    try:
        comment()
    except Exception as error:  # noqa: BLE001 - whatever GitHub answers, the verdict is the gate's
        said = str(error) if isinstance(error, CommentError) else f"{type(error).__name__}: {error}"
        said = said.encode("ascii", "backslashreplace").decode()
        text = said.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
        print(f"::warning title=policy gate::no comment was written: {text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
