"""Fetch the renewed token from where TMS keeps it, into the token file beside the pilot.

HTCondor transfers input files only when a job starts, so a running pilot must ask for the new token. It asks through
the job's own chirp proxy: the shadow reads the access point's file as the job's owner. This needs no further address
that workers must reach, and no further credential that could be stolen. In the local pool the pilot reads the file
itself.
"""

import asyncio
import os
from contextlib import suppress
from pathlib import Path

from pilot.chirp.proxy import ChirpProxy
from pilot.settings import PilotSettings

_MAX_BYTES = 64 * 1024
#: How long to wait for the shadow. It answers at once, or not at all.
_TIMEOUT_S = 30.0


class TokenSource:
    """The file on the access point in which TMS renews the token. If the settings name no file, fetch nothing."""

    def __init__(self, settings: PilotSettings, proxy: ChirpProxy | None) -> None:
        self._source = settings.token_source
        self._file = Path(settings.token_file)
        self._by_chirp = settings.chirp.fd is None
        self._proxy = proxy

    async def fetch_token(self) -> None:
        """Replace the token file by the renewed token.

        Raises: OSError: the token could not be fetched. The old file stays.
        """
        if not self._source:
            return
        token = await asyncio.wait_for(asyncio.to_thread(self._read_source), _TIMEOUT_S)
        if not token.strip():
            raise OSError("the renewed token is empty")
        await asyncio.to_thread(_replace_file, self._file, token)

    def _read_source(self) -> bytes:
        if not self._by_chirp:
            with Path(self._source).open("rb") as file:
                return file.read(_MAX_BYTES)
        if self._proxy is None:
            raise OSError("HTCondor has given this job no chirp proxy")
        with self._proxy.open_connection() as proxy:
            data: bytes = proxy.read(self._source, _MAX_BYTES)
            return data


def _replace_file(file: Path, token: bytes) -> None:
    """Replace `file` by one that holds `token`. No reader sees it half written, and no other account can read it."""
    partial = file.with_name(f".{file.name}.new")
    with suppress(FileNotFoundError):
        partial.unlink()
    fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as new:
        new.write(token)
    partial.rename(file)
