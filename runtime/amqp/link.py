"""One connection to the broker that lasts: it reconnects with jitter, and its token can be renewed while it is open.

aio-pika's own robust connection waits a fixed time between attempts, keeps the token it began with, and silently does
not restore a consumer whose queue it was not allowed to look at. So we use the plain connection, and its users restore
themselves: consumers subscribe by queue name alone, publishers open a channel when they need one.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import Any, Self, cast

import aio_pika
from aiormq.channel import Channel
from yarl import URL

from runtime.amqp.address import broker_url
from runtime.amqp.backoff import full_jitter
from runtime.amqp.blockade import Blockade
from runtime.amqp.errors import LIBRARY_ERRORS, AccessRefused, ConnectionLost, translate_error
from runtime.amqp.oddities import accept_odd_properties
from runtime.amqp.sending import SendQueue
from schemas.errors import EWMSError

log = logging.getLogger(__name__)

#: A connection that lived this long was a good one: the next outage starts the back-off afresh.
_GOOD_AFTER_S = 10.0

#: The most channels that a channel's number has room for.
_MAX_CHANNELS = 65_535

#: How many idle channels are kept for the next borrower; a broker may allow a connection no more than 16 in all.
_MAX_IDLE = 8
_CLOSE_TIMEOUT_S = 5.0
_BLOCKED_CLOSE_TIMEOUT_S = 0.5

Token = str | Callable[[], str] | None


class Link:
    """A connection that is restored until it is closed, and nothing else. Build it with `Link.connect`."""

    def __init__(
        self, address: str, *, token: Token, name: str, heartbeat_s: int, timeout_s: float, backoff_cap_s: float
    ) -> None:
        accept_odd_properties()
        self._address = address
        self._token = token
        self._name = name
        self._heartbeat_s = heartbeat_s
        self._timeout_s = timeout_s
        self._backoff_cap_s = backoff_cap_s
        self._transport: aio_pika.abc.AbstractConnection | None = None
        self._up = asyncio.Event()
        self._lost = asyncio.Event()
        self._closed = False
        self._since = 0.0
        self._keeper: asyncio.Task[None] | None = None
        #: Channels that were lent out and came back in good order.
        self._idle: list[Channel] = []
        #: Called with the reason whenever the connection is lost; it comes back by itself.
        self.on_lost: list[Callable[[EWMSError], None]] = []
        #: Called whenever the connection is there (again), before any consumer has subscribed.
        self.on_connected: list[Callable[[], None]] = []
        #: Why the connection is down, by the last attempt; None while it is up.
        self.error: EWMSError | None = None
        #: Whether the broker reads what is sent to it.
        self.blockade = Blockade()

    @classmethod
    async def connect(
        cls,
        address: str,
        *,
        token: Token = None,
        name: str = "",
        heartbeat_s: int = 15,
        timeout_s: float = 10.0,
        wait_s: float = 0.0,
        backoff_cap_s: float = 30.0,
    ) -> Self:
        """Return an open connection to `address` (`[SCHEME://][USER[:PASS]@]HOST[:PORT][/VHOST]`).

        `token` is the password; a callable is asked again at every reconnect (a token file that is rewritten). This
        waits up to `wait_s` for a broker that is not there yet, but does not retry refused credentials.

        Raises:
            AccessRefused: credentials, token or vhost are refused.
            ConnectionLost: there is no broker.
        """
        self = cls(
            address, token=token, name=name, heartbeat_s=heartbeat_s, timeout_s=timeout_s, backoff_cap_s=backoff_cap_s
        )
        deadline = asyncio.get_running_loop().time() + wait_s
        attempt = 0
        while True:
            try:
                self._adopt_connection(await self._open_connection())
                break
            except ConnectionLost as error:
                if asyncio.get_running_loop().time() >= deadline:
                    raise
                log.info("waiting for the broker: %s", error.reason)
                await asyncio.sleep(full_jitter(attempt, cap_s=2.0))
                attempt += 1
        self._keeper = asyncio.create_task(self._stay_connected(), name=f"amqp {name}")
        return self

    @property
    def is_connected(self) -> bool:
        """Whether the connection is open at this moment."""
        return self._up.is_set()

    @property
    def max_channels(self) -> int:
        """How many channels this connection can have, as it was agreed with the broker."""
        transport = self._open_transport().transport
        agreed = transport.connection.connection_tune.channel_max if transport else None
        return agreed or _MAX_CHANNELS

    async def wait_until_ready(self, timeout_s: float | None = None) -> None:
        """Return once the connection is open.

        Raises:
            ConnectionLost: it was closed for good, or is not back within `timeout_s`.
        """
        if self._up.is_set():
            return
        try:
            async with asyncio.timeout(timeout_s):
                await self._up.wait()
        except TimeoutError:
            raise ConnectionLost(self.error.reason if self.error else "the broker is away") from None
        if self._closed:
            raise ConnectionLost("the connection is closed")

    async def renew_token(self, token: str, *, timeout_s: float = 10.0) -> None:
        """Replace the token, on the open connection and for every reconnect. The `sub` must be the same.

        Raises:
            AccessRefused: the broker refused it and closed the connection; the old token is kept.
        """
        transport = self._transport
        if not self._up.is_set() or transport is None:
            self._keep_token(token)
            return
        # The library waits for the answer on a future that goes on when the connection ends.
        renewal = asyncio.ensure_future(transport.update_secret(token, reason="renewal", timeout=timeout_s))
        lost = asyncio.ensure_future(self._lost.wait())
        try:
            await asyncio.wait({renewal, lost}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            lost.cancel()
        renewal.cancel()
        (outcome,) = await asyncio.gather(renewal, return_exceptions=True)
        if isinstance(outcome, BaseException) and isinstance(refusal := translate_error(outcome), AccessRefused):
            raise refusal
        # If the connection was lost meanwhile, the broker may or may not have the new token. Keep the newer one.
        self._keep_token(token)

    def _keep_token(self, token: str) -> None:
        # A callable is the owner's own source of tokens; overriding it would shadow every later one.
        if not callable(self._token):
            self._token = token

    @asynccontextmanager
    async def lend_channel(self) -> AsyncIterator[Channel]:
        """Lend a channel for declaring topology; library errors come out as the families.

        The channel stays open for the next borrower, unless the block raised: then its state is unknown.

        It is one of aiormq's, because aio-pika 10.2 leaks. For every channel that it opens it leaves a callback on the
        connection, and with the callback the channel, some 4 KB, until the connection ends. Its `UnderlayChannel.close`
        removes the callback from another future than the one it was added to, since aiormq 7.2 makes a new future at
        each `closing`.
        """
        await self.wait_until_ready(self._timeout_s)
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

    def _take_idle(self) -> Channel | None:
        while self._idle:
            channel = self._idle.pop()
            if not channel.is_closed:
                return channel
        return None

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

    async def close(self) -> None:
        """Close for good. Close channels before: what the library still had to send is not sent."""
        if self._closed:
            return
        self._closed = True
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        self._up.set()  # a caller in `wait_until_ready` now learns that the connection is closed for good
        # A broker that reads nothing answers nothing.
        timeout_s = _BLOCKED_CLOSE_TIMEOUT_S if self.blockade.reason else self._timeout_s
        self.blockade.end_blockade()
        if self._transport is not None:
            with suppress(*LIBRARY_ERRORS, TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._transport.close()

    def _open_transport(self) -> aio_pika.abc.AbstractConnection:
        if self._closed or self._transport is None or not self._up.is_set():
            raise ConnectionLost("the connection is closed" if self._closed else "the broker is away")
        return self._transport

    def _build_url(self) -> URL:
        token = self._token() if callable(self._token) else self._token
        return broker_url(self._address, token=token, heartbeat_s=self._heartbeat_s, name=self._name)

    async def _open_connection(self) -> aio_pika.abc.AbstractConnection:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await aio_pika.connect(self._build_url())
        except (*LIBRARY_ERRORS, TimeoutError) as error:
            self.error = translate_error(error)
            raise self.error from error

    def _adopt_connection(self, transport: aio_pika.abc.AbstractConnection) -> None:
        self._transport = transport
        queue: SendQueue | None = None
        if transport.transport is not None:
            connection = transport.transport.connection
            # Every channel that is opened from here on takes it from the connection.
            connection.write_queue = queue = SendQueue(connection.write_queue)
            self.blockade.watch_connection(connection)
        self._lost.clear()
        self._since = asyncio.get_running_loop().time()
        self.error = None

        def closed(_: Any, reason: BaseException | None) -> None:
            if queue is not None:
                queue.abandon_all()
            if transport is self._transport and not self._closed:
                self.error = translate_error(reason)
                self._up.clear()
                self._lost.set()
                self.blockade.end_blockade()

        transport.close_callbacks.add(closed)
        self._up.set()
        for callback in self.on_connected:
            self._call_listener(callback)

    def _call_listener(self, callback: Callable[..., object], *arguments: object) -> None:
        """Call a listener. A defect in it must not keep the connection from coming back."""
        try:
            callback(*arguments)
        except Exception:
            log.exception("a callback of the connection %s failed", self._name)

    async def _stay_connected(self) -> None:
        attempt = 0
        while True:
            await self._lost.wait()
            reason = self.error or ConnectionLost("the connection was closed")
            log.warning("connection to the broker lost: %s", reason.reason)
            for callback in self.on_lost:
                self._call_listener(callback, reason)
            if asyncio.get_running_loop().time() - self._since > _GOOD_AFTER_S:
                attempt = 0
            while True:
                await asyncio.sleep(full_jitter(attempt, cap_s=self._backoff_cap_s))
                attempt += 1
                try:
                    transport = await self._open_connection()
                except EWMSError as error:
                    log.warning("no connection to the broker yet (attempt %d): %s", attempt, error.reason)
                    continue
                except Exception:
                    # Whatever it was: a connection that stops coming back would hang its process without a word.
                    log.exception("no connection to the broker yet (attempt %d)", attempt)
                    continue
                break
            self._adopt_connection(transport)
            log.info("connected to the broker again")


def _free_number(transport: aio_pika.abc.AbstractConnection) -> int:
    # The library counts on from the highest number in use, so channels that come and go would creep past the
    # broker's `channel_max`, which ends the whole connection.
    taken = transport.transport.connection.channels if transport.transport else {}
    return next(number for number in count(1) if number not in taken)
