"""A small real gateway that answers as a test tells it, and a real public queue on the real broker behind it."""

import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import aio_pika
import jwt
import pytest

from deploy.local.servers.broker_admin import BrokerAdmin
from deploy.local.servers.rabbitmq import RabbitMQ

WORKFLOW = "WF-6b00e09f-926a610b"
ALIAS = "photons"

#: What a route answers: a status, a JSON value or bytes, and headers.
Answer = tuple[int, Any, dict[str, str]]


@dataclass
class Asked:
    """One request that the gateway got."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class FakeGateway:
    """A real HTTP server. `routes` maps "METHOD /path" to a function of the request, `asked` holds what came.

    A path stands for itself with any query that has no function of its own.
    """

    url: str
    routes: dict[str, Callable[[Asked], Answer]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def on(self, route: str, *answers: Answer) -> None:
        """Answer `route` with each of `answers` in turn, and with the last one from then on."""
        rest = list(answers)
        self.routes[route] = lambda _: rest.pop(0) if len(rest) > 1 else rest[0]


@pytest.fixture
def keeps_vhost() -> bool:
    """The data vhosts of these tests are those of tests before, emptied."""
    return True


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    """A gateway on a free port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            content = self.rfile.read(length).decode()
            is_form = "form" in self.headers.get("Content-Type", "")
            body = content if is_form else json.loads(content) if length else None
            asked = Asked(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            fake.asked.append(asked)
            question = f"{self.command} {self.path}"
            route = fake.routes.get(question) or fake.routes.get(question.partition("?")[0])
            status, value, headers = route(asked) if route else (404, {"code": 404, "error": "no such path"}, {})
            content = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            for name, text in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, text)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815 - the library's name

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake = FakeGateway(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield fake
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass
class PublicQueue:
    """A queue as MQS makes one, in a vhost of its own, shown by the gateway under the alias `photons`."""

    rabbitmq: RabbitMQ
    vhost: str
    mqid: str
    life_s: float = 3600.0
    n_tokens: int = 0

    def token(self) -> str:
        """Return a fresh token that reads and writes this queue alone."""
        self.n_tokens += 1
        now = time.time()
        claims = {
            "sub": "user/tester",
            "aud": "ewms",
            "iat": int(now),
            "exp": int(now + self.life_s),
            "scope": f"ewms.read:{self.vhost}/{self.mqid} ewms.write:{self.vhost}/x.{self.mqid}",
        }
        files = self.rabbitmq.key_files
        return jwt.encode(claims, files.private.read_bytes(), "RS256", headers={"kid": files.kid})

    def profile(self, *, active: bool = True) -> dict[str, Any]:
        """Return the profile as the gateway shows it."""
        host = self.rabbitmq.address.rpartition("/")[0]
        return {
            "mqid": self.mqid,
            "workflow_id": WORKFLOW,
            "timestamp": 1.0,
            "alias": ALIAS,
            "is_public": True,
            "is_activated": active,
            "auth_token": self.token() if active else None,
            "broker_type": "rabbitmq" if active else None,
            "broker_address": f"{host}/{self.vhost}" if active else None,
        }

    def drop_connections(self) -> None:
        """Close every connection to the queue's vhost, as a flaky network would."""
        with BrokerAdmin(self.rabbitmq.management_url("admin")) as admin:
            admin.close_connections(self.vhost)

    async def shut(self) -> None:
        """Take the way in away, as MQS does when the workflow is over."""
        connection = await aio_pika.connect(self.rabbitmq.amqp_url("mqs", self.vhost))
        async with connection, connection.channel() as channel:
            queue = await channel.get_queue(self.mqid)
            await queue.unbind(f"x.{self.mqid}", self.mqid)

    async def n_ready(self) -> int:
        """Return how many events wait."""
        connection = await aio_pika.connect(self.rabbitmq.amqp_url("mqs", self.vhost))
        async with connection, connection.channel() as channel:
            queue = await channel.declare_queue(self.mqid, passive=True)
            return queue.declaration_result.message_count or 0


@pytest.fixture
async def public_queue(rabbitmq: RabbitMQ, data_vhost: str, gateway: FakeGateway) -> PublicQueue:
    """A real queue, and a gateway that shows its profile."""
    mqid = f"a{secrets.token_hex(10)}"
    connection = await aio_pika.connect(rabbitmq.amqp_url("mqs", data_vhost))
    async with connection, connection.channel() as channel:
        exchange = await channel.declare_exchange(f"x.{mqid}", aio_pika.ExchangeType.DIRECT, durable=True)
        queue = await channel.declare_queue(mqid, durable=True, arguments={"x-queue-type": "quorum"})
        await queue.bind(exchange, mqid)
    made = PublicQueue(rabbitmq, data_vhost, mqid)
    gateway.routes[f"GET /v1/mqs/workflows/{WORKFLOW}/mq-profiles/public"] = lambda _: (
        200,
        {"mqprofiles": [made.profile()]},
        {},
    )
    return made
