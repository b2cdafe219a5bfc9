"""Remove all clusters of a taskforce and tell WMS, or remove one cluster that WMS does not want."""

from runtime.concurrency.turns import Turns
from runtime.failpoints import failpoint
from runtime.telemetry import log
from schemas.events import (
    TaskforceCompleted,
    TaskforceRemove,
    TaskforceRemoved,
    TaskforceRemoveFailed,
    TaskforceStop,
)
from tms.clusters.stopped_taskforces import StoppedTaskforces
from tms.errors import RemoveRefused
from tms.log.watch import LogWatch
from tms.pools.interface import Pool
from tms.reporter import Reporter


class Stopper:
    """Handles `TaskforceStop` and `TaskforceRemove`."""

    def __init__(self, *, pool: Pool, voice: Reporter, watch: LogWatch, turns: Turns, ended: StoppedTaskforces) -> None:
        self._pool = pool
        self._voice = voice
        self._watch = watch
        self._turns = turns
        self._ended = ended

    async def stop_taskforce(self, order: TaskforceStop) -> None:
        """Remove all clusters of the taskforce. Tell WMS that they are removed, or why the pool refuses to remove them.

        From now on TMS refuses to start this taskforce.
        """
        uuid = order.taskforce_uuid
        async with self._turns.hold_turn(uuid):
            self._ended.note_stop(uuid)
            try:
                removed = await self._pool.remove_clusters(uuid)
            except RemoveRefused as error:
                log.warning("cluster cannot be removed", reason=error.reason)
                await self._voice.report_to_wms(TaskforceRemoveFailed(taskforce_uuid=uuid, error=error.reason))
                return
            failpoint("tms.stop.removed")
            log.info("clusters removed", cluster_ids=removed)
            known = order.cluster_id if order.cluster_id is not None else next(iter(removed), None)
            tally = None if removed else await self._watch.read_tally(uuid)
            if tally is not None:
                # The cluster has left before, perhaps long ago: report again what its log shows.
                known = tally.cluster_id if known is None else known
                await self._watch.follow_log(uuid, say_again=True)
                self._watch.note_vanished(uuid)
            await self._voice.report_to_wms(TaskforceRemoved(taskforce_uuid=uuid, cluster_id=known))
            if not removed and tally is None and known is not None:
                completed = TaskforceCompleted(taskforce_uuid=uuid, cluster_id=known, completed_at=self._voice.now())
                await self._voice.report_to_wms(completed)

    async def remove_cluster(self, order: TaskforceRemove) -> None:
        """Remove one cluster. Do not report the removal, because WMS waits for no report. Other clusters of the
        taskforce stay.

        Raises:
            RemoveRefused: the pool refuses to remove the cluster.
        """
        async with self._turns.hold_turn(order.taskforce_uuid):
            removed = await self._pool.remove_clusters(order.taskforce_uuid, order.cluster_id)
            log.info("unwanted cluster removed", cluster_ids=removed)
