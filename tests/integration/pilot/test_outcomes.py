"""What a pilot publishes about every event: its outcome, its log while it runs, and the event for the next task."""

import hashlib
import json
import signal
from collections import defaultdict
from typing import Any

from schemas.ids import EventId, Mqid
from schemas.pilot.outcome_reading import outcome_from_bytes, piece_from_bytes
from schemas.pilot.outcomes import EventOutcome, LogPiece, RunEnding, TaskStream, outcome_event_id
from schemas.pilot.pilot_wire import write_program_secret
from schemas.rules.secret_names import PROGRAM_SECRET
from tests.integration.pilot.field import Field, PilotProcess
from tests.live_files import walk_live
from tests.waiting import eventually

ASKS = {
    "EWMS_PILOT_OUTCOMES_TO": "outcomes",
    "EWMS_PILOT_LOGS_TO": "logs",
    "EWMS_PILOT_QUEUE_OUTGOING_ALIAS": "outcomes;logs",
    "EWMS_PILOT_TIMEOUT_QUEUE_INCOMING": "60",
}
ONCE = {**ASKS, "EWMS_PILOT_AT_MOST_ONCE": "True"}


class World:
    """A task with a queue for outcomes and one for logs."""

    def __init__(self, field: Field) -> None:
        self.field = field

    async def open(self) -> "World":
        self.source, self.outcomes, self.logs = [await self.field.queue() for _ in range(3)]
        return self

    async def pilot(
        self, script: str, *, next_task: Mqid | None = None, secrets: str = "", **variables: Any
    ) -> PilotProcess:
        quoted = script.replace("'", "'\\''")
        told = {**ASKS, "EWMS_PILOT_TASK_ARGS": f"sh -c '{quoted}' {{{{INFILE}}}} {{{{OUTFILE}}}}", **variables}
        outputs = [self.outcomes, self.logs]
        if next_task:
            outputs.append(next_task)
            told["EWMS_PILOT_QUEUE_OUTGOING_ALIAS"] = "outcomes;logs;next"
        return await self.field.pilot(told, inputs=[self.source], outputs=outputs, secrets=secrets)

    async def take_outcomes(self, n: int) -> dict[EventId, EventOutcome]:
        found = [outcome_from_bytes(message.body) for message in await self.field.take(self.outcomes, n, 60)]
        return {outcome.event_id: outcome for outcome in found}

    async def take_log(self, n_pieces: int) -> dict[tuple[EventId, TaskStream], list[LogPiece]]:
        pieces = [piece_from_bytes(message.body) for message in await self.field.take(self.logs, n_pieces, 60)]
        streams: dict[tuple[EventId, TaskStream], list[LogPiece]] = defaultdict(list)
        for piece in sorted(pieces, key=lambda piece: piece.number):
            streams[piece.event_id, piece.stream].append(piece)
        return streams


