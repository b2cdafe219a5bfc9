"""Copy the renewed token from TMS's file into the token file beside the pilot.

HTCondor transfers input files only when a job starts, so a running pilot must fetch the new token. It reads TMS's file
through the job's own chirp proxy: the shadow reads that file on the access point as the job's owner. So workers need no
further address and no further credential that could be stolen. In the local pool the pilot reads TMS's file itself.
"""

import asyncio
import os
from contextlib import suppress
from pathlib import Path

from pilot.chirp.proxy import ChirpProxy
from pilot.settings import PilotSettings

_MAX_BYTES = 64 * 1024
#: How long to wait for the shadow's answer, which comes at once or never.
_TIMEOUT_S = 30.0


class TokenSource:
    """TMS's file of the renewed token, on the access point. If the settings name no file, the pilot fetches nothing."""

    def __init__(self, settings: PilotSettings, proxy: ChirpProxy | None) -> None:
        self._source = settings.token_source
        self._file = Path(settings.token_file)
        self._by_chirp = settings.chirp.fd is None
        self._proxy = proxy

    async def fetch_token(self) -> None:
        """Replace the pilot's token file by the renewed token.

        Raises:
            OSError: the token could not be fetched, or is empty. The old token file stays.
            TimeoutError: the shadow does not answer.
            ImportError: this job has no library for chirp.
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
    """Replace `file` by a file with `token`. Readers see the old or the new file whole. Only the owner can read it."""
    partial = file.with_name(f".{file.name}.new")
    with suppress(FileNotFoundError):
        partial.unlink()
    fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as new:
        new.write(token)
    partial.rename(file)
