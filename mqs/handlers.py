"""Handle messages to MQS over the bus: events about workflows, and questions that need an answer at once."""

from collections.abc import Iterable
from datetime import timedelta

from mqs.broker.data_vhost import DataVhost
from mqs.broker.progress_book import ProgressBook
from mqs.depths import measure_backlogs, measure_depths
from mqs.groups import repository
from mqs.groups.repository import StoredGroup
from mqs.groups.requests import Groups
from mqs.history.history_store import HistoryStore
from mqs.letters.dead_letters import DeadLetterDesk
from mqs.letters.history import find_error_groups, find_failed_attempts
from mqs.letters.traced_families import find_traced_families
from mqs.tokens.grants import (
    Grant,
    check_gateway,
    check_site,
    count_pilot_connections,
    pilot_grant,
    service_grant,
    task_grant,
    user_grant,
    widen_for_existing_clients,
)
from mqs.tokens.signing_keys import TokenIssuer
from mqs.tokens.user_limits import UserLimits
from runtime.bus.dispatch import DispatchTable
from runtime.bus.service_bus import Caller
from runtime.kernel.store import Store
from runtime.telemetry import counter
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
from schemas.broker.queue_format import Wire
from schemas.errors import NotFound, Rejected, Unavailable
from schemas.events import ControlEvent, WorkflowEnding, WorkflowOver, WorkflowRequested
from schemas.fleet.objects import MQGroup, MQProfile
from schemas.fleet.queue_documents import GroupState, MQGroupDocument, MQProfileDocument
from schemas.ids import Mqid, WorkflowId
from schemas.questions.bases import Answer, Question
from schemas.questions.queues import (
    ActivateQuery,
    BacklogsQuery,
    DepthsQuery,
    GrantAnswer,
    GrantQuery,
    GroupAnswer,
    GroupQuery,
    HistoryAnswer,
    HistoryQuery,
    ProfileQuery,
    ProfilesAnswer,
    ProfilesQuery,
    QueueHistory,
    ReserveQuery,
    TaskProfilesQuery,
)

BROKER_TYPE = "rabbitmq"

#: The contract's error texts for another site's WMS: the object does not exist, or it belongs to another site.
_NO_GROUP = "MQGroup not found"
_NO_PROFILES = "No MQProfiles found for workflow id"
_NO_PROFILE = "MQProfile not found"

_minted = counter("mqs_tokens_minted_total", "Broker tokens minted.", ["kind"])


