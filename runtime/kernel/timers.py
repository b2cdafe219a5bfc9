"""Wake documents that are due: one loop sleeps until the next `wake_at` of a collection.

A document's `wake_at` is the time to look at the document again: for a retry, a deadline, a question that may be lost.
`wake` handles the document like any stimulus, and changes or removes `wake_at` in the same transaction. So this loop
also completes work that a crash or a lost event has left undone. Replicas may wake the same document; the
compare-and-set lets only one of them succeed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from runtime.amqp import full_jitter
from runtime.clock import utc_now
from runtime.concurrency.loops import BackgroundLoop
from runtime.kernel.store import Committed, Store
from runtime.telemetry import counter, log
from schemas.errors import Conflict, Unavailable

Wake = Callable[[Any], Awaitable[None]]
#: Returns what more a due document must match to be woken now; None: none may be woken.
Choose = Callable[[], Mapping[str, Any] | None]

_woken = counter("timers_woken_total", "Documents whose time had come.", ["collection"])

#: The loop looks at least this often: another process may have written an earlier `wake_at`.
_LONGEST_SLEEP = timedelta(seconds=30)
_AT_ONCE_BY, _NEVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_BATCH = 200
_AT_ONCE = 8
#: If more documents are put off, those that are no longer due are forgotten before the next look.
_MANY_PUT_OFF = 1000


class NoRoom(Exception):
    """A `wake` raises this if it can take no more documents now. It gets the document again once `choose` allows it."""


class Timers:
    """Calls `wake` with the id of every document of `collection` whose `wake_at` is reached.

    `choose` narrows down the documents. When it allows more of them, call `wake_by`.
    """

    def __init__(self, store: Store, collection: str, wake: Wake, *, choose: Choose = dict) -> None:
        self._store = store
        self._collection = collection
        self._wake = wake
        self._choose = choose
        self._has_room = True
        #: When to look next. Until then nothing can be due: commits of this process move it forward.
        self._look_by = _AT_ONCE_BY
        self._loop = BackgroundLoop(
            self._wake_due,
            name=f"timers of {collection}",
            failed="timers pause",
            details=lambda: {"collection": collection},
        )
        self._waking: asyncio.Future[Any] | None = None
        #: Due documents that have already had a `wake`: id -> the number of calls, the earliest time of the next one.
        self._put_off: dict[Any, tuple[int, datetime]] = {}

    def start(self) -> None:
        """Begin to wake documents. Documents that became due while no process ran come first."""
        self._store.on_commit.append(self._on_commit)
        self._loop.start()

    async def stop(self) -> None:
        """Stop waking documents. Return when the running decisions have ended."""
        self._store.on_commit.remove(self._on_commit)
        await self._loop.stop()
        if self._waking is not None:
            await self._waking

    def wake_by(self, at: datetime) -> None:
        """Look for due documents at the time `at` or earlier."""
        if at < self._look_by:
            self._look_by = at
            self._loop.wake()

    def _on_commit(self, committed: Committed) -> None:
        for change in committed.changes:
            if change.collection == self._collection and change.wake_at is not None:
                self.wake_by(change.wake_at)

    async def _wake_due(self) -> float:
        """Wake due documents, if it is time to look for them. Return in how many seconds to look again."""
        now = utc_now()
        # If the time to look is far away, the system's clock was set back.
        if now >= self._look_by or self._look_by - now > 2 * _LONGEST_SLEEP:
            # From here on every nudge counts: its commit may come after the queries.
            self._look_by = _NEVER
            try:
                next_at = await self._look_once(now)
            except BaseException:
                self._look_by = _AT_ONCE_BY
                raise
            self._look_by = min(self._look_by, now + _LONGEST_SLEEP, next_at or _NEVER)
        return max(0.0, (self._look_by - utc_now()).total_seconds())

    async def _look_once(self, now: datetime) -> datetime | None:
        """Wake the documents that are due. Return when to look again; None: nothing waits."""
        due = await self._find_due(now)
        if not due:
            return await self._find_next(now)
        await self._wake_all(due)
        if len(self._put_off) > _MANY_PUT_OFF:
            await self._forget_moved(utc_now())
        return now

    async def _find_due(self, now: datetime) -> list[Any]:
        chosen = self._choose()
        if chosen is None:
            return []
        resting = [key for key, (_, until) in self._put_off.items() if until > now]
        query: dict[str, Any] = {**chosen, "wake_at": {"$lte": now}}
        if resting:
            query["_id"] = {"$nin": resting}
        found = await self._store.find(
            self._collection, query, sort=[("wake_at", 1)], limit=_BATCH, projection={"_id": 1}, max_time_ms=2000
        )
        return [document["_id"] for document in found]

    async def _wake_all(self, ids: list[Any]) -> None:
        slots = asyncio.Semaphore(_AT_ONCE)
        self._has_room = True

        async def wake_in_turn(key: Any) -> None:
            async with slots:
                # If there was no room for one, `choose` says which of the others may be woken.
                if self._has_room:
                    await self._wake_one(key)

        # Shield these from the end of the loop: `stop` waits for running decisions and does not cancel them.
        self._waking = asyncio.gather(*(wake_in_turn(key) for key in ids))
        await asyncio.shield(self._waking)

    async def _wake_one(self, key: Any) -> None:
        try:
            await self._wake(key)
        except Conflict:
            self._put_off.pop(key, None)
        except NoRoom:
            self._put_off.pop(key, None)
            self._has_room = False
        except Unavailable as error:
            self._put_off_one(key)
            log.warning("not woken", collection=self._collection, id=key, reason=error.reason)
        except Exception as error:  # noqa: BLE001 - one document that cannot be decided must not stop the others
            first = key not in self._put_off
            self._put_off_one(key)
            log.error("not woken", collection=self._collection, id=key, error=repr(error), exc_info=first)
        else:
            # If a `wake` does not move `wake_at`, the loop would call it again at once, without end.
            self._put_off_one(key)
            _woken.labels(self._collection).inc()

    def _put_off_one(self, key: Any) -> None:
        n_times, _ = self._put_off.get(key, (0, None))
        until = utc_now() + timedelta(seconds=max(0.2, full_jitter(n_times, base_s=0.5, cap_s=60.0)))
        self._put_off[key] = (n_times + 1, until)

    async def _find_next(self, now: datetime) -> datetime | None:
        """Return when to look again after `now`; None: nothing waits.

        Forget the pauses of documents that are no longer due.
        """
        first = await self._store.find(
            self._collection,
            {"wake_at": {"$gt": now}},
            sort=[("wake_at", 1)],
            limit=1,
            projection={"wake_at": 1},
            max_time_ms=2000,
        )
        await self._forget_moved(now)
        pauses = (until for _, until in self._put_off.values())
        times = [document["wake_at"] for document in first] + [until for until in pauses if until > now]
        return min(times, default=None)

    async def _forget_moved(self, now: datetime) -> None:
        still_due: set[Any] = set()
        if self._put_off:
            documents = await self._store.find(
                self._collection,
                {"_id": {"$in": list(self._put_off)}, "wake_at": {"$lte": now}},
                projection={"_id": 1},
            )
            still_due = {document["_id"] for document in documents}
        self._put_off = {key: rest for key, rest in self._put_off.items() if key in still_due}
