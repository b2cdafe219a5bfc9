"""`make down` ends the launcher that holds a lock file, and no other process."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.errors import LaunchError
from deploy.local.files.lock_files import LockHolder, name_this_launcher
from deploy.local.system import down as down_module
from deploy.local.system.down import down, end_launcher

#: A launcher for these tests: it locks the file, writes its name into it, and ends at SIGTERM.
_LAUNCHER = """
import fcntl, pathlib, signal, sys
from deploy.local.files.lock_files import name_this_launcher, open_lock
lock = open_lock(pathlib.Path(sys.argv[1]))
fcntl.flock(lock, fcntl.LOCK_EX)
lock.write(name_this_launcher(pathlib.Path("/home/ann/a clone")) + "\\n")
lock.flush()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("ready", flush=True)
signal.pause()
"""


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    words = [sys.executable, "-c", _LAUNCHER, str(tmp_path / "lock")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        yield child
        child.kill()


@pytest.mark.parametrize("folder", ["/home/ann/clone", "/home/ann/a clone, of mine"])
def test_a_lock_files_text_names_its_launcher(folder: str) -> None:
    holder = LockHolder(4711, "mill.example.org", folder)
    assert LockHolder.from_text(holder.to_text() + "\n") == holder


@pytest.mark.parametrize("text", ["", "4711", "process x on mill, started in /", "process 4711 on mill"])
def test_another_text_names_nobody(text: str) -> None:
    assert LockHolder.from_text(text) is None


def test_the_launcher_that_holds_the_lock_ends(launcher: "subprocess.Popen[str]", tmp_path: Path) -> None:
    assert end_launcher(tmp_path / "lock", within_s=30) == "/home/ann/a clone"
    assert launcher.wait(0) == 0


def test_without_a_launcher_the_error_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert down(tmp_path) == 1
    told = capsys.readouterr().err
    assert f"no EWMS runs on {tmp_path}" in told
    assert "make down DATA=<directory>" in told
    # A launcher that has ended, however, leaves its lock file behind.
    (tmp_path / "lock").write_text(name_this_launcher(tmp_path))
    with pytest.raises(LaunchError, match="no EWMS runs"):
        end_launcher(tmp_path / "lock", within_s=1)


def test_a_process_that_does_not_hold_the_file_gets_no_signal(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with subprocess.Popen(["sleep", "600"]) as other:
        try:
            with lock.open("w") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                file.write(LockHolder(other.pid, os.uname().nodename, "/").to_text())
                file.flush()
                with pytest.raises(LaunchError, match="does not hold it"):
                    end_launcher(lock, within_s=1)
            assert other.poll() is None
        finally:
            other.kill()


def test_a_launcher_of_another_machine_or_user_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "lock"
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(LockHolder(os.getpid(), "elsewhere", "/").to_text())
        file.flush()
        with pytest.raises(LaunchError, match=r"the system of .* runs as process .* on elsewhere"):
            end_launcher(lock, within_s=1)
        file.truncate(0)
        file.seek(0)
        file.write(name_this_launcher(tmp_path))
        file.flush()
        monkeypatch.setattr(down_module.os, "getuid", lambda: 4242)
        with pytest.raises(LaunchError, match=r"belongs to user id .*, and you are 4242"):
            end_launcher(lock, within_s=1)


@pytest.mark.parametrize("has_open", [True, None])
def test_a_launcher_that_ends_in_that_moment_has_just_ended(
    *, has_open: bool | None, launcher: "subprocess.Popen[str]", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = down_module._has_open

    def look_late(pid: int, file: Path) -> bool:
        launcher.kill()
        launcher.wait(30)
        return look(pid, file) if has_open is None else has_open

    monkeypatch.setattr(down_module, "_has_open", look_late)
    with pytest.raises(LaunchError, match="has just ended"):
        end_launcher(tmp_path / "lock", within_s=1)
