"""Fetch the renewed token from where TMS keeps it, into the token file beside the pilot.

HTCondor carries input files only when a job starts, so a running pilot has to ask. It asks through the job's own chirp
proxy: the shadow reads the access point's file as the job's owner. No address has to be reachable that is not already,
and no further credential exists that could be stolen. In the local pool the file can simply be read.
"""

import asyncio
import os
from contextlib import suppress
from pathlib import Path

from pilot.chirp.proxy import ChirpProxy
from pilot.settings import Settings

_MAX_BYTES = 64 * 1024
#: The shadow answers at once, or does not.
_TIMEOUT_S = 30.0


class TokenSource:
    """The file on the access point that TMS renews; nothing is fetched where the pilot was told of none."""

    def __init__(self, settings: Settings, proxy: ChirpProxy | None) -> None:
        self._source = settings.token_source
        self._file = Path(settings.token_file)
        self._by_chirp = settings.chirp.fd is None
        self._proxy = proxy

    async def fetch(self) -> None:
        """Bring the token file up to date.

        Raises: OSError: it could not be fetched, and the old one stands.
        """
        if not self._source:
            return
        token = await asyncio.wait_for(asyncio.to_thread(self._read), _TIMEOUT_S)
        if not token.strip():
            raise OSError("the renewed token is empty")
        await asyncio.to_thread(_replace, self._file, token)

    def _read(self) -> bytes:
        if not self._by_chirp:
            with Path(self._source).open("rb") as file:
                return file.read(_MAX_BYTES)
        if self._proxy is None:
            raise OSError("HTCondor has given this job no chirp proxy")
        with self._proxy.opened() as proxy:
            data: bytes = proxy.read(self._source, _MAX_BYTES)
            return data


def _replace(file: Path, token: bytes) -> None:
    """Put `token` into the place of `file`, whole, and never readable by others."""
    partial = file.with_name(f".{file.name}.new")
    with suppress(FileNotFoundError):
        partial.unlink()
    fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as new:
        new.write(token)
    partial.rename(file)
