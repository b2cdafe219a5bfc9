"""A process that is killed in the middle of a run loses no event, and starts no second cluster."""

import os
import signal
import threading
from collections import Counter

import htcondor2
import pytest

from deploy.local.servers.condor import use_config
from deploy.local.system.stack import Stack
from ewms import Client
from ewms.client import Run
from schemas.fleet.phases import Phase
from tests.system.conftest import one_task
from tests.system.pilots import find_pilots
from tests.waiting import wait_until

N_EVENTS = 240
#: Long enough that the run is still going on when the last process is killed.
SCRIPT = "sleep 0.1; cp $1 $2"


class _Received:
    """What came back, collected in a thread of its own, by the number that each event holds."""

    def __init__(self, run: Run, n_expected: int) -> None:
        self.counts: Counter[int] = Counter()
        self.failure: BaseException | None = None
        self._run = run
        self._n_expected = n_expected
        self._thread = threading.Thread(target=self._collect, daemon=True)
        self._thread.start()

    def _collect(self) -> None:
        try:
            for event in self._run.queue("out").results(n=self._n_expected, idle_timeout=120, prefetch=20):
                self.counts[int(str(event.body))] += 1
        except BaseException as error:
            self.failure = error
            raise

    def reached(self, n: int) -> None:
        """Return once `n` different events are here."""
        wait_until(lambda: len(self.counts) >= n or self.failure is not None, within_s=120, show=lambda: self.counts)
        assert self.failure is None, self.failure

    def join(self) -> None:
        self._thread.join(150)
        assert self.failure is None, self.failure
        assert not self._thread.is_alive()


def _clusters(stack: Stack, taskforce_uuid: str) -> set[int]:
    """Return every cluster that the schedd has, or had, for a taskforce."""
    assert stack.services.condor is not None
    use_config(stack.services.condor.config)
    schedd = htcondor2.Schedd(htcondor2.Collector().locateAll(htcondor2.DaemonType.Schedd)[0])
    mine = f'EWMSTaskforceUUID == "{taskforce_uuid}"'
    ads = [
        *schedd.query(mine, ["ClusterId"], opts=htcondor2.QueryOpts.IncludeClusterAd),
        *schedd.history(mine, ["ClusterId"], 1000),
    ]
    return {int(ad["ClusterId"]) for ad in ads}


def _send(run: Run) -> None:
    with run.queue("in").publisher() as publisher:
        for number in range(N_EVENTS):
            publisher.send(str(number))


def _ended_well(run: Run, received: _Received, stack: Stack) -> None:
    received.join()
    assert set(received.counts) == set(range(N_EVENTS))
    assert run.depths().n_dead == 0
    run.finish()
    outcome = run.wait("over", timeout="90s")
    for taskforce in outcome.state.taskforces:
        assert taskforce.phase == Phase.CONDOR_COMPLETE
        assert _clusters(stack, taskforce.taskforce_uuid) == {taskforce.cluster_id}


@pytest.mark.usefixtures("mended")
def test_killing_each_process_once_in_the_middle_of_a_run_loses_nothing(client: Client, stack: Stack) -> None:
    run = client.submit(one_task(SCRIPT))
    received = _Received(run, N_EVENTS)
    _send(run)

    received.reached(20)
    for n_later, victim in enumerate(("wms", "mqs", "tms"), start=2):
        stack.kill(victim, signal.SIGKILL)
        received.reached(20 * n_later)
        stack.start(victim)
    pilots = find_pilots(run.show().taskforces[0].taskforce_uuid)
    assert pilots, "no pilot was found to be killed"
    os.kill(pilots[0], signal.SIGKILL)

    _ended_well(run, received, stack)


@pytest.mark.parametrize("victim", ["wms", "mqs", "tms"])
@pytest.mark.usefixtures("mended")
def test_a_process_killed_while_workflows_come_in_starts_each_of_them_exactly_once(
    client: Client, stack: Stack, victim: str
) -> None:
    runs = [client.submit(one_task("cp $1 $2", n_workers=1)) for _ in range(3)]
    stack.kill(victim, signal.SIGKILL)
    if victim != "wms":
        runs.append(client.submit(one_task("cp $1 $2", n_workers=1)))
    stack.start(victim)

    for run in runs:
        run.wait(Phase.CONDOR_SUBMIT, timeout="60s")
        with run.queue("in").publisher() as publisher:
            publisher.send("hello")
        assert [event.body for event in run.queue("out").results(n=1, idle_timeout=60)] == ["hello"]
        taskforce = run.show().taskforces[0]
        assert _clusters(stack, taskforce.taskforce_uuid) == {taskforce.cluster_id}
        run.finish()
    for run in runs:
        run.wait("over", timeout="60s")


@pytest.mark.usefixtures("mended")
def test_a_restart_of_the_broker_in_the_middle_of_a_run_loses_nothing(client: Client, stack: Stack) -> None:
    run = client.submit(one_task(SCRIPT))
    received = _Received(run, N_EVENTS)
    _send(run)
    received.reached(30)

    stack.restart_broker()

    _ended_well(run, received, stack)
    another = client.submit(one_task("cp $1 $2", n_workers=1))
    with another.queue("in").publisher() as publisher:
        publisher.send("after")
    assert [event.body for event in another.queue("out").results(n=1, idle_timeout=60)] == ["after"]
    another.abort()
    another.wait("over", timeout="60s")


@pytest.mark.usefixtures("mended")
def test_a_pilot_told_to_end_gives_back_what_it_has_not_begun(client: Client, stack: Stack) -> None:
    run = client.submit(one_task("sleep 0.3; cp $1 $2", n_workers=2))
    received = _Received(run, 40)
    with run.queue("in").publisher() as publisher:
        for number in range(40):
            publisher.send(str(number))
    received.reached(4)
    pilots = find_pilots(run.show().taskforces[0].taskforce_uuid)
    os.kill(pilots[0], signal.SIGTERM)
    received.join()
    assert sum(received.counts.values()) == 40
    run.finish()
    run.wait("over", timeout="60s")


def test_when_all_pilots_are_killed_others_take_their_place(client: Client) -> None:
    run = client.submit(one_task("sleep 0.2; cp $1 $2", n_workers=2))
    received = _Received(run, 40)
    with run.queue("in").publisher() as publisher:
        for number in range(40):
            publisher.send(str(number))
    received.reached(10)
    for pid in find_pilots(run.show().taskforces[0].taskforce_uuid):
        os.kill(pid, signal.SIGKILL)

    received.join()

    assert set(received.counts) == set(range(40))
    assert run.depths().n_dead == 0
    run.finish()
    run.wait("over", timeout="60s")
