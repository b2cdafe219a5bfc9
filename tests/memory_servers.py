"""Broker and store with their data in memory: no test asks what is left after a loss of power.

Both wait for their disk at each commit and at each message of a quorum queue. In memory the broker takes a third less
CPU for a test of WMS, MongoDB a sixth, and WMS starts in half of the time. A kill takes nothing from a file in memory.
"""

import contextlib
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from deploy.local.children.processes import LaunchedProcesses
from deploy.local.choices.numbering import number_names
from deploy.local.fetch.cache import Installed
from deploy.local.files.run_directory import run_directory
from deploy.local.servers.mongodb import MongoDB
from deploy.local.servers.rabbitmq import BrokerPlan, RabbitMQ
from deploy.local.system.services import ServerPlaces, Unpacked

_MEMORY = Path("/dev/shm")
#: The data of one set of servers take some 0.2 GB, and six workers have a set each.
_LEAST_FREE_BYTES = 4 << 30


@contextlib.contextmanager
def data_in_memory(installed: Installed, memory: Path = _MEMORY) -> Iterator["MemoryServers | None"]:
    """Give a way to start broker and store with their data below `memory`. Give None if it has too little room."""
    try:
        has_room = shutil.disk_usage(memory).free >= _LEAST_FREE_BYTES and os.access(memory, os.W_OK)
    except OSError:
        has_room = False
    if not has_room:
        yield None
        return
    with run_directory(base=memory) as directory:
        yield MemoryServers(installed, directory)


class MemoryServers:
    """Starts the servers of the cache. Their places in the data directory are links to directories in memory."""

    def __init__(self, installed: Installed, directory: Path) -> None:
        self._unpacked = Unpacked(installed)
        self._directory = directory
        #: Link -> directory in memory. The links end with their launches.
        self._linked: dict[Path, Path] = {}
        self._turn = threading.Lock()

    def start_mongodb(self, children: LaunchedProcesses, places: ServerPlaces, *, auth: bool) -> MongoDB:
        """Start MongoDB with its data in memory."""
        self._link_places(places, "mongodb")
        return self._unpacked.start_mongodb(children, places, auth=auth)

    def start_rabbitmq(self, children: LaunchedProcesses, places: ServerPlaces, plan: BrokerPlan) -> RabbitMQ:
        """Start RabbitMQ with its data in memory."""
        self._link_places(places, "rabbitmq")
        return self._unpacked.start_rabbitmq(children, places, plan)

    def _link_places(self, places: ServerPlaces, server: str) -> None:
        # A launch starts broker and store side by side.
        with self._turn:
            for link, directory in list(self._linked.items()):
                if not link.is_symlink():
                    shutil.rmtree(directory, ignore_errors=True)
                    del self._linked[link]
            for name in number_names([server], places.n_nodes):
                link = places.data.root / name
                # A second try of a start finds the link of the first.
                if not os.path.lexists(link):
                    self._linked[link] = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self._directory))
                    link.symlink_to(self._linked[link])
