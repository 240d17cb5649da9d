"""A small typed client of the served engine. It needs the extra `client`."""

from policy_engine.client.client import Client
from policy_engine.client.documents import Allowed, Decided, Page, Place, Proved, Purpose
from policy_engine.client.errors import DeniedError, RefusedError, UnavailableError, UnreachableError, UntrustedError

__all__ = [
    "Allowed",
    "Client",
    "Decided",
    "DeniedError",
    "Page",
    "Place",
    "Proved",
    "Purpose",
    "RefusedError",
    "UnavailableError",
    "UnreachableError",
    "UntrustedError",
]
