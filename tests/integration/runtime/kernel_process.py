"""A process with the kernel in it, to be killed: `python -m tests.integration.runtime.kernel_process ROLE`.

decide      commit one decision (document `sent`, one event to MQS) and relay it; print `done` when it is out
consume     as MQS: count every event in the document `received`, through the inbox; print each id
"""

import asyncio
import os
import sys
from contextlib import suppress
from datetime import timedelta

from runtime.bus.service_bus import Bus
from runtime.kernel.decision import Decision, Insert, Update
from runtime.kernel.outbox import OUTBOX
from runtime.kernel.relay import Relay
from runtime.kernel.store import Store, Transaction
from runtime.telemetry import configure_logging
from schemas.errors import Unavailable
from schemas.events import ControlEvent
from tests.integration.runtime.events import OVER


async def decide(store: Store, bus: Bus) -> None:
    """Commit a decision with an event; end once the outbox is empty."""
    relay = Relay(store, bus, sweep_s=0.3)
    relay.start()

    async def step(_: Transaction) -> Decision:
        return Decision((Insert("things", {"_id": "sent"}),), (OVER,))

    while await store.find_one("things", {"_id": "sent"}) is None:
        # MongoDB keeps the open transaction of a process that was killed, and what it has locked, for some seconds.
        with suppress(Unavailable):
            await store.transact(step)
    while await store.count(OUTBOX, {}):
        await asyncio.sleep(0.02)
    await relay.stop()
    print("done", flush=True)


async def count(store: Store, bus: Bus) -> None:
    """Count events, each once."""

    async def handle(event: ControlEvent) -> None:
        async def step(tx: Transaction) -> Decision:
            received = await tx.find_one("things", {"_id": "received"})
            if received is None:
                return Decision((Insert("things", {"_id": "received", "n": 1, "rev": 1, "name": "received"}),))
            return Decision((Update("things", "received", set={"n": received["n"] + 1}, rev=received["rev"]),))

        await store.transact(step, inbox_id=f"mqs:{event.id}")
        print(event.id, flush=True)

    await bus.consume(handle)
    await asyncio.Event().wait()


async def main(role: str) -> None:
    """Play `role`."""
    configure_logging(service=role, level="WARNING")
    store = await Store.connect(
        os.environ["TEST_MONGO_URL"],
        database=os.environ["TEST_DATABASE"],
        source="ewms/test",
        outbox_grace=timedelta(seconds=0.5),
    )
    service = "wms" if role == "decide" else "mqs"
    bus = await Bus.connect(os.environ["TEST_AMQP_URL"], service=service, source="ewms/test")
    await (decide if role == "decide" else count)(store, bus)
    await bus.drain()
    await bus.close()
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
