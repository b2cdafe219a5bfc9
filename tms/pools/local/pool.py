"""The pool without HTCondor. It runs pilots as child processes on this machine, with the interface of all pools.

    <root>/cluster-<id>.json    a cluster in the queue, as it was submitted, and whether it was released
    <root>/next                 the id of the next cluster

The log tells where a cluster's jobs stand, as in HTCondor. Pilots do not outlive TMS. The next TMS logs the pilots that
ran then as evicted and runs them again from their beginning. They lose their output and the events in hand, and the
broker gives these events to other pilots.

With `first_account`, TMS runs as root, with accounts made for it, and each running job has an account to itself.
`holder` are words that give a command its own view of the files: with them, a pilot sees its own directory and no other
file of TMS.
"""

import asyncio
import os
import shutil
from collections.abc import Collection, Iterable
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path

from runtime.telemetry import log
from schemas.ids import TaskforceUuid
from tms.errors import ClusterGone, SubmitRefused
from tms.files import write_private
from tms.jobs.restarts import FIRST_PAUSE_S, MACHINE_PAUSE_S, PAUSE_CODE, JobOver, StartAgain
from tms.jobs.submit_description import Submission
from tms.jobs.trials import Ruling
from tms.log.job_events import parse_log
from tms.log.statuses import Tally
from tms.pools.interface import Cluster
from tms.pools.local import event_log
from tms.pools.local.job import Job, MaxRuntimeReached, run
from tms.pools.local.job_starts import JobStarts
from tms.pools.local.queue import QueuedCluster, choose_cluster
from tms.pools.slot_matching import SlotResources, explain_size

REASON = "Requested by EWMS"
#: HTCondor's hold code for a command that cannot be started; the subcode is the errno.
_CANNOT_START = 6


