"""A workflow's queues: they come up at once, wait for room, and go when nobody needs them."""

import asyncio
import time
from collections.abc import Iterable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import aio_pika
import httpx2
import pytest
from aiormq.exceptions import ChannelNotFoundEntity
from prometheus_client import REGISTRY

from deploy.local.servers.rabbitmq import RabbitMQ
from mqs.broker.management import Load
from mqs.groups.admission import Applicant
from mqs.groups.repository import load_ledger
from runtime.amqp import Connection, Unroutable
from runtime.kernel.store import Store
from schemas.events import QueuesActivated, QueuesDeferred
from schemas.fleet.queue_documents import MQ_GROUPS, MQ_PROFILES, GroupState
from schemas.ids import WorkflowId
from schemas.questions.queues import GrantAnswer, ProfilesAnswer
from tests.integration.mqs.conftest import Peer, Plan, RunMqs, logged_in
from tests.waiting import eventually


async def exists(connection: aio_pika.abc.AbstractConnection, queue: str) -> bool:
    async with connection.channel() as channel:
        try:
            await channel.declare_queue(queue, passive=True)
        except ChannelNotFoundEntity:
            return False
        return True


async def group_of(store: Store, workflow_id: WorkflowId) -> dict[str, Any]:
    group = await store.find_one(MQ_GROUPS, {"_id": workflow_id})
    assert group is not None
    return group


async def until(store: Store, workflow_id: WorkflowId, state: GroupState, timeout_s: float = 10) -> None:
    await eventually(lambda: group_of(store, workflow_id), lambda group: group["state"] == state, within_s=timeout_s)


async def test_a_workflows_queues_are_ready_within_a_second(
    run_mqs: RunMqs, wms: Peer, as_mqs: aio_pika.abc.AbstractConnection
) -> None:
    plans = [Plan() for _ in range(3)]
    plan, times = plans[0], []
    async with run_mqs() as mqs:
        for each in plans:
            began = time.perf_counter()
            await wms.say(each.requested)
            assert await wms.next() == QueuesActivated(workflow_id=each.workflow_id)
            times.append(time.perf_counter() - began)
        assert min(times) < 1, "the machine may be busy with other things, but not each time"
        for queue in (*plan.mqids, f"dead.{plan.workflow_id}"):
            assert await exists(as_mqs, queue)
        group = await group_of(mqs.store, plan.workflow_id)
        profiles = await mqs.store.find(MQ_PROFILES, {"workflow_id": plan.workflow_id}, sort=[("position", 1)])
    assert group["criteria"] == {"priority": 50}
    assert [profile["mqid"] for profile in profiles] == list(plan.mqids)
    assert all(profile["is_activated"] and profile["timestamp"] == group["timestamp"] for profile in profiles)


async def test_the_policy_governs_every_queue_and_spares_the_dead_letters(
    run_mqs: RunMqs, wms: Peer, rabbitmq: RabbitMQ
) -> None:
    plan = Plan()
    async with run_mqs(), httpx2.AsyncClient(base_url=rabbitmq.api_url) as api:
        await wms.say(plan.requested)
        await wms.next()
        for queue in plan.mqids:

            async def show(queue: str = queue) -> dict[str, Any]:
                shown: dict[str, Any] = (await api.get(f"/api/queues/ewms/{queue}")).json()
                return shown

            # The management API learns of a queue's policy with its statistics.
            shown = await eventually(show, lambda shown: shown.get("policy"))
            for_results = queue == plan.queue_out
            assert shown["policy"] == ("ewms-results" if for_results else "ewms-events")
            assert shown["arguments"] == {"x-queue-type": "quorum"}
            effective = shown["effective_policy_definition"]
            assert effective["dead-letter-strategy"] == "at-least-once"
            assert effective.get("delayed-retry-type") == (None if for_results else "failed")
            assert effective["delivery-limit"] == (-1 if for_results else 15)
            assert effective["consumer-timeout"] == 90_000_000
        dead = (await api.get(f"/api/queues/ewms/dead.{plan.workflow_id}")).json()
        assert not dead.get("policy")


async def test_an_existing_message_client_may_declare_a_queue_again(
    run_mqs: RunMqs, wms: Peer, as_mqs: aio_pika.abc.AbstractConnection
) -> None:
    plan = Plan()
    async with run_mqs():
        await wms.say(plan.requested)
        await wms.next()
        async with as_mqs.channel() as channel:
            await channel.declare_queue(plan.queue_in, durable=True, arguments={"x-queue-type": "quorum"})


