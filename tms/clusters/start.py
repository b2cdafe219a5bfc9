"""Submit the cluster of a taskforce once, and report the cluster to WMS. Release the cluster after WMS has recorded it.

TMS asks the schedd first. If a cluster with the taskforce's uuid is in the queue, TMS reports that cluster again and
submits no second one. TMS does the same if the cluster has left the queue and only its log shows it. TMS acknowledges
the order last, so after a crash at any point the start runs again.
"""

import asyncio
from typing import Any

from runtime.bus.service_bus import Bus
from runtime.concurrency.turns import Turns
from runtime.failpoints import failpoint
from runtime.telemetry import histogram, log
from schemas.errors import Broken, Conflict, Rejected
from schemas.events import (
    TaskforceCompleted,
    TaskforceRelease,
    TaskforceRemoved,
    TaskforceStart,
    TaskforceSubmitFailed,
    TaskforceSubmitted,
)
from schemas.ids import TaskforceUuid
from schemas.questions.queues import GrantQuery
from schemas.questions.secrets import SecretsAnswer, SecretsQuery
from tms.clusters.input_files import InputFiles
from tms.clusters.renew import TokenRenewal, ask_for_grant
from tms.clusters.stopped_taskforces import StoppedTaskforces
from tms.errors import ClusterGone, Unsubmittable
from tms.files import TaskforceFiles, TmsDirectory, write_private
from tms.jobs.pilot_files import (
    PilotProfile,
    list_secrets,
    pilot_environment,
    secrets_file,
    task_file,
    token_file,
)
from tms.jobs.submit_description import PoolProfile, build_submission
from tms.log.watch import LogWatch
from tms.pools.interface import Cluster, Pool
from tms.reporter import Reporter

_submit_s = histogram("submit_seconds", "From the order to start a taskforce to its cluster in the queue.")


