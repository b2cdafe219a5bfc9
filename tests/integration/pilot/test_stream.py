"""Warm tasks: one process for all events of a slot, and what becomes of events when it goes wrong."""

import asyncio
import json
import shlex
import signal
import sys
from pathlib import Path

import pytest

from schemas.ids import EventId
from schemas.payloads.data_events import Header, output_id
from schemas.pilot.exits import PilotExit
from tests.integration.pilot.field import Field, PilotProcess
from tests.integration.pilot.test_ends import gone, written
from tests.integration.pilot.warm import Warm, doing


@pytest.fixture
def warm(tmp_path: Path) -> Warm:
    return Warm(tmp_path)


async def said(pilot: PilotProcess, text: str) -> None:
    await pilot.until(lambda pilot: any(text in line for line in pilot.said))


async def test_one_process_answers_all_events(workflow: Field, warm: Warm) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    ids = await workflow.put(source, *(b'{\n "n": %d}' % n for n in range(30)))
    pilot = await workflow.pilot(warm.variables(), inputs=[source], outputs=[sink])
    outputs = await workflow.take(sink, 30)
    assert await pilot.ended() == 0, pilot.log
    assert len(warm.noted("starts")) == 1
    assert {json.loads(message.body)["pid"] for message in outputs} == {int(warm.noted("starts")[0])}
    assert sorted(json.loads(message.body)["of"]["n"] for message in outputs) == list(range(30))
    assert {message.headers[Header.PARENT] for message in outputs} == set(ids)
    for message in outputs:
        assert message.message_id == output_id(EventId(str(message.headers[Header.PARENT])), workflow.task, 0)
        assert message.content_type == "application/json"
    assert warm.noted("byes"), "its standard input was not closed"
    assert pilot.statuses() == ["Started", "AwaitingFirstMessage", "Tasking", "Done"]
    assert 'HTChirpEWMSPilotTasksSuccess: "30"' in pilot.said


async def test_each_slot_has_a_process_of_its_own(workflow: Field, warm: Warm) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, *doing("slow", "slow"))
    task = warm.variables(EWMS_PILOT_MAX_CONCURRENT_TASKS=2)
    pilot = await workflow.pilot(task, inputs=[source], outputs=[sink])
    outputs = await workflow.take(sink, 2)
    assert len({json.loads(message.body)["pid"] for message in outputs}) == 2
    assert await pilot.ended() == 0, pilot.log
    assert len(warm.noted("starts")) == len(warm.noted("byes")) == 2


async def test_what_a_task_says_has_failed_has_five_attempts_in_the_same_process(workflow: Field, warm: Warm) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    (event_id,) = await workflow.put(source, *doing("error"), content_type="application/json")
    task = warm.variables(EWMS_PILOT_TIMEOUT_QUEUE_INCOMING=3)
    pilot = await workflow.pilot(task, inputs=[source], outputs=[sink])
    (dead,) = await workflow.dead()
    assert (dead.body, dead.message_id) == (b'{"do": "error"}', event_id)
    assert dead.headers[Header.DEAD_ERROR] == "ContainerRunError('task failed: bad pixel')"
    assert dead.headers[Header.DEAD_REASON] == "task-failed"
    assert dead.headers[Header.DEAD_ATTEMPTS] == 5
    assert warm.noted("events") == [f"{event_id}:{attempt}" for attempt in range(1, 6)]
    assert len(warm.noted("starts")) == 1
    pilot.signal(signal.SIGTERM)
    await pilot.ended()


BROKEN_RULES = {
    "crash": ("task-failed", "ended (exit code 3) in the middle of an event: out of luck; a warm task answers every"),
    "exit": ("task-failed", "ended (exit code 0) in the middle of an event"),
    "rubbish": ("output-unreadable", "is not JSON; write one line of JSON for each event to standard output"),
    "other id": ("output-unreadable", "has another id than the event; answer each line once"),
}


