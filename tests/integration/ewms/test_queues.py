"""Publishing and consuming on a real broker, with tokens that open one queue."""

import asyncio
import subprocess
import sys
import time

import pytest

from ewms import AsyncClient, Client
from ewms.errors import NotThere, PublishFailed, Refused, TimedOut, Unreachable
from ewms.queues import queue_access
from runtime.amqp import AccessRefused
from schemas.errors import EWMSError, TooLarge
from tests.integration.ewms.conftest import ALIAS, WORKFLOW, FakeGateway, PublicQueue
from tests.integration.wms.proxy import Proxy


def client(gateway: FakeGateway) -> AsyncClient:
    return AsyncClient(gateway.url, token="t")


async def publish(gateway: FakeGateway, bodies: list[object], *, keyed: bool = False) -> None:
    async with client(gateway) as ews, ews.run(WORKFLOW).queue(ALIAS).publisher() as publisher:
        for body in bodies:
            await publisher.send(body, key=body if keyed else None)
    assert publisher.n_confirmed == len(bodies)


async def test_what_is_published_comes_back_whole_and_once(gateway: FakeGateway, public_queue: PublicQueue) -> None:
    bodies: list[object] = [{"n": n, "text": "ä"} for n in range(500)] + ["plain", b"\x00\xff"]
    await publish(gateway, bodies)
    async with client(gateway) as ews:
        got = [event.body async for event in ews.run(WORKFLOW).queue(ALIAS).results(n=len(bodies))]
    assert sorted(map(repr, got)) == sorted(map(repr, bodies))
    assert await public_queue.n_ready() == 0


async def test_a_publisher_hears_that_the_workflow_is_over_and_what_was_sent_before_stays_confirmed(
    gateway: FakeGateway, public_queue: PublicQueue
) -> None:
    async with client(gateway) as ews:
        with pytest.raises(PublishFailed) as caught:  # noqa: PT012 - the end of the block is what raises
            async with ews.run(WORKFLOW).queue(ALIAS).publisher() as publisher:
                await publisher.send("early")
                await publisher.flush()
                await public_queue.shut()
                await publisher.send("late")
    assert publisher.n_confirmed == 1
    told = f"queue '{ALIAS}' of {WORKFLOW} takes no more events: its inputs are closed, or the workflow is over"
    assert told in caught.value.reason
    assert caught.value.hint
    assert await public_queue.n_ready() == 1


async def test_a_loop_says_that_the_broker_is_away_and_gives_up_after_its_time(
    gateway: FakeGateway, public_queue: PublicQueue
) -> None:
    await publish(gateway, ["a", "b"])
    profile = public_queue.profile()
    host, _, vhost = profile["broker_address"].rpartition("/")
    name, _, port = host.rpartition(":")
    async with Proxy(name.rpartition("@")[2], int(port)).running() as proxy, client(gateway) as ews:
        address = {"broker_address": f"127.0.0.1:{proxy.port}/{vhost}"}
        path = f"GET /v1/mqs/workflows/{WORKFLOW}/mq-profiles/public"
        gateway.routes[path] = lambda _: (200, {"mqprofiles": [public_queue.profile() | address]}, {})
        said: list[str] = []
        results = ews.run(WORKFLOW).queue(ALIAS).results(away_timeout="2s")
        results.notify = said.append
        got = []
        with pytest.raises(Unreachable, match="away for 2 s") as caught:  # noqa: PT012 - the loop is what raises
            async for event in results:
                got.append(event.body)
                if len(got) == 2:
                    proxy.cut()
        assert got == ["a", "b"]
        assert "the queue still holds the events" in caught.value.hint
        assert "lost" in said[0]


RAISING = {
    "results": """
from ewms import Client
with Client({url!r}, token="t") as ews:
    queue = ews.run({workflow!r}).queue({alias!r})
    with queue.publisher() as publisher:
        for n in range(150):
            publisher.send(n)
    for event in queue.results():
        raise ValueError("mine")
""",
    "publisher": """
from ewms import Client
with Client({url!r}, token="t") as ews:
    with ews.run({workflow!r}).queue({alias!r}).publisher() as publisher:
        for n in range(150):
            publisher.send(n)
        raise ValueError("mine")
""",
    "async results": """
import asyncio
from ewms.aio import AsyncClient
async def main():
    async with AsyncClient({url!r}, token="t") as ews:
        queue = ews.run({workflow!r}).queue({alias!r})
        async with queue.publisher() as publisher:
            for n in range(150):
                await publisher.send(n)
        async for event in queue.results():
            raise ValueError("mine")
asyncio.run(main())
""",
}


@pytest.mark.parametrize("body", RAISING)
def test_an_error_in_the_body_of_a_loop_or_a_block_prints_itself_and_nothing_else(
    gateway: FakeGateway, public_queue: PublicQueue, body: str
) -> None:
    program = RAISING[body].format(url=gateway.url, workflow=WORKFLOW, alias=ALIAS)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=150)
    lines = done.stderr.splitlines()
    assert (done.returncode, lines[0], lines[-1]) == (1, "Traceback (most recent call last):", "ValueError: mine")
    assert lines.count(lines[0]) == 1, done.stderr
    assert "ewms/" not in done.stderr
    assert asyncio.run(public_queue.n_ready()) == 150


