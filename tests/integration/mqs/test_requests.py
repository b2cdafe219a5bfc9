"""Questions to MQS: who gets an answer, what it says, and who is refused."""

import asyncio
import random
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aio_pika
import httpx2
import jwt
import pytest
from jwt import PyJWK

from deploy.local.choices.launch_options import SCHEDD
from deploy.local.files.secret_files import make_key_pair
from deploy.local.servers.rabbitmq import RabbitMQ
from mqs.settings import MqsSettings
from schemas.broker.topology import event_exchange
from schemas.errors import Conflict, Forbidden, NotFound, Unavailable
from schemas.events import QueuesActivated
from schemas.fleet.documents import QueuePlan
from schemas.ids import Alias, mqid
from schemas.questions.queues import (
    BacklogsAnswer,
    BacklogsQuery,
    DepthsAnswer,
    GrantAnswer,
    ProfilesAnswer,
    QueueBacklog,
)
from tests.integration.mqs.conftest import Peer, Plan, RunMqs, logged_in
from tests.waiting import eventually


async def activate(wms: Peer, plan: Plan) -> None:
    await wms.say(plan.requested)
    await wms.next()


async def test_the_public_profiles_come_in_reservation_order_with_the_contracts_values(
    run_mqs: RunMqs, wms: Peer, rabbitmq: RabbitMQ
) -> None:
    plan = Plan()
    async with run_mqs():
        await activate(wms, plan)
        answer = await wms.bus.ask(plan.profiles_query)
    assert isinstance(answer, ProfilesAnswer)
    assert [(p.mqid, p.alias, p.is_public, p.is_activated) for p in answer.profiles] == [
        (plan.queue_in, "in", True, True),
        (plan.queue_out, "out", True, True),
    ]
    assert {p.broker_type for p in answer.profiles} == {"rabbitmq"}
    assert {p.broker_address for p in answer.profiles} == {rabbitmq.address}


async def test_an_unknown_workflow_has_no_profiles_and_no_depths(run_mqs: RunMqs, wms: Peer) -> None:
    async with run_mqs():
        assert await wms.bus.ask(Plan().profiles_query) == ProfilesAnswer(profiles=[])
        with pytest.raises(NotFound):
            await wms.bus.ask(Plan().depths_query)


async def test_profiles_of_a_waiting_workflow_are_inactive_and_without_tokens(run_mqs: RunMqs, wms: Peer) -> None:
    plan = Plan()
    async with run_mqs(budget_queues=1):
        await activate(wms, plan)
        answer = await wms.bus.ask(plan.profiles_query)
        assert isinstance(answer, ProfilesAnswer)
        assert len(answer.profiles) == 2
        for profile in answer.profiles:
            assert not profile.is_activated
            assert (profile.auth_token, profile.broker_type, profile.broker_address) == (None, None, None)


async def test_only_the_gateway_may_ask_for_profiles_and_depths(run_mqs: RunMqs, wms: Peer, tms: Peer) -> None:
    plan = Plan()
    async with run_mqs():
        await activate(wms, plan)
        for query in (plan.profiles_query, plan.depths_query, BacklogsQuery(mqids=[plan.queue_in])):
            with pytest.raises(Forbidden):
                await tms.bus.ask(query)


async def test_only_the_workflows_own_tms_gets_a_pilots_token(run_mqs: RunMqs, wms: Peer, tms: Peer) -> None:
    mine, foreign = Plan(), Plan(schedds=("elsewhere.example.org",))
    async with run_mqs():
        await activate(wms, mine)
        await activate(wms, foreign)
        assert isinstance(await tms.bus.ask(mine.grant_query()), GrantAnswer)
        with pytest.raises(Forbidden):
            await wms.bus.ask(mine.grant_query())
        with pytest.raises(Forbidden):
            await tms.bus.ask(foreign.grant_query())
        # Its own workflow, but the queues of another.
        with pytest.raises(Forbidden):
            await tms.bus.ask(mine.grant_query().model_copy(update={"inputs": [foreign.queue_in]}))
        with pytest.raises(Forbidden):
            await tms.bus.ask(mine.grant_query().model_copy(update={"taskforce_uuid": foreign.taskforce}))


