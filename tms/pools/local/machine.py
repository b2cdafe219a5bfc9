"""Measure the machine on which the local pool runs jobs, and find the jobs that fit it."""

import os
import shutil
from pathlib import Path

from tms.pools.local.queue import QueuedCluster
from tms.pools.slot_matching import SlotResources, explain_size


class Machine:
    """The resources of this machine when nothing else runs on it. If `given` is not None, it replaces the measured
    resources.
    """

    def __init__(self, root: Path, *, n_slots: int, given: SlotResources | None) -> None:
        self._root = root
        self._n_slots = n_slots
        self._resources = given

    def measure_resources(self) -> SlotResources:
        """Return the resources of this machine when nothing else runs on it."""
        if self._resources is None:
            memory_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
            self._resources = SlotResources(self._n_slots, memory_bytes, shutil.disk_usage(self._root).total)
        return self._resources

    def can_ever_run(self, queued: QueuedCluster) -> bool:
        """Return whether a job of the cluster fits this machine when nothing else runs on it."""
        return self.measure_resources().can_hold(_job_resources(queued))

    def explain_unmatched(self, queued: QueuedCluster) -> str:
        """Return why no job of the cluster fits this machine. Return an empty text if the jobs fit."""
        return explain_size(_job_resources(queued), [self.measure_resources()], slot="machine")


def _job_resources(queued: QueuedCluster) -> SlotResources:
    return SlotResources(queued.spec.n_cores, queued.spec.memory_bytes, queued.spec.disk_bytes)
