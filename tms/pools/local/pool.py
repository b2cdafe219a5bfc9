"""The pool without HTCondor. It runs pilots as child processes on this machine, with the interface of all pools.

As in HTCondor, a cluster's log has the statuses of its jobs. Pilots die with TMS. The next TMS writes into the log that
the jobs which ran then were evicted, and starts their pilots again. The output of these runs and their unfinished
attempts are lost, and the broker gives the events to other pilots.

With `first_account`, TMS runs as root, and each running job has its own account. `holder` are words before a command
that give the command its own view of the file system: a pilot then sees its own directory and no other file of TMS.
"""

import asyncio
import shutil
from collections.abc import Collection, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path

from runtime.telemetry import log
from schemas.ids import TaskforceUuid
from tms.errors import ClusterGone, SubmitRefused
from tms.jobs.restarts import FIRST_PAUSE_S
from tms.jobs.submit_description import Submission
from tms.jobs.trials import Ruling
from tms.log.job_events import parse_log
from tms.log.statuses import Tally
from tms.pools.interface import Cluster
from tms.pools.local import event_log
from tms.pools.local.cluster_files import ClusterFiles, read_clock
from tms.pools.local.job_runs import CANNOT_START, REASON, JobRuns
from tms.pools.local.job_starts import JobStarts
from tms.pools.local.machine import Machine
from tms.pools.local.queue import QueuedCluster, choose_cluster
from tms.pools.slot_matching import SlotResources


