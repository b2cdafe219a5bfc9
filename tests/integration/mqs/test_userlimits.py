"""One user's connections to the broker are limited by the broker itself, and nobody else's."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import aio_pika
import httpx2
import pytest
from aiormq.exceptions import AMQPError
from pydantic import SecretStr

from deploy.local.servers.rabbitmq import RabbitMQ
from mqs.tokens.grants import Grant
from mqs.tokens.signing_keys import MintedToken, TokenIssuer
from mqs.tokens.user_limits import UserLimits
from schemas.broker.topology import event_exchange
from schemas.events import QueuesActivated, QueuesDeferred
from schemas.ids import Mqid
from schemas.questions.queues import ProfilesAnswer, ProfilesQuery
from tests.integration.mqs.conftest import Peer, Plan, RunMqs, logged_in
from tests.waiting import eventually


async def opened(wms: Peer, plan: Plan, subject: str) -> tuple[str, str]:
    """Return where the first public queue is, and a token of `subject` for it."""
    answer = await wms.bus.ask(ProfilesQuery(workflow_id=plan.workflow_id, subject=subject))
    assert isinstance(answer, ProfilesAnswer)
    profile = answer.profiles[0]
    return str(profile.broker_address), str(profile.auth_token)


async def test_a_users_tokens_open_so_many_connections_together_and_no_other_users_fewer(
    run_mqs: RunMqs, wms: Peer, rabbitmq: RabbitMQ
) -> None:
    plan = Plan()
    eve, ada = f"eve-{plan.workflow_id}", f"ada-{plan.workflow_id}"
    async with run_mqs(user_connections=2), AsyncExitStack() as open_ones:
        await wms.say(plan.requested)
        await wms.next()
        for _ in range(2):
            await open_ones.enter_async_context(logged_in(*await opened(wms, plan, eve)))
        address, token = await opened(wms, plan, eve)
        with pytest.raises((AMQPError, ConnectionError)):
            await open_ones.enter_async_context(logged_in(address, token))
        await open_ones.enter_async_context(logged_in(*await opened(wms, plan, ada)))
        # What carries the limit has no rights: it can do nothing by itself.
        with httpx2.Client(base_url=rabbitmq.management_url("admin"), timeout=60) as api:
            user = api.get(f"/api/users/user%2F{eve}").raise_for_status().json()
            assert (user["password_hash"], user["tags"]) == ("", [])
            assert api.get(f"/api/users/user%2F{eve}/permissions").raise_for_status().json() == []
            login = httpx2.get(api.base_url.join("/api/whoami"), auth=(f"user/{eve}", ""))
            assert login.status_code == 401


async def test_the_pilots_of_a_taskforce_have_a_limit_by_their_number_until_their_workflow_is_over(
    run_mqs: RunMqs, wms: Peer, tms: Peer, rabbitmq: RabbitMQ
) -> None:
    plan = Plan()
    pilots = quote(f"wf/{plan.workflow_id}/tf/{plan.taskforce}", safe="")
    with httpx2.Client(base_url=rabbitmq.management_url("admin"), timeout=60) as api:

        def find_limits() -> list[dict[str, int]]:
            return [one["value"] for one in api.get(f"/api/user-limits/{pilots}").raise_for_status().json()]

        async with run_mqs():
            await wms.say(plan.requested)
            await wms.next()
            await tms.bus.ask(plan.grant_query())
            assert find_limits() == [{"max-connections": 20 + 2 * 3}]
        # Another process finds them again.
        async with run_mqs(sweep_s=0.2, retire_look_s=0.1, retire_unused_s=0.3, pilot_token_life_s=1):
            await wms.say(plan.over)
            await eventually(lambda: api.get(f"/api/users/{pilots}").status_code == 404)


async def test_an_owner_with_its_share_of_queues_waits_and_another_has_its_own(run_mqs: RunMqs, wms: Peer) -> None:
    first, second, other = Plan(), Plan(), Plan()
    async with run_mqs(owner_queues=5, deferred_retry_s=0.2):
        await wms.say(first.requested)
        assert await wms.next() == QueuesActivated(workflow_id=first.workflow_id)
        await wms.say(second.requested)
        waits = await wms.next()
        assert isinstance(waits, QueuesDeferred)
        assert waits.reason == "it needs 4 queues; its owner has 4 of at most 5"
        await wms.say(other.requested.model_copy(update={"owner": "ben"}))
        assert await wms.next() == QueuesActivated(workflow_id=other.workflow_id)


async def test_the_queues_of_an_owner_with_too_many_bytes_are_full_until_it_takes_some_out(
    run_mqs: RunMqs, wms: Peer, as_mqs: aio_pika.abc.AbstractConnection
) -> None:
    eve, ada = Plan(), Plan()
    async with run_mqs(owner_bytes=50_000, sample_s=0.2), as_mqs.channel(on_return_raises=True) as channel:
        await wms.say(eve.requested.model_copy(update={"owner": f"eve-{eve.workflow_id}"}))
        await wms.say(ada.requested.model_copy(update={"owner": f"ada-{ada.workflow_id}"}))
        await wms.next()
        await wms.next()

        async def publish(mqid: str, n_bytes: int = 1000) -> bool:
            exchange = await channel.get_exchange(event_exchange(Mqid(mqid)), ensure=False)
            try:
                await exchange.publish(aio_pika.Message(b"x" * n_bytes, delivery_mode=2), mqid)
            except aio_pika.exceptions.DeliveryError:
                return False
            return True

        assert await publish(eve.queue_in, 60_000)
        async with asyncio.timeout(60):
            # Another queue of hers is full as well, with what it got meanwhile.
            while await publish(eve.queue_mid, 1):
                await asyncio.sleep(0.2)
        assert not await publish(eve.queue_in)
        assert await publish(ada.queue_in)
        queue = await channel.get_queue(eve.queue_in, ensure=False)
        await queue.purge()
        async with asyncio.timeout(60):
            # An empty queue takes one event even while it is full.
            while not (await publish(eve.queue_in) and await publish(eve.queue_in)):
                await asyncio.sleep(0.2)
        # A full queue of before is one no more after a restart.
        assert await publish(eve.queue_in, 60_000)
        await eventually(lambda: publish(eve.queue_mid, 1), lambda left: not left)
    async with run_mqs(owner_bytes=10**9), as_mqs.channel(on_return_raises=True) as channel:
        assert await publish(eve.queue_in)


class _Signing(TokenIssuer):
    """Signs nothing, for a broker that looks at nothing."""

    def __init__(self) -> None:
        """No key is needed."""

    async def mint_token(self, grant: Grant, *, life: timedelta) -> MintedToken:
        assert grant.tags
        return MintedToken(SecretStr("signed"), datetime.now(UTC) + life)


async def test_a_management_api_that_hangs_keeps_many_users_no_longer_than_one() -> None:
    async def hang(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    limits = UserLimits(f"http://127.0.0.1:{port}", _Signing(), max_connections=1)
    try:
        # One waits for two seconds; one after the other they would wait for a minute.
        async with asyncio.timeout(60):
            await asyncio.gather(*(limits.limit_user(f"user/{number}") for number in range(30)))
    finally:
        await limits.close()
        server.close()
