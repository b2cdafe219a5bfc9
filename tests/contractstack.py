"""The system that conformance tests and fuzzers talk to. Each of these packages starts its own, and ends it when done.

A conftest imports the fixtures, so that they live as long as the tests of its package.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.fetch.cache import Installed
from deploy.local.files.run_directory import run_directory
from deploy.local.system.services import Servers
from deploy.local.system.stack import Stack
from deploy.local.system.stack_launch import running_stack

#: The contract's locations (3.6), with those that its acceptance tests know. The tests play their TMS over REST.
_CONTRACT_CLUSTERS = {
    "test-alpha": {"schedd": "SCHEDD1", "served_by": "rest"},
    "test-beta": {"schedd": "SCHEDD2", "served_by": "rest"},
    "osg": {"schedd": "grid-submitter.icecube.wisc.edu", "served_by": "rest"},
    "sub-2": "osg",
    "OSG": "osg",
}

#: The tags of the pilot images that there are; `latest` is the second.
PILOT_TAGS = ("1.2.3", "1.10.0", "my-branch-0a1b2c", "v1.0-5")


@pytest.fixture(scope="package")
def pilot_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory that says which pilot images there are."""
    directory = tmp_path_factory.mktemp("pilot-images")
    for tag in PILOT_TAGS:
        (directory / f"ewms-pilot:{tag}").mkdir()
    (directory / "another-image:9.9.9").mkdir()
    return directory


@pytest.fixture(scope="package")
def contract_stack(
    installed: Installed, servers: Servers | None, request: pytest.FixtureRequest, pilot_images: Path
) -> Iterator[Stack]:
    """The whole system as an existing TMS meets it: schedds served over REST, and pages of 40 000 bytes."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EWMS_")}
    environment |= {"EWMS_CLUSTERS": json.dumps(_CONTRACT_CLUSTERS), "EWMS_QUERY_MAX_BYTES": "40000"}
    environment["EWMS_IMAGE_DIR"] = str(pilot_images)
    # The fuzzers request workflows by the hundred as one user.
    environment["EWMS_CALLER_WORKFLOWS_WAITING"] = "0"
    with (
        run_directory(keep_logs=lambda: request.session.testsfailed > 0) as run,
        running_stack(installed, run, pool="local", environment=environment, servers=servers) as running,
    ):
        yield running
