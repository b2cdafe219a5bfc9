"""`ewms up`: the whole system in the foreground until Ctrl-C, and how to use it on the screen."""

import fcntl
import json
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from deploy.local import packages
from deploy.local.asked import LOCATION
from deploy.local.cache import Installed, cache_directory, prepare
from deploy.local.errors import LaunchError, PoolUnavailable
from deploy.local.interruption import Interrupted, raise_on_signals
from deploy.local.keys import write_secret
from deploy.local.packages import PackageSet
from deploy.local.prerequisites import check_machine, check_pool
from deploy.local.rundir import run_directory
from deploy.local.stack import Stack, running_stack
from deploy.local.wiring import N_SLOTS, PoolName

#: What is downloaded for each pool before it starts. Child processes rarely run containers: those wait for the first.
NEEDED: Mapping[PoolName, tuple[PackageSet, ...]] = {
    "condor": (packages.BROKER, packages.POOL, packages.CONTAINERS),
    "local": (packages.BROKER,),
}

ENDPOINTS = Path(".ewms") / "endpoints.json"


def up(pool: PoolName | None = None, *, environment: Mapping[str, str] = os.environ) -> int:
    """Run the system until SIGINT, SIGTERM or SIGHUP; return the exit status.

    `pool` None takes HTCondor, and where that cannot run plain child processes for the pilots, with a notice.
    """
    console = Console(stderr=True)
    raise_on_signals()
    try:
        if pool != "local":
            # Known before anything is downloaded for it.
            try:
                check_pool()
            except PoolUnavailable as error:
                if pool is not None:
                    raise
                _say_no_pool(console, error)
                pool = "local"
        installed = installation(console, environment, NEEDED[pool or "condor"], allow_fallback=True)
        if installed.is_fallback:
            facts = ", ".join(f"{name} {version}" for name, version in sorted(installed.versions.items()))
            console.print(f"[yellow]Notice:[/yellow] these servers are older than those EWMS is tested with: {facts}")
            console.print("Pilots are plain child processes of this machine, and tasks have no containers.")
        choices = _choices(pool, is_fallback=installed.is_fallback)
        for choice in choices:
            try:
                _serve(installed, choice, console, environment)
            except PoolUnavailable as error:
                if choice == choices[-1]:
                    raise
                _say_no_pool(console, error)
            else:
                break
    except Interrupted:
        console.print("stopped.", style="dim", markup=False, highlight=False)
        return 0
    except LaunchError as error:
        console.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        return 1
    return 0


def _say_no_pool(console: Console, error: PoolUnavailable) -> None:
    console.print(f"[yellow]Notice:[/yellow] HTCondor does not run here: {escape(error.what)}")
    console.print("Starting pilots as plain child processes of this machine instead.")


def _choices(pool: PoolName | None, *, is_fallback: bool) -> tuple[PoolName, ...]:
    if pool is not None:
        return (pool,)
    # The older HTCondor does not know today's clients by the file system that both see.
    return ("local",) if is_fallback else ("condor", "local")


def installation(
    console: Console,
    environment: Mapping[str, str],
    wanted: Collection[PackageSet] = packages.ALL,
    *,
    allow_fallback: bool = False,
) -> Installed:
    """Return the unpacked servers, downloading what the cache lacks of those that are `wanted`.

    Raises:
        LaunchError: this machine cannot have them, or run them.
    """
    check_machine()
    mirror = environment.get("EWMS_DEBIAN_MIRROR")
    return prepare(cache_directory(environment), console, wanted, mirror=mirror, allow_fallback=allow_fallback)


def _serve(installed: Installed, pool: PoolName, console: Console, environment: Mapping[str, str]) -> None:
    def said(what: str) -> None:
        console.print(f"{what} ...", style="dim", markup=False, highlight=False)

    with (
        _claimed(ENDPOINTS.parent),
        run_directory() as run,
        running_stack(installed, run, pool=pool, environment=environment, said=said) as stack,
        _endpoints(stack) as written,
    ):
        console.print(_how_to_use(stack, written), soft_wrap=True)
        try:
            stack.watch(said)
        finally:
            said("draining")


@contextmanager
def _claimed(folder: Path) -> Iterator[None]:
    """Have `folder` for this launch alone: two would write over each other's endpoints.

    Raises:
        LaunchError: another has it, or it cannot be written.
    """
    try:
        folder.mkdir(exist_ok=True)
        lock = (folder / "lock").open("w")
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
        yield


@contextmanager
def _endpoints(stack: Stack) -> Iterator[Path]:
    """Have `.ewms/endpoints.json` for the block: where the system is, and the token of the signed-in user."""
    ENDPOINTS.unlink(missing_ok=True)
    write_secret(ENDPOINTS, json.dumps(stack.endpoints(), indent=1).encode())
    try:
        yield ENDPOINTS.absolute()
    finally:
        ENDPOINTS.unlink(missing_ok=True)


def _how_to_use(stack: Stack, endpoints: Path) -> str:
    pool = "HTCondor" if stack.pool == "condor" else "child processes of this machine"
    return f"""
[bold green]EWMS is up.[/bold green]  Ctrl-C drains it and stops everything.

  gateway      {stack.gateway}   (documents: {stack.gateway}/v1/schema/openapi)
  workers      {N_SLOTS} at once, on {pool}; cluster location [bold]{LOCATION}[/bold]
  logs         {escape(str(stack.logs))}
  for scripts  {escape(str(endpoints))}

In another terminal, in this folder:

  .venv/bin/ewms workflow submit docs/examples/words/workflow.json --watch
  .venv/bin/ewms --help
"""
