"""Do the same action on many queues or exchanges, over several channels at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import TypeVar

from aiormq.channel import Channel
from aiormq.exceptions import ChannelNotFoundEntity, ChannelPreconditionFailed

from runtime.amqp import Connection
from schemas.errors import Broken

#: How many channels to use at a time. RabbitMQ 4.3.6 on two cores creates 24 queues in 212, 110, 77 ms over 1, 4, 8.
_N_LANES = 8
Item = TypeVar("Item")


class _NoAnswer(Exception):
    """The broker has not answered in time."""


class ChannelLanes:
    """The lanes of one connection. All callers share them: a broker may allow only 16 channels on a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lanes = asyncio.Semaphore(_N_LANES)

    async def act_on_all(
        self,
        items: Iterable[Item],
        act: Callable[[Channel, Item], Awaitable[None]],
        *,
        missing_ok: bool = False,
    ) -> None:
        """Do `act` on every item, over several channels at a time.

        With `missing_ok`, skip items that do not exist.

        Raises:
            Broken: the broker has an item already, with other properties.
            EWMSError: another error of `act`.
        """
        left = list(reversed(list(items)))

        async def fill_lane() -> None:
            async with self._lanes:
                while left:
                    async with self._connection.lend_channel() as channel:
                        await act_in_turn(channel)

        async def act_in_turn(channel: Channel) -> None:
            while left:
                try:
                    await act(channel, left.pop())
                except ChannelNotFoundEntity:
                    if not missing_ok:
                        raise
                    return  # the broker has closed the channel; the next one goes on
                except ChannelPreconditionFailed as error:
                    raise Broken(f"the broker has it already, but with other properties: {error}") from error

        results = await asyncio.gather(*(fill_lane() for _ in range(min(_N_LANES, len(left)))), return_exceptions=True)
        for result in results:
            if result is not None:
                raise result

    async def find_unanswered(
        self, items: Iterable[Item], ask: Callable[[Channel, Item], Awaitable[object]], *, within_s: float
    ) -> list[Item]:
        """Do `ask` on every item, over several channels at a time. Return the items for which it takes longer than
        `within_s` seconds.

        Raises:
            EWMSError: an error of `ask`.
        """

        async def ask_about(item: Item) -> bool:
            with suppress(_NoAnswer):
                async with self._lanes, self._connection.lend_channel() as channel:
                    try:
                        async with asyncio.timeout(within_s):
                            await ask(channel, item)
                    except TimeoutError:
                        # The channel waits for its answer, so it must not be lent again.
                        raise _NoAnswer from None
                return True
            return False

        asked = list(items)
        answers = await asyncio.gather(*map(ask_about, asked))
        return [item for item, answered in zip(asked, answers, strict=True) if not answered]
