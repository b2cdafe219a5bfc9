"""Run one job of the local pool: a pilot as a child process. At its end, kill every process that the pilot started.

The pilot dies with TMS (`setpriv --pdeathsig`). If TMS has accounts for jobs, the pilot runs under one of these
accounts. If TMS has `holder` words, the pilot has its own view of the file system. In both cases the pilot cannot read
TMS's files, so TMS puts renewed tokens into the pilot's directory.
"""

import asyncio
import errno
import os
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from runtime.telemetry import log
from schemas.pilot.job_names import CHIRP_FD_VARIABLE, LOCAL_CHARGES, LOCAL_JOB, TOKEN_FILE
from schemas.pilot.variables import PREFIX
from tms.pools.local.control_groups import JobGroup
from tms.pools.local.job_members import kill_members
from tms.pools.local.token_delivery import keep_token_new

_MAX_CHIRP_BYTES = 64 * 1024
#: How many seconds TMS reads chirps after the pilot's end. A process that the pilot left behind may hold the pipe open.
_LAST_CHIRPS_S = 1.0
#: The variable that names TMS's own token file to a pilot. A pilot that cannot read it must not have it.
_TOKEN_SOURCE = f"{PREFIX}TOKEN_SOURCE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job to run. If `output` is None, TMS drops the pilot's output."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    input_files: tuple[str, ...]
    directory: Path
    output: Path | None
    max_runtime_s: float
    grace_s: float
    #: The number of the user and group of the pilot's process; `None` for TMS's own.
    account: int | None = None
    #: Whether the pilot counts each failure against its event.
    charges_events: bool = False
    #: Words before the command that hide TMS's files. With these, the pilot sees its own directory and no other file of
    #: TMS.
    holder: tuple[str, ...] = ()
    #: The control group that limits the job's memory, if there is one. It goes with the job.
    group: JobGroup | None = None

    @property
    def sees_tms(self) -> bool:
        """Return whether the pilot can read TMS's files."""
        return self.account is None and not self.holder


class MaxRuntimeReached(Exception):
    """The job has reached its maximum runtime, and TMS has ended it."""


async def run(job: Job, *, started: Callable[[], None], chirped: Callable[[str], None]) -> int:
    """Run `job`. Return its exit code, or minus the number of the signal that ended it.

    Call `started` once the pilot runs, and `chirped` with the text of each chirp. A cancellation ends the pilot by
    SIGTERM, and after the grace time all processes of the job by SIGKILL. When `run` returns or raises, no process that
    the pilot started is alive, and the job's directory is removed.

    Raises:
        OSError: the command cannot be started.
        MaxRuntimeReached: the job reached its maximum runtime.
    """
    try:
        await asyncio.to_thread(_prepare_directory, job)
        process, chirps = await _spawn_pilot(job, chirped)
        try:
            # Call it in this block, so that the pilot ends if `started` fails.
            started()
            async with _keep_token_new(job), asyncio.timeout(job.max_runtime_s):
                return await process.wait()
        except TimeoutError as error:
            raise MaxRuntimeReached from error
        finally:
            await asyncio.shield(asyncio.ensure_future(_end_pilot(process, job, chirps)))
    finally:
        await asyncio.to_thread(_remove_traces, job)


def _remove_traces(job: Job) -> None:
    shutil.rmtree(job.directory, ignore_errors=True)
    if job.group is not None:
        job.group.remove()


def _prepare_directory(job: Job) -> None:
    if shutil.which(job.command[0], path=job.environment.get("PATH")) is None:
        # Otherwise `setpriv` would start, and fail with its own error.
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), job.command[0])
    job.directory.mkdir(mode=0o700, parents=True)
    for file in map(Path, job.input_files):
        if file.is_dir():
            shutil.copytree(file, job.directory / file.name)
        else:
            # Copy the mode too, because only the owner may read the token.
            shutil.copy2(file, job.directory / file.name)
    if job.account is not None:
        for path in (job.directory, *job.directory.rglob("*")):
            os.chown(path, job.account, job.account, follow_symlinks=False)
    if job.output:
        job.output.parent.mkdir(mode=0o700, parents=True, exist_ok=True)


