"""Remember when the local pool's jobs started, and how long they pause. HTCondor keeps these times in a job's ad.

The times are in the memory of this process only: after a restart of TMS, the next start of a job counts as its first.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from tms.jobs.restarts import JobOver, StartAgain, decide_restart
from tms.pools.local.queue import QueuedCluster

_Key = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _StartTimes:
    n: int
    at_s: float
    last_at_s: float | None


class JobStarts:
    """The start times of jobs, and the timers of pausing jobs. It calls `resume` with a job whose pause has ended."""

    def __init__(self, resume: Callable[[QueuedCluster, int], None]) -> None:
        self._resume = resume
        self._starts: dict[_Key, _StartTimes] = {}
        self._pauses: dict[_Key, asyncio.TimerHandle] = {}

    def note_start(self, queued: QueuedCluster, proc: int) -> None:
        """Note that a job starts now."""
        key, now_s = (queued.cluster_id, proc), asyncio.get_running_loop().time()
        before = self._starts.get(key)
        self._starts[key] = _StartTimes(before.n + 1 if before else 1, now_s, before.at_s if before else None)

    def decide_next(self, queued: QueuedCluster, proc: int, exit_code: int) -> JobOver | StartAgain:
        """Return whether a job starts again after its pilot has ended with `exit_code`, and after which pause."""
        starts = self._starts[queued.cluster_id, proc]
        return decide_restart(
            exit_code,
            started_s=starts.at_s,
            ended_s=asyncio.get_running_loop().time(),
            last_started_s=starts.last_at_s,
            n_starts=starts.n,
            is_source=queued.spec.is_source,
            max_runtime_s=queued.spec.max_runtime_s,
        )

    def pause_job(self, queued: QueuedCluster, proc: int, pause_s: float) -> None:
        """Start the pause of a held job: it resumes after `pause_s` seconds."""
        timer = asyncio.get_running_loop().call_later(pause_s, self._resume_after_pause, queued, proc)
        self._pauses[queued.cluster_id, proc] = timer

    def forget_cluster(self, cluster_id: int) -> None:
        """Forget the jobs of a cluster that has left the queue."""
        self._starts = {key: starts for key, starts in self._starts.items() if key[0] != cluster_id}
        for key in [key for key in self._pauses if key[0] == cluster_id]:
            self._pauses.pop(key).cancel()

    def stop_timers(self) -> None:
        """Cancel all timers. The jobs stay held, and the next TMS resumes them."""
        for timer in self._pauses.values():
            timer.cancel()
        self._pauses.clear()

    def end_pause(self, queued: QueuedCluster, proc: int) -> None:
        """Resume a held job now, if it is pausing."""
        if (timer := self._pauses.pop((queued.cluster_id, proc), None)) is not None:
            timer.cancel()
            self._resume(queued, proc)

    def _resume_after_pause(self, queued: QueuedCluster, proc: int) -> None:
        self._pauses.pop((queued.cluster_id, proc), None)
        self._resume(queued, proc)
