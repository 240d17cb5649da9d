"""What a server is told: where it listens, its ledger, its rules, and its limits. Passed on to each worker."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from policy_engine.access.issuer import Oidc

MIB = 1 << 20


class Limits(Struct, frozen=True):
    """What one request may take. Times in seconds, sizes in bytes."""

    body_bytes: int = MIB
    body_seconds: float = 10.0
    request_seconds: float = 30.0
    """For evaluating or reading; what is not done then is given up, and nothing of it is on record."""
    commit_seconds: float = 30.0
    """For what was handed to the ledger: whether it is on record is not known then."""
    documents: int = 100
    """Workloads in one request."""
    waiting: int = 256
    """Requests that a worker works on at once; one more is told to come back."""
    rate: float = 2000.0
    """Requests a second of one principal, for each worker, with twice as many at once; 0 is no limit."""
    failures_rate: float = 1.0
    """Requests a second of one address, for each worker, that may come from nobody known; 0 is no limit."""
    head_bytes: int = 32 << 10
    head_seconds: float = 10.0
    headers: int = 100
    url_bytes: int = 8 << 10
    stalled_seconds: float = 30.0
    """For so long a client may take nothing of an answer."""
    linger_seconds: float = 2.0
    """For so long a body is still read whose request is answered."""
    connections: int = 800
    """Of one worker; for one more an idle one is closed, or it is itself."""
    requests: int = 512
    """Under way in one worker; one more is told to come back."""


class Settings(Struct, frozen=True):
    """A server's settings; plain values, so that they reach another process."""

    ledger: str
    key: Path | None = None
    pinned: str | None = None
    layers: tuple[Path, ...] = ()
    policy_digest: str | None = None
    host: str = "127.0.0.1"
    port: int = 8181
    workers: int = 1
    threads: int = 2
    """Engines of each worker."""
    oidc: Oidc | None = None
    """Whose access tokens count beside the ledger's own."""
    behind_tls: bool = False
    """Whether clients come by HTTPS, through something in front that ends it."""
    limits: Limits = Limits()
    state: Path | None = None
    """A folder of this host, private, that its workers share; None: a worker makes one of its own."""
    rules: Path | None = None
    """Where the supervisor puts the rules that it read and checked; None: a worker reads the layers itself."""
    reload_seconds: float = 0
    """How often the supervisor looks whether the layers changed; 0 is never."""
    public_metrics: bool = False
    """Whether `/metrics` is for everybody, and not only for the role `read`."""
    log_form: str = "json"
    log_level: str = "info"
    public_log: bool = False
    """Whether anybody may read checkpoint and tiles."""
    create: bool = True
    """Whether a ledger that is not there is made. A worker of a supervisor makes none: what is not there went away."""
    token_made: bool = False
    """Whether a token was on record when the server started: then it is open to nobody, whatever the ledger says."""

    @property
    def may_be_open(self) -> bool:
        """Whether it lets in everybody as long as nobody was ever given a token: nobody comes from elsewhere."""
        return self.on_loopback and not self.behind_tls and self.oidc is None and not self.token_made

    def shared(self, name: str) -> Path | None:
        """Return the place of a file that the workers of one supervisor share; None where there is none."""
        return self.rules.with_name(name) if self.rules is not None else None

    @property
    def on_loopback(self) -> bool:
        """Whether nobody but this machine reaches it."""
        from ipaddress import ip_address

        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False
