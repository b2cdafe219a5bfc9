"""WMS as it runs for users, and beside it a driver that starts chains, one line of stdin for each group.

python -m tests.bench.peers.ewms_engine          reads lines `<name> <chains> <steps>`; WMS's settings are its variables
"""

import asyncio
import sys

from tests.bench.peers.chain_trace import make_payload
from tests.bench.peers.ewms_chain import name_chain
from wms.app import Wms, run_wms
from wms.engine import repository
from wms.engine.life.launching import LaunchWish
from wms.settings import WmsSettings

#: So many launches run at once.
_LAUNCHES = 10


async def _launch(wms: Wms, turns: asyncio.Semaphore, chain: str, n_steps: int) -> None:
    async with turns:
        wish = LaunchWish(state={"chain": chain, "payload": make_payload()})
        await wms.engine.launch_run(name_chain(n_steps), wish)


async def _serve(lengths: list[int]) -> None:
    async with run_wms(WmsSettings()) as wms:
        for n_steps in lengths:
            while await repository.find_definition(wms.store, name_chain(n_steps)) is None:
                await asyncio.sleep(0.05)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        turns = asyncio.Semaphore(_LAUNCHES)
        while line := await asyncio.to_thread(sys.stdin.readline):
            group, n_chains, n_steps = line.split()
            await asyncio.gather(
                *(_launch(wms, turns, f"{group}-{number}", int(n_steps)) for number in range(int(n_chains)))
            )


if __name__ == "__main__":
    asyncio.run(_serve([int(n) for n in sys.argv[1:]]))
