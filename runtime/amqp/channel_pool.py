"""Open channels on a connection, and lend them out one after the other."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import cast

import aio_pika
from aiormq.channel import Channel

from runtime.amqp.errors import LIBRARY_ERRORS, ConnectionLost, translate_error

#: The most channels that a channel's number has room for.
_MAX_CHANNELS = 65_535

#: How many idle channels are kept for the next borrower; a broker may allow a connection no more than 16 in all.
_MAX_IDLE = 8
_CLOSE_TIMEOUT_S = 5.0


class ChannelPool:
    """The channels of one connection. `open_transport` returns that connection, or raises if it is not open."""

    def __init__(self, open_transport: Callable[[], aio_pika.abc.AbstractConnection], *, timeout_s: float) -> None:
        self._open_transport = open_transport
        self._timeout_s = timeout_s
        #: Channels that were lent out and came back in good order.
        self._idle: list[Channel] = []

    @property
    def max_channels(self) -> int:
        """How many channels this connection can have, as it was agreed with the broker."""
        transport = self._open_transport().transport
        agreed = transport.connection.connection_tune.channel_max if transport else None
        return agreed or _MAX_CHANNELS

    @asynccontextmanager
    async def lend_channel(self) -> AsyncIterator[Channel]:
        """Lend a channel for declaring topology; library errors come out as the families.

        The channel stays open for the next borrower, unless the block raised: then its state is unknown.

        It is one of aiormq's, because aio-pika 10.2 leaks. For every channel that it opens it leaves a callback on the
        connection, and with the callback the channel, some 4 KB, until the connection ends. Its `UnderlayChannel.close`
        removes the callback from another future than the one it was added to, since aiormq 7.2 makes a new future at
        each `closing`.
        """
        try:
            channel = self._take_idle() or await self.open_channel(confirms=False)
            try:
                yield channel
            except BaseException:
                await asyncio.gather(channel.close(timeout=_CLOSE_TIMEOUT_S), return_exceptions=True)
                raise
        except LIBRARY_ERRORS as error:
            raise translate_error(error) from error
        if len(self._idle) < _MAX_IDLE and not channel.is_closed:
            self._idle.append(channel)
        else:
            await asyncio.gather(channel.close(timeout=_CLOSE_TIMEOUT_S), return_exceptions=True)

    async def open_channel(self, *, confirms: bool) -> Channel:
        """Open a channel of the lower layer, over which events go."""
        transport = self._open_transport()
        if transport.transport is None:
            raise ConnectionLost("the connection was just closed")
        try:
            async with asyncio.timeout(self._timeout_s):
                channel = await transport.transport.connection.channel(
                    _free_number(transport), publisher_confirms=confirms, on_return_raises=True
                )
                # The abstract class leaves out `wait` of publish and `timeout` of close.
                return cast(Channel, channel)
        except (*LIBRARY_ERRORS, TimeoutError) as error:
            # Opening a channel needs no right, so any failure is the connection's.
            raise ConnectionLost(translate_error(error).reason) from error

    def _take_idle(self) -> Channel | None:
        while self._idle:
            channel = self._idle.pop()
            if not channel.is_closed:
                return channel
        return None


def _free_number(transport: aio_pika.abc.AbstractConnection) -> int:
    # The library counts on from the highest number in use, so channels that come and go would creep past the
    # broker's `channel_max`, which ends the whole connection.
    taken = transport.transport.connection.channels if transport.transport else {}
    return next(number for number in count(1) if number not in taken)
