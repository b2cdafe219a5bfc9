"""Runs that end by themselves, and their user sees it: by the client, the command, and in spite of crashes."""

import os
import signal
import threading
import time

import pytest
from typer.testing import CliRunner

from deploy.local.system.stack import Stack
from ewms import Client, DoneWithFailures, Refused, Workflow
from ewms.cli.app import app
from schemas.fleet.endings import Completion
from schemas.fleet.phases import Deactivated
from tests.system.conftest import one_task, shell_task
from tests.system.pilots import find_pilots


def test_a_run_whose_inputs_are_closed_ends_by_itself_and_so_does_the_loop_over_its_results(client: Client) -> None:
    upper = shell_task("tr a-z A-Z < $1 > $2", inputs=["words"], outputs=["loud"])
    twice = shell_task("cat $1 $1 > $2", inputs=["loud"], outputs=["echoes"])
    run = client.submit(Workflow(public=["words", "echoes"], tasks=[upper, twice]))
    words = [f"word-{number}" for number in range(30)]
    with run.queue("words").publisher(close_inputs=True) as publisher:
        for word in words:
            publisher.send(word)

    echoes = [event.body for event in run.queue("echoes").results()]

    assert sorted(echoes) == sorted(word.upper() * 2 for word in words)
    outcome = run.wait("over", timeout="60s").raise_for_failures()
    assert (outcome.word, outcome.state.workflow.deactivated) == (Completion.DONE, Deactivated.FINISHED)
    with (
        pytest.raises(Refused, match="takes no more events: the workflow is done"),
        run.queue("words").publisher(),
    ):
        pass


def test_a_run_with_dead_letters_ends_as_done_with_failures_and_the_command_says_so_by_its_status(
    client: Client, stack: Stack
) -> None:
    run = client.submit(one_task("if grep -q poison $1; then exit 3; fi; cp $1 $2"))
    with run.queue("in").publisher() as publisher:
        for word in ("good", "poison", "fine"):
            publisher.send(word)
    ewms = ["--server", stack.gateway, "workflow"]
    environment = {"EWMS_TOKEN": stack.token}
    closed = CliRunner().invoke(app, [*ewms, "close-inputs", run.id], env=environment)
    assert closed.exit_code == 0, closed.output
    with pytest.raises(Refused, match="the workflow's inputs are closed"), run.queue("in").publisher():
        pass
    waited = CliRunner().invoke(app, [*ewms, "wait", run.id, "--within", "120s"], env=environment)
    assert isinstance(waited.exception, DoneWithFailures)
    assert waited.exception.reason.startswith("1 event(s) are dead letters")
    assert sorted(event.body for event in run.queue("out").results()) == ["fine", "good"]


@pytest.mark.usefixtures("mended")
def test_never_done_while_an_event_is_unsettled_whatever_is_killed_meanwhile(client: Client, stack: Stack) -> None:
    first = shell_task("sleep 0.3; cp $1 $2", inputs=["in"], outputs=["mid"])
    second = shell_task("sleep 0.3; cp $1 $2", inputs=["mid"], outputs=["out"])
    run = client.submit(Workflow(public=["in", "out"], tasks=[first, second]))
    with run.queue("in").publisher(close_inputs=True) as publisher:
        for number in range(12):
            publisher.send(str(number), key=number)

    def strike() -> None:
        for process in ("mqs", "wms", "mqs"):
            time.sleep(1.5)
            stack.kill(process, signal.SIGKILL)
            time.sleep(0.5)
            stack.start(process)
            pilots = [pid for taskforce in run.show().taskforces for pid in find_pilots(taskforce.taskforce_uuid)]
            if pilots:
                os.kill(pilots[0], signal.SIGKILL)

    strikes = threading.Thread(target=strike)
    strikes.start()
    try:
        results = {int(str(event.body)) for event in run.queue("out").results()}
    finally:
        strikes.join()
    # The loop has ended by itself, so these are all.
    assert results == set(range(12))
    assert run.wait("over", timeout="60s").word == Completion.DONE


def test_a_run_ends_when_its_expected_results_have_arrived(client: Client) -> None:
    run = client.submit(one_task("cp $1 $2"))
    run.expect_results(5)
    with run.queue("in").publisher() as publisher:
        for number in range(5):
            publisher.send(str(number))
    assert run.wait("over", timeout="90s").raise_for_failures().word == Completion.DONE
