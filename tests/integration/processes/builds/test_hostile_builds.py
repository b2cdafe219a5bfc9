"""Dockerfiles that attack the builder: each ends within its limits, and leaves no process, mount or file behind."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from processes.builds.build_errors import BuildFailed
from processes.builds.workshop import Workshop
from tests.integration.processes.builds.conftest import MIB, TaskFiles


def leftovers(workshop: Workshop) -> list[str]:
    """Return the command lines of processes that see the builder's directory, and its mounts."""
    directory = str(workshop.settings.build_directory)
    found = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if directory in line]
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            # Other tests build at the same time. A process of this builder has its directory as an argument or a mount.
            try:
                words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                seen = words + (process / "mountinfo").read_text(errors="replace")
            except OSError:
                continue
            if directory in seen:
                found.append(words[:200])
    return found


def build_and_fail(workshop: Workshop, task: TaskFiles, dockerfile: str, **limits: Any) -> str:
    """Build a Dockerfile, and return why that failed."""
    task.write(dockerfile)
    order = task.order(workshop, **limits)
    with pytest.raises(BuildFailed) as raised:
        workshop.build_image(order, "")
    assert leftovers(workshop) == []
    assert not list((workshop.settings.build_directory / "builds").glob("*"))
    return str(raised.value)


def test_a_dockerfile_that_loops_ends_at_its_time(workshop: Workshop, task: TaskFiles) -> None:
    reason = build_and_fail(workshop, task, "FROM ewms/shell\nRUN while true; do sleep 0.1; done\n", build_s=20)
    assert reason.startswith("the build was ended: it took longer than 20 s")


def test_a_dockerfile_that_fills_the_disk_ends_at_its_limit(workshop: Workshop, task: TaskFiles) -> None:
    dockerfile = "FROM ewms/shell\nRUN n=0; while dd if=/dev/zero of=/fill$n bs=4M count=4; do n=$((n+1)); done\n"
    reason = build_and_fail(workshop, task, dockerfile, image_bytes=25 * MIB)
    assert reason.startswith("the build was ended: it took more than 100 MiB of disk")


def test_a_disk_filled_where_others_cannot_look_is_counted(workshop: Workshop, task: TaskFiles) -> None:
    dockerfile = (
        "FROM ewms/shell\nRUN mkdir /closed && chmod 0 /closed && n=0; "
        "while dd if=/dev/zero of=/closed/$n bs=4M count=4; do n=$((n+1)); done\n"
    )
    reason = build_and_fail(workshop, task, dockerfile, image_bytes=25 * MIB)
    assert reason.startswith("the build was ended: it took more than 100 MiB of disk")


def test_a_dockerfile_that_takes_memory_ends_at_its_limit(workshop: Workshop, task: TaskFiles) -> None:
    dockerfile = 'FROM ewms/python\nRUN python3 -c "import time; x = bytearray(10**9); time.sleep(60)"\n'
    reason = build_and_fail(workshop, task, dockerfile, build_memory_bytes=500 * MIB)
    assert reason.startswith("the build was ended: it took more than 500 MiB of memory")


def test_a_fork_bomb_is_bounded(make_workshop: Callable[..., Workshop], task: TaskFiles) -> None:
    workshop = make_workshop(build_max_processes=200)
    dockerfile = "FROM ewms/shell\nRUN bomb() { bomb | bomb & }; bomb; sleep 60\n"
    reason = build_and_fail(workshop, task, dockerfile, build_s=20)
    assert reason.startswith(("the build was ended", "the build failed"))


def test_a_log_bomb_ends_at_its_limit(workshop: Workshop, task: TaskFiles) -> None:
    dockerfile = "FROM ewms/shell\nRUN while true; do echo boom boom boom boom; done\n"
    reason = build_and_fail(workshop, task, dockerfile, log_bytes=MIB)
    assert reason.startswith("the build was ended: it wrote more than 1 MiB of log")


@pytest.mark.parametrize(
    "dockerfile",
    [
        "FROM ewms/python\nRUN python3 -c \"import socket; socket.create_connection(('127.0.0.1', {port}), 5)\"\n",
        "FROM ewms/shell\nADD http://127.0.0.1:{port}/x /x\n",
        "FROM ewms/shell\nADD git://127.0.0.1:{port}/x /x\n",
    ],
)
def test_the_network_is_closed(workshop: Workshop, task: TaskFiles, dockerfile: str) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        reason = build_and_fail(workshop, task, dockerfile.format(port=server.getsockname()[1]))
        assert reason.startswith("the build failed")
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.parametrize("instruction", ["ADD ../../.. /x", "COPY ../secret /x", "COPY /etc/../../secret /x"])
def test_files_outside_of_the_context_cannot_be_copied(
    workshop: Workshop, task: TaskFiles, tmp_path: Path, instruction: str
) -> None:
    (tmp_path / "secret").write_text("the secret")
    (tmp_path / "north/x").touch()
    # The last step fails the build if the copy found another directory of this name.
    task.write(f"FROM ewms/shell\n{instruction}\nRUN grep -r 'the [s]ecret' /x\n")
    order = task.order(workshop)
    with pytest.raises(BuildFailed, match=r"^the build failed"):
        workshop.build_image(order, "")
    workshop.remove_build(order)


@pytest.mark.parametrize(
    "dockerfile",
    [
        "FROM alpine\n",
        "FROM docker.io/library/alpine:3\n",
        "FROM oci:/etc\n",
        "FROM dir:/etc\n",
        "FROM docker-archive:/etc/passwd\n",
        "FROM scratch\nCOPY --from=alpine /etc/passwd /x\n",
        "FROM ewms/python\nRUN --mount=type=bind,from=alpine,target=/x ls /x\n",
        "ARG BASE=alpine\nFROM ${BASE}\n",
    ],
)
def test_a_base_image_that_the_operator_did_not_allow_is_refused(
    workshop: Workshop, task: TaskFiles, dockerfile: str
) -> None:
    assert build_and_fail(workshop, task, dockerfile).startswith("the Dockerfile is refused: FROM ")


