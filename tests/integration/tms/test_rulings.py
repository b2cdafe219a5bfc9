"""What workers have found out holds for their whole taskforce, in HTCondor and in the local pool alike."""

import platform
import time
from dataclasses import replace
from pathlib import Path

import htcondor2

from tests.integration.tms.conftest import Taskforce
from tests.integration.tms.test_restarts import PAUSED, count_starts, running, start
from tests.waiting import eventually
from tms.jobs.trials import Ruling
from tms.pools.condor import CondorPool
from tms.pools.interface import Pool

CHARGED = Ruling(charges_events=True, avoids=False)

#: A stand-in for a pilot: leaves word of what it finds in its job, and stays.
LOOKS = """
if [ "$_EWMS_LOCAL_CHARGES" ] || grep -iq '^EWMSChargesEvents *= *true' "$_CONDOR_JOB_AD" 2>/dev/null
then touch $1/charged; else touch $1/plain; fi
exec sleep 600
"""


async def test_workers_start_again_when_failures_begin_to_count(pool: Pool, taskforce: Taskforce) -> None:
    place = taskforce.files.directory.parent / "place"
    await start(pool, running(taskforce, LOOKS))
    await eventually((place / "plain").exists)
    assert not await pool.charges_events(taskforce.uuid)

    await pool.apply_ruling(taskforce.uuid, CHARGED, succeeded=())
    await eventually((place / "charged").exists)
    assert await pool.charges_events(taskforce.uuid)

    n_starts = count_starts(taskforce)
    await pool.apply_ruling(taskforce.uuid, CHARGED, succeeded=())
    # One that has succeeded goes on when it is taken back.
    await pool.apply_ruling(taskforce.uuid, Ruling(), succeeded=(0,))
    assert not await pool.charges_events(taskforce.uuid)
    assert count_starts(taskforce) == n_starts
    assert "RUNNING" in taskforce.statuses()
    await pool.remove_clusters(taskforce.uuid)


async def test_a_worker_that_pauses_starts_again_at_once(pool: Pool, taskforce: Taskforce) -> None:
    place = taskforce.files.directory.parent / "place"
    await start(pool, running(taskforce, f"test -e $1/again || {{ touch $1/again; exit 4; }}\n{LOOKS}"))
    await eventually(lambda: PAUSED in taskforce.statuses())
    await pool.apply_ruling(taskforce.uuid, CHARGED, succeeded=())
    await eventually((place / "charged").exists)
    await pool.remove_clusters(taskforce.uuid)


def machine_of(pool: Pool) -> str:
    """Return the name of the pool's only machine, as its pilots chirp it."""
    if not isinstance(pool, CondorPool):
        return platform.node()
    (machine,) = {str(slot["Machine"]) for slot in htcondor2.Collector().query(htcondor2.AdType.Startd)}
    return machine


async def test_the_only_machine_is_known_as_such(pool: Pool, taskforce: Taskforce) -> None:
    await pool.submit_cluster(running(taskforce, "exec sleep 600"))
    assert not await pool.has_other_machine(taskforce.uuid, {machine_of(pool)})
    await pool.remove_clusters(taskforce.uuid)


async def test_jobs_keep_away_from_the_machines_of_their_taskforce(
    condor: Path, condor_pool: CondorPool, taskforce: Taskforce
) -> None:
    await condor_pool.start()
    await start(condor_pool, running(taskforce, "exec sleep 600"))
    await eventually(lambda: "RUNNING" in taskforce.statuses())
    assert await condor_pool.has_other_machine(taskforce.uuid, {"elsewhere.example.org"})
    until_s = int(time.time()) + 600
    avoided = Ruling(charges_events=True, machines=(machine_of(condor_pool),), until_s=until_s)
    await condor_pool.apply_ruling(taskforce.uuid, avoided, succeeded=())
    await eventually(lambda: set(taskforce.statuses()) == {"IDLE"})
    # A job that waits for a machine to get well is not one that no slot could take.
    assert await condor_pool.explain_unmatched([taskforce.uuid]) == {}
    await condor_pool.apply_ruling(taskforce.uuid, replace(avoided, until_s=1), succeeded=())
    await eventually(lambda: "RUNNING" in taskforce.statuses())
    await condor_pool.remove_clusters(taskforce.uuid)
    await condor_pool.stop()
