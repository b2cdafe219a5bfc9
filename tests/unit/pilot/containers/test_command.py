"""A task becomes a command: for each runtime the argv has exactly the expected words."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilot.containers.command import Command, RunPlace, Runtime, task_command
from pilot.containers.mounts import Mount
from pilot.runtimes.apptainer import Apptainer, build_argv, has_entry_point, is_address
from pilot.runtimes.bare import Bare
from pilot.runtimes.bubblewrap import Bubblewrap, Entry
from pilot.runtimes.docker import Docker, is_reference
from pilot.settings import Program

PLACE = RunPlace("/w/ewms-pilot-data/u/task-io", "infile-u.in", "outfile-u.out", "/w/ewms-pilot-data/data-hub", "/w/h")
EXTERNAL = (Mount("/cvmfs/x", "/cvmfs/x", read_only=True),)
IN, OUT, HUB = (
    "/ewms-pilot-data/task-io/infile-u.in",
    "/ewms-pilot-data/task-io/outfile-u.out",
    "/ewms-pilot-data/data-hub",
)

APPTAINER = Apptainer("/bin/apptainer", "/images/reco", {"PATH": "/bin"})
DOCKER = Docker("/bin/docker", "reco:2.0", {"PATH": "/bin"}, shm_size="1g")
BARE = Bare({"PATH": "/bin"})
BUBBLEWRAP = Bubblewrap("/bin/bwrap", "/img", (Entry("bin", "usr/bin"), Entry("usr"), Entry("dev")), {"PATH": "/bin"})


def command(runtime: Runtime, *args: str, place: RunPlace = PLACE, **environment: str) -> Command:
    return task_command(runtime, Program("image", args, environment), EXTERNAL, place, "ewms-u")


@pytest.mark.parametrize(
    ("placeholder", "value"),
    [
        ("{{INFILE}}", IN),
        ("{{IN_FILE}}", IN),
        ("{{OUTFILE}}", OUT),
        ("{{OUT_FILE}}", OUT),
        ("{{DATA_HUB}}", HUB),
        ("{{DATAHUB}}", HUB),
        ("--in={{INFILE}}", f"--in={IN}"),
        ("{{DATA_HUB}}/geo.gz", f"{HUB}/geo.gz"),
        ("{{INFILE}}:{{OUTFILE}}", f"{IN}:{OUT}"),
        ("{{OTHER}}", "{{OTHER}}"),
    ],
)
def test_placeholders_become_the_containers_paths(placeholder: str, value: str) -> None:
    assert command(APPTAINER, "reco", placeholder).argv[-1] == value


def test_a_bare_process_gets_the_workers_own_paths() -> None:
    made = command(BARE, "cp", "{{INFILE}}", "{{OUTFILE}}", "{{DATA_HUB}}")
    assert made.argv == (
        "cp",
        f"{PLACE.task_io}/infile-u.in",
        f"{PLACE.task_io}/outfile-u.out",
        PLACE.data_hub,
    )
    assert made.environment["EWMS_TASK_INFILE"] == made.argv[1]


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("/data/me", "/data/me"),
        ("/with blank", "/with blank"),
        # Apptainer would take these for something else.
        ("/a:/b", "/ewms-pilot-data/home"),
        ("relative", "/ewms-pilot-data/home"),
        ("", "/ewms-pilot-data/home"),
    ],
)
def test_apptainer_gets_a_home_of_task_env_by_its_option(given: str, taken: str) -> None:
    made = command(APPTAINER, "x", HOME=given)
    assert made.argv[made.argv.index("--home") + 1] == taken
    assert "APPTAINERENV_HOME" not in made.environment


def test_home_is_the_runs_own_except_where_the_image_brings_one() -> None:
    assert command(BARE, "x").environment["HOME"] == "/w/h"
    assert command(BARE, "x", HOME="/mine").environment["HOME"] == "/mine"
    assert "--setenv HOME /ewms-pilot-data/home" in " ".join(command(BUBBLEWRAP, "x").argv)
    assert "--bind /w/h /ewms-pilot-data/home" in " ".join(command(BUBBLEWRAP, "x").argv)
    assert "HOME" not in " ".join(command(DOCKER, "x").argv)
    assert "/w/h" not in " ".join(command(DOCKER, "x").argv)
    assert "--env HOME=/mine" in " ".join(command(DOCKER, "x", HOME="/mine").argv)


def test_init_knows_the_data_hub_only() -> None:
    made = command(APPTAINER, "fetch", "{{DATA_HUB}}", "{{INFILE}}", place=RunPlace(data_hub=PLACE.data_hub))
    assert made.argv[-2:] == (HUB, "{{INFILE}}")
    assert not any("task-io" in word for word in made.argv)
    assert "APPTAINERENV_EWMS_TASK_INFILE" not in made.environment
    assert made.environment["APPTAINERENV_EWMS_TASK_DATA_HUB_DIR"] == HUB


def test_the_tasks_own_variables_override_the_users() -> None:
    made = command(BARE, "x", EWMS_TASK_INFILE="mine", SEED="7")
    assert made.environment["EWMS_TASK_INFILE"] == f"{PLACE.task_io}/infile-u.in"
    assert made.environment["SEED"] == "7"


def test_apptainer_runs_the_image_contained_and_without_evaluating_anything() -> None:
    made = command(APPTAINER, "reco", "{{INFILE}}", SEED="7,8")
    assert made.argv == tuple(
        shlex.split(
            "/bin/apptainer --quiet exec --userns --containall --no-home --home /ewms-pilot-data/home --no-eval "
            "--pwd / "
            "--bind /w/ewms-pilot-data/u/task-io:/ewms-pilot-data/task-io "
            "--bind /w/ewms-pilot-data/data-hub:/ewms-pilot-data/data-hub "
            "--bind /w/h:/ewms-pilot-data/home "
            f"--bind /cvmfs/x:/cvmfs/x:ro /images/reco reco {IN}"
        )
    )
    assert made.environment["APPTAINERENV_SEED"] == "7,8"
    assert "SEED" not in made.environment


def test_apptainer_debugs_and_uses_an_entry_point_where_asked() -> None:
    debugging = Apptainer("/bin/apptainer", "/images/reco", {}, as_run=True, debug=True)
    assert command(debugging, "x").argv[1:3] == ("--debug", "run")


@pytest.mark.parametrize(
    ("script", "has"),
    [
        (None, False),
        ("", False),
        ("#!/bin/sh\n", False),
        ('#!/bin/sh\necho "There is no runscript defined for this container\\n";\n', False),
        ("#!/bin/sh\nOCI_ENTRYPOINT=''\nOCI_CMD='\"sh\"'\n", False),
        ("#!/bin/sh\nOCI_ENTRYPOINT='\"/reco\"'\n", True),
        ('#!/bin/sh\nexec /opt/reco "$@"\n', True),
        ('#!/bin/sh\n# Copyright\n\necho "There is no runscript defined for this container\\n";', False),
    ],
)
def test_an_entry_point_is_found_in_the_run_script(script: str | None, has: bool) -> None:
    assert has_entry_point(script) is has


def test_apptainer_builds_sandboxes_whose_files_can_be_removed_again() -> None:
    assert build_argv("/bin/apptainer", "docker://reco", "/tmp/s") == (
        "/bin/apptainer", "build", "--fix-perms", "--sandbox", "/tmp/s", "docker://reco",
    )  # fmt: skip


def test_docker_and_podman_run_the_image_by_name_and_end_it_by_name() -> None:
    made = command(DOCKER, "reco", "{{OUTFILE}}", SEED="7")
    assert made.argv == tuple(
        shlex.split(
            "/bin/docker run --rm --init --security-opt=no-new-privileges --name ewms-u --shm-size 1g "
            "--mount type=bind,source=/w/ewms-pilot-data/u/task-io,target=/ewms-pilot-data/task-io "
            "--mount type=bind,source=/w/ewms-pilot-data/data-hub,target=/ewms-pilot-data/data-hub "
            "--mount type=bind,source=/cvmfs/x,target=/cvmfs/x,readonly "
            f"--env SEED=7 --env EWMS_TASK_INFILE={IN} --env EWMS_TASK_OUTFILE={OUT} "
            f"--env EWMS_TASK_DATA_HUB_DIR={HUB} reco:2.0 reco {OUT}"
        )
    )
    assert made.kill_argv == ("/bin/docker", "rm", "--force", "ewms-u")
    assert "SEED" not in made.environment


def test_bubblewrap_mounts_the_folder_read_only_over_an_empty_root() -> None:
    argv = command(BUBBLEWRAP, "reco").argv
    text = " ".join(argv)
    assert "--symlink usr/bin /bin --ro-bind /img/usr /usr --proc /proc --dev /dev" in text
    assert "--ro-bind /img/dev" not in text
    assert f"--bind {PLACE.task_io} /ewms-pilot-data/task-io" in text
    assert "--ro-bind /cvmfs/x /cvmfs/x" in text
    assert "--clearenv" in argv
    assert argv[-2:] == ("--", "reco")


def test_bubblewrap_makes_no_mount_point_where_a_link_of_the_image_leads() -> None:
    entries = (Entry("ewms-pilot-data", "/oldroot/home/eve"), Entry("cvmfs", "/oldroot/etc"), Entry("bin", "usr/bin"))
    argv = " ".join(command(Bubblewrap("/bin/bwrap", "/img", entries, {}), "reco").argv)
    assert "oldroot" not in argv
    assert "--symlink usr/bin /bin" in argv


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("reco:2.0", True),
        ("registry.example.org:5000/group/reco:2.0", True),
        ("localhost/ewms-test:1", True),
        (f"reco@sha256:{'a' * 64}", True),
        ("dir:/etc", False),
        ("oci-archive:/home/eve/x.tar", False),
        ("docker-archive:x", True),
        ("/etc", False),
        ("./x", False),
        ("--privileged", False),
        ("-v", False),
        ("reco:2.0 --privileged", False),
        ("", False),
    ],
)
def test_docker_and_podman_take_names_of_images_never_paths_or_archives(name: str, is_one: bool) -> None:
    assert is_reference(name) is is_one


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("docker://registry.example.org:5000/group/reco:2.0", True),
        ("oras://ghcr.io/group/reco@sha256:abc", True),
        ("docker-archive:/home/eve/x.tar", False),
        ("docker-daemon://reco", False),
        ("localimage:/home/eve/x.def", False),
        ("evil.def", False),
        ("docker:///etc", False),
        ("docker://x --sandbox", False),
    ],
)
def test_apptainer_builds_from_registries_never_from_what_runs_on_the_worker(name: str, is_one: bool) -> None:
    assert is_address(name) is is_one


INJECTIONS = st.one_of(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    st.sampled_from(
        ["--privileged", "-v", "$(id)", "`id`", "; rm -rf /", "a\nb", "$ENV(HOME)", "../..", "%s", "\x1b[0m"]
    ),
)


@pytest.mark.parametrize("runtime", [APPTAINER, DOCKER, BUBBLEWRAP, BARE])
@given(arguments=st.lists(INJECTIONS.filter(lambda text: "{{" not in text), min_size=1))
def test_whatever_the_arguments_are_they_come_last_one_word_each_and_change_nothing_before(
    runtime: Runtime, arguments: list[str]
) -> None:
    made, plain = command(runtime, *arguments), command(runtime, "x")
    assert made.argv == (*plain.argv[:-1], *arguments)
    assert made.environment == plain.environment


@pytest.mark.parametrize("runtime", [APPTAINER, DOCKER, BUBBLEWRAP])
@given(value=INJECTIONS)
def test_whatever_a_variables_value_is_it_stays_one_value(runtime: Runtime, value: str) -> None:
    made, plain = command(runtime, "x", KEY=value), command(runtime, "x", KEY="plain")
    assert len(made.argv) == len(plain.argv)
    assert made.environment.keys() == plain.environment.keys()


def test_only_docker_has_to_be_told_that_a_task_listens() -> None:
    for runtime in (APPTAINER, BARE, BUBBLEWRAP):
        made, listening = (
            runtime.build_command(["reco"], {}, [], "ewms-u", listens=listens).argv for listens in (False, True)
        )
        assert listening == made
    assert "--interactive" in DOCKER.build_command(["reco"], {}, [], "ewms-u", listens=True).argv
    assert "--interactive" not in DOCKER.build_command(["reco"], {}, [], "ewms-u").argv
