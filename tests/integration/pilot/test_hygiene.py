"""What a task gets to see, and with what the pilot opens the broker."""

import asyncio
import json
import os
import time
from pathlib import Path

import pytest

from tests.integration.pilot.field import Field
from tests.integration.pilot.test_events import CP, sh


@pytest.fixture
def forks_pilots() -> bool:
    """Each pilot is a start of `python`: these tests look at what a task sees of the pilot in /proc."""
    return False


async def test_a_task_sees_nothing_of_the_pilots_environment(workflow: Field) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, b"x")
    token = workflow.token([source], [sink])
    task = sh(
        'env > "$1"; pwd >> "$1"; ls /proc/self/fd >> "$1"', EWMS_PILOT_TASK_ENV_JSON=json.dumps({"SEED": "7 ; $HOME"})
    )
    canaries = {"CANARY": "canary", "AWS_SECRET_ACCESS_KEY": "canary", "LD_PRELOAD": ""}
    pilot = await workflow.pilot(
        {**task, "EWMS_PILOT_QUEUE_INCOMING_AUTH_TOKEN": token},
        inputs=[source],
        outputs=[sink],
        environment={**canaries, "EWMS_PILOT_QUEUE_OUTGOING_AUTH_TOKEN": token},
    )
    (output,) = await workflow.take(sink, 1)
    text = output.body.decode()
    names = {line.partition("=")[0] for line in text.splitlines() if "=" in line}
    allowed = {"PATH", "HOME", "PWD", "SEED", "EWMS_TASK_RUN", "SHLVL", "_"}
    assert names <= allowed | {"EWMS_TASK_INFILE", "EWMS_TASK_OUTFILE", "EWMS_TASK_DATA_HUB_DIR", "OLDPWD"}
    assert "SEED=7 ; $HOME" in text
    assert token not in text
    assert "canary" not in text
    assert not {"3", "4", "5", "6"} - {"3"} & set(text.split()), "the task inherited a descriptor"
    assert await pilot.ended() == 0
    assert token not in pilot.log


@pytest.mark.parametrize("mode", [0o644, 0o640])
async def test_a_token_that_others_can_read_is_refused(workflow: Field, mode: int) -> None:
    source = await workflow.queue()
    directory = workflow.pilot_directory(CP, inputs=[source], outputs=[])
    (directory / "ewms_pilot_token").chmod(mode)
    pilot = await workflow.pilot(
        {**CP, "EWMS_PILOT_TOKEN_FILE": directory / "ewms_pilot_token"}, inputs=[source], outputs=[]
    )
    assert await pilot.ended() == 1
    assert "chmod 600" in pilot.log
    assert any("TokenUnusable" in line for line in pilot.said)


async def test_a_token_for_other_queues_opens_nothing(workflow: Field) -> None:
    source, other = await workflow.queue(), await workflow.queue()
    await workflow.put(source, b"x")
    pilot = await workflow.pilot(CP, inputs=[source], token=workflow.token([other], []))
    assert await pilot.ended() == 1
    assert await workflow.depth(source) == 1
    assert f"the input queue {source} cannot be used" in pilot.log


async def test_a_rewritten_token_file_carries_the_pilot_past_the_old_tokens_end(workflow: Field) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    pilot = await workflow.pilot(
        {**CP, "EWMS_PILOT_TIMEOUT_QUEUE_INCOMING": 30},
        inputs=[source],
        outputs=[sink],
        # On busy cores a pilot needs some seconds before it takes its first event.
        token=workflow.token([source], [sink], life_s=20),
    )
    expires_at_s = time.monotonic() + 20
    await workflow.put(source, b"with the first token")
    await workflow.take(sink, 1)
    fresh = pilot.directory / "fresh"
    fresh.touch(0o600)
    fresh.write_text(workflow.token([source], [sink]))
    fresh.rename(pilot.directory / "ewms_pilot_token")
    await asyncio.sleep(expires_at_s + 3 - time.monotonic())
    await workflow.put(source, b"with the second")
    (output,) = await workflow.take(sink, 1)
    assert output.body == b"with the second"
    assert "the token was renewed" in pilot.log
    assert "lost" not in pilot.log.lower()
    pilot.process.terminate()
    assert await pilot.ended() == 0