async def test_a_repeated_request_is_answered_again_without_a_second_topology(run_mqs: RunMqs, wms: Peer) -> None:
    plan = Plan()
    async with run_mqs() as mqs:
        event_id = await wms.say(plan.requested)
        assert await wms.next() == QueuesActivated(workflow_id=plan.workflow_id)
        before = await group_of(mqs.store, plan.workflow_id)
        await wms.say(plan.requested)
        assert await wms.next() == QueuesActivated(workflow_id=plan.workflow_id)
        # The very same event once more is a duplicate of the transport: nothing follows from it.
        await wms.say(plan.requested, event_id=event_id)
        await wms.nothing_more()
        assert await group_of(mqs.store, plan.workflow_id) == before


async def test_a_group_beyond_the_budget_waits_and_is_activated_when_another_is_released(
    run_mqs: RunMqs, wms: Peer
) -> None:
    first, second, small = Plan(), Plan(), Plan()
    async with run_mqs(budget_queues=5, retire_look_s=0.1, retire_unused_s=0.3) as mqs:
        await wms.say(first.requested)
        assert await wms.next() == QueuesActivated(workflow_id=first.workflow_id)
        trace = f"00-{'a' * 32}-{'b' * 16}-01"
        await wms.say(second.requested, traceparent=trace)
        assert await wms.next() == QueuesDeferred(
            workflow_id=second.workflow_id, reason="it needs 4 queues, more than the broker's budget has left"
        )
        await wms.say(second.requested)
        assert isinstance(await wms.next(), QueuesDeferred), "a repeated request is answered again"
        await wms.say(small.requested.model_copy(update={"queues": []}))
        assert await wms.next() == QueuesActivated(workflow_id=small.workflow_id), "others go on meanwhile"
        await wms.say(first.over)
        await wms.say(small.over)
        activated = await asyncio.wait_for(wms.got.get(), 20)
        assert activated.data == QueuesActivated(workflow_id=second.workflow_id)
        assert activated.traceparent == trace, "it waited, and still belongs to its request"
        await until(mqs.store, first.workflow_id, GroupState.RETIRED)
        await until(mqs.store, small.workflow_id, GroupState.RETIRED)
        book = await load_ledger(mqs.store)
        assert book is not None
        assert book.n_queues == 4


async def test_empty_queues_of_ended_workflows_give_way_at_once_and_only_those_that_nobody_uses(
    run_mqs: RunMqs, wms: Peer, as_mqs: aio_pika.abc.AbstractConnection
) -> None:
    full, held, idle, waiting = Plan(), Plan(), Plan(), Plan()
    # Nothing but somebody who waits takes the queues of these away within the test.
    async with (
        run_mqs(budget_queues=12, retire_settle_s=1.5, deferred_retry_s=600) as mqs,
        as_mqs.channel() as channel,
    ):
        for plan in (full, held, idle):
            await wms.say(plan.requested)
            assert await wms.next() == QueuesActivated(workflow_id=plan.workflow_id)
        for plan in (full, held):
            exchange = await channel.get_exchange(f"x.{plan.queue_out}")
            await exchange.publish(aio_pika.Message(b"result", delivery_mode=2), plan.queue_out)
        # Somebody has the only event of this one in hand.
        in_hand = await (await channel.get_queue(held.queue_out)).get()
        assert in_hand is not None
        for plan in (full, held, idle):
            await wms.say(plan.over)
            await until(mqs.store, plan.workflow_id, GroupState.RETIRING)
        book = await eventually(lambda: load_ledger(mqs.store), lambda book: book is not None and book.n_queues <= 9)
        assert book.n_queues == 9, "only the private queues have gone"
        # Four queues are wanted and three are free.
        await wms.say(waiting.requested)
        assert isinstance(await wms.next(), QueuesDeferred)
        assert await wms.next(20) == QueuesActivated(workflow_id=waiting.workflow_id)
        assert await exists(as_mqs, full.queue_out)
        assert await exists(as_mqs, held.queue_out)
        await in_hand.ack()
        profiles = await mqs.store.find(MQ_PROFILES, {"retired_at": {"$ne": None}})
        assert {profile["mqid"] for profile in profiles} >= {full.queue_mid, held.queue_mid, idle.queue_mid}


