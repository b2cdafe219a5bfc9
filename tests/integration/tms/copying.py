"""A stand-in for a running pilot: warns of a failed event, and stays until it is removed."""

import asyncio
import logging
import os
import sys
from pathlib import Path

from pilot.app import begin_log_copy, gather_variables
from pilot.chirp.proxy import take_proxy
from pilot.chirp.sender import choose_channel
from pilot.settings import read_settings
from schemas.pilot.job_names import TASK_FILE, ChirpAttribute


async def main() -> None:
    logging.basicConfig(stream=sys.stderr)
    told = read_settings(gather_variables(os.environ, Path(TASK_FILE).absolute()), directory=str(Path.cwd()))
    proxy = take_proxy(os.environ, str(Path.cwd()))
    begin_log_copy(told, os.environ, proxy)
    await choose_channel(told.chirp, proxy).send_values({ChirpAttribute.STATUS: "Tasking"})
    logging.getLogger("pilot").warning("event 5f0e failed: bad pixel")
    await asyncio.sleep(600)


asyncio.run(main())
