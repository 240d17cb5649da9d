"""What the effective policy has that the policy of a recorded decision had not, or had otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from typing import Any

from msgspec import Struct

from policy_engine.impact.sides import document_of
from policy_engine.impact.structure import Differing, differing_documents
from policy_engine.loading.policy import Policy
from policy_engine.recorded import read_json
from policy_engine.replay import NotReplayableError

#: The documents that make a policy, by the role that an entry has them in.
PARTS = ("rules", "catalog", "layers")
#: Returns a document of this role and digest.
Document = Callable[[str, str], bytes]
_CATALOG = "catalog "


class Older(Struct, frozen=True):
    """A policy that decisions were made under: its digests by role, and what differs in the effective one.

    `parts` are the roles whose digests are others now. `problem` says why its documents do not tell what differs, and
    `tampered` that it is the ledger's fault.
    """

    digests: tuple[tuple[str, str], ...]
    parts: frozenset[str]
    written: tuple[Differing, ...] = ()
    layers: tuple[str, ...] = ()
    problem: str | None = None
    tampered: bool = False

    def of(self, section: str) -> list[Differing]:
        """Return what differs in a section: `parameters`, `catalog` (all its sections), or `rules` (all others)."""
        return [each for each in self.written if _section(each) == section]


def _section(each: Differing) -> str:
    if each.section.startswith(_CATALOG):
        return "catalog"
    return "parameters" if each.section == "parameters" else "rules"


class Policies:
    """The effective policy, and how each older one that decisions name differs from it: each is compared once."""

    def __init__(self, policy: Policy, document: Document) -> None:
        self.policy = policy
        self._document = document
        self._now = document_of(policy)
        self._layers = _layers(read_json(policy.layers_document))
        self.digests = {
            "rules": policy.digest,
            "catalog": policy.catalog.digest,
            "layers": f"sha256:{sha256(policy.layers_document).hexdigest()}",
        }
        self._known: dict[tuple[tuple[str, str], ...], Older] = {}
        self.decisions: Counter[tuple[tuple[str, str], ...]] = Counter()

    def older(self, blobs: Mapping[str, str]) -> Older | None:
        """Return how the policy of an entry's documents differs; None where it is the effective one."""
        key = tuple((role, blobs[role]) for role in PARTS)
        parts = frozenset(role for role, digest in key if digest != self.digests[role])
        if not parts:
            return None
        if key not in self._known:
            self._known[key] = self._compared(key, parts)
        self.decisions[key] += 1
        return self._known[key]

    def all(self) -> Iterator[tuple[Older, int]]:
        """Yield each older policy that was met, and how many decisions were made under it."""
        for key, older in self._known.items():
            yield older, self.decisions[key]

    def _compared(self, key: tuple[tuple[str, str], ...], parts: frozenset[str]) -> Older:
        try:
            rules, catalog, layers = (read_json(self._document(role, digest)) for role, digest in key)
            written = differing_documents({**rules, "catalog": catalog["entries"]}, self._now)
            named = _renamed(_layers(layers), self._layers) if "layers" in parts else ()
        except NotReplayableError as error:
            # what differs cannot be said; that something does is known by the digests
            return Older(key, parts, problem=error.why, tampered=error.reason != "document-disposed")
        except (LookupError, TypeError, ValueError, AttributeError):
            return Older(key, parts, problem="its documents are not what this program reads", tampered=True)
        return Older(key, parts, tuple(written), named)


def _layers(document: Any) -> dict[str, str]:
    """Return the digest of each layer by name."""
    return {str(each["name"]): str(each["digest"]) for each in document["layers"]}


def _renamed(one: Mapping[str, str], other: Mapping[str, str]) -> tuple[str, ...]:
    """Say which layers are not the same."""
    said = [f"{name} is not there any more" for name in one if name not in other]
    said += [f"{name} is new" for name in other if name not in one]
    said += [f"{name} has another content" for name in one if name in other and one[name] != other[name]]
    if not said and list(one) != list(other):
        said.append("they lie in another order")
    return tuple(said)
