"""Every minute, compare the schedd's clusters with those that TMS follows, and repair the differences.

A lost message or a crash can leave any of these:

a cluster that is                  TMS
paused, and WMS has not answered   reports it again; WMS then releases or removes it
of a stopped taskforce             removes it
not followed                       reports it and follows its log
followed, and not in the queue     reports that it has left, although its log does not say so
any, every fourth sweep            reports it again, so that WMS can order the removal of clusters it does not want

Files of old taskforces are compressed, packed and removed on the way (`file_retention.py`).
"""

import asyncio
from math import inf
from time import monotonic

from runtime.clock import utc_now
from runtime.concurrency.loops import BackgroundLoop
from runtime.concurrency.turns import Turns
from runtime.telemetry import gauge, log
from schemas.ids import TaskforceUuid
from tms.clusters.start import Starter
from tms.clusters.stopped_taskforces import StoppedTaskforces
from tms.log.watch import LogWatch
from tms.pools.interface import Cluster, Pool
from tms.worker_logs.file_retention import FileRetention

INTERVAL_S = 60.0
#: Every fourth sweep reports all clusters again, so that WMS removes an unwanted cluster within five minutes (G6).
SAY_ALL_EVERY = 4

_clusters = gauge("clusters", "Clusters of taskforces in the queue.")


class ClusterSweep:
    """The loop that compares the clusters of the schedd with those that TMS follows."""

    def __init__(
        self,
        *,
        pool: Pool,
        starter: Starter,
        watch: LogWatch,
        turns: Turns,
        ended: StoppedTaskforces,
        keeper: FileRetention,
        tidy_interval_s: float,
    ) -> None:
        self._pool = pool
        self._starter = starter
        self._watch = watch
        self._turns = turns
        self._ended = ended
        self._keeper = keeper
        self._tidy_interval_s = tidy_interval_s
        self._tidied_at_s = -inf
        self._missing: set[TaskforceUuid] = set()
        self._n_sweeps = 0

    async def run(self) -> None:
        """Sweep at once, and then every minute. This never returns."""
        await BackgroundLoop(
            self.sweep_once, name="sweep", failed="the sweep failed and comes again", every_s=INTERVAL_S
        ).run()

    async def sweep_once(self) -> None:
        """Compare the pool's clusters with the followed ones once. Tidy old files if that is due."""
        followed = self._watch.list_followed()
        clusters = await self._pool.list_clusters()
        _clusters.set(len(clusters))
        say_all = self._n_sweeps % SAY_ALL_EVERY == 0
        self._n_sweeps += 1
        for cluster in clusters:
            if cluster.awaits_release or say_all or cluster.taskforce_uuid not in followed:
                await self._report_or_remove(cluster)
        self._notice_missing(followed, clusters)
        if (time_s := monotonic()) - self._tidied_at_s >= self._tidy_interval_s:
            self._tidied_at_s = time_s
            busy = {cluster.taskforce_uuid for cluster in clusters} | set(self._watch.list_followed())
            await asyncio.to_thread(self._keeper.tidy_files, busy, now=utc_now())

    async def _report_or_remove(self, cluster: Cluster) -> None:
        uuid = cluster.taskforce_uuid
        async with self._turns.hold_turn(uuid):
            if uuid in self._ended:
                await self._pool.remove_clusters(uuid, cluster.cluster_id)
            else:
                await self._starter.report_cluster(cluster)

    def _notice_missing(self, followed: dict[TaskforceUuid, int | None], clusters: list[Cluster]) -> None:
        present = {cluster.cluster_id for cluster in clusters}
        missing = {uuid for uuid, cluster_id in followed.items() if cluster_id and cluster_id not in present}
        # HTCondor usually writes the log's last record just after the cluster has left: wait for the next sweep.
        for uuid in missing & self._missing:
            log.warning(
                "cluster has left the queue, but its log does not show that",
                taskforce_uuid=uuid,
                cluster_id=followed[uuid],
            )
            self._watch.note_vanished(uuid)
        self._missing = missing - self._missing