class LocalPool:
    """A queue of clusters, and `n_slots` cores that run their jobs.

    A job may use at most the resources of `machine`. If `machine` is None, these are `n_slots` cores, this machine's
    memory, and the disk that holds `root`.
    """

    def __init__(
        self,
        root: Path,
        *,
        n_slots: int,
        grace_s: float = 10.0,
        machine: SlotResources | None = None,
        first_account: int | None = None,
        holder: Iterable[str] = (),
    ) -> None:
        self._root = root
        self._first_account = first_account
        self._n_slots = n_slots
        self._machine = Machine(root, n_slots=n_slots, given=machine)
        self._queue: dict[int, QueuedCluster] = {}
        self._n_busy = 0
        self._files = ClusterFiles(root)
        self._restarts = JobStarts(self._resume_job)
        self._runs = JobRuns(
            root, self._files, self._restarts, grace_s=grace_s, first_account=first_account, holder=holder
        )

    async def start(self) -> None:
        """Take over the clusters of an earlier TMS."""
        # The accounts of jobs must reach their own directories, and must not list those of others.
        mode = 0o700 if self._first_account is None else 0o711
        self._root.mkdir(mode=mode, parents=True, exist_ok=True)
        await asyncio.to_thread(shutil.rmtree, self._root / "jobs", ignore_errors=True)
        (self._root / "jobs").mkdir(mode=mode)
        for queued in self._files.load_clusters():
            self._queue[queued.cluster_id] = queued
            self._place_jobs(queued)
        self._start_waiting()

    async def stop(self) -> None:
        """Ask the pilots to end, and kill them after their grace time. Their clusters stay in the queue."""
        self._runs.is_stopping = True
        self._restarts.stop_timers()
        _cancel_tasks(task for queued in self._queue.values() for task in queued.running.values())
        # Wait until the records are written, which happens one step of the loop after the tasks' end.
        while any(queued.running for queued in self._queue.values()):
            await asyncio.wait([task for queued in self._queue.values() for task in queued.running.values()])
            await asyncio.sleep(0)

    async def ping(self) -> None:
        """Return at once: this pool always answers."""

    async def list_clusters(self) -> list[Cluster]:
        """Return all clusters. Remove clusters older than `max_age_s` first, as HTCondor does by itself."""
        now = read_clock()
        for queued in list(self._queue.values()):
            if queued.unwritten:
                self._files.append_to_log(queued, "")
            if queued.has_left:
                self._leave_queue(queued)
                continue
            if (now - queued.submitted_at).total_seconds() > queued.spec.max_age_s:
                await self._remove_cluster(queued, "The cluster is too old")
        return [queued.as_cluster() for _, queued in sorted(self._queue.items())]

    async def find_clusters(self, taskforce: TaskforceUuid) -> list[Cluster]:
        """Return the clusters of `taskforce`."""
        return [q.as_cluster() for _, q in sorted(self._queue.items()) if q.spec.taskforce_uuid == taskforce]

    async def explain_unmatched(self, taskforces: Collection[TaskforceUuid]) -> dict[TaskforceUuid, str]:
        """Compare the jobs of `taskforces` with this machine; see `Pool.explain_unmatched`."""
        found = {q.spec.taskforce_uuid: self._machine.explain_unmatched(q) for q in self._queue.values()}
        return {uuid: found[uuid] for uuid in taskforces if found.get(uuid)}

    async def has_other_machine(self, taskforce: TaskforceUuid, machines: Collection[str]) -> bool:
        """Return False: this pool is one machine."""
        return False

    async def charges_events(self, taskforce: TaskforceUuid) -> bool:
        """Return whether pilots that start now count failures as attempts of events; see `Pool.charges_events`."""
        return any(q.charges_events for q in self._queue.values() if q.spec.taskforce_uuid == taskforce)

    async def apply_ruling(self, taskforce: TaskforceUuid, ruling: Ruling, *, succeeded: Collection[int]) -> None:
        """Set whether pilots that start from now on count failures as attempts of events; see `Pool.apply_ruling`."""
        for queued in self._queue.values():
            if queued.spec.taskforce_uuid != taskforce or queued.charges_events == ruling.charges_events:
                continue
            queued.charges_events = ruling.charges_events
            self._files.write_cluster(queued)
            leaving = queued.running.keys() - set(succeeded)
            queued.sent_away |= leaving
            _cancel_tasks(queued.running[proc] for proc in leaving)
            for proc in sorted(queued.held):
                self._restarts.end_pause(queued, proc)

    async def submit_cluster(self, cluster: Submission) -> Cluster:
        """Put `cluster` into the queue, paused; see `Pool.submit_cluster`."""
        if not cluster.command:
            raise SubmitRefused("the local pool cannot run a container image: set EWMS_PILOT_COMMAND")
        queued = QueuedCluster(self._files.draw_id(), cluster, read_clock(), is_released=False)
        self._files.write_cluster(queued)
        self._queue[queued.cluster_id] = queued
        self._files.append_to_log(queued, event_log.cluster_submitted(queued.cluster_id, read_clock()))
        return queued.as_cluster()

    async def release_cluster(self, taskforce: TaskforceUuid, cluster_id: int) -> bool:
        """Let the jobs of a cluster run; see `Pool.release_cluster`."""
        queued = self._queue.get(cluster_id)
        if queued is None or queued.spec.taskforce_uuid != taskforce:
            raise ClusterGone(cluster_id)
        if queued.is_released:
            return False
        queued.is_released = True
        self._files.write_cluster(queued)
        self._files.append_to_log(queued, event_log.materialization_resumed(cluster_id, read_clock(), REASON))
        self._start_waiting()
        return True

    async def remove_clusters(self, taskforce: TaskforceUuid, cluster_id: int | None = None) -> list[int]:
        """Remove one cluster of `taskforce`, or all; see `Pool.remove_clusters`."""
        found = [
            queued
            for queued in self._queue.values()
            if queued.spec.taskforce_uuid == taskforce and cluster_id in (None, queued.cluster_id)
        ]
        for queued in found:
            await self._remove_cluster(queued, REASON)
        return [queued.cluster_id for queued in found]

    async def force_removals(self, grace_s: int) -> int:
        """Do nothing and return 0: the pool itself kills a pilot after its grace time."""
        return 0

    async def _remove_cluster(self, queued: QueuedCluster, reason: str) -> None:
        queued.is_removed = True
        # Record the removal first: if TMS is killed during it, the cluster must not run again.
        self._files.write_cluster(queued)
        self._abort_waiting(queued, reason)
        _cancel_tasks(queued.running.values())
        # A removal tells the pilots to end, but does not wait for their end.
        if not queued.running:
            self._leave_queue(queued)

    def _abort_waiting(self, queued: QueuedCluster, reason: str) -> None:
        for proc in sorted({*queued.idle, *queued.held}):
            self._files.append_to_log(queued, event_log.job_aborted(queued.cluster_id, proc, read_clock(), reason))
        queued.idle.clear()
        queued.held.clear()

    def _start_waiting(self) -> None:
        """Make new jobs up to each cluster's limit, and start jobs as long as cores are free."""
        if self._runs.is_stopping:
            return
        waiting = [queued for queued in self._queue.values() if queued.is_released and not queued.is_removed]
        for queued in waiting:
            self._make_jobs(queued)
        fitting = [queued for queued in waiting if self._machine.can_ever_run(queued)]
        while ready := [q for q in fitting if q.idle and q.spec.n_cores <= self._n_slots - self._n_busy]:
            chosen = choose_cluster(ready, self._queue.values())
            proc = chosen.idle.popleft()
            self._n_busy += chosen.spec.n_cores
            task = asyncio.create_task(self._runs.run_job(chosen, proc))
            task.add_done_callback(partial(self._settle_job, chosen, proc))
            chosen.running[proc] = task
            self._make_jobs(chosen)

    def _make_jobs(self, queued: QueuedCluster) -> None:
        if made := queued.make_jobs():
            self._files.append_to_log(
                queued, "".join(event_log.job_submitted(queued.cluster_id, proc, read_clock()) for proc in made)
            )

    def _resume_job(self, queued: QueuedCluster, proc: int) -> None:
        """Put a held job back into the queue."""
        if proc not in queued.held or queued.is_removed:
            return
        queued.held.discard(proc)
        queued.idle.append(proc)
        self._files.append_to_log(
            queued, event_log.job_released(queued.cluster_id, proc, read_clock(), "The pause is over")
        )
        self._start_waiting()

    def _settle_job(self, queued: QueuedCluster, proc: int, task: "asyncio.Task[str]") -> None:
        # A task that was cancelled before its first step never entered `run_job`, so it has no record.
        record = ""
        if not task.cancelled() and (defect := task.exception()):
            log.error(
                "a job failed because of a defect of TMS", cluster_id=queued.cluster_id, proc=proc, exc_info=defect
            )
            queued.held.add(proc)
            record = event_log.job_held(
                queued.cluster_id, proc, read_clock(), repr(defect), code=CANNOT_START, subcode=0
            )
        elif not task.cancelled():
            record = task.result()
        elif queued.is_removed:
            record = event_log.job_aborted(queued.cluster_id, proc, read_clock(), REASON)
        else:
            queued.sent_away.discard(proc)
            queued.idle.append(proc)
        del queued.running[proc]
        self._n_busy -= queued.spec.n_cores
        if record:
            self._files.append_to_log(queued, record)
        if queued.is_removed:
            self._abort_waiting(queued, REASON)
        if queued.is_done or (queued.is_removed and not queued.running):
            self._leave_queue(queued)
        self._start_waiting()

    def _leave_queue(self, queued: QueuedCluster) -> None:
        if self._runs.is_stopping and not (queued.is_done or queued.is_removed):
            return
        if not queued.has_left:
            queued.has_left = True
            record = event_log.cluster_removed(
                queued.cluster_id, read_clock(), n_made=queued.n_made, is_complete=not queued.is_removed
            )
            self._files.append_to_log(queued, record)
        # A caller must find either the cluster in the queue or its last record in the log.
        if not queued.unwritten:
            self._restarts.forget_cluster(queued.cluster_id)
            self._queue.pop(queued.cluster_id, None)
            self._files.delete_cluster(queued.cluster_id)

    def _place_jobs(self, queued: QueuedCluster) -> None:
        """Set the states of the jobs of an earlier TMS from the cluster's log. Interrupted jobs become idle."""
        tally = Tally(queued.spec.n_workers)
        with suppress(FileNotFoundError):
            tally.fold_events(
                parse_log(Path(queued.spec.job_event_log).read_bytes(), cluster_id=queued.cluster_id).events
            )
        interrupted = queued.place_jobs(tally)
        for proc in interrupted:
            self._files.append_to_log(
                queued, event_log.job_evicted(queued.cluster_id, proc, read_clock(), "The local pool had ended")
            )
        for proc in queued.held:
            self._restarts.pause_job(queued, proc, FIRST_PAUSE_S)
        if tally.cluster_id is None:
            self._files.append_to_log(queued, event_log.cluster_submitted(queued.cluster_id, read_clock()))
        if queued.is_removed:
            self._abort_waiting(queued, REASON)
        if queued.is_removed or (queued.is_released and queued.is_done):
            self._leave_queue(queued)
        elif interrupted:
            log.warning("pilots of an earlier TMS start again", cluster_id=queued.cluster_id, n_jobs=len(interrupted))


def _cancel_tasks(tasks: Iterable["asyncio.Task[str]"]) -> None:
    for task in tasks:
        # A second cancellation would interrupt the end that the first one has begun.
        if not task.cancelling():
            task.cancel()
