"""The loop that counts at intervals. All replicas count the same database, so add up no gauges of several replicas."""

from datetime import timedelta

from runtime.clock import utc_now
from runtime.concurrency.loops import BackgroundLoop
from runtime.kernel.store import Store
from runtime.telemetry import fresh_gauge, gauge
from schemas.engine.run_documents import RUNS, STEP_WORKERS
from schemas.fleet.documents import TASKFORCES, WORKFLOWS
from wms.census import figures
from wms.fleet.choices.locations import LocationMap
from wms.fleet.repository import UNFINISHED

INTERVAL_S = 15.0

_workflows = fresh_gauge(
    "workflows",
    "Workflows that are not over: waiting for their queues, running, stalled, or ending.",
    ["state"],
)
_taskforces = fresh_gauge("taskforces", "Taskforces that are not over, by place and phase.", ["cluster", "phase"])
_workers = fresh_gauge(
    "workers", "Workers of taskforces that are not over, by place and HTCondor's status.", ["cluster", "status"]
)
_heard = fresh_gauge(
    "cluster_heard_timestamp_seconds",
    "When WMS last got statuses from a place that has clusters, in seconds since 1970.",
    ["cluster"],
)
_runs = fresh_gauge("runs", "Runs of step lists, flows and trees that are not over.", ["kind", "status"])
_counted_at = gauge(
    "wms_counted_timestamp_seconds", "When WMS last counted workflows and workers, in seconds since 1970."
)
_pool_workers = fresh_gauge("pool_workers", "Step workers that have reported lately.", ["pool"])


class Census:
    """Counts the documents that are under way, and shows the numbers as gauges."""

    def __init__(self, store: Store, locations: LocationMap, *, worker_silence: timedelta) -> None:
        """A step worker that has not reported for `worker_silence` does not count."""
        self._store = store
        self._locations = locations
        self._places = locations.places
        self._worker_silence = worker_silence
        self._loop = BackgroundLoop(
            self.count_once,
            name="census",
            failed="the documents could not be counted for the metrics",
            every_s=INTERVAL_S,
            level="info",
        )

    def start(self) -> None:
        """Begin to count in the background."""
        self._loop.start()

    async def stop(self) -> None:
        """Stop counting."""
        await self._loop.stop()

    async def count_once(self) -> None:
        """Count everything once.

        Raises:
            Unavailable: the database does not answer.
        """
        _workflows.replace_values(
            figures.count_workflows(await self._store.aggregate(WORKFLOWS, figures.group_workflows(UNFINISHED)))
        )
        # Also schedds that no location names any more: they may still have workers.
        schedds = await self._store.distinct(TASKFORCES, "schedd", {})
        taskforces = await self._store.aggregate(TASKFORCES, figures.group_taskforces(schedds))
        _taskforces.replace_values(figures.count_taskforces(taskforces, self._places))
        _heard.replace_values(
            figures.find_last_heard(
                taskforces,
                self._places,
                repeats_statuses=lambda schedd: self._locations.find_port(schedd).repeats_statuses,
            )
        )
        workers = await self._store.aggregate(TASKFORCES, figures.group_workers(schedds))
        _workers.replace_values(figures.count_workers(workers, self._places))
        _runs.replace_values(figures.count_runs(await self._store.aggregate(RUNS, figures.group_runs())))
        alive = figures.group_step_workers(utc_now() - self._worker_silence)
        _pool_workers.replace_values(figures.count_step_workers(await self._store.aggregate(STEP_WORKERS, alive)))
        _counted_at.set(utc_now().timestamp())
