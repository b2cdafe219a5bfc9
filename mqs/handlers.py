"""What reaches MQS over the bus: events of workflows, and questions that want an answer at once."""

from datetime import timedelta

from mqs import repository
from mqs.broker import Broker
from mqs.depths import depths
from mqs.grants import check_gateway, pilot_grant, user_grant
from mqs.groups import Groups
from mqs.keys import Issuer
from runtime.bus import Caller
from runtime.store import Store
from runtime.telemetry import counter
from schemas.documents import MQProfileDocument
from schemas.errors import Rejected
from schemas.events import Event, WorkflowOver, WorkflowRequested
from schemas.ids import WorkflowId
from schemas.objects import MQProfile
from schemas.requests import (
    DepthsQuery,
    GrantAnswer,
    GrantQuery,
    ProfilesAnswer,
    ProfilesQuery,
)
from schemas.wire import AnyAnswer, AnyRequest

BROKER_TYPE = "rabbitmq"

_minted = counter("mqs_tokens_minted_total", "Broker tokens minted.", ["kind"])


class Handlers:
    """Answers for MQS on the bus."""

    def __init__(
        self,
        store: Store,
        broker: Broker,
        groups: Groups,
        issuer: Issuer,
        *,
        broker_address: str,
        user_life: timedelta,
        pilot_life: timedelta,
    ) -> None:
        self._store = store
        self._broker = broker
        self._groups = groups
        self._issuer = issuer
        self._broker_address = broker_address
        self._user_life = user_life
        self._pilot_life = pilot_life

    async def on_event(self, event: Event) -> None:
        """Handle one event of the inbox."""
        match event.data:
            case WorkflowRequested() as requested:
                await self._groups.requested(event.id, requested)
            case WorkflowOver() as over:
                await self._groups.over(event.id, over)
            case _:
                raise Rejected(f"MQS has no use for {event.type}")

    async def on_request(self, request: AnyRequest, caller: Caller) -> AnyAnswer:
        """Answer one request of `caller`, whom the broker has checked."""
        match request:
            case ProfilesQuery():
                check_gateway(caller)
                return await self._profiles(request)
            case GrantQuery():
                return await self._grant(request, caller)
            case DepthsQuery():
                check_gateway(caller)
                return await depths(self._store, self._broker, request.workflow_id)

    async def _profiles(self, query: ProfilesQuery) -> ProfilesAnswer:
        found = await repository.find(self._store, query.workflow_id)
        return ProfilesAnswer(
            profiles=[await self._opened(profile, query.subject) for profile in found.profiles if profile.is_public]
        )

    async def _opened(self, profile: MQProfileDocument, subject: str) -> MQProfile:
        """Return the contract's profile of a queue, with a token for `subject` while the queue can be opened."""
        plain = profile.model_dump(include=set(MQProfile.model_fields))
        if profile.is_activated:
            token = await self._issuer.token(user_grant(profile, subject), life=self._user_life)
            _minted.labels("user").inc()
            plain |= {
                "auth_token": token.value.get_secret_value(),
                "broker_type": BROKER_TYPE,
                "broker_address": self._broker_address,
            }
        return MQProfile.model_validate(plain)

    async def _grant(self, query: GrantQuery, caller: Caller) -> GrantAnswer:
        found = await repository.find(self._store, WorkflowId(query.workflow_id))
        grant = pilot_grant(found.group, found.profiles, query, caller=caller)
        token = await self._issuer.token(grant, life=self._pilot_life)
        _minted.labels("pilot").inc()
        return GrantAnswer(
            token=token.value,
            expires_at=token.expires_at,
            broker_type=BROKER_TYPE,
            broker_address=self._broker_address,
        )
