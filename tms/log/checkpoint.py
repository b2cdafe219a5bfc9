r"""Store how far TMS has read a job event log, and the tally up to there, in the bytes of a file. (core)

    EWMS-CHECKPOINT 1\n
    {"inode": …, "offset": …, "head": [n, digest of the log's first n bytes], "crc": …, …}\n
    two bytes for each job: first the statuses of all jobs, then the last words of all pilots

Without a readable checkpoint TMS reads the log from its first byte.
"""

import json
import zlib
from dataclasses import dataclass
from datetime import datetime

from schemas.fleet.pilot_kills import PilotKills
from tms.jobs.trials import CondemnedWorker, Trials
from tms.log.job_events import ClusterRemoved
from tms.log.statuses import Tally
from tms.log.worker_times import WorkerTimeTally

_MAGIC = b"EWMS-CHECKPOINT 1\n"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A position in a log, and the tally up to there. The position is an inode, a byte offset and a digest of the log's
    head.

    `is_over` is whether the broker has confirmed the event that reports that the cluster has left.
    """

    inode: int
    offset: int
    head: tuple[int, str]
    n_corrupt: int
    is_over: bool
    tally: Tally


def checkpoint_to_bytes(checkpoint: Checkpoint) -> bytes:
    """Return `checkpoint` as the bytes of its file."""
    tally = checkpoint.tally
    body = bytes(tally.jobs) + bytes(tally.pilots)
    by_text: dict[str, list[int]] = {}
    for proc, text in tally.errors.items():
        by_text.setdefault(text, []).append(proc)
    header = {
        "inode": checkpoint.inode,
        "offset": checkpoint.offset,
        "head": checkpoint.head,
        "crc": zlib.crc32(body),
        "n_corrupt": checkpoint.n_corrupt,
        "is_over": checkpoint.is_over,
        "n_workers": tally.n_workers,
        "cluster_id": tally.cluster_id,
        "removed": tally.removed
        and {"cluster_id": tally.removed.cluster_id, "at": tally.removed.at and tally.removed.at.isoformat()},
        "statuses": tally.statuses,
        "words": tally.words,
        "errors": by_text,
        "exits": list(tally.exits.items()),
        "kills": [[number, kills.model_dump(mode="json")] for number, kills in tally.kills.items()],
        "slots": list(tally.slots.items()),
        "condemned": [[proc, one.machine, one.at_s] for proc, one in tally.trials.condemned.items()],
        "succeeded": sorted(tally.trials.succeeded),
        "times": tally.times.to_json(),
    }
    return b"%s%s\n%s" % (_MAGIC, json.dumps(header).encode(), body)


def checkpoint_from_bytes(data: bytes) -> Checkpoint | None:
    """Return the checkpoint in `data`. Return None if `data` is damaged or of another version."""
    head, newline, body = data.removeprefix(_MAGIC).partition(b"\n")
    if not data.startswith(_MAGIC) or not newline:
        return None
    try:
        header = json.loads(head)
        removed = header["removed"]
        if len(body) % 2 or zlib.crc32(body) != header["crc"]:
            return None
        tally = Tally.from_parts(
            n_workers=header["n_workers"],
            jobs=body[: len(body) // 2],
            pilots=body[len(body) // 2 :],
            statuses=header["statuses"],
            words=header["words"],
            errors={proc: text for text, procs in header["errors"].items() for proc in procs},
            exits=dict(header["exits"]),
            cluster_id=header["cluster_id"],
            removed=removed and ClusterRemoved(removed["cluster_id"], _parse_instant(removed["at"])),
            # A checkpoint of an older TMS lacks these.
            kills={number: PilotKills.model_validate(kills) for number, kills in header.get("kills", [])},
            slots=dict(header.get("slots", [])),
            trials=Trials(
                {proc: CondemnedWorker(machine, at_s) for proc, machine, at_s in header.get("condemned", [])},
                set(header.get("succeeded", [])),
            ),
            times=WorkerTimeTally.from_json(header.get("times")),
        )
        return Checkpoint(
            inode=header["inode"],
            offset=header["offset"],
            head=(header["head"][0], header["head"][1]),
            n_corrupt=header["n_corrupt"],
            is_over=header["is_over"],
            tally=tally,
        )
    except (ValueError, KeyError, TypeError, IndexError):
        return None


def _parse_instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
