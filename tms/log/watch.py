"""Follow the job event logs of all taskforces. Report changed statuses, and clusters that have left.

A taskforce is over when the broker has confirmed the event about its end. Only then does the checkpoint record the end.
So TMS reports the end again after a crash between the two.
"""

import asyncio
from collections.abc import Awaitable, Iterable, Mapping, Set
from contextlib import suppress
from datetime import UTC
from pathlib import Path

from runtime.failpoints import failpoint
from runtime.telemetry import gauge, histogram, log
from schemas.errors import Unavailable
from schemas.events import TaskforceCompleted
from schemas.fleet.statuses import JobStatus
from schemas.ids import TaskforceUuid
from tms.files import TmsDirectory
from tms.log.inotify import DirectoryWatch
from tms.log.job_log import JobLog
from tms.log.log_reader import LogReader
from tms.log.status_changes import REPEAT_AFTER, StatusReports
from tms.log.statuses import Tally
from tms.reporter import Reporter

#: TMS reports a changing taskforce at most once in this time. It reports the first change after a quiet time at once.
REPORT_INTERVAL_S = 1.0

#: How often TMS looks at the sizes of logs, for filesystems (NFS) on which the kernel reports no changes.
LOOK_INTERVAL_S = 2.0

#: A checkpoint only saves reading after a restart, so the checkpoint of a busy log may be this old.
SAVE_INTERVAL_S = 5.0
_followed = gauge("job_event_logs_followed", "Job event logs of clusters that have not left.")
_start_s = histogram(
    "worker_start_seconds",
    "From the submit of a cluster until its log shows the first running worker.",
    buckets=(1, 2, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400),
)


