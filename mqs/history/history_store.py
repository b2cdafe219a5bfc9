"""Store the history of queues and read it back. It costs a few writes a minute, and its size is bounded.

    MQHistoryColl    {_id, queue, detail, first_at, last_at, expires_at, packed}      several hundred samples each

A queue has two series: *raw* with each sample, kept for a day, and *minute* with one sample a minute, kept for 30 days.
The newest samples are in memory. Raw ones are written once a minute, the others every ten minutes and when MQS stops,
one document a queue. A queue that does not change writes nothing.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from mqs.history.oldest import OldestEvent
from mqs.history.plots import cut_series, make_points
from mqs.history.samples import STANDS_FOR_S, QueueSample, Series, join_series, merge_peaks, pack_series, unpack_series
from runtime.clock import utc_now
from runtime.kernel.store import Index, Store
from runtime.telemetry import log
from schemas.errors import EWMSError
from schemas.registry import register_collection
from schemas.requests import QueuePoints


class Detail(StrEnum):
    """How finely a series shows a queue."""

    RAW = "raw"
    MINUTE = "minute"


@dataclass(frozen=True, slots=True)
class _Keeping:
    """How a series is kept: its samples a document, how often it is written, and how long documents stay."""

    most_samples: int
    written_every_s: float
    kept_for: timedelta


_KEEPING: Mapping[Detail, _Keeping] = {
    Detail.RAW: _Keeping(80, 60.0, timedelta(days=1)),
    Detail.MINUTE: _Keeping(360, 600.0, timedelta(days=30)),
}
_MINUTE_S = 60
#: How long the last write may take when MQS stops, in seconds.
_LAST_WRITE_S = 3.0
#: The most documents that one write has.
_MOST_AT_ONCE = 500


class HistoryDocument(BaseModel):
    """A stretch of the history of one queue. `_id` is queue, detail and the time of the first sample."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    queue: str
    detail: Detail
    first_at: datetime
    last_at: datetime
    expires_at: datetime
    packed: bytes


MQ_HISTORY = register_collection("MQHistoryColl", HistoryDocument)

INDEXES: Mapping[str, Sequence[Index]] = {
    MQ_HISTORY: [Index(("queue", "detail", "last_at")), Index(("expires_at",), expire_after=timedelta())]
}


@dataclass(slots=True)
class _Open:
    """The samples of a queue that are not in a full document yet."""

    series: dict[Detail, Series] = field(default_factory=lambda: {detail: Series() for detail in Detail})
    #: Whether the database lacks the newest samples.
    is_changed: dict[Detail, bool] = field(default_factory=lambda: dict.fromkeys(Detail, False))
    oldest: OldestEvent = field(default_factory=OldestEvent)


