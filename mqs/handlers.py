"""Handle messages to MQS over the bus: events about workflows, and questions that need an answer at once."""

from mqs.broker.data_vhost import DataVhost
from mqs.broker.progress_book import ProgressBook
from mqs.depths import measure_backlogs, measure_depths
from mqs.groups import repository
from mqs.groups.requests import Groups
from mqs.history.history_store import HistoryStore
from mqs.letters.dead_letters import DeadLetterDesk
from mqs.letters.history import find_error_groups, find_failed_attempts
from mqs.letters.traced_families import find_traced_families
from mqs.queue_tokens import QueueTokens
from mqs.site_queues import SiteQueues
from mqs.tokens.grants import check_gateway
from runtime.bus.dispatch import DispatchTable
from runtime.bus.service_bus import Caller
from runtime.kernel.store import Store
from schemas.attempts.dead_letters import (
    LetterAuditQuery,
    LetterBodyQuery,
    LetterGroupsQuery,
    LetterQuery,
    LettersOrder,
    LettersQuery,
)
from schemas.attempts.done_history import TracedFamiliesQuery
from schemas.attempts.failed_history import AttemptsQuery, ErrorGroupsQuery
from schemas.errors import NotFound, Rejected
from schemas.events import ControlEvent, WorkflowEnding, WorkflowOver, WorkflowRequested
from schemas.questions.bases import Answer, Question
from schemas.questions.queues import (
    ActivateQuery,
    BacklogsQuery,
    DepthsQuery,
    GrantQuery,
    GroupQuery,
    HistoryAnswer,
    HistoryQuery,
    ProfileQuery,
    ProfilesQuery,
    QueueHistory,
    ReserveQuery,
    TaskProfilesQuery,
)


class MqsHandlers:
    """The handlers of MQS's inbox, and its answers to questions."""

    def __init__(
        self,
        store: Store,
        broker: DataVhost,
        groups: Groups,
        book: ProgressBook,
        *,
        settle_s: float,
        tokens: QueueTokens,
        sites: SiteQueues,
        history: HistoryStore,
        dead_letters: DeadLetterDesk,
    ) -> None:
        self._store = store
        self._broker = broker
        self._groups = groups
        self._book = book
        self._settle_s = settle_s
        self._tokens = tokens
        self._sites = sites
        self._history = history
        self._dead_letters = dead_letters

    def build_table(self) -> DispatchTable:
        """Return the handler of each event that MQS takes."""
        table = DispatchTable()
        table.add_handler(WorkflowRequested, self._on_requested)
        table.add_handler(WorkflowOver, self._on_over)
        table.add_handler(WorkflowEnding, self._on_ending)
        return table

    async def _on_requested(self, requested: WorkflowRequested, event: ControlEvent) -> None:
        await self._groups.request_queues(event.id, requested)

    async def _on_over(self, over: WorkflowOver, event: ControlEvent) -> None:
        await self._groups.retire_group(event.id, over)

    async def _on_ending(self, ending: WorkflowEnding, event: ControlEvent) -> None:
        await self._groups.note_ending(event.id, ending)

    async def answer_request(self, request: Question, caller: Caller) -> Answer:
        """Return the answer to a question. The broker has checked that `caller` is the sender.

        Raises:
            Forbidden: the caller may not ask this.
            EWMSError: another error, which the caller gets instead of an answer.
        """
        if isinstance(request, GrantQuery):
            return await self._tokens.open_pilot_queues(request, caller)
        check_gateway(caller)
        match request:
            case ProfilesQuery():
                return await self._tokens.open_public_queues(request)
            case TaskProfilesQuery():
                return await self._tokens.open_task_queues(request)
            case DepthsQuery():
                return await measure_depths(
                    self._store, self._broker, self._book, request.workflow_id, max_age_s=self._settle_s
                )
            case BacklogsQuery():
                return await measure_backlogs(self._broker, request.mqids)
            case HistoryQuery():
                return await self._read_history(request)
            case ReserveQuery() | ActivateQuery() | GroupQuery() | ProfileQuery():
                return await self._sites.answer_query(request)
            case AttemptsQuery():
                return await find_failed_attempts(self._store, request)
            case TracedFamiliesQuery():
                return await find_traced_families(self._store, request)
            case ErrorGroupsQuery():
                return await find_error_groups(self._store, request)
            case (
                LettersQuery()
                | LetterGroupsQuery()
                | LetterQuery()
                | LetterBodyQuery()
                | LettersOrder()
                | LetterAuditQuery()
            ):
                return await self._dead_letters.answer_query(request)
            case _:
                raise Rejected(f"MQS has no answer to {request.kind}")

    async def _read_history(self, query: HistoryQuery) -> HistoryAnswer:
        profiles = await repository.find_profiles(self._store, query.mqids)
        if not profiles:
            raise NotFound("no such queues")
        if len(workflows := {profile.workflow_id for profile in profiles.values()}) > 1:
            raise Rejected("'mqids': must be queues of one workflow")
        plots = await self._history.read_plots(list(profiles), query.since, query.until, query.n_points)
        return HistoryAnswer(
            workflow_id=workflows.pop(),
            queues=[
                QueueHistory(
                    mqid=mqid,
                    alias=profile.alias,
                    is_public=profile.is_public,
                    points=plots[mqid].points,
                    sampled_at=plots[mqid].sampled_at,
                )
                for mqid, profile in profiles.items()
            ],
        )
