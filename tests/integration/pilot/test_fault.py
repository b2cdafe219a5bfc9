"""Whose fault is a failure: good events survive bad workers, and bad events harm no good ones."""

import signal
from pathlib import Path

from schemas.payloads.data_events import Header
from tests.integration.pilot.field import Field
from tests.integration.pilot.test_ends import reject_one, written
from tests.integration.pilot.test_events import CP, sh

#: As TMS starts pilots.
JUDGE = {"EWMS_PILOT_MAX_FAILURES_IN_A_ROW": 3, "EWMS_PILOT_TIMEOUT_QUEUE_INCOMING": 120}


async def test_machines_on_which_everything_fails_cost_no_good_event(workflow: Field) -> None:
    """One good worker among three black holes, each of which would fail the whole queue within seconds."""
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, *(b"%d" % n for n in range(40)))
    black_hole = sh("echo no file system >&2; exit 1", **JUDGE, EWMS_PILOT_QUARANTINE_TIME=300)
    bad = [await workflow.pilot(black_hole, inputs=[source], outputs=[sink]) for _ in range(3)]
    for pilot in bad:
        await pilot.until(lambda pilot: pilot.statuses()[-1:] == ["FatalError"], timeout_s=60)
        assert any("BadWorker" in line and "no file system" in line for line in pilot.said)
    good = await workflow.pilot(CP | JUDGE, inputs=[source], outputs=[sink])
    outputs = await workflow.take(sink, 40, timeout_s=60)
    assert sorted(int(message.body) for message in outputs) == list(range(40))
    assert await workflow.depth(f"dead.{workflow.workflow}") == 0
    assert all(pilot.process.returncode is None for pilot in bad), "a bad worker gave its slot to the next job"
    for pilot in (*bad, good):
        pilot.signal(signal.SIGTERM)
        await pilot.ended()


async def test_a_bad_worker_gives_back_only_what_it_has_tried(workflow: Field) -> None:
    """Events that it never ran must not count as given back: two such counts make an event known to fail."""
    source = await workflow.queue()
    await workflow.put(source, *(b"%d" % n for n in range(40)))
    pilot = await workflow.pilot(sh("exit 1", **JUDGE, EWMS_PILOT_QUARANTINE_TIME=300), inputs=[source])
    await pilot.until(lambda pilot: pilot.statuses()[-1:] == ["FatalError"], timeout_s=60)
    events = await workflow.take(source, 40)
    given_back = [event.body for event in events if event.headers.get(Header.ACQUIRED_COUNT)]
    # It may have held one more, which waited for the slot.
    assert 3 <= len(given_back) <= 4, given_back
    pilot.signal(signal.SIGTERM)
    await pilot.ended()


async def test_a_bug_on_some_events_ends_no_worker_and_leaves_none_waiting(workflow: Field) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, *(b"bad %d" % n if n % 10 == 3 else b"good %d" % n for n in range(40)))
    task = sh('grep -q bad "$0" && exit 1; cp "$0" "$1"', **JUDGE)
    pilots = [await workflow.pilot(task, inputs=[source], outputs=[sink]) for _ in range(2)]
    outputs = await workflow.take(sink, 36, timeout_s=90)
    assert all(message.body.startswith(b"good") for message in outputs)
    dead = await workflow.dead(4, timeout_s=90)
    assert all(letter.headers[Header.DEAD_ATTEMPTS] == 5 for letter in dead)
    assert await workflow.depth(source) == 0
    assert all(pilot.process.returncode is None for pilot in pilots), "a worker left for bad events"
    for pilot in pilots:
        pilot.signal(signal.SIGTERM)
        await pilot.ended()


async def test_an_event_that_kills_its_workers_is_given_up_and_all_others_are_done(
    workflow: Field, tmp_path: Path
) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, b"killer")
    # Four workers have died of it.
    for _ in range(4):
        await reject_one(workflow, source)
    await workflow.put(source, *(b"%d" % n for n in range(10)))
    marks = tmp_path / "marks"
    # The task of a killed pilot ends with it here, as it would on a worker.
    waits = "tail --pid=$PPID -f /dev/null"
    task = sh(f'if grep -q killer "$0"; then echo x >> {marks}; {waits}; fi; cp "$0" "$1"', **JUDGE)
    for n in (1, 2):
        victim = await workflow.pilot(task, inputs=[source], outputs=[sink])
        await written(marks, n)
        victim.signal(signal.SIGKILL)
        await victim.ended()
    survivor = await workflow.pilot(task, inputs=[source], outputs=[sink])
    (letter,) = await workflow.dead(1, timeout_s=60)
    assert letter.body == b"killer"
    assert letter.headers[Header.DEAD_REASON] == "killed-workers"
    assert "worker_memory" in str(letter.headers[Header.DEAD_ERROR])
    outputs = await workflow.take(sink, 10, timeout_s=60)
    assert sorted(int(message.body) for message in outputs) == list(range(10))
    survivor.signal(signal.SIGTERM)
    await survivor.ended()
