"""The history of queues on the real broker: sampled, kept over a restart of MQS, and read as a plot."""

from datetime import UTC, datetime, timedelta

from aio_pika.abc import AbstractConnection

from mqs.history.history_store import MQ_HISTORY, HistoryDocument
from mqs.history.open_series import HistoryDetail
from mqs.history.samples import QueueSample, Series, pack_series
from runtime.kernel.store import Store
from schemas.questions.queues import HistoryAnswer, HistoryQuery
from tests.integration.mqs.conftest import Peer, Plan, RunMqs
from tests.integration.mqs.test_dead_letter_orders import ask
from tests.integration.mqs.test_endings import TICK, publish, take
from tests.waiting import eventually


def fill_month(mqid: str, until: datetime) -> list[tuple[dict[str, object], dict[str, object]]]:
    """Return the documents of a queue that was busy each minute of the 30 days before `until`."""
    updates: list[tuple[dict[str, object], dict[str, object]]] = []
    for place in range(120):
        begin_s = int((until - timedelta(days=30)).timestamp()) + place * 360 * 60
        series = Series()
        for minute in range(360):
            n = place * 360 + minute
            series.add_sample(QueueSample(begin_s + minute * 60, n_ready=n % 977, n_arrived=n * 7, n_left=n * 6))
        first_at, last_at = (datetime.fromtimestamp(series.at_s[end], UTC) for end in (0, -1))
        document = HistoryDocument(
            queue=mqid,
            detail=HistoryDetail.MINUTE,
            first_at=first_at,
            last_at=last_at,
            expires_at=last_at + timedelta(days=30),
            packed=pack_series(series),
        )
        updates.append(({"_id": f"{mqid}:minute:{begin_s // 60}"}, {"$set": document.model_dump(mode="python")}))
    return updates


async def test_the_history_is_sampled_kept_over_a_restart_and_read(
    run_mqs: RunMqs, wms: Peer, as_mqs: AbstractConnection
) -> None:
    plan = Plan()

    async def read(since: timedelta, n_points: int = 300, mqid: str | None = None) -> HistoryAnswer:
        now = datetime.now(UTC)
        mqids = [mqid] if mqid else plan.mqids
        query = HistoryQuery(mqids=mqids, since=now - since, until=now, n_points=n_points)
        return await ask(wms, query, HistoryAnswer)

    async def read_recent() -> HistoryAnswer:
        return await read(timedelta(minutes=2), 1)

    async with run_mqs(**TICK, sample_s=0.5), as_mqs.channel() as worker:
        await wms.say(plan.requested)
        await wms.next()
        await publish(as_mqs, plan.queue_in, 5)
        held = [await take(worker, plan.queue_in) for _ in range(2)]
        told = await eventually(
            read_recent,
            lambda told: max(told.queues[0].points.n_unacknowledged, default=0) >= 2,
        )
        assert [(queue.alias, queue.is_public) for queue in told.queues] == [
            ("in", True),
            ("mid", False),
            ("out", True),
        ]
        for delivery in held:
            await delivery.ack()
        await eventually(read_recent, lambda told: max(told.queues[0].points.out_per_s, default=0) > 0)
        aged = await eventually(read_recent, lambda told: told.queues[0].points.oldest_s[-1] > 0)
        assert aged.queues[0].points.oldest_s[-1] < 120

    async with run_mqs(**TICK, sample_s=0.5) as mqs:
        kept = await eventually(read_recent, lambda told: bool(told.queues[0].points.at_s))
        assert kept.queues[0].points.n_unacknowledged[-1] >= 2, "the peak was before the restart"
        one = await read(timedelta(minutes=2), 1, plan.queue_mid)
        assert (one.workflow_id, [queue.mqid for queue in one.queues]) == (plan.workflow_id, [plan.queue_mid])
        store: Store = mqs.store
        now = datetime.now(UTC)
        await store.bulk_update(
            MQ_HISTORY, [each for mqid in plan.mqids for each in fill_month(mqid, now)], upsert=True
        )
        month = await read(timedelta(days=29, hours=23), mqid=plan.queue_in)
        points = month.queues[0].points
        assert len(points.at_s) >= 290
        assert max(points.n_ready) == 976
