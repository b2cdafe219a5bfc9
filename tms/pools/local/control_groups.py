"""Give each job of the local pool a control group, in which the kernel limits its memory.

The pilot looks at the memory of its worker twice a second, and ends the container that uses the most. It can explain
that. A task that fills the memory of the machine between two looks is stopped by the kernel, if there is a group. Files
in memory (tmpfs) count there too.

TMS needs a group into which it may write: root has one, and a service with `Delegate=memory`. Without one, the pilot's
looks are the only limit. Groups of version 1 are subgroups of TMS's own one. In version 2 a group with processes has no
limited subgroups, so TMS moves into a subgroup of its own first, if no other process is in its group.
"""

import itertools
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from runtime.telemetry import log
from schemas.pilot.memory_groups import list_memory_groups

#: The kernel's limit is a job's memory and this part more: the pilot comes first, because it chooses what must end and
#: says why.
_MORE = 8
#: A group can be removed when its last process is gone, which the kernel notes a moment after the end.
_REMOVAL_S, _LOOK_S = 1.0, 0.01
_PREFIX = "ewms-job-"
#: The subgroup of TMS itself in version 2.
_OWN_GROUP = "ewms-tms"
#: The file that sets the limit, by the version of the control groups.
_LIMIT_FILES = {1: "memory.limit_in_bytes", 2: "memory.max"}


@dataclass(frozen=True, slots=True)
class JobGroup:
    """The control group of one job."""

    directory: Path

    def add_process(self, pid: int) -> None:
        """Put a process into the group, and with it all that it starts later. Ignore a process that has ended."""
        try:
            (self.directory / "cgroup.procs").write_text(str(pid))
        except ProcessLookupError:
            return
        except OSError as error:
            log.warning("a job is not in its control group: its pilot alone limits its memory", reason=str(error))

    def remove(self) -> None:
        """Remove the group, in which no process is alive any more. One that the kernel still holds stays."""
        until = time.monotonic() + _REMOVAL_S
        while True:
            try:
                self.directory.rmdir()
            except FileNotFoundError:
                return
            except OSError:
                if time.monotonic() >= until:
                    log.warning("the control group of a job stays", directory=str(self.directory))
                    return
                time.sleep(_LOOK_S)
            else:
                return


class ControlGroups:
    """Makes the control groups of jobs. Open it by `open_own`."""

    def __init__(self, parent: Path | None, version: int) -> None:
        #: The group in which those of the jobs are; `None` if TMS may make none.
        self.parent = parent
        self._version = version
        self._numbers = itertools.count(1)

    @classmethod
    def open_own(cls, groups_file: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")) -> Self:
        """Return the groups below that of this process, and remove groups that a killed TMS has left there.

        `groups_file` names the groups of this process; `root` is the directory in which the kernel shows them.
        """
        found = _find_own_group(groups_file, root)
        if found is None:
            return cls(None, 1)
        directory, version = found
        try:
            if version == 2:
                _let_limit_memory(directory)
            _remove_left_groups(directory)
            # Find out now whether TMS may make groups, and not at the first job.
            trial = directory / f"{_PREFIX}{os.getpid()}-0"
            trial.mkdir()
            trial.rmdir()
        except OSError as error:
            log.info("jobs have no control groups: pilots alone limit their memory", reason=str(error))
            return cls(None, version)
        return cls(directory, version)

    def make_group(self, memory_bytes: int) -> JobGroup | None:
        """Return a new group for a job with `memory_bytes` (0: no limit), or None if the job gets none."""
        if self.parent is None or not memory_bytes:
            return None
        group = JobGroup(self.parent / f"{_PREFIX}{os.getpid()}-{next(self._numbers)}")
        try:
            group.directory.mkdir()
            limit = memory_bytes + memory_bytes // _MORE
            (group.directory / _LIMIT_FILES[self._version]).write_text(str(limit))
        except OSError as error:
            log.warning("a job has no control group: its pilot alone limits its memory", reason=str(error))
            group.remove()
            return None
        return group


def _find_own_group(groups_file: Path, root: Path) -> tuple[Path, int] | None:
    """Return the directory of this process's group that can limit memory, and the version of the control groups."""
    for version, name in list_memory_groups(_read_text(groups_file), str(root)):
        directory = Path(name)
        if str(os.getpid()) not in _read_text(directory / "cgroup.procs").split():
            continue
        if version == 1 and _read_text(directory / "memory.use_hierarchy").strip() == "1":
            # Without this setting the memory of a subgroup would not count in the group.
            return directory, version
        if version == 2 and "memory" in _read_text(directory / "cgroup.controllers").split():
            return directory, version
    return None


def _let_limit_memory(directory: Path) -> None:
    """Let subgroups of `directory` limit memory (version 2). If no other process is in it, move this one away first.

    Raises:
        OSError: the kernel does not allow it, most often because of other processes.
    """
    switch = directory / "cgroup.subtree_control"
    if "memory" in _read_text(switch).split():
        return
    if _read_text(directory / "cgroup.procs").split() == [str(os.getpid())]:
        own = directory / _OWN_GROUP
        own.mkdir(exist_ok=True)
        (own / "cgroup.procs").write_text(str(os.getpid()))
    switch.write_text("+memory")


def _remove_left_groups(directory: Path) -> None:
    for left in directory.glob(f"{_PREFIX}*"):
        maker, _, _ = left.name.removeprefix(_PREFIX).partition("-")
        # Another TMS may have made a group, and put no process into it yet.
        if maker == str(os.getpid()) or not Path(f"/proc/{maker}").exists():
            # The kernel keeps those in which a process is alive.
            with suppress(OSError):
                left.rmdir()


def _read_text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
