"""Store the log pieces that pilots publish, and read or follow a job's log, or the part of one host, task or attempt.

    pilot ─► logs queue ─► JobLogs.take_pieces ─► job_log ─► read_rows | follow_rows ─► people

A piece stays for the retention time after it came. A job's log has a limit; what exceeds it is dropped, and the log
says so.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from runtime.clock import stored_now
from runtime.kernel.store import Index, Store
from runtime.web.news.event_streams import follow_rows
from runtime.web.news.sse_format import StreamEvent
from runtime.web.news.wakeups import Wakeups
from schemas.automation.job_logs import JOB_LOG, JOB_LOG_SIZES, JobLogRow
from schemas.ids import EventId, TaskId
from schemas.pilot.outcomes import LogPiece, TaskStream
from wms.joblogs.piece_order import PieceOrder, arrange_rows
from wms.kept_log import MAX_ROWS, BoundedLogs, NewPart, parse_place

INDEXES: Mapping[str, tuple[Index, ...]] = {
    JOB_LOG: (
        Index(("job", "place")),
        Index(("job", "event_id", "place")),
        Index(("expires_at",), expire_after=timedelta()),
    )
}

#: Pieces may come to another WMS process, so a follower looks for itself after this time.
_LOOK_S = 1.0


@dataclass(frozen=True, slots=True)
class LogSelection:
    """Which pieces of a job's log a reader wants. None means all."""

    event_ids: Collection[EventId] | None = None
    task_ids: Collection[TaskId] | None = None
    attempt: int | None = None
    run: str | None = None
    stream: TaskStream | None = None

    def query(self, job: str) -> dict[str, Any]:
        """Return the query for MongoDB."""
        wanted: dict[str, Any] = {"job": job}
        for name, values in (("event_id", self.event_ids), ("task_id", self.task_ids)):
            if values is not None:
                wanted[name] = {"$in": sorted(values)}
        single = {"attempt": self.attempt, "run": self.run, "stream": self.stream}
        return wanted | {name: value for name, value in single.items() if value is not None}


EVERYTHING = LogSelection()


class JobLogs:
    """The logs of all jobs of one database."""

    def __init__(self, store: Store, *, kept_for: timedelta, max_characters: int) -> None:
        self._store = store
        self._kept_for = kept_for
        self._kept = BoundedLogs(store, rows=JOB_LOG, sizes=JOB_LOG_SIZES, max_characters=max_characters)
        self._wakeups = Wakeups()

    async def take_pieces(self, job: str, pieces: Sequence[LogPiece]) -> int:
        """Store those of `pieces` that are new, and return how many there are. A repeated piece changes nothing.

        Call this for one batch of a job at a time.
        """
        now = stored_now()
        parts = [_make_part(job, piece, {"at": now, "expires_at": now + self._kept_for}) for piece in pieces]
        n_stored = await self._kept.add_parts(job, parts)
        if n_stored:
            self._wakeups.wake(job)
        return n_stored

    async def read_rows(
        self, job: str, wanted: LogSelection = EVERYTHING, *, after: int = 0, limit: int = MAX_ROWS
    ) -> list[JobLogRow]:
        """Return the next pieces after the place `after`, at most `limit`, each stream in order.

        The largest place of the answer is the place after which the rest begins.
        """
        found = await self._kept.read_rows(wanted.query(job), after, limit=limit)
        return arrange_rows([JobLogRow.model_validate(row) for row in found])

    def follow_log(
        self, job: str, wanted: LogSelection, after: str, *, is_over: Callable[[], Awaitable[bool]]
    ) -> AsyncIterator[StreamEvent]:
        """Yield the wanted pieces after the event `after`, and those that come later, until the job `is_over`.

        A piece that came before an earlier one of its stream waits for that one.

        Raises:
            Rejected: `after` is no id of such an event.
        """
        order = PieceOrder(from_start=not parse_place(after))
        ticket = self._wakeups.take_ticket(job)
        read_until = parse_place(after)

        async def read_after(_: str) -> Sequence[StreamEvent]:
            nonlocal read_until
            ends = await is_over()
            found = await self._kept.read_rows(wanted.query(job), read_until)
            rows = [JobLogRow.model_validate(row) for row in found]
            read_until = max((row.place for row in rows), default=read_until)
            released = order.release_rows(rows)
            is_end = ends and not rows
            if is_end:
                released += order.release_held()
            place = str(order.find_safe_place(read_until))
            events = [StreamEvent(data=row.model_dump_json(), id=place, name="log") for row in released]
            return [*events, StreamEvent(data="{}", id=place, name="end")] if is_end else events

        async def wait() -> None:
            await ticket.wait(within_s=_LOOK_S)

        return follow_rows(read_after, after=after, wait=wait, is_over=lambda event: event.name == "end")

    async def delete_logs(self, jobs: Collection[str]) -> None:
        """Delete all that is stored of the logs of `jobs`."""
        await self._store.delete_matching(JOB_LOG, {"job": {"$in": sorted(jobs)}})
        await self._store.delete_matching(JOB_LOG_SIZES, {"_id": {"$in": sorted(jobs)}})


def _make_part(job: str, piece: LogPiece, times: Mapping[str, Any]) -> NewPart:
    fields = {
        "job": job,
        "event_id": piece.event_id,
        "key": piece.key,
        "task_id": piece.task_id,
        "attempt": piece.attempt,
        "run": piece.run,
        "stream": piece.stream.value,
        "number": piece.number,
        "is_last": piece.is_last,
        "is_cut": piece.is_cut,
    }
    return NewPart(f"{job}/{piece.run}/{piece.stream.value}/{piece.number}", piece.text, {**fields, **times})
