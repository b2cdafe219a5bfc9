"""Another WMS's queues: named when it reserves, created when it activates; and the profiles of a task for a TMS."""

import asyncio

import aio_pika
import jwt
import pytest
from aiormq.exceptions import ChannelNotFoundEntity

from mqs.app import Mqs
from mqs.groups.repository import load_ledger
from schemas.broker.topology import event_exchange, oauth_scope
from schemas.errors import Forbidden, NotFound, Unavailable
from schemas.fleet.queue_documents import MQ_GROUPS, MQ_PROFILES, GroupState
from schemas.ids import Alias, Mqid, WorkflowId
from schemas.questions.queues import (
    ActivateQuery,
    GroupAnswer,
    GroupQuery,
    ProfileQuery,
    ProfilesAnswer,
    ProfilesQuery,
    ReserveQuery,
    TaskProfilesQuery,
)
from tests.integration.mqs.conftest import Peer, Plan, RunMqs, logged_in
from tests.waiting import eventually

#: The site whose WMS asks.
SITE = "wms-a"
FOREIGN = WorkflowId("their-workflow_1")
RESERVE = ReserveQuery(site=SITE, workflow_id=FOREIGN, queue_aliases=[Alias("b"), Alias("a")], public=[Alias("a")])


async def group(peer: Peer, query: ReserveQuery | ActivateQuery | GroupQuery) -> GroupAnswer:
    answer = await peer.bus.ask(query, timeout_s=15)
    assert isinstance(answer, GroupAnswer)
    return answer


async def profiles(peer: Peer, query: ProfilesQuery | ProfileQuery | TaskProfilesQuery) -> ProfilesAnswer:
    answer = await peer.bus.ask(query)
    assert isinstance(answer, ProfilesAnswer)
    return answer


async def test_reserved_queues_are_named_once_and_created_when_asked_for(run_mqs: RunMqs, wms: Peer) -> None:
    async with run_mqs() as mqs:
        made = await group(wms, RESERVE)
        assert [(p.alias, p.is_public, p.is_activated, p.auth_token) for p in made.profiles] == [
            ("b", False, False, None),
            ("a", True, False, None),
        ]
        assert {p.timestamp for p in made.profiles} == {made.group.timestamp}
        assert made.group.criteria is None
        again = RESERVE.model_copy(update={"queue_aliases": [Alias("z")]})
        assert await group(wms, again) == made, "a repetition returns the stored group"
        # What is only reserved is not activated by itself, whatever becomes free.
        await mqs.groups.reconsider_waiting()
        assert await group(wms, GroupQuery(site=SITE, workflow_id=FOREIGN)) == made

        active = await group(wms, ActivateQuery(site=SITE, workflow_id=FOREIGN, priority=7))
        assert active.group.criteria == {"priority": 7}
        assert [p.mqid for p in active.profiles] == [p.mqid for p in made.profiles]
        assert all(p.is_activated and p.auth_token and p.broker_address for p in active.profiles)
        for profile in active.profiles:
            claims = jwt.decode(str(profile.auth_token), options={"verify_signature": False})
            assert set(claims["scope"].split()) == {
                oauth_scope("read", profile.mqid),
                oauth_scope("write", event_exchange(profile.mqid)),
            }
            assert profile.broker_address
            async with logged_in(profile.broker_address, str(profile.auth_token)) as connection:
                assert not connection.is_closed
        repeated = await group(wms, ActivateQuery(site=SITE, workflow_id=FOREIGN, priority=7))
        assert [p.auth_token for p in repeated.profiles] != [p.auth_token for p in active.profiles], "minted anew"
        (one,) = (await profiles(wms, ProfileQuery(site=SITE, mqid=active.profiles[0].mqid))).profiles
        assert (one.alias, one.is_activated, bool(one.auth_token)) == ("b", True, True)
        (public,) = (await profiles(wms, ProfilesQuery(workflow_id=FOREIGN, subject="eve", unowned=True))).profiles
        assert (public.alias, bool(public.auth_token)) == ("a", True)


async def test_unknown_groups_and_profiles_are_named_as_the_contract_has_it(run_mqs: RunMqs, wms: Peer) -> None:
    async with run_mqs():
        for query, error in (
            (ActivateQuery(site=SITE, workflow_id=FOREIGN, priority=None), "No MQProfiles found for workflow id"),
            (GroupQuery(site=SITE, workflow_id=FOREIGN), "MQGroup not found"),
            (ProfileQuery(site=SITE, mqid=Mqid("a" + "0" * 20)), "MQProfile not found"),
        ):
            with pytest.raises(NotFound, match=error):
                await wms.bus.ask(query)


