"""Run by `test_ordinary_user` as a user without any privilege: one job of the pool, one container.

Then the other servers and the system with the local pool, and tasks of it that look for what is ours.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import htcondor2
from rich.console import Console

from deploy.local.choices.launch_options import LOCATION, SCHEDD
from deploy.local.fetch.cache import Installed, cache_directory, prepare_cache
from deploy.local.fetch.images import UnpackedApptainer, make_busybox_image
from deploy.local.files.run_directory import run_directory
from deploy.local.system.services import images_directory, running_services
from deploy.local.system.stack import Stack
from deploy.local.system.stack_launch import running_stack
from ewms import Client, Task, Workflow

_PROBE = Path(__file__).parents[2] / "census/probe.py"


class _NoServer:
    """In the place of a server that is not needed."""

    peers = ()

    def stop(self) -> None:
        pass


class _OnlyPool:
    """A way to start neither broker nor database: the pool needs none."""

    def start_mongodb(self, *_: object, **__: object) -> Any:
        return _NoServer()

    def start_rabbitmq(self, *_: object) -> Any:
        return _NoServer()


def _job_says(log_directory: Path, run: Path) -> list[str]:
    """Return what a job of the pool prints: the user it runs as, and the files of the launch that it finds."""
    schedd = htcondor2.Schedd(htcondor2.Collector().locate(htcondor2.DaemonType.Schedd, SCHEDD))
    description = htcondor2.Submit(
        {
            "executable": "/bin/sh",
            "arguments": f"\"-c 'id -u; find {run} -type f; head -c 1 /proc/$CONDOR_STARTER_PID/environ || true'\"",
            "transfer_executable": "False",
            "should_transfer_files": "YES",
            "output": str(log_directory / "out"),
            "log": str(log_directory / "log"),
            "request_memory": "16",
            "request_disk": "1",
            "+WantIOProxy": "True",
        }
    )
    schedd.submit(description)
    for event in htcondor2.JobEventLog(str(log_directory / "log")).events(60):
        if event.type == htcondor2.JobEventType.JOB_TERMINATED:
            return (log_directory / "out").read_text().splitlines()
    raise TimeoutError("the job has not ended within a minute")


def _look_with_the_eyes_of_a_job(scratch: Path, run: Path) -> None:
    """Raise unless a job of the pool finds its own directories of the launch, and nothing else."""
    uid, *found = _job_says(scratch, run)
    assert uid == str(os.getuid())
    places = {Path(path).relative_to(run / "condor/1/execute").parts[:2] for path in found}
    assert {place for _, place in places} == {"scratch", "user"}
    assert len({job for job, _ in places}) == 1
    assert not any(path.endswith("POOL") for path in found)


def _task_finds(stack: Stack, roots: list[Path], *, image: str, platform: str, probe: str) -> dict[str, Any]:
    """Return what a task finds of `roots` and of other processes."""
    task = Task(
        image=image,
        args=f"{probe} {{{{INFILE}}}} {{{{OUTFILE}}}}",
        inputs=["in"],
        outputs=["out"],
        clusters=[LOCATION],
        memory="128M",
        disk="128M",
        pilot={
            "_EWMS_PILOT_CONTAINER_PLATFORM": platform,
            "EWMS_PILOT_INFILE_EXT": ".json",
            "EWMS_PILOT_OUTFILE_EXT": ".json",
        },
    )
    with Client(stack.gateway, token=stack.token, timeout=60) as client:
        run = client.submit(Workflow(public=["in", "out"], tasks=[task]))
        with run.queue("in").publisher() as publisher:
            publisher.send({"roots": [str(root) for root in roots], "ports": []})
        (event,) = run.queue("out").results(n=1, idle_timeout=90)
        run.finish()
    findings: dict[str, Any] = event.body
    return findings


def _look_with_the_eyes_of_tasks(installed: Installed, hidden: Path) -> None:
    """Raise unless tasks of the local pool find nothing of ours."""
    (hidden / "endpoints.json").write_text("a password")
    with run_directory() as run, running_stack(installed, run, pool="local", hidden=[hidden]) as stack:
        assert not stack.is_open_to_tasks
        roots = [run, stack.services.data.root, hidden]
        image = UnpackedApptainer(installed.containers).build_with_files(
            installed.python_image, images_directory(run) / "census", files={_PROBE: "/opt/probe.py"}
        )
        python = f"{sys.executable} {_PROBE}"
        bare = _task_finds(stack, roots, image="none", platform="none", probe=python)
        assert bare["uid"] == os.getuid()
        mine = stack.services.data.root / "tms/local/local-pool/jobs"
        seen = {path for path in bare["readable"] if "/images/" not in path and "/programs/" not in path}
        assert [path for path in seen if not Path(path).is_relative_to(mine)] == []
        # Its pilot's directory alone, of all jobs.
        assert len({Path(path).relative_to(mine).parts[0] for path in seen}) == 1
        writable = [path for path in bare["writable"] if "/programs" not in path]
        assert [path for path in writable if not Path(path).is_relative_to(mine)] == []
        ours = [stack.get_child(name) for name in stack.names] + [server.child for server in stack.services.servers]
        assert {child.pid for child in ours}.isdisjoint(bare["environments"])
        assert {str(child.pid) for child in ours} & set(bare["arguments"]), "it has looked at them"
        for platform in ("apptainer", "bubblewrap"):
            found = _task_finds(stack, roots, image=str(image), platform=platform, probe="python3 /opt/probe.py")
            assert [path for path in found["readable"] if "task-io" not in path] == [], json.dumps(found)


def main() -> int:
    """Say `all is well` if it is."""
    assert os.getuid() != 0
    installed = prepare_cache(cache_directory(os.environ), Console(stderr=True))
    with (
        tempfile.TemporaryDirectory() as scratch,
        run_directory() as run,
        running_services(installed, run, servers=_OnlyPool()) as servers,
    ):
        assert servers.condor is not None
        assert servers.condor.hides_launch
        _look_with_the_eyes_of_a_job(Path(scratch), run)
        apptainer = UnpackedApptainer(installed.containers)
        image = apptainer.build_with_files(
            make_busybox_image(installed.python_image, Path(scratch, "root")), Path(scratch, "image")
        )
        hello = subprocess.run(
            [apptainer.program, "exec", "--userns", "--containall", "--no-home", image, "echo", "hello"],
            env=apptainer.build_environment(),
            capture_output=True,
            text=True,
            check=True,
        )
        assert hello.stdout == "hello\n"
    with tempfile.TemporaryDirectory() as hidden:
        _look_with_the_eyes_of_tasks(installed, Path(hidden))
    sys.stdout.write("all is well\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
