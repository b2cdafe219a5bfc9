"""One connection to the broker that lasts: it reconnects with jitter, and its token can be renewed while it is open.

aio-pika's own robust connection waits a fixed time between attempts, keeps the token it began with, and silently does
not restore a consumer whose queue it was not allowed to look at. So we use the plain connection, and its users restore
themselves: consumers subscribe by queue name alone, publishers open a channel when they need one.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Self

import aio_pika
from aiormq.channel import Channel
from yarl import URL

from runtime.amqp.address import broker_url
from runtime.amqp.backoff import full_jitter
from runtime.amqp.blockade import Blockade
from runtime.amqp.channel_pool import ChannelPool
from runtime.amqp.errors import LIBRARY_ERRORS, AccessRefused, ConnectionLost, translate_error
from runtime.amqp.oddities import accept_odd_properties
from runtime.amqp.sending import SendQueue
from schemas.errors import EWMSError

log = logging.getLogger(__name__)

#: A connection that lived this long was a good one: the next outage starts the back-off afresh.
_GOOD_AFTER_S = 10.0
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
        self._channels = ChannelPool(self._open_transport, timeout_s=timeout_s)
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
        return self._channels.max_channels

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
        """Lend a channel for declaring topology; library errors come out as the families. See `ChannelPool`."""
        await self.wait_until_ready(self._timeout_s)
        async with self._channels.lend_channel() as channel:
            yield channel

    async def open_channel(self, *, confirms: bool) -> Channel:
        """Open a channel of the lower layer, over which events go."""
        return await self._channels.open_channel(confirms=confirms)

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
