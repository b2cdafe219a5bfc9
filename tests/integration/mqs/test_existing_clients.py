"""Existing message clients on the real broker: served where the deployment says so, and nowhere else."""

import asyncio

import pika.exceptions
import pytest

from schemas.fleet.objects import MQProfile
from schemas.fleet.queue_documents import MQ_PROFILES
from schemas.questions.queues import GrantAnswer, ProfilesAnswer
from tests.integration.mqs.conftest import Peer, Plan, RunMqs
from tests.oldclient import OldClient
from tests.waiting import eventually


async def profile_in(wms: Peer, plan: Plan) -> MQProfile:
    """Return the first queue of a fresh workflow, with a user's token."""
    await wms.say(plan.requested)
    await wms.next()
    answer = await wms.bus.ask(plan.profiles_query)
    assert isinstance(answer, ProfilesAnswer)
    return answer.profiles[0]


def opened(profile: MQProfile) -> OldClient:
    return OldClient(profile.broker_address or "", profile.auth_token or "", profile.mqid)


async def test_an_existing_client_declares_publishes_consumes_and_gives_back(run_mqs: RunMqs, wms: Peer) -> None:
    events = [{"n": n} for n in range(20)]

    def use(profile: MQProfile) -> None:
        with opened(profile) as client:
            client.send(*events)
        with opened(profile) as client:
            assert next(client.receive(timeout_s=5)) == events[0]
        with opened(profile) as client:
            got = [*client.receive(timeout_s=5, prefetch=3, n=len(events))]
        assert sorted(got, key=lambda event: event["n"]) == events, "the one on loan came back"

    async with run_mqs(legacy_clients=True):
        await asyncio.to_thread(use, await profile_in(wms, Plan()))


async def test_its_token_opens_the_own_queue_and_not_another_ones_events(run_mqs: RunMqs, wms: Peer) -> None:
    async with run_mqs(legacy_clients=True):
        mine, theirs = await profile_in(wms, Plan()), await profile_in(wms, Plan())

        def intrude() -> None:
            foreign = mine.model_copy(update={"mqid": theirs.mqid})
            with opened(foreign) as client, pytest.raises(pika.exceptions.ChannelClosedByBroker) as refused:
                client.channel()
            assert refused.value.reply_code == 403
            with opened(foreign) as client, pytest.raises(pika.exceptions.ChannelClosedByBroker) as refused:
                next(client._connection.channel().consume(theirs.mqid))
            assert refused.value.reply_code == 403

        await asyncio.to_thread(intrude)


async def test_a_deployment_that_does_not_say_so_refuses_it(run_mqs: RunMqs, wms: Peer) -> None:
    async with run_mqs():
        profile = await profile_in(wms, Plan())

        def knock() -> None:
            with opened(profile) as client, pytest.raises(pika.exceptions.ChannelClosedByBroker) as refused:
                client.send("x")
            assert refused.value.reply_code == 403
            with opened(profile) as client:
                channel = client._connection.channel()
                channel.confirm_delivery()
                with pytest.raises(pika.exceptions.ChannelClosedByBroker) as refused:
                    channel.basic_publish(exchange="", routing_key=profile.mqid, body=b"x")
            assert refused.value.reply_code == 403

        await asyncio.to_thread(knock)


async def test_a_token_that_is_asked_for_after_the_end_publishes_no_more_and_still_takes_what_is_left(
    run_mqs: RunMqs, wms: Peer
) -> None:
    plan = Plan()
    async with run_mqs(legacy_clients=True) as mqs:
        early = await profile_in(wms, plan)
        await asyncio.to_thread(lambda: _send(early, "left"))
        await wms.say(plan.over)
        await eventually(
            lambda: mqs.store.find_one(MQ_PROFILES, {"_id": plan.queue_in}),
            lambda profile: (profile or {}).get("shut_at"),
        )
        answer = await wms.bus.ask(plan.profiles_query)
        assert isinstance(answer, ProfilesAnswer)

        def use(late: MQProfile) -> None:
            with opened(late) as client, pytest.raises(pika.exceptions.ChannelClosedByBroker) as refused:
                client.send("lost")
            assert refused.value.reply_code == 403
            with opened(late) as client:
                assert [*client.receive(timeout_s=5, n=1)] == ["left"]

        await asyncio.to_thread(use, answer.profiles[0])


def _send(profile: MQProfile, *data: str) -> None:
    with opened(profile) as client:
        client.send(*data)


@pytest.mark.parametrize(("served", "wire"), [(False, "ewms"), (True, "legacy")])
async def test_a_pilot_is_told_how_its_outputs_are_to_lie(
    run_mqs: RunMqs, wms: Peer, tms: Peer, served: bool, wire: str
) -> None:
    plan = Plan()
    async with run_mqs(legacy_clients=served):
        await wms.say(plan.requested)
        await wms.next()
        grant = await tms.bus.ask(plan.grant_query())
        assert isinstance(grant, GrantAnswer)
        assert grant.wire == wire
