"""Ask the launcher's HTCondor pool on a loopback port how it does."""

import socket
from typing import Any

import htcondor2


def is_answering(port: int, schedd: str) -> bool:
    """Return whether a slot of the pool has reported and the schedd answers."""
    try:
        slots = _connect_collector(port).query(htcondor2.AdType.Startd, projection=["Name"])
        return bool(slots) and _query_jobs(port, schedd, "true") is not None
    except (OSError, htcondor2.HTCondorException, RuntimeError):
        return False


def has_running_jobs(port: int, schedd: str) -> bool:
    """Return whether a job of the schedd runs; false also if the pool does not answer."""
    try:
        return bool(_query_jobs(port, schedd, "JobStatus == 2"))
    except (OSError, htcondor2.HTCondorException, RuntimeError):
        return False


def _query_jobs(port: int, schedd: str, constraint: str) -> list[Any] | None:
    """Return a list with one job that matches `constraint`, or an empty list. Return None if the schedd is not there
    yet.
    """
    collector = _connect_collector(port)
    if schedd not in [ad["Name"] for ad in collector.query(htcondor2.AdType.Schedd, projection=["Name"])]:
        return None
    location = collector.locate(htcondor2.DaemonType.Schedd, schedd)
    return list(htcondor2.Schedd(location).query(constraint, projection=["ClusterId"], limit=1))


def _connect_collector(port: int) -> htcondor2.Collector:
    # Try the port first: that fails at once, and a query to a pool that is down waits for seconds.
    socket.create_connection(("127.0.0.1", port), timeout=1).close()
    return htcondor2.Collector(f"127.0.0.1:{port}")