def test_a_run_sees_nothing_of_the_machine(workshop: Workshop, task: TaskFiles, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the secret")
    dockerfile = (
        "FROM ewms/python\n"
        f"RUN ! cat {secret} && ! cat /proc/1/root{secret} && ! cat /work/code/Dockerfile\n"
        "RUN python3 -c \"import os; assert len([p for p in os.listdir('/proc') if p.isdigit()]) < 30\"\n"
        "RUN ! mount -t tmpfs x /mnt && { ! mknod /disk b 254 0 || ! dd if=/disk of=/dev/null count=1; }\n"
        "RUN ! echo 1 > /dev/shm/../new && ! touch /dev/new\n"
    )
    task.write(dockerfile)
    order = task.order(workshop)
    workshop.build_image(order, "")
    workshop.remove_build(order)


def test_links_that_a_build_planted_change_nothing_outside(workshop: Workshop, task: TaskFiles, tmp_path: Path) -> None:
    """A program of an earlier call may have written everything in the build's directory."""
    (outside := tmp_path / "outside").mkdir(mode=0o700)
    (outside / "kept").write_text("kept")
    owner = outside.stat().st_uid
    task.write("FROM scratch\nCOPY . /craton\n")
    order = task.order(workshop, build="planted")
    workshop.fetch_code(order, "")
    place = workshop.settings.build_directory / "builds/planted"
    for name in ("tmp", "home", "root", "unpacked", "store"):
        (place / name).symlink_to(outside)
    workshop.build_image(order, "")
    assert outside.stat().st_uid == owner
    assert [path.name for path in outside.iterdir()] == ["kept"]
    assert not (place / "root").is_symlink()
    assert list((place.parent / "planted.tmp").iterdir()) == []
    workshop.remove_build(order)
    assert not list(place.parent.glob("planted*"))


def test_a_link_in_place_of_the_temporary_files_is_refused(workshop: Workshop, task: TaskFiles, tmp_path: Path) -> None:
    (outside := tmp_path / "outside").mkdir(mode=0o700)
    task.write("FROM scratch\nCOPY . /craton\n")
    order = task.order(workshop, build="linked")
    link = workshop.settings.build_directory / "builds/linked.tmp"
    link.symlink_to(outside)
    owner = outside.stat().st_uid
    with pytest.raises(BuildFailed, match=r"builds/linked\.tmp is no directory"):
        workshop.fetch_code(order, "")
    assert outside.stat().st_uid == owner
    link.unlink()
    workshop.remove_build(order)


def test_a_pipe_in_an_image_fails_the_build_with_its_path(workshop: Workshop, task: TaskFiles) -> None:
    reason = build_and_fail(workshop, task, "FROM ewms/shell\nRUN mkfifo /pipe\n")
    assert reason.startswith("the image has a pipe, socket or device at /pipe")


def test_a_killed_build_leaves_nothing_and_its_repetition_succeeds(
    workshop: Workshop, task: TaskFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that dies takes its sandbox with it. The next call begins again in the same place."""
    import multiprocessing

    task.write("FROM ewms/shell\nRUN sleep 8\n")
    order = task.order(workshop)
    process = multiprocessing.get_context("fork").Process(target=workshop.build_image, args=(order, ""))
    process.start()
    deadline = time.monotonic() + 120
    while not any("RUN" in one or "buildah-chroot" in one or "sleep" in one for one in _command_lines()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.kill()
    process.join()
    while leftovers(workshop):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    image = workshop.build_image(order, "")
    assert image.digest.startswith("sha256:")
    assert threading.active_count() < 10
    workshop.remove_build(order)


def _command_lines() -> list[str]:
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                words = (process / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[:2] == [b"sleep", b"8"]:
                found.append("sleep")
    return found


def test_an_opened_host_is_reached_and_no_other(
    make_workshop: Callable[..., Workshop], task: TaskFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy knows hosts by their names, so the test gives two names to one server of this machine."""
    import http.server

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"the package")

        def log_message(self, *words: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr("processes.builds.sandbox.proxy_requests._PORTS", (server.server_port,))
    workshop = make_workshop(build_network_hosts=("localhost", "127.0.0.1"))
    fetch = (
        "import urllib.request as u, urllib.error, sys\n"
        f"print(u.urlopen('http://localhost:{server.server_port}/x').read().decode())\n"
        f"try: u.urlopen('http://127.0.0.1:{server.server_port}/x')\n"
        "except urllib.error.HTTPError as error: print(error.code)\n"
    )
    task.write("FROM ewms/python\nCOPY fetch.py /\nRUN python3 /fetch.py > /fetched\n")
    (task.directory / "fetch.py").write_text(fetch)
    order = task.order(workshop).model_copy(update={"network": ("localhost",)})
    try:
        workshop.build_image(order, "")
        [root] = (workshop.settings.build_directory / "builds").glob("*/root")
        assert (root / "fetched").read_text() == "the package\n403\n"
    finally:
        server.shutdown()
        workshop.remove_build(order)


def test_a_host_that_the_operator_did_not_open_fails_the_build(workshop: Workshop, task: TaskFiles) -> None:
    task.write("FROM ewms/python\n")
    order = task.order(workshop).model_copy(update={"network": ("pypi.example.org",)})
    with pytest.raises(
        BuildFailed, match=r"^network: builds may not reach the host pypi\.example\.org; the operator opens"
    ):
        workshop.build_image(order, "")
