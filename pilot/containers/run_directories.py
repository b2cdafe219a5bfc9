"""Make the directories of runs. A run that leaves nothing in them hands them on to a later run, under a new name.

    <directory>/{task-io,outputs,home}/

A journaling file system may take milliseconds to remove a directory, which is more than a short task takes. No run may
see what another run left. So the pilot empties the directories after a run, and keeps them only if they are then empty
and as it made them. Before it uses them again, it looks whether anything in them has changed since.
"""

import errno
import os

_PARTS = ("task-io", "outputs", "home")
#: These attributes belong to the system, not to the task: the labels of SELinux, for instance.
_SYSTEM_ATTRIBUTES = "security."

#: What identifies a directory and shows changes of it: device, inode, mode, owner, group, size.
_Look = tuple[int, ...]


class RunDirectories:
    """The directories of runs below `path`. With `shared`, other accounts write into them, and no run reuses them."""

    def __init__(self, path: str, *, shared: bool) -> None:
        self._path = path
        self._shared = shared
        #: Directory -> what it and its parts looked like when they were new.
        self._made: dict[str, tuple[_Look, ...]] = {}
        #: The empty directories, each with the times of its last changes.
        self._kept: list[tuple[str, tuple[int, ...]]] = []
        self._unfit: list[str] = []

    def provide_directory(self, name: str) -> str:
        """Return the path of a directory with this `name` and empty parts: one of an earlier run, or a new one.

        Raises:
            OSError: the file system refuses.
        """
        directory = f"{self._path}/{name}"
        while self._kept:
            kept, changed_at = self._kept.pop()
            made = self._made.pop(kept)
            try:
                if _read_changes(kept) == changed_at:
                    os.rename(kept, directory)
                    self._made[directory] = made
                    return directory
            except OSError:
                pass  # a task on the host has removed it, for instance
            self._unfit.append(kept)
        self._make_directory(directory)
        return directory

    def keep_directory(self, directory: str) -> bool:
        """Empty the directory of a run that has ended, and keep it for a later run.

        Return False if the task left more than files in `task-io`. Then the caller must remove the directory.
        """
        made = self._made.get(directory)
        if made is None or self._shared:
            return False
        try:
            # A link, for instance, would lead to files that are not ours. The size differs while files are in it.
            if _read_look(os.lstat(f"{directory}/task-io"))[:-1] != made[1][:-1]:
                return False
            for name in os.listdir(f"{directory}/task-io"):
                os.unlink(f"{directory}/task-io/{name}")
            for name in ("stdoutfile", "stderrfile"):
                os.unlink(f"{directory}/outputs/{name}")
            changed_at = _check_directory(directory, made)
        except OSError:
            return False
        if changed_at is None:
            return False
        self._kept.append((directory, changed_at))
        return True

    def forget_directory(self, directory: str) -> None:
        """Forget a directory that the caller removes."""
        self._made.pop(directory, None)

    def take_unfit(self) -> list[str]:
        """Return the directories that the caller must remove, because no run may use them again."""
        unfit, self._unfit = self._unfit, []
        return unfit

    def take_kept(self) -> list[str]:
        """Return the directories kept for later runs. The caller must remove them: no run will come."""
        kept, self._kept = self._kept, []
        return [directory for directory, _ in kept]

    def _make_directory(self, directory: str) -> None:
        os.mkdir(directory, 0o700)
        for part in _PARTS:
            os.mkdir(f"{directory}/{part}", 0o700)
        if self._shared:  # against the umask
            os.chmod(f"{directory}/task-io", 0o777)  # noqa: S103 - below a directory that only the pilot may enter
            os.chmod(directory, 0o711)  # noqa: S103 - see above
        self._made[directory] = tuple(_read_look(os.lstat(place)) for place in _list_places(directory))


def _check_directory(directory: str, made: tuple[_Look, ...]) -> tuple[int, ...] | None:
    """Return when the directory and its parts changed last, if they are empty and as they were when `made`; else None.

    The caller has just removed all that is in `task-io`.

    Raises:
        OSError: a part is not there.
    """
    places = _list_places(directory)
    if len(os.listdir(directory)) != len(_PARTS) or any(map(os.listdir, places[2:])):
        return None
    if any(map(_has_attributes, places)):
        return None
    statuses = [os.lstat(place) for place in places]
    if any(_read_look(status) != look for status, look in zip(statuses, made, strict=True)):
        return None
    return tuple(status.st_ctime_ns for status in statuses)


def _read_changes(directory: str) -> tuple[int, ...]:
    """Return when the directory and its parts changed last. No task can set these times."""
    return tuple(os.lstat(place).st_ctime_ns for place in _list_places(directory))


def _list_places(directory: str) -> tuple[str, ...]:
    return (directory, *(f"{directory}/{part}" for part in _PARTS))


def _read_look(status: os.stat_result) -> _Look:
    return (status.st_dev, status.st_ino, status.st_mode, status.st_uid, status.st_gid, status.st_size)


def _has_attributes(path: str) -> bool:
    """Return whether a task gave a directory attributes: its own data, or an access list."""
    try:
        return any(not name.startswith(_SYSTEM_ATTRIBUTES) for name in os.listxattr(path))
    except OSError as error:
        # A file system without attributes.
        return error.errno != errno.ENOTSUP
