"""Take HTCondor's chirp proxy for the pilot alone, before any task runs.

HTCondor writes the proxy's address and secret into a file of the job. A process that can read the file can use the
proxy, and so read and write any file of TMS's account on the access point, and change any attribute of the job. A task
without a container has the pilot's account and could read the file. So the pilot reads the file first, and removes it.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

#: This variable names the file. HTCondor before 24 sets no variable and puts the file into the job's directory.
CHIRP_VARIABLE = "_CONDOR_CHIRP_CONFIG"
_FILE = ".chirp.config"


@dataclass(frozen=True, slots=True)
class ChirpProxy:
    """The address of this job's chirp proxy, and the secret (`cookie`) that opens the proxy."""

    host: str
    port: int
    cookie: str = field(repr=False)

    @contextmanager
    def open_connection(self) -> Iterator[Any]:
        """Open a connection to the proxy, and close it at the end of the `with` block. Its calls block the thread.

        Raises:
            OSError: the proxy does not answer, or refuses.
        """
        from htchirp import HTChirp  # noqa: PLC0415 - only jobs of HTCondor have it, and its import takes time

        try:
            with HTChirp(self.host, self.port, cookie=self.cookie) as connection:
                yield connection
        except (HTChirp.ChirpError, RuntimeError, ValueError) as error:
            raise OSError(f"chirp: {type(error).__name__} {error}") from error


def take_proxy(environment: Mapping[str, str], directory: str) -> ChirpProxy | None:
    """Read the file that names the job's chirp proxy, remove the file, and return the proxy.

    Without a name in `environment`, the file lies in `directory`. Return None if there is no file or it is unreadable.
    """
    file = Path(environment.get(CHIRP_VARIABLE) or Path(directory, _FILE))
    try:
        host, port, cookie = file.read_text().split()
        proxy = ChirpProxy(host, int(port), cookie)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        log.warning("HTCondor's chirp file %s cannot be read: %s", file, error)
        proxy = None
    try:
        file.unlink()
    except OSError as error:
        # An empty file reveals nothing either.
        with suppress(OSError):
            file.write_text("")
            return proxy
        log.warning("%s cannot be removed, so tasks without a container can use HTCondor's chirp: %s", file, error)
    return proxy
