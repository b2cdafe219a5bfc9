"""WMS as a process of its own, to be killed: `python -m tests.integration.wms.engine.wms_process`.

It takes commands from its standard input, a line each, and prints what became of them:

    launch NAME UUID      launched ID
    event NAME ID         kept N
"""

import asyncio
import os
import sys

from pydantic import SecretStr

from runtime.clock import utc_now
from runtime.telemetry import configure_logging
from schemas.ids import RunUuid
from schemas.run_documents import InputDocument
from wms.app import Wms, run_wms
from wms.engine.life.launching import LaunchWish
from wms.engine.repository import INPUT_LIFE
from wms.settings import WmsSettings


async def obey(wms: Wms, command: list[str]) -> str:
    """Carry out a command; return what became of it."""
    match command:
        case ["launch", name, uuid]:
            run = await wms.engine.launch_run(name, LaunchWish(who="ada"), run_uuid=RunUuid(uuid))
            return f"launched {run.id}"
        case ["event", name, event_id]:
            now = utc_now()
            given = InputDocument(
                id=event_id, name=name, correlation="c", body={"x": 1}, at=now, expires_at=now + INPUT_LIFE
            )
            return f"kept {await wms.inputs.take_event(given)}"
        case _:
            raise AssertionError(command)


async def main() -> None:
    """Serve until the standard input ends."""
    configure_logging(service="wms")
    settings = WmsSettings(
        mongo_url=SecretStr(os.environ["TEST_MONGO_URL"]),
        mongo_database=os.environ["TEST_DATABASE"],
        control_amqp_url=SecretStr(os.environ["TEST_AMQP_URL"]),
        gateway_port=0,
        auth="off",
        mqs_url="http://127.0.0.1:9",
        pilot_tag="1.2.3",
    )
    async with run_wms(settings) as wms:
        print("up", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            print(await obey(wms, line.split()), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
