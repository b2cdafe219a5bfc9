"""What becomes of events: done, tried again, given up, never lost."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from pamqp import encode

from schemas.attempts.done_history import DoneAttempt
from schemas.attempts.done_reports import DONE_REPORT_TYPE
from schemas.attempts.failed_reports import ATTEMPTS_QUEUE, attempt_from_bytes
from schemas.attempts.trace_sampling import mark_headers
from schemas.broker.topology import event_exchange
from schemas.ids import EventId
from schemas.payloads.data_events import Header, output_id
from schemas.pilot.exits import PilotExit
from tests.integration.pilot.field import Field

GO_ON = {"EWMS_PILOT_STOP_LISTENING_ON_TASK_ERROR": "False"}
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
CP = {"EWMS_PILOT_TASK_ARGS": "cp {{INFILE}} {{OUTFILE}}"}


def sh(script: str, **variables: object) -> dict[str, object]:
    """Return the variables of a task that a shell runs; `$0` is the infile, `$1` the outfile."""
    quoted = script.replace("'", "'\\''")
    return {"EWMS_PILOT_TASK_ARGS": f"sh -c '{quoted}' {{{{INFILE}}}} {{{{OUTFILE}}}}", **variables}


async def test_each_event_comes_back_as_an_output_with_an_id_derived_from_its_own(workflow: Field) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    ids = await workflow.put(source, *(b"event %d" % n for n in range(20)))
    pilot = await workflow.pilot(CP, inputs=[source], outputs=[sink])
    outputs = await workflow.take(sink, 20)
    assert await pilot.ended() == 0, pilot.log
    assert sorted(message.body for message in outputs) == sorted(b"event %d" % n for n in range(20))
    assert {message.headers[Header.PARENT] for message in outputs} == set(ids)
    for message in outputs:
        parent = EventId(str(message.headers[Header.PARENT]))
        assert message.message_id == output_id(parent, workflow.task, 0)
        assert message.content_type == "text/plain"
    assert await workflow.depth(source) == 0
    assert pilot.statuses() == ["Started", "AwaitingFirstMessage", "Tasking", "Done"]
    assert 'HTChirpEWMSPilotTasksSuccess: "20"' in pilot.said


async def test_each_attempt_at_a_marked_event_is_reported_with_its_output_and_that_of_an_unmarked_one_is_not(
    workflow: Field, tmp_path: Path
) -> None:
    """The family is traced: the output names the root. A report comes after the acknowledgement."""
    source, sink = await workflow.queue(), await workflow.queue()
    sent_at = datetime(2026, 11, 30, 8, tzinfo=UTC)
    marks = {**mark_headers(EventId("root"), sent_at), Header.TRACE.value: TRACE}
    (traced,) = await workflow.put(source, b"7", headers=marks)
    await workflow.put(source, b"8", headers={Header.PARENT.value: "another"})
    runs = tmp_path / "runs"
    fails_once = f'grep -q 8 "$0" || {{ echo x >> {runs}; test $(wc -l < {runs}) -ge 2; }}'
    script = f'{fails_once} && echo -n "${{TRACEPARENT:-none}}" > "$1"'
    pilot = await workflow.pilot(
        sh(script, EWMS_PILOT_TIMEOUT_QUEUE_INCOMING=3, **GO_ON), inputs=[source], outputs=[sink]
    )
    outputs = {message.body: message for message in await workflow.take(sink, 2)}
    failed, done = await workflow.take(ATTEMPTS_QUEUE, 2)
    assert await pilot.ended() == 1, pilot.log
    failure = attempt_from_bytes(failed.body)
    assert (failure.published_at, failure.root, failure.traceparent) == (sent_at.isoformat(), "root", TRACE)
    assert done.content_type == DONE_REPORT_TYPE
    report = DoneAttempt.model_validate_json(done.body)
    assert (report.event_id, report.root, report.attempt, report.queue) == (traced, "root", 2, source)
    assert (report.published_at, report.traceparent) == (sent_at, TRACE)
    assert report.taken_at <= report.started_at <= report.ended_at <= report.acknowledged_at
    assert [(each.queue, each.event_id) for each in report.outputs] == [(sink, outputs[TRACE.encode()].message_id)]
    assert outputs[TRACE.encode()].headers[Header.ROOT] == "root"
    assert isinstance(outputs[TRACE.encode()].headers[Header.SENT_AT], int)
    assert not {Header.ROOT, Header.SENT_AT} & outputs[b"none"].headers.keys()
    assert await workflow.depth(ATTEMPTS_QUEUE) == 0


async def test_binary_and_json_payloads_pass_untouched(workflow: Field) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, b"\xff\x00\xfe", content_type="application/octet-stream")
    await (await workflow.pilot(CP, inputs=[source], outputs=[sink])).ended()
    (binary,) = await workflow.take(sink, 1)
    assert (binary.body, binary.content_type) == (b"\xff\x00\xfe", "application/octet-stream")

    await workflow.put(source, b'{"a":  1}', content_type="application/json")
    as_json = {**CP, "EWMS_PILOT_INFILE_EXT": ".json", "EWMS_PILOT_OUTFILE_EXT": ".JSON"}
    await (await workflow.pilot(as_json, inputs=[source], outputs=[sink])).ended()
    (message,) = await workflow.take(sink, 1)
    assert (message.body, message.content_type) == (b'{"a":  1}', "application/json")


async def test_a_failing_task_has_five_attempts_and_then_the_event_is_a_dead_letter_with_its_reasons(
    workflow: Field, tmp_path: Path
) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    (event_id,) = await workflow.put(source, b"\x00poison\xff", content_type="application/x-poison")
    runs = tmp_path / "runs"
    task = sh(f"echo run >> {runs}; echo 'bad pixel' >&2; exit 7", EWMS_PILOT_TIMEOUT_QUEUE_INCOMING=3)
    pilot = await workflow.pilot(task, inputs=[source], outputs=[sink])
    (dead,) = await workflow.dead()
    assert runs.read_text().count("run") == 5
    assert (dead.body, dead.message_id, dead.content_type) == (b"\x00poison\xff", event_id, "application/x-poison")
    assert dead.headers[Header.DEAD_REASON] == "task-failed"
    assert dead.headers[Header.DEAD_ERROR] == "ContainerRunError('task failed (exit code 7): bad pixel')"
    assert dead.headers[Header.DEAD_ATTEMPTS] == 5
    assert dead.headers[Header.DEAD_QUEUE] == source
    assert dead.headers[Header.DEAD_TASKFORCE] == workflow.taskforce
    # Each attempt was reported while the pilot lived.
    reports = [attempt_from_bytes(message.body) for message in await workflow.take(ATTEMPTS_QUEUE, 5)]
    assert [(report.attempt, report.gave_up) for report in reports] == [(n, n == 5) for n in (1, 2, 3, 4, 5)]
    assert {(report.event_id, report.queue, report.error) for report in reports} == {
        (event_id, source, dead.headers[Header.DEAD_ERROR])
    }
    assert {(report.last_lines, report.exit_code, report.excerpt) for report in reports} == {
        ("bad pixel", 7, b"\x00poison\xff")
    }
    assert await pilot.ended() == 1
    assert await workflow.depth(source) == 0
    assert await workflow.depth(sink) == 0
    last = [line for line in pilot.said if line.startswith("HTChirpEWMSPilotError:")][-1]
    assert "RuntimeError: 5 TASK(S) FAILED: ContainerRunError('task failed (exit code 7): bad pixel')" in last
    assert 'HTChirpEWMSPilotTasksFailed: "5"' in pilot.said


async def test_c33_no_secret_is_in_a_dead_letter_a_report_of_an_attempt_a_chirp_or_the_log_of_a_pilot(
    workflow: Field,
) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, b"{}")
    script = 'cat "$EWMS_TASK_SECRETS_DIR/pin"; echo "wrong pin $(cat "$EWMS_TASK_SECRETS_DIR/pin")" >&2; exit 7'
    task = sh(script, EWMS_PILOT_TIMEOUT_QUEUE_INCOMING=3, EWMS_PILOT_SECRETS="pin")
    pilot = await workflow.pilot(task, inputs=[source], outputs=[sink], secrets='{"pin": "S3cret"}')
    (dead,) = await workflow.dead()
    assert str(dead.headers[Header.DEAD_ERROR]).endswith("wrong pin ***')")
    reports = [attempt_from_bytes(message.body) for message in await workflow.take(ATTEMPTS_QUEUE, 5)]
    assert {(report.last_lines, report.error) for report in reports} == {
        ("wrong pin ***", dead.headers[Header.DEAD_ERROR])
    }
    assert await pilot.ended() == 1
    assert any("wrong pin ***" in line for line in pilot.said)
    assert not any("S3cret" in text for text in (*pilot.said, pilot.log))


async def test_an_event_that_fails_for_a_while_is_done_in_the_end(workflow: Field, tmp_path: Path) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, b"flaky")
    runs = tmp_path / "runs"
    task = sh(f'echo x >> {runs}; test $(wc -l < {runs}) -ge 3 && cp "$0" "$1"', EWMS_PILOT_TIMEOUT_QUEUE_INCOMING=3)
    pilot = await workflow.pilot(task, inputs=[source], outputs=[sink])
    (output,) = await workflow.take(sink, 1)
    assert output.body == b"flaky"
    await pilot.ended()


async def test_the_log_names_the_event_that_failed_and_the_workers_error_comes_while_it_lives(workflow: Field) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    (event_id,) = await workflow.put(source, b"pixel 7", headers={Header.KEY.value: "night-7"})
    task = sh("echo bad pixel >&2; exit 1", EWMS_PILOT_TIMEOUT_QUEUE_INCOMING=30, **GO_ON)
    # With the interval of a real pilot: a minute.
    task["EWMS_PILOT_HTCHIRP_RATELIMIT_INTERVAL"] = "60"
    pilot = await workflow.pilot(task, inputs=[source], outputs=[sink])
    error = "ContainerRunError('task failed (exit code 1): bad pixel')"
    await pilot.until(lambda pilot: f'HTChirpEWMSPilotError: "{error}"' in pilot.said)
    assert f"event {event_id} (key 'night-7', attempt 1, of queue {source}) failed: {error}" in pilot.log
    assert "its input: 7 bytes of text/plain: pixel 7" in pilot.log
    assert pilot.statuses()[-1] == "Tasking"


async def test_no_header_of_an_event_costs_its_result_or_the_reasons_of_its_dead_letter(workflow: Field) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    bad: list[Any] = ["no trace", 7, {"a": {"b": [1]}}, datetime(2026, 11, 28, tzinfo=UTC), bytearray(b"\xff"), None]
    for value in bad:
        await workflow.put(source, b"good", headers={Header.TRACE.value: value, "mine": value})
    await workflow.put(source, b"poison", headers={"mine": {"a": [1]}, "kept": 7})
    task = sh('grep -q good "$0" && cp "$0" "$1"', EWMS_PILOT_TIMEOUT_QUEUE_INCOMING=3, **GO_ON)
    pilot = await workflow.pilot(task, inputs=[source], outputs=[sink])
    outputs = await workflow.take(sink, len(bad))
    assert not any(Header.TRACE in message.headers for message in outputs)
    (dead,) = await workflow.dead()
    assert (dead.headers[Header.DEAD_REASON], dead.headers["kept"]) == ("task-failed", 7)
    assert "mine" not in dead.headers
    await pilot.ended()
    assert "has an invalid traceparent header; its output goes without it" in pilot.log
    assert "goes without its headers mine" in pilot.log


async def test_an_event_whose_id_is_no_text_is_done_like_any_other(
    workflow: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    write = encode.METHODS["shortstr"]
    monkeypatch.setitem(encode.METHODS, "shortstr", lambda text: b"\x02\xff\xfe" if text == "odd" else write(text))
    exchange = await workflow.channel.get_exchange(event_exchange(source), ensure=False)
    await exchange.publish(aio_pika.Message(b"odd", message_id="odd", delivery_mode=2), routing_key=source)
    await workflow.put(source, b"even")
    pilot = await workflow.pilot(CP, inputs=[source], outputs=[sink])
    outputs = await workflow.take(sink, 2)
    assert {message.body: message.headers[Header.PARENT] for message in outputs}[b"odd"] == "\\xff\\xfe"
    assert await pilot.ended() == 0, pilot.log
    assert "subscription" not in pilot.log, "a connection was lost"


async def test_poison_among_good_events_stops_nothing(workflow: Field) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, *(b"poison" if n % 10 == 3 else b"good" for n in range(40)))
    task = sh(
        'grep -q poison "$0" && exit 1; cp "$0" "$1"',
        EWMS_PILOT_TIMEOUT_QUEUE_INCOMING=3,
        EWMS_PILOT_MAX_CONCURRENT_TASKS=2,
    )
    pilot = await workflow.pilot(task, inputs=[source], outputs=[sink])
    good, dead = await asyncio.gather(workflow.take(sink, 36), workflow.dead(4))
    assert {message.body for message in good} == {b"good"}
    assert [message.body for message in dead] == [b"poison"] * 4
    await pilot.ended()
    assert await workflow.depth(source) == 0


async def test_a_result_over_the_limit_is_given_up_at_once(workflow: Field) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, b"make it large")
    pilot = await workflow.pilot(sh('head -c 5000000 /dev/zero > "$1"'), inputs=[source], outputs=[sink])
    (dead,) = await workflow.dead()
    assert (dead.body, dead.headers[Header.DEAD_ATTEMPTS]) == (b"make it large", 1)
    assert dead.headers[Header.DEAD_REASON] == "output-too-large"
    await pilot.ended()


async def test_json_that_is_none_is_given_up_at_once(workflow: Field) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, b"{broken", content_type="application/json")
    pilot = await workflow.pilot({**CP, "EWMS_PILOT_INFILE_EXT": "json"}, inputs=[source], outputs=[sink])
    (dead,) = await workflow.dead()
    assert dead.headers[Header.DEAD_REASON] == "unreadable"
    await pilot.ended()


async def test_the_link_that_a_task_leaves_as_its_outfile_is_not_followed(workflow: Field) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, b"x")
    task = sh('ln -s /etc/passwd "$1"', EWMS_PILOT_TIMEOUT_QUEUE_INCOMING=3)
    pilot = await workflow.pilot(task, inputs=[source], outputs=[sink])
    (dead,) = await workflow.dead()
    assert dead.headers[Header.DEAD_REASON] == "output-unreadable"
    await pilot.ended()
    assert await workflow.depth(sink) == 0


async def test_a_task_that_writes_nothing_succeeds_without_an_output(workflow: Field) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, b"x", b"y")
    pilot = await workflow.pilot(sh("true"), inputs=[source], outputs=[sink])
    assert await pilot.ended() == 0
    assert (await workflow.depth(source), await workflow.depth(sink)) == (0, 0)


async def test_by_default_a_task_error_stops_the_pilot_and_leaves_the_other_events_to_others(workflow: Field) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, *[b"x"] * 5)
    task = sh("exit 1", EWMS_PILOT_STOP_LISTENING_ON_TASK_ERROR="True")
    pilot = await workflow.pilot(task, inputs=[source], outputs=[sink])
    assert await pilot.ended() == 1
    assert len(await workflow.take(source, 5)) == 5
    assert await workflow.depth(source) == 0
    assert pilot.statuses()[-1] == "FatalError"


async def test_a_bad_worker_leaves_after_three_different_events_have_failed_on_it(workflow: Field) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, *[b"x"] * 10)
    task = sh("exit 1", EWMS_PILOT_MAX_FAILURES_IN_A_ROW=3, EWMS_PILOT_TIMEOUT_QUEUE_INCOMING=20)
    pilot = await workflow.pilot(task, inputs=[source], outputs=[sink])
    assert await pilot.ended(10) == PilotExit.BAD_WORKER
    returned = await workflow.take(source, 10)
    assert all(Header.DELIVERY_COUNT not in message.headers for message in returned), "an event was charged"
    assert await workflow.depth(source) == 0


async def test_several_tasks_run_at_once(workflow: Field, tmp_path: Path) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, *[b"x"] * 8)
    (begun := tmp_path / "begun").mkdir()
    # Each task ends when all have begun.
    wait = f'mktemp {begun}/XXXXXX; until [ "$(ls {begun} | wc -l)" -ge 8 ]; do sleep 0.1; done; cp "$0" "$1"'
    pilot = await workflow.pilot(sh(wait, EWMS_PILOT_MAX_CONCURRENT_TASKS=8), inputs=[source], outputs=[sink])
    await workflow.take(sink, 8, timeout_s=90)
    await pilot.ended()


async def test_events_that_wait_behind_a_long_task_are_left_to_a_free_worker(workflow: Field, tmp_path: Path) -> None:
    source, other, sink = await workflow.queue(), await workflow.queue(), await workflow.queue()
    await workflow.put(source, b"long")
    may_end = tmp_path / "may-end"
    task = sh(f'grep -q long "$0" && until [ -e {may_end} ]; do sleep 0.1; done; cp "$0" "$1"')
    busy = await workflow.pilot(task, inputs=[source, other], outputs=[sink])
    await busy.tasking()
    await workflow.put(other, b"quick")
    free = await workflow.pilot(task, inputs=[other], outputs=[sink])
    (output,) = await workflow.take(sink, 1, timeout_s=90)
    assert output.body == b"quick"
    may_end.touch()
    await free.ended()
    await busy.ended()


async def test_the_first_message_may_take_longer_than_the_next(workflow: Field) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    waits = {**CP, "EWMS_PILOT_TIMEOUT_QUEUE_WAIT_FOR_FIRST_MESSAGE": 20, "EWMS_PILOT_TIMEOUT_QUEUE_INCOMING": 0.5}
    pilot = await workflow.pilot(waits, inputs=[source], outputs=[sink])
    await asyncio.sleep(2)
    assert pilot.process.returncode is None
    await workflow.put(source, b"late")
    await workflow.take(sink, 1)
    assert await pilot.ended(2) == 0


async def test_what_the_pilot_cannot_read_of_its_variables_is_chirped_and_printed(workflow: Field) -> None:
    source = await workflow.queue()
    pilot = await workflow.pilot({**CP, "EWMS_PILOT_PREFETCH": "many"}, inputs=[source])
    assert await pilot.ended() == 2
    assert "EWMS_PILOT_PREFETCH must be a whole number" in pilot.log
    assert pilot.statuses()[-1] == "FatalError"


async def test_the_data_hub_that_init_fills_is_there_for_every_task(workflow: Field) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, b"x", b"y")
    variables = {
        "EWMS_PILOT_INIT_IMAGE": "any",
        "EWMS_PILOT_INIT_ARGS": "sh -c 'echo \"$GEO\" > {{DATA_HUB}}/geo'",
        "EWMS_PILOT_INIT_ENV_JSON": json.dumps({"GEO": "round"}),
        "EWMS_PILOT_TASK_ARGS": "sh -c 'cat $EWMS_TASK_DATA_HUB_DIR/geo > $EWMS_TASK_OUTFILE'",
    }
    pilot = await workflow.pilot(variables, inputs=[source], outputs=[sink])
    assert [message.body for message in await workflow.take(sink, 2)] == [b"round\n"] * 2
    assert await pilot.ended() == 0
    assert pilot.statuses()[1] == "RunningInitCommand"


async def test_a_failed_init_takes_no_event(workflow: Field) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, b"x")
    variables = {**CP, "EWMS_PILOT_INIT_IMAGE": "any", "EWMS_PILOT_INIT_ARGS": "sh -c 'echo no geometry >&2; exit 3'"}
    pilot = await workflow.pilot(variables, inputs=[source], outputs=[sink])
    assert await pilot.ended() == 1
    assert len(await workflow.take(source, 1)) == 1
    assert await workflow.depth(source) == 0
    assert any("init-container failed (exit code 3): no geometry" in line for line in pilot.said)
