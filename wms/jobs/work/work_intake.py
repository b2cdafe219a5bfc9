"""Take in what the pilots of one work publish: outcomes become results of hosts, pieces of logs become a job's log."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from runtime.telemetry import log
from schemas.automation.jobs import HostResult, JobWorkDocument
from schemas.errors import Rejected
from schemas.ids import EventId, TaskId
from schemas.pilot.outcome_reading import outcome_from_bytes, piece_from_bytes
from schemas.pilot.outcomes import LogPiece
from wms.engine.nested.workflow_queues import WorkflowQueues
from wms.joblogs.job_logs import JobLogs
from wms.jobs.plans.fleet_requests import LOGS, OUTCOMES, make_unit_id
from wms.jobs.plans.host_choice import name_host
from wms.jobs.plans.outcome_results import read_outcome, share_result
from wms.jobs.plans.work_progress import UnansweredHosts
from wms.jobs.stored.job_store import JobStore
from wms.jobs.work.queue_intake import QueueIntake

#: A look at a work reads all of its hosts. While hosts are unanswered, one look comes in so many seconds at most.
_LOOK_EVERY_S = 1.0


class WorkIntake:
    """Takes in the outcomes and the logs of one work, from `start` to `stop`."""

    def __init__(
        self,
        work: JobWorkDocument,
        numbers: Mapping[TaskId, int],
        jobs: JobStore,
        logs: JobLogs,
        *,
        gets_inventory: bool,
        on_news: Callable[[], None],
    ) -> None:
        """`numbers` has the number in the job of each task of the workflow.

        `on_news` is called after outcomes: at once if all hosts have ended, or else within a second.
        """
        self._work = work
        self._numbers = numbers
        self._jobs = jobs
        self._logs = logs
        self._on_news = on_news
        self._hosts = _map_units(work, gets_inventory=gets_inventory)
        self._unanswered = UnansweredHosts((host for hosts in self._hosts.values() for host in hosts), work.last)
        self._next_look: asyncio.TimerHandle | None = None
        self.outcomes = QueueIntake(work, OUTCOMES, self._keep_outcomes)
        self.pieces = QueueIntake(work, LOGS, self._keep_pieces)

    async def start(self, queues: WorkflowQueues) -> None:
        """Begin to take in.

        Raises:
            Unavailable: MQS or the broker does not answer.
            NotDeclared: a queue is not open yet, or not any more.
            NotFound: MQS has forgotten the queues.
        """
        await self.outcomes.start(queues)
        try:
            await self.pieces.start(queues)
        except BaseException:
            await self.outcomes.stop()
            raise

    async def stop(self) -> None:
        """Stop taking in. What is not kept yet returns to the queues."""
        if self._next_look is not None:
            self._next_look.cancel()
        await self.outcomes.stop()
        await self.pieces.stop()

    async def _keep_outcomes(self, bodies: Sequence[bytes]) -> None:
        results = [result for body in bodies for result in self._read_outcome(body)]
        await self._jobs.keep_results(results)
        for host, task, result in results:
            self._unanswered.note_result(host, task, result.state)
        if self._unanswered.are_none:
            self._on_news()
        elif self._next_look is None:
            self._next_look = asyncio.get_running_loop().call_later(_LOOK_EVERY_S, self._ask_for_look)

    def _ask_for_look(self) -> None:
        self._next_look = None
        self._on_news()

    def _read_outcome(self, body: bytes) -> list[tuple[str, int, HostResult]]:
        try:
            outcome = outcome_from_bytes(body)
        except Rejected as error:
            log.warning("an outcome cannot be read", workflow_id=self._work.id, reason=error.reason)
            return []
        number, hosts = self._numbers.get(outcome.task_id), self._hosts.get(outcome.event_id)
        if number is None or hosts is None:
            log.warning("an outcome of no host", workflow_id=self._work.id, event_id=outcome.event_id)
            return []
        return [(host, number, result) for host, result in share_result(read_outcome(outcome), hosts)]

    async def _keep_pieces(self, bodies: Sequence[bytes]) -> None:
        pieces: list[LogPiece] = []
        for body in bodies:
            try:
                piece = piece_from_bytes(body)
            except Rejected as error:
                log.warning("a piece of a log cannot be read", workflow_id=self._work.id, reason=error.reason)
                continue
            if piece.event_id in self._hosts and piece.task_id in self._numbers:
                pieces.append(piece)
        await self._logs.take_pieces(self._work.job, pieces)


def _map_units(work: JobWorkDocument, *, gets_inventory: bool) -> dict[EventId, tuple[str, ...]]:
    """Return the id of each event -> the ids of the hosts that it is about."""
    ids = {place: name_host(work.job, place) for place in work.places}
    if gets_inventory:
        return {make_unit_id(work.id, None): tuple(ids.values())}
    return {make_unit_id(work.id, place): (host,) for place, host in ids.items()}
