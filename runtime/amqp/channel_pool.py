"""Open channels on a connection, and lend them to one caller after another."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import cast

import aio_pika
from aiormq.channel import Channel

from runtime.amqp.cancellation import CHANNEL_ERRORS, translate_channel_error
from runtime.amqp.errors import LIBRARY_ERRORS, ConnectionLost, translate_error

#: The largest number that a channel can have.
_MAX_CHANNELS = 65_535

#: How many idle channels the pool keeps for the next borrowers. A broker may allow a connection only 16 channels.
_MAX_IDLE = 8
_CLOSE_TIMEOUT_S = 5.0


class ChannelPool:
    """The channels of one connection. `open_transport` returns the open connection, or raises ConnectionLost."""

    def __init__(self, open_transport: Callable[[], aio_pika.abc.AbstractConnection], *, timeout_s: float) -> None:
        self._open_transport = open_transport
        self._timeout_s = timeout_s
        #: Open channels that borrowers have returned.
        self._idle: list[Channel] = []

    @property
    def max_channels(self) -> int:
        """How many channels this connection can have: the number that the broker allows."""
        transport = self._open_transport().transport
        agreed = transport.connection.connection_tune.channel_max if transport else None
        return agreed or _MAX_CHANNELS

    @asynccontextmanager
    async def lend_channel(self) -> AsyncIterator[Channel]:
        """Lend a channel to declare queues and exchanges. Errors of the library become errors of our families.

        The channel stays open for the next borrower. After an error in the block the pool closes the channel.

        The channel is one of aiormq, because aio-pika 10.2 leaks memory: each channel of aio-pika leaves a callback on
        the connection and, with that, the channel (some 4 KB), until the connection ends. `UnderlayChannel.close`
        removes the callback from the wrong future, because aiormq 7.2 makes a new future at each `closing`.

        Raises:
            EWMSError: the broker refused a declaration, or the channel or the connection was lost.
        """
        try:
            channel = self._take_idle() or await self.open_channel(confirms=False)
            try:
                yield channel
            except BaseException:
                await asyncio.gather(channel.close(timeout=_CLOSE_TIMEOUT_S), return_exceptions=True)
                raise
        except CHANNEL_ERRORS as error:
            raise translate_channel_error(error) from error
        if len(self._idle) < _MAX_IDLE and not channel.is_closed:
            self._idle.append(channel)
        else:
            await asyncio.gather(channel.close(timeout=_CLOSE_TIMEOUT_S), return_exceptions=True)

    async def open_channel(self, *, confirms: bool) -> Channel:
        """Open a channel of aiormq, and return it. With `confirms`, the broker confirms events that a sender publishes
        on it.

        Raises:
            ConnectionLost: the connection is not open, or the channel does not open in time.
        """
        transport = self._open_transport()
        if transport.transport is None:
            raise ConnectionLost("the connection was just closed")
        try:
            async with asyncio.timeout(self._timeout_s):
                channel = await transport.transport.connection.channel(
                    _find_free_number(transport), publisher_confirms=confirms, on_return_raises=True
                )
                # The abstract class lacks the arguments `wait` of publish and `timeout` of close.
                return cast(Channel, channel)
        except (*LIBRARY_ERRORS, TimeoutError) as error:
            # A user needs no right to open a channel, so any failure is the connection's.
            raise ConnectionLost(translate_error(error).reason) from error

    def _take_idle(self) -> Channel | None:
        while self._idle:
            channel = self._idle.pop()
            if not channel.is_closed:
                return channel
        return None


def _find_free_number(transport: aio_pika.abc.AbstractConnection) -> int:
    # The library counts from the highest number in use. With channels that come and go it would exceed the broker's
    # `channel_max`, and the broker would end the whole connection. So take the lowest free number.
    taken = transport.transport.connection.channels if transport.transport else {}
    return next(number for number in count(1) if number not in taken)
