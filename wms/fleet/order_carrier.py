"""Send orders to TMSs, and put the secrets of a task's program into the order when it leaves.

Until then the order lies in the outbox with masks. A text that no key of this server fits stays there, and the relay
tries again.
"""

from runtime.bus.service_bus import Bus
from runtime.kernel.outbox import OutboxRow
from schemas.events import TaskforceStart
from schemas.wire import event_from_bytes, event_to_bytes
from wms.encryption import SecretKeys
from wms.fleet.life.sealed_texts import open_texts


class OrderCarrier:
    """Sends orders to services over `bus`."""

    def __init__(self, bus: Bus, keys: SecretKeys) -> None:
        self._bus = bus
        self._keys = keys

    async def __call__(self, row: OutboxRow) -> None:
        """Send the order of `row`.

        Raises:
            NoKey, Broken: this server cannot decrypt the secrets of the order.
        """
        await self._bus.send_serialised(row.id, row.routing_key, open_order(row, self._keys))


def open_order(row: OutboxRow, keys: SecretKeys) -> bytes:
    """Return the bytes of the order of `row` as its receiver gets them.

    Raises:
        NoKey, Broken: this server cannot decrypt the secrets of the order.
    """
    if not row.routing_key.endswith(f".{TaskforceStart.TYPE}"):
        return row.body
    event = event_from_bytes(row.body)
    if not isinstance(event.data, TaskforceStart) or not event.data.task.sealed_texts:
        return row.body
    task = open_texts(event.data.task, keys.unseal)
    return event_to_bytes(event.model_copy(update={"data": event.data.model_copy(update={"task": task})}))