class HistoryStore:
    """The history of all queues that the samples name."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._open: dict[str, _Open] = {}
        self._written_s = dict.fromkeys(Detail, time.monotonic())

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
                await self._write_all()
        except (EWMSError, TimeoutError) as error:
            log.info("the last samples of the queues were not stored", reason=str(error))

    def add_samples(self, samples: Mapping[str, QueueSample]) -> None:
        """Add one sample for each queue. It may lack the age of the oldest event, which this estimates."""
        for queue, sample in samples.items():
            here = self._open.setdefault(queue, _Open())
            n_held = sample.n_ready + sample.n_unacknowledged + sample.n_delayed
            oldest_s = here.oldest.note_counts(
                sample.at_s, n_arrived=sample.n_arrived, n_left=sample.n_left, n_held=n_held
            )
            whole = QueueSample(**{name: getattr(sample, name) for name in _SAMPLED}, oldest_s=oldest_s)
            _add_raw(here, whole)
            _add_minute(here, whole)

    async def write_due(self) -> None:
        """Write the samples of the series that are due, and forget the queues that had no sample for long.

        Raises:
            Unavailable: the database is away. The samples stay in memory, and the next call writes them.
        """
        now_s = time.monotonic()
        for detail, keeping in _KEEPING.items():
            if now_s - self._written_s[detail] >= keeping.written_every_s or self._has_full(detail):
                await self._write_series(detail)
                self._written_s[detail] = now_s

    async def _write_all(self) -> None:
        """Write all samples that the database lacks.

        Raises:
            Unavailable: the database is away.
        """
        for detail in Detail:
            await self._write_series(detail)

    async def _forget_others(self, queues: Iterable[str]) -> None:
        """Write the last samples of all queues but `queues`, and forget these queues: they are deleted.

        Raises:
            Unavailable: the database is away.
        """
        gone = self._open.keys() - set(queues)
        if not gone:
            return
        await self._write_all()
        for queue in gone:
            del self._open[queue]

    async def read_points(
        self, queues: Sequence[str], since: datetime, until: datetime, n_points: int
    ) -> dict[str, QueuePoints]:
        """Return the points of a plot for each of `queues`, with the finest series that reaches back to `since`.

        Raises:
            Unavailable: the database is away.
        """
        fine = utc_now() - since <= _KEEPING[Detail.RAW].kept_for
        detail = Detail.RAW if fine else Detail.MINUTE
        query = {
            "queue": {"$in": list(queues)},
            "detail": str(detail),
            "last_at": {"$gte": since - timedelta(seconds=STANDS_FOR_S)},
            "first_at": {"$lte": until},
        }
        parts: dict[str, list[Series]] = {queue: [] for queue in queues}
        # The series in memory has all samples of its own document.
        open_ones = {
            _name_document(queue, self._open[queue].series[detail], detail) for queue in queues if queue in self._open
        }
        for document in await self._store.find(MQ_HISTORY, query):
            if document["_id"] not in open_ones:
                parts[document["queue"]].append(unpack_series(document["packed"]))
        since_s, until_s = int(since.timestamp()), int(until.timestamp())
        found: dict[str, QueuePoints] = {}
        for queue, stored in parts.items():
            here = self._open.get(queue)
            whole = join_series([*stored, *([here.series[detail]] if here is not None else [])])
            recent = cut_series(whole, since_s - STANDS_FOR_S)
            found[queue] = make_points(recent, since_s=since_s, until_s=until_s, n_points=n_points)
        return found

    def _has_full(self, detail: Detail) -> bool:
        most = _KEEPING[detail].most_samples
        return any(len(here.series[detail]) >= most for here in self._open.values())

    async def _write_series(self, detail: Detail) -> None:
        keeping = _KEEPING[detail]
        changed = [(queue, here) for queue, here in self._open.items() if here.is_changed[detail]]
        for start in range(0, len(changed), _MOST_AT_ONCE):
            some = changed[start : start + _MOST_AT_ONCE]
            updates = [_make_update(queue, here.series[detail], detail, keeping) for queue, here in some]
            await self._store.bulk_update(MQ_HISTORY, updates, upsert=True)
            for _, here in some:
                here.is_changed[detail] = False
                if len(here.series[detail]) >= keeping.most_samples:
                    # The last sample begins the next document, so that the following rate is known.
                    last = here.series[detail].read_sample(-1)
                    here.series[detail] = Series()
                    here.series[detail].add_sample(last)
        if changed:
            log.debug("history written", detail=str(detail), n_queues=len(changed))


_SAMPLED = ("at_s", "n_ready", "n_unacknowledged", "n_delayed", "n_consumers", "n_arrived", "n_left")


def _add_raw(here: _Open, sample: QueueSample) -> None:
    series = here.series[Detail.RAW]
    if len(series):
        last = series.read_sample(-1)
        if sample.at_s <= last.at_s or (sample.equals(last) and sample.at_s - last.at_s < STANDS_FOR_S):
            return
    series.add_sample(sample)
    here.is_changed[Detail.RAW] = True


def _add_minute(here: _Open, sample: QueueSample) -> None:
    series = here.series[Detail.MINUTE]
    if len(series):
        last = series.read_sample(-1)
        if sample.at_s <= last.at_s or (sample.equals(last) and sample.at_s - last.at_s < STANDS_FOR_S):
            return
        if sample.at_s // _MINUTE_S == last.at_s // _MINUTE_S:
            series.replace_last(merge_peaks(last, sample))
            here.is_changed[Detail.MINUTE] = True
            return
    series.add_sample(sample)
    here.is_changed[Detail.MINUTE] = True


def _make_update(
    queue: str, series: Series, detail: Detail, keeping: _Keeping
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


def _name_document(queue: str, series: Series, detail: Detail) -> str:
    """Return the `_id` of the document for `series`. A minute's sample may still change, and keeps its document."""
    first = series.at_s[0] if len(series) else 0
    return f"{queue}:{detail}:{first // _MINUTE_S if detail is Detail.MINUTE else first}"
