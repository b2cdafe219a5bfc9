"""What a task finds of the machine and of the system that runs it: nothing that is ours, and nothing of other tasks.

Where the tests run as root, tasks have accounts of their own. An ordinary user has none to give: they are the user.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.children.accounts import FIRST_SLOT, N_SLOTS
from deploy.local.system.stack import Stack
from ewms import Client
from schemas.pilot.job_names import TOKEN_FILE
from tests.live_files import walk_live
from tests.system.conftest import CLUSTER, one_task

IS_ROOT = os.getuid() == 0

#: Prints the task's user id, of the paths in the event those that it can read and those that it can write, and how many
#: environments of services it finds.
LOOKS = (
    '{ id -u; while read -r path; do if head -c 1 "$path" >/dev/null 2>&1; then echo "$path"; fi; '
    'if [ -w "$path" ]; then echo "writable:$path"; fi; done < $1; '
    'cat /proc/*/environ 2>/dev/null | tr "\\0" "\\n" | grep -c "^EWMS_CONTROL_AMQP_URL=" || true; } > $2'
)


#: The pool's settings and the public halves of its keys; beside them only images are there for tasks.
HARMLESS = {"hostname", "passwd", "condor_config", "hostcert.pem", "trust_domain_ca.pem"}


@pytest.fixture(params=["stack", "chosen"])
def system(request: pytest.FixtureRequest) -> Stack:
    """The system with HTCondor, and with the local pool."""
    stack: Stack = request.getfixturevalue(request.param)
    return stack


@pytest.fixture
def client_of(system: Stack) -> Iterator[Client]:
    with Client(system.gateway, token=system.token, cluster=CLUSTER, timeout=60) as client:
        yield client


def _is_a_slots(uid: int, system: Stack) -> bool:
    secluded = system.services.secluded
    assert secluded is not None
    first = secluded.accounts.machine_id(FIRST_SLOT)
    return first <= uid < first + N_SLOTS


def test_a_task_reads_and_writes_nothing_of_ours(system: Stack, client_of: Client, tmp_path: Path) -> None:
    (private := tmp_path / "private").write_text("of the user who launches")
    private.chmod(0o600)
    ours = [path for root in (system.services.run, system.services.data.root) for path in walk_live(root)]
    paths = [str(path) for path in ours if not path.is_symlink()]
    assert len(paths) > 20
    run = client_of.submit(one_task(LOOKS, n_workers=1))
    with run.queue("in").publisher() as publisher:
        publisher.send("\n".join(["/etc/hostname", "/etc/passwd", "/etc/shadow", str(private), *paths, ""]))
    (said,) = (event.body for event in run.queue("out").results(n=1, idle_timeout=60))
    run.finish()
    uid, *found, n_environments = str(said).splitlines()
    readable = [path for path in found if not path.startswith("writable:")]
    writable = [path.removeprefix("writable:") for path in found if path.startswith("writable:")]
    if not IS_ROOT:
        assert int(uid) == os.getuid()
        # The task is that user, and sees the rest of the machine as the user does.
        theirs = {path for path in (*readable, *writable) if path in paths}
        assert {path for path in theirs if "/images/" not in path and "/programs" not in path} == set()
        assert n_environments == "0"
        return
    # As it sees itself; the machine knows it by a high id.
    assert FIRST_SLOT <= int(uid) < FIRST_SLOT + N_SLOTS
    assert "/etc/passwd" in readable, "the task looks where it should"
    assert writable == []
    assert {path for path in readable if path.startswith("/etc/")} == {"/etc/hostname", "/etc/passwd"}
    assert {path for path in readable if Path(path).name not in HARMLESS and "/images/" not in path} == set()
    assert n_environments == "0"


def test_a_task_without_a_container_has_no_chirp_to_read_tokens_and_logs_with(stack: Stack, client: Client) -> None:
    victim = client.submit(one_task("cp $1 $2", n_workers=1))
    with victim.queue("in").publisher() as publisher:
        publisher.send("is running")
    assert len(list(victim.queue("out").results(n=1, idle_timeout=90))) == 1
    taskforces = stack.services.data.root.joinpath("tms/condor").rglob("taskforces/*")
    theirs = [str(one / name) for one in taskforces for name in (TOKEN_FILE, "job.log") if (one / name).exists()]
    assert len(theirs) >= 2, "there is something to read"
    probe = f"{sys.executable} {Path(__file__).with_name('chirping.py')} $1 $2"
    # Whoever chooses that the pilot does not chirp gets no chirp either.
    for choices in ({}, {"EWMS_PILOT_HTCHIRP": "False"}):
        run = client.submit(one_task(probe, n_workers=1, **choices))
        with run.queue("in").publisher() as publisher:
            publisher.send("\n".join(theirs))
        said = [str(event.body).split() for event in run.queue("out").results(n=1, idle_timeout=90)]
        run.finish()
        assert said == [[".job.ad"]], "a task has found or used the chirp of its job"
    victim.finish()


def test_two_tasks_at_once_are_two_accounts_and_read_nothing_of_each_other(
    system: Stack, client_of: Client, tmp_path: Path
) -> None:
    tmp_path.chmod(0o777)
    script = (
        f"cd {tmp_path}; id -u > $$.uid; echo $PWD $2 > $$.where; chmod a+r $$.*; "
        "n=0; until [ $(ls *.where | wc -l) -ge 2 ] || [ $n -ge 300 ]; do sleep 0.1; n=$((n+1)); done; "
        "{ id -u; for where in *.where; do [ $where = $$.where ] || "
        'ls $(dirname $(cut -d" " -f2 $where)) 2>/dev/null || true; done; } > $2'
    )
    run = client_of.submit(one_task(script, n_workers=2))
    with run.queue("in").publisher() as publisher:
        for number in range(2):
            publisher.send(f"{number}")
    said = [str(event.body).split() for event in run.queue("out").results(n=2, idle_timeout=90)]
    run.finish()
    assert len(list(tmp_path.glob("*.where"))) == 2
    owners = {path.stat().st_uid for path in tmp_path.glob("*.where")}
    if not IS_ROOT:
        assert owners == {os.getuid()}
        return
    assert len(owners) == 2
    assert all(_is_a_slots(uid, system) for uid in owners)
    assert sorted(len(words) for words in said) == [1, 1], f"a directory of another task was listed: {said}"