class Starter:
    """Handles `TaskforceStart` and `TaskforceRelease`."""

    def __init__(
        self,
        *,
        schedd: str,
        pool: Pool,
        pool_profile: PoolProfile,
        pilot_profile: PilotProfile,
        input_files: InputFiles,
        home: TmsDirectory,
        bus: Bus,
        voice: Reporter,
        watch: LogWatch,
        renewal: TokenRenewal,
        turns: Turns,
        ended: StoppedTaskforces,
    ) -> None:
        self._schedd = schedd
        self._pool = pool
        self._pool_profile = pool_profile
        self._pilot_profile = pilot_profile
        self._input_files = input_files
        self._home = home
        self._bus = bus
        self._voice = voice
        self._watch = watch
        self._renewal = renewal
        self._turns = turns
        self._ended = ended

    async def start_taskforce(self, order: TaskforceStart) -> None:
        """Make sure that the taskforce has a cluster and that WMS knows the cluster. Submit a cluster only if there was
        none.

        If TMS or the pool refuses the taskforce, report the reason to WMS. If the taskforce was stopped, report its
        removal.
        """
        uuid = order.taskforce_uuid
        async with self._turns.hold_turn(uuid):
            if uuid in self._ended:
                await self._voice.report_to_wms(TaskforceRemoved(taskforce_uuid=uuid, cluster_id=None))
                return
            files = self._home.taskforce_files(uuid)
            clusters = await self._find_clusters(files, uuid)
            if not clusters:
                failpoint("tms.start.found_none")
                try:
                    with _submit_s.time():
                        clusters = [await self._submit_cluster(order, files)]
                except (Rejected, Conflict) as error:
                    log.warning("taskforce cannot be submitted", reason=error.reason)
                    await asyncio.to_thread(files.remove_inputs)
                    text = f"{error.reason} ({error.hint})" if error.hint else error.reason
                    await self._voice.report_to_wms(TaskforceSubmitFailed(taskforce_uuid=uuid, error=text))
                    return
            for cluster in clusters:
                await self.report_cluster(cluster)
            failpoint("tms.start.reported")

    async def release_cluster(self, order: TaskforceRelease) -> None:
        """Let the jobs of a recorded cluster run. A second release does nothing.

        Raises:
            ClusterGone: the cluster has left the queue, but its log does not show that yet.
            ReleaseRefused: the pool refuses to release the cluster.
        """
        async with self._turns.hold_turn(order.taskforce_uuid):
            try:
                if await self._pool.release_cluster(order.taskforce_uuid, order.cluster_id):
                    log.info("cluster released", cluster_id=order.cluster_id)
            except ClusterGone:
                if order.taskforce_uuid in self._watch.list_followed():
                    # The log or the sweep will show that the cluster has left.
                    raise
                completed = TaskforceCompleted(
                    taskforce_uuid=order.taskforce_uuid, cluster_id=order.cluster_id, completed_at=self._voice.now()
                )
                await self._voice.report_to_wms(completed)

    async def report_cluster(self, cluster: Cluster) -> None:
        """Report to WMS that `cluster` is in the queue. If `cluster` is the first of its taskforce, follow its log and
        renew its token.
        """
        files = self._home.taskforce_files(cluster.taskforce_uuid)
        kept = await asyncio.to_thread(files.read_submission)
        await self._voice.report_to_wms(
            TaskforceSubmitted(
                taskforce_uuid=cluster.taskforce_uuid,
                schedd=self._schedd,
                cluster_id=cluster.cluster_id,
                n_workers=cluster.n_workers,
                submit_dict=kept.get("submit_dict", {}),
                job_event_log_fpath=cluster.job_event_log,
            )
        )
        if cluster.job_event_log == str(files.log):
            first = cluster.cluster_id if kept.get("cluster_id") is None else kept["cluster_id"]
            if first == cluster.cluster_id:
                await self._watch.follow_log(
                    cluster.taskforce_uuid, n_workers=cluster.n_workers, cluster_id=cluster.cluster_id
                )
                self._renewal.follow_taskforce(cluster.taskforce_uuid, kept)

    async def _find_clusters(self, files: TaskforceFiles, uuid: TaskforceUuid) -> list[Cluster]:
        """Return the clusters of `uuid` in the queue. If there are none, return the cluster that the log names, if
        any.
        """
        if clusters := await self._pool.find_clusters(uuid):
            return clusters
        tally = await self._watch.read_tally(uuid)
        if tally is None or tally.cluster_id is None:
            return []
        await self._watch.follow_log(uuid, say_again=True)
        return [
            Cluster(
                cluster_id=tally.cluster_id,
                taskforce_uuid=uuid,
                n_workers=tally.n_workers,
                awaits_release=False,
                job_event_log=str(files.log),
            )
        ]

    async def _submit_cluster(self, order: TaskforceStart, files: TaskforceFiles) -> Cluster:
        check_texts(order)
        await asyncio.to_thread(files.create_directory)
        input_files = await asyncio.to_thread(
            self._input_files.copy_files, order.pilot_config.input_files, files.inputs
        )
        names = list_secrets(order)
        # Find all errors of the order before a token for it exists.
        cluster = build_submission(
            order,
            self._pool_profile,
            directory=str(files.directory),
            pilot_files=(str(files.task), str(files.token), *((str(files.secrets),) if names else ())),
            input_files=input_files,
        )
        commands = cluster.commands
        query = GrantQuery(
            workflow_id=order.workflow_id,
            taskforce_uuid=order.taskforce_uuid,
            inputs=order.task.input_queues,
            outputs=order.task.output_queues,
            n_workers=order.n_workers,
        )
        granted_at = self._voice.now()
        grant = await ask_for_grant(self._bus, query)
        secrets = secrets_file(await ask_for_secrets(self._bus, order, names)) if names else None
        environment = pilot_environment(order, grant, self._pilot_profile, token_source=str(files.token))
        kept: dict[str, Any] = {
            "n_workers": order.n_workers,
            "submit_dict": commands,
            # The request to MQS for each next token.
            "grant": query.model_dump(),
            "token_granted_at": granted_at.isoformat(),
            "token_expires_at": grant.expires_at.isoformat(),
        }
        await asyncio.to_thread(_write_files, files, kept, task_file(environment), token_file(grant), secrets)
        submitted = await self._pool.submit_cluster(cluster)
        failpoint("tms.start.submitted")
        kept["cluster_id"] = submitted.cluster_id
        await asyncio.to_thread(files.write_submission, kept)
        log.info("cluster submitted", cluster_id=submitted.cluster_id, n_workers=submitted.n_workers)
        return submitted


def check_texts(order: TaskforceStart) -> None:
    """Refuse an order of an older WMS, whose program has masks where TMS cannot get the texts.

    Raises:
        Unsubmittable: the order is of this kind.
    """
    if order.task.sealed_texts:
        raise Unsubmittable(
            "the order has masks in place of the task's passwords, because an older WMS made it",
            hint="restart all WMSs with one version; WMS then orders it again",
        )


async def ask_for_secrets(bus: Bus, order: TaskforceStart, names: tuple[str, ...]) -> SecretsAnswer:
    """Ask WMS for the secrets that the task of `order` names, and return the answer.

    Raises:
        Unavailable: WMS did not answer.
        Rejected, Conflict: WMS refuses a secret.
        Broken: WMS sent an answer of another kind.
    """
    query = SecretsQuery(workflow_id=order.workflow_id, taskforce_uuid=order.taskforce_uuid, names=names)
    answer = await bus.ask(query)
    if not isinstance(answer, SecretsAnswer):
        raise Broken(f"WMS answered {answer.kind} to a question for secrets")
    return answer


def _write_files(files: TaskforceFiles, kept: dict[str, Any], task: bytes, token: bytes, secrets: bytes | None) -> None:
    files.write_submission(kept)
    write_private(files.task, task)
    write_private(files.token, token)
    if secrets is not None:
        write_private(files.secrets, secrets)
