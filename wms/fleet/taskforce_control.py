"""Record what TMSs report about taskforces, and launch taskforces. Load, decide, record.

TMS     record_report          from its events, if it takes orders
        record_confirmation    over REST, if it polls
WMS     launch_taskforce       from the launcher
"""

from collections.abc import Callable
from dataclasses import replace

from runtime.kernel.decision import Decision
from runtime.kernel.store import Transaction
from runtime.once import Once
from runtime.telemetry import log
from schemas.broker.topology import tms_service
from schemas.errors import NotFound, Rejected
from schemas.events import TaskforceSubmitted
from schemas.fleet.documents import TASKFORCES, TaskforceDocument
from schemas.ids import TaskforceUuid, WorkflowId
from wms.fleet import repository
from wms.fleet.life import tms_reports
from wms.fleet.life.aggregate import Aggregate
from wms.fleet.life.conditions import UNORDERED_STOP
from wms.fleet.life.lifecycle import decide_stimulus
from wms.fleet.life.stimuli import Launch, Report, Woken
from wms.fleet.transactions import FleetTransactions, find_workflow_id


class TaskforceControl:
    """Changes the taskforces of one store."""

    def __init__(self, transactions: FleetTransactions) -> None:
        self._transactions = transactions

    async def record_report(self, report: Report, sender: str, once: Once) -> None:
        """Record a report of the TMS `sender` about a taskforce.

        Raises:
            Rejected: the taskforce is at a schedd of another TMS.
        """
        uuid = report.taskforce_uuid

        async def step(tx: Transaction) -> Decision:
            before = await repository.load_for_taskforce(tx, uuid)
            for schedd in _find_schedds(before, report):
                if sender != tms_service(schedd):
                    raise Rejected(f"{sender or 'a nameless sender'} may not report on taskforces at {schedd}")
            if before is not None and not self._transactions.policy.find_port(before.taskforces[uuid]).takes_orders:
                log.warning(
                    "report by events from a TMS that is served by REST", taskforce_uuid=uuid, report=report.TYPE
                )
                return Decision()
            if before is None:
                log.warning("report of an unknown taskforce", taskforce_uuid=uuid, report=report.TYPE)
                return Decision(
                    events=self._transactions.drop_unwanted_orders(tms_reports.remove_orphaned_cluster(report))
                )
            return self._transactions.decide_change(before, report)

        await self._transactions.take_turn(find_workflow_id(uuid), step, once)

    async def record_confirmation(
        self,
        uuid: TaskforceUuid,
        report: Callable[[TaskforceDocument], Report],
        *,
        schedds: frozenset[str] | None,
        once: Once | None = None,
    ) -> bool:
        """Record a report over REST about a taskforce at one of `schedds` (None: at any schedd).

        Return False if WMS does not accept the report, because the taskforce is in another phase.

        Raises:
            NotFound: there is no such taskforce, or its TMS works by events.
        """

        async def step(tx: Transaction) -> Decision:
            before = await repository.load_for_taskforce(tx, uuid, with_task=True)
            taskforce = before.taskforces[uuid] if before is not None else None
            if before is None or taskforce is None or (schedds is not None and taskforce.schedd not in schedds):
                raise no_such_taskforce(uuid)
            if self._transactions.policy.find_port(taskforce).takes_orders:
                raise no_such_taskforce(uuid, hint=f"schedd {taskforce.schedd} is served by events")
            outcome = decide_stimulus(self._transactions.make_draft(before), report(taskforce))
            return self._transactions.make_decision(before, replace(outcome, answer=outcome.answer is not False))

        accepted: bool = (await self._transactions.take_turn(find_workflow_id(uuid), step, once)).answer
        return accepted

    async def launch_taskforce(self, uuid: TaskforceUuid) -> bool:
        """Start a taskforce if it still waits only for this. Return whether it was started."""

        async def step(tx: Transaction) -> Decision:
            before = await repository.load_for_taskforce(tx, uuid, with_task=True)
            if before is None:
                return Decision()
            return self._transactions.decide_change(before, Launch(uuid))

        decision = await self._transactions.take_turn(find_workflow_id(uuid), step)
        return isinstance(decision, Decision) and bool(decision.changes)

    async def order_left_removals(self) -> None:
        """Order the removals that still wait until a TMS polls for them, although that TMS works by events now."""
        waiting = await self._transactions.store.find(
            TASKFORCES,
            {
                "schedd": {"$nin": sorted(self._transactions.policy.locations.polling_schedds)},
                **UNORDERED_STOP,
            },
            projection={"workflow_id": 1},
        )
        for workflow_id in sorted({taskforce["workflow_id"] for taskforce in waiting}):
            await self._transactions.apply_stimulus(WorkflowId(workflow_id), Woken(), with_tasks=True)


def _find_schedds(aggregate: Aggregate | None, report: Report) -> list[str]:
    """Return the schedds of the report's taskforce: the schedd in its document, and the schedd that the report
    names.
    """
    known = [aggregate.taskforces[report.taskforce_uuid].schedd] if aggregate is not None else []
    return [*known, report.schedd] if isinstance(report, TaskforceSubmitted) else known


def no_such_taskforce(uuid: str, *, hint: str = "") -> NotFound:
    """Return the error about a taskforce that is unknown, or not the caller's."""
    return NotFound(f"no taskforce found with uuid: {uuid}", hint=hint)
