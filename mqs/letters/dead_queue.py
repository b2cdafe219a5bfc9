"""Read dead queues: take all letters of a workflow on loan while users look at them, and give them back afterwards.

A queue has no index. So one reader at a time takes all letters on loan, remembers the headers of each, and keeps only
small bodies. To read another body, the reader gives that letter back, and the broker delivers the letter again at once.
Only acknowledged letters leave the queue. A reader that is not used ends, and then all letters are back in their queue.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel

from mqs.letters.letter import Letter, letter_of
from runtime.amqp import Connection, ConnectionLost, NotDeclared
from runtime.amqp.errors import LIBRARY_ERRORS, translate_error
from schemas.broker.topology import dead_queue
from schemas.errors import NotFound, Unavailable
from schemas.ids import WorkflowId

#: One reader holds at most this many letters, and remembers at most this many bytes of them. Further letters come after
#: some of these have left the queue.
MAX_LETTERS = 20_000
_MAX_REMEMBERED_BYTES = 64 * 1024 * 1024
_MAX_KEPT_BODY_BYTES = 8 * 1024
_MAX_KEPT_BYTES = 32 * 1024 * 1024
#: If the broker delivers no further letter for this many seconds, the reader takes the queue as read.
_PATIENCE_S = 5.0
_CALL_S = 10.0


@dataclass(slots=True)
class _Entry:
    letter: Letter
    #: About how many bytes of memory the entry takes.
    n_bytes: int
    #: The delivery tag of each copy. An event may have become a dead letter twice in the same way.
    tags: list[int] = field(default_factory=list)
    body: bytes | None = None


class DeadReader:
    """Holds all letters of one workflow on loan."""

    def __init__(self, connection: Connection, workflow_id: WorkflowId) -> None:
        self._connection = connection
        self.queue = dead_queue(workflow_id)
        self._channel: Channel | None = None
        self._tag = ""
        self._entries: dict[str, _Entry] = {}
        self._n_remembered = 0
        self._n_kept = 0
        self._n_received = 0
        self._arrived = asyncio.Event()
        self._fetches: dict[str, asyncio.Future[bytes]] = {}
        #: Letters that the reader gave back once, to get them again with their body.
        self._returning: set[str] = set()
        #: The name and bytes of the body that was fetched last. Callers ask for a long body in parts.
        self._last: tuple[str, bytes] = ("", b"")

    @property
    def is_lost(self) -> bool:
        """Whether the loan has ended, so that the broker has all letters back."""
        return self._channel is None or self._channel.is_closed

    @property
    def n_held(self) -> int:
        """How many letters are on loan. One that the broker is about to deliver again is on loan, too."""
        return 0 if self.is_lost else sum(len(entry.tags) for entry in self._entries.values()) + len(self._returning)

    @property
    def letters(self) -> list[Letter]:
        """Return every letter on loan. Copies of a letter are returned once."""
        return [entry.letter for entry in self._entries.values()]

    async def open(self) -> None:
        """Take all letters on loan. Return when they have arrived.

        Raises:
            NotFound: the dead queue does not exist.
            Unavailable: the broker does not answer, or another MQS process reads the queue.
            ConnectionLost: the broker went away before all letters had arrived.
        """
        await self._connection.wait_until_ready(_CALL_S)
        channel = self._channel = await self._connection.open_channel(confirms=False)
        try:
            declared = await channel.queue_declare(self.queue, passive=True, timeout=_CALL_S)
            n_letters = min(declared.message_count or 0, MAX_LETTERS)
            if not declared.consumer_count:
                await channel.basic_qos(prefetch_count=MAX_LETTERS, timeout=_CALL_S)
                subscribed = await channel.basic_consume(self.queue, self._take_delivery, timeout=_CALL_S)
                self._tag = str(subscribed.consumer_tag)
                declared = await channel.queue_declare(self.queue, passive=True, timeout=_CALL_S)
            if (declared.consumer_count or 0) > (1 if self._tag else 0):
                # Two readers would each see only some of the letters. A quorum queue admits a second consumer even
                # beside an exclusive one.
                raise Unavailable("another process reads these dead letters", hint="try again in a minute")
        except (*LIBRARY_ERRORS, TimeoutError) as error:
            found = translate_error(error)
            if isinstance(found, NotDeclared):
                raise NotFound("the workflow's dead letters are gone: its dead queue was deleted") from error
            raise found from error
        with suppress(TimeoutError):
            while self._n_received < n_letters and self._tag and not self.is_lost:
                self._arrived.clear()
                async with asyncio.timeout(_PATIENCE_S):
                    await self._arrived.wait()
        if self.is_lost:
            raise ConnectionLost("the broker went away while dead letters were read")

    async def count_behind(self) -> int:
        """Return how many letters the queue holds that are not on loan.

        Raises:
            Unavailable: the broker does not answer.
        """
        try:
            declared = await self._open_channel.queue_declare(self.queue, passive=True, timeout=_CALL_S)
        except (*LIBRARY_ERRORS, TimeoutError) as error:
            raise translate_error(error) from error
        return declared.message_count or 0

    def find_letter(self, name: str) -> Letter:
        """Return the letter with this `name`.

        Raises:
            NotFound: no letter on loan has this name.
        """
        if (entry := self._entries.get(name)) is None:
            raise NotFound("no such dead letter", hint="it may have been replayed or discarded: list them again")
        return entry.letter

    def has_letter(self, name: str) -> bool:
        """Return whether a letter with this `name` is on loan."""
        return name in self._entries

    def kept_body(self, name: str) -> bytes | None:
        """Return the body of a letter. Return None if the reader does not keep it."""
        if self._last[0] == name:
            return self._last[1]
        entry = self._entries.get(name)
        return None if entry is None else entry.body

    async def fetch_body(self, name: str) -> bytes:
        """Return the body of a letter, unchanged.

        Raises:
            NotFound: there is no such letter.
            Unavailable: the broker does not deliver the letter again.
        """
        self.find_letter(name)
        if (kept := self.kept_body(name)) is not None:
            return kept
        if (fetch := self._fetches.get(name)) is None:
            fetch = self._fetches[name] = asyncio.get_running_loop().create_future()
            self._returning.add(name)
            await self._settle_copies(lambda channel, tag: channel.basic_nack(tag, requeue=True, wait=False), name, n=1)
        try:
            async with asyncio.timeout(_CALL_S):
                body = await asyncio.shield(fetch)
        except TimeoutError as error:
            raise Unavailable("the broker does not deliver the dead letter again") from error
        finally:
            self._fetches.pop(name, None)
        self._last = name, body
        return body

    async def drop_letter(self, name: str) -> None:
        """Remove a letter from the queue for good.

        Raises:
            Unavailable: the loan has ended, and the letter is still in its queue.
        """
        await self._settle_copies(lambda channel, tag: channel.basic_ack(tag, wait=False), name)
        if (entry := self._entries.pop(name, None)) is not None:
            self._n_remembered -= entry.n_bytes
            self._n_kept -= 0 if entry.body is None else len(entry.body)

    async def close(self) -> None:
        """Give all letters back to their queue."""
        if self._channel is None or self._channel.is_closed:
            return
        # Cancel first, so that the broker really removes the dropped letters; see `runtime.amqp.consumer`.
        with suppress(*LIBRARY_ERRORS, TimeoutError):
            await self._channel.basic_cancel(self._tag, timeout=_CALL_S)
        await asyncio.gather(self._channel.close(timeout=_CALL_S), return_exceptions=True)

    @property
    def _open_channel(self) -> Channel:
        if self._channel is None or self._channel.is_closed:
            raise ConnectionLost("the broker has taken the dead letters back")
        return self._channel

    async def _settle_copies(self, say: Callable[[Channel, int], Any], name: str, *, n: int | None = None) -> None:
        entry = self._entries[name]
        channel = self._open_channel
        tags, entry.tags = (entry.tags, []) if n is None else (entry.tags[:n], entry.tags[n:])
        if not tags:
            raise Unavailable("the dead letter is on its way back from the broker", hint="try again in some seconds")
        try:
            for tag in tags:
                await say(channel, tag)
        except LIBRARY_ERRORS as error:
            raise translate_error(error) from error

    async def _take_delivery(self, message: DeliveredMessage) -> None:
        properties = message.header.properties
        letter = letter_of(
            message.body, properties.message_id or "", properties.content_type or "", properties.headers or {}
        )
        entry = self._entries.get(letter.letter)
        if entry is None:
            n_bytes = len(repr(letter.headers)) + len(letter.error) + 1000
            entry = self._entries[letter.letter] = _Entry(letter, n_bytes)
            self._n_remembered += n_bytes
            if letter.n_bytes <= _MAX_KEPT_BODY_BYTES and self._n_kept + letter.n_bytes <= _MAX_KEPT_BYTES:
                entry.body = message.body
                self._n_kept += letter.n_bytes
        entry.tags.append(message.delivery_tag or 0)
        self._returning.discard(letter.letter)
        fetch = self._fetches.get(letter.letter)
        if fetch is not None and not fetch.done():
            fetch.set_result(message.body)
        self._n_received += 1
        if self._n_remembered > _MAX_REMEMBERED_BYTES and self._tag:
            tag, self._tag = self._tag, ""
            await message.channel.basic_cancel(tag, nowait=True)
        self._arrived.set()
