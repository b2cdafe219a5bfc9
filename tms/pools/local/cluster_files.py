"""Keep the local pool's files: one for each cluster in the queue, the next cluster's id, and the clusters' logs.

<root>/cluster-<id>.json    a cluster in the queue, as it was submitted, and whether it was released
<root>/next                 the id of the next cluster
"""

import os
from datetime import datetime
from pathlib import Path

from runtime.telemetry import log
from tms.files import write_private
from tms.pools.local.queue import QueuedCluster


class ClusterFiles:
    """The files of the clusters in the queue."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def load_clusters(self) -> list[QueuedCluster]:
        """Return the clusters of an earlier TMS, with no jobs in them yet."""
        return [QueuedCluster.from_bytes(file.read_bytes()) for file in sorted(self._root.glob("cluster-*.json"))]

    def draw_id(self) -> int:
        """Return the next free cluster id, and store it, so that no other cluster of this pool gets the same id."""
        file = self._root / "next"
        cluster_id = int(file.read_text()) if file.exists() else 1
        write_private(file, f"{cluster_id + 1}\n".encode())
        return cluster_id

    def write_cluster(self, queued: QueuedCluster) -> None:
        """Write the cluster's present state to its file."""
        write_private(self._cluster_file(queued.cluster_id), queued.to_bytes())

    def delete_cluster(self, cluster_id: int) -> None:
        """Delete the file of a cluster that has left the queue. Its log stays."""
        self._cluster_file(cluster_id).unlink(missing_ok=True)

    def append_to_log(self, queued: QueuedCluster, records: str) -> None:
        """Append `records` to the log of a cluster. If the disk is full, keep `records` in memory until the next call
        or sweep.
        """
        queued.unwritten += records.encode()
        try:
            fd = os.open(queued.spec.job_event_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                # Write whole records at once, so that a reader hardly ever sees half of one. A full disk or a crash
                # leaves a torn tail. After a full disk, complete the tail before adding anything else.
                while queued.unwritten:
                    queued.unwritten = queued.unwritten[os.write(fd, queued.unwritten) :]
            finally:
                os.close(fd)
        except OSError as error:
            log.error("job event log cannot be written yet", cluster_id=queued.cluster_id, error=str(error))

    def _cluster_file(self, cluster_id: int) -> Path:
        return self._root / f"cluster-{cluster_id}.json"


def read_clock() -> datetime:
    """Return the local time with its zone, for a log's record."""
    return datetime.now().astimezone()
