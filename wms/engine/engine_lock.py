"""The lock of the engine. While it is locked, no new step begins, and running steps end.

The lock is one stored document. Every WMS process reads the document once a second, so all obey within a second.
"""

from collections.abc import Callable

from runtime.clock import utc_now
from runtime.kernel.decision import Change, Decision, Insert, Update
from runtime.kernel.store import Store, Transaction
from runtime.loops import BackgroundLoop
from runtime.telemetry import log
from schemas.engine.run_documents import ENGINE_SETTINGS, RUNS, EngineSettings
from wms.audit.audit_facts import AuditFacts
from wms.audit.audit_log import AuditLog

_ID = "engine"
_LOOK_S = 1.0


class LockKeeper:
    """Reads and changes the engine's lock."""

    def __init__(self, store: Store, *, look_s: float = _LOOK_S) -> None:
        self._store = store
        self._audit = AuditLog(store)
        self.is_locked = False
        #: Called when this process learns that the lock is open again.
        self.on_unlocked: list[Callable[[], None]] = []
        self._loop = BackgroundLoop(
            self._refresh_lock, name="engine lock", failed="the lock is not read", every_s=look_s
        )

    async def start(self) -> None:
        """Read the lock now, and then every second."""
        await self._refresh_lock()
        self._loop.start()

    async def stop(self) -> None:
        """Stop reading the lock."""
        await self._loop.stop()

    async def set_locked(self, *, is_locked: bool, who: str) -> None:
        """Lock or unlock the engine for all WMS processes. `who` is the user's name."""

        async def step(tx: Transaction) -> Decision:
            fields = EngineSettings(is_locked=is_locked, changed_by=who, changed_at=utc_now()).model_dump()
            found = await tx.find_one(ENGINE_SETTINGS, {"_id": _ID})
            was_locked = found is not None and EngineSettings.model_validate(found).is_locked
            changes: list[Change] = [
                Insert(ENGINE_SETTINGS, {"_id": _ID, **fields})
                if found is None
                else Update(ENGINE_SETTINGS, _ID, set=fields)
            ]
            if was_locked != is_locked:
                facts = AuditFacts(
                    operation="update",
                    kind="engine",
                    object_id=_ID,
                    name="engine of processes",
                    changes={"locked": [was_locked, is_locked]},
                )
                changes += await self._audit.make_inserts(who, [facts])
            return Decision(changes=tuple(changes))

        await self._store.transact(step)
        log.warning("the engine is locked" if is_locked else "the engine goes on", who=who)
        self._record_lock(is_locked=is_locked)

    async def count_running(self) -> int:
        """Return the number of runs in which a step worker has a step."""
        return await self._store.count(RUNS, {"nodes.taken_by": {"$exists": True}})

    async def read_lock(self) -> bool:
        """Read from the database whether the engine is locked, and return that."""
        await self._refresh_lock()
        return self.is_locked

    async def _refresh_lock(self) -> None:
        found = await self._store.find_one(ENGINE_SETTINGS, {"_id": _ID})
        self._record_lock(is_locked=found is not None and EngineSettings.model_validate(found).is_locked)

    def _record_lock(self, *, is_locked: bool) -> None:
        was_locked, self.is_locked = self.is_locked, is_locked
        if was_locked and not is_locked:
            for listener in self.on_unlocked:
                listener()
