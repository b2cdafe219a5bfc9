"""Store the history of queues and read it back. It costs a few writes a minute, and its size is bounded.

    MQHistoryColl    {_id, queue, detail, first_at, last_at, expires_at, packed}      several hundred samples each

A queue has two series: *raw* with each sample, kept for a day, and *minute* with one sample a minute, kept for 30 days.
The newest samples are in memory. Raw ones are written once a minute, the others every ten minutes and when MQS stops,
one document a queue. A queue that does not change writes nothing.
"""

import asyncio
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, ConfigDict

from mqs.history.open_series import MINUTE_S, HistoryDetail, OpenQueue
from mqs.history.plots import cut_series, make_points
from mqs.history.samples import STANDS_FOR_S, QueueSample, Series, join_series, pack_series, unpack_series
from runtime.clock import utc_now
from runtime.kernel.store import Index, Store
from runtime.telemetry import log
from schemas.errors import EWMSError
from schemas.questions.queues import QueuePoints
from schemas.registry import register_collection


@dataclass(frozen=True, slots=True)
class _SeriesKeeping:
    """How a series is kept: its samples a document, how often it is written, and how long documents stay."""

    most_samples: int
    written_every_s: float
    kept_for: timedelta


_KEEPING: Mapping[HistoryDetail, _SeriesKeeping] = {
    HistoryDetail.RAW: _SeriesKeeping(80, 60.0, timedelta(days=1)),
    HistoryDetail.MINUTE: _SeriesKeeping(360, 600.0, timedelta(days=30)),
}
#: How long the last write may take when MQS stops, in seconds.
_LAST_WRITE_S = 3.0
#: The most documents that one write has.
_MOST_AT_ONCE = 500


class HistoryDocument(BaseModel):
    """A stretch of the history of one queue. `_id` is queue, detail and the time of the first sample."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    queue: str
    detail: HistoryDetail
    first_at: datetime
    last_at: datetime
    expires_at: datetime
    packed: bytes


MQ_HISTORY = register_collection("MQHistoryColl", HistoryDocument)

INDEXES: Mapping[str, Sequence[Index]] = {
    MQ_HISTORY: [Index(("queue", "detail", "last_at")), Index(("expires_at",), expire_after=timedelta())]
}


@dataclass(frozen=True, slots=True)
class PlottedQueue:
    """The points of a queue's plot, and when the queue was last sampled; None: not in the time of the plot."""

    points: QueuePoints
    sampled_at: datetime | None


