"""A run whose events are all done before `make down`, and what its user sees of it after `make up`."""

import time

from ewms import Task, Workflow
from ewms.client import Run
from schemas.api.queues.profiles import QueueDepth
from tests.waiting import wait_until

N_EVENTS = 40
N_WORKERS = 2


def copying_workflow(cluster: str, *, seconds: float = 0.0) -> Workflow:
    """Return a workflow whose task takes `seconds` to copy an event."""
    task = Task(
        image="none",
        args=f"sh -c 'sleep {seconds}; cp $1 $2' sh {{{{INFILE}}}} {{{{OUTFILE}}}}",
        inputs=["in"],
        outputs=["out"],
        clusters=[cluster],
        n_workers=N_WORKERS,
        memory="64M",
        disk="64M",
        pilot={"_EWMS_PILOT_CONTAINER_PLATFORM": "none"},
    )
    return Workflow(public=["in", "out"], tasks=[task])


def do_events(run: Run) -> None:
    """Publish events, and return when MQS shows all of them as done and all workers are there."""
    with run.queue("in").publisher() as publisher:
        for number in range(N_EVENTS):
            publisher.send(str(number))
    assert wait_until_settled(run, at_least=N_EVENTS) == N_EVENTS


def count_shown(run: Run) -> int:
    """Return how many events MQS shows as done now."""
    return _look(run).n_gone or 0


def wait_until_settled(run: Run, *, at_least: int) -> int:
    """Return how many events are done, once MQS shows at least so many, none is left, and all workers are there."""

    def count_done() -> int:
        queue = _look(run)
        is_settled = queue.n_gone == queue.n_arrived and queue.n_consumers == N_WORKERS
        return queue.n_gone or 0 if is_settled else -1

    done: int = wait_until(count_done, lambda n: n >= at_least, within_s=120, pause_s=0.3, show=run.depths)
    return done


def end_run_after_restart(run: Run, *, n_done: int = N_EVENTS) -> None:
    """Check what a user sees from the first moment on, and that the run ends soon after its inputs are closed."""
    deadline = time.monotonic() + 60
    while (queue := _look(run)).n_consumers < N_WORKERS:
        assert time.monotonic() < deadline, f"the workers do not come back: {run.statuses()}"
        _check_done(queue, n_done)
        assert queue.n_unacknowledged == 0
        time.sleep(0.3)
    _check_done(queue, n_done)
    began_s = time.monotonic()
    run.close_inputs()
    outcome = run.wait("over", timeout="60s")
    assert time.monotonic() - began_s < 50, "it ends within seconds"
    assert (outcome.word, outcome.n_dead) == ("done", 0)
    _check_done(_look(run), n_done)


def _check_done(queue: QueueDepth, n_done: int) -> None:
    """Check that all events are done, and that there are at least `n_done`: late counts may add some."""
    assert queue.n_arrived == queue.n_gone, queue
    assert (queue.n_gone or 0) >= n_done, queue


def _look(run: Run) -> QueueDepth:
    """Return the counts of the input queue."""
    return run.depths().queues[0]
