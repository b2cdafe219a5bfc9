"""Read the pilot's variables, build the pilot's parts in order, and run the pilot."""

import asyncio
import json
import logging
import os
import platform
import signal
import sys
import time
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path

from pilot.chirp.log_copy import LogCopy, open_own_log
from pilot.chirp.proxy import ChirpProxy, take_proxy
from pilot.chirp.sender import Chirper, choose_channel
from pilot.containers.allowed_paths import WorkerPlaces, external_mounts
from pilot.containers.held_paths import Pin, PinnedRuntime, find_places, look_at
from pilot.containers.mounts import DATA_HUB, TASK_HOME, TASK_IO, Mount, check_path, check_targets
from pilot.containers.own_process import prepare_process, process_began_s
from pilot.containers.processes import TaskProcesses
from pilot.containers.run_files import DATA_DIRECTORY, WorkDirectory, read_tail, remove_tree
from pilot.containers.secret_files import fill_program, read_secrets, write_secrets
from pilot.errors import SettingsInvalid, StartOutlivedWorker
from pilot.events.queues import PilotQueues
from pilot.failures.secret_mask import SecretMask
from pilot.life.retiring import end_of_work_s
from pilot.machine.whereabouts import JOB_AD, MACHINE_AD, Whereabouts, find_whereabouts, read_charges
from pilot.runners.run import Pilot
from pilot.runtimes.choice import choose_runtime
from pilot.runtimes.docker import Docker
from pilot.settings import PilotSettings, read_chirp, read_settings
from schemas.broker.queue_format import Wire
from schemas.errors import EWMSError
from schemas.fleet.statuses import PilotStatus
from schemas.payloads.legacy_wire import check_codec
from schemas.pilot.job_names import TASK_FILE

log = logging.getLogger("pilot")

#: The exit status of a pilot whose variables are wrong.
EXIT_USAGE = 2

_MAX_AD_BYTES = 1024 * 1024


def main() -> int:
    """Run a pilot in this process. Return its exit status, which is 2 (`EXIT_USAGE`) if its variables are wrong."""
    directory = str(Path.cwd())
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        environment = gather_variables(os.environ, Path(directory, TASK_FILE))
    except SettingsInvalid as error:
        log.critical("%s", error.reason)
        return EXIT_USAGE
    scrub_variables(os.environ)
    prepare_process(directory)
    proxy = take_proxy(os.environ, directory)
    try:
        filled = fill_program(environment, directory)
        told = read_settings(filled.environment, directory=directory)
    except SettingsInvalid as error:
        for problem in error.problems:
            log.critical("%s", problem)
        asyncio.run(_chirp_problems(environment, error, proxy))
        return EXIT_USAGE
    logging.getLogger().setLevel(told.log_level_third_party)
    for name in ("pilot", "runtime"):
        logging.getLogger(name).setLevel(told.log_level)
    for name in told.unknown:
        log.warning("this pilot knows no variable %s and ignores it: look for a typing error", name)
    return asyncio.run(run_pilot(told, os.environ, proxy, filled.hidden))


def gather_variables(environment: Mapping[str, str], task_file: Path) -> dict[str, str]:
    """Return the pilot's variables: those in TMS's `task_file`, and those in `environment`, which override them.

    Raises:
        SettingsInvalid: the file exists and cannot be read as a task file.
    """
    try:
        content = json.loads(task_file.read_bytes())
        told = {str(name): str(value) for name, value in content["environment"].items()}
    except FileNotFoundError:
        told = {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsInvalid(
            [f"{task_file.name} cannot be read ({type(error).__name__}); transfer it again"]
        ) from error
    return {**told, **environment}


def scrub_variables(environment: MutableMapping[str, str]) -> None:
    """Remove the pilot's own variables (some are tokens) from `environment`, so that no child process inherits them."""
    for name in [name for name in environment if name.startswith(("EWMS_PILOT_", "_EWMS_PILOT_"))]:
        del environment[name]


async def run_pilot(
    told: PilotSettings, environment: Mapping[str, str], proxy: ChirpProxy | None, hidden: Sequence[str] = ()
) -> int:
    """Build the pilot's parts, run the pilot until it leaves, and close the parts. Return the exit status.

    `hidden` are the secrets in the program's texts.
    """
    loop = asyncio.get_running_loop()
    chirper = Chirper(choose_channel(told.chirp, proxy), told.chirp.interval_s)
    chirper.start_chirping()
    queues = PilotQueues(told, clock=time.time, proxy=proxy)
    copy = begin_log_copy(told, environment, proxy)
    building = loop.create_task(_build_pilot(told, environment, queues, chirper, hidden))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, building.cancel)
    status = 1
    try:
        pilot = await wait_until_built(building, told.worker_runtime_s)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ask_to_leave, pilot, copy)
        status = await pilot.run()
    except asyncio.CancelledError:
        log.info("a signal stopped the pilot before its first event")
        chirper.set_status(PilotStatus.DONE)
        status = 0
    except EWMSError as error:
        log.critical("%s", error.reason)
        chirper.set_status(PilotStatus.FATAL_ERROR, f"{type(error).__name__}({error.reason!r})")
    except Exception as error:
        # A full disk, or a defect. Report it before this worker ends.
        log.critical("the pilot cannot go on", exc_info=True)
        chirper.set_status(PilotStatus.FATAL_ERROR, repr(error))
    finally:
        remove_tree(str(Path(told.data_dir_parent, DATA_DIRECTORY, "secrets")))
        ends = (queues.close(), chirper.close(), *((copy.close_copy(),) if copy else ()))
        await asyncio.gather(*ends, return_exceptions=True)
    return status


