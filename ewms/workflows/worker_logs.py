"""The workers' output, as their access point keeps it: list the logs, and read the bytes of one, 1 MiB at a time.

WF-... , TK-... , TF-...  ──►  taskforces  ──►  their workers  ──►  0.out  0.err  1.out ...
"""

import re
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, ValidationError

from ewms.errors import NotThere, ServerFailed
from ewms.gateway.http import Gateway
from ewms.workflows.taskforces import fetch_taskforces
from schemas.fleet.objects import Taskforce
from schemas.ids import TASKFORCE_UUID
from schemas.questions.worker_logs import LogFile, LogStream

#: The only names that a listing may hold. A name becomes part of a URL and of a file's path, so we refuse others.
_NAME = re.compile(r"([0-9]{1,7})\.(out|err)", re.ASCII)


class _Listing(BaseModel):
    logs: list[LogFile]
    next_proc: int | None = None


@dataclass(frozen=True, slots=True)
class LogInfo:
    """One log of one worker: stdout or stderr, its length, and when it was last written.

    `worker` is HTCondor's ProcId in the taskforce's cluster, counted from 0.
    """

    taskforce_uuid: str
    worker: int
    stream: LogStream
    n_bytes: int
    modified_at: datetime

    @property
    def name(self) -> str:
        """Return the log's name within its taskforce, such as "0.out". It can serve as a file name."""
        return f"{self.worker}.{self.stream}"


async def list_logs(
    gateway: Gateway, id_: str, *, workers: Collection[int] = (), streams: Collection[LogStream] = tuple(LogStream)
) -> list[LogInfo]:
    """Return the logs of the workers of `id_` (WF-..., TK-... or TF-...), ordered by taskforce and worker.

    `workers`, if there are any, names the only ones to list.

    Raises:
        NotThere: there are no logs, or no such `id_`; the hint says when there will be some logs.
        Rejected: `id_` is not an id.
    """
    taskforces = await fetch_taskforces(gateway, id_)
    found = [
        info
        for taskforce in taskforces
        for info in await _list_of_taskforce(gateway, taskforce.taskforce_uuid, workers)
        if info.stream in streams
    ]
    if not found:
        raise NotThere(_describe_absence(id_, workers), hint=_hint_about_logs(taskforces))
    return found


async def read_stretches(gateway: Gateway, log: LogInfo, *, tail: int | None = None) -> AsyncIterator[bytes]:
    """Yield the bytes of `log`, 1 MiB at a time; with `tail` only its last `tail` bytes, 1 MiB at most.

    If the log grows meanwhile, the new bytes come too.
    """
    path = f"/taskforces/{log.taskforce_uuid}/logs/{log.name}"
    if tail is not None:
        if tail > 0:
            yield (await gateway.get_bytes(f"{path}?tail={tail}"))[0]
        return
    offset = 0
    while True:
        data, headers = await gateway.get_bytes(f"{path}?offset={offset}")
        if data:
            yield data
        offset += len(data)
        n_bytes = headers.get("X-EWMS-Log-Bytes", "")
        if not data or not n_bytes.isdecimal() or offset >= int(n_bytes):
            return


async def _list_of_taskforce(gateway: Gateway, uuid: str, workers: Collection[int]) -> list[LogInfo]:
    if not TASKFORCE_UUID.fullmatch(uuid):
        raise ServerFailed(f"the server names a taskforce {uuid!r}, which is not the id of one")
    found: list[LogInfo] = []
    first: int | None = min(workers, default=0)
    while first is not None:
        try:
            page = _Listing.model_validate(await gateway.get_json(f"/taskforces/{uuid}/logs?first_proc={first}"))
        except ValidationError as error:
            raise ServerFailed(
                f"the listing of {uuid}'s logs cannot be read", hint="is this an EWMS gateway?"
            ) from error
        for file in page.logs:
            named = _NAME.fullmatch(file.name)
            if named is None:
                raise ServerFailed(f"the listing of {uuid}'s logs names {file.name!r}, which is not the name of a log")
            if not workers or int(named[1]) in workers:
                found.append(LogInfo(uuid, int(named[1]), LogStream(named[2]), file.n_bytes, file.modified_at))
        # If `next_proc` does not advance, stop: we would ask for the same page for ever.
        onwards = page.next_proc if page.next_proc is not None and page.next_proc > first else None
        first = None if onwards is None or (workers and onwards > max(workers)) else onwards
    return found


def _describe_absence(id_: str, workers: Collection[int]) -> str:
    which = "" if not workers else " for worker " + ", ".join(str(worker) for worker in sorted(workers))
    return f"{id_} has no logs{which}"


def _hint_about_logs(taskforces: list[Taskforce]) -> str:
    if not any(taskforce.worker_config.do_transfer_worker_stdouterr for taskforce in taskforces):
        return (
            "its request does not keep logs: set worker_config.do_transfer_worker_stdouterr to true "
            "(`keep_worker_logs=True` in Python) in the next one"
        )
    return (
        "a worker's log appears once the worker has ended by itself or has warned of something, such as a failed "
        "event; it goes away with the taskforce's files, after ten days at the usual settings"
    )
