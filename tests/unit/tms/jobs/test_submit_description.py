"""Submit descriptions: exactly the expected commands, whatever the user wrote."""

import json
import re
from dataclasses import replace
from itertools import pairwise
from typing import Any

import htcondor2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.hostile import CORPUS
from tests.unit.tms.orders import DIRECTORY, GRANT, PLAIN, UUID, built, order
from tms.errors import Unsubmittable
from tms.jobs.pilot_files import PilotProfile, pilot_environment, task_file
from tms.jobs.restarts import avoid_requirement, exit_commands
from tms.jobs.submit_description import (
    PoolProfile,
    build_commands,
    priority_ramp,
    quote_words,
)

EXPECTED = {
    "log": f"{DIRECTORY}/job.log",
    "transfer_input_files": f"{DIRECTORY}/ewms_pilot_task.json,{DIRECTORY}/ewms_pilot_token",
    "encrypt_input_files": "*ewms_pilot_token,*ewms_pilot_secrets",
    "should_transfer_files": "YES",
    "request_cpus": 1,
    "request_memory": "512 MB",
    "request_disk": "2 GB",
    "max_idle": 1000,
    "periodic_remove": (
        "(JobStatus == 5 && HoldReasonCode =!= 1 && time() - EnteredCurrentStatus > 3600) || (time() - QDate > 1209600)"
    ),
    # When a job starts again, and where: `test_restarts.py` says what these mean.
    **exit_commands(is_source=False, max_runtime_s=7200),
    "periodic_vacate": (
        "JobCurrentStartExecutingDate >= JobCurrentStartDate && time() - JobCurrentStartExecutingDate > 7200"
    ),
    "job_machine_attrs": "Machine",
    "job_machine_attrs_history_length": 4,
    "requirements": f"({avoid_requirement()})",
    "job_lease_duration": 300,
    "+JobMaterializePaused": 1,
    "+WantIOProxy": "True",
    "+EWMSTaskforceUUID": f'"{UUID}"',
    "executable": "/opt/ewms/bin/python",
    "arguments": "\"'-m' 'pilot'\"",
    "environment": "\"'PATH=/usr/bin:/bin'\"",
    "transfer_executable": "False",
    "transfer_output_files": '""',
    "when_to_transfer_output": "ON_EXIT",
    "priority": "50 - (($(ProcId) * 25) / 39)",
    "output": f"{DIRECTORY}/cluster-$(ClusterId)/$(ProcId).out",
    "error": f"{DIRECTORY}/cluster-$(ClusterId)/$(ProcId).err",
}


def test_a_plain_pool_gets_exactly_these_commands() -> None:
    assert build_commands(built()) == EXPECTED


def test_a_submission_computes_its_commands_once() -> None:
    cluster = built()
    assert cluster.commands == EXPECTED
    assert cluster.commands is cluster.commands
    assert replace(cluster, n_workers=1).commands != EXPECTED, "a changed copy computes its own"


def test_each_owner_is_a_submitter_of_its_own_within_the_sites_group() -> None:
    commands = build_commands(built(owner="Ada@example.org"))
    assert commands == EXPECTED | {"accounting_group_user": "ewms-_41da_40example_2eorg"}
    pool = replace(PLAIN, accounting_group="group_physics")
    assert build_commands(built(pool, owner="ada")) == EXPECTED | {
        "accounting_group_user": "ewms-ada",
        "accounting_group": "group_physics",
    }


@pytest.mark.parametrize("owner", CORPUS)
def test_an_owner_adds_nothing_but_a_name(owner: str) -> None:
    commands = build_commands(built(owner=owner))
    name = commands.pop("accounting_group_user", "ewms-")
    assert commands == EXPECTED
    assert re.fullmatch(r"ewms-[a-z0-9_-]*", str(name))


def test_without_stdouterr_nothing_of_it_is_kept() -> None:
    commands = build_commands(built(worker={"do_transfer_worker_stdouterr": False}))
    assert "output" not in commands
    assert "error" not in commands


def test_htcondor_reads_back_what_was_written() -> None:
    commands = {name: str(value) for name, value in build_commands(built()).items()}
    read = htcondor2.Submit(commands)
    assert {k.removeprefix("MY."): v for k, v in read.items()} == {
        name.removeprefix("+"): value for name, value in commands.items()
    }


def test_the_corpus_is_large_enough() -> None:
    assert len(set(CORPUS)) >= 200


@pytest.mark.parametrize("hostile", CORPUS)
def test_no_text_of_a_user_adds_changes_or_expands_a_command(hostile: str) -> None:
    """The texts a user may give, all at once; what is not refused leaves every command but one as it was."""
    changes: dict[str, Any] = {
        "task": {
            "task_image": hostile,
            "task_args": hostile,
            "task_env": {"X": hostile},
            "init_image": hostile,
            "init_args": hostile,
        },
        "pilot": {"environment": {"EWMS_PILOT_INFILE_EXT": hostile}},
    }
    if "\0" in hostile:
        # No process can be given it, so that no order has it.
        with pytest.raises(ValidationError):
            built(**changes)
        del changes["pilot"]
    assert build_commands(built(**changes)) == EXPECTED
    try:
        cluster = built(**changes, worker={"condor_requirements": hostile})
    except (Unsubmittable, ValidationError):
        return
    commands = build_commands(cluster)
    asked = " ".join(hostile.splitlines()).strip(" \t")
    expected = EXPECTED | ({"requirements": f"({asked}) && ({avoid_requirement()})"} if asked else {})
    assert commands == expected
    assert not set("$\r\n\0") & set(str(commands.get("requirements", "")))