async def test_queues_whose_creation_began_too_early_are_deleted_again(
    run_mqs: RunMqs, wms: Peer, as_mqs: aio_pika.abc.AbstractConnection
) -> None:
    plan, waiting = Plan(), Plan()
    async with run_mqs(budget_queues=4) as mqs:
        creations = mqs.groups.carrier.creations
        await wms.say(plan.requested)
        assert await wms.next() == QueuesActivated(workflow_id=plan.workflow_id)
        # MQS expects room, and then does not find it.
        creations.begin_creation(waiting.workflow_id, waiting.mqids)
        await wms.say(waiting.requested)
        assert isinstance(await wms.next(), QueuesDeferred)
        for queue in (*waiting.mqids, f"dead.{waiting.workflow_id}"):
            await eventually(lambda queue=queue: exists(as_mqs, queue), lambda there: not there)  # type: ignore[misc]
        # The queues of a group that holds them stay.
        creations.begin_creation(plan.workflow_id, plan.mqids)
        await mqs.groups.advance_group(plan.workflow_id)
        for queue in (*plan.mqids, f"dead.{plan.workflow_id}"):
            assert await exists(as_mqs, queue)
        # A request for queues that nobody has reserved leaves none.
        unknown = Plan()
        creations.begin_creation(unknown.workflow_id, unknown.mqids)
        await mqs.groups.advance_group(unknown.workflow_id)
        for queue in (*unknown.mqids, f"dead.{unknown.workflow_id}"):
            assert not await exists(as_mqs, queue)


