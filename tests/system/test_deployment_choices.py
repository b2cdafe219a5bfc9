"""What a deployment may choose, on the whole system: existing message clients, and a small budget of queues."""

import json
from itertools import pairwise
from typing import Any

from ewms import Client, Workflow
from ewms.client import Run
from schemas.fleet.objects import MQProfile
from schemas.fleet.phases import Phase
from tests.oldclient import OldClient
from tests.system.conftest import one_task, shell_task
from tests.waiting import wait_until


def old_client(run: Run, alias: str) -> OldClient:
    """Return an existing message client, opened with what the queue's profile says."""
    profile: MQProfile = wait_until(run.queue(alias).profile, lambda profile: profile.is_activated)
    return OldClient(profile.broker_address or "", profile.auth_token or "", profile.mqid)


def over(run: Run) -> None:
    run.finish()
    run.wait("over", timeout="60s").raise_for_failures()


def test_an_existing_client_feeds_pilots_and_gets_their_results(ews: Client) -> None:
    upper = shell_task("tr a-z A-Z < $1 > $2", inputs=["in"], outputs=["mid"], n_workers=1)
    twice = shell_task("cat $1 $1 > $2", inputs=["mid"], outputs=["out"], n_workers=1)
    run = ews.submit(Workflow(public=["in", "out"], tasks=[upper, twice]))
    words = [f"word {number}\n" for number in range(10)]
    with old_client(run, "in") as client:
        client.send(*words)
    with old_client(run, "out") as client:
        results = [*client.receive(timeout_s=60, n=len(words))]
    assert sorted(results) == sorted(word.upper() * 2 for word in words)
    over(run)


def test_existing_clients_and_ours_understand_each_other(ews: Client) -> None:
    as_json = {"EWMS_PILOT_INFILE_EXT": ".json", "EWMS_PILOT_OUTFILE_EXT": ".json"}
    run = ews.submit(one_task("cp $1 $2", n_workers=1, **as_json))
    events: list[Any] = [{"n": number} for number in range(6)]
    with run.queue("in").publisher() as publisher:
        for event in events[:3]:
            publisher.send(event)
    with old_client(run, "in") as client:
        client.send(*events[3:])
    with run.queue("out").results(n=3, idle_timeout=60) as results:
        got = [event.body for event in results]
    with old_client(run, "out") as client:
        got += client.receive(timeout_s=60, n=3)
    assert sorted(map(json.dumps, got)) == sorted(map(json.dumps, events))
    over(run)


def test_a_workflow_waits_for_queues_while_a_smaller_one_goes_on_and_is_served_when_another_is_over(
    ews: Client,
) -> None:
    def chain(n_queues: int) -> Workflow:
        names = [f"q{number}" for number in range(n_queues)]
        tasks = [shell_task("cp $1 $2", inputs=[a], outputs=[b], n_workers=1) for a, b in pairwise(names)]
        return Workflow(public=[names[0]], tasks=tasks)

    first = ews.submit(chain(3))  # 4 queues with the dead letters, of 8
    first.wait("active", timeout="30s")
    second = ews.submit(chain(4))  # 5: too many by now
    third = ews.submit(chain(2))  # 3: fits
    third.wait(Phase.CONDOR_SUBMIT, timeout="30s")
    waiting = second.show()
    assert {taskforce.phase for taskforce in waiting.taskforces} == {Phase.PRE_MQ_ACTIVATION}
    log = waiting.taskforces[0].phase_change_log
    assert (log[-1].target_phase, log[-1].was_successful) == (Phase.PRE_LAUNCH, False)
    assert "more than the broker's budget has left" in log[-1].context
    assert second.queue("q0").profile().is_activated is False

    first.abort()
    second.wait(Phase.CONDOR_SUBMIT, timeout="60s")
    for run in (second, third):
        run.abort()
        run.wait("over", timeout="60s")
