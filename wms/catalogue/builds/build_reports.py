"""Take the reports of builders, and read the logs that they make. A report decides nothing."""

import re
from collections.abc import AsyncIterator, Sequence

from runtime.clock import stored_now
from runtime.web.news.event_streams import follow_rows
from runtime.web.news.sse_format import StreamEvent
from runtime.web.news.wakeups import Wakeups
from schemas.automation.builds import BuildReport
from schemas.automation.catalogue import BuildLogRow, CatalogueTask, TaskVersion
from schemas.errors import Conflict, NotFound
from schemas.ids import CatalogueTaskId
from wms.catalogue.builds.build_keys import TaskKeys
from wms.catalogue.builds.build_log import BuildLog
from wms.catalogue.builds.build_watch import BuildWatch
from wms.catalogue.life.version_parts import replace_version
from wms.catalogue.task_store import TaskStore
from wms.kept_log import parse_place

_BUILD = re.compile(r"([0-9]{1,15})-([0-9]{1,9})-([0-9]{1,9})")
#: Reports may come to another WMS process, so a stream looks for itself after this time.
_LOOK_S = 2.0


class BuildReports:
    """The reports about the builds of one database."""

    def __init__(self, tasks: TaskStore, logs: BuildLog, builds: BuildWatch, keys: TaskKeys) -> None:
        self._keys = keys
        self._tasks = tasks
        self._logs = logs
        self._wakeups = Wakeups()
        builds.on_news.append(self._wakeups.wake)

    async def take_report(self, build: str, token: str, report: BuildReport) -> None:
        """Store what a builder reports about `build`. A repeated report changes nothing.

        Raises:
            NotFound: there is no such build, or `token` is not its own.
            Conflict: the build is over, or another one has taken its place.
        """
        task = await self._find_task(build)
        if task is None or not self._keys.is_report_token(task, build, token):
            raise NotFound("no such build, or not its token")
        version = find_open(task, build)
        if version is None:
            raise Conflict("the build is over", hint="stop reporting")
        await self._logs.add_report(task.id, build, report)
        if any(version.syncs.get(name) != sync for name, sync in report.locations.items()):
            await self._tasks.change_task(task.id, lambda current: note_syncs(current, build, report))
        self._wakeups.wake(task.id)

    async def _find_task(self, build: str) -> CatalogueTask | None:
        match = _BUILD.fullmatch(build)
        return None if match is None else await self._tasks.find_task(CatalogueTaskId(int(match[1])))

    async def read_log(self, build: str, after: int) -> list[BuildLogRow]:
        """Return the next rows of a build's log after the place `after`."""
        return await self._logs.read_rows(build, after) if build else []

    def follow_log(self, task_id: CatalogueTaskId, build: str, after: str) -> AsyncIterator[StreamEvent]:
        """Yield the parts of a build's log after the event `after`, until the build is over.

        Raises:
            Rejected: `after` is no id of such an event.
        """
        parse_place(after)
        ticket = self._wakeups.take_ticket(task_id)

        async def read_after(place: str) -> Sequence[StreamEvent]:
            task = await self._tasks.find_task(task_id)
            is_over = task is None or find_open(task, build) is None
            rows = await self._logs.read_rows(build, parse_place(place))
            events = [StreamEvent(data=row.model_dump_json(), id=str(row.place), name="log") for row in rows]
            if not events and is_over:
                events.append(StreamEvent(data="{}", id=place or "0", name="end"))
            return events

        async def wait() -> None:
            await ticket.wait(within_s=_LOOK_S)

        return follow_rows(read_after, after=after, wait=wait, is_over=lambda event: event.name == "end")


def find_open(task: CatalogueTask, build: str) -> TaskVersion | None:
    """Return the version whose `build` goes on; None: it is over."""
    open_ones = (version for version in task.versions if version.build is not None)
    return next((version for version in open_ones if version.last_build == build), None)


def note_syncs(task: CatalogueTask, build: str, report: BuildReport) -> CatalogueTask:
    """Return `task` with what `report` says of the locations of `build`. Other locations do not count."""
    version = find_open(task, build)
    if version is None:
        return task
    known = {name: sync for name, sync in report.locations.items() if name in version.recipe.locations}
    after = version.model_copy(update={"syncs": {**version.syncs, **known}, "changed_at": stored_now()})
    return replace_version(task, after)
