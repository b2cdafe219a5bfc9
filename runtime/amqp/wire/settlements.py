"""Join acknowledgements: one frame for all deliveries before the first delivery that is not done yet. (core)

A later delivery that is done gets a frame of its own, so a slow event delays no other event.
"""

from runtime.amqp.wire.frames import ack_frame


class AckBook:
    """The deliveries of one channel that are on loan, and the acknowledgements that are not sent yet."""

    def __init__(self) -> None:
        #: The tags of the deliveries, in ascending order. The prefetch limits how many there are.
        self._on_loan: dict[int, None] = {}
        self._waiting: set[int] = set()

    def add_delivery(self, tag: int) -> None:
        """Record a delivery that the broker lends us."""
        self._on_loan[tag] = None

    def add_ack(self, tag: int) -> None:
        """Record that a delivery is done."""
        self._waiting.add(tag)

    def note_settled(self, tag: int) -> None:
        """Forget the delivery `tag`, because the channel has rejected or released it by a frame for this delivery
        alone.
        """
        self._on_loan.pop(tag, None)

    def __bool__(self) -> bool:
        """Return whether acknowledgements wait to be sent."""
        return bool(self._waiting)

    def take_frames(self, channel: int) -> bytes:
        """Return the frames of all acknowledgements that wait, and forget these acknowledgements."""
        waiting, on_loan, up_to = self._waiting, self._on_loan, 0
        for tag in on_loan:
            if tag not in waiting:
                break
            up_to = tag
        frames = [ack_frame(channel, up_to, and_earlier=True)] if up_to else []
        frames += (ack_frame(channel, tag) for tag in sorted(waiting) if tag > up_to)
        for tag in waiting:
            on_loan.pop(tag, None)
        waiting.clear()
        return b"".join(frames)