def ask_to_leave(pilot: Pilot, copy: LogCopy | None) -> None:
    """Ask the pilot to leave, and copy its log now: HTCondor may give the pilot no time for that at the end."""
    if copy is not None:
        copy.copy_now()
    pilot.ask_to_stop()


def begin_log_copy(told: PilotSettings, environment: Mapping[str, str], proxy: ChirpProxy | None) -> LogCopy | None:
    """Begin to copy this pilot's log to the access point after warnings, and return the copier. Return None if the log
    cannot be copied.

    The copier is a handler of the root logger from now on.

    Only a job of HTCondor whose log is a file, and which has a chirp proxy and a log directory, can copy its log.
    """
    where = _locate_pilot(environment)
    if not told.log_directory or proxy is None or where.cluster is None or where.worker is None:
        return None
    source = open_own_log()
    if source is None:
        return None
    copy = LogCopy(f"{told.log_directory}/cluster-{where.cluster}/{where.worker}.err", proxy, source)
    logging.getLogger().addHandler(copy)
    copy.start_copying()
    return copy


async def wait_until_built(building: "asyncio.Task[Pilot]", runtime_s: float | None) -> Pilot:
    """Wait until the pilot is built, and return it.

    Raises:
        StartOutlivedWorker: the worker's runtime ended first.
    """
    limit = asyncio.timeout_at(end_of_work_s(process_began_s(), runtime_s))
    try:
        async with limit:
            return await building
    except TimeoutError:
        if not limit.expired() or runtime_s is None:
            raise
        raise StartOutlivedWorker(
            f"the task's image was not ready when the worker's runtime ({runtime_s:g} s) was over: "
            "raise max_worker_runtime, or put the image where workers need not convert it"
        ) from None


async def _build_pilot(
    told: PilotSettings,
    environment: Mapping[str, str],
    queues: PilotQueues,
    chirper: Chirper,
    hidden: Sequence[str],
) -> Pilot:
    if any(queue.wire is Wire.LEGACY for queue in told.outputs):
        check_codec()
    kept = find_places(told, os.environ.get("_CONDOR_SCRATCH_DIR", ""))
    external, pins = await asyncio.to_thread(_resolve_external, told, kept)
    children = TaskProcesses()
    work = WorkDirectory(told.data_dir_parent, infile_ext=told.infile_ext, outfile_ext=told.outfile_ext)
    connecting = asyncio.create_task(queues.connect())
    try:
        task = await choose_runtime(told, told.task.image, children, environment, places=kept)
        init = None
        if told.init is not None:
            init = await choose_runtime(told, told.init.image, children, environment, places=kept)
        if any(isinstance(one.runtime, Docker) for one in (task, init) if one):
            work = WorkDirectory(
                told.data_dir_parent, infile_ext=told.infile_ext, outfile_ext=told.outfile_ext, shared=True
            )
        work.make_directories()
        secrets = read_secrets(told, str(Path.cwd()))
        work.mask = SecretMask(value.encode() for value in (*secrets.values(), *hidden))
        work.secrets = write_secrets(secrets, Path(work.path, "secrets"), shared=work.shared)
        if not task.runtime.on_host:
            check_path(work.path)
            check_targets(
                (Mount(work.data_hub, DATA_HUB), Mount(work.path, TASK_IO), Mount(work.path, TASK_HOME), *external)
            )
        await connecting
    except BaseException:
        connecting.cancel()
        await asyncio.gather(connecting, return_exceptions=True)
        raise
    # A bare task starts in the current directory: that must hold the task's files, not the pilot's own.
    os.chdir(work.path)
    return Pilot(
        told,
        queues=queues,
        children=children,
        work=work,
        chirper=chirper,
        runtime=PinnedRuntime(task.runtime, (*task.pins, *pins)),
        init_runtime=PinnedRuntime(init.runtime, (*init.pins, *pins)) if init else None,
        external=external,
        born_s=process_began_s(),
        whereabouts=_locate_pilot(environment),
        charges_events=read_charges(environment, _read_ad(environment, JOB_AD)),
    )


def _locate_pilot(environment: Mapping[str, str]) -> Whereabouts:
    """Return where this pilot is, from HTCondor's ads and the machine's own name."""
    machine_ad, job_ad = (_read_ad(environment, name) for name in (MACHINE_AD, JOB_AD))
    return find_whereabouts(environment, machine_ad=machine_ad, job_ad=job_ad, node=platform.node())


def _read_ad(environment: Mapping[str, str], name: str) -> str:
    return read_tail(path, _MAX_AD_BYTES) if (path := environment.get(name)) else ""


def _resolve_external(told: PilotSettings, kept: WorkerPlaces) -> tuple[tuple[Mount, ...], tuple[Pin, ...]]:
    """Return the mounts of the external directories, and a pin on each directory. Slow file systems may delay this."""
    seen = {path: at for path in told.external_directories if (at := look_at(path, inside=False)) is not None}
    mounts = external_mounts(told.external_directories, {path: looked for path, (looked, _) in seen.items()}, kept)
    return mounts, tuple(pin for _, pin in seen.values())


async def _chirp_problems(environment: Mapping[str, str], error: SettingsInvalid, proxy: ChirpProxy | None) -> None:
    """Chirp `error`, the problems of the pilot's variables, and stop chirping."""
    told = read_chirp(environment)
    chirper = Chirper(choose_channel(told, proxy), told.interval_s)
    chirper.start_chirping()
    chirper.set_status(PilotStatus.FATAL_ERROR, f"SettingsInvalid({error.reason!r})")
    await chirper.close()