@pytest.mark.parametrize(
    "path",
    [
        "relative",
        "/srv/in/a,b",
        "/srv/in/a\nb",
        "/srv/in/$(x)",
        '/srv/in/"x"',
        "/srv/in/x ",
        "/srv/in/a;b",
        "/srv/\x1bx",
    ],
)
def test_files_whose_names_mean_more_are_refused(path: str) -> None:
    with pytest.raises(Unsubmittable):
        built(input_files=(path,))


@pytest.mark.parametrize("name", ["ewms_pilot_token", "ewms_pilot_task.json"])
def test_no_input_file_takes_the_place_of_ours(name: str) -> None:
    with pytest.raises(Unsubmittable):
        built(input_files=(f"/srv/in/{name}",))


def test_the_files_that_travel_are_ours_the_operators_and_the_checked_ones() -> None:
    pool = PoolProfile(pilot_command=("/usr/bin/python3", "ewms-pilot.pyz"), pilot_files=("/opt/ewms/ewms-pilot.pyz",))
    commands = build_commands(built(pool, input_files=("/srv/in/geo.gz",)))
    assert str(commands["transfer_input_files"]).split(",") == [
        f"{DIRECTORY}/ewms_pilot_task.json",
        f"{DIRECTORY}/ewms_pilot_token",
        "/opt/ewms/ewms-pilot.pyz",
        "/srv/in/geo.gz",
    ]


@pytest.mark.parametrize("uuid", ["TF-1", 'TF-1" || true || "', "", "WF-6b00e09f-926a610b"])
def test_an_id_of_another_form_is_refused(uuid: str) -> None:
    """It becomes a directory's name and part of a requirement, so the order itself is no event."""
    with pytest.raises(ValidationError, match="is not the id of a taskforce"):
        order(taskforce_uuid=uuid)


def test_the_end_of_a_regular_expression_is_written_so_that_htcondor_reads_it_as_that() -> None:
    """`$(DOLLAR)` is the one macro in it, and it stands for a `$` that nothing follows which it could begin."""
    text = 'regexp("edu$", Machine) || regexp("^(a|b$)|c$", Machine)'
    commands = build_commands(built(worker={"condor_requirements": text}))
    ours = f" && ({avoid_requirement()})"
    assert commands["requirements"] == f"({text})".replace("$", "$(DOLLAR)") + ours
    said = htcondor2.Submit({name: str(value) for name, value in commands.items()})
    assert said.expand("requirements") == f"({text}){ours}"


@pytest.mark.parametrize("pool", [{"requirements": 'X == "$(HOME)"'}, {"requirements": "Machine =?= $ENV(X)"}])
def test_the_pools_own_requirements_have_no_macro(pool: dict[str, Any]) -> None:
    with pytest.raises(Unsubmittable):
        built(PoolProfile(pilot_command=("/p",), **pool))


def test_an_operators_setting_with_a_macro_is_refused_too() -> None:
    with pytest.raises(Unsubmittable):
        build_commands(built(PoolProfile(pilot_command=("/opt/$(x)",))))


@pytest.mark.parametrize(("priority", "n_workers"), [(50, 40), (100, 2), (7, 1000), (99, 3)])
def test_the_priority_falls_from_the_whole_to_the_half(priority: int, n_workers: int) -> None:
    ramp = priority_ramp(priority, n_workers).replace("$(ProcId)", "{proc}").replace("/", "//")
    values = [eval(ramp.format(proc=proc), {}) for proc in range(n_workers)]
    assert values[0] == priority
    assert values[-1] == priority - priority // 2
    assert all(a >= b for a, b in pairwise(values))


@pytest.mark.parametrize(("priority", "n_workers"), [(50, 1), (1, 40), (0, 40), (-5, 40)])
def test_no_ramp_where_there_is_nothing_to_share(priority: int, n_workers: int) -> None:
    assert priority_ramp(priority, n_workers) == str(priority)


@given(st.lists(st.text(st.characters(exclude_characters="\0\n\r", codec="utf-8"), max_size=10), max_size=5))
def test_quoted_words_come_out_as_they_went_in(words: list[str]) -> None:
    inner = quote_words(words)[1:-1].replace('""', '"')
    read, rest = [], inner
    while rest:
        assert rest[0] == "'"
        end = 1
        while rest[end : end + 2] == "''" or rest[end] != "'":
            end += 2 if rest[end : end + 2] == "''" else 1
        read.append(rest[1:end].replace("''", "'"))
        rest = rest[end + 1 :].removeprefix(" ")
    assert read == words


def test_the_token_is_in_no_command_and_no_task_file() -> None:
    environment = pilot_environment(
        order(), GRANT, PilotProfile(allowed_platforms=frozenset()), token_source="/srv/tms/token"
    )
    everything = json.dumps(build_commands(built())) + task_file(environment).decode()
    assert GRANT.token.get_secret_value() not in everything


def test_the_profile_of_plain_pools_names_its_command() -> None:
    assert built().command == PLAIN.pilot_command
