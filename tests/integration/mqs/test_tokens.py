"""What the bearer of each token may do on the real broker, and above all what not."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from aiormq.exceptions import AMQPError, ChannelAccessRefused, DeliveryError, PublishError

from deploy.local.servers.rabbitmq import RabbitMQ
from mqs.app import Mqs
from mqs.tokens.grants import Grant
from schemas import ids
from schemas.broker.topology import dead_exchange, dead_queue, event_exchange
from schemas.errors import Unprocessable
from schemas.ids import Mqid
from schemas.questions.queues import GrantAnswer, ProfilesAnswer
from tests.integration.mqs.conftest import Peer, Plan, RunMqs, logged_in

Act = Callable[[AbstractChannel], Awaitable[object]]


async def publish(channel: AbstractChannel, exchange: str, key: str) -> None:
    under = await channel.get_underlay_channel()
    await under.basic_publish(b"event", exchange=exchange, routing_key=key, mandatory=True)


async def get(channel: AbstractChannel, queue: str) -> None:
    under = await channel.get_underlay_channel()
    await under.basic_get(queue, no_ack=True)


async def consume(channel: AbstractChannel, queue: str) -> None:
    async def ignore(_: object) -> None: ...

    under = await channel.get_underlay_channel()
    await under.basic_consume(queue, ignore)


async def bind(channel: AbstractChannel, queue: str, exchange: str) -> None:
    under = await channel.get_underlay_channel()
    await under.queue_bind(queue, exchange, routing_key="k")


async def exchange_bind(channel: AbstractChannel, destination: str, source: str) -> None:
    under = await channel.get_underlay_channel()
    await under.exchange_bind(destination, source, routing_key="k")


async def declare(channel: AbstractChannel, queue: str) -> None:
    under = await channel.get_underlay_channel()
    await under.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})


async def declare_own(channel: AbstractChannel) -> None:
    under = await channel.get_underlay_channel()
    await under.queue_declare("", exclusive=True)


async def declare_exchange(channel: AbstractChannel, exchange: str) -> None:
    under = await channel.get_underlay_channel()
    await under.exchange_declare(exchange=exchange, exchange_type="direct", durable=True)


async def delete(channel: AbstractChannel, queue: str) -> None:
    under = await channel.get_underlay_channel()
    await under.queue_delete(queue)


async def delete_exchange(channel: AbstractChannel, exchange: str) -> None:
    under = await channel.get_underlay_channel()
    await under.exchange_delete(exchange)


async def purge(channel: AbstractChannel, queue: str) -> None:
    under = await channel.get_underlay_channel()
    await under.queue_purge(queue)


async def refused(connection: aio_pika.abc.AbstractConnection, act: Act) -> bool:
    """Whether the broker forbids `act`; anything else that goes wrong with it is an error of the test."""
    channel = await connection.channel()
    try:
        await act(channel)
    except ChannelAccessRefused:
        return True
    return False


def attacks(mine: Plan, theirs: Plan, *, reads: set[Mqid], writes: set[Mqid]) -> dict[str, Act]:
    """Return everything that the bearer of a token must not be able to do, by name."""
    found: dict[str, Act] = {
        "publish to the default exchange": lambda c: publish(c, "", mine.queue_in),
        "publish to the default exchange for a foreign queue": lambda c: publish(c, "", theirs.queue_in),
        "publish to amq.topic": lambda c: publish(c, "amq.topic", "k"),
        "publish to the dead letter exchange of the vhost": lambda c: publish(c, "dead", "k"),
        "declare a queue": lambda c: declare(c, "mine"),
        "declare a server-named queue": declare_own,
        "declare an existing queue": lambda c: declare(c, mine.queue_in),
        "declare an exchange": lambda c: declare_exchange(c, "x.mine"),
        "delete the input exchange": lambda c: delete_exchange(c, event_exchange(mine.queue_in)),
        "bind the input to a foreign exchange": lambda c: bind(c, mine.queue_in, event_exchange(theirs.queue_in)),
        "bind a foreign queue": lambda c: bind(c, theirs.queue_in, event_exchange(mine.queue_mid)),
        "bind exchanges": lambda c: exchange_bind(c, event_exchange(mine.queue_in), event_exchange(theirs.queue_in)),
        "read the dead letters": lambda c: get(c, dead_queue(mine.workflow_id)),
        "read foreign dead letters": lambda c: get(c, dead_queue(theirs.workflow_id)),
        "write foreign dead letters": lambda c: publish(c, dead_exchange(theirs.workflow_id), theirs.workflow_id),
    }
    for plan in (mine, theirs):
        for mqid in plan.mqids:
            found[f"delete queue {mqid}"] = partial(delete, queue=mqid)
            if mqid not in reads:
                found[f"get {mqid}"] = partial(get, queue=mqid)
                found[f"consume {mqid}"] = partial(consume, queue=mqid)
                found[f"purge {mqid}"] = partial(purge, queue=mqid)
            if mqid not in writes:
                found[f"publish {mqid}"] = partial(publish, exchange=event_exchange(mqid), key=mqid)
    return found


async def check(
    address: str, token: str, mine: Plan, theirs: Plan, *, reads: set[Mqid], writes: set[Mqid], dead: bool
) -> None:
    async with logged_in(address, token) as connection:
        for mqid in writes:
            await publish(await connection.channel(), event_exchange(mqid), mqid)
        for mqid in reads:
            await get(await connection.channel(), mqid)
        if dead:
            await publish(await connection.channel(), dead_exchange(mine.workflow_id), mine.workflow_id)
        possible = [
            name
            for name, act in attacks(mine, theirs, reads=reads, writes=writes).items()
            if not await refused(connection, act)
        ]
        if not dead:
            assert await refused(connection, lambda c: publish(c, dead_exchange(mine.workflow_id), mine.workflow_id))
    assert possible == []


async def two_workflows(wms: Peer) -> tuple[Plan, Plan]:
    mine, theirs = Plan(), Plan()
    for plan in (mine, theirs):
        await wms.say(plan.requested)
        await wms.next()
    return mine, theirs


async def test_a_users_tokens_publish_onto_the_input_and_consume_from_the_output_and_nothing_else(
    run_mqs: RunMqs, wms: Peer
) -> None:
    async with run_mqs():
        mine, theirs = await two_workflows(wms)
        answer = await wms.bus.ask(mine.profiles_query)
        assert isinstance(answer, ProfilesAnswer)
        into, out = answer.profiles
        assert (into.alias, out.alias) == ("in", "out")
        assert into.broker_address is not None
        assert into.auth_token is not None
        assert out.auth_token is not None
        await check(into.broker_address, into.auth_token, mine, theirs, reads=set(), writes={mine.queue_in}, dead=False)
        await check(into.broker_address, out.auth_token, mine, theirs, reads={mine.queue_out}, writes=set(), dead=False)


async def test_a_pilots_token_opens_its_taskforces_queues_and_nothing_else(
    run_mqs: RunMqs, wms: Peer, tms: Peer
) -> None:
    async with run_mqs():
        mine, theirs = await two_workflows(wms)
        answer = await tms.bus.ask(mine.grant_query())
        assert isinstance(answer, GrantAnswer)
        await check(
            answer.broker_address,
            answer.token.get_secret_value(),
            mine,
            theirs,
            reads={mine.queue_in},
            writes={mine.queue_mid},
            dead=True,
        )


async def test_a_publishers_own_routing_key_or_cc_header_reaches_no_other_queue(
    run_mqs: RunMqs, wms: Peer, as_mqs: aio_pika.abc.AbstractConnection
) -> None:
    async with run_mqs():
        mine, theirs = await two_workflows(wms)
        answer = await wms.bus.ask(mine.profiles_query)
        assert isinstance(answer, ProfilesAnswer)
        into = answer.profiles[0]
        assert into.broker_address is not None
        async with logged_in(into.broker_address, into.auth_token or "") as connection:
            channel = await connection.channel(on_return_raises=True)
            exchange = await channel.get_exchange(event_exchange(mine.queue_in), ensure=False)
            with pytest.raises((PublishError, DeliveryError)):
                await exchange.publish(aio_pika.Message(b"stray"), theirs.queue_in, mandatory=True)
            others: list[Any] = [theirs.queue_in, mine.queue_mid, dead_queue(theirs.workflow_id)]
            await exchange.publish(aio_pika.Message(b"copied", headers={"CC": others}), mine.queue_in)
        async with as_mqs.channel() as channel:
            for name in others:
                queue = await channel.get_queue(name)
                assert queue.declaration_result.message_count == 0
            queue = await channel.get_queue(mine.queue_in)
            assert queue.declaration_result.message_count == 1


@pytest.mark.parametrize("said_twice", [True, False])
async def test_either_way_of_saying_the_rights_is_enough_for_the_broker(
    said_twice: bool, run_mqs: RunMqs, wms: Peer
) -> None:
    plan = Plan()
    async with run_mqs() as mqs:
        await wms.say(plan.requested)
        await wms.next()
        # Beyond 40 rights they are said once; the others name queues that do not exist.
        others = () if said_twice else tuple(ids.mqid(n) for n in range(60))
        grant = Grant("user/ada", (plan.queue_out, *others), (event_exchange(plan.queue_in),))
        token, address = await _mint(mqs, grant, wms, plan)
        async with logged_in(address, token) as connection:
            await publish(await connection.channel(), event_exchange(plan.queue_in), plan.queue_in)
            await get(await connection.channel(), plan.queue_out)


async def test_the_largest_token_that_is_minted_still_logs_in(run_mqs: RunMqs, wms: Peer) -> None:
    plan = Plan()
    async with run_mqs() as mqs:
        await wms.say(plan.requested)
        await wms.next()
        n_queues, token, address = 100, "", ""
        with suppress(Unprocessable):
            while n_queues < 200:
                queues = tuple(ids.mqid(n) for n in range(n_queues))
                token, address = await _mint(
                    mqs, Grant(f"wf/{plan.workflow_id}/tf/{plan.taskforce}", queues), wms, plan
                )
                n_queues += 1
        assert 115 < n_queues < 200
        async with logged_in(address, token):
            pass


async def test_a_renewed_token_is_taken_on_the_open_connection(run_mqs: RunMqs, wms: Peer, tms: Peer) -> None:
    plan = Plan()
    async with run_mqs():
        await wms.say(plan.requested)
        await wms.next()
        first, second = await tms.bus.ask(plan.grant_query()), await tms.bus.ask(plan.grant_query())
        assert isinstance(first, GrantAnswer)
        assert isinstance(second, GrantAnswer)
        assert first.token != second.token
        async with logged_in(first.broker_address, first.token.get_secret_value()) as connection:
            await connection.update_secret(second.token.get_secret_value())
            await publish(await connection.channel(), event_exchange(plan.queue_mid), plan.queue_mid)


async def test_a_token_of_another_key_does_not_log_in(run_mqs: RunMqs, wms: Peer, rabbitmq: RabbitMQ) -> None:
    plan = Plan()
    async with run_mqs() as mqs:
        await wms.say(plan.requested)
        await wms.next()
        token, address = await _mint(mqs, Grant("user/ada", (plan.queue_out,)), wms, plan)
    head, body, signature = token.split(".")
    forged = signature[:-8] + ("A" * 8 if signature[-8:] != "A" * 8 else "B" * 8)
    with pytest.raises(AMQPError):
        async with logged_in(address, f"{head}.{body}.{forged}"):
            pass


async def _mint(mqs: Mqs, grant: Grant, wms: Peer, plan: Plan) -> tuple[str, str]:
    answer = await wms.bus.ask(plan.profiles_query)
    assert isinstance(answer, ProfilesAnswer)
    token = await mqs.issuer.mint_token(grant, life=timedelta(minutes=5))
    return token.value.get_secret_value(), answer.profiles[0].broker_address or ""
