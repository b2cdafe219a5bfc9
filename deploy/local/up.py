"""`ewms up`: the whole system in the foreground until Ctrl-C, and how to use it on the screen."""

import fcntl
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from deploy.local.children.interruption import Interrupted, raise_on_signals
from deploy.local.children.seclusion import has_accounts
from deploy.local.data_directory import DataDirectory, check_disk, claim_data_directory, default_directory, delete_data
from deploy.local.endpoints import ENDPOINTS, publish_endpoints
from deploy.local.errors import LaunchError, PoolCannotStart
from deploy.local.fetch import packages
from deploy.local.fetch.cache import Installed, cache_directory, prepare_cache
from deploy.local.fetch.packages import PackageSet
from deploy.local.kept_facts import check_versions
from deploy.local.launch_options import LOCATION, read_launch_options
from deploy.local.lock_files import open_lock
from deploy.local.prerequisites import check_machine, check_pool
from deploy.local.run_directory import run_directory
from deploy.local.stack import Stack
from deploy.local.stack_launch import running_stack
from deploy.local.wiring import N_SLOTS, PoolName
from schemas.pilot.job_names import TOKEN_FILE

#: What is downloaded for each pool before it starts. Child processes rarely run containers: those wait for the first.
NEEDED: Mapping[PoolName, tuple[PackageSet, ...]] = {
    "condor": (packages.BROKER, packages.POOL, packages.CONTAINERS),
    "local": (packages.BROKER,),
}

_POOLS: Mapping[PoolName, str] = {"condor": "HTCondor", "local": "child processes of this machine"}

_OPEN_TO_TASKS = (
    "this machine lets no user open a user namespace with mounts, so that tasks without a container can read the keys, "
    "passwords and data of this launch; run only tasks that you trust (docs/security.md)"
)


def up(
    pool: PoolName | None = None,
    *,
    data: Path | None = None,
    is_fresh: bool = False,
    environment: Mapping[str, str] = os.environ,
) -> int:
    """Run the system until SIGINT, SIGTERM or SIGHUP; return the exit status.

    The system continues with the contents of the directory `data` (None: the one of this folder); `is_fresh` deletes
    them first. `pool` None takes the kind of pool that the data were used with, else HTCondor. Where HTCondor cannot
    run, pilots are plain child processes, and a notice says so.
    """
    console = Console(stderr=True)
    raise_on_signals()
    folder = Path.cwd()
    try:
        root = data or default_directory(folder, environment)
        with _claim_folder(ENDPOINTS.parent), claim_data_directory(root, folder=folder) as kept:
            try:
                if is_fresh:
                    _print_line(console, f"deleting the workflows, events, jobs and keys in {kept.root} ...")
                    delete_data(kept)
                _run_system(pool or kept.facts.pool, kept, console, environment)
            except Interrupted:
                _print_line(console, _how_to_go_on(kept))
    except Interrupted:
        _print_line(console, "stopped.")
    except LaunchError as error:
        console.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        return 1
    return 0


def _run_system(pool: PoolName | None, data: DataDirectory, console: Console, environment: Mapping[str, str]) -> None:
    say_notices(console, environment)
    for sentence in check_disk(data):
        _print_notice(console, sentence)
    if pool != "local":
        # Known before anything is downloaded for it.
        try:
            check_pool()
        except PoolCannotStart as error:
            if pool is not None:
                raise
            _say_no_pool(console, error)
            pool = "local"
    wanted = NEEDED[pool or "condor"]
    if has_accounts(environment) and packages.CONTAINERS not in wanted:
        # The account of a task cannot fetch them into our cache when it needs them.
        wanted = (*wanted, packages.CONTAINERS)
    installed = prepare_servers(console, environment, wanted, allow_fallback=True)
    if installed.is_fallback:
        facts = ", ".join(f"{name} {version}" for name, version in sorted(installed.versions.items()))
        _print_notice(console, f"these servers are older than those EWMS is tested with: {facts}")
        console.print("Pilots are plain child processes of this machine, and tasks have no containers.")
    for sentence in check_versions(data.facts.versions, installed.versions, where=str(data.root)):
        _print_notice(console, sentence)
    choices = _pool_choices(pool, is_fallback=installed.is_fallback)
    for choice in choices:
        try:
            _serve_pool(installed, choice, data, console, environment)
        except PoolCannotStart as error:
            if choice == choices[-1]:
                raise
            _say_no_pool(console, error)
        else:
            break


def _print_line(console: Console, what: str) -> None:
    console.print(what, style="dim", markup=False, highlight=False, soft_wrap=True)