async def _spawn_pilot(
    job: Job, chirped: Callable[[str], None]
) -> tuple[asyncio.subprocess.Process, "asyncio.Task[None]"]:
    read_fd, write_fd = os.pipe()
    stdout, stderr = _open_outputs(job)
    try:
        process = await asyncio.create_subprocess_exec(
            *_holder_words(job.account),
            *job.holder,
            *job.command,
            cwd=job.directory,
            env={
                "HOME": str(job.directory),
                "TMPDIR": str(job.directory),
                **job.environment,
                CHIRP_FD_VARIABLE: str(write_fd),
                # HTCondor marks its jobs' processes in the same way.
                LOCAL_JOB: job.name,
                **({LOCAL_CHARGES: "1"} if job.charges_events else {}),
                **({} if job.sees_tms else {_TOKEN_SOURCE: ""}),
            },
            stdin=asyncio.subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            pass_fds=(write_fd,),
            start_new_session=True,
        )
    except BaseException:
        os.close(read_fd)
        raise
    finally:
        os.close(write_fd)
        for fd in {stdout, stderr} - {asyncio.subprocess.DEVNULL}:
            os.close(fd)
    if job.group is not None:
        job.group.add_process(process.pid)
    return process, asyncio.create_task(_read_chirps(read_fd, chirped))


def _holder_words(account: int | None) -> list[str]:
    """Return the words before the pilot's command that make it die with TMS and run as `account`."""
    setpriv = shutil.which("setpriv")
    if account is None:
        return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
    if setpriv is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "setpriv")
    user = [f"--reuid={account}", f"--regid={account}", "--clear-groups", "--inh-caps=-all", "--no-new-privs"]
    return [setpriv, *user, "--pdeathsig", "KILL", "--"]


def _keep_token_new(job: Job) -> AbstractAsyncContextManager[None]:
    source = next((path for path in map(Path, job.input_files) if path.name == TOKEN_FILE), None)
    if job.sees_tms or source is None:
        return nullcontext()
    return keep_token_new(source, job.directory, job.account)


def _open_outputs(job: Job) -> tuple[int, int]:
    if job.output is None:
        return asyncio.subprocess.DEVNULL, asyncio.subprocess.DEVNULL
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    return os.open(f"{job.output}.out", flags, 0o600), os.open(f"{job.output}.err", flags, 0o600)


async def _read_chirps(read_fd: int, chirped: Callable[[str], None]) -> None:
    reader = asyncio.StreamReader(limit=_MAX_CHIRP_BYTES)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_fd, "rb")
    )
    try:
        async for line in _read_lines(reader):
            try:
                chirped(line.decode("utf-8", "replace").strip())
            except Exception:  # noqa: BLE001 - the pilot speaks on
                log.error("a pilot's chirp could not be logged", exc_info=True)
    finally:
        transport.close()


async def _read_lines(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Yield the lines that are not empty. Skip a line that is longer than the reader's limit."""
    is_rest = False
    is_open = True
    while is_open:
        try:
            line = await reader.readuntil()
        except asyncio.LimitOverrunError as error:
            await reader.readexactly(error.consumed)
            is_rest = True
            continue
        except asyncio.IncompleteReadError as error:
            line, is_open = error.partial, False
        if line.strip() and not is_rest:
            yield line
        is_rest = False


async def _end_pilot(process: asyncio.subprocess.Process, job: Job, chirps: "asyncio.Task[None]") -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.terminate()
        with suppress(TimeoutError):
            async with asyncio.timeout(job.grace_s):
                await process.wait()
    await kill_members(process.pid, job.name, job.account)
    await process.wait()
    await _finish_chirps(chirps)


async def _finish_chirps(chirps: "asyncio.Task[None]") -> None:
    try:
        async with asyncio.timeout(_LAST_CHIRPS_S):
            await chirps
    except TimeoutError:
        return