class MqsHandlers:
    """The handlers of MQS's inbox, and its answers to questions."""

    def __init__(
        self,
        store: Store,
        broker: DataVhost,
        groups: Groups,
        issuer: TokenIssuer,
        book: ProgressBook,
        *,
        settle_s: float,
        broker_address: str,
        user_life: timedelta,
        pilot_life: timedelta,
        legacy_clients: bool,
        user_limits: UserLimits,
        history: HistoryStore,
        dead_letters: DeadLetterDesk,
    ) -> None:
        self._store = store
        self._broker = broker
        self._groups = groups
        self._issuer = issuer
        self._book = book
        self._settle_s = settle_s
        self._broker_address = broker_address
        self._user_life = user_life
        self._pilot_life = pilot_life
        self._legacy_clients = legacy_clients
        self._user_limits = user_limits
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
            return await self._mint_pilot_token(request, caller)
        check_gateway(caller)
        match request:
            case ProfilesQuery():
                return await self._open_public_queues(request)
            case TaskProfilesQuery():
                return await self._open_task_queues(request)
            case DepthsQuery():
                return await measure_depths(
                    self._store, self._broker, self._book, request.workflow_id, max_age_s=self._settle_s
                )
            case BacklogsQuery():
                return await measure_backlogs(self._broker, request.mqids)
            case HistoryQuery():
                return await self._read_history(request)
            case ReserveQuery():
                return _answer_with_group(await self._groups.reserve_group(request))
            case ActivateQuery():
                return await self._activate_group(request)
            case GroupQuery():
                found = await repository.find_group(self._store, request.workflow_id)
                check_site(found.group, request.site, missing=_NO_GROUP)
                return _answer_with_group(found)
            case ProfileQuery():
                return await self._open_one_queue(request)
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

    async def _open_public_queues(self, query: ProfilesQuery) -> ProfilesAnswer:
        found = await repository.find_group(self._store, query.workflow_id)
        if query.unowned and found.group is not None:
            if found.group.owner:
                return ProfilesAnswer(profiles=[])
            found = await self._groups.note_use(query.workflow_id)
        grants = [(profile, user_grant(profile, query.subject)) for profile in found.profiles if profile.is_public]
        if any(profile.is_activated for profile, _ in grants):
            await self._user_limits.limit_user(grants[0][1].subject)
        return ProfilesAnswer(profiles=[await self._open_profile(profile, grant, "user") for profile, grant in grants])

    async def _open_task_queues(self, query: TaskProfilesQuery) -> ProfilesAnswer:
        found = await repository.find_group(self._store, query.workflow_id)
        wanted = (*query.inputs, *query.outputs)
        grant = self._widen_grant(task_grant(found.group, found.profiles, query), wanted)
        token = await self._mint_token(grant, "pilot")
        # One token opens all queues. An existing TMS passes it on once for each queue.
        return ProfilesAnswer(
            profiles=[self._profile_with_token(token, profile) for profile in found.profiles if profile.mqid in wanted]
        )

    async def _activate_group(self, query: ActivateQuery) -> GroupAnswer:
        # A group never changes its site, so one look before the change is enough.
        before = await repository.find_group(self._store, query.workflow_id)
        check_site(before.group, query.site, missing=_NO_PROFILES)
        found = await self._groups.activate_group(query)
        if found.group is None or found.group.state in (GroupState.RETIRING, GroupState.RETIRED):
            raise NotFound(_NO_PROFILES)
        if found.group.state is not GroupState.ACTIVE:
            raise Unavailable(found.group.deferred or "the queues are being created")
        profiles = [await self._open_profile(profile, service_grant(profile), "service") for profile in found.profiles]
        return GroupAnswer(group=_plain_group(found.group), profiles=profiles)

    async def _open_one_queue(self, query: ProfileQuery) -> ProfilesAnswer:
        profile = await repository.find_profile(self._store, query.mqid)
        if profile is None:
            raise NotFound(_NO_PROFILE)
        check_site(
            (await repository.find_group(self._store, profile.workflow_id)).group, query.site, missing=_NO_PROFILE
        )
        group = (await self._groups.note_use(profile.workflow_id)).group
        if group is not None and group.state is GroupState.RETIRING:
            # The group is retiring. A token would open queues that MQS will delete soon.
            return ProfilesAnswer(profiles=[_plain_profile(profile)])
        return ProfilesAnswer(profiles=[await self._open_profile(profile, service_grant(profile), "service")])

    async def _open_profile(self, profile: MQProfileDocument, grant: Grant, kind: str) -> MQProfile:
        """Return the contract's profile of a queue. It has a token for `grant` if the queue is active."""
        if profile.is_activated:
            grant = self._widen_grant(grant, (profile.mqid,), shut=profile.shut_at is not None)
            return self._profile_with_token(await self._mint_token(grant, kind), profile)
        return _plain_profile(profile)

    def _widen_grant(self, grant: Grant, mqids: Iterable[Mqid], *, shut: bool = False) -> Grant:
        return widen_for_existing_clients(grant, mqids, shut=shut) if self._legacy_clients else grant

    async def _mint_token(self, grant: Grant, kind: str) -> str:
        # Other sites' pilots cannot renew these tokens as our own pilots do, so each lives as long as a user's token.
        token = await self._issuer.mint_token(grant, life=self._user_life)
        _minted.labels(kind).inc()
        return token.value.get_secret_value()

    def _profile_with_token(self, token: str, profile: MQProfileDocument) -> MQProfile:
        opened = {"auth_token": token, "broker_type": BROKER_TYPE, "broker_address": self._broker_address}
        return _plain_profile(profile).model_copy(update=opened)

    async def _mint_pilot_token(self, query: GrantQuery, caller: Caller) -> GrantAnswer:
        found = await repository.find_group(self._store, WorkflowId(query.workflow_id))
        grant = pilot_grant(found.group, found.profiles, query, caller=caller)
        await self._user_limits.limit_pilots(grant.subject, count_pilot_connections(query))
        token = await self._issuer.mint_token(grant, life=self._pilot_life)
        _minted.labels("pilot").inc()
        return GrantAnswer(
            token=token.value,
            expires_at=token.expires_at,
            broker_type=BROKER_TYPE,
            broker_address=self._broker_address,
            # Set it for every queue: an existing pilot may take an event from a private queue where one of our pilots
            # put it.
            wire=Wire.LEGACY if self._legacy_clients else Wire.EWMS,
            aliases={
                profile.mqid: profile.alias
                for profile in found.profiles
                if profile.mqid in (*query.inputs, *query.outputs)
            },
        )


def _answer_with_group(found: StoredGroup) -> GroupAnswer:
    if found.group is None:
        raise NotFound(_NO_GROUP)
    return GroupAnswer(
        group=_plain_group(found.group), profiles=[_plain_profile(profile) for profile in found.profiles]
    )


def _plain_profile(profile: MQProfileDocument) -> MQProfile:
    return MQProfile.model_validate(profile.model_dump(include=set(MQProfile.model_fields)))


def _plain_group(group: MQGroupDocument) -> MQGroup:
    return MQGroup.model_validate(group.model_dump(include=set(MQGroup.model_fields)))
