"""`ewms up`: run the whole system in the foreground until Ctrl-C, and print how to use it."""

import fcntl
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from deploy.local.children.interruption import Interrupted, raise_on_signals
from deploy.local.children.seclusion import has_accounts
from deploy.local.choices.launch_options import LOCATION, SECOND_LOCATION, read_launch_options
from deploy.local.choices.prerequisites import check_machine, check_pool
from deploy.local.errors import LaunchError, PoolCannotStart
from deploy.local.fetch import packages
from deploy.local.fetch.cache import Installed, cache_directory, prepare_cache
from deploy.local.fetch.packages import PackageSet
from deploy.local.files.lock_files import LOCK, name_this_launcher, open_lock
from deploy.local.files.run_directory import run_directory
from deploy.local.system.data_directory import (
    DataDirectory,
    check_disk,
    claim_data_directory,
    default_directory,
    delete_data,
)
from deploy.local.system.endpoints import ENDPOINTS, publish_endpoints
from deploy.local.system.kept_facts import check_versions, choose_node_count
from deploy.local.system.stack import Stack
from deploy.local.system.stack_launch import running_stack
from deploy.local.system.wiring import N_SLOTS, PoolName
from deploy.page.building import has_page
from schemas.pilot.job_names import TOKEN_FILE

#: The packages to download before each pool starts. The local pool rarely runs containers, so it fetches them later.
NEEDED: Mapping[PoolName, tuple[PackageSet, ...]] = {
    "condor": (packages.BROKER, packages.POOL, packages.CONTAINERS),
    "local": (packages.BROKER,),
}

_POOLS: Mapping[PoolName, str] = {"condor": "HTCondor", "local": "child processes of this machine"}

_OPEN_TO_TASKS = (
    "this machine lets no user open a user namespace with mounts, so tasks without a container can read the keys, "
    "passwords and data of this launch; run only tasks that you trust (docs/security.md)"
)