def _print_notice(console: Console, sentence: str) -> None:
    console.print(f"[yellow]Notice:[/yellow] {escape(sentence)}", highlight=False, soft_wrap=True)


def say_notices(console: Console, environment: Mapping[str, str]) -> None:
    """Print what `environment` opens to every account of this machine.

    Raises:
        LaunchError: a variable has an invalid value; the error names the variable.
    """
    for sentence in read_launch_options(environment).notices:
        _print_notice(console, sentence)


def _say_no_pool(console: Console, error: PoolCannotStart) -> None:
    _print_notice(console, f"HTCondor does not run here: {error.what}")
    console.print("Starting pilots as plain child processes of this machine instead.")


def _how_to_go_on(data: DataDirectory) -> str:
    return f"stopped. All of it stays in {data.root}: the same command goes on with it, FRESH=1 (--fresh) starts anew."


def _pool_choices(pool: PoolName | None, *, is_fallback: bool) -> tuple[PoolName, ...]:
    if pool is not None:
        return (pool,)
    # The older HTCondor does not know today's clients by the file system that both see.
    return ("local",) if is_fallback else ("condor", "local")


def prepare_servers(
    console: Console,
    environment: Mapping[str, str],
    wanted: Collection[PackageSet] = packages.ALL,
    *,
    allow_fallback: bool = False,
) -> Installed:
    """Return the unpacked servers. Download those of `wanted` that the cache lacks.

    Raises:
        LaunchError: this machine cannot have them, or run them.
    """
    check_machine()
    mirror = environment.get("EWMS_DEBIAN_MIRROR")
    return prepare_cache(cache_directory(environment), console, wanted, mirror=mirror, allow_fallback=allow_fallback)


def _serve_pool(
    installed: Installed, pool: PoolName, data: DataDirectory, console: Console, environment: Mapping[str, str]
) -> None:
    def said(what: str) -> None:
        _print_line(console, f"{what} ...")

    other: PoolName = "local" if pool == "condor" else "condor"
    if n_waiting := count_taskforces(data.root / "tms" / other):
        _print_notice(
            console,
            f"{n_waiting} taskforces have their workers at {_POOLS[other]}, which this start leaves out; they wait "
            f"there until a start with POOL={other}",
        )
    with (
        run_directory() as run,
        running_stack(
            installed,
            run,
            pool=pool,
            environment=environment,
            said=said,
            data=data,
            hidden=[ENDPOINTS.parent.absolute()],
        ) as stack,
        publish_endpoints(stack.endpoints) as written,
    ):
        if stack.is_open_to_tasks:
            _print_notice(console, _OPEN_TO_TASKS)
        console.print(_how_to_use(stack, written), soft_wrap=True)
        try:
            stack.watch(partial(_print_line, console))
        finally:
            said("draining")


def count_taskforces(tms: Path) -> int:
    """Return how many taskforces have a cluster at the pool whose TMS works in the directory `tms`."""
    # TMS removes the token with the cluster.
    return sum(1 for _ in tms.glob(f"taskforces/*/{TOKEN_FILE}"))


@contextmanager
def _claim_folder(folder: Path) -> Iterator[None]:
    """Lock `folder` for this launch: two launches would overwrite each other's endpoints.

    Raises:
        LaunchError: another launch holds the folder, or it cannot be written.
    """
    try:
        folder.mkdir(exist_ok=True)
        lock = open_lock(folder / "lock")
    except OSError as error:
        raise LaunchError(
            f"{folder.absolute()} cannot be written ({error.strerror}), where the endpoints go",
            "start from a folder of yours",
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LaunchError(
                f"EWMS is up in this folder already ({ENDPOINTS} tells where)",
                "use that one, or end it with Ctrl-C where it was started; another folder may have another",
            ) from None
        # A launcher that was killed has left it, and it leads nowhere now.
        (folder / ENDPOINTS.name).unlink(missing_ok=True)
        yield


def _how_to_use(stack: Stack, endpoints: Path) -> str:
    return f"""
[bold green]EWMS is up.[/bold green]  Ctrl-C drains it and stops everything; what is in it stays.

  gateway      {stack.gateway}   (documents: {stack.gateway}/v1/schema/openapi)
  workers      {N_SLOTS} at once, on {_POOLS[stack.pool]}; cluster location [bold]{LOCATION}[/bold]
  data         {escape(str(stack.services.data.root))}
  logs         {escape(str(stack.logs))}
  for scripts  {escape(str(endpoints))}

In another terminal, in this folder:

  .venv/bin/ewms workflow submit docs/examples/words/workflow.json --watch
  .venv/bin/ewms --help
"""
