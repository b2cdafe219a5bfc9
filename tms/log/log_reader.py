"""Read the followed job event logs from the disk, and keep their checkpoints.

Every method blocks on the disk, so callers run it in a thread. Only one thread may read a log at a time.
"""

from collections.abc import Callable, Iterable, Mapping
from time import monotonic

from runtime.telemetry import counter, gauge, log
from schemas.ids import TaskforceUuid
from tms.files import TmsDirectory
from tms.log.job_log import JobLog

_bytes_read = counter("job_event_log_bytes_total", "Bytes of job event logs that were read.")
_corrupt = counter("job_event_log_corrupt_records_total", "Records of job event logs that could not be read.")
_lag = gauge("job_event_log_lag_bytes", "Bytes of job event logs that were written and not yet read.")


class LogReader:
    """Reads the logs of taskforces. It calls `on_replaced` when another file has replaced a log."""

    def __init__(self, home: TmsDirectory, *, on_replaced: Callable[[], None], keeps_output: bool) -> None:
        """If `keeps_output`, keep the output of each worker's run that ends. Otherwise the job's next run overwrites
        it.
        """
        self._home = home
        self._keeps_output = keeps_output
        self._on_replaced = on_replaced

    def open_log(self, uuid: TaskforceUuid) -> JobLog:
        """Open the log of `uuid` at its checkpoint, and read the first part of the rest (about 4 MiB). Return the
        log.
        """
        files = self._home.taskforce_files(uuid)
        kept = files.read_submission()
        joblog = JobLog(
            files,
            n_workers=int(kept.get("n_workers") or 0),
            cluster_id=kept.get("cluster_id"),
            keeps_output=self._keeps_output,
        )
        joblog.load_checkpoint()
        joblog.read_new()
        return joblog

    def read_logs(
        self, logs: Mapping[TaskforceUuid, JobLog], changed: Iterable[TaskforceUuid], *, for_s: float
    ) -> set[TaskforceUuid]:
        """Read the changed logs, a part of each in turn, for at most `for_s` seconds. Return the taskforces with more
        to read.
        """
        behind = {uuid for uuid in changed if uuid in logs}
        until = monotonic() + for_s
        while behind and monotonic() < until:
            for uuid in list(behind):
                joblog = logs[uuid]
                offset, n_corrupt = joblog.offset, joblog.n_corrupt
                try:
                    is_another = joblog.read_new()
                except OSError as error:
                    # Go on with the other logs. The next pass tries this log again.
                    log.error("job event log cannot be read", taskforce_uuid=uuid, error=str(error))
                    behind.discard(uuid)
                    continue
                except Exception:  # noqa: BLE001 - a defect that one log brings out must not stop the reading of all
                    log.error("job event log cannot be read", taskforce_uuid=uuid, exc_info=True)
                    behind.discard(uuid)
                    continue
                if is_another:
                    log.warning("job event log was replaced; TMS reads it from its beginning", taskforce_uuid=uuid)
                    self._on_replaced()
                    offset, n_corrupt = 0, 0
                _bytes_read.inc(joblog.offset - offset)
                if joblog.n_corrupt > n_corrupt:
                    _corrupt.inc(joblog.n_corrupt - n_corrupt)
                    log.warning("unreadable records in a job event log", taskforce_uuid=uuid, n=joblog.n_corrupt)
                if not joblog.is_behind:
                    behind.discard(uuid)
        return behind

    def find_grown(self, logs: Mapping[TaskforceUuid, JobLog]) -> set[TaskforceUuid]:
        """Return the taskforces whose log has grown or was replaced since the last read."""
        lags = {uuid: joblog.lag_bytes() for uuid, joblog in list(logs.items())}
        _lag.set(sum(lag for lag in lags.values() if lag > 0))
        return {uuid for uuid, lag in lags.items() if lag}

    def save_checkpoints(self, joblogs: Iterable[JobLog]) -> None:
        """Save the checkpoints of `joblogs`. Log an error for each checkpoint that the disk refuses."""
        for joblog in joblogs:
            try:
                joblog.save_checkpoint()
            except OSError as error:
                # The older checkpoint is still there: after a restart TMS reads more again and loses nothing.
                log.error("checkpoint cannot be written", error=str(error))

    def close_log(self, uuid: TaskforceUuid, joblog: JobLog) -> None:
        """Save the last checkpoint of a taskforce that is over, and remove its token and its input files."""
        joblog.save_checkpoint()
        self._home.taskforce_files(uuid).remove_inputs()
