"""C32: what each container wrote is kept complete, in order, apart from the others, bounded and for a time."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import pairwise

import pytest

from runtime.kernel.store import Store
from runtime.web.news.sse_format import StreamEvent
from schemas.automation.job_logs import JOB_LOG, JOB_LOG_SIZES, JobLogRow
from schemas.errors import Rejected
from schemas.ids import EventId, TaskId
from schemas.pilot.outcomes import LogPiece, TaskStream
from tests.waiting import eventually
from wms.byte_pages import find_page
from wms.joblogs.job_logs import EVERYTHING, INDEXES, JobLogs, LogSelection


@pytest.fixture
async def store(mongo_url: str, mongo_database: str) -> AsyncIterator[Store]:
    store = await Store.connect(mongo_url, database=mongo_database, source="ewms/wms")
    await store.ensure_indexes(INDEXES)
    yield store
    await store.close()


def make_logs(store: Store, *, kept_for: timedelta = timedelta(days=30), most: int = 10_000) -> JobLogs:
    return JobLogs(store, kept_for=kept_for, max_characters=most)


def piece(host: str, number: int, text: str, *, stream: TaskStream = TaskStream.STDOUT, attempt: int = 1) -> LogPiece:
    run = f"run-{host}-{attempt}"
    return LogPiece(EventId(host), attempt, run, stream, number, text, key=host, task_id=TaskId("TK"))


async def test_a_page_of_large_documents_is_bounded_by_bytes_and_loses_none(store: Store) -> None:
    texts = [1000, 1000, 5000, 10, 10, 10]
    made = [{"_id": f"p{place}", "place": place, "text": "x" * size} for place, size in enumerate(texts)]
    await store.insert_new(JOB_LOG, made)
    pages, after = [], -1
    while True:
        query = {"place": {"$gt": after}}
        page, has_more = await find_page(store, JOB_LOG, query, order="place", limit=4, most_bytes=2500)
        pages.append([each["place"] for each in page])
        after = pages[-1][-1]
        if not has_more:
            break
    assert pages == [[0, 1], [2], [3, 4, 5]]
    assert await find_page(store, JOB_LOG, {"place": 9}, order="place", limit=4) == ([], False)


async def test_c32_each_hosts_log_is_complete_and_apart_whatever_comes_twice_or_late(store: Store) -> None:
    logs = make_logs(store)
    first = [piece("a", 0, "a0 "), piece("b", 0, "b0 "), piece("a", 2, "a2 "), piece("a", 0, "a0 ")]
    assert await logs.take_pieces("j1", first) == 3
    assert await logs.take_pieces("j1", first) == 0
    late = [piece("a", 1, "a1 "), piece("a", 0, "err", stream=TaskStream.STDERR), piece("a", 0, "again", attempt=2)]
    await logs.take_pieces("j1", late)
    await logs.take_pieces("j2", [piece("a", 0, "of another job")])

    async def read(wanted: LogSelection = EVERYTHING, job: str = "j1") -> str:
        return "".join(row.text for row in await logs.read_rows(job, wanted))

    of_a = LogSelection(event_ids=[EventId("a")], attempt=1, stream=TaskStream.STDOUT)
    assert await read(of_a) == "a0 a1 a2 "
    assert await read(LogSelection(event_ids=[EventId("b")])) == "b0 "
    assert await read(LogSelection(stream=TaskStream.STDERR)) == "err"
    assert await read(LogSelection(attempt=2)) == await read(LogSelection(run="run-a-2")) == "again"
    assert await read(LogSelection(task_ids=[TaskId("other")])) == ""
    assert await read(job="j2") == "of another job"

    # In portions it is the same log.
    rows: list[JobLogRow] = []
    while found := await logs.read_rows("j1", after=max((row.place for row in rows), default=0), limit=2):
        rows += found
    assert len(rows) == len({row.id for row in rows}) == 6

    await logs.delete_logs(["j1"])
    assert await read() == ""
    assert await read(job="j2") == "of another job"
    assert [each["_id"] for each in await store.find(JOB_LOG_SIZES, {})] == ["j2"]


async def test_c32_a_jobs_log_is_bounded_and_kept_for_its_time_only(store: Store) -> None:
    logs = make_logs(store, kept_for=timedelta(hours=1), most=100)
    for number in range(30):
        await logs.take_pieces("j", [piece("a", number, "0123456789")])
    rows = await logs.read_rows("j")
    text = "".join(row.text for row in rows)
    assert text.startswith("0123456789" * 10)
    assert text.endswith("the log is cut here: it has more than 100 characters\n")
    assert len(text) < 200
    assert {row.expires_at - row.at for row in rows} == {timedelta(hours=1)}
    # MongoDB removes what has expired, at its next look.
    (index,) = (index for index in INDEXES[JOB_LOG] if index.expire_after is not None)
    assert (index.keys, index.expire_after) == (("expires_at",), timedelta())


async def test_c32_a_log_is_followed_while_it_comes_until_the_job_is_over(store: Store) -> None:
    logs = make_logs(store)
    other_process = make_logs(store)
    over = asyncio.Event()
    seen: list[StreamEvent] = []

    async def is_over() -> bool:
        return over.is_set()

    async def follow(after: str = "") -> None:
        seen.clear()
        wanted = LogSelection(event_ids=[EventId("a")])
        async for event in logs.follow_log("j", wanted, after, is_over=is_over):
            seen.append(event)  # noqa: PERF401 - the test looks at it meanwhile

    def texts() -> list[str]:
        return [JobLogRow.model_validate_json(event.data).text for event in seen if event.name == "log"]

    following = asyncio.create_task(follow())
    await logs.take_pieces("j", [piece("a", 0, "0"), piece("b", 0, "not wanted")])
    await eventually(lambda: texts() == ["0"])
    await other_process.take_pieces("j", [piece("a", 2, "2")])
    await other_process.take_pieces("j", [piece("a", 1, "1")])
    await eventually(lambda: texts() == ["0", "1", "2"])
    assert all(int(one.id) <= int(other.id) for one, other in pairwise(seen))
    middle = seen[0].id
    await logs.take_pieces("j", [piece("a", 4, "4")])
    over.set()
    await asyncio.wait_for(following, 40)
    assert texts() == ["0", "1", "2", "4"], "what waits for a piece that never comes is shown at the end"
    assert seen[-1].name == "end"

    # A client that connects again goes on where it was.
    await asyncio.wait_for(follow(middle), 40)
    assert texts() == ["1", "2", "4"]
    with pytest.raises(Rejected):
        logs.follow_log("j", EVERYTHING, "no place", is_over=is_over)
