"""Handle the pipes of a warm container: lines in, lines out, and the end of its standard error, each with a limit."""

import array
import asyncio
import fcntl
import os
import termios
from collections.abc import Callable
from contextlib import suppress

from pilot.containers.output_tail import Tail
from pilot.containers.processes import Pipes
from pilot.stream.lines import MAX_LINE_BYTES

_CHUNK_BYTES = 64 * 1024


class ContainerPipes:
    """The pipes to and from one container. The container gets one line, and answers with one line.

    `on_line` is called with an answer, and with whether more than blank space followed the answer. `on_unasked` is
    called if the container writes while no line waits for an answer. `on_closed` is called once the container closes
    its standard input or output.
    """

    def __init__(
        self,
        pipes: Pipes,
        *,
        on_line: Callable[[bytes, bool], None],
        on_unasked: Callable[[], None],
        on_closed: Callable[[], None],
    ) -> None:
        self._pipes = pipes
        self._on_line, self._on_unasked, self._on_closed = on_line, on_unasked, on_closed
        self._loop = asyncio.get_running_loop()
        self._asked = False
        self._answer = bytearray()
        self._unsent = memoryview(b"")
        self._line_bytes = 0
        self._waits = False
        self._hushed = False
        #: Whether the container has broken a rule of the lines. The pilot then ignores all further output.
        self._heard_enough = False
        self.stderr = Tail()
        self._loop.add_reader(pipes.stdout, self._read_stdout)
        self._loop.add_reader(pipes.stderr, self._read_stderr)

    def send_line(self, line: bytes) -> None:
        """Send a line to the container. If the pipe is full, send the rest when the pipe has room."""
        self._asked = True
        self._unsent, self._line_bytes = memoryview(line), len(line)
        self._write_rest()

    def has_read_nothing(self) -> bool:
        """Return whether all bytes of the last line that were written are still in the pipe.

        Then the container has not read any of them. Return False if the container's input is closed.
        """
        if self._hushed:
            return False
        waiting = array.array("i", [0])
        fcntl.ioctl(self._pipes.stdin, termios.FIONREAD, waiting)
        return waiting[0] >= self._line_bytes - len(self._unsent)

    def close_input(self) -> None:
        """Close the container's standard input."""
        if not self._hushed:
            self._hushed = True
            self._loop.remove_writer(self._pipes.stdin)
            os.close(self._pipes.stdin)

    def read_rest(self) -> None:
        """Read the rest of the output of a container that has ended."""
        if not self._heard_enough:
            self._read_stdout(last=True)
        self._read_stderr()

    def close(self) -> None:
        """Close all three pipes."""
        self.close_input()
        for fd in (self._pipes.stdout, self._pipes.stderr):
            self._loop.remove_reader(fd)
            os.close(fd)

    def _write_rest(self) -> None:
        try:
            while self._unsent:
                self._unsent = self._unsent[os.write(self._pipes.stdin, self._unsent) :]
        except BlockingIOError:
            self._waits = True
            self._loop.add_writer(self._pipes.stdin, self._write_rest)
            return
        except OSError:  # the container has closed its end
            self._on_closed()
        if self._waits:
            self._waits = False
            self._loop.remove_writer(self._pipes.stdin)

    def _read_stdout(self, *, last: bool = False) -> None:
        while chunk := self._read_chunk(self._pipes.stdout):
            if not self._take_in(chunk) or not last:
                return
        if not last and chunk is not None:
            self._loop.remove_reader(self._pipes.stdout)
            self._on_closed()

    def _take_in(self, chunk: bytes) -> bool:
        """Handle a piece of standard output. Return False if the pilot ignores all further output of this container."""
        if not self._asked:
            if not chunk.strip():  # an extra blank line does no harm
                return True
            self._stop_hearing()
            self._on_unasked()
            return False
        searched = len(self._answer)
        self._answer += chunk if searched else chunk.lstrip()
        end = self._answer.find(b"\n", searched)
        if end < 0 and len(self._answer) <= MAX_LINE_BYTES:
            return True
        line = bytes(self._answer[:end] if end >= 0 else self._answer)
        more = end < 0 or bool(self._answer[end + 1 :].strip())
        self._answer.clear()
        self._asked = False
        if more:
            self._stop_hearing()
        self._on_line(line, more)
        return not more

    def _stop_hearing(self) -> None:
        self._heard_enough = True
        self._loop.remove_reader(self._pipes.stdout)

    def _read_stderr(self) -> None:
        chunk = self._read_chunk(self._pipes.stderr)
        if chunk:
            self.stderr.add_chunk(chunk)
        elif chunk is not None:
            self._loop.remove_reader(self._pipes.stderr)

    def _read_chunk(self, fd: int) -> bytes | None:
        """Return the bytes that are ready. Return `b""` at the end of the stream, and None if no bytes are ready."""
        with suppress(BlockingIOError):
            return os.read(fd, _CHUNK_BYTES)
        return None
