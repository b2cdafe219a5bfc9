"""Read both streams of one run from their pipes, and publish what comes: once a second, or when a piece is full."""

import asyncio
import logging
import os
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from pilot.events.queues import PilotQueues
from pilot.failures.secret_mask import SecretMask
from pilot.logs.stream_text import StreamText, cut_note
from pilot.settings import PilotSettings
from runtime.amqp import QueueFull
from schemas.errors import EWMSError
from schemas.ids import EventId
from schemas.payloads.data_events import JSON, DataEvent, Header
from schemas.pilot.outcomes import MAX_PIECE_BYTES, LogLength, LogPiece, TaskStream, piece_to_bytes
from schemas.pilot.pilot_wire import QueueEndpoint

log = logging.getLogger(__name__)

#: How long a piece may wait for more text.
PIECE_WAIT_S = 1.0
#: After its end a run waits so long for the confirms of its last pieces. What is unconfirmed then counts as cut. The
#: outcome waits meanwhile, so this must be shorter than the time that a pilot has to settle at its end.
LAST_WAIT_S = 4.0

_CHUNK_BYTES = 64 * 1024
#: After the end of a command at most so much is read from its pipe: more than a pipe holds.
_MAX_REST_BYTES = 2 * 1024 * 1024
#: Seconds from a full queue's refusal to the next try.
_OFFER_AGAIN_S = (0.25, 1.0, 2.0, 5.0)


@dataclass(frozen=True, slots=True)
class LoggedRun:
    """What identifies a run in its log pieces."""

    run: str
    event_id: EventId
    attempt: int
    key: str


@dataclass(slots=True)
class _Stream:
    fd: int
    text: StreamText
    on_chunk: Callable[[bytes], None]
    n_pieces: int = 0
    is_open: bool = True
    lost: bool = False
    sending: set[asyncio.Task[None]] = field(default_factory=set)


class LogPublisher:
    """Publishes the logs of a pilot's runs to the queue `EWMS_PILOT_LOGS_TO`."""

    def __init__(self, settings: PilotSettings, queues: PilotQueues, mask: SecretMask) -> None:
        self._settings = settings
        self._queues = queues
        self._mask = mask
        self._sending: set[asyncio.Task[None]] = set()

    def begin_run(
        self, run: LoggedRun, fds: dict[TaskStream, int], on_chunk: dict[TaskStream, Callable[[bytes], None]]
    ) -> "RunLogs | None":
        """Read the pipes `fds` of a run from now on, and give each chunk to its function in `on_chunk`, too.

        Return None if the pilot publishes no logs.
        """
        queue = self._settings.logs_queue
        if queue is None:
            return None
        streams = {
            name: _Stream(fd, StreamText(self._settings.log_limit_bytes, self._mask), on_chunk[name])
            for name, fd in fds.items()
        }
        return RunLogs(self._settings, self._queues, queue, run, streams, sending=self._sending)

    async def finish_sending(self) -> None:
        """Wait for the confirms of all pieces, at most `LAST_WAIT_S`, and drop the others. Call this at the end."""
        if self._sending:
            await asyncio.wait(self._sending, timeout=LAST_WAIT_S)
        for task in tuple(self._sending):
            task.cancel()


class RunLogs:
    """The two streams of one run. The pipes are closed when `end_reading` is called."""

    def __init__(
        self,
        settings: PilotSettings,
        queues: PilotQueues,
        queue: QueueEndpoint,
        run: LoggedRun,
        streams: dict[TaskStream, _Stream],
        *,
        sending: set[asyncio.Task[None]],
    ) -> None:
        """`sending` gets the publications of all runs."""
        self._settings = settings
        self._queues = queues
        self._queue = queue
        self._run = run
        self._streams = streams
        self._sending = sending
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        for stream in streams.values():
            os.set_blocking(stream.fd, False)
            self._loop.add_reader(stream.fd, self._read_chunk, stream)

    def end_reading(self) -> None:
        """Read what is left in the pipes of a run that has ended, close them, and begin to publish the last pieces."""
        for name, stream in self._streams.items():
            n_read = 0
            while stream.is_open and n_read < _MAX_REST_BYTES:
                n = self._read_chunk(stream)
                if n == 0:
                    break
                n_read += n
            if stream.is_open:
                self._loop.remove_reader(stream.fd)
                stream.is_open = False
            os.close(stream.fd)
            self._publish_texts(name, stream, last=True)
        if self._timer is not None:
            self._timer.cancel()

    async def finish_sending(self) -> dict[TaskStream, LogLength]:
        """Wait for the confirms of all pieces, at most `LAST_WAIT_S`. Return how much of each stream was published."""
        sending = {task for stream in self._streams.values() for task in stream.sending}
        if sending:
            await asyncio.wait(sending, timeout=LAST_WAIT_S)
        lengths = {}
        for name, stream in self._streams.items():
            is_cut = stream.text.is_cut or stream.lost or bool(stream.sending)
            lengths[name] = LogLength(stream.n_pieces, stream.text.n_bytes, is_cut)
        return lengths

    def _read_chunk(self, stream: _Stream) -> int:
        """Read the bytes that are ready, and return how many there are."""
        chunk: bytes | None = None
        with suppress(BlockingIOError):
            chunk = os.read(stream.fd, _CHUNK_BYTES)
        if chunk is None:
            return 0
        if not chunk:  # the run has closed its end
            self._loop.remove_reader(stream.fd)
            stream.is_open = False
            return 0
        stream.on_chunk(chunk)
        stream.text.add_chunk(chunk)
        if stream.text.n_waiting >= MAX_PIECE_BYTES:
            self._publish_all()
        elif self._timer is None:
            self._timer = self._loop.call_later(PIECE_WAIT_S, self._publish_all)
        return len(chunk)

    def _publish_all(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for name, stream in self._streams.items():
            self._publish_texts(name, stream, last=False)

    def _publish_texts(self, name: TaskStream, stream: _Stream, *, last: bool) -> None:
        texts = stream.text.take_texts(last=last)
        is_cut = last and stream.text.is_cut
        if is_cut:
            texts.append(cut_note(name, stream.text.n_bytes, self._settings.log_limit_bytes))
        if last and not texts and stream.n_pieces:
            texts.append("")  # it only says that no more comes
        for number, text in enumerate(texts, stream.n_pieces):
            is_last = last and text is texts[-1]
            piece = LogPiece(
                event_id=self._run.event_id,
                attempt=self._run.attempt,
                run=self._run.run,
                stream=name,
                number=number,
                text=text,
                is_last=is_last,
                is_cut=is_cut and is_last,
                key=self._run.key,
                task_id=self._settings.task_id,
                taskforce_uuid=self._settings.taskforce_uuid,
            )
            task = self._loop.create_task(self._publish_piece(stream, piece))
            for tasks in (stream.sending, self._sending):
                tasks.add(task)
                task.add_done_callback(tasks.discard)
        stream.n_pieces += len(texts)

    async def _publish_piece(self, stream: _Stream, piece: LogPiece) -> None:
        headers = {Header.PARENT.value: piece.event_id} if piece.event_id else {}
        event = DataEvent(piece_to_bytes(piece), EventId(uuid.uuid4().hex), JSON, {**headers})
        for pause_s in (*_OFFER_AGAIN_S, None):
            try:
                await self._queues.publish_output(self._queue, event)
            except QueueFull:
                if pause_s is not None:
                    await asyncio.sleep(pause_s)
            except EWMSError as error:
                log.warning("a piece of a run's log could not be published: %s", error.reason)
                break
            else:
                return
        stream.lost = True
