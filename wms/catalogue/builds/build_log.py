"""Keep the logs of builds, a row for each part that a builder reports. Rows go after `KEPT_FOR`, or with their task."""

from collections.abc import Mapping
from datetime import timedelta

from runtime.clock import stored_now
from runtime.kernel.store import Index, Store
from schemas.builds import BuildReport
from schemas.catalogue import BUILD_LOG, BUILD_LOG_SIZES, BuildLogRow
from schemas.ids import CatalogueTaskId

KEPT_FOR = timedelta(days=90)
#: The most characters of one log that are kept. A builder cuts its logs much earlier.
MAX_LOG_CHARACTERS = 8 * 1024 * 1024
#: The most rows of one reading.
MAX_ROWS = 200

INDEXES: Mapping[str, tuple[Index, ...]] = {
    BUILD_LOG: (Index(("build", "place")), Index(("task",)), Index(("at",), expire_after=KEPT_FOR))
}


class BuildLog:
    """The logs of the builds of one database."""

    def __init__(self, store: Store, *, max_characters: int = MAX_LOG_CHARACTERS) -> None:
        self._store = store
        self._max_characters = max_characters

    async def add_report(self, task: CatalogueTaskId, build: str, report: BuildReport) -> bool:
        """Store what a report brings of the log of `build`. Return whether it is new and was stored.

        A repeated report is stored once. What exceeds the limit is cut, and the log says so.
        """
        key = f"{build}/{report.stream}/{report.number}"
        if not report.log or await self._store.find_one(BUILD_LOG, {"_id": key}, projection={"_id": 1}) is not None:
            return False
        place = await self._store.count_up(BUILD_LOG_SIZES, build, len(report.log))
        text = cut_log(report.log, place=place, most=self._max_characters)
        if not text:
            return False
        row = BuildLogRow(
            id=key, build=build, task=task, place=place, stage=report.stage.value, text=text, at=stored_now()
        )
        document = row.model_dump()
        await self._store.insert_new(BUILD_LOG, [{"_id": document.pop("id"), **document}])
        return True

    async def read_rows(self, build: str, after: int = 0) -> list[BuildLogRow]:
        """Return the next rows of the log of `build` after the place `after`, at most `MAX_ROWS`."""
        query = {"build": build, "place": {"$gt": after}}
        found = await self._store.find(BUILD_LOG, query, sort=[("place", 1)], limit=MAX_ROWS)
        return [BuildLogRow.model_validate({**each, "id": each["_id"]}) for each in found]

    async def delete_logs(self, task: CatalogueTaskId, builds: list[str]) -> None:
        """Delete the logs of a task, of which `builds` are known."""
        await self._store.delete_matching(BUILD_LOG, {"task": task})
        await self._store.delete_matching(BUILD_LOG_SIZES, {"_id": {"$in": builds}})


def cut_log(text: str, *, place: int, most: int) -> str:
    """Return what of `text` is kept, if the log has `place` characters with it and may have `most`."""
    before = place - len(text)
    if place <= most:
        return text
    if before > most:
        return ""
    return f"{text[: most - before]}\n... the log is cut here: it has more than {most} characters\n"
