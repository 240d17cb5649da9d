"""What `evaluate` and `gate` do where a server decides: read files, send workloads, believe only what holds.

INVARIANT: what is handed out is a decision on the workload that was sent, made now, and on record by the server's word;
with a pinned key, by the log's own proof. Anything else is an error, and nothing is handed out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec import Struct

from policy_engine.ci.judged import Judged, JudgedWorkload
from policy_engine.cli.deciding import OnRecord, read_source
from policy_engine.cli.served_files import Files, files_of, names_files
from policy_engine.client import Client, Proved, RefusedError
from policy_engine.client.answering import answered
from policy_engine.client.errors import untrusted
from policy_engine.client.forms import MOST_BYTES as MOST_SENT
from policy_engine.client.sending import Body, body_of
from policy_engine.errors import InputError, PolicyError, Problem, RecordingError, RulesError
from policy_engine.recorder import context_from_environment
from policy_engine.telemetry import span

if TYPE_CHECKING:
    from policy_engine.cli.run_options import Run
    from policy_engine.loading.workload_file import LoadedWorkload

#: Of one request: workloads, and bytes of its body.
MOST_WORKLOADS, MOST_BYTES = 25, 256 * 1024
#: How far the server's clock may be off ours: an answer of another time is another's.
CLOCK = timedelta(minutes=5)
Refuse = Callable[[InputError], None]


class Sent(Struct):
    """A workload that is sent, with its file."""

    file: str
    loaded: LoadedWorkload
    folder: Path

    def files(self) -> Files:
        """The files that go along, read anew each time: not all of a run's are kept."""
        return files_of(self.loaded.document, self.folder, len(_body([self]).content))


def decide_on_server(
    run: Run, on_invalid: Refuse, judged: Judged, *, collect: bool, on_record: OnRecord | None = None
) -> None:
    """Have every valid workload of the run's files decided by its server, and gather what may be shown in `judged`.

    An invalid file keeps no other from being decided: `on_invalid` hears of it at once.

    Raises:
        PolicyError: nothing may be handed out.
    """
    judged.selection = run.selection

    def refuse(error: InputError) -> None:
        judged.problems += error.problems
        on_invalid(error)

    for problem in run.selection.problems:
        refuse(InputError(problem))
    sent = list(_read(run, judged, refuse))
    if not sent:
        return
    judged.notes = tuple(_unseen(sent))
    for note in judged.notes:
        click.echo(f"note: {note}", err=True)
    with span("run", files=len(run.files), purpose=run.purpose), Client(str(run.server)) as client:
        desk = _Desk(run, client, refuse, collect)
        made: list[JudgedWorkload] = []
        try:
            if run.policy_digest is not None:
                desk.check_policy(str(client.policy().get("policy")))
            for batch in _batches(sent):
                made += desk.decide(batch)
        except PolicyError as error:
            raise _withheld(error, len(made)) from error
        if on_record is not None and made:
            door: Any = _Door(desk.proofs)
            on_record(door, [each.decision for each in made], [each.shown["ledger"] for each in made])
    judged.workloads += made


def _read(run: Run, judged: Judged, refuse: Refuse) -> Iterator[Sent]:
    from policy_engine.loading.workload_file import load_workload_documents

    for file in run.files:
        try:
            text, name, folder = read_source(file)
        except InputError as error:
            judged.documents += 1
            refuse(error)
            continue
        # the names that layers may add to are the server's to know
        for loaded in run.selection.due(file, load_workload_documents(text, name, None)):
            judged.documents += 1
            if isinstance(loaded, InputError):
                refuse(loaded)
            else:
                yield Sent(name, loaded, folder)


def _unseen(sent: Sequence[Sent]) -> Iterator[str]:
    """Say of how many workloads the server does not see files that their evidence names."""
    count = sum(bool(each.files().left_out) for each in sent if names_files(each.loaded.document))
    if count:
        named = "1 workload names" if count == 1 else f"{count:,} workloads name"
        most = f"{MOST_SENT >> 20} MiB with the workload"
        yield f"{named} files as evidence that are too large ({most}) or cannot be sent: the server does not see them"


