"""Use HTCondor as the pool: call the schedd through the bindings' process."""

import asyncio
import json
import os
import re
import sys
import time
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from runtime.telemetry import histogram
from schemas.ids import TASKFORCE_UUID, TaskforceUuid
from tms.errors import ClusterGone, PoolUnavailable, ReleaseRefused, RemoveRefused, SubmitRefused, Unsubmittable
from tms.jobs.restarts import AVOIDED_UNTIL, AVOIDS, CHARGES, MACHINES, PAUSE_CODE
from tms.jobs.submit_description import Submission
from tms.jobs.trials import Ruling
from tms.pools.interface import Cluster

REASON = "Requested by EWMS"

_PROJECTION = [
    "ClusterId",
    "EWMSTaskforceUUID",
    "JobMaterializeLimit",
    "JobMaterializeNextProcId",
    "JobMaterializePaused",
    "Out",
    "UserLog",
]
#: Finds our clusters. Only a cluster's ad lacks a ProcId. The existing TMS uses the same attribute for its taskforces
#: but submits no factories. So we do not take its clusters for orphans of ours.
_A_CLUSTER = "ProcId =?= undefined && JobMaterializePaused =!= undefined"
#: Finds removed jobs of our clusters that are still in the queue.
_IS_REMOVED = "ProcId =!= undefined && JobMaterializePaused =!= undefined && JobStatus == 3"
#: After this many seconds, force the removal of a job whose machine HTCondor has lost.
_LOST_GRACE_S = 5
#: The variables that the bindings' process needs. It gets no others.
_ENVIRONMENT = ("CONDOR_CONFIG", "HOME", "LANG", "PATH", "TZ", "USER", "LD_LIBRARY_PATH", "PYTHONPATH", "VIRTUAL_ENV")
_MACHINE = re.compile(r"[A-Za-z0-9._:@-]{1,255}")
_MAX_ANSWER_BYTES = 256 * 1024 * 1024
_schedd_s = histogram(
    "schedd_seconds",
    "Time of a call of the schedd, with the wait for earlier calls.",
    ["call", "outcome"],
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30),
)


