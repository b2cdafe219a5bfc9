"""The census: everything of a running system that another account, or a task in a container, can read, write or learn.

Nothing here names what is looked at: a new file, process or argument of ours is in the census by itself, and a hole in
it fails. Ports have a census of their own (`test_listeners.py`), as have tasks without a container
(`test_task_accounts.py`).
"""

import json
import os
import pwd
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from deploy.local.fetch.cache import Installed
from deploy.local.fetch.images import UnpackedApptainer
from deploy.local.system.services import images_directory
from deploy.local.system.stack import Stack
from ewms import Client, Task, Workflow
from tests.census.probe import look_around
from tests.live_files import walk_live
from tests.system.conftest import CLUSTER

PROBE = Path(__file__).parents[1] / "census/probe.py"

#: What the pool must tell everybody who is to trust it, and no secret. Directories in front of them may be passed.
HARMLESS = {"passwd", "group", "hostcert.pem", "trust_domain_ca.pem"}


def _roots(stack: Stack) -> list[Path]:
    return [stack.services.run, stack.services.data.root]


def _secrets_of(stack: Stack) -> dict[str, str]:
    """Return the secrets of the running system, by what they open."""
    broker = stack.services.rabbitmq
    found = {f"password of {name} at the broker": user.password for name, user in broker.users.items()}
    found |= {f"password of {one.name} at MongoDB": one.password for one in stack.services.mongodb.accounts.values()}
    clients = json.loads(stack.issuer.config.read_text())["clients"]
    found |= {f"secret of {name} at the issuer": client["secret"] for name, client in clients.items()}
    found["a user's token"] = stack.token
    for root in _roots(stack):
        for path in walk_live(root):
            if path.is_file() and (path.name in {"POOL", ".erlang.cookie", "key"} or "token" in path.name):
                with suppress(FileNotFoundError):
                    found[str(path)] = path.read_text(errors="replace").strip()
    return {name: secret for name, secret in found.items() if len(secret) >= 16}


def _as_another_account(look: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what `look` finds as the account `nobody`, which only root can become."""
    nobody = pwd.getpwnam("nobody")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            os.setgroups([])
            os.setgid(nobody.pw_gid)
            os.setuid(nobody.pw_uid)
            with os.fdopen(writing, "w") as answer:
                json.dump(look(), answer)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        said = answer.read()
    os.waitpid(child, 0)
    findings: dict[str, Any] = json.loads(said)
    return findings


def _is_closed_to_others(path: Path) -> bool:
    return not stat.S_IMODE(path.stat().st_mode) & 0o007


def _unexpected(paths: Iterable[str]) -> list[str]:
    return [path for path in paths if Path(path).name not in HARMLESS]


def test_another_account_reads_and_writes_nothing_of_a_running_system(stack: Stack, client: Client) -> None:
    assert client.workflows() is not None
    if os.getuid() != 0:
        # An ordinary user can become nobody else; directories that others may not pass are closed whatever is in them.
        assert [str(root) for root in _roots(stack) if not _is_closed_to_others(root)] == []
        return
    question = {"roots": [str(root) for root in _roots(stack)]}
    findings = _as_another_account(lambda: look_around(question))
    assert findings["uid"] == pwd.getpwnam("nobody").pw_uid
    assert _unexpected(findings["readable"]) == []
    assert findings["writable"] == []
    environments = set(findings["environments"])
    assert environments.isdisjoint(_ours(stack)), "environments of our processes can be read"


def _ours(stack: Stack) -> set[int]:
    children = [stack.get_child(name) for name in stack.names] + [server.child for server in stack.services.servers]
    return {child.pid for child in children if child.pid is not None}


def test_no_argument_of_any_process_holds_a_secret(stack: Stack) -> None:
    secrets = _secrets_of(stack)
    assert len(secrets) > 8, "the census knows what to look for"
    arguments = look_around({"roots": []})["arguments"]
    told = {
        (name, pid)
        for pid, words in arguments.items()
        for name, secret in secrets.items()
        if any(secret in word for word in words)
    }
    assert told == set()


@pytest.fixture(scope="module")
def image(installed: Installed, stack: Stack) -> Path:
    """An image with Python and the probe."""
    destination = images_directory(stack.services.run) / "census"
    return UnpackedApptainer(installed.containers).build_with_files(
        installed.python_image, destination, files={PROBE: "/opt/probe.py"}
    )


@pytest.mark.parametrize("platform", ["apptainer", "bubblewrap"])
def test_a_task_in_a_container_sees_its_own_event_alone(
    stack: Stack, client: Client, image: Path, platform: str
) -> None:
    task = Task(
        image=str(image),
        args="python3 /opt/probe.py {{INFILE}} {{OUTFILE}}",
        inputs=["in"],
        outputs=["out"],
        clusters=[CLUSTER],
        memory="128M",
        disk="128M",
        pilot={
            "_EWMS_PILOT_CONTAINER_PLATFORM": platform,
            "EWMS_PILOT_INFILE_EXT": ".json",
            "EWMS_PILOT_OUTFILE_EXT": ".json",
        },
    )
    run = client.submit(Workflow(public=["in", "out"], tasks=[task]))
    ours = [*map(str, _roots(stack)), str(Path.home()), str(Path.cwd()), "/etc/shadow", "/var/tmp"]
    with run.queue("in").publisher() as publisher:
        publisher.send({"roots": [*ours, "/home", "/root", "/mnt"], "ports": []})
    (event,) = run.queue("out").results(n=1, idle_timeout=90)
    run.finish()
    findings: Any = event.body
    # Its infile and outfile lie where the pilot has put them; nothing else of ours is there.
    seen = [path for path in findings["readable"] if "task-io" not in path and "/opt/probe.py" not in path]
    assert seen == []
    assert len(findings["arguments"]) <= 4, "the machine's processes"
    secrets = _secrets_of(stack)
    said = json.dumps(findings)
    assert [name for name, secret in secrets.items() if secret in said] == []
