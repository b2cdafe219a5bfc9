"""What a worker may use of memory: the task that uses more ends, and its pilot goes on."""

import shlex
import sys

import pytest

from schemas.payloads.data_events import Header
from tests.integration.pilot.field import Field
from tests.integration.pilot.test_ends import reject_one

MIB = 1024 * 1024

#: Uses the MB that its event says, and waits; with `fork`, four more processes look at the same MB.
HUNGRY = """
import os, sys, time
def eat(n): return bytearray(b"x") * (n << 20)
def work(n):
    eaten = eat(n)
    if n < 100:
        children = [os.fork() for _ in range(4)] if n > 50 else []
        if 0 in children: time.sleep(1.5); os._exit(0)
        for _ in children: os.wait()
        return
    time.sleep(60)
"""
EACH = f"{HUNGRY}\nwork(int(open(sys.argv[1]).read()))"
WARM = f"""{HUNGRY}
import json
for line in sys.stdin:
    event = json.loads(line)
    work(event["data"])
    print(json.dumps(dict(id=event["id"], data=1)), flush=True)
"""


@pytest.fixture
def forks_pilots() -> bool:
    """Each pilot is a start of `python`: these tests look at the pilot's memory."""
    return False


@pytest.mark.parametrize("mode", ["event", "stream"])
async def test_a_task_that_uses_too_much_ends_and_its_pilot_goes_on(workflow: Field, mode: str) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    # 75 MB five times over is one time only: what processes share counts once.
    await workflow.put(source, b"300")
    for _ in range(4):
        await reject_one(workflow, source)
    await workflow.put(source, b"75")
    program = {"event": f"{shlex.quote(EACH)} {{{{INFILE}}}}", "stream": shlex.quote(WARM)}[mode]
    variables = {
        "EWMS_PILOT_WORKER_MEMORY": 200 * MIB,
        "EWMS_PILOT_TASK_MODE": mode,
        "EWMS_PILOT_TASK_ARGS": f"{sys.executable} -c {program}",
        "EWMS_PILOT_TIMEOUT_QUEUE_INCOMING": 60,
    }
    pilot = await workflow.pilot(variables, inputs=[source], outputs=[sink])
    (letter,) = await workflow.dead(1, timeout_s=60)
    assert letter.body == b"300"
    assert letter.headers[Header.DEAD_REASON] == "task-out-of-memory"
    error = str(letter.headers[Header.DEAD_ERROR])
    assert error.startswith("WorkerMemoryExceeded('the worker used ")
    assert error.endswith("MB, worker_memory is 200 MB: raise worker_memory, or give each event less to do')")
    await pilot.until(lambda pilot: 'HTChirpEWMSPilotTasksSuccess: "1"' in pilot.said)
    assert any("WorkerMemoryExceeded" in line for line in pilot.said)
    assert pilot.process.returncode is None


async def test_an_init_container_that_uses_too_much_is_named(workflow: Field) -> None:
    source = await workflow.queue()
    variables = {
        "EWMS_PILOT_WORKER_MEMORY": 200 * MIB,
        "EWMS_PILOT_INIT_IMAGE": "none",
        "EWMS_PILOT_INIT_ARGS": f"{sys.executable} -c {shlex.quote(HUNGRY + 'work(300)')}",
        "EWMS_PILOT_TASK_ARGS": "true {{INFILE}}",
    }
    pilot = await workflow.pilot(variables, inputs=[source])
    assert await pilot.ended(60) == 1
    assert "worker_memory is 200 MB" in pilot.log
