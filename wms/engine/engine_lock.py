"""The lock of the engine. While it is locked, no new step begins, and running steps end.

All WMS processes obey a change within a second.
"""

from collections.abc import Callable, Sequence

from runtime.clock import stored_now
from runtime.kernel.store import Store
from runtime.telemetry import log
from schemas.engine.run_documents import ENGINE_SETTINGS, RUNS, EngineSettings
from wms.audit.audit_facts import AuditFacts
from wms.shared_document import SharedDocument

_ID = "engine"


class LockKeeper:
    """Reads and changes the engine's lock."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._settings = SharedDocument(store, ENGINE_SETTINGS, _ID, EngineSettings)
        self._settings.on_change.append(self._note_change)
        #: Called when this process learns that the lock is open again.
        self.on_unlocked: list[Callable[[], None]] = []

    @property
    def is_locked(self) -> bool:
        """Whether the engine is locked, as this process last read."""
        return self._settings.value.is_locked

    async def start(self) -> None:
        """Read the lock now, and then every second."""
        await self._settings.start()

    async def stop(self) -> None:
        """Stop reading the lock."""
        await self._settings.stop()

    async def set_locked(self, *, is_locked: bool, who: str) -> None:
        """Lock or unlock the engine for all WMS processes. `who` is the user's name."""

        def decide(before: EngineSettings) -> tuple[EngineSettings, Sequence[AuditFacts]]:
            facts = AuditFacts(
                operation="update",
                kind="engine",
                object_id=_ID,
                name="engine of processes",
                changes={"locked": [before.is_locked, is_locked]},
            )
            after = EngineSettings(is_locked=is_locked, changed_by=who, changed_at=stored_now())
            return after, [facts] if before.is_locked != is_locked else []

        await self._settings.change(who, decide)
        log.warning("the engine is locked" if is_locked else "the engine goes on", who=who)

    async def count_running(self) -> int:
        """Return the number of runs in which a step worker has a step."""
        return await self._store.count(RUNS, {"nodes.taken_by": {"$exists": True}})

    async def read_lock(self) -> bool:
        """Read from the database whether the engine is locked, and return that."""
        return (await self.read_settings()).is_locked

    async def read_settings(self) -> EngineSettings:
        """Read from the database whether the engine is locked, who changed that last, and when."""
        return await self._settings.read()

    def _note_change(self, before: EngineSettings, after: EngineSettings) -> None:
        if before.is_locked and not after.is_locked:
            for listener in self.on_unlocked:
                listener()