async def test_who_breaks_a_rule_is_replaced_and_the_event_given_up_with_the_rule_at_last(
    workflow: Field, warm: Warm
) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, *doing(*BROKEN_RULES, "well", "well", "well"))
    task = warm.variables(EWMS_PILOT_TIMEOUT_QUEUE_INCOMING=30, EWMS_PILOT_MAX_CONCURRENT_TASKS=2)
    pilot = await workflow.pilot(task, inputs=[source], outputs=[sink])
    good, dead = await asyncio.gather(workflow.take(sink, 3), workflow.dead(len(BROKEN_RULES)))
    assert [json.loads(message.body)["of"] for message in good] == [{"do": "well"}] * 3
    told = {json.loads(message.body)["do"]: message.headers for message in dead}
    for what, (reason, text) in BROKEN_RULES.items():
        assert told[what][Header.DEAD_REASON] == reason
        assert text in str(told[what][Header.DEAD_ERROR])
        assert told[what][Header.DEAD_ATTEMPTS] == 5
    assert "standard error: a word aside" in str(told["rubbish"][Header.DEAD_ERROR])
    pilot.signal(signal.SIGTERM)
    await pilot.ended()
    assert await gone([int(pid) for pid in warm.noted("starts")])
    assert await workflow.depth(source) == 0


async def test_an_answer_without_end_and_an_event_that_is_no_json_are_given_up_at_once(
    workflow: Field, warm: Warm
) -> None:
    source = await workflow.queue()
    await workflow.put(source, *doing("long"), b"plain text", *doing("no data"))
    pilot = await workflow.pilot(warm.variables(), inputs=[source])
    dead = await workflow.dead(2)
    told = {message.body[:5]: message.headers for message in dead}
    assert {headers[Header.DEAD_ATTEMPTS] for headers in told.values()} == {1}
    assert told[b'{"do"'][Header.DEAD_REASON] == "output-too-large"
    assert told[b"plain"][Header.DEAD_REASON] == "unreadable"
    assert "EWMS_PILOT_TASK_MODE" in str(told[b"plain"][Header.DEAD_ERROR])
    await pilot.ended()
    assert 'HTChirpEWMSPilotTasksSuccess: "1"' in pilot.said
    assert len(warm.noted("events")) == 2, "what is not JSON does not reach the task"


async def test_a_process_that_closes_its_output_and_stays_is_killed(workflow: Field, warm: Warm) -> None:
    source = await workflow.queue()
    await workflow.put(source, *doing("close"))
    task = warm.variables(EWMS_PILOT_STOP_LISTENING_ON_TASK_ERROR="True")
    pilot = await workflow.pilot(task, inputs=[source])
    assert await pilot.ended() == 1
    await said(pilot, "closed its standard input or output in the middle of an event")
    assert await gone([int(pid) for pid in warm.noted("starts")])


async def test_an_event_that_takes_too_long_costs_the_process_with_all_that_it_started(
    workflow: Field, warm: Warm
) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, *doing("well"))
    # Each process has the start's time for its first event, so only the second one's time is short.
    task = warm.variables(
        EWMS_PILOT_TASK_TIMEOUT=2, EWMS_PILOT_TASK_START_TIMEOUT=30, EWMS_PILOT_TIMEOUT_QUEUE_INCOMING=30
    )
    pilot = await workflow.pilot(task, inputs=[source], outputs=[sink])
    await workflow.take(sink, 1)
    await workflow.put(source, *doing("hang once"))
    hanging = await written(warm.noted_in("hanging"), 2)
    await said(pilot, "task failed: [Timeout-Error] timed out after 2s")
    assert await gone([int(pid) for pid in hanging])
    (output,) = await workflow.take(sink, 1)
    assert json.loads(output.body)["pid"] == int((await written(warm.noted_in("starts"), 2))[1])
    pilot.signal(signal.SIGTERM)
    assert await pilot.ended() == 0


