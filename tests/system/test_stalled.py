"""A run whose work waits in vain says so by itself, with the cause and the next command."""

import pytest

from deploy.local.system.stack import Stack
from ewms import Client, RunStalled, Task, Workflow
from tests.system.conftest import CLUSTER


def test_a_task_that_no_slot_can_take_is_told_to_whoever_waits(chosen: Stack, ews: Client) -> None:
    task = Task(
        image="none",
        args="cp {{INFILE}} {{OUTFILE}}",
        inputs=["in"],
        outputs=["out"],
        clusters=[CLUSTER],
        n_workers=2,
        memory="900 GB",
        pilot={"_EWMS_PILOT_CONTAINER_PLATFORM": "none"},
    )
    run = ews.submit(Workflow(public=["in", "out"], tasks=[task]))
    try:
        with run.queue("in").publisher() as publisher:
            publisher.send({"n": 1})
        with pytest.raises(RunStalled, match="find no slot") as caught:
            run.wait("over", timeout=90, fail_if_stalled=True)
        assert "1 event(s) are left, and no worker comes: 2 worker(s) find no slot" in caught.value.reason
        assert caught.value.hint.startswith("ewms workflow submit FILE --set tasks.0.worker_config.worker_memory=")
        (missing,) = ews.health(run.show().taskforces[0].taskforce_uuid).missing
        assert (missing.cause, missing.n_workers, missing.is_coming) == ("no-slot", 2, False)
    finally:
        run.abort()
    run.wait("over", timeout=60)
    assert run.stall() is None
