"""The queues of a pilot: none, one or as many as a request may have; full ones, and absent ones."""

import asyncio
import signal
from pathlib import Path

from schemas.broker.token_sizes import max_queues
from schemas.ids import EventId
from schemas.payloads.data_events import Header, output_id
from schemas.pilot.exits import PilotExit
from tests.integration.pilot.field import Field
from tests.integration.pilot.test_events import CP, sh


async def test_all_input_queues_are_served_and_all_output_queues_fed(workflow: Field) -> None:
    a, b, c, d = [await workflow.queue() for _ in range(4)]
    await workflow.put(a, b"from a 1", b"from a 2")
    (parent, _) = await workflow.put(b, b"from b 1", b"from b 2")
    pilot = await workflow.pilot(CP, inputs=[a, b], outputs=[c, d])
    first, second = await asyncio.gather(workflow.take(c, 4), workflow.take(d, 4))
    assert {m.body for m in first} == {m.body for m in second} == {b"from a 1", b"from a 2", b"from b 1", b"from b 2"}
    ids = {m.message_id for m in (*first, *second) if m.headers[Header.PARENT] == parent}
    assert ids == {output_id(EventId(parent), workflow.task, index) for index in (0, 1)}
    assert await pilot.ended() == 0


async def test_a_task_with_as_many_queues_as_a_request_may_have_serves_all_of_them(workflow: Field) -> None:
    n_inputs = 100
    inputs = await asyncio.gather(*(workflow.queue() for _ in range(n_inputs)))
    outputs = await asyncio.gather(*(workflow.queue() for _ in range(max_queues() - n_inputs)))
    await asyncio.gather(*(workflow.put(mqid, b"%d" % n) for n, mqid in enumerate(inputs)))
    task = {**CP, "EWMS_PILOT_MAX_CONCURRENT_TASKS": 4, "EWMS_PILOT_TIMEOUT_QUEUE_INCOMING": 20}
    # The vhost of a real system has a name of four letters; this one's would make the token too long for the login.
    token = workflow.token(inputs, outputs, vhost="dat*")
    pilot = await workflow.pilot(task, inputs=inputs, outputs=outputs, token=token)
    got = await asyncio.gather(*(workflow.take(mqid, n_inputs, 60) for mqid in outputs))
    for messages in got:
        assert sorted(int(message.body) for message in messages) == list(range(n_inputs))
    pilot.signal(signal.SIGTERM)
    assert await pilot.ended() == 0
    assert "cannot consume" not in pilot.log
    assert "connection to the broker lost" not in pilot.log


async def test_a_sink_takes_events_and_sends_none(workflow: Field, tmp_path: Path) -> None:
    source = await workflow.queue()
    await workflow.put(source, b"one\n", b"two\n")
    pilot = await workflow.pilot(sh(f'cat "$0" >> {tmp_path}/all'), inputs=[source])
    assert await pilot.ended() == 0
    assert sorted((tmp_path / "all").read_text().split()) == ["one", "two"]
    assert await workflow.depth(source) == 0


async def test_a_source_sends_an_event_and_takes_none(workflow: Field) -> None:
    sink = await workflow.queue()
    task = {"EWMS_PILOT_TASK_ARGS": "sh -c 'echo made > {{OUTFILE}}'"}
    pilot = await workflow.pilot(task, outputs=[sink])
    assert await pilot.ended() == 0, pilot.log
    (output,) = await workflow.take(sink, 1)
    assert output.body == b"made\n"
    assert Header.PARENT not in output.headers
    assert Header.TRACE not in output.headers


async def test_a_source_goes_on_in_the_trace_of_the_request_that_started_it(workflow: Field) -> None:
    sink, trace = await workflow.queue(), f"00-{'a' * 32}-{'b' * 16}-01"
    task = {"EWMS_PILOT_TASK_ARGS": "sh -c 'printf %s $TRACEPARENT > {{OUTFILE}}'", "TRACEPARENT": trace}
    pilot = await workflow.pilot(task, outputs=[sink])
    assert await pilot.ended() == 0, pilot.log
    (output,) = await workflow.take(sink, 1)
    assert (output.body.decode(), output.headers[Header.TRACE]) == (trace, trace)


async def test_a_full_output_queue_holds_the_pilot_and_loses_nothing(workflow: Field) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, *(b"%d" % n for n in range(12)))
    await asyncio.to_thread(workflow.set_policy, max_events=3)
    pilot = await workflow.pilot({**CP, "EWMS_PILOT_TIMEOUT_QUEUE_INCOMING": 15}, inputs=[source], outputs=[sink])
    await pilot.until(lambda pilot: "refused" in pilot.log)
    outputs = await workflow.take(sink, 12)
    assert sorted(int(message.body) for message in outputs) == list(range(12))
    pilot.signal(signal.SIGTERM)
    assert await pilot.ended() == 0
    assert await workflow.depth(f"dead.{workflow.workflow}") == 0


async def test_a_queue_that_does_not_exist_is_named(workflow: Field) -> None:
    pilot = await workflow.pilot(CP, inputs=["a00000000000000000000"])  # type: ignore[list-item] # an id is a str
    assert await pilot.ended() == PilotExit.CLOSED
    assert "the input queue a00000000000000000000 does not exist any more" in pilot.log