async def test_a_tms_hears_whether_to_wait_or_to_give_up(run_mqs: RunMqs, wms: Peer, tms: Peer) -> None:
    plan, waiting = Plan(), Plan()
    async with run_mqs(budget_queues=4):
        await activate(wms, plan)
        await activate(wms, waiting)
        with pytest.raises(Unavailable):
            await tms.bus.ask(waiting.grant_query())
        await wms.say(plan.over)
        await eventually(lambda: _said(tms, plan), lambda said: not isinstance(said, GrantAnswer))
        assert isinstance(await _said(tms, plan), Conflict)


async def _said(tms: Peer, plan: Plan) -> object:
    try:
        return await tms.bus.ask(plan.grant_query())
    except Conflict as error:
        return error


async def test_depths_count_what_lies_in_each_queue(
    run_mqs: RunMqs, wms: Peer, as_mqs: aio_pika.abc.AbstractConnection
) -> None:
    plan = Plan()
    async with run_mqs():
        await activate(wms, plan)
        async with as_mqs.channel() as channel:
            for queue, n_events in ((plan.queue_in, 3), (plan.queue_mid, 2)):
                exchange = await channel.get_exchange(event_exchange(queue))
                for _ in range(n_events):
                    await exchange.publish(aio_pika.Message(b"event", delivery_mode=2), queue)
            rejected = await (await channel.get_queue(plan.queue_mid)).get()
            assert rejected is not None
            await rejected.reject(requeue=False)
            await channel.set_qos(prefetch_count=2)
            arrived = asyncio.Semaphore(0)

            async def hold(_: aio_pika.abc.AbstractIncomingMessage) -> None:
                arrived.release()

            await (await channel.get_queue(plan.queue_in)).consume(hold)
            await arrived.acquire()
            await arrived.acquire()
            async with asyncio.timeout(60):  # what is unacknowledged, the broker counts every few seconds
                while True:
                    answer = await wms.bus.ask(plan.depths_query)
                    assert isinstance(answer, DepthsAnswer)
                    # Who consumes is exact at once. What lies there and what has gone adds up at any time.
                    assert [(q.alias, q.n_consumers) for q in answer.queues] == [("in", 1), ("mid", 0), ("out", 0)]
                    for one in answer.queues:
                        assert one.n_ready + one.n_unacknowledged + one.n_delayed + (one.n_gone or 0) == one.n_arrived
                    assert sum(one.n_gone or 0 for one in answer.queues) >= answer.n_dead
                    lying = [(q.n_ready, q.n_unacknowledged, q.n_delayed, q.n_gone) for q in answer.queues]
                    if lying == [(1, 2, 0, 0), (1, 0, 0, 1), (0, 0, 0, 0)] and answer.n_dead == 1:
                        break
                    await asyncio.sleep(0.1)
            missing = mqid(random.getrandbits(80))
            assert await wms.bus.ask(BacklogsQuery(mqids=[plan.queue_in, plan.queue_out, missing])) == BacklogsAnswer(
                queues={
                    plan.queue_in: QueueBacklog(n_ready=1, n_unacknowledged=2, n_delayed=0, n_consumers=1),
                    plan.queue_out: QueueBacklog(n_ready=0, n_unacknowledged=0, n_delayed=0, n_consumers=0),
                }
            )


async def test_depths_of_a_workflow_that_is_over_are_zero(run_mqs: RunMqs, wms: Peer) -> None:
    plan = Plan()
    async with run_mqs(retire_look_s=0.05, retire_unused_s=0.1):
        await activate(wms, plan)
        await wms.say(plan.over)
        async with asyncio.timeout(60):
            while True:
                answer = await wms.bus.ask(plan.depths_query)
                assert isinstance(answer, DepthsAnswer)
                profiles = await wms.bus.ask(plan.profiles_query)
                assert isinstance(profiles, ProfilesAnswer)
                if not any(profile.is_activated for profile in profiles.profiles):
                    break
        assert [q.n_ready for q in answer.queues] == [0, 0, 0]


async def test_depths_of_a_workflow_with_more_queues_than_one_question_can_name(run_mqs: RunMqs, wms: Peer) -> None:
    plan = Plan()
    queues = [
        QueuePlan(mqid=mqid(random.getrandbits(80)), alias=Alias(f"q{n}"), is_public=False, is_input=True)
        for n in range(90)
    ]
    async with run_mqs():
        await wms.say(plan.requested.model_copy(update={"queues": queues}))
        assert isinstance(await wms.next(20), QueuesActivated)
        answer = await wms.bus.ask(plan.depths_query, timeout_s=60)
        assert isinstance(answer, DepthsAnswer)
        assert [depth.mqid for depth in answer.queues] == [queue.mqid for queue in queues]
        await wms.say(plan.over)