@pytest.mark.parametrize("what", ["answer and exit", "answer and more", "answer and later more"])
async def test_a_process_that_ends_or_errs_between_two_events_loses_none(
    workflow: Field, warm: Warm, what: str
) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, *doing(what))
    pilot = await workflow.pilot(warm.variables(EWMS_PILOT_TIMEOUT_QUEUE_INCOMING=30), inputs=[source], outputs=[sink])
    await workflow.take(sink, 1)
    await written(warm.noted_in("starts"), 2)
    await workflow.put(source, *doing("well", "well"))
    outputs = await workflow.take(sink, 2)
    assert {json.loads(message.body)["pid"] for message in outputs} == {int(warm.noted("starts")[1])}
    pilot.signal(signal.SIGTERM)
    assert await pilot.ended() == 0, pilot.log
    assert not any("TasksFailed" in line for line in pilot.said)


async def test_a_process_that_ends_after_each_answer_is_slow_and_not_wrong(workflow: Field, warm: Warm) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, *doing(*["answer and exit"] * 12))
    pilot = await workflow.pilot(warm.variables(), inputs=[source], outputs=[sink])
    assert len(await workflow.take(sink, 12)) == 12
    assert await pilot.ended() == 0, pilot.log
    assert not any("TasksFailed" in line for line in pilot.said)
    assert len(warm.noted("events")) == 12


async def test_a_process_that_dies_at_once_makes_its_pilot_leave_and_does_not_spin(
    workflow: Field, tmp_path: Path
) -> None:
    source = await workflow.queue()
    await workflow.put(source, *(b"%d" % n for n in range(6)))
    starts = tmp_path / "starts"
    task = {
        "EWMS_PILOT_TASK_MODE": "stream",
        "EWMS_PILOT_TASK_ARGS": f"sh -c 'echo x >> {starts}; echo no licence >&2; exit 7'",
        "EWMS_PILOT_MAX_FAILURES_IN_A_ROW": 3,
        "EWMS_PILOT_TIMEOUT_QUEUE_INCOMING": 30,
    }
    pilot = await workflow.pilot(task, inputs=[source])
    assert await pilot.ended() == PilotExit.BAD_WORKER
    n_failed = pilot.log.count(") failed: ContainerRunError(")
    assert n_failed >= 3
    assert len(starts.read_text().split()) <= n_failed + 1
    assert "no licence" in pilot.log


async def test_sigterm_lets_the_event_end_and_the_process_too(workflow: Field, warm: Warm) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, *doing("slow", "slow", "slow"))
    pilot = await workflow.pilot(warm.variables(EWMS_PILOT_PREFETCH=3), inputs=[source], outputs=[sink])
    await pilot.tasking()
    pilot.signal(signal.SIGTERM)
    assert await pilot.ended() == 0
    assert await workflow.depth(sink) == 1
    assert await workflow.depth(source) == 2
    assert warm.noted("byes") == warm.noted("starts")
    assert pilot.statuses()[-2:] == ["PendingRemainingTasks", "Done"]


async def test_a_process_that_stays_is_killed_when_the_grace_is_over(workflow: Field, warm: Warm) -> None:
    source = await workflow.queue()
    await workflow.put(source, *doing("well"))
    task = warm.variables(
        task_environment={"STAY": "1"}, EWMS_PILOT_DRAIN_GRACE=5, EWMS_PILOT_TIMEOUT_QUEUE_INCOMING=0.2
    )
    pilot = await workflow.pilot(task, inputs=[source])
    await written(warm.noted_in("byes"))
    assert await pilot.ended() == 0
    assert warm.noted("byes") == warm.noted("starts")
    assert await gone([int(pid) for pid in warm.noted("starts")])


async def test_kill_9_leaves_no_process_and_loses_no_event(workflow: Field, warm: Warm) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, *doing("well", "hang"))
    pilot = await workflow.pilot(warm.variables(), inputs=[source], outputs=[sink])
    await workflow.take(sink, 1)
    hanging = await written(warm.noted_in("hanging"), 2)
    pilot.signal(signal.SIGKILL)
    await pilot.ended()
    assert await gone([int(pid) for pid in (*hanging, *warm.noted("starts"))])
    assert [message.body for message in await workflow.take(source, 1)] == [b'{"do": "hang"}']