async def test_the_token_is_not_in_the_pilots_directory_that_a_task_starts_in(workflow: Field, tmp_path: Path) -> None:
    source = await workflow.queue()
    await workflow.put(source, b"x")
    pilot = await workflow.pilot(sh(f"ls -a > {tmp_path}/seen"), inputs=[source])
    assert await pilot.ended() == 0
    assert "token" not in (tmp_path / "seen").read_text()


#: Looks for what a task with the pilot's own account could take: the chirp's file, the pilot's memory and environment.
#: That it can open its own proves the way of looking.
_REACHES = """
ls -a "$2" > "$1"
(true < /proc/$$/mem) 2>/dev/null && echo own >> "$1"
(true < /proc/$PPID/mem) 2>/dev/null && echo memory >> "$1"
(true < /proc/$PPID/environ) 2>/dev/null && echo environment >> "$1"
true
"""
#: Root may look into every process. Without its rights it may look where the pilot's account may.
_AS_AN_ACCOUNT = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"] if os.geteuid() == 0 else []


async def test_a_task_of_the_pilots_account_has_no_chirp_even_where_its_user_wants_none(workflow: Field) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    task = sh(_REACHES, EWMS_PILOT_HTCHIRP="False", EWMS_PILOT_TIMEOUT_QUEUE_INCOMING=3)
    task["EWMS_PILOT_TASK_ARGS"] = f"{task['EWMS_PILOT_TASK_ARGS']} {workflow.directory}/job-1"
    # What HTCondor puts there before it starts the pilot; nobody listens at this port.
    early = 'echo 127.0.0.1 1 a-secret > .chirp.config; exec "$@"'
    pilot = await workflow.pilot(
        task,
        inputs=[source],
        outputs=[sink],
        prefix=[*_AS_AN_ACCOUNT, "sh", "-c", early, "sh"],
    )
    assert pilot.directory == workflow.directory / "job-1"
    await workflow.put(source, b"x")
    (output,) = await workflow.take(sink, 1)
    found = output.body.decode().split()
    assert {"ewms_pilot_task.json", "own"} <= set(found), "it has looked where the file was"
    assert {".chirp.config", "memory", "environment"}.isdisjoint(found)
    assert await pilot.ended() == 0


#: Shows all that a run finds in its directory, with its own random name left out. Then leaves what the event says.
_LOOK_AND_LEAVE = """
cd "${0%/*}/.." || exit 1
found=$(find . | sed "s/-[0-9a-f]*[.].*$//")
echo "$found" > "$1"
case $(cat "$0") in
  home) echo mine > "$HOME/.note" ;;
  beside) echo mine > ./note ;;
  running) setsid sh -c 'sleep 0.3; echo mine > task-io/note; echo mine > home/note' & ;;
esac
"""


async def test_an_event_finds_nothing_of_the_events_before_it(workflow: Field) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    bodies = [b"tidy", b"home", b"tidy", b"beside", b"tidy", b"running", b"tidy", b"tidy"]
    await workflow.put(source, *bodies)
    pilot = await workflow.pilot(sh(_LOOK_AND_LEAVE), inputs=[source], outputs=[sink])
    outputs = await workflow.take(sink, len(bodies))
    usual = {".", "./home", "./outputs", "./outputs/stderrfile", "./outputs/stdoutfile", "./task-io"}
    assert [set(output.body.decode().split()) for output in outputs] == [usual | {"./task-io/infile"}] * len(bodies)
    assert await pilot.ended() == 0
    assert not list(pilot.directory.rglob("ewms-pilot-data/*/task-io")), "the pilot removes them at its end"
