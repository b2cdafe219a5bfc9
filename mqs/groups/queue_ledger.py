"""Give groups of queues their room on the broker: compare them with the budget, and record the admitted groups.

Only one task at a time may use the ledger, so that two groups never get the same room.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from mqs.broker.management import Load
from mqs.groups import lifecycle, repository
from mqs.groups.admission import Admitted, Applicant, Budget, Shortage, Usage, Verdict, judge_applicants
from mqs.groups.broker_steps import Rules
from mqs.groups.lifecycle import GroupDecision
from mqs.groups.queue_owners import count_queues_of_owners, owner_of
from mqs.groups.repository import StoredGroup
from mqs.groups.yielding import sum_shortages
from runtime.clock import utc_now
from runtime.failpoints import failpoint
from runtime.kernel.database import Reader
from runtime.kernel.decision import Decision, Repeated
from runtime.kernel.store import Store, Transaction
from schemas.fleet.queue_documents import MQGroupDocument
from schemas.ids import WorkflowId


class QueueLedger:
    """The number of queues that all groups hold, and the decisions about waiting groups."""

    def __init__(self, store: Store, *, budget: Budget, rules: Rules) -> None:
        self._store = store
        self._budget = budget
        self._rules = rules
        #: The load after the last decision: None before the first one, and while groups wait.
        self._last_usage: Usage | None = None
        #: The lock of the task that may give out room.
        self.turn = asyncio.Lock()
        #: Bytes and connections on the broker at the last sample; see `mqs.depths`.
        self.load = Load(n_bytes=0, n_connections=0)
        #: Called when a group waits for room that queues of ended workflows may occupy; see `mqs.groups.making_room`.
        self.on_shortage: Callable[[], None] = lambda: None

    async def decide_with_budget(
        self,
        workflow_id: WorkflowId,
        applicant: Callable[[StoredGroup, datetime], Applicant],
        decide: Callable[[StoredGroup, Verdict, datetime], GroupDecision],
        *,
        inbox_id: str | None = None,
    ) -> Decision | Repeated:
        """Compute the verdict on a group, and record the decision that `decide` makes of it.

        The verdict depends on all waiting groups. `applicant` returns the group as an applicant.
        """

        short: list[Shortage] = []

        async def step(tx: Transaction) -> Decision:
            now = utc_now()
            found, others = await repository.find_contest(tx, workflow_id)
            book = await repository.load_ledger(tx)
            asking = applicant(found, now)
            applicants = [*map(_applicant_of, others), asking]
            usage = await self._measure_usage(tx, applicants, book.n_queues if book else 0)
            verdict = judge_applicants(applicants, usage, self._budget, now)[workflow_id]
            short[:] = sum_shortages([verdict])
            outcome = decide(found, verdict, now)
            n_more = repository.count_more_held([(found.group, outcome)])
            has_room = not others and isinstance(verdict, Admitted)
            known = self._last_usage.n_queues_of if self._last_usage is not None else {}
            self._last_usage = usage.add_queues(asking.owner, n_more, known=known) if has_room else None
            return Decision(
                (*repository.group_changes(found, outcome), *repository.ledger_changes(book, n_more)), outcome.effects
            )

        async with self.turn:
            made = await self._store.transact(step, inbox_id=inbox_id)
        self._report_shortage(short)
        return made

    def expects_room(self, applicant: Applicant) -> bool:
        """Return whether MQS is likely to admit a new group, as far as its last decision shows."""
        usage = self._last_usage
        if usage is None or (self._budget.max_owner_queues is not None and applicant.owner not in usage.n_queues_of):
            return False
        usage = replace(usage, n_bytes=self.load.n_bytes, n_connections=self.load.n_connections)
        verdicts = judge_applicants([applicant], usage, self._budget, applicant.asked_at)
        return isinstance(verdicts[applicant.workflow_id], Admitted)

    async def admit_waiting(self) -> list[WorkflowId]:
        """Decide about every waiting group again. Record the groups that now fit the budget as admitted, and return the
        ids of their workflows.
        """
        if not await repository.find_waiting(self._store):
            return []
        admitted: list[WorkflowId] = []
        short: list[Shortage] = []

        async def admit_applicants(tx: Transaction) -> Decision:
            now = utc_now()
            groups = await repository.find_waiting(tx)
            book = await repository.load_ledger(tx)
            applicants = list(map(_applicant_of, groups))
            usage = await self._measure_usage(tx, applicants, book.n_queues if book else 0)
            decided = judge_applicants(applicants, usage, self._budget, now)
            pairs = [
                (group, lifecycle.apply_verdict(group, decided[group.workflow_id], now=now, rules=self._rules))
                for group in groups
            ]
            short[:] = sum_shortages(decided.values())
            admitted[:] = [name for name, verdict in decided.items() if isinstance(verdict, Admitted)]
            changes = [
                change for group, outcome in pairs for change in repository.group_changes(StoredGroup(group), outcome)
            ]
            return Decision((*changes, *repository.ledger_changes(book, repository.count_more_held(pairs))))

        async with self.turn:
            await self._store.transact(admit_applicants)
        failpoint("mqs.admitted")
        self._report_shortage(short)
        return admitted

    async def find_shortages(self) -> tuple[Shortage, ...]:
        """Return how many queues must be deleted before the waiting groups have room."""
        applicants = list(map(_applicant_of, await repository.find_waiting(self._store)))
        book = await repository.load_ledger(self._store)
        usage = await self._measure_usage(self._store, applicants, book.n_queues if book else 0)
        return sum_shortages(judge_applicants(applicants, usage, self._budget, utc_now()).values())

    async def balance_count(self) -> None:
        """Count the queues of all groups again, and correct the ledger: an earlier process may have miscounted them."""

        async def correct_count(tx: Transaction) -> Decision:
            return repository.balance_ledger(await repository.load_ledger(tx), await repository.count_queues_held(tx))

        async with self.turn:
            await self._store.transact(correct_count)

    def _report_shortage(self, short: Sequence[Shortage]) -> None:
        if short:
            self.on_shortage()

    async def _measure_usage(self, reader: Reader, applicants: Sequence[Applicant], n_queues: int) -> Usage:
        owners = {applicant.owner for applicant in applicants} if self._budget.max_owner_queues is not None else set()
        of_owner = await count_queues_of_owners(reader, owners) if owners else {}
        return Usage(n_queues, self.load.n_bytes, self.load.n_connections, of_owner)


def _applicant_of(group: MQGroupDocument) -> Applicant:
    asked_at = datetime.fromtimestamp(group.timestamp, UTC)
    return Applicant(group.workflow_id, group.n_queues, group.priority, asked_at, owner_of(group))
