"""Rates and ages of plots: idle queues, bursts after idle time, stalled queues, and reading while a series fills."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from mqs.history.history_store import HistoryStore
from mqs.history.open_series import HistoryDetail, OpenQueue
from mqs.history.plots import make_points
from mqs.history.samples import QueueSample, Series
from runtime.clock import utc_now


def read_samples(samples: Sequence[QueueSample], detail: HistoryDetail = HistoryDetail.RAW) -> Series:
    here = OpenQueue()
    for sample in samples:
        here.note_sample(sample)
    return here.series[detail].copy_samples()


def test_a_burst_after_idle_time_has_its_own_rate_and_the_idle_time_has_none() -> None:
    idle = [QueueSample(at_s, n_arrived=100, n_left=100) for at_s in range(0, 586, 15)]
    samples = [*idle, QueueSample(600, n_ready=150, n_arrived=250, n_left=100)]
    raw = read_samples(samples)
    assert list(raw.at_s) == [0, 585, 600], "the last equal sample stands before the change"
    assert make_points(raw, since_s=0, until_s=600, n_points=40).in_per_s == [0.0] * 39 + [10.0]
    minutes = read_samples(samples, HistoryDetail.MINUTE)
    assert make_points(minutes, since_s=0, until_s=600, n_points=10).in_per_s == [0.0] * 9 + [2.5]


def test_after_a_burst_an_idle_queue_does_not_repeat_its_rate() -> None:
    idle = [QueueSample(at_s, n_arrived=150, n_left=150) for at_s in range(15, 301, 15)]
    raw = read_samples([QueueSample(0), *idle])
    assert make_points(raw, since_s=0, until_s=300, n_points=20).in_per_s == [10.0] + [0.0] * 19


def test_the_oldest_event_of_a_stalled_queue_becomes_older() -> None:
    raw = read_samples([QueueSample(at_s, n_ready=3, n_arrived=3) for at_s in range(0, 301, 15)])
    points = make_points(raw, since_s=0, until_s=300, n_points=5)
    assert points.oldest_s == [60, 120, 180, 240, 300]
    assert points.in_per_s == points.out_per_s == [0.0] * 5


class StoreStandIn:
    """Keeps documents in memory, and does something before each answer."""

    def __init__(self) -> None:
        self.documents: dict[str, dict[str, Any]] = {}
        self.meanwhile: Any = None

    async def bulk_update(self, _: str, updates: Sequence[tuple[dict[str, Any], dict[str, Any]]], **__: object) -> int:
        for key, change in updates:
            self.documents[key["_id"]] = {**key, **change["$set"]}
        return len(updates)

    async def find(self, _: str, query: dict[str, Any]) -> list[dict[str, Any]]:
        await self.meanwhile()
        return [each for each in self.documents.values() if each["detail"] == query["detail"]]


def moving(at_s: int) -> QueueSample:
    return QueueSample(at_s, n_ready=at_s % 7, n_arrived=at_s, n_left=at_s)


async def test_no_stretch_is_lost_if_a_series_becomes_full_during_a_read() -> None:
    store = StoreStandIn()
    history = HistoryStore(store)  # type: ignore[arg-type]  # a stand-in
    times = [int(utc_now().timestamp()) - 1215 + 15 * place for place in range(80)]
    for at_s in times[:79]:
        history.add_samples({"a": moving(at_s)})

    async def fill() -> None:
        history.add_samples({"a": moving(times[79])})
        await history.write_due()

    store.meanwhile = fill
    since, until = (datetime.fromtimestamp(each, UTC) for each in (times[0], times[78] + 9))
    plot = (await history.read_plots(["a"], since, until, 78))["a"]
    assert len(plot.points.at_s) == 78
    assert plot.sampled_at == datetime.fromtimestamp(times[78], UTC), "not the end of the last point"
    assert len(store.documents) == 1, "the full series was written, and no other"


async def test_one_full_or_deleted_queue_writes_no_other() -> None:
    now_s = int(utc_now().timestamp())
    store = StoreStandIn()
    history = HistoryStore(store)  # type: ignore[arg-type]  # a stand-in
    for place in range(80):
        history.add_samples({"a": moving(now_s + place * 15)})
    await history.keep_samples({"a": moving(now_s + 1200), "b": moving(now_s), "c": moving(now_s)})
    assert {each["queue"] for each in store.documents.values()} == {"a"}
    await history.keep_samples({"a": moving(now_s + 1215), "b": moving(now_s + 15)})
    assert {each["queue"] for each in store.documents.values()} == {"a", "c"}
