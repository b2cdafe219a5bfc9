"""Let one of several processes of a service work, while the others stand by.

    DutyColl    {_id: "mqs", holder: "5f0c…", process: "<where and what the holder is>", n: 1417}

The holder adds 1 to `n` every `_RENEW_S`. A process that stands by reads the document as often. It takes the duty over
when the document names no holder, when the holder was a process of this machine that has ended, or when `n` has not
changed for `SILENT_S`. Each process measures that on its own clock, so the clocks of machines may differ. The time
begins anew when the database does not answer: then the holder cannot reach it either.

A holder that was asleep may still work for a moment when another has taken over. So what it writes must be safe without
the duty, as all decisions of the kernel are, or it must look at `is_held` first.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from runtime.concurrency.loops import BackgroundLoop
from runtime.kernel.decision import Document
from runtime.kernel.duty_rules import DutyDocument, Sighting, may_take, update_sighting
from runtime.kernel.process_names import describe_process, has_ended
from runtime.kernel.store import Store
from runtime.telemetry import gauge, log
from schemas.errors import Conflict, EWMSError, Unavailable
from schemas.registry import register_collection

#: How often the holder shows that it works, in seconds.
_RENEW_S = 1.0

_on_duty = gauge("on_duty", "1 if this process does the work of its service; 0 if it stands by for another process.")


DUTIES = register_collection("DutyColl", DutyDocument)


class Duty:
    """The duty of this process. `take_duty` makes these objects."""

    def __init__(self, store: Store, name: str, me: DutyDocument) -> None:
        self._store = store
        self._name = name
        self._me = me
        self._is_held = True

    @property
    def is_held(self) -> bool:
        """Whether this process has the duty, as far as it knows."""
        return self._is_held

    async def renew(self) -> None:
        """Show that this process still works.

        Raises:
            Unavailable: the database is away. Then no other process can take over, and this one keeps the duty.
            Conflict: another process has taken over.
        """
        query = {"_id": self._name, "holder": self._me.holder}
        if await self._store.compare_and_set(DUTIES, query, {"$inc": {"n": 1}}):
            return
        try:
            # Someone has emptied the database, as test suites do: nothing says that another process works.
            if await self._store.find_one(DUTIES, {"_id": self._name}) is None:
                await _write_duty(self._store, self._name, self._me)
                return
        except Conflict:
            log.info("another process was faster after the database was emptied", duty=self._name)
        self._is_held = False
        raise Conflict(f"another process has taken over the work of {self._name}")

    async def release(self) -> None:
        """Let another process begin at once. If the database is away, it begins after some seconds."""
        self._is_held = False
        try:
            query = {"_id": self._name, "holder": self._me.holder}
            await self._store.compare_and_set(DUTIES, query, {"$set": {"holder": "", "process": ""}})
        except EWMSError as error:
            log.info("the duty was not released", reason=error.reason)


@asynccontextmanager
async def take_duty(
    store: Store, name: str, *, on_standby: Callable[[], None] = lambda: None, renew_s: float = _RENEW_S
) -> AsyncIterator[Duty]:
    """Wait until this process has the duty `name`, and hold it during the block. Call `on_standby` while it waits.

    If another process takes over, which happens when this one was asleep, the block is cancelled.

    Raises:
        Unavailable: another process has taken over during the block.
    """
    _on_duty.set(0)
    duty = await _wait_for_duty(store, name, on_standby, renew_s)
    _on_duty.set(1)
    body = asyncio.current_task()
    assert body is not None
    is_taken = asyncio.Event()

    async def renew() -> None:
        try:
            await duty.renew()
        except Conflict as error:
            log.error("this process must stop working", reason=error.reason)
            is_taken.set()
            body.cancel()
            await asyncio.Event().wait()

    renewing = BackgroundLoop(renew, name=f"duty {name}", failed="the duty could not be renewed", every_s=renew_s)
    renewing.start()
    try:
        yield duty
    except asyncio.CancelledError:
        if not is_taken.is_set():
            raise
        body.uncancel()
        raise Unavailable(f"another process has taken over the work of {name}", hint="start this one again") from None
    finally:
        _on_duty.set(0)
        await renewing.stop()
        if duty.is_held:
            await duty.release()


async def _wait_for_duty(store: Store, name: str, on_standby: Callable[[], None], look_s: float) -> Duty:
    me = DutyDocument(uuid.uuid4().hex, describe_process(), 0)
    loop = asyncio.get_running_loop()
    seen: Sighting | None = None
    is_waiting = False
    while True:
        try:
            found = await store.find_one(DUTIES, {"_id": name})
            if found is None:
                await _write_duty(store, name, me)
                return Duty(store, name, me)
            seen = update_sighting(seen, _read_duty(found), loop.time())
            is_gone = has_ended(seen.duty.process)
            if may_take(seen, loop.time(), is_gone=is_gone) and await _take_over(store, name, me, seen.duty):
                log.info("this process does the work now", duty=name, holder_has_ended=is_gone)
                return Duty(store, name, me)
            if not is_waiting:
                log.info("another process does the work; standing by", duty=name)
            is_waiting = True
            on_standby()
        except Conflict:
            # Another process was faster.
            continue
        except Unavailable as error:
            log.info("waiting for the database", reason=error.reason)
            seen = None
        await asyncio.sleep(look_s)


async def _take_over(store: Store, name: str, me: DutyDocument, seen: DutyDocument) -> bool:
    query = {"_id": name, "holder": seen.holder, "n": seen.n}
    change = {"$set": {"holder": me.holder, "process": me.process}, "$inc": {"n": 1}}
    return await store.compare_and_set(DUTIES, query, change)


async def _write_duty(store: Store, name: str, me: DutyDocument) -> None:
    await store.insert_one(DUTIES, {"_id": name, "holder": me.holder, "process": me.process, "n": 0})


def _read_duty(found: Document) -> DutyDocument:
    return DutyDocument(found["holder"], found["process"], found["n"])