async def test_wms_goes_on_at_once_and_tokens_wait_until_the_queues_are_sealed(
    run_mqs: RunMqs, wms: Peer, tms: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, may_seal = Plan(), asyncio.Event()
    async with run_mqs() as mqs:
        seal = mqs.broker.seal_queues

        async def seal_late() -> None:
            await may_seal.wait()
            await seal()

        monkeypatch.setattr(mqs.broker, "seal_queues", seal_late)
        await wms.say(plan.requested)
        assert (await wms.got.get()).data == QueuesActivated(workflow_id=plan.workflow_id)
        asked = [
            asyncio.create_task(wms.bus.ask(plan.profiles_query, timeout_s=30)),
            asyncio.create_task(tms.bus.ask(plan.grant_query(), timeout_s=30)),
        ]
        answered, _ = await asyncio.wait(asked, timeout=0.5)
        assert not answered
        may_seal.set()
        profiles, grant = await asyncio.gather(*asked)
        assert isinstance(profiles, ProfilesAnswer)
        assert all(profile.auth_token for profile in profiles.profiles)
        assert isinstance(grant, GrantAnswer)
        assert (await group_of(mqs.store, plan.workflow_id))["is_open"]


async def test_queues_without_a_leader_are_made_anew(
    run_mqs: RunMqs, wms: Peer, as_mqs: aio_pika.abc.AbstractConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = Plan()
    async with run_mqs(broker_retry_s=0.2) as mqs, as_mqs.channel() as channel:
        find_leaderless = mqs.broker.find_leaderless
        asked: list[list[str]] = []

        async def find_one_at_first(queues: Iterable[str]) -> list[str]:
            asked.append(list(queues))
            if len(asked) > 1:
                return await find_leaderless(asked[-1])
            # What is in the queues shows below whether they are new.
            await channel.default_exchange.publish(aio_pika.Message(b"old", delivery_mode=2), plan.queue_in)
            return [plan.queue_mid]

        monkeypatch.setattr(mqs.broker, "find_leaderless", find_one_at_first)
        await wms.say(plan.requested)
        assert await wms.next(20) == QueuesActivated(workflow_id=plan.workflow_id)
        assert asked == [[*plan.mqids, f"dead.{plan.workflow_id}"]] * 2
        assert (await channel.declare_queue(plan.queue_in, passive=True)).declaration_result.message_count == 0
        exchange = await channel.get_exchange(f"x.{plan.queue_in}")
        await exchange.publish(aio_pika.Message(b"new", delivery_mode=2), plan.queue_in, mandatory=True)


async def test_mqs_expects_room_only_as_its_last_decision_shows_it(run_mqs: RunMqs, wms: Peer) -> None:
    plan, waiting = Plan(), Plan()

    def applicant(n_queues: int, owner: str = "ada") -> Applicant:
        return Applicant(Plan().workflow_id, n_queues, 50, datetime.now(UTC), owner)

    async with run_mqs(budget_queues=10, budget_connections=5) as mqs:
        ledger = mqs.groups.ledger
        assert not ledger.expects_room(applicant(1)), "it has decided nothing yet"
        await wms.say(plan.requested)
        assert isinstance(await wms.next(), QueuesActivated)
        assert ledger.expects_room(applicant(6))
        assert not ledger.expects_room(applicant(7))
        assert not ledger.expects_room(applicant(1, "grace")), "it does not know what this owner has"
        ledger.load = Load(n_bytes=0, n_connections=5)
        assert not ledger.expects_room(applicant(1)), "the broker has too many connections now"
        await wms.say(waiting.requested)
        assert isinstance(await wms.next(), QueuesDeferred)
        ledger.load = Load(n_bytes=0, n_connections=0)
        assert not ledger.expects_room(applicant(1)), "another group waits"


async def test_a_waiting_group_is_looked_at_again_by_its_timer_alone(run_mqs: RunMqs, wms: Peer) -> None:
    plan = Plan()
    async with run_mqs(budget_queues=3):
        await wms.say(plan.requested)
        assert isinstance(await wms.next(), QueuesDeferred)
    # The operator has raised the budget; nobody says anything.
    async with run_mqs(budget_queues=4):
        assert await wms.next() == QueuesActivated(workflow_id=plan.workflow_id)


async def test_a_broker_with_too_many_connections_takes_no_further_group_until_they_are_gone(
    run_mqs: RunMqs, wms: Peer, tms: Peer
) -> None:
    first, second = Plan(), Plan()
    async with (
        run_mqs(budget_connections=4, budget_bytes=10**12, sample_s=0.2, deferred_retry_s=0.5) as mqs,
        AsyncExitStack() as pilots,
    ):
        await wms.say(first.requested)
        assert isinstance(await wms.next(), QueuesActivated)
        grant = await tms.bus.ask(first.grant_query())
        assert isinstance(grant, GrantAnswer)
        for _ in range(4):
            await pilots.enter_async_context(logged_in(grant.broker_address, grant.token.get_secret_value()))
        await eventually(lambda: mqs.groups.ledger.load.n_connections >= 4)
        await wms.say(second.requested)
        deferred = await wms.next()
        assert isinstance(deferred, QueuesDeferred)
        assert "connections" in deferred.reason
        await pilots.aclose()
        assert await wms.next(15) == QueuesActivated(workflow_id=second.workflow_id)


async def test_at_the_end_private_queues_go_at_once_and_public_ones_when_they_are_empty_and_unused(
    run_mqs: RunMqs, wms: Peer, as_mqs: aio_pika.abc.AbstractConnection
) -> None:
    plan = Plan()
    async with run_mqs(retire_look_s=0.1, retire_unused_s=0.5) as mqs:
        await wms.say(plan.requested)
        await wms.next()
        async with as_mqs.channel() as channel:
            exchange = await channel.get_exchange(f"x.{plan.queue_out}")
            await exchange.publish(aio_pika.Message(b"result", delivery_mode=2), plan.queue_out)
            await wms.say(plan.over)
            await eventually(lambda: exists(as_mqs, plan.queue_mid), lambda left: not left)
            await asyncio.sleep(1.0)
            assert await exists(as_mqs, plan.queue_out), "a result lies in it"
            assert await exists(as_mqs, plan.queue_in)
            queue = await channel.get_queue(plan.queue_out)
            result = await queue.get()
            assert result is not None
            await result.ack()
        await until(mqs.store, plan.workflow_id, GroupState.RETIRED, timeout_s=15)
        for name in (*plan.mqids, f"dead.{plan.workflow_id}"):
            assert not await exists(as_mqs, name)
        profiles = await mqs.store.find(MQ_PROFILES, {"workflow_id": plan.workflow_id})
        assert all(profile["retired_at"] is not None and not profile["is_activated"] for profile in profiles)


async def test_what_is_published_for_a_workflow_that_is_over_comes_back_and_results_can_still_be_taken(
    run_mqs: RunMqs, wms: Peer, as_mqs: aio_pika.abc.AbstractConnection
) -> None:
    plan = Plan()
    async with run_mqs() as mqs, AsyncExitStack() as stack:
        await wms.say(plan.requested)
        await wms.next()
        answer = await wms.bus.ask(plan.profiles_query)
        assert isinstance(answer, ProfilesAnswer)
        inlet, outlet = answer.profiles
        connection = await Connection.connect(
            str(inlet.broker_address), token=lambda: str(inlet.auth_token), name="test", wait_s=10
        )
        stack.push_async_callback(connection.close)
        publisher = connection.open_publisher()
        await publisher.publish(f"x.{plan.queue_in}", plan.queue_in, b"early", message_id="1", timeout_s=10)
        async with as_mqs.channel() as channel:
            exchange = await channel.get_exchange(f"x.{plan.queue_out}")
            await exchange.publish(aio_pika.Message(b"result", delivery_mode=2), plan.queue_out)
        await wms.say(plan.over)
        # The publisher that is open all the while is told with its next event.
        await eventually(
            lambda: mqs.store.find_one(MQ_PROFILES, {"_id": plan.queue_in}),
            lambda profile: (profile or {}).get("shut_at"),
        )
        with pytest.raises(Unroutable):
            await publisher.publish(f"x.{plan.queue_in}", plan.queue_in, b"late", message_id="2", timeout_s=10)
        await wms.nothing_more()
        taker = await stack.enter_async_context(logged_in(str(outlet.broker_address), str(outlet.auth_token)))
        async with taker.channel() as channel:
            result = await (await channel.get_queue(plan.queue_out, ensure=False)).get()
            assert result is not None
            assert result.body == b"result"
            await result.ack()
        profile = await mqs.store.find_one(MQ_PROFILES, {"_id": plan.queue_in})
        assert profile is not None
        assert (profile["is_activated"], profile["retired_at"]) == (True, None), "what lies in it is not thrown away"


async def test_queues_full_of_events_go_after_the_retention_time(
    run_mqs: RunMqs, wms: Peer, as_mqs: aio_pika.abc.AbstractConnection
) -> None:
    plan = Plan()
    async with run_mqs(retire_look_s=0.1, retire_retention_s=1) as mqs:
        await wms.say(plan.requested)
        await wms.next()
        async with as_mqs.channel() as channel:
            exchange = await channel.get_exchange(f"x.{plan.queue_out}")
            await exchange.publish(aio_pika.Message(b"left", delivery_mode=2), plan.queue_out)
        await wms.say(plan.over)
        await until(mqs.store, plan.workflow_id, GroupState.RETIRED)
        assert not await exists(as_mqs, plan.queue_out)


async def test_the_end_that_overtakes_the_request_leaves_nothing_behind(
    run_mqs: RunMqs, wms: Peer, as_mqs: aio_pika.abc.AbstractConnection
) -> None:
    plan = Plan()
    async with run_mqs():
        await wms.say(plan.over)
        await wms.say(plan.requested)
        await wms.nothing_more()
        # MQS lets the broker begin before the database has decided, and takes that back.
        await eventually(lambda: exists(as_mqs, plan.queue_in), lambda is_there: not is_there)


async def test_many_workflows_at_once_all_get_their_queues(run_mqs: RunMqs, wms: Peer) -> None:
    plans = [Plan() for _ in range(20)]
    async with run_mqs() as mqs:
        n_before = REGISTRY.get_sample_value("ewms_mqs_declare_seconds_count") or 0
        await asyncio.gather(*(wms.say(plan.requested) for plan in plans))
        activated = {(await wms.next(20)).subject for _ in plans}
        # Each at the first attempt: so many at once must not run out of channels.
        assert REGISTRY.get_sample_value("ewms_mqs_declare_seconds_count") == n_before + 20
        assert activated == {plan.workflow_id for plan in plans}
        book = await load_ledger(mqs.store)
        assert book is not None
        assert book.n_queues == 80


async def test_a_database_that_is_emptied_under_it_does_not_wedge_it(
    run_mqs: RunMqs, wms: Peer, mongo_url: str, mongo_database: str
) -> None:
    from pymongo import MongoClient

    first, second = Plan(), Plan()
    async with run_mqs(budget_queues=4, sample_s=0.1) as mqs:
        await wms.say(first.requested)
        await wms.next()
        with MongoClient[dict[str, Any]](mongo_url) as client:
            for name in client[mongo_database].list_collection_names():
                client[mongo_database][name].delete_many({})
        await wms.say(first.over)
        await wms.say(second.requested)
        assert await wms.next() == QueuesActivated(workflow_id=second.workflow_id)
        assert len((await mqs.issuer.jwks_document())["keys"]) == 1
