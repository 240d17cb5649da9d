"""The rules, as the supervisor loads them: at the start, when it is told to, and when it sees that they changed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING

from msgspec.structs import replace

from policy_engine.errors import PolicyError, Problem, RulesError, UsageError
from policy_engine.service.rules_folder import RulesFolder, Standing, failed
from policy_engine.serving.saying import Say, problem_text

if TYPE_CHECKING:
    from policy_engine.service.settings import Settings


#: A reload that takes longer is said to: a folder of the network that does not answer is waited for without end.
LATE_SECONDS = 10.0


class Reloader:
    """Reads the layers whole, checks them, and only then has the workers take them.

    A thread does the work, so that workers are looked after meanwhile.
    """

    def __init__(self, settings: Settings, say: Say) -> None:
        assert settings.rules is not None  # noqa: S101 - the supervisor made it
        self._settings, self._say, self._folder = settings, say, RulesFolder(settings.rules)
        self._standing: Standing | None = None
        self._files: tuple[bytes, ...] = ()
        self._tried = self._seen = b""
        #: The reload under way that nothing is published of; and whether it was said that one is late.
        self._under_way: object | None = None
        self._late = False
        self._asked, self._ended = threading.Event(), threading.Event()
        self._writing = threading.Lock()
        self._thread: threading.Thread | None = None

    def load(self) -> str:
        """Load the rules for the first time; return the policy's digest.

        Raises:
            PolicyError: they are invalid, or cannot be put where the workers find them.
        """
        given = self._given()
        standing = self._read(given)
        self._publish(standing)
        self._tried = self._seen = _fingerprint(given)
        return standing.policy

    def _given(self) -> tuple[bytes, bytes]:
        """Return layers and pinned keys, as they stand there."""
        from policy_engine.loading.layer_copies import packed
        from policy_engine.loading.layers import read_layers

        keys = b""
        if self._settings.oidc is not None:
            from policy_engine.access.oidc import Verifier
            from policy_engine.loading.yaml_source import read_bytes

            Verifier(self._settings.oidc)  # says what is wrong with them, and where
            keys = read_bytes(self._settings.oidc.keys, UsageError)
        return packed(read_layers(self._settings.layers)), keys

    def _read(self, given: tuple[bytes, bytes]) -> Standing:
        from policy_engine.loading.layer_copies import unpacked
        from policy_engine.loading.policy import policy_of

        layers, keys = given
        policy = policy_of(unpacked(layers), self._settings.policy_digest)
        self._put(layers, *([keys] if keys else []))
        name = sha256(keys).hexdigest() if keys else None
        return Standing(policy.digest, _now(), sha256(layers).hexdigest(), name)

    def _put(self, *files: bytes) -> None:
        try:
            for content in files:
                self._folder.put(content)
        except OSError as error:
            raise _unwritable(error) from error
        self._files = files

    def _publish(self, standing: Standing) -> None:
        with self._writing:
            try:
                self._folder.publish(standing)
            except OSError as error:
                raise _unwritable(error) from error
            self._standing = standing
            self._under_way, self._late = None, False

    def keep(self) -> None:
        """Put back what was cleaned away, before a worker starts that needs it.

        Raises:
            OSError: it cannot be written.
        """
        with self._writing:
            standing = self._standing
            if standing is None or all(self._folder.path(each).exists() for each in standing.files()):
                return
            self._folder.path("").mkdir(mode=0o700, parents=True, exist_ok=True)
            for content in self._files:
                self._folder.put(content)
            self._folder.publish(standing)

    def start(self) -> None:
        """Reload from now on whenever it is asked for."""
        self._thread = threading.Thread(target=self._run, name="reload", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; a reload that is under way comes into force or not, and nobody waits for it."""
        self._ended.set()
        self._asked.set()

    def ask(self) -> None:
        """Ask for a reload."""
        self._asked.set()

    def _run(self) -> None:
        seconds = self._settings.reload_seconds or None
        while not self._ended.is_set():
            asked = self._asked.wait(seconds)
            self._asked.clear()
            if self._ended.is_set():
                return
            try:
                self.reload(asked=asked)
            except Exception as error:  # noqa: BLE001 - the old rules stay, and the next reload is tried
                text = f"the reload failed: {type(error).__name__}"
                self._refuse(RulesError(Problem("reload", text, help="look at the rules with `policy lint`")), True)

    def reload(self, *, asked: bool = True) -> None:
        """Read the rules again. Not `asked`: only if they are others, and the same at two looks."""
        with self._watched():
            self._reload(asked)

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Say so where the block takes long, and have the workers say it, until a reload comes to its end."""
        self._under_way = this = object()
        timer = threading.Timer(LATE_SECONDS, self._say_late, [this])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            with self._writing:
                self._under_way = None

    def _say_late(self, this: object) -> None:
        with self._writing:
            before = self._standing
            if self._under_way is not this or before is None:
                return
            self._late = True
            text = f"the rules are still not read after {LATE_SECONDS:g} seconds"
            hint = "do all folders of --policy answer? a reload that comes to its end counts, however late"
            problem = Problem("reload-late", text, help=hint)
            standing = failed(before, [problem], _now())
            with suppress(OSError):  # the line is written all the same
                self._folder.publish(standing)
                self._standing = standing
        self._say("error", "reload late", policy=before.policy, in_force="the rules loaded before")
        self._say("error", "rules refused", message=problem_text(problem))

    def _reload(self, asked: bool) -> None:
        given: tuple[bytes, bytes] | PolicyError
        try:
            given = self._given()
            found = _fingerprint(given)
        except PolicyError as error:
            given, found = error, str(error).encode()
        settled, self._seen = found == self._seen, found
        # after a late one what is said of the rules has to be put right, though they may be as they were
        if not asked and ((found == self._tried and not self._late) or not settled):
            return
        self._tried = found
        try:
            if isinstance(given, PolicyError):
                raise given
            self._take(self._read(given))
        except PolicyError as error:
            self._refuse(error, asked)

    def _take(self, standing: Standing) -> None:
        before = self._standing
        assert before is not None  # noqa: S101 - `load` comes first
        if (before.layers, before.keys) == (standing.layers, standing.keys):
            standing = replace(before, failed=None)
        self._publish(standing)
        keys = {} if standing.keys is None else {"keys_changed": before.keys != standing.keys}
        self._say("info", "rules reloaded", policy=standing.policy, changed=before.policy != standing.policy, **keys)

    def _refuse(self, error: PolicyError, asked: bool) -> None:
        before = self._standing
        assert before is not None  # noqa: S101 - `load` comes first
        standing = failed(before, error.problems, _now())
        known = before.failed is not None and standing.failed == before.failed
        if not known:
            try:
                self._publish(standing)
            except PolicyError as full:
                error = full
        if asked or not known:
            self._say("error", "reload failed", policy=before.policy, in_force="the rules loaded before")
            for problem in error.problems:
                self._say("error", "rules refused", message=problem_text(problem))


def _unwritable(error: OSError) -> PolicyError:
    message = f"the rules cannot be put where the workers find them: {(error.strerror or str(error)).lower()}"
    return UsageError(Problem("state-folder", message, help="make room, or name another folder with `--state`"))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _fingerprint(given: tuple[bytes, bytes]) -> bytes:
    return b"".join(sha256(each).digest() for each in given)