class LocalPool:
    """A queue of clusters, and `n_slots` cores that run their jobs.

    A job may ask for the resources of `machine` at most. None: this machine's memory, and the disk that holds `root`.
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
        self._holder = tuple(holder)
        self._first_account = first_account
        self._accounts_in_use: set[int] = set()
        self._n_slots = n_slots
        self._machine = machine
        self._grace_s = grace_s
        self._queue: dict[int, QueuedCluster] = {}
        self._n_busy = 0
        self._is_stopping = False
        self._restarts = JobStarts(self._resume_job)

    async def start(self) -> None:
        """Take over the clusters of an earlier TMS."""
        # The accounts of jobs must reach their own directories, and must not list those of others.
        mode = 0o700 if self._first_account is None else 0o711
        self._root.mkdir(mode=mode, parents=True, exist_ok=True)
        await asyncio.to_thread(shutil.rmtree, self._root / "jobs", ignore_errors=True)
        (self._root / "jobs").mkdir(mode=mode)
        for file in sorted(self._root.glob("cluster-*.json")):
            queued = QueuedCluster.from_bytes(file.read_bytes())
            self._queue[queued.cluster_id] = queued
            self._place_jobs(queued)
        self._start_waiting()

    async def stop(self) -> None:
        """End the pilots, with their grace time. Their clusters stay in the queue."""
        self._is_stopping = True
        self._restarts.stop_timers()
        _cancel_tasks(task for queued in self._queue.values() for task in queued.running.values())
        # Wait until the records are written, which happens one step of the loop after the tasks' end.
        while any(queued.running for queued in self._queue.values()):
            await asyncio.wait([task for queued in self._queue.values() for task in queued.running.values()])
            await asyncio.sleep(0)

    async def ping(self) -> None:
        """Return at once: this pool always answers."""

    async def list_clusters(self) -> list[Cluster]:
        """Return all clusters, after removing those that are too old, as HTCondor does by itself."""
        now = _local_now()
        for queued in list(self._queue.values()):
            if queued.unwritten:
                self._write_log(queued, "")
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
        """Compare the needs of the jobs of `taskforces` with this machine."""
        machine = self._machine_resources()
        found = {
            q.spec.taskforce_uuid: explain_size(_job_resources(q), [machine], slot="machine")
            for q in self._queue.values()
        }
        return {uuid: found[uuid] for uuid in taskforces if found.get(uuid)}

    async def has_other_machine(self, taskforce: TaskforceUuid, machines: Collection[str]) -> bool:
        """Return False: this pool is one machine."""
        return False

    async def charges_events(self, taskforce: TaskforceUuid) -> bool:
        """Return whether the last ruling on the taskforce charges failures."""
        return any(q.charges_events for q in self._queue.values() if q.spec.taskforce_uuid == taskforce)

    async def apply_ruling(self, taskforce: TaskforceUuid, ruling: Ruling, *, succeeded: Collection[int]) -> None:
        """Make pilots that start from now on charge failures, or not; see `Pool.apply`."""
        for queued in self._queue.values():
            if queued.spec.taskforce_uuid != taskforce or queued.charges_events == ruling.charges_events:
                continue
            queued.charges_events = ruling.charges_events
            self._write_cluster(queued)
            leaving = queued.running.keys() - set(succeeded)
            queued.sent_away |= leaving
            _cancel_tasks(queued.running[proc] for proc in leaving)
            for proc in sorted(queued.held):
                self._restarts.end_pause(queued, proc)

    async def submit_cluster(self, cluster: Submission) -> Cluster:
        """Put `cluster` into the queue, paused."""
        if not cluster.command:
            raise SubmitRefused("the local pool runs a pilot command, no container image")
        queued = QueuedCluster(self._draw_cluster_id(), cluster, _local_now(), is_released=False)
        self._write_cluster(queued)
        self._queue[queued.cluster_id] = queued
        self._write_log(queued, event_log.cluster_submitted(queued.cluster_id, _local_now()))
        return queued.as_cluster()

    async def release_cluster(self, taskforce: TaskforceUuid, cluster_id: int) -> bool:
        """Let the jobs of a cluster run."""
        queued = self._queue.get(cluster_id)
        if queued is None or queued.spec.taskforce_uuid != taskforce:
            raise ClusterGone(cluster_id)
        if queued.is_released:
            return False
        queued.is_released = True
        self._write_cluster(queued)
        self._write_log(queued, event_log.materialization_resumed(cluster_id, _local_now(), REASON))
        self._start_waiting()
        return True

    async def remove_clusters(self, taskforce: TaskforceUuid, cluster_id: int | None = None) -> list[int]:
        """Remove one cluster of `taskforce`, or all."""
        found = [
            queued
            for queued in self._queue.values()
            if queued.spec.taskforce_uuid == taskforce and cluster_id in (None, queued.cluster_id)
        ]
        for queued in found:
            await self._remove_cluster(queued, REASON)
        return [queued.cluster_id for queued in found]

    async def force_removals(self, grace_s: int) -> int:
        """Return 0: the pool itself kills a pilot after its grace time."""
        return 0

    async def _remove_cluster(self, queued: QueuedCluster, reason: str) -> None:
        queued.is_removed = True
        # Record the removal first: if TMS is killed during it, the cluster must not run again.
        self._write_cluster(queued)
        self._abort_waiting(queued, reason)
        _cancel_tasks(queued.running.values())
        # A removal orders the pilots to end, and does not wait for their end.
        if not queued.running:
            self._leave_queue(queued)

    def _abort_waiting(self, queued: QueuedCluster, reason: str) -> None:
        for proc in sorted({*queued.idle, *queued.held}):
            self._write_log(queued, event_log.job_aborted(queued.cluster_id, proc, _local_now(), reason))
        queued.idle.clear()
        queued.held.clear()

    def _start_waiting(self) -> None:
        """Make the jobs that are needed, and start jobs as long as cores are free."""
        if self._is_stopping:
            return
        waiting = [queued for queued in self._queue.values() if queued.is_released and not queued.is_removed]
        for queued in waiting:
            self._make_jobs(queued)
        machine = self._machine_resources()
        fitting = [queued for queued in waiting if machine.can_hold(_job_resources(queued))]
        while ready := [q for q in fitting if q.idle and q.spec.n_cores <= self._n_slots - self._n_busy]:
            chosen = choose_cluster(ready, self._queue.values())
            proc = chosen.idle.popleft()
            self._n_busy += chosen.spec.n_cores
            task = asyncio.create_task(self._run_job(chosen, proc))
            task.add_done_callback(partial(self._settle_job, chosen, proc))
            chosen.running[proc] = task
            self._make_jobs(chosen)

    def _make_jobs(self, queued: QueuedCluster) -> None:
        if made := queued.make_jobs():
            self._write_log(
                queued, "".join(event_log.job_submitted(queued.cluster_id, proc, _local_now()) for proc in made)
            )

    def _machine_resources(self) -> SlotResources:
        """Return the resources of this machine when nothing else runs on it."""
        if self._machine is None:
            memory_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
            self._machine = SlotResources(self._n_slots, memory_bytes, shutil.disk_usage(self._root).total)
        return self._machine

    async def _run_job(self, queued: QueuedCluster, proc: int) -> str:
        """Run a job, and return the record of its end."""
        cluster_id = queued.cluster_id
        has_started = False

        def started() -> None:
            nonlocal has_started
            has_started = True
            self._restarts.note_start(queued, proc)
            self._write_log(queued, event_log.job_executing(cluster_id, proc, _local_now()))

        def chirped(text: str) -> None:
            self._write_log(queued, event_log.job_chirped(cluster_id, proc, _local_now(), text))

        account = self._take_account()
        try:
            exit_code = await run(self._build_job(queued, proc, account), started=started, chirped=chirped)
        except asyncio.CancelledError:
            if proc in queued.sent_away and not (queued.is_removed or self._is_stopping):
                queued.idle.append(proc)
            left = event_log.job_evicted(cluster_id, proc, _local_now(), REASON) if has_started else ""
            return left + (event_log.job_aborted(cluster_id, proc, _local_now(), REASON) if queued.is_removed else "")
        except MaxRuntimeReached:
            queued.idle.append(proc)
            return event_log.job_evicted(cluster_id, proc, _local_now(), "The worker's maximum runtime is over")
        except OSError as error:
            queued.held.add(proc)
            self._restarts.pause_job(queued, proc, MACHINE_PAUSE_S)
            reason = f"Failed to start the pilot: {error}"
            return event_log.job_held(
                cluster_id, proc, _local_now(), reason, code=_CANNOT_START, subcode=error.errno or 0
            )
        finally:
            self._accounts_in_use.discard(account or 0)
            queued.sent_away.discard(proc)
        return self._restart_job(queued, proc, exit_code)

    def _restart_job(self, queued: QueuedCluster, proc: int, exit_code: int) -> str:
        """End, requeue or pause a job whose pilot has ended, and return the record of that."""
        cluster_id = queued.cluster_id
        match self._restarts.decide_next(queued, proc, exit_code):
            case JobOver():
                return event_log.job_terminated(cluster_id, proc, _local_now(), exit_code)
            case StartAgain(0):
                queued.idle.append(proc)
                return event_log.job_requeued(cluster_id, proc, _local_now(), exit_code)
            case StartAgain(pause_s):
                queued.held.add(proc)
                self._restarts.pause_job(queued, proc, pause_s)
                reason = f"The pilot {event_log.describe_exit(exit_code)}; it starts again in {pause_s} s"
                return event_log.job_held(cluster_id, proc, _local_now(), reason, code=PAUSE_CODE, subcode=pause_s)

    def _resume_job(self, queued: QueuedCluster, proc: int) -> None:
        """Put a held job back into the queue."""
        if proc not in queued.held or queued.is_removed:
            return
        queued.held.discard(proc)
        queued.idle.append(proc)
        self._write_log(queued, event_log.job_released(queued.cluster_id, proc, _local_now(), "The pause is over"))
        self._start_waiting()

    def _take_account(self) -> int | None:
        """Return an account that no running job has. There is one for each slot."""
        if self._first_account is None:
            return None
        account = self._first_account
        while account in self._accounts_in_use:
            account += 1
        self._accounts_in_use.add(account)
        return account

    def _settle_job(self, queued: QueuedCluster, proc: int, task: "asyncio.Task[str]") -> None:
        # A task that was cancelled before its first step never entered `_run_job`, so it has no record.
        record = ""
        if not task.cancelled() and (defect := task.exception()):
            log.error("a job failed for a defect of ours", cluster_id=queued.cluster_id, proc=proc, exc_info=defect)
            queued.held.add(proc)
            record = event_log.job_held(
                queued.cluster_id, proc, _local_now(), repr(defect), code=_CANNOT_START, subcode=0
            )
        elif not task.cancelled():
            record = task.result()
        elif queued.is_removed:
            record = event_log.job_aborted(queued.cluster_id, proc, _local_now(), REASON)
        elif proc in queued.sent_away and not self._is_stopping:
            queued.sent_away.discard(proc)
            queued.idle.append(proc)
        del queued.running[proc]
        self._n_busy -= queued.spec.n_cores
        if record:
            self._write_log(queued, record)
        if queued.is_removed:
            self._abort_waiting(queued, REASON)
        if queued.is_done or (queued.is_removed and not queued.running):
            self._leave_queue(queued)
        self._start_waiting()

    def _build_job(self, queued: QueuedCluster, proc: int, account: int | None) -> Job:
        spec = queued.spec
        name = f"{queued.cluster_id}.{proc}"
        output = Path(spec.output_directory, f"cluster-{queued.cluster_id}", str(proc))
        return Job(
            name=f"{name}.{os.getpid()}",
            command=spec.command,
            environment=spec.environment,
            input_files=spec.input_files,
            directory=self._root / "jobs" / f"{name}.{os.urandom(4).hex()}",
            output=output if spec.output_directory else None,
            max_runtime_s=spec.max_runtime_s,
            grace_s=self._grace_s,
            account=account,
            charges_events=queued.charges_events,
            holder=self._holder,
        )

    def _leave_queue(self, queued: QueuedCluster) -> None:
        if self._is_stopping and not (queued.is_done or queued.is_removed):
            return
        if not queued.has_left:
            queued.has_left = True
            record = event_log.cluster_removed(
                queued.cluster_id, _local_now(), n_made=queued.n_made, is_complete=not queued.is_removed
            )
            self._write_log(queued, record)
        # A caller must find the cluster in the queue, or its last record in the log.
        if not queued.unwritten:
            self._restarts.forget_cluster(queued.cluster_id)
            self._queue.pop(queued.cluster_id, None)
            self._cluster_file(queued.cluster_id).unlink(missing_ok=True)

    def _place_jobs(self, queued: QueuedCluster) -> None:
        """Sort an earlier TMS's jobs as the cluster's log says. Interrupted jobs go back into the queue."""
        tally = Tally(queued.spec.n_workers)
        with suppress(FileNotFoundError):
            tally.fold_events(
                parse_log(Path(queued.spec.job_event_log).read_bytes(), cluster_id=queued.cluster_id).events
            )
        interrupted = queued.place_jobs(tally)
        for proc in interrupted:
            self._write_log(
                queued, event_log.job_evicted(queued.cluster_id, proc, _local_now(), "The local pool had ended")
            )
        for proc in queued.held:
            self._restarts.pause_job(queued, proc, FIRST_PAUSE_S)
        if tally.cluster_id is None:
            self._write_log(queued, event_log.cluster_submitted(queued.cluster_id, _local_now()))
        if queued.is_removed:
            self._abort_waiting(queued, REASON)
        if queued.is_removed or (queued.is_released and queued.is_done):
            self._leave_queue(queued)
        elif interrupted:
            log.warning("pilots of an earlier TMS start again", cluster_id=queued.cluster_id, n_jobs=len(interrupted))

    def _draw_cluster_id(self) -> int:
        file = self._root / "next"
        cluster_id = int(file.read_text()) if file.exists() else 1
        write_private(file, f"{cluster_id + 1}\n".encode())
        return cluster_id

    def _write_cluster(self, queued: QueuedCluster) -> None:
        write_private(self._cluster_file(queued.cluster_id), queued.to_bytes())

    def _cluster_file(self, cluster_id: int) -> Path:
        return self._root / f"cluster-{cluster_id}.json"

    def _write_log(self, queued: QueuedCluster, records: str) -> None:
        """Append `records` to the log of a cluster. If the disk is full, they are kept for the next call or sweep."""
        queued.unwritten += records.encode()
        try:
            fd = os.open(queued.spec.job_event_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                # Write whole records at once, so that a reader hardly ever sees half of one. A full disk or a crash
                # leaves a torn tail. After a full disk, the tail is completed before anything else is added.
                while queued.unwritten:
                    queued.unwritten = queued.unwritten[os.write(fd, queued.unwritten) :]
            finally:
                os.close(fd)
        except OSError as error:
            log.error("job event log cannot be written yet", cluster_id=queued.cluster_id, error=str(error))


def _cancel_tasks(tasks: Iterable["asyncio.Task[str]"]) -> None:
    for task in tasks:
        # A second cancellation would interrupt the end that the first one has begun.
        if not task.cancelling():
            task.cancel()


def _job_resources(queued: QueuedCluster) -> SlotResources:
    return SlotResources(queued.spec.n_cores, queued.spec.memory_bytes, queued.spec.disk_bytes)


def _local_now() -> datetime:
    return datetime.now().astimezone()
