"""A stand-in for a running pilot: fetches its token until there is another than it came with, and says which."""

import asyncio
import os
from pathlib import Path

from pilot.app import gathered
from pilot.chirp import voice
from pilot.renewal import TokenSource
from pilot.settings import TASK_FILE, settings
from schemas.statuses import ChirpAttribute


async def main() -> None:
    told = settings(gathered(os.environ, Path(TASK_FILE).absolute()), directory=str(Path.cwd()))
    source, file = TokenSource(told), Path(told.token_file)
    chirps = voice(told.chirp)
    await chirps.say({ChirpAttribute.STATUS: "Tasking"})
    first = file.read_text()
    while file.read_text() == first:
        await source.fetch()
        await asyncio.sleep(0.1)
    mode = file.stat().st_mode & 0o777
    await chirps.say({ChirpAttribute.STATUS: f"{mode:o} {file.read_text().rpartition('.')[2]}"})


asyncio.run(main())
