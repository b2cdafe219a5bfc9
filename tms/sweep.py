"""Compare the schedd with what was said of it, every minute: whatever a lost message or a crash left is said again.

paused and unanswered      said again; WMS releases or removes it
of a stopped taskforce     removed
not followed               its log is followed
followed, not in queue     has left, though its log does not say so
all of them, now and then  said again, so that WMS can have removed what it does not (any longer) want
files of old taskforces    removed
"""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

from runtime.telemetry import gauge, log
from schemas.errors import Unavailable
from schemas.ids import TaskforceUuid
from tms.ended import Ended
from tms.home import Home
from tms.pools import Cluster, Pool
from tms.start import Starter
from tms.turns import Turns
from tms.watch import Watch

INTERVAL_S = 60.0
#: Every so many sweeps all clusters are said again: an orphan is gone within five minutes (G6).
SAY_ALL_EVERY = 4

_clusters = gauge("clusters", "Clusters of taskforces in the queue.")


class Sweep:
    """The sweeping loop."""

    def __init__(
        self,
        *,
        pool: Pool,
        home: Home,
        starter: Starter,
        watch: Watch,
        turns: Turns,
        ended: Ended,
        keep: timedelta,
    ) -> None:
        self._pool = pool
        self._home = home
        self._starter = starter
        self._watch = watch
        self._turns = turns
        self._ended = ended
        self._keep = keep
        self._missing: set[TaskforceUuid] = set()
        self._n_sweeps = 0

    async def run(self) -> None:
        """Sweep now, and then every minute."""
        while True:
            try:
                await self.sweep()
            except Unavailable as error:
                log.warning("sweep put off", reason=error.reason)
            except Exception:  # noqa: BLE001 - the next sweep may go well, and without any nothing heals
                log.error("sweep failed", exc_info=True)
            await asyncio.sleep(INTERVAL_S)

    async def sweep(self) -> None:
        """Compare once."""
        followed = self._watch.followed()
        clusters = await self._pool.clusters()
        _clusters.set(len(clusters))
        say_all = self._n_sweeps % SAY_ALL_EVERY == 0
        self._n_sweeps += 1
        for cluster in clusters:
            if cluster.awaits_release or say_all or cluster.taskforce_uuid not in followed:
                await self._look_at(cluster)
        self._notice_missing(followed, clusters)
        n_removed = await asyncio.to_thread(self._remove_old, {c.taskforce_uuid for c in clusters}, set(followed))
        if n_removed:
            log.info("files of old taskforces removed", n_taskforces=n_removed)

    async def _look_at(self, cluster: Cluster) -> None:
        uuid = cluster.taskforce_uuid
        async with self._turns.of(uuid):
            if uuid in self._ended:
                await self._pool.remove(uuid, cluster.cluster_id)
            else:
                await self._starter.report(cluster)

    def _notice_missing(self, followed: dict[TaskforceUuid, int | None], clusters: list[Cluster]) -> None:
        present = {cluster.cluster_id for cluster in clusters}
        missing = {uuid for uuid, cluster_id in followed.items() if cluster_id and cluster_id not in present}
        # The log's last word usually comes a moment after the cluster has left the queue: wait for the next sweep.
        for uuid in missing & self._missing:
            log.warning("cluster has left without a word in its log", taskforce_uuid=uuid, cluster_id=followed[uuid])
            self._watch.vanished(uuid)
        self._missing = missing - self._missing

    def _remove_old(self, in_queue: set[TaskforceUuid], followed: set[TaskforceUuid]) -> int:
        oldest = datetime.now().astimezone() - self._keep
        n_removed = 0
        for uuid, files in list(self._home.taskforces()):
            if uuid not in in_queue and uuid not in followed and _last_change(files.directory) < oldest:
                files.remove()
                n_removed += 1
        return n_removed


def _last_change(directory: Path) -> datetime:
    return datetime.fromtimestamp(max(p.stat().st_mtime for p in (directory, *directory.iterdir()))).astimezone()
