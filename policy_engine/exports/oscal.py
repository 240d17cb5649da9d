"""OSCAL 1.1.2: assessment results, with the assessment plan and the catalog that they speak of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from policy_engine.errors import InputError, Problem, UsageError, VerificationFailedError
from policy_engine.exports.evidence import entry_name, proof_name
from policy_engine.exports.manifest import CHECKPOINT, MANIFEST
from policy_engine.exports.oscal_catalog import Control, catalog, controls_of
from policy_engine.exports.oscal_plan import plan, reviewed
from policy_engine.exports.oscal_results import PolicyResult, Seen
from policy_engine.exports.oscal_terms import (
    CATALOG,
    PLAN,
    RESULTS,
    Object,
    document_identifier,
    identifier,
    metadata,
    resource,
)
from policy_engine.exports.table import Head
from policy_engine.wording import number

if TYPE_CHECKING:
    from policy_audit.entry import Entry
    from policy_audit.ledger import StoredEntry
    from policy_audit.records import CheckedDecision

    from policy_engine.exports.writing import Export

FOLDER = "oscal"
#: One JSON document is read as a whole by every tool there is.
MOST_DECISIONS = 25_000


def put_oscal(export: Export, head: Head, decisions: Iterable[CheckedDecision]) -> int:
    """Write the three documents, and return how many observations there are.

    Raises:
        UsageError: there are too many decisions for one document.
        VerificationFailedError: a document on record is not a decision, or not a policy.
    """
    if export.selected > MOST_DECISIONS:
        message = (
            f"{number(export.selected)} decisions are more than the {number(MOST_DECISIONS)} that one OSCAL file takes"
        )
        raise UsageError(Problem("export-too-large", message, help="narrow the period with --since and --until"))
    results: dict[str, PolicyResult] = {}
    receipts: dict[int, str] = {}
    for decision in decisions:
        stored, entry = decision.stored, decision.entry
        receipt = identifier(head, "receipt", stored.index) if stored.index in export.proven else None
        if receipt is not None:
            receipts[stored.index] = receipt
        digest = entry.view["policy_digest"]
        if digest not in results:
            results[digest] = PolicyResult(digest, _policy(export, stored, entry))
        document = _document(export, stored, entry)
        results[digest].add(head, Seen(stored.index, stored.leaf_hash, entry, document, receipt))
    _put(export, head, results, receipts)
    return export.selected


def _put(export: Export, head: Head, results: Mapping[str, PolicyResult], receipts: Mapping[int, str]) -> None:
    policies = {digest: result.policy for digest, result in results.items()}
    try:
        controls = controls_of(policies)
        written = export.staging.put(f"{FOLDER}/{CATALOG}", _pretty(catalog(head, policies, controls)))
    except (KeyError, TypeError, AttributeError) as error:
        raise _changed("a document `rules` on record is not a policy") from error
    assessed = [token for token, control in controls.items() if any(control.assessed_by(digest) for digest in policies)]
    export.staging.put(f"{FOLDER}/{PLAN}", _pretty(plan(head, assessed, written.sha256)))
    with export.staging.file(f"{FOLDER}/{RESULTS}", [export.selected]) as stream:
        stream.write(_plain(_results(export, head, results, controls, receipts)))


def _results(
    export: Export,
    head: Head,
    results: Mapping[str, PolicyResult],
    controls: Mapping[str, Control],
    receipts: Mapping[int, str],
) -> Object:
    found = [result.result(head, controls) for result in results.values()]
    value = {
        "uuid": document_identifier(head, "assessment-results"),
        "metadata": metadata(
            head,
            "Recorded decisions on AI workloads",
            f"{number(head.selected)} of {number(head.population)} decisions on record. One result for each effective "
            "policy of the period, since each asked something else. Derived from the entries, and the documents that "
            "they name, under the signed checkpoint in the back matter. No personal values.",
        ),
        "import-ap": {"href": PLAN},
        "results": found or [_empty(head)],
        "back-matter": {"resources": _resources(export, head, receipts)},
    }
    return {"assessment-results": value}


def _empty(head: Head) -> Object:
    return {
        "uuid": identifier(head, "result", None, head.checkpoint.size, dict(head.arguments or {})),
        "title": "No decision on record fits",
        "description": "The ledger holds no decision that the query selects.",
        "start": head.period.since or head.created_at,
        "reviewed-controls": reviewed(()),
    }


def _resources(export: Export, head: Head, receipts: Mapping[int, str]) -> list[Object]:
    files = export.staging.files
    found = [
        resource(
            document_identifier(head, "checkpoint"),
            "Checkpoint",
            f"The signed C2SP checkpoint of the ledger {head.checkpoint.origin} that covers every entry used.",
            {f"../{CHECKPOINT}": files[CHECKPOINT].sha256},
        ),
        resource(
            document_identifier(head, "manifest"),
            "Manifest",
            "Every file with its SHA-256, this document too. Its own digest is in the ledger's entry of the export.",
            {f"../{MANIFEST}": None},
        ),
    ]
    for index, uuid in receipts.items():
        names = (entry_name(index), proof_name(index))
        links = {f"../{name}": files[name].sha256 for name in names}
        found.append(resource(uuid, f"Receipt of entry {index}", "The entry's bytes, and its C2SP tlog-proof.", links))
    return found


def _policy(export: Export, stored: StoredEntry, entry: Entry) -> Mapping[str, Any]:
    """Return the policy that a decision was made under, from the ledger."""
    digest = entry.view["policy_digest"]
    value = _json(export, stored, entry, "rules", digest)
    rules = value.get("rules")
    if not isinstance(rules, dict) or not all(isinstance(rule, dict) for rule in rules.values()):
        raise _changed(f"the document `rules` of the entry {stored.index} is not a policy")
    return value


def _document(export: Export, stored: StoredEntry, entry: Entry) -> Mapping[str, Any]:
    return _json(export, stored, entry, "decision", f"sha256:{entry.view['decision_id']}")


def _json(export: Export, stored: StoredEntry, entry: Entry, role: str, digest: str) -> Mapping[str, Any]:
    import orjson
    from policy_audit.errors import LedgerError

    if entry.blobs.get(role) != digest:
        raise _changed(f"the entry {stored.index} does not name the document `{role}` that its columns name")
    try:
        value = orjson.loads(export.snapshot.blob(digest))
    except orjson.JSONDecodeError:
        value = None
    except LedgerError as error:
        if error.code != "blob-disposed":
            raise
        message = f"the document `{role}` of the entry {stored.index} was disposed of, and its findings were in it"
        hint = "select later decisions with --since, or export them as csv, jsonl, parquet or html"
        raise InputError(Problem(error.code, message, help=hint)) from error
    if not isinstance(value, dict):
        raise _changed(f"the document `{role}` of the entry {stored.index} is not an object")
    return value


def _changed(message: str) -> VerificationFailedError:
    return VerificationFailedError(Problem("decision-changed", message, help="run `policy audit verify`"))


def _pretty(value: Object) -> bytes:
    import orjson

    return orjson.dumps(value, option=orjson.OPT_INDENT_2) + b"\n"


def _plain(value: Object) -> bytes:
    import orjson

    return orjson.dumps(value) + b"\n"