async def test_a_chatty_process_fills_neither_disk_nor_memory(workflow: Field, warm: Warm) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, *doing("chat", "chat"))
    pilot = await workflow.pilot(warm.variables(EWMS_PILOT_KEEP_ALL_TASK_FILES="True"), inputs=[source], outputs=[sink])
    await workflow.take(sink, 2)
    peak = next(line for line in Path(f"/proc/{pilot.process.pid}/status").read_text().splitlines() if "VmHWM" in line)
    assert int(peak.split()[1]) < 120_000, "51 MB went by, and none of it stayed"
    assert await pilot.ended() == 0, pilot.log
    (kept,) = (pilot.directory / "ewms-pilot-data").glob("warm-*/outputs/stderrfile")
    assert 0 < kept.stat().st_size <= 64 * 1024


async def test_large_events_pass_in_both_directions(workflow: Field, warm: Warm) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    body = json.dumps({"do": "echo", "text": "é" + "x" * 3_000_000}, ensure_ascii=False, separators=(",", ":")).encode()
    await workflow.put(source, body, body)
    pilot = await workflow.pilot(warm.variables(), inputs=[source], outputs=[sink])
    assert [message.body == body for message in await workflow.take(sink, 2)] == [True, True]
    assert await pilot.ended() == 0, pilot.log


async def test_a_warm_task_sees_nothing_of_the_pilot(workflow: Field, warm: Warm) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, *doing("look"))
    pilot = await workflow.pilot(
        warm.variables(task_environment={"SEED": "7 ; $HOME"}),
        inputs=[source],
        outputs=[sink],
        environment={"CANARY": "canary", "AWS_SECRET_ACCESS_KEY": "canary"},
    )
    (output,) = await workflow.take(sink, 1)
    seen = json.loads(output.body)
    # Python, which this task is, adds the locale to its own environment.
    names = {"PATH", "HOME", "SEED", "NOTES", "EWMS_TASK_RUN", "EWMS_TASK_DATA_HUB_DIR", "LC_CTYPE", "PYTHONUNBUFFERED"}
    assert set(seen["environment"]) <= names
    assert seen["environment"]["SEED"] == "7 ; $HOME"
    assert set(seen["fds"]) <= {"0", "1", "2", "3"}, "the task inherited a descriptor"
    assert "ewms_pilot_token" not in seen["cwd"]
    assert "canary" not in output.body.decode()
    assert await pilot.ended() == 0


@pytest.mark.parametrize("arguments", ["cp {{INFILE}} {{OUTFILE}}", "cat {{OUT_FILE}}"])
async def test_files_are_refused_with_the_remedy(workflow: Field, arguments: str) -> None:
    source = await workflow.queue()
    task = {"EWMS_PILOT_TASK_MODE": "stream", "EWMS_PILOT_TASK_ARGS": arguments}
    pilot = await workflow.pilot(task, inputs=[source])
    assert await pilot.ended() == 2
    assert "EWMS_PILOT_TASK_ARGS must not name" in pilot.log


async def test_python_that_never_flushes_answers_all_the_same(workflow: Field) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, b"1", b"2", b"3")
    program = "import sys\nfor line in sys.stdin: sys.stdout.write(line)"
    variables = {
        "EWMS_PILOT_TASK_MODE": "stream",
        "EWMS_PILOT_TASK_ARGS": f"{sys.executable} -c {shlex.quote(program)}",
    }
    pilot = await workflow.pilot(variables, inputs=[source], outputs=[sink])
    assert sorted(message.body for message in await workflow.take(sink, 3)) == [b"1", b"2", b"3"]
    assert await pilot.ended() == 0, pilot.log
