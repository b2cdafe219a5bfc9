"""Learn of changed files from the kernel (inotify). On NFS, inotify misses the changes that other machines make."""

import ctypes
import errno
import os
import struct
from asyncio import get_running_loop
from collections.abc import Callable
from pathlib import Path

_IN_MODIFY, _IN_MOVED_TO, _IN_CREATE = 0x2, 0x80, 0x100
_IN_Q_OVERFLOW, _IN_IGNORED = 0x4000, 0x8000
#: struct inotify_event: watch, mask, cookie, length of the name that follows.
_HEADER = struct.Struct("iIII")


class DirectoryWatch:
    """Watches directories for a file `name`. It calls `changed` with the directories where that file changed.

    A change is a write to the file, its creation, or a move of a file to this name.
    """

    def __init__(self, name: str, changed: Callable[[set[Path]], None]) -> None:
        self._name = name.encode()
        self._changed = changed
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._directories: dict[int, Path] = {}
        self._watches: dict[Path, int] = {}
        self._fd = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd >= 0:
            get_running_loop().add_reader(self._fd, self._read_changes)

    def add_directory(self, directory: Path) -> bool:
        """Watch `directory`. Return False if the kernel refuses, for example at its limit of watches."""
        watch = self._libc.inotify_add_watch(self._fd, os.fsencode(directory), _IN_MODIFY | _IN_MOVED_TO | _IN_CREATE)
        if watch < 0:
            return False
        self._directories[watch], self._watches[directory] = directory, watch
        return True

    def remove_directory(self, directory: Path) -> None:
        """Stop watching `directory`."""
        if (watch := self._watches.pop(directory, None)) is not None:
            self._directories.pop(watch, None)
            self._libc.inotify_rm_watch(self._fd, watch)

    def close(self) -> None:
        """Stop watching all directories."""
        if self._fd >= 0:
            get_running_loop().remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _read_changes(self) -> None:
        try:
            data = os.read(self._fd, 65536)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EINTR):
                return
            raise
        changed: set[Path] = set()
        position = 0
        while position < len(data):
            watch, mask, _, length = _HEADER.unpack_from(data, position)
            position += _HEADER.size + length
            name = data[position - length : position].rstrip(b"\0")
            if mask & _IN_Q_OVERFLOW:
                changed.update(self._watches)
            elif mask & _IN_IGNORED:
                self._directories.pop(watch, None)
            elif name == self._name and watch in self._directories:
                changed.add(self._directories[watch])
        if changed:
            self._changed(changed)
