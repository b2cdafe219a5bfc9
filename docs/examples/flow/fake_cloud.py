"""A cloud that is a directory: it keeps hosts and operations in files, so it outlives its users.

    hosts/<cluster>            the hosts that a cluster has allocated
    operations/<id>.json       an operation, and when it ends
    announcements              a line for each cluster that was announced
    broken                     as long as this file exists, announcing fails

`FAKE_CLOUD` names the directory, and `FAKE_CLOUD_SECONDS` says how long an operation takes.
"""

import hashlib
import json
import os
import time
from pathlib import Path


def _directory(name: str) -> Path:
    path = Path(os.environ.get("FAKE_CLOUD", "cloud")) / name
    path.mkdir(parents=True, exist_ok=True)
    return path


def allocate_hosts(cluster: str, n_hosts: int) -> list[str]:
    """Return the names of the hosts that a cluster gets."""
    hosts = [f"{cluster}-{number}" for number in range(1, n_hosts + 1)]
    (_directory("hosts") / cluster).write_text("\n".join(hosts))
    return hosts


def release_hosts(cluster: str) -> None:
    """Take a cluster's hosts back."""
    (_directory("hosts") / cluster).unlink(missing_ok=True)


def start_creation(hosts: list[str], request: str) -> str:
    """Begin to create a cluster, and return the operation's id. The same `request` begins nothing twice."""
    operation = hashlib.sha256(request.encode()).hexdigest()[:12]
    path = _directory("operations") / f"{operation}.json"
    if not path.exists():
        ends_at = time.time() + float(os.environ.get("FAKE_CLOUD_SECONDS", "5"))
        path.write_text(json.dumps({"request": request, "hosts": hosts, "ends_at": ends_at}))
    return operation


def find_operation(operation: str) -> dict[str, object]:
    """Return the operation, with `is_done`, and `error` if it failed: a cluster of more than 9 hosts does."""
    found = json.loads((_directory("operations") / f"{operation}.json").read_text())
    is_done = time.time() >= found["ends_at"]
    error = "there is no rack for so many hosts" if is_done and len(found["hosts"]) > 9 else ""
    return {**found, "is_done": is_done, "error": error}


def announce_cluster(cluster: str) -> None:
    """Tell the world of a cluster."""
    if (_directory("") / "broken").exists():
        raise ConnectionError("the mail server is away")
    with (_directory("") / "announcements").open("a") as file:
        file.write(f"{cluster}\n")
