"""Write events to standard output. An event counts as taken only when the reader of the output has it.

A pipe holds what we write until the reader reads it, and loses it if the reader ends earlier. `head -1` reads one event
and ends, but a pipe can hold hundreds. So we put one event at a time into the pipe, and write the next when the reader
has read it. With a file or a terminal, an event counts as taken as soon as it is written. At Ctrl-C a terminal drops
what it has not shown yet, so we tell the terminal to keep that.

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
from threading import Event, Thread
from typing import Self

#: The fcntl commands that set and get the size of a pipe (Linux only). Source: fcntl(2).
_SET_SIZE = getattr(fcntl, "F_SETPIPE_SZ", None)
_GET_SIZE = getattr(fcntl, "F_GETPIPE_SZ", None)

#: The pauses (milliseconds) between looks at how much is unread if `poll` cannot tell, and between looks at the reader.
_ASK_EVERY_MS = 2
_LOOK_EVERY_MS = 200

_GONE = select.POLLERR | select.POLLHUP | select.POLLNVAL


class Outlet:
    """Standard output for a command that writes events: it tells when the reader really has an event.

    Use it as a context manager. During the block, a pipe to the reader is small, and a terminal keeps its output at
    Ctrl-C.
    """

    def __init__(self) -> None:
        sys.stdout.flush()
        self._fd = sys.stdout.fileno()
        mode = os.fstat(self._fd).st_mode
        self._is_pipe = stat.S_ISFIFO(mode)
        #: Whether a reader, which can leave, is at the other end.
        self.has_reader = self._is_pipe or stat.S_ISSOCK(mode)
        #: Whether the reader has left.
        self.is_abandoned = False
        self._stopped = Event()
        self._size_before = 0
        self._is_one_page = False
        self._flags_before: int | None = None

    def __enter__(self) -> Self:
        if self._is_pipe and _SET_SIZE is not None and _GET_SIZE is not None:
            try:
                self._size_before = fcntl.fcntl(self._fd, _GET_SIZE)
                self._is_one_page = fcntl.fcntl(self._fd, _SET_SIZE, 1) == os.sysconf("SC_PAGE_SIZE")
            except OSError:
                # Another program has put more than a page into the pipe.
                self._is_one_page = False
        self._flags_before = self._set_terminal_flags(lambda flags: flags | termios.NOFLSH)
        return self

    def __exit__(self, *_: object) -> None:
        if (before := self._flags_before) is not None:
            self._set_terminal_flags(lambda _: before)
        if self._size_before and _SET_SIZE is not None:
            try:
                fcntl.fcntl(self._fd, _SET_SIZE, self._size_before)
            except OSError:
                # Later programs get a small pipe. That is slower, but correct.
                return

    def _set_terminal_flags(self, change: Callable[[int], int]) -> int | None:
        """Change the terminal's local flags, and return the flags before. Return None if the output is no terminal of
        ours.

        At Ctrl-C a terminal drops what was written and is not shown yet, unless it has the flag NOFLSH. Those events
        have left their queue already.
        """
        try:
            # The system would stop a process in the background that sets flags.
            if os.tcgetpgrp(self._fd) != os.getpgrp():
                return None
            settings = termios.tcgetattr(self._fd)
            before: int = settings[3]
            settings[3] = change(before)
            termios.tcsetattr(self._fd, termios.TCSANOW, settings)
        except (OSError, termios.error):
            return None
        return before

    def write_line(self, line: str) -> bool:
        """Write `line`. Return True when the reader has it.

        Return False if the reader ended before, or if `stop_waiting` was called.

        Raises:
            OSError: the output cannot be written.
        """
        if self._stopped.is_set():
            return False
        left = memoryview(line.encode(sys.stdout.encoding or "utf-8", "ewms-spell-out"))
        try:
            while left:
                if self.has_reader and not self._poll_output(select.POLLOUT, _LOOK_EVERY_MS):
                    if self._stopped.is_set():
                        return False
                    continue
                try:
                    # A pipe or socket that is ready takes so much without blocking, and a signal can end the waiting.
                    left = left[os.write(self._fd, left[: select.PIPE_BUF] if self.has_reader else left) :]
                except BlockingIOError:
                    # Another program has set the shared pipe to non-blocking.
                    self._poll_output(select.POLLOUT, _LOOK_EVERY_MS)
            if not self.has_reader or self._is_read():
                return True
            if self._stopped.is_set():
                return False
        except BrokenPipeError:
            pass
        self.is_abandoned = True
        return False

    def stop_waiting(self) -> None:
        """Make `write_line` return instead of waiting for the reader. A signal handler may call this."""
        self._stopped.set()

    def watch_reader(self, on_gone: Callable[[], None]) -> None:
        """Call `on_gone`, in another thread, when the reader ends. So the command notices that even if no event
        comes.
        """

        def await_reader_end() -> None:
            while not self._poll_output(0, _LOOK_EVERY_MS) & _GONE:
                pass
            self.is_abandoned = True
            on_gone()

        if self.has_reader:
            Thread(target=await_reader_end, name="ewms output", daemon=True).start()

    def _is_read(self) -> bool:
        while True:
            # Look at the reader first, then at the pipe: a reader that read everything and then left has it.
            is_gone = bool(self._poll_output(0, 0) & _GONE)
            if self._n_unread() == 0:
                return True
            if is_gone or self._stopped.is_set():
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
