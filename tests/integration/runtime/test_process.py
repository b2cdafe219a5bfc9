"""A process from start to end: its exit codes, and what a signal does to it."""

import asyncio
import os
import signal
import sys

import httpx2
import pytest


async def started(kind: str) -> asyncio.subprocess.Process:
    """Start the process of `kind`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EWMS_")}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.integration.runtime.plain_process",
        kind,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )


async def word(process: asyncio.subprocess.Process) -> str:
    """Return the next word that `process` says."""
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), 20)).decode().strip()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_it_and_the_code_is_0(number: signal.Signals) -> None:
    process = await started("usual")
    url = await word(process)
    async with httpx2.AsyncClient() as http:
        assert (await http.get(f"{url}/readyz")).status_code == 200
    process.send_signal(number)
    assert [await word(process), await word(process)] == ["draining", "drained"]
    assert await asyncio.wait_for(process.wait(), 10) == 0


async def test_what_it_has_after_its_start_is_exempt_from_garbage_collection() -> None:
    process = await started("counts")
    await word(process)
    process.terminate()
    assert await word(process) == "draining"
    assert int(await word(process)) > 10_000
    await asyncio.wait_for(process.wait(), 10)


async def test_a_second_signal_does_not_wait_for_the_drain() -> None:
    process = await started("slow")
    await word(process)
    process.terminate()
    assert await word(process) == "draining"
    process.terminate()
    assert await asyncio.wait_for(process.wait(), 10) == 128 + signal.SIGTERM


async def test_a_signal_ends_a_process_that_has_not_started_yet() -> None:
    process = await started("waits")
    assert await word(process) == "waiting"
    process.terminate()
    assert await asyncio.wait_for(process.wait(), 10) == 0


@pytest.mark.parametrize(
    ("kind", "code", "said"),
    [
        ("away", 75, "no broker"),
        ("refused", 2, "bad credentials"),
        ("defect", 1, "ZeroDivisionError"),
        ("misconfigured", 2, "EWMS_CONTROL_AMQP_URL: is needed"),
    ],
)
async def test_what_hinders_the_start_has_its_code_and_is_said(kind: str, code: int, said: str) -> None:
    process = await started(kind)
    _, errors = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == code
    assert said in errors.decode()
    assert ("Traceback" in errors.decode()) == (kind == "defect")
