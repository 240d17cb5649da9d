"""RFC 3161 time-stamps over a checkpoint's note: that it existed at a time, by a third party's word.

A time-stamping authority remembers nothing: what it gave has to be kept, and shows no rollback by itself.
The one door to `rfc3161_client`, which belongs to the extra `timestamp`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from policy_audit.anchors.place import Place, Receipt, Submission
from policy_audit.anchors.web import post
from policy_audit.errors import AnchorError, VerificationError

MAX_CERTIFICATES_BYTES = 1_000_000
MAX_TOKEN_BYTES = 100_000
_SHA256 = "2.16.840.1.101.3.4.2.1"
_STATUSES = ("granted", "granted with changes", "rejection", "waiting", "revocation warning", "revocation")


class TimestampAnchor:
    """A time-stamping authority, by its URL and the root certificates that it is trusted by."""

    def __init__(self, place: Place) -> None:
        _client()
        self.place = place
        self._roots = read_certificates(Path(place.pin))

    def put(self, submission: Submission) -> Receipt:
        if submission.known.get("size") == submission.checkpoint.size:
            return Receipt(False)  # its time-stamp is on record, and another one would say less
        client = _client()
        note = submission.note.encode()
        builder = client.TimestampRequestBuilder().data(note).hash_algorithm(client.HashAlgorithm.SHA256)
        request = builder.nonce(nonce=True).cert_request(cert_request=True).build()
        answer = post(self.place.target, request.as_bytes(), "application/timestamp-query")
        if answer.status != 200 or answer.kind != "application/timestamp-reply":
            raise AnchorError(f"`{self.place.where}` answered {answer.status} ({answer.kind}) and no time-stamp")
        try:
            time, serial = verify_timestamp(answer.body, note, self._roots, nonce=request.nonce)
        except VerificationError as error:
            raise AnchorError(f"the time-stamp of `{self.place.where}` does not verify: {error.message}") from error
        details: dict[str, Any] = {"time": time.isoformat(), "serial": str(serial)}
        return Receipt(True, details, {"timestamp": answer.body})

    def held(self, origin: str) -> list[str]:
        raise AnchorError(
            f"`{self.place.where}` gives nothing back: a time-stamp is with whoever asked for it", code="anchor-place"
        )


def verify_timestamp(
    token: bytes, note: bytes, roots: list[bytes], *, nonce: int | None = None
) -> tuple[datetime, int]:
    """Verify a time-stamp's response over a checkpoint's note; return its time and serial number.

    `roots` are DER certificates. `nonce` is what was asked with; a token that was kept is verified without.

    Raises:
        VerificationError: it was refused, is over something else, or is not signed by whom `roots` vouch for.
    """
    client = _client()
    from cryptography.x509 import load_der_x509_certificate

    if len(token) > MAX_TOKEN_BYTES:
        raise VerificationError(f"it has more than {MAX_TOKEN_BYTES:,} bytes")
    try:
        response = client.decode_timestamp_response(token)
        if response.status != 0:
            raise VerificationError(f"the authority refused: {_words(response)}", code="timestamp-refused")
        info = response.tst_info
        if info.message_imprint.hash_algorithm.dotted_string != _SHA256:
            raise VerificationError("it is not over a SHA-256")
        builder = client.VerifierBuilder(roots=[load_der_x509_certificate(root) for root in roots], nonce=nonce)
        builder.build().verify(response, sha256(note).digest())
        return info.gen_time.astimezone(UTC), int(info.serial_number)
    except VerificationError:
        raise
    except Exception as error:  # whatever a parser raises of a server's bytes is a refusal
        raise VerificationError(" ".join(str(error).split())[:200] or "it is malformed") from error


def read_certificates(path: Path) -> list[bytes]:
    """Return the certificates of a PEM file, as DER.

    Raises:
        AnchorError: it cannot be read, or holds none.
    """
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509 import load_pem_x509_certificates

    try:
        with path.open("rb") as file:
            data = file.read(MAX_CERTIFICATES_BYTES)
        certificates = load_pem_x509_certificates(data)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it holds no certificate in PEM"
        raise AnchorError(f"the certificates `{path}` cannot be read: {reason}", code="anchor-place") from None
    return [certificate.public_bytes(Encoding.DER) for certificate in certificates]


def _words(response: Any) -> str:
    status = _STATUSES[response.status] if 0 <= response.status < len(_STATUSES) else str(response.status)
    said = " ".join(" ".join(str(each).split()) for each in response.status_string)[:200]
    return f"{status} ({said})" if said else status


def _client() -> Any:
    try:
        import rfc3161_client
    except ModuleNotFoundError:
        raise AnchorError(
            "time-stamps need the package `rfc3161-client`",
            code="anchor-installation",
            help="pip install policy-engine[timestamp]",
        ) from None
    return rfc3161_client