def up(
    pool: PoolName | None = None,
    *,
    data: Path | None = None,
    is_fresh: bool = False,
    n_nodes: int | None = None,
    environment: Mapping[str, str] = os.environ,
) -> int:
    """Run the system until SIGINT, SIGTERM or SIGHUP. Return the exit status: 0 after a signal, 1 after a printed
    error.

    The system continues with the contents of the directory `data`; if it is None, of this folder's default directory.
    If `is_fresh`, delete the contents first. If `pool` is None, take the kind of pool that the data had last, or
    HTCondor for new data. If HTCondor cannot run then, pilots are plain child processes, and the launcher prints a
    notice.

    The broker and the database have `n_nodes`. If this is None, they have as many as the data had last.
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
                chosen = choose_node_count(n_nodes, kept.facts.n_nodes, where=str(kept.root))
                kept.facts = replace(kept.facts, n_nodes=chosen)
                _run_system(pool or kept.facts.pool, kept, console, environment)
            except Interrupted:
                _print_line(console, _describe_restart(kept))
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
        # Check this before downloading anything for the pool.
        try:
            check_pool()
        except PoolCannotStart as error:
            if pool is not None:
                raise
            _say_no_pool(console, error)
            pool = "local"
    wanted = NEEDED[pool or "condor"]
    if has_accounts(environment) and packages.CONTAINERS not in wanted:
        # A task's account cannot write into our cache, so fetch the container programs now.
        wanted = (*wanted, packages.CONTAINERS)
    installed = prepare_servers(console, environment, wanted, allow_fallback=True)
    if installed.is_fallback:
        facts = ", ".join(f"{name} {version}" for name, version in sorted(installed.versions.items()))
        _print_notice(console, f"these servers are older than the ones that EWMS's tests use: {facts}")
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
    """Print a notice for each option in `environment` that opens something to every account of this machine.

    Raises:
        LaunchError: a variable has an invalid value; the error names the variable.
    """
    for sentence in read_launch_options(environment).notices:
        _print_notice(console, sentence)


def _say_no_pool(console: Console, error: PoolCannotStart) -> None:
    _print_notice(console, f"HTCondor does not run here: {error.what}")
    console.print("Starting pilots as plain child processes of this machine instead.")


def _describe_restart(data: DataDirectory) -> str:
    return (
        f"stopped. The data stay in {data.root}: the same command continues with them, FRESH=1 (--fresh) deletes them."
    )


def _pool_choices(pool: PoolName | None, *, is_fallback: bool) -> tuple[PoolName, ...]:
    if pool is not None:
        return (pool,)
    # Clients of today cannot authenticate to the older HTCondor over the file system.
    return ("local",) if is_fallback else ("condor", "local")


def prepare_servers(
    console: Console,
    environment: Mapping[str, str],
    wanted: Collection[PackageSet] = packages.ALL,
    *,
    allow_fallback: bool = False,
) -> Installed:
    """Return the paths of the unpacked servers. Download those of `wanted` that the cache lacks.

    Raises:
        LaunchError: this machine cannot download the servers, or cannot run them.
    """
    check_machine()
    mirror = environment.get("EWMS_DEBIAN_MIRROR")
    return prepare_cache(cache_directory(environment), console, wanted, mirror=mirror, allow_fallback=allow_fallback)


def _serve_pool(
    installed: Installed, pool: PoolName, data: DataDirectory, console: Console, environment: Mapping[str, str]
) -> None:
    def print_step(what: str) -> None:
        _print_line(console, f"{what} ...")

    other: PoolName = "local" if pool == "condor" else "condor"
    if n_waiting := count_taskforces(data.root / "tms" / other):
        _print_notice(
            console,
            f"{n_waiting} taskforces have their workers in {_POOLS[other]}, and this launch does not start that pool; "
            f"they wait there until a start with POOL={other}",
        )
    with (
        run_directory() as run,
        running_stack(
            installed,
            run,
            pool=pool,
            environment=environment,
            report_step=print_step,
            data=data,
            hidden=[ENDPOINTS.parent.absolute()],
            with_examples=True,
            with_builder=True,
            n_nodes=data.facts.n_nodes or 1,
        ) as stack,
        publish_endpoints(stack.list_endpoints) as written,
    ):
        if stack.is_open_to_tasks:
            _print_notice(console, _OPEN_TO_TASKS)
        console.print(_describe_use(stack, written), soft_wrap=True)
        try:
            stack.watch_children(partial(_print_line, console))
        finally:
            print_step("draining")


def count_taskforces(tms: Path) -> int:
    """Return how many taskforces have a cluster in the pool whose TMS uses the directory `tms`."""
    # TMS removes a taskforce's token file with its cluster.
    return sum(1 for _ in tms.glob(f"taskforces/*/{TOKEN_FILE}"))


@contextmanager
def _claim_folder(folder: Path) -> Iterator[None]:
    """Lock `folder` for this launch during the block: two launches in a folder would overwrite each other's endpoints.

    Raises:
        LaunchError: another launch has the lock, or this user cannot write to `folder`.
    """
    try:
        folder.mkdir(exist_ok=True)
        lock = open_lock(folder / LOCK)
    except OSError as error:
        raise LaunchError(
            f"cannot write the endpoints to {folder.absolute()} ({error.strerror})",
            "start from a folder that you can write to",
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LaunchError(
                f"EWMS already runs in this folder ({ENDPOINTS} has its addresses)",
                "use that one, or end it: Ctrl-C in its terminal, or `make down` here; "
                "or start a second one in another folder",
            ) from None
        lock.truncate(0)
        lock.write(name_this_launcher(Path.cwd()) + "\n")
        lock.flush()
        # A killed launcher has left this file, and its addresses are dead.
        (folder / ENDPOINTS.name).unlink(missing_ok=True)
        yield


def describe_page(gateway: str, *, is_built: bool) -> str:
    """Return where the web page is, and how to sign in. If it is not built, return how to build it."""
    if not is_built:
        return "left out (`make page` builds it, and says what it lacks)"
    return f"{gateway}/ui/   (sign in with the token that `ewms whoami --token` prints)"


def _describe_use(stack: Stack, endpoints: Path) -> str:
    others = "".join(f"\n               {gateway}   (another WMS)" for gateway in stack.gateways[1:])
    second = f" and [bold]{SECOND_LOCATION}[/bold]" if others else ""
    return f"""
[bold green]EWMS is up.[/bold green]  Ctrl-C, or `make down` in another terminal, stops it cleanly; the data stay.

  page         {describe_page(stack.gateway, is_built=has_page())}
  gateway      {stack.gateway}   (documents: {stack.gateway}/v1/schema/openapi){others}
  workers      {N_SLOTS} at once, on {_POOLS[stack.pool]}; cluster location [bold]{LOCATION}[/bold]{second}
  data         {escape(str(stack.services.data.root))}
  logs         {escape(str(stack.logs))}   (until it ends; they stay only after a failure)
  for scripts  {escape(str(endpoints))}

In another terminal, in this folder:

  .venv/bin/ewms workflow submit docs/examples/words/workflow.json --watch
  .venv/bin/ewms --help
"""