async def test_a_site_reaches_no_group_of_another_site_nor_of_our_own_users(run_mqs: RunMqs, wms: Peer) -> None:
    plan = Plan()
    async with run_mqs() as mqs:
        await wms.say(plan.requested)
        await wms.next()
        theirs = await group(wms, RESERVE)
        await group(wms, ActivateQuery(site=SITE, workflow_id=FOREIGN, priority=7))
        before = [await mqs.store.find(name, {}) for name in (MQ_GROUPS, MQ_PROFILES)]
        for workflow_id, mqid in ((FOREIGN, theirs.profiles[0].mqid), (plan.workflow_id, plan.queue_in)):
            # "": a gateway from before sites were told apart.
            for site in ("wms-b", "", *([SITE] if workflow_id == plan.workflow_id else [])):
                for query, error in (
                    (RESERVE.model_copy(update={"site": site, "workflow_id": workflow_id}), "MQGroup not found"),
                    (ActivateQuery(site=site, workflow_id=workflow_id, priority=9), "No MQProfiles found"),
                    (GroupQuery(site=site, workflow_id=workflow_id), "MQGroup not found"),
                    (ProfileQuery(site=site, mqid=mqid), "MQProfile not found"),
                ):
                    with pytest.raises(NotFound, match=error):
                        await wms.bus.ask(query)
        assert [await mqs.store.find(name, {}) for name in (MQ_GROUPS, MQ_PROFILES)] == before


async def test_an_activation_that_must_wait_says_so_and_goes_on_later(run_mqs: RunMqs, wms: Peer) -> None:
    async with run_mqs(budget_queues=1):
        await group(wms, RESERVE)
        with pytest.raises(Unavailable):
            await wms.bus.ask(ActivateQuery(site=SITE, workflow_id=FOREIGN, priority=7), timeout_s=15)
    async with run_mqs():
        assert (await group(wms, ActivateQuery(site=SITE, workflow_id=FOREIGN, priority=7))).group.criteria == {
            "priority": 7
        }


async def test_a_tasks_profiles_bear_one_pilots_token_and_only_the_gateway_gets_them(
    run_mqs: RunMqs, wms: Peer, tms: Peer
) -> None:
    plan = Plan()
    query = TaskProfilesQuery(
        workflow_id=plan.workflow_id, taskforce_uuid=plan.taskforce, inputs=[plan.queue_in], outputs=[plan.queue_out]
    )
    async with run_mqs():
        await wms.say(plan.requested)
        await wms.next()
        found = (await profiles(wms, query)).profiles
        assert [p.mqid for p in found] == [plan.queue_in, plan.queue_out]
        assert len({p.auth_token for p in found}) == 1
        claims = jwt.decode(str(found[0].auth_token), options={"verify_signature": False})
        assert oauth_scope("read", plan.queue_in) in claims["scope"].split()
        assert claims["exp"] - claims["iat"] == 86_400, "an existing TMS cannot renew it"
        assert oauth_scope("read", plan.queue_out) not in claims["scope"].split()
        assert (await profiles(wms, ProfilesQuery(workflow_id=plan.workflow_id, subject="eve", unowned=True))) == (
            ProfilesAnswer(profiles=[])
        ), "it has an owner, whom the gateway would have checked"
        for asked in (
            query,
            RESERVE,
            ActivateQuery(site=SITE, workflow_id=FOREIGN, priority=1),
            GroupQuery(site=SITE, workflow_id=FOREIGN),
        ):
            with pytest.raises(Forbidden):
                await tms.bus.ask(asked)


async def test_abandoned_queues_go_by_themselves_and_used_ones_stay(
    run_mqs: RunMqs, wms: Peer, as_mqs: aio_pika.abc.AbstractConnection
) -> None:
    quick = {"retire_look_s": 0.1, "retire_unused_s": 0.1, "remind_s": 0.1, "retire_retention_s": 0.5}
    life = {"EWMS_USER_TOKEN_LIFE_S": 2.0}
    async with run_mqs(**quick, **life) as mqs:
        await group(wms, RESERVE)
        async with as_mqs.channel() as channel:
            active = await group(wms, ActivateQuery(site=SITE, workflow_id=FOREIGN, priority=7))
            mqid = active.profiles[0].mqid
            exchange = await channel.get_exchange(event_exchange(mqid), ensure=False)
            await exchange.publish(aio_pika.Message(b"wanted", delivery_mode=2), mqid)
            # Longer than after which it would be abandoned: nothing may happen, and that has no event.
            await asyncio.sleep(2.5)
            assert (await _state(mqs, FOREIGN)) == GroupState.ACTIVE
            queue = await channel.get_queue(mqid)
            event = await queue.get()
            assert event is not None
            await event.ack()
        await eventually(lambda: _state(mqs, FOREIGN), lambda state: state == GroupState.RETIRED)
        async with as_mqs.channel() as channel:
            with pytest.raises(ChannelNotFoundEntity):
                await channel.declare_queue(mqid, passive=True)
        book = await load_ledger(mqs.store)
        assert book is not None
        assert book.n_queues == 0
        with pytest.raises(NotFound, match="No MQProfiles found"):
            await wms.bus.ask(ActivateQuery(site=SITE, workflow_id=FOREIGN, priority=7), timeout_s=15)
        again = await group(wms, RESERVE)
        assert [p.mqid for p in again.profiles] == [p.mqid for p in active.profiles]
        assert (await group(wms, ActivateQuery(site=SITE, workflow_id=FOREIGN, priority=7))).profiles[0].auth_token


async def _state(mqs: Mqs, workflow_id: WorkflowId) -> str:
    found = await mqs.store.find_one(MQ_GROUPS, {"_id": workflow_id})
    assert found is not None
    return str(found["state"])