class CondorPool:
    """One schedd as the pool. It makes one call at a time. If a call takes `timeout_s`, it kills the bindings'
    process.
    """

    def __init__(self, *, schedd: str, collector: str = "", timeout_s: float = 30.0) -> None:
        self._schedd = schedd
        self._collector = collector
        self._timeout_s = timeout_s
        self._one_at_a_time = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start the bindings' process and find the schedd, so that the first submit is faster.

        Raises:
            PoolUnavailable: the schedd does not answer (yet).
        """
        await self.ping()

    async def stop(self) -> None:
        """End the bindings' process."""
        async with self._one_at_a_time:
            await self._end_process()

    async def ping(self) -> None:
        """Return None if the schedd answers.

        Raises:
            PoolUnavailable: the schedd does not answer.
        """
        await self._query_clusters("false")

    async def list_clusters(self) -> list[Cluster]:
        """Return all clusters of taskforces."""
        return await self._query_clusters(f"EWMSTaskforceUUID =!= undefined && {_A_CLUSTER}")

    async def find_clusters(self, taskforce: TaskforceUuid) -> list[Cluster]:
        """Return the clusters of `taskforce`."""
        return await self._query_clusters(f"{_taskforce_constraint(taskforce)} && {_A_CLUSTER}")

    async def explain_unmatched(self, taskforces: Collection[TaskforceUuid]) -> dict[TaskforceUuid, str]:
        """Compare the jobs of `taskforces` with the slots that the collector knows; see `Pool.explain_unmatched`."""
        wanted = ",".join(sorted(uuid for uuid in taskforces if TASKFORCE_UUID.fullmatch(uuid)))
        constraint = f'stringListMember(EWMSTaskforceUUID, "{wanted}") && {_A_CLUSTER}'
        found: dict[str, str] = await self._call_bindings("unmatched", constraint=constraint)
        return {TaskforceUuid(uuid): why for uuid, why in found.items() if uuid in taskforces}

    async def has_other_machine(self, taskforce: TaskforceUuid, machines: Collection[str]) -> bool:
        """Compare the jobs of `taskforce` with all machines except `machines`; see `Pool.has_other_machine`."""
        constraint = f"{_taskforce_constraint(taskforce)} && {_A_CLUSTER}"
        return bool(await self._call_bindings("others", constraint=constraint, machines=sorted(machines)))

    async def charges_events(self, taskforce: TaskforceUuid) -> bool:
        """Return whether the ad of any job has the attribute that charges events; see `Pool.charges_events`."""
        return bool(await self._query_ads(f"{_taskforce_constraint(taskforce)} && {CHARGES} =?= true"))

    async def apply_ruling(self, taskforce: TaskforceUuid, ruling: Ruling, *, succeeded: Collection[int]) -> None:
        """Write `ruling` into the ads of the jobs; see `Pool.apply_ruling`."""
        charged = await self.charges_events(taskforce)
        values = {
            CHARGES: str(ruling.charges_events).lower(),
            AVOIDS: str(ruling.avoids).lower(),
            MACHINES: classad_list(ruling.machines),
            AVOIDED_UNTIL: str(ruling.until_s),
        }
        jobs = f"{_taskforce_constraint(taskforce)} && ProcId =!= undefined"
        await self._call_bindings("edit", constraint=jobs, values=values)
        if charged == ruling.charges_events:
            return
        others = ", ".join(map(str, sorted(succeeded)))
        running = f"{jobs} && JobStatus == 2 && !member(ProcId, {{{others}}})"
        await self._call_bindings("act", action="Vacate", constraint=running, reason=REASON)
        paused = f"{jobs} && JobStatus == 5 && HoldReasonCode == {PAUSE_CODE}"
        await self._call_bindings("act", action="Release", constraint=paused, reason=REASON)

    async def submit_cluster(self, cluster: Submission) -> Cluster:
        """Submit `cluster` as a paused factory; see `Pool.submit_cluster`."""
        commands = {name: str(value) for name, value in cluster.commands.items()}
        result = await self._call_bindings("submit", commands=commands, count=cluster.n_workers)
        return Cluster(
            cluster_id=result["cluster_id"],
            taskforce_uuid=cluster.taskforce_uuid,
            n_workers=result["n_jobs"],
            awaits_release=True,
            job_event_log=cluster.job_event_log,
        )

    async def release_cluster(self, taskforce: TaskforceUuid, cluster_id: int) -> bool:
        """Release a cluster for the first time; see `Pool.release_cluster`."""
        ads = {
            ad["ClusterId"]: ad for ad in await self._query_ads(f"{_taskforce_constraint(taskforce)} && {_A_CLUSTER}")
        }
        if cluster_id not in ads:
            raise ClusterGone(cluster_id)
        if not _read_cluster(ads[cluster_id]).awaits_release:
            # A second release would also undo a hold by a user or an operator.
            return False
        # Make it here, before any job runs. If the submit made it, a kill could leave the cluster without it.
        await asyncio.to_thread(_make_output_directory, ads[cluster_id])
        constraint = f"{_taskforce_constraint(taskforce)} && ClusterId == {cluster_id}"
        result = await self._call_bindings("act", action="Release", constraint=constraint, reason=REASON)
        if result["TotalError"] or result["TotalPermissionDenied"]:
            raise ReleaseRefused(f"HTCondor refused to release cluster {cluster_id}: {result}")
        return True

    async def remove_clusters(self, taskforce: TaskforceUuid, cluster_id: int | None = None) -> list[int]:
        """Remove one cluster of `taskforce`, or all; see `Pool.remove_clusters`."""
        ids = [c.cluster_id for c in await self.find_clusters(taskforce) if cluster_id in (None, c.cluster_id)]
        for found in ids:
            constraint = f"{_taskforce_constraint(taskforce)} && ClusterId == {found}"
            result = await self._call_bindings("act", action="Remove", constraint=constraint, reason=REASON)
            if result["TotalError"] or result["TotalPermissionDenied"]:
                raise RemoveRefused(f"HTCondor refused to remove cluster {found}: {result}")
        return ids

    async def force_removals(self, grace_s: int) -> int:
        """Force the removal of jobs whose machine does not answer; see `Pool.force_removals`."""
        # After a restart of the pool, HTCondor looks for lost machines until the leases of their jobs are over.
        patience_s = f"(JobCurrentReconnectAttempt =?= undefined ? {int(grace_s)} : {min(int(grace_s), _LOST_GRACE_S)})"
        age_s = "time() - EnteredCurrentStatus"
        stuck = f"EWMSTaskforceUUID =!= undefined && {_IS_REMOVED} && {age_s} > {patience_s}"
        if not await self._call_bindings("query", constraint=stuck, projection=["ClusterId"]):
            return 0
        result = await self._call_bindings("act", action="RemoveX", constraint=stuck, reason=REASON)
        return int(result["TotalSuccess"])

    async def _query_clusters(self, constraint: str) -> list[Cluster]:
        return sorted(map(_read_cluster, await self._query_ads(constraint)), key=lambda cluster: cluster.cluster_id)

    async def _query_ads(self, constraint: str) -> list[dict[str, Any]]:
        ads = await self._call_bindings("query", constraint=constraint, projection=_PROJECTION)
        return [ad for ad in ads if TASKFORCE_UUID.fullmatch(str(ad["EWMSTaskforceUUID"]))]

    async def _call_bindings(self, call: str, **arguments: Any) -> Any:
        began_s, outcome = time.perf_counter(), "unavailable"
        try:
            result = await self._ask_schedd(call, **arguments)
            outcome = "ok"
            return result
        except SubmitRefused:
            outcome = "refused"
            raise
        finally:
            _schedd_s.labels(call, outcome).observe(time.perf_counter() - began_s)

    async def _ask_schedd(self, call: str, **arguments: Any) -> Any:
        async with self._one_at_a_time:
            try:
                async with asyncio.timeout(self._timeout_s):
                    answer = await self._exchange_lines({"call": call, **arguments})
            except (TimeoutError, OSError, ValueError) as error:
                await self._end_process()
                raise PoolUnavailable(f"the schedd does not answer: {error or 'timed out'}") from error
            except asyncio.CancelledError:
                # Otherwise the next call would read the answer to this call.
                await self._end_process()
                raise
        if "result" in answer:
            return answer["result"]
        if answer["kind"] == "refused" and call == "submit":
            raise SubmitRefused(f"HTCondor refused the submit: {answer['error']}")
        raise PoolUnavailable(f"the schedd does not answer: {answer['error']}")

    async def _exchange_lines(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "tms.pools.bindings", self._collector, self._schedd),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
                limit=_MAX_ANSWER_BYTES,
                start_new_session=True,
            )
        process = self._process
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(request).encode() + b"\n")
        await process.stdin.drain()
        line = await process.stdout.readline()
        if not line:
            raise OSError("HTCondor's bindings ended")
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def _end_process(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()


def _taskforce_constraint(taskforce: TaskforceUuid) -> str:
    if not TASKFORCE_UUID.fullmatch(taskforce):
        raise Unsubmittable("taskforce_uuid: is not the id of a taskforce")
    return f'EWMSTaskforceUUID == "{taskforce}"'


def _read_cluster(ad: dict[str, Any]) -> Cluster:
    return Cluster(
        cluster_id=ad["ClusterId"],
        taskforce_uuid=TaskforceUuid(ad["EWMSTaskforceUUID"]),
        n_workers=ad.get("JobMaterializeLimit", 1),
        awaits_release=bool(ad.get("JobMaterializePaused", 0)) and not ad.get("JobMaterializeNextProcId", 0),
        job_event_log=ad.get("UserLog", ""),
    )


def classad_list(words: Iterable[str]) -> str:
    """Return `words` as a ClassAd list of strings. Leave out words that cannot be the names of machines."""
    return "{" + ", ".join(f'"{word}"' for word in words if _MACHINE.fullmatch(word)) + "}"


def _make_output_directory(ad: dict[str, Any]) -> None:
    """Make the directory for the workers' output, if the cluster has one.

    HTCondor 25 makes the directory itself. Other versions hold a job when the directory is missing.

    Raises:
        PoolUnavailable: the directory cannot be made.
    """
    directory = Path(ad.get("Out", "")).parent
    if directory.name == f"cluster-{ad['ClusterId']}":
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise PoolUnavailable(f"the directory for the workers' output cannot be made: {error}") from error
