"""A lasting connection to the broker: it reconnects with random pauses, and renews its token while it is open.

aio-pika's own robust connection waits a fixed time between attempts and keeps its first token. And it silently drops a
consumer that has no right to declare its queue. So we use aio-pika's plain connection. Consumers and publishers restore
themselves: a consumer subscribes to the name of its queue, and a publisher opens a channel when it needs one.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Self

import aio_pika
from aiormq.channel import Channel

from runtime.amqp.address import broker_urls
from runtime.amqp.backoff import full_jitter
from runtime.amqp.blockade import Blockade
from runtime.amqp.channel_pool import ChannelPool
from runtime.amqp.errors import LIBRARY_ERRORS, AccessRefused, ConnectionLost, translate_error
from runtime.amqp.oddities import accept_odd_properties
from runtime.amqp.sending import SendQueue
from runtime.amqp.wire.opening import open_at_one
from runtime.amqp.wire.publishing import LibraryPublishing, OnOutcome, PublishingChannel, TappedPublishing
from runtime.amqp.wire.tap import Tap, TappedConnection
from schemas.errors import EWMSError

log = logging.getLogger(__name__)

#: After a connection that lasted this long, the pauses between attempts start from the shortest again.
_GOOD_AFTER_S = 10.0
_BLOCKED_CLOSE_TIMEOUT_S = 0.5
Token = str | Callable[[], str] | None


class Link:
    """A connection that is restored after each loss, until its owner closes it. Open it by `Link.connect`."""

    def __init__(
        self,
        address: str,
        *,
        token: Token,
        name: str,
        heartbeat_s: int,
        timeout_s: float,
        backoff_cap_s: float,
        ca_file: str = "",
    ) -> None:
        accept_odd_properties()
        self._address = address
        self._token = token
        self._name = name
        self._heartbeat_s = heartbeat_s
        self._timeout_s = timeout_s
        self._backoff_cap_s = backoff_cap_s
        self._ca_file = ca_file
        self._transport: aio_pika.abc.AbstractConnection | None = None
        self._up = asyncio.Event()
        self._lost = asyncio.Event()
        self._closed = False
        self._since = 0.0
        self._keeper: asyncio.Task[None] | None = None
        self._channels = ChannelPool(self._open_transport, timeout_s=timeout_s)
        #: Called at each loss of the connection, with the reason. The link reconnects by itself.
        self.on_lost: list[Callable[[EWMSError], None]] = []
        #: Called at each reconnect, before any consumer has subscribed.
        self.on_connected: list[Callable[[], None]] = []
        #: The error of the last attempt to connect; None while the connection is up.
        self.error: EWMSError | None = None
        #: Whether the broker reads from this connection.
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
        ca_file: str = "",
    ) -> Self:
        """Open a connection to `address` (`[SCHEME://][USER[:PASS]@]HOST[:PORT][,HOST[:PORT]…][/VHOST]`), and return
        its link.

        If `address` has several hosts, the link tries them in a random order, at each connect anew.

        `token` is the password. If `token` is a callable, the link calls it at every connect, for example to read a
        file again. If no broker answers, try again for up to `wait_s` seconds. Do not retry refused credentials.

        `ca_file` names authorities to trust besides the system's; "": those of the process
        (`runtime.hosts.certificates`).

        Raises:
            AccessRefused: the broker refuses the credentials, the token or the vhost.
            CertificateRefused: the broker's certificate is not to be trusted.
            BadAuthorities: the file of authorities cannot be used.
            ConnectionLost: no broker answers.
            Rejected: `address` is not the address of a broker.
        """
        self = cls(
            address,
            token=token,
            name=name,
            heartbeat_s=heartbeat_s,
            timeout_s=timeout_s,
            backoff_cap_s=backoff_cap_s,
            ca_file=ca_file,
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
        """Whether the connection is open now."""
        return self._up.is_set()

    @property
    def max_channels(self) -> int:
        """How many channels this connection can have: the number that the broker allows."""
        return self._channels.max_channels

    async def wait_until_ready(self, timeout_s: float | None = None) -> None:
        """Wait until the connection is open.

        Raises:
            ConnectionLost: the owner has closed the link, or the connection is not open within `timeout_s`.
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
        """Replace the token on the open connection, and for every reconnect. The new token must have the same `sub`.

        Raises:
            AccessRefused: the broker refused the new token and closed the connection. The link keeps the old token.
        """
        transport = self._transport
        if not self._up.is_set() or transport is None:
            self._keep_token(token)
            return
        # The library waits for the answer with a future that outlives the connection. So watch `_lost`, too.
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
        # Keep the new token. If the connection was lost meanwhile, the link uses it to reconnect.
        self._keep_token(token)

    def _keep_token(self, token: str) -> None:
        # A callable is the owner's source of tokens. To replace it would hide all its later tokens.
        if not callable(self._token):
            self._token = token

    @asynccontextmanager
    async def lend_channel(self) -> AsyncIterator[Channel]:
        """Lend a channel to declare queues and exchanges. Errors of the library become ours. See `ChannelPool`."""
        await self.wait_until_ready(self._timeout_s)
        async with self._channels.lend_channel() as channel:
            yield channel

    async def open_channel(self, *, confirms: bool) -> Channel:
        """Open a channel of aiormq. See `ChannelPool.open_channel`."""
        return await self._channels.open_channel(confirms=confirms)

    async def open_publishing_channel(self, on_outcome: OnOutcome) -> PublishingChannel:
        """Open a channel that publishes with confirms. It calls `on_outcome` with each event's outcome."""
        channel = await self.open_channel(confirms=True)
        tap = self.find_tap(channel)
        return LibraryPublishing(channel, on_outcome) if tap is None else TappedPublishing(tap, channel, on_outcome)

    def find_tap(self, channel: Channel) -> Tap | None:
        """Return the tap on the channel's connection. Return None if the library takes all frames itself."""
        transport = self._transport
        if not isinstance(transport, TappedConnection) or transport.transport is None:
            return None
        # The link may have reconnected since it opened the channel.
        return transport.tap if transport.transport.connection is channel.connection else None

    async def close(self) -> None:
        """Close the connection for good, and drop the frames that the library has not sent.

        To send those frames, close their channels first.
        """
        if self._closed:
            return
        self._closed = True
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        self._up.set()  # a caller in `wait_until_ready` now learns that the connection is closed for good
        # A broker that does not read does not answer.
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

    async def _open_connection(self) -> aio_pika.abc.AbstractConnection:
        token = self._token() if callable(self._token) else self._token
        urls = broker_urls(self._address, token=token, heartbeat_s=self._heartbeat_s, name=self._name)
        try:
            return await open_at_one(urls, timeout_s=self._timeout_s, ca_file=self._ca_file)
        except EWMSError as error:
            self.error = error
            raise

    def _adopt_connection(self, transport: aio_pika.abc.AbstractConnection) -> None:
        self._transport = transport
        queue: SendQueue | None = None
        if transport.transport is not None:
            connection = transport.transport.connection
            # Every later channel takes its queue from the connection.
            connection.write_queue = queue = SendQueue(connection.write_queue)
            self.blockade.watch_connection(connection)
        self._lost.clear()
        self._since = asyncio.get_running_loop().time()
        self.error = None

        def note_closed(_: Any, reason: BaseException | None) -> None:
            if queue is not None:
                queue.abandon_all()
            if transport is self._transport and not self._closed:
                self.error = translate_error(reason)
                self._up.clear()
                self._lost.set()
                self.blockade.end_blockade()

        transport.close_callbacks.add(note_closed)
        self._up.set()
        for callback in self.on_connected:
            self._call_listener(callback)

    def _call_listener(self, callback: Callable[..., object], *arguments: object) -> None:
        """Call `callback`, and only log its errors: they must not keep the link from reconnecting."""
        try:
            callback(*arguments)
        except Exception:
            log.exception("a callback of the connection %s raised an error", self._name)

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
                    # Catch every error: without this loop the connection never returns, and its process hangs silently.
                    log.exception("no connection to the broker yet (attempt %d)", attempt)
                    continue
                break
            self._adopt_connection(transport)
            log.info("connected to the broker again")
