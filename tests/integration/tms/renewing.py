"""A stand-in for a running pilot: fetches its token until there is another than it came with, and says which.

It says as well what of its own job it could change by chirp.
"""

import asyncio
import os
import sys
from pathlib import Path

from pilot.app import gather_variables
from pilot.chirp.proxy import ChirpProxy, take_proxy
from pilot.chirp.sender import choose_channel
from pilot.events.token_renewal import TokenSource
from pilot.settings import read_settings
from schemas.pilot.exits import PilotExit
from schemas.pilot.job_names import TASK_FILE, ChirpAttribute

#: What a job runs, whose files it gets, who pays for it.
FIXED = ("Cmd", "TransferInput", "AcctGroupUser")


def change_job(proxy: ChirpProxy | None) -> list[str]:
    """Try to change this job; return the attributes that could be."""
    changed: list[str] = []
    if proxy is None:
        return changed
    for name in FIXED:
        try:
            with proxy.open_connection() as connection:
                connection.set_job_attr(name, '"/etc/passwd"')
        except OSError:
            continue
        changed.append(name)
    return changed


async def main() -> None:
    told = read_settings(gather_variables(os.environ, Path(TASK_FILE).absolute()), directory=str(Path.cwd()))
    proxy = take_proxy(os.environ, str(Path.cwd()))
    source, file = TokenSource(told, proxy), Path(told.token_file)
    chirps = choose_channel(told.chirp, proxy)
    await chirps.send_values({ChirpAttribute.STATUS: "Tasking"})
    changed = change_job(proxy)
    first = file.read_text()
    while file.read_text() == first:
        await source.fetch_token()
        await asyncio.sleep(0.1)
    mode = file.stat().st_mode & 0o777
    words = [f"{mode:o}", file.read_text().rpartition(".")[2], *changed]
    await chirps.send_values({ChirpAttribute.STATUS: " ".join(words)})


asyncio.run(main())
# As of a pilot whose queues are gone: the job does not start again.
sys.exit(PilotExit.CLOSED)
