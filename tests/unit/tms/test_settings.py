"""What a TMS host's environment means: our names, and those of the existing TMS beside them."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from tms.jobs.submit_description import CONTAINER_REQUIREMENTS
from tms.settings import TmsSettings

OURS = {
    "EWMS_SCHEDD": "ewms@localhost",
    "EWMS_CONTROL_AMQP_URL": "amqp://tms:canary@127.0.0.1/ewms-control",
    "EWMS_TMS_DIR": "/srv/tms",
    "EWMS_PILOT_COMMAND": '["pilot"]',
}
#: The environment of an existing host, as contract 9 lists it, with ours where there is nothing like it.
EXISTING = {
    "EWMS_SCHEDD": "ewms@localhost",
    "EWMS_CONTROL_AMQP_URL": "amqp://tms:canary@127.0.0.1/ewms-control",
    "EWMS_ADDRESS": "https://ewms.example.org",
    "EWMS_TOKEN_URL": "https://keycloak.example.org",
    "EWMS_CLIENT_ID": "tms",
    "EWMS_CLIENT_SECRET": "canary",
    "JOB_EVENT_LOG_DIR": "/srv/jel",
    "TMS_ENV_VARS_AND_VALS_ADD_TO_PILOT": "EWMS_PILOT_PREFETCH=2 _EWMS_PILOT_APPTAINER_BUILD_WORKDIR=/scratch/a=b",
    "JOB_EVENT_LOG_MODIFICATION_EXPIRY_SHORT": "1",
    "JOB_EVENT_LOG_MODIFICATION_EXPIRY_LONG": "2",
    "JOB_EVENT_LOG_ARCHIVE_DELETE_EXPIRY": "3",
    "TASKFORCE_DIRS_EXPIRY": "4",
    "TASKFORCE_DIRS_TAR_EXPIRY": "5",
    "TMS_FILE_MANAGER_INTERVAL": "6",
    "TMS_OUTER_LOOP_WAIT": "60",
    "TMS_WATCHER_INTERVAL": "15",
    "TMS_MAX_LOGGING_INTERVAL": "300",
    "TMS_ERROR_WAIT": "10",
    "CVMFS_PILOT_PATH": "/cvmfs/x/pilot",
    "DRYRUN": "false",
    "LOG_LEVEL": "debug",
    "LOG_LEVEL_THIRD_PARTY": "info",
}


def told(environment: dict[str, str], **more: str) -> TmsSettings:
    # By the environment's names, as `BaseSettings` passes them on.
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**environment, **more}.items():
            patch.setenv(name, value)
        return TmsSettings()  # type: ignore[call-arg]  # the environment has the fields


def test_the_environment_of_an_existing_host_is_understood() -> None:
    settings = told(EXISTING)
    assert str(settings.tms_dir) == "/srv/jel"
    assert settings.pilot_profile.environment == {
        "EWMS_PILOT_PREFETCH": "2",
        "_EWMS_PILOT_APPTAINER_BUILD_WORKDIR": "/scratch/a=b",
    }
    ages = settings.ages
    lengths = (ages.log, ages.unfinished_log, ages.packed_log, ages.directory, ages.packed_directory)
    assert lengths == tuple(timedelta(seconds=n) for n in (1, 2, 3, 4, 5))
    assert settings.tidy_interval_s == 6
    assert settings.pool_profile.container is not None
    assert settings.pool_profile.container.image == "/cvmfs/x/pilot"
    assert settings.pool_profile.requirements == CONTAINER_REQUIREMENTS
    assert settings.log_level == "DEBUG"


def test_without_them_the_contracts_ages_hold() -> None:
    ages = told(OURS).ages
    lengths = (ages.log, ages.unfinished_log, ages.packed_log, ages.directory, ages.packed_directory)
    assert lengths == tuple(timedelta(days=n) for n in (1, 7, 7, 5, 5))
    assert told(OURS).pool_profile.requirements == ""


def test_our_names_go_before_the_existing_ones() -> None:
    settings = told(
        EXISTING,
        EWMS_TMS_DIR="/srv/ours",
        EWMS_FILES_QUIET_S="9",
        EWMS_POOL_REQUIREMENTS="Memory > 1",
        EWMS_PILOT_ENVIRONMENT='{"EWMS_PILOT_PREFETCH": "7"}',
    )
    assert str(settings.tms_dir) == "/srv/ours"
    assert settings.ages.directory == timedelta(seconds=9)
    assert settings.pool_profile.requirements == "Memory > 1"
    assert settings.pilot_profile.environment["EWMS_PILOT_PREFETCH"] == "7"


def test_an_operators_extra_environment_and_sites_and_requirements_are_settings() -> None:
    settings = told(
        EXISTING,
        EWMS_EXCLUDED_GLIDEIN_SITES='["A", "B"]',
        EWMS_EXCLUDED_OSG_SITES='["C"]',
        EWMS_POOL_REQUIREMENTS="",
    )
    container = settings.pool_profile.container
    assert container
    assert (container.excluded_glidein_sites, container.excluded_osg_sites) == (("A", "B"), ("C",))
    assert settings.pool_profile.requirements == ""


@pytest.mark.parametrize(
    "wrong",
    [
        {"DRYRUN": "true"},
        {"TMS_ENV_VARS_AND_VALS_ADD_TO_PILOT": "PATH=/evil"},
        {"TMS_ENV_VARS_AND_VALS_ADD_TO_PILOT": "EWMS_PILOT_X"},
        {"TASKFORCE_DIRS_EXPIRY": "0"},
        {"EWMS_TMS_DIR": "/srv/$(x)"},
        {"EWMS_INPUT_ROOTS": '["/srv/a,b"]'},
        {"EWMS_ALLOWED_PLATFORMS": '["chroot"]'},
    ],
)
def test_what_makes_no_sense_stops_the_start_and_tells_no_secret(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        told(OURS, **wrong)
    assert "canary" not in str(caught.value)
