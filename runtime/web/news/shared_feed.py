"""Let many streams follow one state. It is read, compared and encoded once for all of them.

    read every 2 s -> compare with the last state -> bytes -> stream 1, stream 2, ... stream 100

A feed reads only while a stream follows it. With more than 100 streams it reads less often, every 4 s with 200: what
remains to do for each stream is to send, and so all of them together never cost more than a bounded share.

A stream with a slow client misses steps: it then gets the bytes that lead from the state that it knows to the newest
one, made for it alone. So a feed keeps one state, however slow clients are.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from runtime.telemetry import log


class NamedState(Protocol):
    """A state of a feed. Two states with the same id are the same to a client."""

    @property
    def id(self) -> str:
        """The id of an event after which a client knows the state."""
        ...


State = TypeVar("State", bound=NamedState)

#: A change is sent to so many streams a second at most, on average.
_STREAMS_PER_S = 50


@dataclass(frozen=True, slots=True)
class _Step(Generic[State]):
    """The newest state of a feed, and the bytes that lead to it from the state before."""

    state: State
    before: State | None
    change: bytes


class SharedFeed(Generic[State]):
    """One state that streams follow. After an error of `read` the feed is over, and so are its streams."""

    def __init__(
        self,
        read: Callable[[], Awaitable[State]],
        *,
        encode_whole: Callable[[State], bytes],
        encode_change: Callable[[State, State], bytes],
        pause_s: float,
    ) -> None:
        """`encode_whole` and `encode_change` make the bytes that a client gets: a whole state, or a change of it. The
        feed waits at least `pause_s` between two readings.
        """
        self._read = read
        self._encode_whole = encode_whole
        self._encode_change = encode_change
        self._pause_s = pause_s
        self._step: _Step[State] | None = None
        #: The last whole state that a stream began with, as bytes.
        self._whole: tuple[State, bytes] | None = None
        #: Set at the next step, and then replaced.
        self._stepped = asyncio.Event()
        self._failure: Exception | None = None
        self._reading: asyncio.Task[None] | None = None
        self._n_streams = 0

    @property
    def is_over(self) -> bool:
        """Whether the feed does not read: it has no stream, or reading failed. A new stream then needs a new feed."""
        return self._n_streams == 0 or self._failure is not None

    async def follow_state(self, after: str) -> AsyncGenerator[bytes, None]:
        """Yield the state for a client that has the id `after`, then each change.

        Raises:
            Exception: whatever `read` raises.
        """
        self._n_streams += 1
        self._reading = self._reading or asyncio.create_task(self._read_on(), name="feed")
        try:
            known = (await self._wait_for_step(None)).state
            if known.id != after:
                yield self._find_whole(known)
            while True:
                step = await self._wait_for_step(known)
                before, known = known, step.state
                # A slow client may have missed a change and its opposite.
                if before.id != known.id:
                    yield step.change if step.before is before else self._encode_change(before, known)
        finally:
            self._n_streams -= 1
            if self._n_streams == 0:
                self._reading.cancel()

    async def _wait_for_step(self, known: State | None) -> _Step[State]:
        """Return the newest step, once it leads to another state than `known`."""
        while self._failure is None:
            if self._step is not None and self._step.state is not known:
                return self._step
            await self._stepped.wait()
        raise self._failure

    async def _read_on(self) -> None:
        try:
            while True:
                self._note_state(await self._read())
                await asyncio.sleep(max(self._pause_s, self._n_streams / _STREAMS_PER_S))
        except Exception as error:  # noqa: BLE001 - each stream must learn of it, or it would wait for ever
            log.debug("a feed ended", error=repr(error))
            self._failure = error
            self._wake_streams()

    def _note_state(self, state: State) -> None:
        before = None if self._step is None else self._step.state
        if before is None or before.id != state.id:
            change = b"" if before is None else self._encode_change(before, state)
            self._step = _Step(state, before, change)
            self._wake_streams()

    def _wake_streams(self) -> None:
        stepped, self._stepped = self._stepped, asyncio.Event()
        stepped.set()

    def _find_whole(self, state: State) -> bytes:
        """Return the bytes of the whole `state`. Streams that begin at the same time share them."""
        if self._whole is None or self._whole[0] is not state:
            self._whole = state, self._encode_whole(state)
        return self._whole[1]