class HistoryStore:
    """The history of all queues that the samples name."""

    def __init__(self, store: Store, *, may_write: Callable[[], bool] = lambda: True) -> None:
        """`may_write` returns whether this process does the work of MQS: two writers would overwrite each other."""
        self._store = store
        self._may_write = may_write
        self._open: dict[str, OpenQueue] = {}
        self._written_s = dict.fromkeys(HistoryDetail, time.monotonic())

    async def keep_samples(self, samples: Mapping[str, QueueSample]) -> None:
        """Add one sample for each existing queue, and write what is due. Queues without a sample are deleted ones.

        Raises:
            Unavailable: the database is away. The samples stay in memory, and a later call writes them.
        """
        self.add_samples(samples)
        await self.write_due()
        await self._forget_others(samples)

    async def stop(self) -> None:
        """Write all samples that the database lacks, if it answers within seconds."""
        try:
            async with asyncio.timeout(_LAST_WRITE_S):
                await self._write_all(list(self._open))
        except (EWMSError, TimeoutError) as error:
            log.info("the last samples of the queues were not stored", reason=str(error))

    def add_samples(self, samples: Mapping[str, QueueSample]) -> None:
        """Add one sample for each queue. It may lack the age of the oldest event, which this estimates."""
        for queue, sample in samples.items():
            self._open.setdefault(queue, OpenQueue()).note_sample(sample)

    async def write_due(self) -> None:
        """Write the series that are full, and all series of a detail that is due.

        Raises:
            Unavailable: the database is away. The samples stay in memory, and the next call writes them.
        """
        now_s = time.monotonic()
        for detail, keeping in _KEEPING.items():
            if now_s - self._written_s[detail] >= keeping.written_every_s:
                await self._write_series(detail, self._open)
                self._written_s[detail] = now_s
            else:
                most = keeping.most_samples
                full = [queue for queue, here in self._open.items() if len(here.series[detail].samples) >= most]
                await self._write_series(detail, full)

    async def _write_all(self, queues: Iterable[str]) -> None:
        """Write all samples of `queues` that the database lacks.

        Raises:
            Unavailable: the database is away.
        """
        for detail in HistoryDetail:
            await self._write_series(detail, queues)

    async def _forget_others(self, queues: Iterable[str]) -> None:
        """Write the last samples of all queues but `queues`, and forget these queues: they are deleted.

        Raises:
            Unavailable: the database is away.
        """
        gone = self._open.keys() - set(queues)
        await self._write_all(gone)
        for queue in gone:
            del self._open[queue]

    async def read_plots(
        self, queues: Sequence[str], since: datetime, until: datetime, n_points: int
    ) -> dict[str, PlottedQueue]:
        """Return the plot of each of `queues`, with the finest series that reaches back to `since`.

        A thread reduces the samples, so that MQS does its other work meanwhile.

        Raises:
            Unavailable: the database is away.
        """
        is_recent = utc_now() - since <= _KEEPING[HistoryDetail.RAW].kept_for
        detail = HistoryDetail.RAW if is_recent else HistoryDetail.MINUTE
        query = {
            "queue": {"$in": list(queues)},
            "detail": str(detail),
            "last_at": {"$gte": since - timedelta(seconds=STANDS_FOR_S)},
            "first_at": {"$lte": until},
        }
        # An open series has all samples of its own document. Both are taken before the database answers: while it
        # does, a series may become full and begin the next document.
        open_ones = {queue: self._open[queue].series[detail] for queue in queues if queue in self._open}
        open_ids = {_name_document(queue, series.samples, detail) for queue, series in open_ones.items()}
        newest = {queue: series.copy_samples() for queue, series in open_ones.items()}
        packed: dict[str, list[bytes]] = {queue: [] for queue in queues}
        for document in await self._store.find(MQ_HISTORY, query):
            if document["_id"] not in open_ids:
                packed[document["queue"]].append(document["packed"])
        since_s, until_s = int(since.timestamp()), int(until.timestamp())

        def draw_all() -> dict[str, PlottedQueue]:
            return {
                queue: _draw_plot(
                    [*map(unpack_series, stored), *([newest[queue]] if queue in newest else [])],
                    since_s=since_s,
                    until_s=until_s,
                    n_points=n_points,
                )
                for queue, stored in packed.items()
            }

        return await asyncio.to_thread(draw_all)

    async def _write_series(self, detail: HistoryDetail, queues: Iterable[str]) -> None:
        """Write the series of `queues` that have changed, if this process may."""
        if not self._may_write():
            return
        keeping = _KEEPING[detail]
        changed = [(queue, series) for queue in queues if (series := self._open[queue].series[detail]).is_changed]
        for start in range(0, len(changed), _MOST_AT_ONCE):
            some = changed[start : start + _MOST_AT_ONCE]
            updates = [_make_update(queue, series.samples, detail, keeping) for queue, series in some]
            await self._store.bulk_update(MQ_HISTORY, updates, upsert=True)
            for _, series in some:
                series.is_changed = False
                if len(series.samples) >= keeping.most_samples:
                    series.begin_next()
        if changed:
            log.debug("history written", detail=str(detail), n_queues=len(changed))


def _draw_plot(parts: Iterable[Series], *, since_s: int, until_s: int, n_points: int) -> PlottedQueue:
    whole = join_series(parts)
    recent = cut_series(whole, since_s - STANDS_FOR_S)
    place = bisect_right(recent.at_s, until_s)
    is_seen = place > 0 and recent.at_s[place - 1] >= since_s - STANDS_FOR_S
    return PlottedQueue(
        points=make_points(recent, since_s=since_s, until_s=until_s, n_points=n_points),
        sampled_at=datetime.fromtimestamp(recent.at_s[place - 1], UTC) if is_seen else None,
    )


def _make_update(
    queue: str, series: Series, detail: HistoryDetail, keeping: _SeriesKeeping
) -> tuple[dict[str, object], dict[str, object]]:
    first_at = datetime.fromtimestamp(series.at_s[0], UTC)
    last_at = datetime.fromtimestamp(series.at_s[-1], UTC)
    document = HistoryDocument(
        queue=queue,
        detail=detail,
        first_at=first_at,
        last_at=last_at,
        expires_at=last_at + keeping.kept_for,
        packed=pack_series(series),
    )
    return {"_id": _name_document(queue, series, detail)}, {"$set": {**document.model_dump(), "detail": str(detail)}}


def _name_document(queue: str, series: Series, detail: HistoryDetail) -> str:
    """Return the `_id` of the document for `series`. A minute's sample may still change, and keeps its document."""
    first = series.at_s[0] if len(series) else 0
    return f"{queue}:{detail}:{first // MINUTE_S if detail is HistoryDetail.MINUTE else first}"
