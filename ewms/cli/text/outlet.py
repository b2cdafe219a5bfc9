"""Standard output as a place for events: an event counts as taken only once its reader has it.

A pipe holds what we write until the reader reads it, and loses it if the reader leaves before. `head -1` reads one
event and ends, but a pipe can hold hundreds. So we put one event at a time into the pipe, and the next one waits until
the reader has read it. With a file or a terminal, the command takes an event as soon as it has written it.

A pipe of a single page becomes writable again only when it is empty, so `poll` tells when the reader has read it all.
Source: Linux, fs/pipe.c, pipe_poll and pipe_full.
"""

import array
import fcntl
import os
import select
import stat
import sys
import termios
from collections.abc import Callable
from threading import Thread
from typing import Self

#: The fcntl commands that set and get the size of a pipe (Linux only). Source: fcntl(2).
_SET_SIZE = getattr(fcntl, "F_SETPIPE_SZ", None)
_GET_SIZE = getattr(fcntl, "F_GETPIPE_SZ", None)

#: The pauses (milliseconds) between looks at how much is unread if `poll` cannot tell, and between looks at the reader.
_ASK_EVERY_MS = 2
_LOOK_EVERY_MS = 1000

_GONE = select.POLLERR | select.POLLHUP | select.POLLNVAL


class Outlet:
    """Standard output, while a command writes events to it. Use it as a context manager."""

    def __init__(self) -> None:
        sys.stdout.flush()
        self._fd = sys.stdout.fileno()
        mode = os.fstat(self._fd).st_mode
        self._is_pipe = stat.S_ISFIFO(mode)
        #: Whether a reader, which can leave, is at the other end.
        self.has_reader = self._is_pipe or stat.S_ISSOCK(mode)
        #: Whether the reader has left.
        self.is_abandoned = False
        self._size_before = 0
        self._is_one_page = False

    def __enter__(self) -> Self:
        if self._is_pipe and _SET_SIZE is not None and _GET_SIZE is not None:
            try:
                self._size_before = fcntl.fcntl(self._fd, _GET_SIZE)
                self._is_one_page = fcntl.fcntl(self._fd, _SET_SIZE, 1) == os.sysconf("SC_PAGE_SIZE")
            except OSError:
                # Another program has put more than a page into the pipe.
                self._is_one_page = False
        return self

    def __exit__(self, *_: object) -> None:
        if self._size_before and _SET_SIZE is not None:
            try:
                fcntl.fcntl(self._fd, _SET_SIZE, self._size_before)
            except OSError:
                # Later programs get a small pipe. That is slower, but correct.
                return

    def write_line(self, line: str) -> bool:
        """Write `line`, and return True once its reader has it; False if the reader left before.

        Raises:
            OSError: the output cannot be written.
        """
        left = memoryview(line.encode(sys.stdout.encoding or "utf-8", "ewms-spell-out"))
        try:
            while left:
                try:
                    left = left[os.write(self._fd, left) :]
                except BlockingIOError:
                    # Another program has set the shared pipe to non-blocking.
                    self._poll_output(select.POLLOUT, _LOOK_EVERY_MS)
            if not self.has_reader or self._is_read():
                return True
        except BrokenPipeError:
            pass
        self.is_abandoned = True
        return False

    def watch_reader(self, on_gone: Callable[[], None]) -> None:
        """Call `on_gone`, in another thread, when the reader leaves; so we notice it even while no event comes."""

        def wait() -> None:
            while not self._poll_output(0, _LOOK_EVERY_MS) & _GONE:
                pass
            self.is_abandoned = True
            on_gone()

        if self.has_reader:
            Thread(target=wait, name="ewms output", daemon=True).start()

    def _is_read(self) -> bool:
        while True:
            # Look at the reader first, then at the pipe: a reader that read everything and then left has it.
            is_gone = bool(self._poll_output(0, 0) & _GONE)
            if self._n_unread() == 0:
                return True
            if is_gone:
                return False
            if self._is_one_page:
                self._poll_output(select.POLLOUT, _LOOK_EVERY_MS)
            else:
                self._poll_output(0, _ASK_EVERY_MS)

    def _n_unread(self) -> int:
        n_bytes = array.array("i", [0])
        try:
            fcntl.ioctl(self._fd, termios.FIONREAD if self._is_pipe else termios.TIOCOUTQ, n_bytes)
        except OSError:
            # This kind of output cannot tell; take everything as read.
            return 0
        return n_bytes[0]

    def _poll_output(self, events: int, timeout_ms: int) -> int:
        poll = select.poll()
        poll.register(self._fd, events)
        return sum(found for _, found in poll.poll(timeout_ms))
