"""How pilots and tasks end: drained, killed, timed out; nothing lost, nothing left behind."""

import asyncio
import signal
import time
from pathlib import Path

import pytest

from deploy.local.servers.broker_admin import BrokerAdmin
from schemas.payloads.data_events import Header
from schemas.pilot.exits import PilotExit
from tests.integration.pilot.field import Field
from tests.integration.pilot.test_events import CP, sh
from tests.waiting import eventually, holds_within


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False


@pytest.fixture
def forks_pilots() -> bool:
    """Each pilot is a start of `python`: what a killed task leaves must be reaped as on a worker."""
    return False


async def gone(pids: list[int], within_s: float = 10.0) -> bool:
    assert pids, "nothing was started that could be gone"
    return await asyncio.to_thread(holds_within, lambda: not any(alive(pid) for pid in pids), within_s)


async def written(path: Path, lines: int = 1, within_s: float = 40) -> list[str]:
    found: list[str] = await eventually(
        lambda: path.read_text().split() if path.exists() else [],
        lambda found: len(found) >= lines,
    )
    return found


async def test_sigterm_returns_what_was_not_started_and_finishes_what_runs(workflow: Field) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, *(b"%d" % n for n in range(6)))
    task = sh('sleep 1.5; cp "$0" "$1"', EWMS_PILOT_MAX_CONCURRENT_TASKS=2, EWMS_PILOT_PREFETCH=5)
    pilot = await workflow.pilot(task, inputs=[source], outputs=[sink])
    await pilot.tasking()
    pilot.signal(signal.SIGTERM)
    assert await pilot.ended() == 0
    assert await workflow.depth(sink) == 2
    assert await workflow.depth(source) == 4
    assert pilot.statuses()[-2:] == ["PendingRemainingTasks", "Done"]
    # Returned, not failed: the broker has counted no attempt.
    assert all(Header.DELIVERY_COUNT not in message.headers for message in await workflow.take(source, 4))


async def test_when_the_grace_is_over_the_task_is_killed_and_its_event_returned(
    workflow: Field, tmp_path: Path
) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, b"x")
    task = sh(f"echo $$ > {tmp_path}/pid; sleep 60", EWMS_PILOT_DRAIN_GRACE=1)
    pilot = await workflow.pilot(task, inputs=[source], outputs=[sink])
    (pid,) = await written(tmp_path / "pid")
    pilot.signal(signal.SIGTERM)
    assert await pilot.ended() == 0
    assert await gone([int(pid)])
    assert await workflow.depth(source) == 1


async def test_kill_9_loses_nothing(workflow: Field) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    ids = await workflow.put(source, *(b"%d" % n for n in range(60)))
    task = sh('sleep 0.05; cp "$0" "$1"', EWMS_PILOT_MAX_CONCURRENT_TASKS=4, EWMS_PILOT_TIMEOUT_QUEUE_INCOMING=3)
    for _ in range(2):
        victim = await workflow.pilot(task, inputs=[source], outputs=[sink])
        await eventually(lambda: workflow.depth(sink), lambda n: n >= 5)
        victim.signal(signal.SIGKILL)
        await victim.ended()
    survivor = await workflow.pilot(task, inputs=[source], outputs=[sink])
    assert await survivor.ended(60) == 0
    outputs = await workflow.take(sink, await workflow.depth(sink))
    assert {message.headers[Header.PARENT] for message in outputs} == set(ids)
    # What came twice came with the same id.
    assert len({message.message_id for message in outputs}) == len(ids)
    assert await workflow.depth(source) == 0


async def test_a_timeout_kills_the_task_and_everything_that_it_started(workflow: Field, tmp_path: Path) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, b"x")
    pids = tmp_path / "pids"
    script = f"""echo $$ >> {pids}
        (sleep 300 & echo $! >> {pids}; wait) &
        setsid sh -c 'echo $$ >> {pids}; sleep 300' &
        (setsid sh -c 'echo $$ >> {pids}; sleep 300 & wait' &) ; sleep 300"""
    task = sh(script, EWMS_PILOT_TASK_TIMEOUT=1, EWMS_PILOT_STOP_LISTENING_ON_TASK_ERROR="True")
    pilot = await workflow.pilot(task, inputs=[source], outputs=[sink])
    started = [int(pid) for pid in await written(pids, 4)]
    await pilot.until(lambda pilot: any("timed out" in line for line in pilot.said))
    assert await gone(started)
    assert await pilot.ended() == 1
    assert any("task failed: [Timeout-Error] timed out after 1s" in line for line in pilot.said)


