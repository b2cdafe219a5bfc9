"""Run the local pool's jobs. Return for each run the record of its end, which goes into the cluster's log."""

import asyncio
import os
import platform
from collections.abc import Iterable
from pathlib import Path

from tms.jobs.restarts import MACHINE_PAUSE_S, PAUSE_CODE, JobOver, StartAgain, mark_pause
from tms.pools.local import event_log
from tms.pools.local.cluster_files import ClusterFiles, read_clock
from tms.pools.local.control_groups import ControlGroups
from tms.pools.local.job import Job, MaxRuntimeReached, run
from tms.pools.local.job_starts import JobStarts
from tms.pools.local.queue import QueuedCluster

REASON = "Requested by EWMS"
#: HTCondor's hold code for a command that cannot be started; the subcode is the errno.
CANNOT_START = 6


class JobRuns:
    """Runs jobs, and decides after the end of a pilot whether its job starts again.

    If `first_account` is given, each running job has its own account. `holder` gives a pilot its own view of the file
    system.
    """

    def __init__(
        self,
        root: Path,
        files: ClusterFiles,
        starts: JobStarts,
        *,
        grace_s: float,
        first_account: int | None,
        holder: Iterable[str],
    ) -> None:
        self._root = root
        self._files = files
        self._starts = starts
        self._grace_s = grace_s
        self._first_account = first_account
        self._holder = tuple(holder)
        self._accounts_in_use: set[int] = set()
        self._groups = ControlGroups.open_own()
        #: This machine's name, as pilots report it.
        self._machine = platform.node()
        #: Whether TMS ends. A job whose pilot ends now keeps its status in the log.
        self.is_stopping = False

    async def run_job(self, queued: QueuedCluster, proc: int) -> str:
        """Run a job until its pilot ends. Write the records of its start and its chirps; return the record of its
        end.
        """
        cluster_id = queued.cluster_id
        has_started = False

        def log_start() -> None:
            nonlocal has_started
            has_started = True
            self._starts.note_start(queued, proc)
            self._files.append_to_log(queued, event_log.job_executing(cluster_id, proc, read_clock(), self._machine))

        def log_chirp(text: str) -> None:
            self._files.append_to_log(queued, event_log.job_chirped(cluster_id, proc, read_clock(), text))

        account = self._take_account()
        try:
            exit_code = await run(self._build_job(queued, proc, account), started=log_start, chirped=log_chirp)
        except asyncio.CancelledError:
            if not queued.is_removed:
                # TMS stops, or a ruling has sent the job away: its pilot starts again, maybe under the next TMS.
                queued.idle.append(proc)
            left = event_log.job_evicted(cluster_id, proc, read_clock(), REASON) if has_started else ""
            return left + (event_log.job_aborted(cluster_id, proc, read_clock(), REASON) if queued.is_removed else "")
        except MaxRuntimeReached:
            queued.idle.append(proc)
            return event_log.job_evicted(cluster_id, proc, read_clock(), "The worker's maximum runtime is over")
        except OSError as error:
            queued.held.add(proc)
            self._starts.pause_job(queued, proc, MACHINE_PAUSE_S)
            reason = f"Failed to start the pilot: {error}"
            return event_log.job_held(
                cluster_id, proc, read_clock(), reason, code=CANNOT_START, subcode=error.errno or 0
            )
        finally:
            self._accounts_in_use.discard(account or 0)
            queued.sent_away.discard(proc)
        return self._restart_job(queued, proc, exit_code)

    def _restart_job(self, queued: QueuedCluster, proc: int, exit_code: int) -> str:
        """End, requeue or pause a job whose pilot has ended. Return the log record of this decision."""
        cluster_id = queued.cluster_id
        match self._starts.decide_next(queued, proc, exit_code):
            case JobOver():
                return event_log.job_terminated(cluster_id, proc, read_clock(), exit_code)
            case StartAgain(0):
                queued.idle.append(proc)
                return event_log.job_requeued(cluster_id, proc, read_clock(), exit_code)
            case StartAgain(pause_s):
                queued.held.add(proc)
                self._starts.pause_job(queued, proc, pause_s)
                reason = f"The pilot {event_log.describe_exit(exit_code)}; it starts again in {pause_s} s"
                subcode = mark_pause(pause_s, exit_code)
                return event_log.job_held(cluster_id, proc, read_clock(), reason, code=PAUSE_CODE, subcode=subcode)

    def _take_account(self) -> int | None:
        """Take an account that no running job uses, and return it. There is one account for each slot.

        Return None if TMS has no accounts.
        """
        if self._first_account is None:
            return None
        account = self._first_account
        while account in self._accounts_in_use:
            account += 1
        self._accounts_in_use.add(account)
        return account

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
            group=self._groups.make_group(spec.memory_bytes),
        )
