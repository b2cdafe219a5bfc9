"""Accounts of tasks on this machine: what root gives, and what it says where it cannot."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.children.accounts import FIRST_SLOT, ROOT, TMS
from deploy.local.children.seclusion import CoveredDirectories, SecludedAccounts, choose_accounts
from deploy.local.system.services import Services

SETTLES = """
import os, sys
from pathlib import Path
from deploy.local.errors import LaunchError
from deploy.local.children.seclusion import choose_accounts
try:
    print(choose_accounts(Path(sys.argv[1]), os.environ))
except LaunchError as error:
    print(f"{error.what}|{error.remedy}")
"""


@pytest.mark.parametrize(("told", "said"), [({}, "unprivileged account"), ({"EWMS_TASKS_AS_ROOT": "on"}, "None")])
def test_root_without_ids_to_give_is_refused_unless_it_wants_tasks_to_be_root(
    tmp_path: Path, told: dict[str, str], said: str
) -> None:
    """Root of a namespace with one id, as in many containers."""
    command = ["unshare", "--user", "--map-root-user", sys.executable, "-c", SETTLES, str(tmp_path)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EWMS_")}
    done = subprocess.run(
        command,
        env=environment | told | {"PYTHONPATH": str(Path.cwd())},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said in done.stdout
    assert len(done.stdout.splitlines()) == 1
    if not told:
        assert "EWMS_TASKS_AS_ROOT=on" in done.stdout.partition("|")[2]


def test_data_of_tasks_accounts_are_not_taken_up_by_root_alone(tmp_path: Path) -> None:
    (tmp_path / "first_id").write_text("1073741824\n")
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", sys.executable, "-c", SETTLES, str(tmp_path)],
        env={**os.environ, "EWMS_TASKS_AS_ROOT": "on", "PYTHONPATH": str(Path.cwd())},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(f"accounts of tasks own the data in {tmp_path.parent}")
    assert "--fresh" in done.stdout


def test_a_user_is_covered_where_the_mount_forbids_devices_and_set_user_ids_as_many_machines_mount_tmp(
    tmp_path: Path,
) -> None:
    covered = CoveredDirectories((tmp_path / "run",)).covering_command(readable=[tmp_path / "run/shown"])
    inner = shlex.join(["unshare", "--user", "--map-root-user", "--mount", *covered, "ls", str(tmp_path / "run")])
    mounted = f"mount -t tmpfs -o nosuid,nodev,noexec tmpfs {tmp_path}"
    script = f"{mounted}; mkdir -p {tmp_path}/run/shown {tmp_path}/run/key; {inner}"
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("shown\n", "")


_ASKS = """
import sys
from pathlib import Path
from deploy.local.children.seclusion import CoveredDirectories, is_covering
directory = Path(sys.argv[1])
print(is_covering(CoveredDirectories((directory,)).job_command(), directory))
"""


@pytest.mark.parametrize(("n_more", "said"), [(100, "True\n"), (0, "False\n")])
def test_a_machine_without_user_namespaces_is_known_before_a_job_starts(tmp_path: Path, n_more: int, said: str) -> None:
    asks = shlex.join([sys.executable, "-c", _ASKS, str(tmp_path)])
    done = subprocess.run(
        [
            "unshare",
            "--user",
            "--map-root-user",
            "sh",
            "-c",
            f"echo {n_more} > /proc/sys/user/max_user_namespaces; {asks}",
        ],
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == said


def test_the_ids_stay_with_what_belongs_to_them(tmp_path: Path) -> None:
    first, again = (choose_accounts(tmp_path, {}) for _ in range(2))
    assert first == again
    assert (first is not None) == (os.getuid() == 0)


def _as(secluded: SecludedAccounts, account: int, script: str, **paths: list[Path]) -> list[str]:
    command = [*secluded.account_command(account, **paths), "sh", "-c", script]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, cwd="/")
    return (done.stdout + done.stderr).split()


@pytest.fixture
def secluded(services: Services) -> list[SecludedAccounts]:
    """The accounts of these tests' launch, if it has any."""
    return [services.secluded] if services.secluded is not None else []


def test_the_accounts_of_a_launch_stay_when_the_machine_replaces_its_own(
    secluded: list[SecludedAccounts], tmp_path: Path
) -> None:
    """`useradd` writes a new `/etc/passwd` and renames it: a mount over the old file would be gone."""
    for name, owner in (("machine", "root"), ("ours", "ewms-slot1")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "passwd").write_text(f"{owner}\n")
    (tmp_path / "machine/hosts").write_text("localhost\n")
    tmp_path.chmod(0o711)
    for one in secluded:
        *words, plan = one.account_command(FIRST_SLOT, readable=[tmp_path / "machine"])
        plan = json.dumps({**json.loads(plan), "laid_over": {str(tmp_path / "machine"): str(tmp_path / "ours")}})
        script = f"echo; read line; cd {tmp_path}/machine && cat passwd hosts"
        with subprocess.Popen(
            [*words, plan, "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/"
        ) as account:
            assert account.stdin is not None
            assert account.stdout is not None
            assert account.stdout.readline() == "\n"
            (tmp_path / "machine/passwd.new").write_text("another\n")
            (tmp_path / "machine/passwd.new").replace(tmp_path / "machine/passwd")
            account.stdin.write("\n")
            account.stdin.close()
            assert account.stdout.read() == "ewms-slot1\nlocalhost\n"


def test_an_account_sees_what_it_is_shown_and_cannot_take_a_cover_away(
    secluded: list[SecludedAccounts], tmp_path: Path
) -> None:
    closed = tmp_path / "closed"
    (shown := closed / "shown").mkdir(parents=True)
    (hidden := closed / "hidden").mkdir()
    for directory in (shown, hidden):
        (directory / "file").write_text("content\n")
    tmp_path.chmod(0o711)
    closed.chmod(0o700)
    for one in secluded:
        script = f"cat {shown}/file; ls {closed}; touch {shown}/new 2>&1 | grep -o Read-only"
        assert _as(one, FIRST_SLOT, script, readable=[shown]) == ["content", "shown", "Read-only"]
        # Not even its root, which has the machine's root in none of its ids.
        script = f"umount {closed} 2>/dev/null; ls {closed}; cat /etc/shadow >/dev/null 2>&1 || echo closed; id -u"
        assert _as(one, ROOT, script, readable=[shown]) == ["shown", "closed", "0"]
        one.give_tree(shown, TMS)
        assert _as(one, TMS, f"touch {shown}/new && ls {shown}", writable=[shown]) == ["file", "new"]
        assert (shown / "new").stat().st_uid == one.accounts.machine_id(TMS)
    assert (hidden / "file").read_text() == "content\n"


def test_an_account_sees_no_process_of_another(secluded: list[SecludedAccounts]) -> None:
    for one in secluded:
        said = _as(
            one, FIRST_SLOT, f"ls -d /proc/{os.getpid()} /proc/1 2>/dev/null; ls -d /proc/$$; sudo -n id || true"
        )
        assert not {f"/proc/{os.getpid()}", "/proc/1"} & set(said)
        assert any(word.startswith("/proc/") for word in said)
