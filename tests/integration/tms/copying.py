"""A stand-in for a running pilot: warns of a failed event, and stays until it is removed."""

import asyncio
import logging
import os
import sys
from pathlib import Path

from pilot.app import begin_log_copy, gathered
from pilot.chirp.proxy import take_proxy
from pilot.chirp.sender import voice
from pilot.settings import TASK_FILE, settings
from schemas.statuses import ChirpAttribute


async def main() -> None:
    logging.basicConfig(stream=sys.stderr)
    told = settings(gathered(os.environ, Path(TASK_FILE).absolute()), directory=str(Path.cwd()))
    proxy = take_proxy(os.environ, str(Path.cwd()))
    begin_log_copy(told, os.environ, proxy)
    await voice(told.chirp, proxy).say({ChirpAttribute.STATUS: "Tasking"})
    logging.getLogger("pilot").warning("event 5f0e failed: bad pixel")
    await asyncio.sleep(600)


asyncio.run(main())