class LogWatch:
    """The followed logs, by taskforce. `run` is the loop. Other methods may be called while `run` runs."""

    def __init__(
        self, home: TmsDirectory, voice: Reporter, *, schedd: str, epoch: int, keeps_output: bool = False
    ) -> None:
        """If `keeps_output`, keep the output of each worker's run that ends. Otherwise the job's next run overwrites
        it.
        """
        self._home = home
        self._voice = voice
        self._reader = LogReader(home, on_replaced=self._begin_epoch, keeps_output=keeps_output)
        self._reporting = StatusReports(schedd, epoch)
        self._logs: dict[TaskforceUuid, JobLog] = {}
        self._changed: set[TaskforceUuid] = set()
        #: Taskforces whose clusters the schedd no longer has, although no log shows that.
        self._vanished: set[TaskforceUuid] = set()
        #: Taskforce -> when this process reported its cluster (seconds of the event loop); only until a worker runs.
        self._submitted_s: dict[TaskforceUuid, float] = {}
        #: The taskforce whose end TMS is reporting now, and the taskforces whose end it must report once more
        #: afterwards.
        self._completing: TaskforceUuid | None = None
        self._again: set[TaskforceUuid] = set()
        #: Taskforce -> why no slot can take its waiting jobs.
        self._unmatched: Mapping[TaskforceUuid, str] = {}
        #: The taskforces whose task fails on every worker.
        self._all_bad: Set[TaskforceUuid] = frozenset()
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._saved_at = 0.0
        self._repeated_at = 0.0
        self._directories = DirectoryWatch("job.log", self._on_changed)

    def list_followed(self) -> dict[TaskforceUuid, int | None]:
        """Return taskforce -> cluster id for the taskforces that are not over. The id is None as long as TMS does not
        know it.
        """
        return {uuid: joblog.tally.cluster_id for uuid, joblog in self._logs.items()}

    def list_waiting(self) -> list[TaskforceUuid]:
        """Return the taskforces that have jobs waiting for a slot and no running job."""
        return [uuid for uuid, joblog in self._logs.items() if _is_only_waiting(joblog.tally)]

    def note_unmatched(self, unmatched: Mapping[TaskforceUuid, str]) -> None:
        """Set the reasons why no slot can take a taskforce's jobs. From now on, report them for these taskforces and no
        others.
        """
        before, self._unmatched = self._unmatched, unmatched
        self._mark_changed({u for u in before.keys() | unmatched.keys() if before.get(u) != unmatched.get(u)})

    def collect_tallies(self) -> dict[TaskforceUuid, Tally]:
        """Return the tallies of the followed logs, by taskforce."""
        return {uuid: joblog.tally for uuid, joblog in self._logs.items()}

    def note_all_bad(self, all_bad: Set[TaskforceUuid]) -> None:
        """Set the taskforces whose task fails on every worker. From now on, report this for these taskforces and no
        others.
        """
        before, self._all_bad = self._all_bad, all_bad
        self._mark_changed(set(before ^ all_bad))

    async def follow_all(self) -> None:
        """Follow every taskforce that has a log and is not over."""
        for uuid, files in list(self._home.list_taskforces()):
            if files.log.exists():
                await self.follow_log(uuid)

    async def read_tally(self, uuid: TaskforceUuid) -> Tally | None:
        """Return the tally of the log of `uuid`. Return None if there is no log, or if the log names no cluster."""
        joblog = self._logs.get(uuid)
        if joblog is None:
            joblog = await asyncio.to_thread(self._reader.open_log, uuid)
        return joblog.tally if joblog.tally.cluster_id is not None else None

    async def follow_log(
        self,
        uuid: TaskforceUuid,
        *,
        n_workers: int | None = None,
        cluster_id: int | None = None,
        say_again: bool = False,
    ) -> None:
        """Follow the log of `uuid`, unless the taskforce is over. `n_workers` and `cluster_id` are what the submit
        returned.

        If `say_again`, follow the log even if the taskforce is over, so that TMS reports its end once more.
        """
        joblog = self._logs.get(uuid)
        if say_again and uuid == self._completing:
            self._again.add(uuid)
        if joblog is None:
            joblog = await asyncio.to_thread(self._reader.open_log, uuid)
            if joblog.is_over and not say_again:
                return
            # The cluster may be in the queue although its files are lost. With a directory HTCondor can go on writing.
            await asyncio.to_thread(self._home.taskforce_files(uuid).create_directory)
            joblog.is_over = False
            # Two callers may have opened the log at once; the first one counts.
            joblog = self._logs.setdefault(uuid, joblog)
            _followed.set(len(self._logs))
            if not self._directories.add_directory(self._home.taskforce_files(uuid).directory):
                log.warning(
                    "the kernel does not report changes of this log, so TMS checks its size every 2 s",
                    taskforce_uuid=uuid,
                )
        if n_workers is not None and cluster_id is not None:
            joblog.expect_cluster(n_workers=n_workers, cluster_id=cluster_id)
            if JobStatus.RUNNING not in joblog.tally.count_statuses():
                self._submitted_s.setdefault(uuid, asyncio.get_running_loop().time())
        self._mark_changed({uuid})

    def note_vanished(self, uuid: TaskforceUuid) -> None:
        """Record that the schedd no longer has the cluster of `uuid`, although the log does not show that."""
        self._vanished.add(uuid)
        self._mark_changed({uuid})

    async def run(self) -> None:
        """Read the logs, report changes and save checkpoints until `ask_to_stop` is called."""
        loop = asyncio.get_running_loop()
        n_failures = 0
        while not self._stopping.is_set():
            await _wait_at_most(self._wake.wait(), LOOK_INTERVAL_S)
            began_at = loop.time()
            try:
                await self._read_and_report()
                n_failures = 0
            except Unavailable as error:
                # Unreported taskforces stay marked as changed, so TMS reports their newest state when the broker is
                # back.
                n_failures += 1
                log.warning("statuses cannot be reported", reason=error.reason)
            except Exception:  # noqa: BLE001 - a full disk, or a defect met in one log, must not end the watch of all
                n_failures += 1
                log.error("watching failed", exc_info=True)
            pause_s = REPORT_INTERVAL_S * min(2**n_failures, 15) - (loop.time() - began_at)
            await _wait_at_most(self._stopping.wait(), pause_s)
        with suppress(Unavailable):
            await self._read_and_report()
        await asyncio.to_thread(self._reader.save_checkpoints, list(self._logs.values()))

    def ask_to_stop(self) -> None:
        """Make `run` report once more, save the checkpoints and return. Do not cancel `run`: a reading thread would
        remain.
        """
        self._stopping.set()
        self._wake.set()
        self._directories.close()

    async def _read_and_report(self) -> None:
        self._wake.clear()
        grown = await asyncio.to_thread(self._reader.find_grown, self._logs)
        changed, self._changed = self._changed | grown, set()
        now = asyncio.get_running_loop().time()
        if now - self._repeated_at >= REPEAT_AFTER.total_seconds():
            self._repeated_at = now
            changed |= self._logs.keys()
        try:
            behind = await asyncio.to_thread(self._reader.read_logs, self._logs, changed, for_s=REPORT_INTERVAL_S)
            failpoint("tms.watch.read")
            await self._report_changes(changed)
            failpoint("tms.watch.reported")
            await self._complete_taskforces(changed - behind)
        except BaseException:
            self._mark_changed(changed)
            raise
        if behind:
            self._mark_changed(behind)
        await self._save_sometimes()

    async def _report_changes(self, changed: Iterable[TaskforceUuid]) -> None:
        joblogs = {uuid: self._logs[uuid] for uuid in changed if uuid in self._logs}
        tallies = {uuid: joblog.tally for uuid, joblog in joblogs.items() if joblog.tally.cluster_id is not None}
        for uuid in self._submitted_s.keys() & tallies.keys():
            if JobStatus.RUNNING in tallies[uuid].count_statuses():
                _start_s.observe(asyncio.get_running_loop().time() - self._submitted_s.pop(uuid))
        for report in self._reporting.list_due(tallies, self._unmatched, self._all_bad, as_of=self._voice.now()):
            await self._voice.report_to_wms(report)
            self._reporting.note_confirmed(report)

    async def _complete_taskforces(self, changed: Iterable[TaskforceUuid]) -> None:
        for uuid in changed:
            joblog = self._logs.get(uuid)
            if joblog is None or joblog.tally.cluster_id is None:
                continue
            removed = joblog.tally.removed
            if removed is None and uuid not in self._vanished:
                continue
            # A time without a zone is this machine's local time, since this is the access point.
            completed_at = removed.at.astimezone(UTC) if removed and removed.at else self._voice.now()
            completed = TaskforceCompleted(
                taskforce_uuid=uuid, cluster_id=joblog.tally.cluster_id, completed_at=completed_at
            )
            self._completing = uuid
            try:
                await self._report_end(completed, joblog)
            finally:
                self._completing = None

    async def _report_end(self, completed: TaskforceCompleted, joblog: JobLog) -> None:
        """Report that a cluster has left, record the report in the checkpoint, and stop following the log."""
        uuid = completed.taskforce_uuid
        await self._voice.report_to_wms(completed)
        failpoint("tms.watch.completed")
        exit_codes = dict(joblog.tally.exits)
        log.info("cluster has left", taskforce_uuid=uuid, cluster_id=completed.cluster_id, exit_codes=exit_codes)
        joblog.is_over = True
        await asyncio.to_thread(self._reader.close_log, uuid, joblog)
        if uuid in self._again:
            self._again.discard(uuid)
            joblog.is_over = False
            self._mark_changed({uuid})
        else:
            self._forget_taskforce(uuid)

    async def _save_sometimes(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._saved_at >= SAVE_INTERVAL_S:
            self._saved_at = now
            await asyncio.to_thread(self._reader.save_checkpoints, list(self._logs.values()))

    def _begin_epoch(self) -> None:
        self._reporting.epoch = self._home.next_epoch()

    def _forget_taskforce(self, uuid: TaskforceUuid) -> None:
        del self._logs[uuid]
        self._vanished.discard(uuid)
        self._submitted_s.pop(uuid, None)
        self._reporting.forget_taskforces([uuid])
        self._directories.remove_directory(self._home.taskforce_files(uuid).directory)
        _followed.set(len(self._logs))

    def _on_changed(self, directories: set[Path]) -> None:
        self._mark_changed({TaskforceUuid(directory.name) for directory in directories})

    def _mark_changed(self, changed: set[TaskforceUuid]) -> None:
        self._changed |= changed
        self._wake.set()


def _is_only_waiting(tally: Tally) -> bool:
    statuses = tally.count_statuses()
    return tally.cluster_id is not None and JobStatus.IDLE in statuses and JobStatus.RUNNING not in statuses


async def _wait_at_most(awaitable: Awaitable[object], seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, seconds)):
            await awaitable