async def test_the_gateway_is_asked_for_what_the_queue_is_wanted_for_and_its_refusal_is_passed_on(
    gateway: FakeGateway, public_queue: PublicQueue
) -> None:
    path = f"/v1/mqs/workflows/{WORKFLOW}/mq-profiles/public?alias={ALIAS}&to="
    refusal = {"code": 422, "error": "queue 'photons' is for publishing onto"}
    gateway.on(f"GET {path}consume", (422, refusal, {"X-EWMS-Hint": "consume from 'results'"}))
    await publish(gateway, ["a"])
    async with client(gateway) as ews:
        with pytest.raises(Refused) as caught:
            await ews.run(WORKFLOW).queue(ALIAS).results().__aenter__()
    assert (caught.value.reason, caught.value.hint) == (refusal["error"], "consume from 'results'")
    assert [asked.path for asked in gateway.asked] == [f"{path}publish", f"{path}consume"]


async def test_events_with_one_key_count_once(gateway: FakeGateway, public_queue: PublicQueue) -> None:
    await publish(gateway, ["a", "b"], keyed=True)
    await publish(gateway, ["a", "b", "c"], keyed=True)
    async with client(gateway) as ews:
        results = ews.run(WORKFLOW).queue(ALIAS).results(idle_timeout=0.5)
        assert sorted([event.body async for event in results]) == ["a", "b", "c"]
    assert (results.n_taken, results.n_duplicates) == (3, 2)
    assert await public_queue.n_ready() == 0


async def test_an_event_whose_body_failed_goes_back_and_so_do_those_behind_it(
    gateway: FakeGateway, public_queue: PublicQueue
) -> None:
    await publish(gateway, list(range(10)))
    done = []
    async with client(gateway) as ews:
        with pytest.raises(OSError, match="disk full"):  # noqa: PT012 - the loop is what is tested
            async with ews.run(WORKFLOW).queue(ALIAS).results() as events:
                async for event in events:
                    if len(done) == 3:
                        raise OSError("disk full")
                    done.append(event.body)
        assert await public_queue.n_ready() == 7
        again = [event async for event in ews.run(WORKFLOW).queue(ALIAS).results(n=7)]
    assert sorted(done + [event.body for event in again]) == list(range(10))
    assert {event.attempt for event in again} == {1}


async def test_n_events_leave_the_others_in_the_queue(gateway: FakeGateway, public_queue: PublicQueue) -> None:
    await publish(gateway, list(range(10)))
    async with client(gateway) as ews:
        got = [event.body async for event in ews.run(WORKFLOW).queue(ALIAS).results(n=4)]
    assert len(set(got)) == 4
    assert await public_queue.n_ready() == 6


async def test_expected_events_that_do_not_come_are_an_error_and_unexpected_ones_are_not(
    gateway: FakeGateway, public_queue: PublicQueue
) -> None:
    await publish(gateway, ["only"])
    async with client(gateway) as ews:
        queue = ews.run(WORKFLOW).queue(ALIAS)
        with pytest.raises(TimedOut, match="1 of 2"):
            async for _ in queue.results(n=2, idle_timeout=0.3):
                pass
        assert [event async for event in queue.results(idle_timeout=0.2)] == []


async def test_a_dropped_connection_loses_nothing_and_repeats_nothing(
    gateway: FakeGateway, public_queue: PublicQueue
) -> None:
    n = 300

    async def send() -> None:
        async with client(gateway) as ews, ews.run(WORKFLOW).queue(ALIAS).publisher(window=20) as publisher:
            for number in range(n):
                await publisher.send(number, key=number)
                if number == 100:
                    await asyncio.to_thread(public_queue.drop_connections)
                await asyncio.sleep(0.001)

    got = []
    async with asyncio.timeout(60), client(gateway) as ews, asyncio.TaskGroup() as group:
        group.create_task(send())
        async for event in ews.run(WORKFLOW).queue(ALIAS).results(n=n, idle_timeout=30, prefetch=10):
            got.append(event.body)
            if len(got) == 150:
                await asyncio.to_thread(public_queue.drop_connections)
    assert sorted(got) == list(range(n))


async def test_an_acknowledgement_that_is_lost_is_told_and_its_event_comes_to_the_loop_once(
    gateway: FakeGateway, public_queue: PublicQueue
) -> None:
    async with client(gateway) as ews:
        async with ews.run(WORKFLOW).queue(ALIAS).publisher() as publisher:
            sent = [await publisher.send(name, key=name) for name in ("first", "second")]
        results = ews.run(WORKFLOW).queue(ALIAS).results(n=2, idle_timeout=30, prefetch=1)
        told: list[str] = []
        results.notify = told.append
        got = []
        async with asyncio.timeout(60):
            async for event in results:
                got.append(event)
                while len(got) == 1 and not any("connection to the broker is lost" in sentence for sentence in told):
                    # The broker lists a new connection some seconds after it was made.
                    await asyncio.to_thread(public_queue.drop_connections)
                    await asyncio.sleep(0.1)
    assert [event.body for event in got] == ["first", "second"]
    assert [event.headers["x-ewms-key"] for event in got] == ["first", "second"]
    assert results.n_unacknowledged == 1
    (lost,) = (sentence for sentence in told if "could not be acknowledged" in sentence)
    assert sent[0] in lost
    assert "They come again: this loop leaves them out" in lost