async def test_a_new_key_signs_at_once_and_the_old_ones_stay_listed(
    run_mqs: RunMqs, wms: Peer, tms: Peer, rabbitmq: RabbitMQ, tmp_path: Path, settings: Callable[..., MqsSettings]
) -> None:
    plan = Plan()
    private, public = tmp_path / "key.pem", tmp_path / "key.pub.pem"
    shutil.copy(rabbitmq.key_files.private, private)
    shutil.copy(rabbitmq.key_files.public, public)
    files = {"EWMS_BROKER_KEY_FILE": private, "EWMS_BROKER_PUBLIC_KEY_FILE": public}
    async with run_mqs(**files) as mqs:
        await activate(wms, plan)
        tokens = []
        for n_rotations in range(6):
            answer = await tms.bus.ask(plan.grant_query())
            assert isinstance(answer, GrantAnswer)
            tokens.append(answer.token.get_secret_value())
            fresh = make_key_pair(tmp_path, f"next-{n_rotations}")
            fresh.private.replace(private)
            # Between the two the files do not fit: the former key signs on.
            half = await tms.bus.ask(plan.grant_query())
            assert isinstance(half, GrantAnswer)
            assert _kid(half.token.get_secret_value()) == _kid(tokens[-1])
            fresh.public.replace(public)
        async with httpx2.AsyncClient(base_url=mqs.url) as http:
            served = (await http.get("/mqbroker-issuer/.well-known/jwks.json")).raise_for_status()
        keys = {key["kid"]: key for key in served.json()["keys"]}
        assert len(keys) == 7, "six that have signed, and the one that signs next"
        for token in tokens:
            claims = jwt.decode(token, PyJWK(keys[_kid(token)]), algorithms=["RS256"], audience="ewms")
            assert claims["sub"] == f"wf/{plan.workflow_id}/tf/{plan.taskforce}"
            assert claims["iss"] == settings(**files).issuer
            assert datetime.fromtimestamp(claims["exp"], UTC) - datetime.now(UTC) > timedelta(minutes=50)
        # The broker has the first key in a file: its token opens the connection still.
        async with logged_in(rabbitmq.address, tokens[0]):
            pass


def _kid(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


async def test_no_request_without_a_wms_user_and_no_schedd_of_a_like_name(
    run_mqs: RunMqs, wms: Peer, tms: Peer
) -> None:
    # `ewms@localhost` is written without its `@` on the bus; a schedd of the written name is another one.
    plan = Plan(schedds=(SCHEDD.replace("@", "+40"),))
    async with run_mqs():
        await activate(wms, plan)
        with pytest.raises(Forbidden):
            await tms.bus.ask(plan.grant_query())


async def test_health_and_metrics_are_served(run_mqs: RunMqs, wms: Peer) -> None:
    async with run_mqs() as mqs, httpx2.AsyncClient(base_url=mqs.url) as http:
        await activate(wms, Plan())
        assert (await http.get("/readyz")).json() == {"mongodb": "ok", "control": "ok", "data": "ok"}
        await http.get("/healthz")
        metrics = (await http.get("/metrics")).text
    for name in (
        'ewms_mqs_queues{queues="public"} ',
        'ewms_mqs_queues_without_takers{queues="private"} ',
        "ewms_mqs_queues_held ",
        "ewms_mqs_counted_timestamp_seconds ",
        "ewms_mqs_groups_activated_total ",
        'ewms_dependency_up{dependency="data"} 1.0',
    ):
        assert name in metrics, name


async def test_the_broker_fetches_a_key_that_it_has_no_file_for(
    run_mqs: RunMqs, wms: Peer, tms: Peer, rabbitmq: RabbitMQ, tmp_path: Path
) -> None:
    plan, fresh = Plan(), make_key_pair(tmp_path, "fresh")
    files = {"EWMS_BROKER_KEY_FILE": fresh.private, "EWMS_BROKER_PUBLIC_KEY_FILE": fresh.public}
    async with run_mqs(**files, http_port=rabbitmq.jwks_port):
        await activate(wms, plan)
        answer = await tms.bus.ask(plan.grant_query())
        assert isinstance(answer, GrantAnswer)
        async with logged_in(answer.broker_address, answer.token.get_secret_value()):
            pass
