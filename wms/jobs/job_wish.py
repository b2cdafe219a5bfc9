"""What somebody wants to run, and the job that follows from it. (core)"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from schemas.automation.catalogue import CatalogueTask, FanOut, TaskVersion
from schemas.automation.inventories import InventoryDocument
from schemas.automation.jobs import JobDocument, JobHostDocument, JobStrategy, PinnedTask
from schemas.automation.stored_secrets import SecretFile
from schemas.errors import Rejected
from schemas.ids import CatalogueTaskId, InventoryId, RunId, RunUuid, TaskListId
from wms.catalogue.parameter_schema import check_variables
from wms.inventory.content.inventory_content import InventoryContent
from wms.inventory.limits.host_selection import SelectedHost, select_hosts
from wms.jobs.plans.batches import find_batches, split_hosts
from wms.jobs.plans.host_choice import name_host
from wms.jobs.plans.job_graph import check_node_count
from wms.jobs.plans.payloads import check_payload_sizes, dump_json, make_host_payload, make_inventory_payload


@dataclass(frozen=True, slots=True, kw_only=True)
class JobWish:
    """What to run on which hosts."""

    tasks: tuple[CatalogueTaskId, ...]
    task_list: TaskListId | None = None
    title: str = ""
    inventory: InventoryId
    limit: str = ""
    #: Only these of the hosts that the limit chooses; None: all of them.
    hosts: frozenset[str] | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)
    strategy: JobStrategy = JobStrategy.LINEAR
    serial: Sequence[int | str] = ()
    max_fail_percentage: float = 0.0
    secrets: tuple[SecretFile, ...] = ()
    timeout_s: float | None = None
    rerun_of: RunId | None = None


def pin_tasks(found: Sequence[tuple[CatalogueTask, TaskVersion]], strategy: JobStrategy) -> tuple[PinnedTask, ...]:
    """Return the tasks of a job with the versions that it runs.

    Raises:
        Rejected: one of them gets the whole inventory, so no host can go on by itself.
    """
    whole = [task.name for task, version in found if version.recipe.fan_out is FanOut.INVENTORY]
    if whole and strategy is JobStrategy.FREE and len(found) > 1:
        raise Rejected(
            f"'strategy': one container of {whole[0]!r} gets all hosts, so no host can go on by itself",
            hint="use the strategy 'linear'",
        )
    return tuple(
        PinnedTask(
            task=task.id,
            name=task.name,
            version=version.number,
            commit=version.commit,
            digest=version.digest,
            images=version.images,
            command=version.recipe.command,
            fan_out=version.recipe.fan_out,
            idempotent=version.recipe.idempotent,
            resources=version.recipe.resources,
        )
        for task, version in found
    )


def choose_named(selected: Sequence[SelectedHost], names: frozenset[str] | None) -> list[SelectedHost]:
    """Return those of the selected hosts that have these names.

    Raises:
        Rejected: a name is not among them.
    """
    if names is None:
        return list(selected)
    gone = sorted(names - {each.host.name for each in selected})
    if gone:
        shown = ", ".join(gone[:10]) + (" ..." if len(gone) > 10 else "")
        raise Rejected(f"no longer in the inventory, or beyond the limit: {shown}", hint="start a new job with a limit")
    return [each for each in selected if each.host.name in names]


def make_job_hosts(
    uuid: RunUuid, selected: Sequence[SelectedHost], batches: Sequence[int]
) -> tuple[JobHostDocument, ...]:
    """Return the hosts of a new job."""
    return tuple(
        JobHostDocument(
            id=name_host(uuid, place),
            job=uuid,
            place=place,
            batch=batch,
            name=each.host.name,
            labels=each.host.labels,
            groups=each.groups,
            variables=dump_json(each.variables),
        )
        for place, (each, batch) in enumerate(zip(selected, find_batches(batches), strict=True))
    )


def plan_job(
    wish: JobWish,
    *,
    found: Sequence[tuple[CatalogueTask, TaskVersion]],
    inventory: InventoryDocument,
    content: InventoryContent,
    uuid: RunUuid,
    owner: str,
    now: datetime,
) -> tuple[JobDocument, tuple[JobHostDocument, ...]]:
    """Return the job of `found` tasks on hosts of an inventory, and its hosts. Thousands of hosts take seconds.

    Raises:
        Rejected: the limit chooses no host, variables do not fit a task; or as `make_job`.
        TooLarge: as `make_job`.
    """
    for _, version in found:
        check_variables(version.recipe.parameters, wish.payload)
    return make_job(
        wish,
        tasks=pin_tasks(found, wish.strategy),
        inventory=inventory,
        selected=select_hosts(content, wish.limit),
        uuid=uuid,
        owner=owner,
        now=now,
    )


def make_job(
    wish: JobWish,
    *,
    tasks: tuple[PinnedTask, ...],
    inventory: InventoryDocument,
    selected: Sequence[SelectedHost],
    uuid: RunUuid,
    owner: str,
    now: datetime,
) -> tuple[JobDocument, tuple[JobHostDocument, ...]]:
    """Return a new job and its hosts. Its id is that of its run, and is still 0.

    Raises:
        Rejected: `serial` is no list of sizes or makes too many batches, or a payload is too large for one argument.
        TooLarge: all payloads together are too large.
    """
    chosen = choose_named(selected, wish.hosts)
    batches = split_hosts(len(chosen), wish.serial)
    check_node_count(len(tasks), len(batches), wish.strategy)
    hosts = make_job_hosts(uuid, chosen, batches)
    job = JobDocument(
        id=RunId(0),
        uuid=uuid,
        organization=inventory.organization,
        owner=owner,
        tasks=tasks,
        task_list=wish.task_list,
        title=wish.title or ", ".join(task.name for task in tasks)[:200],
        inventory=inventory.id,
        inventory_name=inventory.name,
        inventory_rev=inventory.rev,
        limit=wish.limit,
        payload=dump_json(wish.payload),
        inventory_vars=dump_json(inventory.variables),
        strategy=wish.strategy,
        serial=tuple(wish.serial),
        batches=batches,
        max_fail_percentage=wish.max_fail_percentage,
        secrets=wish.secrets,
        timeout_s=wish.timeout_s,
        n_hosts=len(hosts),
        rerun_of=wish.rerun_of,
        created_at=now,
    )
    _check_payloads(job, hosts)
    return job, hosts


def _check_payloads(job: JobDocument, hosts: Sequence[JobHostDocument]) -> None:
    check_payload_sizes((host.name, make_host_payload(host, job.payload)) for host in hosts)
    if any(task.fan_out is FanOut.INVENTORY for task in job.tasks):
        for batch in range(len(job.batches)):
            members = [host for host in hosts if host.batch == batch]
            payload = make_inventory_payload(members, job.inventory_vars, job.payload)
            check_payload_sizes([(f"batch {batch + 1}", payload)])
