"""The rules that a worker decides under: what its supervisor read and checked, or without one what the layers hold."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from policy_engine.errors import Problem, RulesError
from policy_engine.service.rules_folder import Failed, RulesFolder, Standing
from policy_engine.service.settings import Settings

if TYPE_CHECKING:
    from policy_engine.access.oidc import Verifier
    from policy_engine.loading.policy import Policy

#: So often a worker looks whether other rules are in force, in seconds.
LOOK_SECONDS = 0.25
_TRIES = 5


class RulesInForce:
    """Policy and pinned keys of one worker, replaced together; safe to read in several threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder = RulesFolder(settings.rules) if settings.rules is not None else None
        self._stamp: tuple[int, int] | None = None
        self._held: tuple[Policy, Verifier | None] | None = None
        self._standing: Standing | None = None
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        #: Called, in the thread that looks, after other rules came into force.
        self.changed: Callable[[], None] = lambda: None
        #: Called with `loaded` or `failed` after a reload.
        self.reloaded: Callable[[str], None] = lambda _: None

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        assert self._held is not None  # noqa: S101 - `load` comes first
        return self._held[0]

    @property
    def known_policy(self) -> Policy | None:
        """The policy in force; None before it is loaded."""
        return self._held[0] if self._held is not None else None

    @property
    def oidc(self) -> Verifier | None:
        """What verifies access tokens of an issuer; None where nobody's count."""
        return self._held[1] if self._held is not None else None

    @property
    def failed(self) -> Failed | None:
        """The reload that failed; None where the rules in force are those that were given last."""
        return self._standing.failed if self._standing is not None else None

    @property
    def loaded_at(self) -> str | None:
        """Since when this server has the rules in force; None without a supervisor."""
        return self._standing.loaded_at if self._standing is not None else None

    def load(self) -> None:
        """Load what is in force now.

        Raises:
            RulesError: it is invalid, or cannot be read.
        """
        if self._folder is None:
            from policy_engine.loading.policy import load_policy

            verifier = _verifier(self._settings)
            self._held = load_policy(self._settings.layers, self._settings.policy_digest), verifier
            return
        for left in range(_TRIES - 1, -1, -1):
            try:
                self._take(self._folder)
            except OSError as error:  # replaced twice while it was read
                if not left:
                    message = f"cannot read the rules of the supervisor: {(error.strerror or str(error)).lower()}"
                    raise RulesError(Problem("rules-unreadable", message, help="restart the server")) from error
            else:
                return

    def _take(self, folder: RulesFolder) -> None:
        from policy_engine.loading.layer_copies import unpacked
        from policy_engine.loading.policy import policy_of

        stamp = folder.stamp()
        standing = folder.read()
        if stamp is None or standing is None:
            raise OSError("nothing is in force")
        before = self._standing
        if before is None or (before.layers, before.keys) != (standing.layers, standing.keys):
            settings = self._settings
            if settings.oidc is not None and standing.keys is not None:
                settings = replace(settings, oidc=replace(settings.oidc, keys=folder.path(standing.keys)))
            policy = policy_of(unpacked(folder.file(standing.layers)), settings.policy_digest)
            # one assignment, so that nobody sees the policy of one moment with the keys of another
            self._held = policy, _verifier(settings)
        self._standing, self._stamp = standing, stamp

    def follow(self) -> None:
        """Take what comes into force from now on."""
        if self._folder is None:
            return
        self._thread = threading.Thread(target=self._look, args=(self._folder,), name="rules", daemon=True)
        self._thread.start()

    def _look(self, folder: RulesFolder) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            stamp = folder.stamp()
            if stamp is None or stamp == self._stamp:
                continue
            before = self._held
            try:
                self._take(folder)
            except (OSError, ValueError, RulesError):
                continue  # it was checked before it was put there: tried again, with what is in force until then
            self.reloaded("loaded" if self.failed is None else "failed")
            if self._held is not before:
                self.changed()

    def stop(self) -> None:
        """Look no more."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()


def _verifier(settings: Settings) -> Verifier | None:
    if settings.oidc is None:
        return None
    from policy_engine.access.oidc import Verifier

    return Verifier(settings.oidc)
