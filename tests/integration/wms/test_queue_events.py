"""Events over REST: published onto a real queue, seen in one, downloaded, and refused where a token would be."""

import json

import pytest

from deploy.local.servers.rabbitmq import RabbitMQ
from runtime.amqp import Connection
from schemas.fleet.objects import MQProfile
from schemas.ids import Alias, Mqid, WorkflowId
from tests.integration.runtime.conftest import PlainDataVhost
from tests.integration.wms.conftest import World


@pytest.fixture
def data(rabbitmq: RabbitMQ, data_vhost: str) -> PlainDataVhost:
    return PlainDataVhost(rabbitmq, data_vhost)


async def test_lines_become_events_once_are_seen_and_downloaded_and_stay_in_their_queue(
    world: World, data: PlainDataVhost
) -> None:
    made = await world.submit()
    workflow_id, task = made["workflow"]["workflow_id"], made["task_directives"][0]
    await world.in_phase(made["taskforces"][0]["taskforce_uuid"], "condor-submit")
    inlet, outlet = task["input_queues"][0], task["output_queues"][0]
    of_queue = f"/v1/workflows/{workflow_id}/queues/"

    def profile(mqid: str, alias: str, token: str) -> MQProfile:
        return MQProfile(
            mqid=Mqid(mqid), workflow_id=WorkflowId(workflow_id), timestamp=1.5, alias=Alias(alias), is_public=True,
            is_activated=True, auth_token=token, broker_type="rabbitmq", broker_address=data.address,
        )  # fmt: skip

    for mqid in (inlet, outlet):
        await data.add_queue(mqid)
    listed = (await world.get(f"/v1/mqs/workflows/{workflow_id}/mq-profiles/public")).json()["mqprofiles"]
    aliases = [one["alias"] for one in listed]
    world.mqs.profiles = [
        profile(inlet, aliases[0], data.token(write=inlet)),
        profile(outlet, aliases[1], data.token(read=outlet)),
    ]

    # Published: all lines or none, and a repeated request publishes nothing.
    bad = await world.post(f"{of_queue}{inlet}/events", {"lines": '{"id": 1}\nx'})
    assert bad.status_code == 400
    assert "line 2: not JSON" in bad.json()["error"]
    answers = [
        await world.post(
            f"{of_queue}{inlet}/events", {"lines": '{"id": 1}\n"two"', "key": None}, **{"Idempotency-Key": "k1"}
        )
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [200, 200], answers[0].text
    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["n_published"] == len(answers[0].json()["event_ids"]) == 2
    assert await data.n_ready(inlet) == 2
    other = await world.post(f"{of_queue}{inlet}/events", {"lines": "1"}, **{"Idempotency-Key": "k1"})
    assert other.status_code == 409

    # Seen and downloaded, as often as anybody likes. The test publishes for the task.
    connection = await Connection.connect(data.url)
    for number in range(3):
        body = json.dumps({"n": number}).encode()
        await connection.publish(f"x.{outlet}", outlet, body, message_id=f"e{number}", content_type="application/json")
    await connection.close()
    for _ in range(2):
        seen = await world.get(f"{of_queue}{outlet}/events?limit=2")
        assert seen.status_code == 200, seen.text
        assert len(seen.json()["events"]) == 2
        lines = await world.get(f"{of_queue}{outlet}/events/lines")
        assert sorted(json.loads(line)["n"] for line in lines.text.splitlines()) == [0, 1, 2]
    assert lines.headers["content-type"].startswith("application/jsonl")
    assert "attachment" in lines.headers["content-disposition"]
    whole = await world.get(f"{of_queue}{outlet}/events/lines?limit=1&whole=1")
    assert json.loads(whole.text)["id"] in {"e0", "e1", "e2"}
    assert whole.headers["x-ewms-hint"].startswith("the first 1 events")

    # Refused as a token would be: by direction, to strangers, to auditors, and after the end.
    assert (await world.get(f"{of_queue}{inlet}/events")).status_code == 422
    assert (await world.post(f"{of_queue}{outlet}/events", {"lines": "1"})).status_code == 422
    assert (await world.get(f"{of_queue}{outlet}/events", subject="eve")).status_code == 404
    auditor = world.as_user("sam", groups=[], ewms_role="auditor")
    assert (await world.http.get(f"{of_queue}{outlet}/events", headers=auditor)).status_code == 403
    assert (await world.get(f"{of_queue}nothing/events")).status_code == 404
    assert (await world.get(f"{of_queue}{outlet}/events?limit=0")).status_code == 400
    await world.post(f"/v1/workflows/{workflow_id}/actions/finished")
    refused = await world.post(f"{of_queue}{inlet}/events", {"lines": "1"})
    assert (refused.status_code, "takes no more events" in refused.json()["error"]) == (422, True)
