"""From a directory with a Dockerfile to what a task leaves on each host: builder, images, jobs and logs, all real.

Numbers are those of the contract of the catalogue (C, R).
"""

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2
import pytest

from deploy.local.servers.issued_tokens import mint_token
from deploy.local.system.stack import Stack
from deploy.local.system.wiring import EXAMPLES_DIRECTORY
from ewms import Client, EWMSError
from schemas.automation.jobs import HostJobStatus
from tests.commands import run_ewms
from tests.waiting import wait_until

AUDIT = EXAMPLES_DIRECTORY / "audit/task"
AUDIT_COMMAND = "python3 /task/audit.py"
#: What each tenant's task finds: files and processes that it sees, and its variables.
SPY = """
import json, os, pathlib, sys, time
payload = json.loads(sys.argv[1])
pathlib.Path("/tmp", payload["tenant"]).write_text("x")
time.sleep(payload["pause_s"])
words = [each.read_bytes().decode(errors="replace") for each in pathlib.Path("/proc").glob("[0-9]*/cmdline")]
found = {"tmp": os.listdir("/tmp"), "here": os.listdir("."), "processes": words, "variables": dict(os.environ)}
pathlib.Path(os.environ["EWMS_TASK_OUTFILE"]).write_text(json.dumps(found))
print("looked on", payload["host"]["name"])
"""

Ewms = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def roots(with_worker: Stack) -> Iterator[Path]:
    """The directory below which the builder takes tasks."""
    (root,) = json.loads(with_worker.get_variables("wms")["EWMS_TASK_ROOTS"])
    yield Path(root)
    for made in Path(root).iterdir():
        shutil.rmtree(made)


@pytest.fixture
def ewms(with_worker: Stack) -> Ewms:
    """Runs the command as the organization's admin would, without a terminal."""
    token = with_worker.list_endpoints()["tokens"]["org-admin"]
    environment = {**os.environ, "EWMS_GATEWAY": with_worker.gateway, "EWMS_TOKEN": token}

    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        return run_ewms(*words, environment=environment)

    return run


def make_readable(directory: Path) -> None:
    """Let the account of builds read a task's directory."""
    directory.chmod(0o755)
    for path in directory.iterdir():
        path.chmod(0o644)


@contextmanager
def asking_all_the_time(url: str, token: str) -> Iterator[list[int]]:
    """Ask the gateway again and again during the block. Yield the statuses of its answers."""
    statuses: list[int] = []
    ended = threading.Event()

    def ask() -> None:
        with httpx2.Client(headers={"Authorization": f"Bearer {token}"}, timeout=20) as http:
            while not ended.wait(0.2):
                statuses.append(http.get(f"{url}/v1/tasks").status_code)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield statuses
    finally:
        ended.set()
        asking.join()


@pytest.mark.timeout(400)
def test_c10_c31_c35_r2_a_task_goes_from_its_directory_over_an_image_to_the_logs_of_its_hosts(
    ewms: Ewms, with_worker: Stack, roots: Path, tmp_path: Path
) -> None:
    shutil.copytree(AUDIT, roots / "audit")
    make_readable(roots / "audit")
    made = ewms("catalogue", "create", "audit", "--directory", f"{roots}/audit", f"--command={AUDIT_COMMAND}")
    assert made.returncode == 0, made.stderr
    task = made.stdout.strip()

    def show() -> dict[str, object]:
        shown: dict[str, object] = json.loads(ewms("-o", "json", "catalogue", "show", task).stdout)
        return shown

    shown = wait_until(show, lambda found: bool(found["versions"][0]["commit"]), within_s=120)  # type: ignore[index]
    # Approval comes before the build, so nothing of the task has run.
    assert shown["status"] == "Pending approval"
    inventory = tmp_path / "hosts.ini"
    inventory.write_text("[web]\nalpha address=192.0.2.1\nbeta\n")
    assert ewms("inventory", "create", "lab", str(inventory)).returncode == 0
    early = ewms("job", "run", task, "--on", "lab")
    assert (early.returncode, "Pending approval" in early.stderr) == (5, True), early.stderr

    commit = str(shown["versions"][0]["commit"])  # type: ignore[index]
    assert ewms("catalogue", "approve", task, "--commit", commit).returncode == 0
    wait_until(show, lambda found: found["status"] in ("Building", "Syncing"), within_s=120)
    # The builder dies in the middle of the build. Another one builds the image.
    with_worker.kill("builder")
    with asking_all_the_time(with_worker.gateway, with_worker.token) as statuses:
        with_worker.start("builder")
        wait_until(show, lambda found: found["status"] in ("Ready", "Failed"), within_s=300)
    assert show()["status"] == "Ready", ewms("catalogue", "show", task).stdout
    assert set(statuses) == {200}
    assert "COPY audit.py" in ewms("catalogue", "log", task).stdout

    # C35: the image is the only carrier of the code.
    shutil.rmtree(roots / "audit")
    job = ewms("job", "run", task, "--on", "lab").stdout.strip()
    watched = ewms("job", "watch", job)
    assert watched.returncode == 0, watched.stderr
    hosts = json.loads(ewms("-o", "json", "job", "hosts", job).stdout)
    outputs = {each["name"]: json.loads(each["results"][-1]["output"]) for each in hosts["hosts"]}
    assert {name: (one["host"], one["has_address"]) for name, one in outputs.items()} == {
        "alpha": ("alpha", True),
        "beta": ("beta", False),
    }