async def test_what_a_task_leaves_running_is_gone_when_it_has_ended(workflow: Field, tmp_path: Path) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, b"daemon", b"sleeper")
    pids = tmp_path / "pids"
    script = f"""if grep -q daemon "$0"; then
          (setsid sh -c 'echo $$ >> {pids}; exec sleep 300' &); (sleep 300 & echo $! >> {pids}); sleep 0.3
        else sleep 4; fi; cp "$0" "$1" """
    task = sh(script, EWMS_PILOT_MAX_CONCURRENT_TASKS=2)
    pilot = await workflow.pilot(task, inputs=[source], outputs=[sink])
    left = [int(pid) for pid in await written(pids, 2)]
    # The other task runs on, and is not touched.
    assert await gone(left, within_s=2.5)
    assert {message.body for message in await workflow.take(sink, 2)} == {b"daemon", b"sleeper"}
    assert await pilot.ended() == 0


async def test_an_init_that_takes_too_long_is_killed(workflow: Field) -> None:
    source = await workflow.queue()
    variables = {
        **CP,
        "EWMS_PILOT_INIT_IMAGE": "any",
        "EWMS_PILOT_INIT_ARGS": "sleep 300",
        "EWMS_PILOT_INIT_TIMEOUT": 0.5,
    }
    pilot = await workflow.pilot(variables, inputs=[source])
    assert await pilot.ended() == 1
    assert any("init-container failed: [Timeout-Error] timed out after 0.5s" in line for line in pilot.said)


async def test_a_lost_connection_does_not_lose_the_running_task_nor_run_it_twice(
    workflow: Field, tmp_path: Path
) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    (event_id,) = await workflow.put(source, b"x")
    runs = tmp_path / "runs"
    task = sh(f'echo run >> {runs}; sleep 6; cp "$0" "$1"', EWMS_PILOT_TIMEOUT_QUEUE_INCOMING=4)
    pilot = await workflow.pilot(task, inputs=[source], outputs=[sink])
    await written(runs)

    def cut() -> None:
        with BrokerAdmin(workflow.rabbitmq.management_url("admin")) as admin:
            admin.close_connections(workflow.vhost)

    # The management database learns of a connection with a delay.
    async with asyncio.timeout(60):
        while "was lost" not in pilot.log:
            await asyncio.to_thread(cut)
            await asyncio.sleep(0.5)
    await workflow.reconnect()
    (output,) = await workflow.take(sink, 1)
    assert output.headers[Header.PARENT] == event_id
    assert await pilot.ended() == 0
    assert await workflow.depth(source) == 0
    assert runs.read_text().count("run") == 1


async def test_quarantine_keeps_a_failed_pilot_until_it_is_over(workflow: Field) -> None:
    source = await workflow.queue()
    await workflow.put(source, b"x")
    variables = {"EWMS_PILOT_STOP_LISTENING_ON_TASK_ERROR": "True", "EWMS_PILOT_QUARANTINE_TIME": 3}
    pilot = await workflow.pilot(sh("exit 1", **variables), inputs=[source])
    await pilot.until(lambda pilot: pilot.statuses()[-1:] == ["FatalError"])
    failed_s = time.monotonic()
    assert await pilot.ended() == 1
    assert time.monotonic() - failed_s > 2.5
    assert len(await workflow.take(source, 1)) == 1
    assert await workflow.depth(source) == 0


async def test_the_work_directory_is_empty_afterwards_and_kept_where_wanted(workflow: Field) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, b"x")
    tidy = await workflow.pilot(sh('mkdir "$1.d"; touch "$1.d/x"; cp "$0" "$1"'), inputs=[source], outputs=[sink])
    await tidy.ended()
    assert [path.name for path in (tidy.directory / "ewms-pilot-data").iterdir()] == ["data-hub"]

    await workflow.put(source, b"x")
    kept = await workflow.pilot({**CP, "EWMS_PILOT_KEEP_ALL_TASK_FILES": "True"}, inputs=[source], outputs=[sink])
    await kept.ended()
    (run,) = (path for path in (kept.directory / "ewms-pilot-data").iterdir() if path.name != "data-hub")
    assert (run / "task-io" / f"infile-{run.name}.in").read_bytes() == b"x"
    assert (run / "outputs" / "stdoutfile").exists()


