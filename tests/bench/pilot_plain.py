"""The plain way, to compare with: an aio-pika iterator, asyncio's subprocess, files, a confirmed output, an ack.

python -m tests.bench.pilot_plain URL INPUT OUTPUT DIRECTORY
"""

import asyncio
import sys
from pathlib import Path

import aio_pika


async def main(url: str, source: str, sink: str, directory: str) -> None:
    connection = await aio_pika.connect(url)
    channel = await connection.channel()
    await channel.set_qos(prefetch_count=1)
    exchange = await channel.get_exchange(f"x.{sink}", ensure=False)
    queue = await channel.get_queue(source, ensure=False)
    infile, outfile = Path(directory, "in"), Path(directory, "out")
    async with queue.iterator() as events:
        async for event in events:
            infile.write_bytes(event.body)
            with Path(directory, "stdout").open("wb") as stdout, Path(directory, "stderr").open("wb") as stderr:
                task = await asyncio.create_subprocess_exec("cp", infile, outfile, stdout=stdout, stderr=stderr)
                await task.wait()
            await exchange.publish(aio_pika.Message(outfile.read_bytes(), delivery_mode=2), routing_key=sink)
            await event.ack()
            infile.unlink()
            outfile.unlink()


asyncio.run(main(*sys.argv[1:]))