@pytest.mark.timeout(300)
def test_c18_a_task_is_tried_on_this_machine_as_the_catalogue_runs_it(ewms: Ewms, tmp_path: Path) -> None:
    payload = {"host": {"name": "alpha", "labels": [], "groups": ["web"], "vars": {}}}
    shutil.copytree(AUDIT, tmp_path / "audit")
    words = ("catalogue", "test", str(tmp_path / "audit"), f"--command={AUDIT_COMMAND}")
    tried = ewms(*words, f"--payload={json.dumps(payload)}")
    assert tried.returncode == 0, tried.stderr
    (output,) = [line for line in tried.stderr.splitlines() if line.startswith("its output: ")]
    assert json.loads(output.removeprefix("its output: "))["groups"] == ["web"]
    failed = ewms(*words, "--payload={}")
    assert failed.returncode == 1
    assert "KeyError: 'host'" in failed.stderr + failed.stdout


@pytest.mark.timeout(400)
def test_c5_c25_c26_two_tenants_at_once_share_nothing_and_see_nothing_of_each_other(
    with_worker: Stack, roots: Path
) -> None:
    with ExitStack() as stack:
        admins = {name: stack.enter_context(_open_tenant(with_worker, name)) for name in ("north", "south")}
        jobs = {name: _prepare_job(admin, roots / name, name) for name, admin in admins.items()}
        started = {name: admins[name].jobs.start(fields).id for name, fields in jobs.items()}
        done = {name: admins[name].jobs.wait(job, timeout="3m") for name, job in started.items()}
        assert {name: one.status for name, one in done.items()} == dict.fromkeys(admins, HostJobStatus.SUCCESSFUL)
        begun = {name: one.started_at for name, one in done.items()}
        ended = {name: one.ended_at for name, one in done.items()}
        assert max(each for each in begun.values() if each) < min(each for each in ended.values() if each), "in turn"

        for name, other in (("north", "south"), ("south", "north")):
            (host,) = admins[name].jobs.list_hosts(started[name])
            found = json.loads(str(host.results[-1].output))
            assert name in found["tmp"], found
            # Neither files, nor processes, nor variables.
            assert other not in json.dumps(found), found
            assert "looked on" in "".join(piece.text for piece in admins[name].jobs.read_log(started[name]))
            _expect_nothing_seen(admins[name], other, started[other], jobs[other])


@contextmanager
def _open_tenant(system: Stack, name: str) -> Iterator[Client]:
    """Make the organization `name`, and open a client of its admin."""
    claims = {"groups": [f"/organizations/{name}/admin"]}
    token = mint_token(system.issuer, f"admin-of-{name}", claims)
    superuser = {"Authorization": f"Bearer {system.list_endpoints()['admin_token']}"}
    httpx2.put(f"{system.gateway}/v1/organizations/{name}", json={}, headers=superuser).raise_for_status()
    with Client(system.gateway, token=token, timeout=60) as admin:
        yield admin


def _prepare_job(admin: Client, directory: Path, name: str) -> dict[str, object]:
    """Make a Ready task and an inventory of one host in the organization `name`. Return what starts the job."""
    directory.mkdir()
    (directory / "Dockerfile").write_text("FROM ewms/python\nCOPY spy.py /task/spy.py\n")
    (directory / "spy.py").write_text(SPY)
    make_readable(directory)
    fields = {
        "name": "spy",
        "organization": name,
        "location": {"directory": str(directory)},
        "command": ["python3", "/task/spy.py"],
    }
    task = admin.catalogue.create(fields).id
    shown = wait_until(lambda: admin.catalogue.show(task), lambda seen: bool(seen.versions[0].commit), within_s=120)
    admin.catalogue.approve(task, commit=shown.versions[0].commit)
    assert admin.catalogue.wait(task, timeout="5m").status == "Ready"
    inventory = admin.inventories.create("lab", content=f"{name}-host\n", form="ini", organization=name)
    return {"task": task, "inventory": inventory["id"], "payload": {"tenant": name, "pause_s": 8}}


def _expect_nothing_seen(admin: Client, other: str, job: int, fields: dict[str, object]) -> None:
    """Check that `admin` sees neither task, inventory nor job of the organization `other`."""
    task, inventory = int(str(fields["task"])), int(str(fields["inventory"]))
    ways: list[Callable[[], object]] = [
        lambda: admin.jobs.show(job),
        lambda: admin.jobs.list_hosts(job),
        lambda: list(admin.jobs.read_log(job)),
        lambda: admin.jobs.cancel(job),
        lambda: admin.jobs.rerun(job),
        lambda: admin.catalogue.show(task),
        lambda: list(admin.catalogue.read_log(task)),
        lambda: admin.inventories.find(inventory),
    ]
    for way in ways:
        with pytest.raises(EWMSError) as refused:
            way()
        assert other not in str(refused.value)
    assert job not in [each.id for each in admin.jobs.list_latest()]
    assert task not in [each.id for each in admin.catalogue.list_all()]
