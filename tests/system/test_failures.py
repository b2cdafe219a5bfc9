"""A bug on some events is found, understood, mended, and its events replayed, as docs/failures.md has it."""

import json
import os
from pathlib import Path

from deploy.local.system.stack import Stack
from ewms import Client
from tests.commands import run_ewms
from tests.system.conftest import one_task, plain_environment

N_EVENTS = 20

BUGGY = """\
read -r value < "$1"
if [ $((value % 10)) -eq 3 ]; then echo "cannot square $value: no such case" >&2; exit 7; fi
echo $((value * value)) > "$2"
"""
MENDED = """\
read -r value < "$1"
echo $((value * value)) > "$2"
"""


def ewms(stack: Stack, *words: str) -> str:
    """Run the command as a user does; return its standard output."""
    environment = {**plain_environment(), "EWMS_GATEWAY": stack.gateway, "HOME": os.environ["HOME"]}
    done = run_ewms(*words, environment=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_bug_on_a_tenth_of_the_events_is_found_understood_mended_and_its_events_replayed(
    chosen: Stack, ews: Client, tmp_path: Path
) -> None:
    for directory in (tmp_path, tmp_path.parent):
        directory.chmod(0o755)
    task = tmp_path / "task.sh"
    task.write_text(BUGGY)
    task.chmod(0o644)
    run = ews.submit(one_task(f"sh {task} $1 $2", n_workers=2))
    with run.queue("in").publisher() as publisher:
        for n in range(N_EVENTS):
            publisher.send(str(n), key=n)
    results = {event.body for event in run.queue("out").results(n=N_EVENTS - 2)}
    while run.depths().n_dead < 2:
        # The fifth attempt comes some seconds after the first.
        run.look()

    # 1. Found: two events, one bug.
    (group,) = json.loads(ewms(chosen, "dlq", "list", run.id, "-o", "json"))["groups"]
    assert group["n_letters"] == 2
    assert "cannot square #: no such case" in group["text"]
    # 2. Understood: the event itself, and what the task said at each attempt.
    shown = ewms(chosen, "dlq", "show", run.id, "--signature", group["signature"])
    for words in ("task failed (exit code 7)", "attempts 1-5", "| cannot square", "after 5 attempt(s)"):
        assert words in shown
    # The workers live, and say the same.
    told = ewms(chosen, "task", "errors", run.id)
    assert group["signature"] in told
    attempts = json.loads(ewms(chosen, "task", "errors", run.id, "--each", "-o", "json"))["attempts"]
    assert len({attempt["event_id"] for attempt in attempts}) == 2
    assert "attempts 1-5" in ewms(chosen, "task", "errors", run.id, "--event", attempts[0]["event_id"])
    while not any("cannot square" in error for error in run.look().state.task_errors):
        # By way of HTCondor's log, which TMS reads once a second.
        continue
    # 3. Mended.
    task.write_text(MENDED)
    # 4. Replayed.
    ewms(chosen, "dlq", "replay", run.id, "--signature", group["signature"])
    # 5. Done.
    results |= {event.body for event in run.queue("out").results(n=2)}
    assert {int(str(body)) for body in results} == {n * n for n in range(N_EVENTS)}

    assert json.loads(ewms(chosen, "dlq", "list", run.id, "--each", "-o", "json"))["dead_letters"] == []
    assert run.depths().n_dead == 0
    assert [(order.action, order.n_letters) for order in run.failures.orders()] == [("replay", 2)]
    (error,) = run.failures.errors()
    assert (error.n_attempts, error.n_events, error.signature) == (10, 2, group["signature"])
    run.finish()
    run.wait("over", timeout="60s")
