"""Submit descriptions of container pools: the contract's, and no tag that is more than a tag."""

import classad2
import pytest
from pydantic import ValidationError

from schemas.rules.requirements import check_requirements
from tests.hostile import CORPUS
from tests.unit.tms.orders import DIRECTORY, UUID, built, order
from tms.errors import Unsubmittable
from tms.jobs.restarts import avoid_commands, avoid_requirement, exit_commands, vacate_command
from tms.jobs.submit_description import (
    CONTAINER_REQUIREMENTS,
    ContainerPool,
    PoolProfile,
    build_commands,
    build_submission,
)

CONTAINERS = PoolProfile(
    pilot_command=(),
    requirements="HasSingularity",
    container=ContainerPool(image="/cvmfs/x/pilot", excluded_glidein_sites=("Bad",), excluded_osg_sites=('W"orse',)),
)

#: Contract 7.3, line by line, and below what is ours.
EXPECTED_OF_CONTAINERS = {
    "universe": "container",
    "+should_transfer_container": '"no"',
    "container_image": "/cvmfs/x/pilot:1.2.3",
    "requirements": (
        '(HasSingularity) && (GLIDEIN_Site =!= "Bad") && (OSG_SITE_NAME =!= "W\\"orse") && (Memory > 1)'
        f" && ({avoid_requirement()})"
    ),
    "+FileSystemDomain": '"blah"',
    "log": f"{DIRECTORY}/job.log",
    "transfer_input_files": f"{DIRECTORY}/ewms_pilot_task.json,{DIRECTORY}/ewms_pilot_token,{DIRECTORY}/inputs/geo.gz",
    "transfer_output_files": '""',
    "should_transfer_files": "YES",
    "when_to_transfer_output": "ON_EXIT_OR_EVICT",
    "transfer_executable": "False",
    "request_cpus": 1,
    "request_memory": "512 MB",
    "request_disk": "2 GB",
    "priority": "50 - (($(ProcId) * 25) / 39)",
    "+WantIOProxy": "True",
    "+OriginalTime": 7200,
    "+EWMSTaskforceUUID": f'"{UUID}"',
    "job_ad_information_attrs": "EWMSTaskforceUUID",
    "output": f"{DIRECTORY}/cluster-$(ClusterId)/$(ProcId).out",
    "error": f"{DIRECTORY}/cluster-$(ClusterId)/$(ProcId).err",
    # Newer HTCondor's own word for `should_transfer_container`.
    "transfer_container": "False",
    "encrypt_input_files": "*ewms_pilot_token,*ewms_pilot_secrets",
    "max_idle": 1000,
    "periodic_remove": str(build_commands(built())["periodic_remove"]),
    **exit_commands(is_source=False, max_runtime_s=7200),
    **vacate_command(7200),
    **avoid_commands(),
    "job_lease_duration": 300,
    "+JobMaterializePaused": 1,
}


def test_a_container_pool_gets_the_contracts_commands() -> None:
    cluster = built(
        CONTAINERS,
        input_files=(f"{DIRECTORY}/inputs/geo.gz",),
        pilot={"tag": "1.2.3"},
        worker={"condor_requirements": "Memory > 1"},
    )
    assert build_commands(cluster) == EXPECTED_OF_CONTAINERS


def test_what_containers_need_is_asked_for_unless_the_operator_says_otherwise() -> None:
    for text in ("HAS_SINGULARITY", "HAS_CVMFS_icecube_opensciencegrid_org", "HasUserNamespaces =?= true"):
        assert text in CONTAINER_REQUIREMENTS
    assert check_requirements(CONTAINER_REQUIREMENTS) == CONTAINER_REQUIREMENTS
    classad2.ExprTree(CONTAINER_REQUIREMENTS)


@pytest.mark.parametrize("tag", ["1.2.3", "latest", "feature-x-0a1b2c3"])
def test_the_image_is_the_operators_with_the_tasks_tag(tag: str) -> None:
    assert build_commands(built(CONTAINERS, pilot={"tag": tag}))["container_image"] == f"/cvmfs/x/pilot:{tag}"


@pytest.mark.parametrize("tag", ["", "../evil", "a/b", "a b", "-x", "1.2.3\n", "x" * 200, *CORPUS])
def test_a_tag_is_one_word_also_when_the_schema_has_let_it_through(tag: str) -> None:
    good = order(pilot={"tag": "1.2.3"})
    # As from a WMS of another version, whose schema knows other tags.
    told = good.model_copy(update={"pilot_config": good.pilot_config.model_copy(update={"tag": tag})})
    try:
        cluster = build_submission(told, CONTAINERS, directory=DIRECTORY, pilot_files=[], input_files=[])
    except (Unsubmittable, ValidationError):
        return
    assert cluster.container_image == f"/cvmfs/x/pilot:{tag}"
    assert set(tag) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"), "one word"
    assert tag[0] not in "._-"
    assert len(tag) <= 128


def test_sites_are_left_out_only_where_the_operator_says_so() -> None:
    pool = PoolProfile(pilot_command=(), container=ContainerPool(image="/cvmfs/x/pilot"))
    assert build_commands(built(pool, pilot={"tag": "1.2.3"}))["requirements"] == f"({avoid_requirement()})"
