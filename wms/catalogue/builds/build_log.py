"""Keep the logs of builds, a row for each part that a builder reports. Rows go after `KEPT_FOR`, or with their task."""

from collections.abc import Mapping
from datetime import timedelta

from runtime.clock import stored_now
from runtime.kernel.store import Index, Store
from schemas.automation.builds import BuildReport
from schemas.automation.catalogue import BUILD_LOG, BUILD_LOG_SIZES, BuildLogRow
from schemas.ids import CatalogueTaskId
from wms.kept_log import BoundedLogs, NewPart

KEPT_FOR = timedelta(days=90)
#: The most characters of one log that are kept. A builder cuts its logs much earlier.
MAX_LOG_CHARACTERS = 8 * 1024 * 1024

INDEXES: Mapping[str, tuple[Index, ...]] = {
    BUILD_LOG: (Index(("build", "place")), Index(("task",)), Index(("at",), expire_after=KEPT_FOR))
}


class BuildLog:
    """The logs of the builds of one database."""

    def __init__(self, store: Store, *, max_characters: int = MAX_LOG_CHARACTERS) -> None:
        self._store = store
        self._kept = BoundedLogs(store, rows=BUILD_LOG, sizes=BUILD_LOG_SIZES, max_characters=max_characters)

    async def add_report(self, task: CatalogueTaskId, build: str, report: BuildReport) -> bool:
        """Store what a report brings of the log of `build`. Return whether it is new and was stored.

        A repeated report is stored once. What exceeds the limit is cut, and the log says so.
        """
        if not report.log:
            return False
        fields = {"build": build, "task": task, "stage": report.stage.value, "at": stored_now()}
        part = NewPart(f"{build}/{report.stream}/{report.number}", report.log, fields)
        return bool(await self._kept.add_parts(build, [part]))

    async def read_rows(self, build: str, after: int = 0) -> list[BuildLogRow]:
        """Return the next rows of the log of `build` after the place `after`, at most `MAX_ROWS`."""
        return [BuildLogRow.model_validate(row) for row in await self._kept.read_rows({"build": build}, after)]

    async def delete_logs(self, task: CatalogueTaskId, builds: list[str]) -> None:
        """Delete the logs of a task, of which `builds` are known."""
        await self._store.delete_matching(BUILD_LOG, {"task": task})
        await self._store.delete_matching(BUILD_LOG_SIZES, {"_id": {"$in": builds}})
