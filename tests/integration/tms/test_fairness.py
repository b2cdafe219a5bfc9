"""One user cannot take a pool from another, and hears of workers that no slot will ever take."""

import asyncio
from dataclasses import replace
from pathlib import Path

from schemas.ids import TaskforceUuid
from schemas.rules.submitters import submitter_name
from tests.integration.tms.conftest import Taskforce
from tests.waiting import eventually
from tms.jobs.submit_description import Submission
from tms.pools.condor import CondorPool
from tms.pools.interface import Pool

GB = 1024**3
HUGE = 999 * 1024 * GB


def of(taskforce: Taskforce, owner: str, *arguments: str, n_workers: int) -> Submission:
    submission = taskforce.submission(*arguments, n_workers=n_workers)
    return replace(submission, submitter=submitter_name(owner), output_directory="")


async def running(pool: Pool, taskforce: Taskforce, submission: Submission) -> None:
    cluster = await pool.submit_cluster(submission)
    await pool.release_cluster(taskforce.uuid, cluster.cluster_id)


async def unmatched(pool: Pool, *taskforces: Taskforce) -> dict[TaskforceUuid, str]:
    return await pool.explain_unmatched([taskforce.uuid for taskforce in taskforces])


async def test_workers_that_no_slot_takes_delay_no_other_user_and_say_why(pool: Pool, tmp_path: Path) -> None:
    floods = [Taskforce(tmp_path / f"flood-{n}") for n in range(4)]
    for n, flood in enumerate(floods):
        huge = of(flood, "Ada@example.org", "0", "0", n_workers=[30, 200, 200, 200][n])
        await running(pool, flood, replace(huge, memory_bytes=HUGE, priority=100 if n == 0 else 50))
    mine = Taskforce(tmp_path / "mine")
    # The lowest priority there is: between users it does not count.
    await running(pool, mine, replace(of(mine, "bob", "0", "0", n_workers=1), priority=0))
    await eventually(lambda: "COMPLETED" in mine.statuses())
    for flood in floods:
        assert "RUNNING" not in flood.statuses()
    said = await unmatched(pool, *floods, mine)
    assert set(said) == {flood.uuid for flood in floods}
    place = "slot" if isinstance(pool, CondorPool) else "machine"
    for why in said.values():
        assert why.startswith(f"no {place} offers 999 TB of memory; the largest has ")
    for flood in floods:
        await pool.remove_clusters(flood.uuid)


async def test_what_waits_only_for_others_to_end_is_not_unmatched(pool: Pool, tmp_path: Path) -> None:
    first, second, wide = (Taskforce(tmp_path / name) for name in ("first", "second", "wide"))
    await running(pool, first, of(first, "ada", "600", "0", n_workers=8))
    await eventually(lambda: first.statuses().get("RUNNING", {}) != {})
    await running(pool, second, replace(of(second, "ada", "600", "0", n_workers=1), n_cores=8))
    await running(pool, wide, replace(of(wide, "ada", "600", "0", n_workers=1), n_cores=9))
    said = await unmatched(pool, second, wide)
    place = "slot" if isinstance(pool, CondorPool) else "machine"
    assert said == {wide.uuid: f"no {place} offers 9 cores; the largest has 8; ask for n_cores=8 or less"}
    for taskforce in (first, second, wide):
        await pool.remove_clusters(taskforce.uuid)


async def test_the_requirement_that_no_slot_meets_is_said(condor_pool: CondorPool, tmp_path: Path) -> None:
    pool = condor_pool
    await pool.start()
    taskforce, well = Taskforce(tmp_path / "one"), Taskforce(tmp_path / "other")
    wish = '(TARGET.OpSys == "LINUX" && Memory > 1) && (OpSysAndVer =?= "Plan9")'
    await running(pool, taskforce, replace(of(taskforce, "ada", "0", "0", n_workers=1), requirements=wish))
    await pool.submit_cluster(
        replace(of(well, "ada", "0", "0", n_workers=1), requirements='OpSys == "LINUX" && Cpus > 0')
    )
    said = await unmatched(pool, taskforce, well)
    assert set(said) == {taskforce.uuid}
    assert "no slot meets" in said[taskforce.uuid]
    assert "Plan9" in said[taskforce.uuid]
    for one in (taskforce, well):
        await pool.remove_clusters(one.uuid)
    await pool.stop()


async def test_among_idle_users_the_local_pool_goes_round(tmp_path: Path) -> None:
    """Eight slots, two users: whoever comes second has half of what becomes free."""
    from tms.pools.local.pool import LocalPool

    pool = LocalPool(tmp_path / "pool", n_slots=2, grace_s=1)
    await pool.start()
    ada, bob = Taskforce(tmp_path / "ada"), Taskforce(tmp_path / "bob")
    await running(pool, ada, replace(of(ada, "ada", "0.2", "0", n_workers=50), priority=100))
    await running(pool, bob, replace(of(bob, "bob", "0", "0", n_workers=3), priority=0))
    await eventually(lambda: bob.statuses().get("COMPLETED", {}) == {"Done": 3})
    assert ada.statuses()["IDLE"]["null"] > 20
    await pool.remove_clusters(ada.uuid)
    await eventually(lambda: ada.log().tally.removed)
    await asyncio.wait_for(pool.stop(), 30)