def _batches(sent: Sequence[Sent]) -> Iterator[list[Sent]]:
    """Yield the workloads in parts that one request takes."""
    batch: list[Sent] = []
    size = 0
    for each in sent:
        own = len(_body([each]).content)
        if names_files(each.loaded.document):  # two of them may mean different files by one name
            yield from ([batch] if batch else [])
            yield [each]
            batch, size = [], 0
            continue
        if batch and (len(batch) == MOST_WORKLOADS or size + own > MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(each)
        size += own
    if batch:
        yield batch


def _body(sent: Sequence[Sent]) -> Body:
    return body_of([each.loaded.document for each in sent])


class _Desk:
    """Sends workloads, and takes what is answered apart."""

    def __init__(self, run: Run, client: Client, refuse: Refuse, collect: bool) -> None:
        self._run, self._client, self._refuse, self._collect = run, client, refuse, collect
        self._details = context_from_environment(run.purpose).details
        self._places: set[int] = set()
        self.proofs: dict[int, Proved] = {}

    def check_policy(self, digest: str) -> None:
        """Refuse another policy than the pinned one.

        Raises:
            RulesError: it is another.
        """
        pinned = self._run.policy_digest
        if pinned is not None and digest != pinned:
            message = f"the effective policy of the server is `{digest[:80]}`, and not `{pinned}`"
            raise RulesError(Problem("policy-digest", message, help="pin the new digest once its change was reviewed"))

    def decide(self, batch: list[Sent]) -> list[JudgedWorkload]:
        """Return what was decided on the workloads of a batch, without those that the server finds invalid."""
        waiting = [batch]
        made: list[JudgedWorkload] = []
        while waiting:
            current = waiting.pop(0)
            try:
                made += self._ask(current)
            except RefusedError as error:
                waiting = [*self._without_refused(current, error), *waiting]
        return made

    def _without_refused(self, sent: list[Sent], error: Any) -> list[list[Sent]]:
        """Tell what the server finds wrong, and return what is to be sent again: fewer than `sent`, or in more parts.

        Raises:
            RefusedError: it is no workload that is wrong.
        """
        if error.status not in (413, 422):
            raise error
        body = _body(sent)
        documents = [each.loaded.document for each in sent]
        placed = [body.placed(problem, documents) for problem in error.problems]
        wrong = {number for number, _ in placed if number is not None}
        if error.status == 413 or not wrong:
            if len(sent) > 1:
                half = len(sent) // 2
                return [sent[:half], sent[half:]]
            wrong, place = {0}, documents[0].span()
            placed = [(0, Problem(each.code, each.message, place, each.help)) for _, each in placed]
        self._refuse(InputError([problem for _, problem in placed]))
        left = [each for number, each in enumerate(sent) if number not in wrong]
        return [left] if left else []

    def _ask(self, sent: list[Sent]) -> list[JudgedWorkload]:
        started = time.perf_counter()
        purpose: Any = self._run.purpose
        body = _body(sent).content
        files = sent[0].files().sent if len(sent) == 1 else {}
        answers = self._client.decide_body(body, len(sent), purpose=purpose, details=self._details, files=files)
        seconds = (time.perf_counter() - started) / len(sent)
        return [self._judged(each, answer, seconds) for each, answer in zip(sent, answers, strict=True)]

    def _judged(self, sent: Sent, answer: Any, seconds: float) -> JudgedWorkload:
        from policy_engine.cli.options import now

        decision = answered(answer, sent.loaded.workload, now(), CLOCK)
        self.check_policy(answer.policy_digest)
        if answer.place.index in self._places:
            raise untrusted("two decisions are said to be one entry of the ledger")
        self._places.add(answer.place.index)
        if self._run.ledger.pinned is not None:
            proof = self._client.prove(answer, self._run.ledger.pinned, self._run.purpose)  # type: ignore[arg-type]
            self.proofs[answer.place.index] = proof
        findings: tuple[Any, ...] = ()
        if self._collect:
            from policy_engine.findings.answered import findings_of

            try:
                findings = findings_of(answer.recorded, sent.loaded.workload, sent.loaded.document)
            except (LookupError, TypeError, ValueError, AttributeError, StopIteration):
                raise untrusted("the decision's document is not whole") from None
        return JudgedWorkload(sent.file, decision, findings, seconds, answer.document)


def _withheld(error: PolicyError, made: int) -> PolicyError:
    """Say that earlier requests of the run are on record, though nothing is handed out."""
    if not made:
        return error
    message = f"{made:,} decisions of this run are on the server's record, and are not handed out"
    kind = (
        RecordingError if isinstance(error, RecordingError) else InputError if isinstance(error, InputError) else None
    )
    more = Problem("server-withheld", message, help="run it again; what was decided is decided anew")
    return (kind or type(error))([*error.problems, more])


class _Door:
    """What attestations ask of a ledger, from the proofs that were fetched."""

    def __init__(self, proofs: Mapping[int, Proved]) -> None:
        self._proofs = proofs

    @property
    def ledger(self) -> _Door:
        return self

    @property
    def origin(self) -> str:
        return next(iter(self._proofs.values())).origin

    def entry(self, index: int) -> Any:
        return _Raw(self._proofs[index].entry)

    def receipt(self, index: int) -> str:
        return self._proofs[index].receipt


class _Raw(Struct, frozen=True):
    raw: bytes