def read(pieces: list[LogPiece]) -> str:
    assert [piece.number for piece in pieces] == list(range(len(pieces)))
    assert [piece.is_last for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    return "".join(piece.text for piece in pieces)


ANSWER = """
echo "out $(cat $0)"; echo "err $(cat $0)" >&2
case $(cat $0) in
  good) echo '{"changed": true}' > $1;;
  bad) echo '{"changed": false}' > $1; exit 3;;
  bomb) yes | head -c 9000000; echo cut >&2;;
  slow) sleep 600;;
esac
"""


async def test_each_event_has_its_outcome_and_its_own_log_and_only_successes_go_on(workflow: Field) -> None:
    world = await World(workflow).open()
    next_task = await workflow.queue()
    bodies = (b"good", b"bad", b"bomb")
    put = await workflow.put(world.source, *bodies, headers={"x-ewms-key": "web"})
    ids = {body: EventId(event_id) for body, event_id in zip(bodies, put, strict=True)}
    pilot = await world.pilot(
        ANSWER,
        next_task=next_task,
        EWMS_PILOT_FORWARD_EVENTS="True",
        EWMS_PILOT_OUTFILE_EXT=".json",
        EWMS_PILOT_MAX_CONCURRENT_TASKS="3",
        EWMS_PILOT_LOG_LIMIT="200000",
    )
    outcomes = await world.take_outcomes(3)
    good, bad, bomb = (outcomes[ids[body]] for body in bodies)
    assert (good.ending, good.exit_status, good.output, good.key) == (RunEnding.EXITED, 0, {"changed": True}, "web")
    assert (bad.ending, bad.exit_status, bad.output) == (RunEnding.EXITED, 3, {"changed": False})
    assert "exit code 3" in bad.error
    assert (bomb.is_success, bomb.output_type) == (True, "")
    assert (good.forwarded, bad.forwarded, bomb.forwarded) == (True, False, True)
    assert good.started_at < good.ended_at
    assert good.machine

    n_pieces = sum(each.n_pieces for outcome in outcomes.values() for each in (outcome.stdout, outcome.stderr))
    log = await world.take_log(n_pieces)
    assert read(log[ids[b"good"], TaskStream.STDOUT]) == "out good\n"
    assert read(log[ids[b"bad"], TaskStream.STDERR]) == "err bad\n"
    assert read(log[ids[b"bomb"], TaskStream.STDERR]) == "err bomb\ncut\n"
    text = read(log[ids[b"bomb"], TaskStream.STDOUT])
    assert len(text) < 200_000 + 200
    assert text.endswith("EWMS_PILOT_LOG_LIMIT keeps 200000]\n")
    assert log[ids[b"bomb"], TaskStream.STDOUT][-1].is_cut
    assert (bomb.stdout.is_cut, bomb.stdout.n_bytes, bomb.stderr.is_cut) == (True, 9_000_009, False)
    assert {piece.run for piece in log[ids[b"bomb"], TaskStream.STDOUT]} == {bomb.run}

    # The next task gets the events themselves.
    forwarded = {message.message_id: message for message in await workflow.take(next_task, 2)}
    assert {(forwarded[ids[body]].body, forwarded[ids[body]].headers["x-ewms-key"]) for body in (b"good", b"bomb")} == {
        (b"good", "web"),
        (b"bomb", "web"),
    }
    pilot.signal(signal.SIGTERM)
    assert await pilot.ended() == 0, pilot.log
    assert await workflow.depth(world.source) == await workflow.depth(next_task) == 0


async def test_a_log_is_published_while_the_task_runs_and_a_killed_run_is_told(workflow: Field) -> None:
    world = await World(workflow).open()
    (event,) = await workflow.put(world.source, b"slow")
    pilot = await world.pilot(ANSWER, **ONCE, EWMS_PILOT_DRAIN_GRACE="0.2")
    log = await world.take_log(2)
    assert [piece.text for pieces in log.values() for piece in pieces] == ["out slow\n", "err slow\n"]
    assert await workflow.depth(world.outcomes) == 0, "the log came after the end of the run"
    pilot.signal(signal.SIGTERM)
    (outcome,) = (await world.take_outcomes(1)).values()
    assert (outcome.event_id, outcome.ending, outcome.exit_status) == (event, RunEnding.CUT_OFF, None)
    assert await pilot.ended() == 0, pilot.log
    assert await workflow.depth(world.source) == 0, "a task that must not run twice was given to another worker"


async def test_a_killed_pilot_never_leads_to_a_second_run(workflow: Field) -> None:
    world = await World(workflow).open()
    ran = workflow.directory / "ran"
    (event,) = await workflow.put(world.source, b"slow")
    first = await world.pilot(f"echo x >> {ran}; sleep 600", **ONCE)
    await eventually(ran.exists)
    second = await world.pilot(f"echo x >> {ran}", **ONCE)
    first.signal(signal.SIGKILL)
    (outcome,) = (await world.take_outcomes(1)).values()
    assert (outcome.event_id, outcome.ending, outcome.attempt, outcome.run) == (event, RunEnding.IN_DOUBT, 2, "")
    second.signal(signal.SIGTERM)
    await second.ended()
    assert ran.read_text() == "x\n"
    assert await workflow.depth(world.source) == 0


async def test_the_payload_is_the_last_argument_and_what_is_too_long_for_one_is_refused(workflow: Field) -> None:
    world = await World(workflow).open()
    # The placeholder in the payload is data.
    payload = json.dumps({"host": "web '07'", "text": "{{INFILE}} $HOME"}).encode()
    long = b"x" * (128 * 1024)
    ids = [EventId(each) for each in await workflow.put(world.source, payload, long[:-1], long)]
    pilot = await world.pilot('printf %s "$2" | head -c 60 > $1', EWMS_PILOT_PAYLOAD_ARGUMENT="True")
    small, fits, too_long = (outcomes[each] for outcomes in [await world.take_outcomes(3)] for each in ids)
    assert small.output == payload.decode()
    assert fits.output == "x" * 60
    assert (too_long.ending, too_long.exit_status) == (RunEnding.INPUT_UNUSABLE, None)
    assert "131071" in too_long.error
    assert outcome_event_id(ids[0], workflow.task, 1) is not None
    pilot.signal(signal.SIGTERM)
    assert await pilot.ended() == 0, pilot.log


async def test_c33_secrets_are_files_that_only_the_task_sees_and_no_log_shows(workflow: Field) -> None:
    world = await World(workflow).open()
    await workflow.put(world.source, b"host")
    value = "line one\nS3cret-line-two\n"
    script = (
        'cp "$EWMS_TASK_SECRETS_DIR"/db-password $1; stat -c "%a" "$EWMS_TASK_SECRETS_DIR"/db-password; '
        'cat "$EWMS_TASK_SECRETS_DIR"/api-key; env; cat /proc/$$/cmdline | tr "\\0" " "'
    )
    told = {"EWMS_PILOT_SECRETS": "db-password,api-key"}
    without = await world.pilot(script, **told)
    assert await without.ended() != 0
    assert "ewms_pilot_secrets" in without.log
    await without.until(lambda pilot: "FatalError" in pilot.statuses())

    secrets = json.dumps({"db-password": value, "api-key": "K3y-of-the-api", "of another task": "x"})
    pilot = await world.pilot(script, secrets=secrets, **told)
    (outcome,) = (await world.take_outcomes(1)).values()
    assert outcome.is_success, outcome
    log = await world.take_log(outcome.stdout.n_pieces)
    text = read(log[outcome.event_id, TaskStream.STDOUT])
    assert text.startswith("600\n***")
    assert outcome.output == "***", "the task read the whole value, and its output is masked"
    assert not any(secret in text for secret in ("K3y-of-the-api", "S3cret-line-two"))
    pilot.signal(signal.SIGTERM)
    assert await pilot.ended() == 0, pilot.log
    assert "S3cret" not in pilot.log
    assert not (pilot.directory / "ewms-pilot-data" / "secrets").exists()


async def test_the_hidden_texts_of_a_program_reach_the_task_and_no_file_of_the_pilot_has_them(workflow: Field) -> None:
    world = await World(workflow).open()
    await workflow.put(world.source, b"host")
    task = """sh -c 'printf "%s/%s" "$2" "$PW" | sha256sum > "$1"; echo "I am $2 $PW"' {{INFILE}} {{OUTFILE}} """
    told = {
        "EWMS_PILOT_TASK_ARGS": f"{task} $encrypted$",
        "EWMS_PILOT_TASK_ENV_JSON": '{"PW": "$encrypted$"}',
        "EWMS_PILOT_SECRETS": PROGRAM_SECRET,
    }
    without = await world.pilot("true", **told)
    assert await without.ended() != 0
    assert "ewms_pilot_secrets" in without.log
    await without.until(lambda pilot: "FatalError" in pilot.statuses())

    texts = write_program_secret({"task_args": f"{task} S3cret-of-args", "task_env": {"PW": "S3cret-of-env"}})
    pilot = await world.pilot("true", secrets=json.dumps({PROGRAM_SECRET: texts}), **told)
    (outcome,) = (await world.take_outcomes(1)).values()
    assert outcome.is_success, outcome
    assert outcome.output == f"{hashlib.sha256(b'S3cret-of-args/S3cret-of-env').hexdigest()}  -\n"
    log = await world.take_log(outcome.stdout.n_pieces)
    assert read(log[outcome.event_id, TaskStream.STDOUT]) == "I am *** ***\n"
    pilot.signal(signal.SIGTERM)
    assert await pilot.ended() == 0, pilot.log
    holding = {path.name for path in walk_live(pilot.directory) if path.is_file() and b"S3cret" in path.read_bytes()}
    assert holding == {"ewms_pilot_secrets"}, "only the file that came with the job, which goes with it"
