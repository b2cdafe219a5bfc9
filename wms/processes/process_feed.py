"""Send news about processes as a stream of events. A client that lost the stream can continue after the last event it
got.

    one process     act, step: a row of the log      process: its status now           end: it is over
                    the id is "<rows>-<revision>": the rows and the revision of the run that the client has seen
    all             begin: nothing has been missed   process: the status of one now    reset: read the list again
                    the id is the database's own, which counts the commits

Both read what is stored. So no news is lost, even if another WMS process has written it.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack

from pydantic import BaseModel

from runtime.kernel.changes import Changes, ChangesLost, open_changes
from runtime.kernel.store import Store
from runtime.web.news.event_streams import follow_object
from runtime.web.news.sse_format import StreamEvent
from schemas.engine.run_documents import RUNS, LogRow, RunDocument
from schemas.engine.runs import RUN_OVER
from schemas.errors import Rejected
from schemas.ids import RunId
from wms.engine import repository
from wms.engine.run_watch import LOOK_S, RunWatch
from wms.processes.process_documents import summarize_process, view_run
from wms.processes.process_reader import ProcessReader
from wms.processes.step_rows import list_acts, list_ended_steps
from wms.tenancy.rights import Principal


class ProcessFeed:
    """Streams the news about processes."""

    def __init__(self, store: Store, reader: ProcessReader, watch: RunWatch) -> None:
        self._store = store
        self._reader = reader
        self._watch = watch

    def follow_process(self, run_id: RunId, after: str) -> AsyncIterator[StreamEvent]:
        """Yield the events of a process after the event `after`, until the process is over.

        Raises:
            Rejected: `after` is no id of such an event.
        """
        parse_place(after)
        ticket = self._watch.take_ticket(run_id)

        async def read_after(place: str) -> Sequence[StreamEvent]:
            return await self._read_news(run_id, *parse_place(place))

        async def wait() -> None:
            await ticket.wait(within_s=LOOK_S)

        return follow_object(read_after, after=after, wait=wait, is_over=lambda event: event.name == "end")

    async def _read_news(self, run_id: RunId, n_rows: int, rev: int) -> list[StreamEvent]:
        run = await repository.load_run(self._store, run_id)
        if run is None:
            return [StreamEvent(data="{}", id=format_place(n_rows, rev), name="end")]
        is_over = run.status in RUN_OVER
        if run.rev == rev and not is_over:
            return []
        rows = await repository.load_log(self._store, run_id)
        return list_news(run, rows, n_rows=n_rows, rev=rev)

    async def follow_all(
        self, find_principal: Callable[[], Awaitable[Principal]], after: str
    ) -> AsyncIterator[StreamEvent]:
        """Yield each process that changes after the event `after`, if the principal may see it at that moment.

        If `after` is empty, the first event is `begin`. If the changes after it are lost, the first event is `reset`:
        the client must read the list again.

        Raises:
            Unavailable: the database is away.
        """
        async with AsyncExitStack() as stack:
            try:
                changes = await stack.enter_async_context(open_changes(self._store, RUNS, after=after))
            except ChangesLost:
                changes = await stack.enter_async_context(open_changes(self._store, RUNS))
                yield StreamEvent(data="{}", id=changes.token, name="reset")
            else:
                if not after:
                    yield StreamEvent(data="{}", id=changes.token, name="begin")
            async for event in self._follow_changes(changes, find_principal):
                yield event

    async def _follow_changes(
        self, changes: Changes, find_principal: Callable[[], Awaitable[Principal]]
    ) -> AsyncIterator[StreamEvent]:
        while True:
            change = await changes.read_next()
            if change is None:
                continue
            for summary in await self._reader.find_summaries([RunId(change.id)], await find_principal()):
                yield _make_event("process", summary, change.token)


def list_news(run: RunDocument, rows: Sequence[LogRow], *, n_rows: int, rev: int) -> list[StreamEvent]:
    """Return the news for a client that has seen the first `n_rows` rows of the log and the revision `rev`."""
    found: list[StreamEvent] = []
    for row in rows:
        if row.number <= n_rows:
            continue
        place = format_place(row.number, rev)
        found += [_make_event("act", act, place) for act in list_acts([row])]
        found += [_make_event("step", step, place) for step in list_ended_steps(run, rows, row)]
    place = format_place(max([n_rows, *(row.number for row in rows)]), run.rev)
    if found or run.rev != rev:
        found.append(_make_event("process", summarize_process(view_run(run)), place))
    if run.status in RUN_OVER:
        found.append(StreamEvent(data="{}", id=place, name="end"))
    return found


def format_place(n_rows: int, rev: int) -> str:
    """Return the id of an event. It says what the client has seen after this event."""
    return f"{n_rows}-{rev if rev >= 0 else ''}"


def parse_place(text: str) -> tuple[int, int]:
    """Return the number of rows and the revision that a client has seen. The revision is -1 if it has seen none.

    Raises:
        Rejected: `text` is no id of an event of one process.
    """
    if not text:
        return 0, -1
    rows, dash, rev = text.partition("-")
    if not dash or not _is_number(rows) or not (rev == "" or _is_number(rev)):
        raise Rejected("Last-Event-ID must be an id that this stream has sent")
    return int(rows), int(rev) if rev else -1


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 12


def _make_event(name: str, model: BaseModel, place: str) -> StreamEvent:
    return StreamEvent(data=model.model_dump_json(), id=place, name=name)
