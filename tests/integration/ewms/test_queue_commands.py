"""`ewms queue` as a user runs it, against a real HTTP server and a real queue."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ewms import AsyncClient
from tests.integration.ewms.conftest import ALIAS, WORKFLOW, FakeGateway, PublicQueue
from tests.integration.ewms.test_command import ROOT, ewms, health, workflow
from tests.waiting import wait_until


def test_events_go_in_by_line_and_come_out_by_line(gateway: FakeGateway, public_queue: PublicQueue) -> None:
    lines = "".join(json.dumps({"id": n, "x": "ä"}) + "\n" for n in range(50))
    for _ in range(2):  # the same keys again: nothing is repeated
        done = ewms(gateway, "queue", "publish", WORKFLOW, ALIAS, "--key", "id", stdin=lines)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "50 event(s) published" in done.stderr
    done = ewms(gateway, "queue", "consume", WORKFLOW, ALIAS, "--idle", "1s", "-q")
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(json.loads(line)["id"] for line in done.stdout.splitlines()) == list(range(50))


def test_published_events_carry_the_trace_of_the_environment_if_it_is_valid(
    gateway: FakeGateway, public_queue: PublicQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    for text in (trace, "oops"):
        monkeypatch.setenv("TRACEPARENT", text)
        done = ewms(gateway, "queue", "publish", WORKFLOW, ALIAS, stdin=json.dumps(text) + "\n")
        assert done.returncode == 0, done.stderr

    async def take() -> dict[str, str | None]:
        async with AsyncClient(gateway.url, token="t") as client:
            events = client.run(WORKFLOW).queue(ALIAS).results(n=2)
            return {event.body: event.headers.get("traceparent") async for event in events}

    assert asyncio.run(take()) == {trace: trace, "oops": None}


def test_a_bad_line_is_named_and_what_was_sent_before_it_is_safe(
    gateway: FakeGateway, public_queue: PublicQueue
) -> None:
    done = ewms(gateway, "queue", "publish", WORKFLOW, ALIAS, stdin="1\n2\n{oops\n")
    assert done.returncode == 2
    assert "line 3" in done.stderr
    assert done.stderr.startswith(f"2 event(s) published to {ALIAS}\n  go on from line 3 of the input: ewms queue")
    done = ewms(gateway, "queue", "publish", WORKFLOW, ALIAS, "--close-inputs", stdin="{oops\n")
    assert f"0 event(s) published to {ALIAS}; the inputs of {WORKFLOW} stay open" in done.stderr
    assert "go on from line 1 of the input" in done.stderr
    assert "--close-inputs" in done.stderr
    done = ewms(gateway, "queue", "consume", WORKFLOW, ALIAS, "-n", "2", "--whole")
    assert sorted(json.loads(line)["body"] for line in done.stdout.splitlines()) == [1, 2]


def test_events_can_be_looked_at_and_thrown_away(gateway: FakeGateway, public_queue: PublicQueue) -> None:
    ewms(gateway, "queue", "publish", WORKFLOW, ALIAS, stdin="1\n2\n3\n")
    done = ewms(gateway, "queue", "peek", WORKFLOW, ALIAS, "-n", "2")
    assert (done.returncode, len(done.stdout.split())) == (0, 2), done.stderr
    done = ewms(gateway, "queue", "peek", WORKFLOW, ALIAS, "--whole", "-o", "json")
    events = json.loads(done.stdout)["events"]
    assert sorted((event["body"], event["attempt"]) for event in events) == [(1, 1), (2, 1), (3, 1)]
    done = ewms(gateway, "queue", "token", WORKFLOW, ALIAS, "--to", "consume", "-o", "json")
    assert json.loads(done.stdout)["auth_token"].count(".") == 2
    done = ewms(gateway, "queue", "purge", WORKFLOW, ALIAS)
    assert (done.returncode, "--yes" in done.stderr) == (2, True)
    wait_for_events(public_queue, {3})
    done = ewms(gateway, "queue", "purge", WORKFLOW, ALIAS, "--yes", "-o", "json")
    assert json.loads(done.stdout) == {"purged": 3}
    wait_for_events(public_queue, {0})


def test_a_reader_that_leaves_ends_the_command_quietly(gateway: FakeGateway, public_queue: PublicQueue) -> None:
    ewms(gateway, "queue", "publish", WORKFLOW, ALIAS, "--text", stdin="line\n" * 2000)
    command = [sys.executable, "-m", "ewms.cli", "--server", gateway.url, "queue", "consume", WORKFLOW, ALIAS]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        env={**os.environ, "EWMS_TOKEN": "t"},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline()) == "line"
        process.stdout.close()
        assert process.wait(timeout=60) == 0
        assert process.stderr.read() == ""


@pytest.mark.parametrize(
    ("n", "size", "reader", "n_taken"),
    [(100, 5, "head -n 3", 3), (6, 30_000, "head -n 2", 2), (1, 5, "head -n 1", 1), (2, 30_000, "head -c 1", 0)],
)
def test_a_reader_takes_from_the_queue_what_it_has_read_and_nothing_more(
    n: int, size: int, reader: str, n_taken: int, gateway: FakeGateway, public_queue: PublicQueue
) -> None:
    lines = "".join(f"{number:0{size}}\n" for number in range(n))
    ewms(gateway, "queue", "publish", WORKFLOW, ALIAS, "--text", stdin=lines)
    # Also when no further event comes the end of the pipe is noticed.
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c",
         f"{sys.executable} -m ewms.cli --server {gateway.url} queue consume {WORKFLOW} {ALIAS} | {reader}"],
        capture_output=True, text=True, check=False, cwd=ROOT, timeout=150, env={**os.environ, "EWMS_TOKEN": "t"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == n_taken
    wait_for_events(public_queue, {n - n_taken})
    done = ewms(gateway, "queue", "consume", WORKFLOW, ALIAS, "-n", str(n - n_taken)) if n > n_taken else done
    assert done.stdout.count("\n") == (n - n_taken or n_taken)


def test_a_slow_reader_gets_every_event_once(gateway: FakeGateway, public_queue: PublicQueue) -> None:
    ewms(gateway, "queue", "publish", WORKFLOW, ALIAS, stdin="".join(f"{n}\n" for n in range(9)))
    command = f"{sys.executable} -m ewms.cli --server {gateway.url} -q queue consume {WORKFLOW} {ALIAS} -n 9"
    done = subprocess.run(
        ["bash", "-c", f"{command} | (sleep 1; cat)"],
        capture_output=True, text=True, check=False, cwd=ROOT, timeout=150, env={**os.environ, "EWMS_TOKEN": "t"},
    )  # fmt: skip
    assert sorted(map(int, done.stdout.split())) == list(range(9))
    wait_for_events(public_queue, {0})


def test_expected_events_that_do_not_come_end_with_the_timeout_status(
    gateway: FakeGateway, public_queue: PublicQueue
) -> None:
    done = ewms(gateway, "queue", "consume", WORKFLOW, ALIAS, "-n", "1", "--idle", "0.3s")
    assert done.returncode == 6
    assert "0 of 1" in done.stderr


def test_output_that_cannot_be_written_takes_no_event(gateway: FakeGateway, public_queue: PublicQueue) -> None:
    ewms(gateway, "queue", "publish", WORKFLOW, ALIAS, stdin="1\n2\n")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "ewms.cli", "--server", gateway.url, "queue", "consume", WORKFLOW, ALIAS, "-n", "2"],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False, cwd=ROOT, timeout=150,
            env={**os.environ, "EWMS_TOKEN": "t"},
        )  # fmt: skip
    assert done.returncode == 1
    assert "cannot write the output: No space left" in done.stderr
    done = ewms(gateway, "queue", "consume", WORKFLOW, ALIAS, "-n", "2")
    assert sorted(done.stdout.split()) == ["1", "2"]


@pytest.mark.parametrize("verb", ["publish", "consume"])
def test_an_interrupt_ends_with_its_status_and_loses_nothing(
    verb: str, gateway: FakeGateway, public_queue: PublicQueue
) -> None:
    ewms(gateway, "queue", "publish", WORKFLOW, ALIAS, stdin="1\n2\n")
    with subprocess.Popen(
        [sys.executable, "-m", "ewms.cli", "--server", gateway.url, "queue", verb, WORKFLOW, ALIAS],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        env={**os.environ, "EWMS_TOKEN": "t"},
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        if verb == "publish":
            process.stdin.write("3\n")
            process.stdin.flush()
            wait_for_events(public_queue, {3})
        else:
            assert sorted([process.stdout.readline(), process.stdout.readline()]) == ["1\n", "2\n"]
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=150)
    assert process.returncode == 130
    assert "ewms: interrupted" in said
    assert "Traceback" not in said
    if verb == "consume":
        assert f"2 event(s) taken from {ALIAS}" in said
    # An event that was just written may come again; the one before it was acknowledged.
    wait_for_events(public_queue, {3} if verb == "publish" else {0, 1})


def test_events_that_are_texts_with_json_get_a_hint(gateway: FakeGateway, public_queue: PublicQueue) -> None:
    ewms(gateway, "queue", "publish", WORKFLOW, ALIAS, "--text", stdin='{"n": 1}\n{"n": 2}\n')
    for verb in (["peek"], ["consume", "-n", "2"]):
        done = ewms(gateway, "queue", verb[0], WORKFLOW, ALIAS, *verb[1:])
        assert sorted(done.stdout.splitlines()) == ['"{\\"n\\": 1}"', '"{\\"n\\": 2}"']
        assert done.stderr.count("EWMS_PILOT_OUTFILE_EXT=.json") == 1, verb


def wait_for_events(queue: PublicQueue, wanted: set[int]) -> None:
    wait_until(lambda: asyncio.run(queue.n_ready()), lambda n_ready: n_ready in wanted)


def test_who_consumes_from_a_stalled_workflow_hears_of_it(gateway: FakeGateway, public_queue: PublicQueue) -> None:
    why = "3 event(s) are left, and no worker comes"
    gateway.on(f"GET /v1/workflows/{WORKFLOW}", (200, workflow() | health(why), {}))
    done = ewms(gateway, "queue", "consume", WORKFLOW, ALIAS, "--idle", "4s")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert f"{WORKFLOW} has been stalled since 08:00:00 UTC: {why} (next: ewms taskforce show TF-1)" in done.stderr
    assert done.stderr.count("has been stalled") == 1
