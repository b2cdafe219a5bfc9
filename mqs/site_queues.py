"""Answer the WMS of another site: reserve queues for it, create them, and open them."""

from mqs.groups import repository
from mqs.groups.repository import StoredGroup
from mqs.groups.requests import Groups
from mqs.queue_tokens import QueueTokens, without_own_fields
from mqs.tokens.grants import check_site
from runtime.kernel.store import Store
from schemas.errors import NotFound, Unavailable
from schemas.fleet.objects import MQGroup
from schemas.fleet.queue_documents import GroupState, MQGroupDocument
from schemas.questions.queues import ActivateQuery, GroupAnswer, GroupQuery, ProfileQuery, ProfilesAnswer, ReserveQuery

#: The contract's error texts: the object does not exist, or it belongs to another site.
_NO_GROUP = "MQGroup not found"
_NO_PROFILES = "No MQProfiles found for workflow id"
_NO_PROFILE = "MQProfile not found"


class SiteQueues:
    """Answers the questions that the gateway passes on from another site."""

    def __init__(self, store: Store, groups: Groups, tokens: QueueTokens) -> None:
        self._store = store
        self._groups = groups
        self._tokens = tokens

    async def answer_query(
        self, query: ReserveQuery | ActivateQuery | GroupQuery | ProfileQuery
    ) -> GroupAnswer | ProfilesAnswer:
        """Return the answer to `query`.

        Raises:
            NotFound: the object does not exist, or it belongs to another site.
            Unavailable: the queues are still being created.
        """
        match query:
            case ReserveQuery():
                return _answer_with_group(await self._groups.reserve_group(query))
            case ActivateQuery():
                return await self._activate_group(query)
            case GroupQuery():
                found = await repository.find_group(self._store, query.workflow_id)
                check_site(found.group, query.site, missing=_NO_GROUP)
                return _answer_with_group(found)
            case ProfileQuery():
                return await self._open_queue(query)

    async def _activate_group(self, query: ActivateQuery) -> GroupAnswer:
        # A group never changes its site, so one look before the change is enough.
        before = await repository.find_group(self._store, query.workflow_id)
        check_site(before.group, query.site, missing=_NO_PROFILES)
        found = await self._groups.activate_group(query)
        if found.group is None or found.group.state in (GroupState.RETIRING, GroupState.RETIRED):
            raise NotFound(_NO_PROFILES)
        if found.group.state is not GroupState.ACTIVE:
            raise Unavailable(found.group.deferred or "the queues are being created")
        profiles = [await self._tokens.open_site_queue(profile) for profile in found.profiles]
        return GroupAnswer(group=_plain_group(found.group), profiles=profiles)

    async def _open_queue(self, query: ProfileQuery) -> ProfilesAnswer:
        profile = await repository.find_profile(self._store, query.mqid)
        if profile is None:
            raise NotFound(_NO_PROFILE)
        check_site(
            (await repository.find_group(self._store, profile.workflow_id)).group, query.site, missing=_NO_PROFILE
        )
        await self._groups.find_opened(profile.workflow_id)
        group = (await self._groups.note_use(profile.workflow_id)).group
        if group is not None and group.state is GroupState.RETIRING:
            # The group is retiring. A token would open queues that MQS will delete soon.
            return ProfilesAnswer(profiles=[without_own_fields(profile)])
        return ProfilesAnswer(profiles=[await self._tokens.open_site_queue(profile)])


def _answer_with_group(found: StoredGroup) -> GroupAnswer:
    if found.group is None:
        raise NotFound(_NO_GROUP)
    return GroupAnswer(
        group=_plain_group(found.group), profiles=[without_own_fields(profile) for profile in found.profiles]
    )


def _plain_group(group: MQGroupDocument) -> MQGroup:
    return MQGroup.model_validate(group.model_dump(include=set(MQGroup.model_fields)))
