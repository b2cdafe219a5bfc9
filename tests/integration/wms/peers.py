"""Everybody WMS speaks to, played by the test on the real bus: MQS, one TMS, and the issuer of users' tokens."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any, Self, TypeVar

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from runtime.bus.service_bus import Bus
from runtime.web.server.serving import serve_app
from schemas.errors import NotFound, Unavailable
from schemas.events import (
    ControlEvent,
    Payload,
    QueuesActivated,
    TaskforceCompleted,
    TaskforceRemoved,
    TaskforceStart,
    TaskforceStop,
    TaskforceSubmitted,
    WorkflowRequested,
    build_event,
)
from schemas.fleet.objects import MQGroup, MQProfile
from schemas.ids import Alias, EventId, Mqid, WorkflowId
from schemas.questions.bases import Answer, Question
from schemas.questions.queues import (
    ActivateQuery,
    Depth,
    DepthsAnswer,
    DepthsQuery,
    GroupAnswer,
    ProfilesAnswer,
    ProfilesQuery,
    ReserveQuery,
    TaskProfilesQuery,
)

P = TypeVar("P", bound=Payload)

AUDIENCE = "ewms-rest"


class Peer:
    """A service on the bus that keeps what it hears and can say anything."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.heard: list[Payload] = []
        self._news = asyncio.Condition()

    @classmethod
    async def connect(cls, url: str, service: str) -> Self:
        """Return the peer, listening."""
        self = cls(await Bus.connect(url, service=service, source=f"ewms/{service}"))
        await self.bus.consume(self.handle)
        return self

    async def handle(self, event: ControlEvent) -> None:
        async with self._news:
            self.heard.append(event.data)
            self._news.notify_all()
        await self.react(event.data)

    async def react(self, payload: Payload) -> None:
        """Answer what is heard; a silent peer does not."""

    async def say(self, payload: Payload, *, event_id: str | None = None) -> EventId:
        """Publish `payload`; with the id of an earlier event it is a second delivery of that."""
        key = EventId(event_id or str(uuid.uuid4()))
        await self.bus.publish(build_event(payload, event_id=key, source=self.bus.source, time=datetime.now(UTC)))
        return key

    async def hear(self, kind: type[P], where: Callable[[P], bool] = lambda _: True, *, n: int = 1) -> list[P]:
        """Return the first `n` payloads of `kind`, waiting for them for up to ten seconds."""
        async with asyncio.timeout(60), self._news:
            while len(found := [p for p in self.heard if isinstance(p, kind) and where(p)]) < n:
                await self._news.wait()
            return found[:n]

    async def close(self) -> None:
        await self.bus.drain()
        await self.bus.close()


class Mqs(Peer):
    """Activates every workflow's queues at once, unless told not to."""

    def __init__(self, bus: Bus) -> None:
        super().__init__(bus)
        self.activates = True
        self.profiles: list[MQProfile] | None = None
        #: Workflows whose queues MQS has forgotten.
        self.lost: set[str] = set()
        #: Those whose queues are not made yet.
        self.unmade: set[str] = set()
        #: What it answers to questions of these kinds, and those that came.
        self.told: dict[str, Answer] = {}
        self.asked: list[Question] = []
        depth = Depth(mqid="a1", alias="in", is_public=True, n_ready=3, n_unacknowledged=1, n_delayed=5, n_consumers=2)
        self.depths = DepthsAnswer(queues=[depth], n_dead=4)

    @classmethod
    async def connect(cls, url: str, service: str) -> Self:
        self = await super().connect(url, service)
        await self.bus.answer(self.answer)
        return self

    async def react(self, payload: Payload) -> None:
        if self.activates and isinstance(payload, WorkflowRequested):
            await self.react_to(payload)

    async def react_to(self, wanted: WorkflowRequested) -> None:
        """Say that the queues are there."""
        await self.say(QueuesActivated(workflow_id=wanted.workflow_id))

    async def answer(self, request: Question, _: str) -> Answer:
        match request:
            case ProfilesQuery(unowned=True):
                return ProfilesAnswer(profiles=[])
            case ProfilesQuery() if self.profiles is not None:
                one_for_all = WorkflowId("WF-1")
                named = (one_for_all, request.workflow_id)
                return ProfilesAnswer(profiles=[one for one in self.profiles if one.workflow_id in named])
            case DepthsQuery():
                return self.depths
            case _ if request.kind in self.told:
                self.asked.append(request)
                return self.told[request.kind]
            case TaskProfilesQuery(workflow_id=workflow_id) if workflow_id in self.unmade:
                raise Unavailable("the workflow's queues are not active yet")
            case TaskProfilesQuery(workflow_id=workflow_id, inputs=inputs, outputs=outputs) if (
                workflow_id not in self.lost
            ):
                return ProfilesAnswer(profiles=[_profile(workflow_id, mqid) for mqid in (*inputs, *outputs)])
            case ReserveQuery(workflow_id=workflow_id) | ActivateQuery(workflow_id=workflow_id):
                group = MQGroup(workflow_id=workflow_id, timestamp=1.5, criteria={"priority": 3})
                return GroupAnswer(group=group, profiles=[_profile(workflow_id, Mqid("a1"))])
            case _:
                raise NotFound("no such workflow")


