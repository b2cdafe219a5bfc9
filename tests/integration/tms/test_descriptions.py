"""What a real schedd makes of our submit descriptions (contract 7.3)."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import classad2
import htcondor2
import pytest

from tests.integration.tms.conftest import Taskforce
from tests.unit.tms.orders import built
from tests.waiting import eventually
from tms.jobs.submit_description import CONTAINER_REQUIREMENTS, ContainerPool, PoolProfile
from tms.pools.condor import CondorPool
from tms.pools.interface import Pool

CONTAINERS = PoolProfile(
    pilot_command=(),
    requirements=CONTAINER_REQUIREMENTS,
    container=ContainerPool(image="/cvmfs/x/pilot", excluded_glidein_sites=("Bad",), excluded_osg_sites=('W"orse',)),
)


@pytest.fixture
async def schedd(condor: Path, condor_pool: CondorPool) -> AsyncIterator[CondorPool]:
    pool = condor_pool
    await pool.start()
    yield pool
    for cluster in await pool.list_clusters():
        await pool.remove_clusters(cluster.taskforce_uuid)
    await pool.stop()


def ads_of(cluster_id: int) -> list[classad2.ClassAd]:
    """Return the cluster's ad, then those of its jobs."""
    schedd = htcondor2.Schedd(htcondor2.Collector().locateAll(htcondor2.DaemonType.Schedd)[0])
    ads = schedd.query(f"ClusterId == {cluster_id}", [], opts=htcondor2.QueryOpts.IncludeClusterAd)
    return sorted(ads, key=lambda ad: int(ad.get("ProcId", -1)))


async def test_a_container_clusters_ad_says_what_the_contract_says(schedd: CondorPool, taskforce: Taskforce) -> None:
    plain = taskforce.submission()
    spec = built(CONTAINERS, pilot={"tag": "1.2.3"}, worker={"condor_requirements": "GPUs > 1 || X"}, n_workers=5)
    spec = replace(
        spec,
        taskforce_uuid=taskforce.uuid,
        job_event_log=plain.job_event_log,
        input_files=plain.input_files,
        output_directory=plain.output_directory,
    )
    cluster = await schedd.submit_cluster(spec)
    await schedd.release_cluster(taskforce.uuid, cluster.cluster_id)
    await eventually(lambda: len(ads_of(cluster.cluster_id)) == 6)
    ad, *jobs = ads_of(cluster.cluster_id)
    said = {
        "WantContainer": True,
        "ContainerImage": "/cvmfs/x/pilot:1.2.3",
        "TransferContainer": False,
        "should_transfer_container": "no",
        "FileSystemDomain": "blah",
        "ShouldTransferFiles": "YES",
        "WhenToTransferOutput": "ON_EXIT_OR_EVICT",
        "TransferExecutable": False,
        "TransferOutput": "",
        "TransferInput": ",".join(plain.input_files),
        "Cmd": "",
        "Arguments": "",
        "Environment": "",
        "RequestCpus": 1,
        "RequestMemory": 512,
        "RequestDisk": 2 * 2**20,
        "WantIOProxy": True,
        "OriginalTime": 7200,
        "EWMSTaskforceUUID": taskforce.uuid,
        "JobAdInformationAttrs": "EWMSTaskforceUUID",
        "UserLog": str(taskforce.files.log),
    }
    assert {name: ad.get(name) for name in said} == said
    assert [job["JobPrio"] for job in jobs] == [50, 44, 38, 32, 25]
    stem = taskforce.files.directory / f"cluster-{cluster.cluster_id}"
    assert [(job["Out"], job["Err"]) for job in jobs] == [(f"{stem}/{n}.out", f"{stem}/{n}.err") for n in range(5)]
    worker = {
        "HAS_SINGULARITY": True,
        "HAS_CVMFS_icecube_opensciencegrid_org": True,
        "HasUserNamespaces": True,
        "GLIDEIN_Site": "Good",
        "GPUs": 2,
        "Arch": "X86_64",
        "OpSys": "LINUX",
        "HasContainer": True,
        "HasSandboxImage": True,
        "HasFileTransfer": True,
        "HasPerFileEncryption": True,
        "Memory": 1024,
        "Disk": 10**7,
        "CondorVersion": "$CondorVersion: 25.14.1 x $",
    }
    assert _fits(ad, worker)
    for name, value in (
        ("HAS_SINGULARITY", False),
        ("HAS_CVMFS_icecube_opensciencegrid_org", False),
        ("HasUserNamespaces", False),
        ("GLIDEIN_Site", "Bad"),
        ("OSG_SITE_NAME", 'W"orse'),
        ("GPUs", 0),
        ("Memory", 511),
    ):
        # What a user asks for stands in its own brackets: its `||` opens no other condition.
        assert not _fits(ad, {**worker, "X": name != "GPUs", name: value}), name


async def test_the_end_of_a_regular_expression_arrives_as_it_was_written(
    schedd: CondorPool, taskforce: Taskforce
) -> None:
    spec = taskforce.submission("600", "0", n_workers=2)
    spec = replace(spec, requirements='(regexp("edu$", Machine) || regexp("^(a|b$)$", Machine))')
    cluster = await schedd.submit_cluster(spec)
    await schedd.release_cluster(taskforce.uuid, cluster.cluster_id)
    await eventually(lambda: len(ads_of(cluster.cluster_id)) == 3)
    for ad in ads_of(cluster.cluster_id):
        requirements = str(ad.lookup("Requirements"))
        assert 'regexp("edu$",' in requirements
        assert 'regexp("^(a|b$)$",' in requirements


async def test_what_is_removed_says_who_asked_for_it(pool: Pool, taskforce: Taskforce) -> None:
    cluster = await pool.submit_cluster(taskforce.submission("600", "0", n_workers=1))
    await pool.release_cluster(taskforce.uuid, cluster.cluster_id)
    await eventually(lambda: b"\n000 (" in taskforce.files.log.read_bytes())
    await pool.remove_clusters(taskforce.uuid)
    await eventually(lambda: taskforce.log().tally.removed)
    (aborted,) = (r for r in taskforce.files.log.read_text().split("...\n") if r.startswith("009 ("))
    assert "Requested by EWMS" in aborted


def _fits(job: classad2.ClassAd, worker: dict[str, object]) -> bool:
    """Say whether `job` would run there: its requirements alone, without HTCondor's matchmaker."""
    text = str(job.lookup("Requirements")).replace("TARGET.", "")
    known = {name: job[name] for name in ("RequestMemory", "RequestDisk", "RequestCpus")}
    ad = classad2.ClassAd({**known, **worker})
    ad["Fits"] = classad2.ExprTree(text)
    return ad.eval("Fits") is True
