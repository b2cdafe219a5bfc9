"""The scene `machine` of `make disasters`: the data directory of `make up` is saved, deleted and restored."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from deploy.local.system.endpoints import ENDPOINTS
from deploy.local.system.wiring import PoolName
from ewms import Client
from tests.campaigns.disaster_user import DisasterUser
from tests.campaigns.page_commands import fill_command
from tests.campaigns.page_operator import build_environment, run_shell
from tests.waiting import wait_until

_START_S = 400.0
N_EVENTS = 90


class Machine:
    """A folder in which somebody types `ewms up` and `ewms down`."""

    def __init__(self, folder: Path, tell: Callable[[str], None]) -> None:
        self._folder = folder
        self._tell = tell
        self._names = {'"$DATA"': str(folder / "data"), '"$BACKUP"': str(folder / "backup.tar.gz")}
        (folder / "tmp").mkdir()
        self._environment = build_environment(TMPDIR=str(folder / "tmp"))
        self._launcher: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        """The data directory."""
        return self._folder / "data"

    def type_block(self, commands: Sequence[str]) -> None:
        """Type `commands`. `ewms up` goes into the background, and is awaited."""
        for command in commands:
            self._tell(f"  $ {command}")
            filled = fill_command(command, self._names)
            if filled.startswith("ewms up"):
                self.start(*filled.split()[2:])
            else:
                run_shell(filled, self._environment, directory=self._folder)

    def start(self, *options: str) -> None:
        """Start the system, and return when it is up."""
        with (self._folder / "errors").open("w") as errors:
            self._launcher = launcher = subprocess.Popen(
                [sys.executable, "-m", "ewms.cli", "up", *options],
                cwd=self._folder,
                env=self._environment,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )
        said = self._folder / "errors"
        wait_until(
            lambda: "EWMS is up" in said.read_text() or launcher.poll() is not None,
            within_s=_START_S,
            pause_s=0.3,
            show=said.read_text,
        )
        assert launcher.poll() is None, said.read_text()[-2000:]

    def read_endpoints(self) -> dict[str, Any]:
        """Return the addresses of the running system."""
        found: dict[str, Any] = json.loads((self._folder / ENDPOINTS).read_text())
        return found

    def kill(self) -> None:
        """End the launcher, and with it all that it runs, as a crash does."""
        if self._launcher is not None:
            self._launcher.kill()
            self._launcher.wait(60)


def lose_machine(blocks: Sequence[Sequence[str]], pool: PoolName, tell: Callable[[str], None]) -> list[str]:
    """Save the data of a system, delete them, and restore them. Return what went wrong."""
    save, restore = blocks
    # Sockets of the servers need a short path.
    folder = Path(tempfile.mkdtemp(prefix="e"))
    machine = Machine(folder, tell)
    try:
        machine.start("--pool", pool, "--data", str(machine.data))
        told = machine.read_endpoints()
        with Client(told["gateway"], token=told["token"], timeout=90) as client:
            user = DisasterUser.submit(client, told["cluster"])
            user.publish(N_EVENTS)
            assert not user.take(10), "the system does not work before the disaster"
            machine.type_block(save)
            promised = user.confirmed - user.forget()
            user.take(10)
            tell(f"{len(promised)} events are in the backup; deleting the data")
            machine.kill()
            shutil.rmtree(machine.data)
            user.forget()
            machine.type_block(restore)
            missing = user.take(promised)
            faults = [f"{len(missing)} confirmed events are lost: {sorted(missing)[:9]}"] if missing else []
            return [*faults, *filter(None, [user.end()])]
    except AssertionError as error:
        return [f"{error}"]
    finally:
        machine.kill()
        shutil.rmtree(folder, ignore_errors=True)
