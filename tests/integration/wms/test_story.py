"""A workflow's story through the gateway, the kernel and the bus, with MQS and TMS played by the test."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import aio_pika
import pytest

from schemas.broker.topology import dead_inbox, tms_service
from schemas.events import (
    QueuesDeferred,
    Snapshot,
    TaskforceCompleted,
    TaskforceRelease,
    TaskforceRemove,
    TaskforceRemoved,
    TaskforceStart,
    TaskforceStatuses,
    TaskforceStop,
    TaskforceSubmitFailed,
    TaskforceSubmitted,
    WorkflowOver,
    WorkflowRequested,
)
from schemas.fleet.objects import MQProfile
from schemas.fleet.pilot_kills import PilotKills
from schemas.questions.queues import DepthsAnswer
from tests.integration.wms.conftest import SCHEDD, World, phases, request


async def test_the_example_of_the_first_documents_runs_word_for_word(world: World) -> None:
    answer = await world.post("/v0/workflows", request())
    assert answer.status_code == 200, answer.text
    made = answer.json()
    assert set(made) == {"workflow", "task_directives", "taskforces"}
    (task,), (taskforce,) = made["task_directives"], made["taskforces"]
    assert task["cluster_locations"] == ["sub-2"]
    assert taskforce["schedd"] == SCHEDD
    assert taskforce["worker_config"]["condor_requirements"] == ""
    assert taskforce["pilot_config"] == {"tag": "1.2.3", "image_source": "cvmfs", "environment": {}, "input_files": []}
    uuid, workflow_id = taskforce["taskforce_uuid"], made["workflow"]["workflow_id"]

    submitted = await world.in_phase(uuid, "condor-submit")
    assert (submitted["cluster_id"], submitted["n_workers"]) == (1, 1000)
    assert submitted["submit_dict"]["+EWMSTaskforceUUID"] == uuid
    (start,) = await world.tms.hear(TaskforceStart)
    assert (start.n_workers, start.task.task_args) == (1000, "cp {{INFILE}} {{OUTFILE}}")
    assert [start.task.input_queues, start.task.output_queues] == [task["input_queues"], task["output_queues"]]
    await world.tms.hear(TaskforceRelease)

    ended = await world.post(f"/v0/workflows/{workflow_id}/actions/finished", {})
    assert ended.json() == {"workflow_id": workflow_id, "n_taskforces": 1}
    complete = await world.in_phase(uuid, "condor-complete")
    assert phases(complete) == [
        "pre-mq-activation",
        "pre-launch",
        "pending-starter",
        "condor-submit",
        "pending-stopper",
        "condor-rm",
        "condor-complete",
    ]
    (over,) = await world.mqs.hear(WorkflowOver)
    assert over.workflow_id == workflow_id
    workflow = (await world.get(f"/v1/workflows/{workflow_id}")).json()
    assert set(workflow) == {"workflow_id", "timestamp", "priority", "deactivated", "deactivated_ts"}
    assert workflow["deactivated"] == "FINISHED"


async def test_each_taskforce_is_started_with_the_trace_of_the_request_that_made_it(world: World) -> None:
    """MQS answers later, without it."""
    first, more = f"00-{'a' * 32}-{'b' * 16}-01", f"00-{'c' * 32}-{'d' * 16}-01"
    made = (await world.post("/v1/workflows", request(), traceparent=first)).json()
    assert "traceparent" not in made["taskforces"][0]
    task_id = made["task_directives"][0]["task_id"]
    path, wish = f"/v1/task-directives/{task_id}/actions/add-workers", {"cluster_location": "osg", "n_workers": 2}
    added = [
        (await world.post(path, wish, **({"traceparent": trace} if trace else {}))).json()
        for trace in (more, "oops", "")
    ]
    starts = {start.taskforce_uuid: start.traceparent for start in await world.tms.hear(TaskforceStart, n=4)}
    assert starts[made["taskforces"][0]["taskforce_uuid"]] == first
    assert [starts[taskforce["taskforce_uuid"]] for taskforce in added] == [more, "", ""]


async def test_public_profiles_are_inactive_until_mqs_has_them_then_they_bear_tokens(world: World) -> None:
    world.mqs.activates = False
    made = await world.submit()
    workflow_id = made["workflow"]["workflow_id"]
    path = f"/v1/mqs/workflows/{workflow_id}/mq-profiles/public"
    before = (await world.get(path)).json()["mqprofiles"]
    assert [(p["alias"], p["is_activated"], p["auth_token"]) for p in before] == [
        ("input-queue", False, None),
        ("output-queue", False, None),
    ]
    assert [p["mqid"] for p in before] == made["task_directives"][0]["input_queues"] + (
        made["task_directives"][0]["output_queues"]
    )
    world.mqs.profiles = [
        MQProfile.model_validate({**p, "is_activated": True, "auth_token": "t", "broker_type": "rabbitmq"})
        for p in before
    ]
    (wanted,) = await world.mqs.hear(WorkflowRequested)
    assert (wanted.owner, wanted.schedds) == ("ada", [SCHEDD])
    await world.mqs.react_to(wanted)
    await world.in_phase(made["taskforces"][0]["taskforce_uuid"], "condor-submit")
    after = (await world.get(path)).json()["mqprofiles"]
    assert [(p["mqid"], p["auth_token"]) for p in after] == [(p["mqid"], "t") for p in before]
    assert (await world.get(path, subject="eve")).json() == {"mqprofiles": []}, "no token for somebody else"
    assert (await world.get("/v1/mqs/workflows/WF-0-0/mq-profiles/public")).json() == {"mqprofiles": []}


async def test_depths_and_signing_keys_are_passed_on(world: World) -> None:
    made = await world.submit()
    workflow_id = made["workflow"]["workflow_id"]
    depths = await world.get(f"/v1/workflows/{workflow_id}/queues")
    (queue,) = depths.json()["queues"]
    told = DepthsAnswer.model_validate({"queues": [queue], "n_dead": depths.json()["n_dead"]})
    assert told == world.mqs.depths
    assert (await world.get(f"/v1/workflows/{workflow_id}/queues", subject="eve")).status_code == 404
    keys = await world.http.get("/mqbroker-issuer/.well-known/jwks.json")
    assert keys.json()["keys"][0]["kid"] == "k1"


async def test_without_mqs_the_gateway_says_that_it_is_away(world: World) -> None:
    made = await world.submit()
    await world.in_phase(made["taskforces"][0]["taskforce_uuid"], "condor-submit")
    await world.mqs.close()
    answer = await world.get(f"/v1/mqs/workflows/{made['workflow']['workflow_id']}/mq-profiles/public")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0


async def test_a_deferral_waits_visibly_and_blocks_nobody(world: World) -> None:
    world.mqs.activates = False
    waiting = await world.submit()
    uuid = waiting["taskforces"][0]["taskforce_uuid"]
    await world.mqs.say(QueuesDeferred(workflow_id=waiting["workflow"]["workflow_id"], reason="the broker is full"))
    seen = await world.until(uuid, lambda t: len(t["phase_change_log"]) == 2)
    assert seen["phase"] == "pre-mq-activation"
    assert (seen["phase_change_log"][1]["was_successful"], seen["phase_change_log"][1]["context"]) == (
        False,
        "the broker is full",
    )
    world.mqs.activates = True
    other = await world.submit()
    await world.in_phase(other["taskforces"][0]["taskforce_uuid"], "condor-submit")


async def test_statuses_come_back_verbatim_and_an_older_one_never_wins(world: World) -> None:
    made = await world.submit()
    uuid = made["taskforces"][0]["taskforce_uuid"]
    await world.in_phase(uuid, "condor-submit")
    statuses = {"HELD: disk > 1.5 GB ($X)": {"null": 2, "$a.b": 1}, "RUNNING": {"Tasking": 40}, "null": {"": 1}}
    errors = {"OSError: a.b.c": 3, "$where": 1, **{f"E{n}": 0 for n in range(20)}}

    def snapshot(epoch: int, seq: int, compound: dict[str, dict[str, int]]) -> TaskforceStatuses:
        return TaskforceStatuses(
            schedd=SCHEDD,
            snapshots=[
                Snapshot(
                    taskforce_uuid=uuid,
                    epoch=epoch,
                    seq=seq,
                    as_of=datetime.now(UTC),
                    compound_statuses=compound,
                    top_task_errors=errors,
                    exit_codes={"0": 7, "-9": 1},
                    kills=[PilotKills(signal="SIGKILL", n_kills=2, last_at=datetime(2026, 11, 29, 12, 3, tzinfo=UTC))],
                )
            ],
        )

    await world.tms.say(snapshot(2, 5, statuses))
    seen = await world.until(uuid, lambda t: bool(t["compound_statuses"]))
    assert seen["compound_statuses"] == statuses
    health = (await world.get(f"/v1/taskforces/{uuid}?include=health")).json()["health"]
    assert (health["exit_codes"], health["stale"]) == ({"0": 7, "-9": 1}, False)
    assert health["kills"] == [{"signal": "SIGKILL", "n_kills": 2, "last_at": "2026-11-29T12:03:00Z", "latest": []}]
    assert len(seen["top_task_errors"]) == 10
    assert (seen["top_task_errors"]["OSError: a.b.c"], seen["top_task_errors"]["$where"]) == (3, 1)
    for epoch, seq in ((2, 4), (1, 99)):
        await world.tms.say(snapshot(epoch, seq, {"OLD": {"x": 1}}))
    await world.tms.say(snapshot(3, 0, {"NEW": {"x": 1}}))
    assert (await world.until(uuid, lambda t: t["compound_statuses"] != statuses))["compound_statuses"] == {
        "NEW": {"x": 1}
    }
    found = await world.post("/v1/query/taskforces", {"query": {"compound_statuses.NEW.x": 1}, "projection": ["phase"]})
    assert found.json() == {"taskforces": [{"phase": "condor-submit"}], "next_after": None}


async def test_a_snapshot_from_another_schedd_is_not_written(world: World) -> None:
    made = await world.submit()
    uuid = made["taskforces"][0]["taskforce_uuid"]
    await world.in_phase(uuid, "condor-submit")

    def of(schedd: str, name: str, seq: int) -> TaskforceStatuses:
        snapshot = Snapshot(
            taskforce_uuid=uuid,
            epoch=1,
            seq=seq,
            as_of=datetime.now(UTC),
            compound_statuses={name: {"x": 1}},
            top_task_errors={},
        )
        return TaskforceStatuses(schedd=schedd, snapshots=[snapshot])

    await world.tms.say(of("evil@schedd", "FORGED", 5))
    # The second second's write comes after the first's.
    await asyncio.sleep(1.2)
    await world.tms.say(of(SCHEDD, "TRUE", 1))
    seen = await world.until(uuid, lambda t: bool(t["compound_statuses"]))
    assert seen["compound_statuses"] == {"TRUE": {"x": 1}}


async def test_nobody_speaks_for_a_tms_but_itself(world: World) -> None:
    made = await world.submit()
    uuid = made["taskforces"][0]["taskforce_uuid"]
    submitted = await world.in_phase(uuid, "condor-submit")
    cluster_id = submitted["cluster_id"]
    await world.mqs.say(TaskforceRemoved(taskforce_uuid=uuid, cluster_id=cluster_id))
    await world.mqs.say(TaskforceCompleted(taskforce_uuid=uuid, cluster_id=cluster_id, completed_at=datetime.now(UTC)))
    # Nor does it speak for another, under the name of a taskforce of its own.
    await world.tms.say(
        TaskforceSubmitted(
            taskforce_uuid=uuid,
            schedd="other@schedd",
            cluster_id=99,
            n_workers=1,
            submit_dict={},
            job_event_log_fpath="",
        )
    )
    # The other way round: a TMS says what is MQS's to say.
    workflow_id = made["workflow"]["workflow_id"]
    await world.tms.say(QueuesDeferred(workflow_id=workflow_id, reason="because a TMS says so"))
    await world.post(f"/v1/workflows/{workflow_id}/actions/abort", {})
    complete = await world.in_phase(uuid, "condor-complete")
    assert phases(complete)[-4:] == ["condor-submit", "pending-stopper", "condor-rm", "condor-complete"]
    async with await aio_pika.connect(world.settings.control_amqp_url.get_secret_value()) as connection:
        channel = await connection.channel()
        dead = await channel.get_queue(dead_inbox("wms"), ensure=False)
        reasons = set()
        async with asyncio.timeout(60):
            while len(reasons) < 3:
                message = await dead.get(fail=False, no_ack=True)
                if message is not None:
                    assert message.headers["x-ewms-sender"] in ("mqs", tms_service(SCHEDD))
                    reasons.add(message.headers["x-ewms-dead-error"])
    assert reasons == {
        f"mqs may not report on taskforces at {SCHEDD}",
        f"{tms_service(SCHEDD)} may not report this: only mqs may",
        f"{tms_service(SCHEDD)} may not report on taskforces at other@schedd",
    }


async def test_every_event_may_come_twice(world: World) -> None:
    world.tms.reacts = False
    made = await world.submit()
    uuid = made["taskforces"][0]["taskforce_uuid"]
    (start,) = await world.tms.hear(TaskforceStart)
    failed = TaskforceSubmitFailed(taskforce_uuid=uuid, error="no room")
    event_id = await world.tms.say(failed)
    await world.tms.say(failed, event_id=event_id)
    report = TaskforceSubmitted(
        taskforce_uuid=uuid, schedd=SCHEDD, cluster_id=9, n_workers=1, submit_dict={}, job_event_log_fpath="/j"
    )
    event_id = await world.tms.say(report)
    await world.tms.say(report, event_id=event_id)
    await world.in_phase(uuid, "condor-submit")
    await world.tms.say(report)
    await world.tms.hear(TaskforceRelease, n=2)
    seen = await world.taskforce(uuid)
    assert [(line["target_phase"], line["was_successful"]) for line in seen["phase_change_log"][3:]] == [
        ("condor-submit", False),
        ("condor-submit", True),
    ]
    assert start.taskforce_uuid == uuid
    assert len([p for p in world.tms.heard if isinstance(p, TaskforceRelease)]) == 2, "the repeated id is no third"


async def test_a_cluster_that_crosses_the_abort_is_removed_and_the_workflow_ends(world: World) -> None:
    world.tms.reacts = False
    made = await world.submit()
    uuid, workflow_id = made["taskforces"][0]["taskforce_uuid"], made["workflow"]["workflow_id"]
    (start,) = await world.tms.hear(TaskforceStart)
    assert (await world.post(f"/v1/workflows/{workflow_id}/actions/abort")).json()["n_taskforces"] == 1
    (stop,) = await world.tms.hear(TaskforceStop)
    assert stop.cluster_id is None
    cluster_id = await world.tms.submit(start)
    (remove,) = await world.tms.hear(TaskforceRemove)
    assert remove.cluster_id == cluster_id
    await world.tms.say(TaskforceRemoved(taskforce_uuid=uuid, cluster_id=cluster_id))
    await world.mqs.hear(WorkflowOver)
    seen = await world.taskforce(uuid)
    assert (seen["phase"], seen["cluster_id"]) == ("pending-stopper", None)


async def test_reports_of_documents_that_are_gone_are_dropped_but_their_clusters_removed(world: World) -> None:
    made = await world.submit()
    uuid = made["taskforces"][0]["taskforce_uuid"]
    await world.in_phase(uuid, "condor-submit")
    world.tms.reacts = False
    unknown = "TF-6b00e09f-926a610b-485d2fc0-00000000"
    await world.tms.say(TaskforceRemoved(taskforce_uuid=unknown, cluster_id=5))
    await world.tms.say(
        TaskforceSubmitted(
            taskforce_uuid=unknown, schedd=SCHEDD, cluster_id=5, n_workers=1, submit_dict={}, job_event_log_fpath=""
        )
    )
    (remove,) = await world.tms.hear(TaskforceRemove)
    assert (remove.taskforce_uuid, remove.cluster_id) == (unknown, 5)


async def test_higher_priority_is_started_first_where_starts_wait(world: World) -> None:
    world.tms.reacts = False
    filling = await world.submit(tasks=[{**request()["tasks"][0], "task_args": str(n)} for n in range(4)])
    starts = await world.tms.hear(TaskforceStart, n=4)
    low = await world.submit(priority=10)
    high = await world.submit(priority=90)
    await world.in_phase(high["taskforces"][0]["taskforce_uuid"], "pre-launch")
    await world.in_phase(low["taskforces"][0]["taskforce_uuid"], "pre-launch")
    assert len(starts) == len(filling["taskforces"]) == 4
    await world.tms.submit(starts[0])
    *_, fifth = await world.tms.hear(TaskforceStart, n=5)
    assert fifth.taskforce_uuid == high["taskforces"][0]["taskforce_uuid"]
    await world.tms.submit(starts[1])
    *_, sixth = await world.tms.hear(TaskforceStart, n=6)
    assert sixth.taskforce_uuid == low["taskforces"][0]["taskforce_uuid"]


async def test_a_schedd_without_tms_blocks_nobody_elses_start(world: World) -> None:
    elsewhere: dict[str, Any] = {**request()["tasks"][0], "cluster_locations": ["chicago"]}
    await world.submit(tasks=[{**elsewhere, "task_args": str(n)} for n in range(6)], priority=100)
    made = await world.submit(priority=1)
    await world.in_phase(made["taskforces"][0]["taskforce_uuid"], "condor-submit")


async def test_added_workers_enter_at_the_first_phase_and_run(world: World) -> None:
    made = await world.submit()
    await world.in_phase(made["taskforces"][0]["taskforce_uuid"], "condor-submit")
    task_id = made["task_directives"][0]["task_id"]
    answer = await world.post(
        f"/v1/task-directives/{task_id}/actions/add-workers", {"cluster_location": "osg", "n_workers": 5}
    )
    added = answer.json()
    assert set(added) == set(made["taskforces"][0])
    assert (added["phase"], added["priority"], added["n_workers"]) == ("pre-mq-activation", 150, 5)
    assert phases(added) == ["pre-mq-activation"]
    seen = await world.in_phase(added["taskforce_uuid"], "condor-submit")
    assert seen["phase_change_log"][1]["context"] == ("Auto-advanced because workflow has already been mq-activated.")


@pytest.mark.parametrize("n_at_once", [8])
async def test_of_many_aborts_at_once_exactly_one_takes_effect(world: World, n_at_once: int) -> None:
    made = await world.submit()
    path = f"/v1/workflows/{made['workflow']['workflow_id']}/actions/"
    answers = await asyncio.gather(*(world.post(path + ("abort" if n % 2 else "finished")) for n in range(n_at_once)))
    assert sorted(answer.status_code for answer in answers) == [200] + [404] * (n_at_once - 1)
    await world.mqs.hear(WorkflowOver)
    await world.until(made["taskforces"][0]["taskforce_uuid"], lambda t: t["phase"] != "condor-rm")
    seen = await world.taskforce(made["taskforces"][0]["taskforce_uuid"])
    assert phases(seen).count("pending-stopper") == 1
    assert len([p for p in world.mqs.heard if isinstance(p, WorkflowOver)]) == 1


async def test_what_was_left_undone_is_taken_up_by_the_next_process(world: World) -> None:
    """A WMS that dies after the commit: the relay, the launcher and the timers of the next one go on."""
    from wms.app import run_wms

    world.mqs.activates = False
    made = await world.submit()
    uuid = made["taskforces"][0]["taskforce_uuid"]
    async with run_wms(world.settings):
        (wanted,) = await world.mqs.hear(WorkflowRequested)
        await world.mqs.react_to(wanted)
        await world.in_phase(uuid, "condor-submit")
    starts = [p for p in world.tms.heard if isinstance(p, TaskforceStart)]
    assert len(starts) == 1, "two replicas start it once"
