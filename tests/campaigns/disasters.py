"""`make disasters`: destroy a part of a system for good, and type what the how-to pages say.

    make disasters [ARGS='--scenes backup,broker --pool condor']

    machine     docs/howto/back-up-and-restore.md: the data directory of `make up` is saved, deleted and restored
    backup      the same page: databases, broker and settings of a deployment are saved, destroyed and restored
    broker      docs/howto/operate.md: the broker with all its events is gone
    database    the same page: the database is gone, and there is no backup
    schedd      the same page: one of two access points is gone, with its TMS and its workers

A user has events under way in each scene. The commands are read from the pages. The exit status is 1 if one of them
fails, if a confirmed event that a backup has does not come back, or if the system does not work afterwards.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pymongo import MongoClient
from rich.console import Console

from deploy.local.children.interruption import Interrupted, raise_on_signals
from deploy.local.choices.launch_options import LOCATION, SECOND_LOCATION
from deploy.local.errors import LaunchError
from deploy.local.files.run_directory import run_directory
from deploy.local.servers.mongo_accounts import ADMIN, list_databases
from deploy.local.system.stack import Stack
from deploy.local.system.stack_launch import running_stack
from deploy.local.system.up import prepare_servers
from deploy.local.system.wiring import PoolName
from ewms import Client, EWMSError
from tests.campaigns.disaster_user import PATIENCE_S, DisasterUser
from tests.campaigns.one_machine import lose_machine
from tests.campaigns.page_commands import read_commands
from tests.campaigns.page_operator import ROOT, PageOperator
from tests.system.pilots import find_pilots
from tests.waiting import holds_within

SAVE, OPERATE = "docs/howto/back-up-and-restore.md", "docs/howto/operate.md"
N_EVENTS = 90


def read_page(name: str) -> str:
    """Return the text of a how-to page."""
    return (ROOT / name).read_text()


@dataclass
class Site:
    """A running system with its user and its operator."""

    stack: Stack
    client: Client
    operator: PageOperator
    tell: Callable[[str], None]

    def begin(self, cluster: str = LOCATION) -> DisasterUser:
        """Return a user who has some results, and many events under way."""
        user = DisasterUser.submit(self.client, cluster)
        user.publish(N_EVENTS)
        missing = user.take(10)
        assert not missing, f"the system does not work before the disaster: {missing}"
        return user

    def drop_databases(self) -> None:
        """Lose all documents."""
        with MongoClient[dict[str, object]](self.stack.services.mongodb.url(ADMIN)) as client:
            for name in list_databases().values():
                client.drop_database(name)

    def lose_broker(self) -> None:
        """Lose the broker with all that it has."""
        self.stack.services.rabbitmq.kill()
        _empty(self.stack.services.data.root / "rabbitmq")

    def find_taskforces(self, user: DisasterUser) -> list[str]:
        """Return the ids of the taskforces of a user."""
        return [taskforce.taskforce_uuid for taskforce in self.client.taskforces(user.run.id)]

    def kill_with_workers(self, user: DisasterUser, *names: str) -> None:
        """End processes as a crash does, and then the workers of a user, as their machines are gone too."""
        uuids = self.find_taskforces(user)
        for name in names:
            self.stack.kill(name, signal.SIGKILL)
        for pid in (pid for uuid in uuids for pid in find_pilots(uuid)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def check_new(self) -> list[str]:
        """Return why a new workflow does not work; empty if it does."""
        user = DisasterUser.submit(self.client, LOCATION)
        user.publish(10)
        missing = user.take(user.confirmed)
        faults = [f"a new workflow: no results of {sorted(missing)}"] if missing else []
        return [*faults, *filter(None, [user.end()])]


def lose_everything(site: Site) -> list[str]:
    """Save a deployment, destroy it, and restore it."""
    save, restore = read_commands(read_page(SAVE), "A deployment")
    user = site.begin()
    site.operator.type_block(save)
    promised = user.confirmed - user.forget()
    user.publish(5)
    user.take(10)
    site.tell(f"{len(promised)} events are in the backup, {len(user.received)} results came after it; destroying all")
    site.kill_with_workers(user, "wms", "mqs", "tms")
    site.lose_broker()
    site.drop_databases()
    _empty(site.stack.services.data.root / "tms" / site.stack.pool)
    user.forget()
    site.operator.type_block(restore)
    missing = user.take(promised)
    faults = [f"{len(missing)} confirmed events of the backup are lost: {sorted(missing)[:9]}"] if missing else []
    return [*faults, *filter(None, [user.end()]), *site.check_new()]


def lose_broker(site: Site) -> list[str]:
    """Lose the broker, and start an empty one."""
    (commands,) = read_commands(read_page(OPERATE), "The whole broker")
    user = site.begin()
    site.lose_broker()
    site.operator.type_block(commands, WORKFLOW=user.run.id)
    return [*_find_open(user), *site.check_new()]


def lose_database(site: Site) -> list[str]:
    """Lose the database without a backup, and start with an empty one."""
    (commands,) = read_commands(read_page(OPERATE), "The whole database")
    user = site.begin()
    uuids = site.find_taskforces(user)
    site.drop_databases()
    site.operator.type_block(commands)
    faults = [f"{user.run.id} is still known"] if site.client.workflows({}) else []
    is_free = holds_within(lambda: not any(map(find_pilots, uuids)), PATIENCE_S, pause_s=1.0)
    return [*faults, *([] if is_free else ["the workers of before are still there"]), *site.check_new()]


def lose_schedd(site: Site) -> list[str]:
    """Lose one of two access points."""
    commands, replacement = read_commands(read_page(OPERATE), "A schedd")
    user = site.begin(SECOND_LOCATION)
    site.kill_with_workers(user, "tms-2")
    (task,) = site.client.tasks([user.run.id])
    printed = site.operator.type_block(commands, osg=SECOND_LOCATION, TASK=task.task_id, OTHER=LOCATION, N="2")
    faults = [] if user.run.id in printed else [f"`ewms workflow list` does not name {user.run.id}"]
    missing = user.take(user.confirmed)
    faults += [f"{len(missing)} confirmed events are lost: {sorted(missing)[:9]}"] if missing else []
    faults += filter(None, [user.await_completion()])
    # The new access point knows nothing of the old one.
    _empty(site.stack.services.data.root / "tms" / "second")
    site.operator.type_block(replacement)
    faults += _find_open(user)
    for name in ("wms", "wms-2"):
        known = json.loads(site.stack.get_variables(name)["EWMS_CLUSTERS"])
        left = {location: one for location, one in known.items() if location != SECOND_LOCATION}
        site.stack.set_variables(name, {"EWMS_CLUSTERS": json.dumps(left)})
        site.stack.restart(name)
    named = {location.name for location in site.client.clusters()}
    faults += ["the lost location is still named"] if SECOND_LOCATION in named else []
    return [*faults, *site.check_new()]


def _find_open(user: DisasterUser) -> list[str]:
    try:
        user.run.wait("over", timeout=PATIENCE_S)
    except EWMSError as error:
        return [f"{user.run.id} is not over: {error.reason}"]
    return []


def _empty(directory: Path) -> None:
    for entry in directory.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


Scene = Callable[[Site], list[str]]
#: The scenes of a system that this process runs, in their order, and how many nodes it has.
SCENES: Mapping[str, tuple[Scene, int]] = {
    "backup": (lose_everything, 1),
    "broker": (lose_broker, 1),
    "database": (lose_database, 1),
    "schedd": (lose_schedd, 3),
}
MACHINE = "machine"


def run_scene(name: str, pool: PoolName, console: Console, tell: Callable[[str], None]) -> list[str]:
    """Run a scene on a system of its own, and return what went wrong."""
    if name == MACHINE:
        return lose_machine(read_commands(read_page(SAVE), "One machine with `make up`"), pool, tell)
    scene, n_nodes = SCENES[name]
    faults = ["the scene did not end"]
    installed = prepare_servers(console, os.environ)
    with (
        run_directory(keep_logs=lambda: bool(faults)) as run,
        tempfile.TemporaryDirectory(prefix="ewms-operator-") as directory,
        running_stack(installed, run, pool=pool, n_nodes=n_nodes) as stack,
        Client(stack.gateway, token=stack.token, timeout=90) as client,
    ):
        tell(f"logs: {stack.logs}")
        try:
            operator = PageOperator(stack, Path(directory), tell, condor=installed.pool / "usr/bin")
            faults = scene(Site(stack, client, operator, tell))
        except (AssertionError, EWMSError) as error:
            faults = [f"{error}"]
    return faults


def main(words: Sequence[str] | None = None) -> int:
    """Run the campaign, and return the exit status."""
    parser = argparse.ArgumentParser(prog="make disasters")
    parser.add_argument("--pool", choices=("condor", "local"), default="local")
    parser.add_argument("--scenes", default=",".join((MACHINE, *SCENES)), help="the scenes, in this order")
    arguments = parser.parse_args(words)
    console, names = Console(highlight=False), arguments.scenes.split(",")
    if unknown := set(names) - {MACHINE, *SCENES}:
        parser.error(f"unknown scenes: {', '.join(sorted(unknown))}; known are {', '.join((MACHINE, *SCENES))}")
    raise_on_signals()

    def tell(line: str) -> None:
        console.print(line, markup=False, soft_wrap=True)

    n_faults = 0
    try:
        for name in names:
            began_s = time.monotonic()
            tell(f"{name}: load {os.getloadavg()[0]:.1f}")
            faults = run_scene(name, arguments.pool, console, tell)
            n_faults += len(faults)
            for fault in faults:
                tell(f"FAULT {name}: {fault}")
            tell(f"{name}: {'kept' if not faults else 'BROKEN'} after {time.monotonic() - began_s:.0f} s")
    except (Interrupted, LaunchError) as error:
        tell(f"the campaign stopped: {error!r}")
        return 1
    return 1 if n_faults else 0


if __name__ == "__main__":
    sys.exit(main())
