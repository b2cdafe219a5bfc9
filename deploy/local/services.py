"""Bring the real servers up together, and down again in reverse, in a run directory of their own.

$TMPDIR/ewms-xxxxxxxx/
  logs/mongod.log rabbitmq.log condor.log …   kept when something failed
  mongodb/ rabbitmq/ condor/                  the servers' state
"""

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from deploy.local.cache import Installed
from deploy.local.condor import Condor, start_condor
from deploy.local.errors import PortTaken
from deploy.local.keys import KeyFiles
from deploy.local.mongodb import MongoDB, start_mongodb
from deploy.local.rabbitmq import RabbitMQ

#: The schedd of the pool on this machine; also the name under which the local pool's TMS stands on the bus.
SCHEDD = "ewms@localhost"

_ATTEMPTS = 3
# HTCondor's daemons meet at sockets below the run directory, whose paths may have 108 bytes.
_LONGEST_RUN_PATH = 40
_SHORT_BASE = "/tmp"  # noqa: S108 - mkdtemp makes a private directory in it


class _Server(Protocol):
    def stop(self) -> None: ...


_S = TypeVar("_S", bound=_Server)


@dataclass(slots=True)
class Services:
    """The running servers; `condor` is `None` where no pool was asked for."""

    run: Path
    mongodb: MongoDB
    rabbitmq: RabbitMQ
    condor: Condor | None

    @property
    def logs(self) -> Path:
        """Where the servers write their logs."""
        return self.run / "logs"


@contextlib.contextmanager
def run_directory() -> Iterator[Path]:
    """Make a fresh, short run directory; it is removed unless the body fails, so that logs can be read."""
    base = tempfile.gettempdir()
    run = Path(tempfile.mkdtemp(prefix="ewms-", dir=base if len(base) < _LONGEST_RUN_PATH else _SHORT_BASE))
    (run / "logs").mkdir()
    yield run
    shutil.rmtree(run, ignore_errors=True)


@contextlib.contextmanager
def running(
    installed: Installed,
    run: Path,
    *,
    schedds: Iterable[str] = (SCHEDD,),
    with_condor: bool = True,
    key_files: KeyFiles | None = None,
) -> Iterator[Services]:
    """Start the servers side by side below `run`; when the body ends, stop them in reverse.

    Raises:
        LaunchError: one did not come up; those that did are stopped, and its log is named.
    """
    with contextlib.ExitStack() as started:

        def mongodb() -> MongoDB:
            return start_mongodb(installed.mongod, _fresh(run / "mongodb"), run / "logs/mongod.log")

        def rabbitmq() -> RabbitMQ:
            home, log = _fresh(run / "rabbitmq"), run / "logs/rabbitmq.log"
            return RabbitMQ(installed.tree, home, log, schedds=schedds, key_files=key_files).start()

        def condor() -> Condor:
            return start_condor(installed.tree, _fresh(run / "condor"), run / "logs/condor.log", schedd=SCHEDD)

        with ThreadPoolExecutor(3, thread_name_prefix="start") as pool:
            first, second = pool.submit(_retried, mongodb), pool.submit(_retried, rabbitmq)
            third = pool.submit(_retried, condor) if with_condor else None
            # Each that came up is to be stopped, even if another did not.
            failures = [_stop_later(started, one) for one in (first, second, third) if one is not None]
        for failure in failures:
            if failure is not None:
                raise failure
        yield Services(run, first.result(), second.result(), third.result() if third else None)


def _fresh(directory: Path) -> Path:
    # A server that starts anew must not meet the traces of an earlier try.
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory


def _stop_later(
    started: contextlib.ExitStack, future: "Future[MongoDB] | Future[RabbitMQ] | Future[Condor]"
) -> BaseException | None:
    if (error := future.exception()) is not None:
        return error
    started.callback(future.result().stop)
    return None


def _retried(start: Callable[[], _S]) -> _S:
    for _ in range(_ATTEMPTS - 1):
        with contextlib.suppress(PortTaken):
            return start()
    return start()
