"""Open queues to users, pilots and other sites: give out tokens, and the profiles of the queues with them.

New queues get tokens only after MQS has made them usable (`Groups.find_opened`).
"""

from collections.abc import Iterable
from datetime import timedelta

from mqs.groups.requests import Groups
from mqs.tokens.grants import (
    Grant,
    count_pilot_connections,
    pilot_grant,
    service_grant,
    task_grant,
    user_grant,
    widen_for_existing_clients,
)
from mqs.tokens.signing_keys import TokenIssuer
from mqs.tokens.user_limits import UserLimits
from runtime.bus.service_bus import Caller
from runtime.telemetry import counter
from schemas.broker.queue_format import Wire
from schemas.fleet.objects import MQProfile
from schemas.fleet.queue_documents import MQProfileDocument
from schemas.ids import Mqid
from schemas.questions.queues import GrantAnswer, GrantQuery, ProfilesAnswer, ProfilesQuery, TaskProfilesQuery

BROKER_TYPE = "rabbitmq"

_minted = counter("mqs_tokens_minted_total", "Broker tokens minted.", ["kind"])


class QueueTokens:
    """Gives out the tokens of queues."""

    def __init__(
        self,
        groups: Groups,
        issuer: TokenIssuer,
        *,
        broker_address: str,
        user_life: timedelta,
        pilot_life: timedelta,
        legacy_clients: bool,
        user_limits: UserLimits,
    ) -> None:
        """`legacy_clients` says that clients of existing systems use these queues, too."""
        self._groups = groups
        self._issuer = issuer
        self._broker_address = broker_address
        self._user_life = user_life
        self._pilot_life = pilot_life
        self._legacy_clients = legacy_clients
        self._user_limits = user_limits

    async def open_public_queues(self, query: ProfilesQuery) -> ProfilesAnswer:
        """Return the public queues of a workflow, with tokens for the user who asks."""
        found = await self._groups.find_opened(query.workflow_id)
        if query.unowned and found.group is not None:
            if found.group.owner:
                return ProfilesAnswer(profiles=[])
            found = await self._groups.note_use(query.workflow_id)
        grants = [(profile, user_grant(profile, query.subject)) for profile in found.profiles if profile.is_public]
        if any(profile.is_activated for profile, _ in grants):
            await self._user_limits.limit_user(grants[0][1].subject)
        return ProfilesAnswer(profiles=[await self._open_profile(profile, grant, "user") for profile, grant in grants])

    async def open_task_queues(self, query: TaskProfilesQuery) -> ProfilesAnswer:
        """Return the queues of one task with its pilots' token, for a TMS that polls over REST."""
        found = await self._groups.find_opened(query.workflow_id)
        wanted = (*query.inputs, *query.outputs)
        grant = self._widen_grant(task_grant(found.group, found.profiles, query), wanted)
        token = await self._mint_token(grant, "pilot")
        # One token opens all queues. An existing TMS passes it on once for each queue.
        return ProfilesAnswer(
            profiles=[self._profile_with_token(token, profile) for profile in found.profiles if profile.mqid in wanted]
        )

    async def open_pilot_queues(self, query: GrantQuery, caller: Caller) -> GrantAnswer:
        """Return the token by which a taskforce's pilots open their queues."""
        found = await self._groups.find_opened(query.workflow_id)
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

    async def open_site_queue(self, profile: MQProfileDocument) -> MQProfile:
        """Return the profile of a queue with a token for the WMS of another site."""
        return await self._open_profile(profile, service_grant(profile), "service")

    async def _open_profile(self, profile: MQProfileDocument, grant: Grant, kind: str) -> MQProfile:
        """Return the contract's profile of a queue. It has a token for `grant` if the queue is active."""
        if profile.is_activated:
            grant = self._widen_grant(grant, (profile.mqid,), shut=profile.shut_at is not None)
            return self._profile_with_token(await self._mint_token(grant, kind), profile)
        return without_own_fields(profile)

    def _widen_grant(self, grant: Grant, mqids: Iterable[Mqid], *, shut: bool = False) -> Grant:
        return widen_for_existing_clients(grant, mqids, shut=shut) if self._legacy_clients else grant

    async def _mint_token(self, grant: Grant, kind: str) -> str:
        # Other sites' pilots cannot renew these tokens as our own pilots do, so each lives as long as a user's token.
        token = await self._issuer.mint_token(grant, life=self._user_life)
        _minted.labels(kind).inc()
        return token.value.get_secret_value()

    def _profile_with_token(self, token: str, profile: MQProfileDocument) -> MQProfile:
        opened = {"auth_token": token, "broker_type": BROKER_TYPE, "broker_address": self._broker_address}
        return without_own_fields(profile).model_copy(update=opened)


def without_own_fields(profile: MQProfileDocument) -> MQProfile:
    """Return the contract's profile of a queue, without a token and without the fields that only MQS uses."""
    return MQProfile.model_validate(profile.model_dump(include=set(MQProfile.model_fields)))
