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
    """Reads the logs of taskforces. It calls `on_replaced` when a log was replaced by another."""

    def __init__(self, home: TmsDirectory, *, on_replaced: Callable[[], None]) -> None:
        self._home = home
        self._on_replaced = on_replaced

    def open_log(self, uuid: TaskforceUuid) -> JobLog:
        """Return the log of `uuid`, read from its checkpoint to its end, but at most one slice of 4 MiB."""
        files = self._home.taskforce_files(uuid)
        kept = files.read_submission()
        joblog = JobLog(files, n_workers=int(kept.get("n_workers") or 0), cluster_id=kept.get("cluster_id"))
        joblog.load_checkpoint()
        joblog.read_new()
        return joblog

    def read_logs(
        self, logs: Mapping[TaskforceUuid, JobLog], changed: Iterable[TaskforceUuid], *, for_s: float
    ) -> set[TaskforceUuid]:
        """Read the changed logs in turns, a slice each, for at most `for_s` seconds. Return those with more to read."""
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
        """Return the logs whose files have grown since the last read, or were replaced."""
        lags = {uuid: joblog.lag_bytes() for uuid, joblog in list(logs.items())}
        _lag.set(sum(lag for lag in lags.values() if lag > 0))
        return {uuid for uuid, lag in lags.items() if lag}

    def save_checkpoints(self, joblogs: Iterable[JobLog]) -> None:
        """Save the checkpoints of `joblogs`."""
        for joblog in joblogs:
            try:
                joblog.save_checkpoint()
            except OSError as error:
                # The older checkpoint is still there: after a restart TMS reads more again and loses nothing.
                log.error("checkpoint cannot be written", error=str(error))

    def close_log(self, uuid: TaskforceUuid, joblog: JobLog) -> None:
        """Save the end of a taskforce, and remove the inputs of its cluster."""
        joblog.save_checkpoint()
        self._home.taskforce_files(uuid).remove_inputs()