async def test_a_token_is_renewed_while_the_queue_is_open(gateway: FakeGateway, public_queue: PublicQueue) -> None:
    public_queue.life_s = 4.0
    begin = time.monotonic()
    async with client(gateway) as ews, ews.run(WORKFLOW).queue(ALIAS).publisher() as publisher:
        first = public_queue.n_tokens
        while time.monotonic() - begin < 7.0:
            await publisher.send("x")
            await publisher.flush()
            await asyncio.sleep(0.25)
    assert 3 <= public_queue.n_tokens - first <= 10


async def test_a_publisher_waits_for_its_queue_to_be_active(gateway: FakeGateway, public_queue: PublicQueue) -> None:
    path = f"GET /v1/mqs/workflows/{WORKFLOW}/mq-profiles/public"
    inactive = (200, {"mqprofiles": [public_queue.profile(active=False)]}, {})
    gateway.on(path, inactive, inactive, inactive, (200, {"mqprofiles": [public_queue.profile()]}, {}))
    await publish(gateway, ["x"])
    assert await public_queue.n_ready() == 1
    gateway.on(path, inactive)
    async with client(gateway) as ews:
        with pytest.raises(TimedOut, match="not active"):
            async with ews.run(WORKFLOW).queue(ALIAS).publisher(active_timeout=0.2):
                pass


async def test_an_unknown_alias_names_the_known_ones(gateway: FakeGateway, public_queue: PublicQueue) -> None:
    async with client(gateway) as ews:
        with pytest.raises(NotThere) as caught:
            async with ews.run(WORKFLOW).queue("photon").publisher():
                pass
    assert ALIAS in caught.value.hint


async def test_an_event_over_the_limit_is_refused_here_and_harms_no_other(
    gateway: FakeGateway, public_queue: PublicQueue
) -> None:
    async with client(gateway) as ews, ews.run(WORKFLOW).queue(ALIAS).publisher() as publisher:
        with pytest.raises(TooLarge):
            await publisher.send(b"x" * (4 * 1024 * 1024 + 1))
        await publisher.send(b"y" * (1024 * 1024))
    assert publisher.n_confirmed == 1


async def test_events_that_the_broker_refuses_are_told_on_leaving_the_block(
    gateway: FakeGateway, public_queue: PublicQueue
) -> None:
    profile = public_queue.profile() | {"mqid": "a" + "0" * 20}
    gateway.on(f"GET /v1/mqs/workflows/{WORKFLOW}/mq-profiles/public", (200, {"mqprofiles": [profile]}, {}))
    with pytest.raises(PublishFailed) as caught:  # noqa: PT012 - leaving the block is what raises
        async with client(gateway) as ews, ews.run(WORKFLOW).queue(ALIAS).publisher(timeout=5) as publisher:
            for number in range(3):
                await publisher.send(number)
    assert len(caught.value.failures) == 3


def test_the_synchronous_face_does_the_same_without_await(gateway: FakeGateway, public_queue: PublicQueue) -> None:
    n = 1000
    with Client(gateway.url, token="t") as ews:
        queue = ews.run(WORKFLOW).queue(ALIAS)
        with queue.publisher(window=50) as publisher:
            ids = {publisher.send({"n": number}, key=number) for number in range(n)}
        assert (publisher.n_confirmed, len(ids)) == (n, n)
        got = [event.body["n"] for event in queue.results(n=n - 10)]
        for _ in queue.results():
            break
        got += [event.body["n"] for event in queue.results(n=10)]
    assert sorted(got) == list(range(n))
    assert asyncio.run(public_queue.n_ready()) == 0


@pytest.mark.parametrize(
    ("changes", "kind", "says"),
    [
        ({"broker_address": "ewms@127.0.0.1:1/ewms"}, Unreachable, "cannot reach the broker at 127.0.0.1:1: "),
        ({"auth_token": "x.y.z"}, AccessRefused, "refuses the token for queue 'photons'"),
    ],
)
async def test_a_broker_that_is_away_or_refuses_is_named(
    changes: dict[str, str],
    kind: type[EWMSError],
    says: str,
    gateway: FakeGateway,
    public_queue: PublicQueue,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(queue_access, "_BROKER_WAIT_S", 0.0)
    profile = public_queue.profile() | changes
    gateway.on(f"GET /v1/mqs/workflows/{WORKFLOW}/mq-profiles/public", (200, {"mqprofiles": [profile]}, {}))
    async with client(gateway) as ews:
        with pytest.raises(kind, match=says) as caught:
            async with ews.run(WORKFLOW).queue(ALIAS).publisher():
                pass
    assert caught.value.hint