async def test_a_job_that_starts_with_an_expired_token_waits_until_it_is_renewed(
    workflow: Field, tmp_path: Path
) -> None:
    """As the jobs of a pool do that was stopped overnight: they start before TMS has renewed their tokens."""
    source, sink = await workflow.queue(), await workflow.queue()
    expired = workflow.token([source], [sink], life_s=-60)
    renewed = tmp_path / "renewed"
    renewed.write_text(expired)
    pilot = await workflow.pilot(
        {**CP, "EWMS_PILOT_TOKEN_SOURCE": renewed},
        inputs=[source],
        outputs=[sink],
        token=expired,
    )
    await workflow.put(source, b"hello")
    await pilot.until(lambda pilot: "the token has expired" in pilot.log)
    assert pilot.process.returncode is None

    renewed.write_text(workflow.token([source], [sink]))
    (message,) = await workflow.take(sink, 1)
    assert message.body == b"hello"


async def test_a_task_that_outlives_its_worker_is_charged_and_one_that_was_begun_late_is_not(workflow: Field) -> None:
    early, late, sink = [await workflow.queue() for _ in range(3)]
    await workflow.put(early, b"too long")
    for _ in range(4):
        await reject_one(workflow, early)
    # On busy cores a pilot needs a second or two until it has its first event.
    task = sh("sleep 60", EWMS_PILOT_MAX_WORKER_RUNTIME=25, EWMS_PILOT_TIMEOUT_QUEUE_INCOMING=60)
    first = await workflow.pilot(task, inputs=[early], outputs=[sink])
    second = await workflow.pilot(task, inputs=[late], outputs=[sink])
    await second.until(lambda pilot: "AwaitingFirstMessage" in pilot.statuses())
    await asyncio.sleep(5)  # a part of its worker's life without an event
    await workflow.put(late, b"begun late")
    assert await second.ended(40) == 0, second.log
    assert await first.ended(40) == 1, first.log

    (letter,) = await workflow.dead()
    assert letter.headers[Header.DEAD_REASON] == "task-outlived-worker"
    assert letter.headers[Header.DEAD_ATTEMPTS] == 5
    assert "raise max_worker_runtime" in str(letter.headers[Header.DEAD_ERROR])
    assert any("longer than its worker lives (25 s)" in line for line in first.said)
    (returned,) = await workflow.take(late, 1)
    assert Header.DELIVERY_COUNT not in returned.headers, "it was charged, though it was begun late"


async def reject_one(workflow: Field, mqid: str) -> None:
    """Take the event of a queue as a pilot whose task fails: the broker counts the attempt."""
    channel = await workflow.connection.channel()
    try:
        queue = await channel.get_queue(mqid, ensure=False)
        message = await eventually(lambda: queue.get(fail=False))
        await message.reject(requeue=True)
    finally:
        await channel.close()


async def test_a_pilot_whose_input_queue_is_deleted_names_it_and_leaves(workflow: Field) -> None:
    source = await workflow.queue()
    task = sh("true", EWMS_PILOT_QUEUE_INCOMING_ALIAS="photons", EWMS_PILOT_TIMEOUT_QUEUE_WAIT_FOR_FIRST_MESSAGE=600)
    pilot = await workflow.pilot(task, inputs=[source])
    await pilot.until(lambda pilot: "AwaitingFirstMessage" in pilot.statuses())
    await workflow.delete(source)
    assert await pilot.ended(60) == PilotExit.CLOSED, "nobody starts it again"
    named = f"the input queue 'photons' ({source}) does not exist any more"
    assert named in pilot.log
    assert any("QueueGone" in line and named.replace("'", "") in line.replace("'", "") for line in pilot.said)


async def test_a_pilot_whose_output_queue_is_deleted_names_it_and_gives_its_event_back(workflow: Field) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.delete(sink)
    await workflow.put(source, b"1")
    task = sh('echo done > "$1"', EWMS_PILOT_QUEUE_OUTGOING_ALIAS="results", EWMS_PILOT_TIMEOUT_QUEUE_INCOMING=600)
    pilot = await workflow.pilot(task, inputs=[source], outputs=[sink])
    assert await pilot.ended(60) == PilotExit.CLOSED
    assert f"the output queue 'results' ({sink}) does not exist any more" in pilot.log
    (event,) = await workflow.take(source, 1)
    assert event.body == b"1"