def _profile(workflow_id: WorkflowId, mqid: Mqid) -> MQProfile:
    return MQProfile(
        mqid=mqid,
        workflow_id=workflow_id,
        timestamp=1.5,
        alias=Alias("q"),
        is_public=False,
        is_activated=True,
        auth_token="token",
        broker_type="rabbitmq",
        broker_address="user@broker:5672/ewms",
    )


class Tms(Peer):
    """Submits and removes at once, with ascending cluster ids, unless told to be silent."""

    def __init__(self, bus: Bus) -> None:
        super().__init__(bus)
        self.reacts = True
        self.n_clusters = 0

    async def react(self, payload: Payload) -> None:
        if not self.reacts:
            return
        match payload:
            case TaskforceStart():
                await self.submit(payload)
            case TaskforceStop(taskforce_uuid=taskforce, cluster_id=cluster_id):
                await self.say(TaskforceRemoved(taskforce_uuid=taskforce, cluster_id=cluster_id))
                if cluster_id is not None:
                    await self.complete(taskforce, cluster_id)
            case _:
                pass

    async def submit(self, start: TaskforceStart, *, cluster_id: int | None = None) -> int:
        """Report a new, paused cluster; return its id."""
        self.n_clusters += 1
        chosen = self.n_clusters if cluster_id is None else cluster_id
        await self.say(
            TaskforceSubmitted(
                taskforce_uuid=start.taskforce_uuid,
                schedd=start.schedd,
                cluster_id=chosen,
                n_workers=start.n_workers,
                submit_dict={"executable": "pilot", "+EWMSTaskforceUUID": start.taskforce_uuid, "request_cpus": 1},
                job_event_log_fpath="/jel/1",
            )
        )
        return chosen

    async def complete(self, taskforce: Any, cluster_id: int) -> None:
        await self.say(
            TaskforceCompleted(taskforce_uuid=taskforce, cluster_id=cluster_id, completed_at=datetime.now(UTC))
        )


@cache
def _make_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Issuer:
    """An OpenID issuer with one key, which all issuers of a test run share: a new one takes 0.1 s."""

    def __init__(self) -> None:
        self.key = _make_key()
        self.url = ""
        #: Claims -> token. Signing takes as long as a request.
        self._tokens: dict[str, str] = {}

    def token(
        self, subject: str = "ada", *, key: Any = None, kid: str = "k1", life_s: float = 600, **claims: Any
    ) -> str:
        """Return a signed token; by default of a user. The same claims get the same token for a minute."""
        now = time.time()
        wanted = repr((self.url, subject, key, kid, life_s, int(now / 60), claims))
        if wanted not in self._tokens:
            self._tokens[wanted] = self._sign(now, subject, key, kid, life_s, claims)
        return self._tokens[wanted]

    def _sign(self, now: float, subject: str, key: Any, kid: str, life_s: float, claims: Mapping[str, Any]) -> str:
        stated = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": subject,
            "iat": now,
            "exp": now + life_s,
            "ewms_role": "user",
            **claims,
        }
        stated = {name: value for name, value in stated.items() if value is not None}
        return jwt.encode(stated, key or self.key, algorithm="RS256", headers={"kid": kid})

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Self]:
        """Publish the key for the block."""

        async def configuration(_: Request) -> JSONResponse:
            return JSONResponse({"issuer": self.url, "jwks_uri": f"{self.url}/jwks"})

        async def jwks(_: Request) -> JSONResponse:
            key = RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
            return JSONResponse({"keys": [{**key, "kid": "k1", "alg": "RS256", "use": "sig"}]})

        app = Starlette(
            routes=[
                Route("/.well-known/openid-configuration", configuration),
                Route("/jwks", jwks),
                # The gateway passes MQS's keys on; here they are the same.
                Route("/mqbroker-issuer/.well-known/jwks.json", jwks),
            ]
        )
        async with serve_app(app, host="127.0.0.1", port=0) as self.url:
            yield self


__all__ = ["AUDIENCE", "Issuer", "Mqs", "Peer", "Tms"]
