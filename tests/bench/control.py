"""The control plane's speed: from an accepted POST to a cluster in the schedd, and from abort to its removal.

    python -m tests.bench.control [--together N]

Measured through the gateway on the whole stack, from the timestamps of the taskforces' own log, beside the one thing
that cannot be avoided: a bare paused submit of the same description by the bindings. Then one workflow's round trips,
channels and CPU are counted (`tests.bench.control_counts`).
"""

import argparse
import os
import statistics
import time

import htcondor2
from rich.console import Console
from rich.table import Table

from deploy.local.files.run_directory import run_directory
from deploy.local.servers.condor import use_config
from deploy.local.system.stack import Stack
from deploy.local.system.stack_launch import running_stack
from deploy.local.system.up import prepare_servers
from ewms import Client, Task, Workflow
from ewms.client import Run
from ewms.workflows.state import post_to_submitted_s
from schemas.fleet.phases import Phase
from tests.bench.control_counts import SystemCounts, make_cost_table

N_WORKFLOWS = 20
#: The pause between two workflows whose costs are counted, so that each is alone.
_PACE_S = 1.0
#: The pause after the end of a workflow in which the system deletes what was its.
_PEACE_S = 1.5


def _workflow() -> Workflow:
    task = Task(
        image="none",
        args="cp {{INFILE}} {{OUTFILE}}",
        inputs=["in"],
        outputs=["out"],
        clusters=["local"],
        n_workers=1,
        memory="64M",
        disk="64M",
        pilot={"_EWMS_PILOT_CONTAINER_PLATFORM": "none"},
    )
    return Workflow(public=["in", "out"], tasks=[task])


def _submitted_s(run: Run) -> float:
    taken = post_to_submitted_s(run.wait(Phase.CONDOR_SUBMIT, timeout="60s").state)
    assert taken is not None
    return taken


def _offered_s(run: Run) -> float:
    """Return the time from the accepted request until its start waits for a TMS; jobs must be in the schedd by now."""
    state = run.show()
    log = state.taskforces[0].phase_change_log
    at = next(change.timestamp for change in log if change.target_phase is Phase.PENDING_STARTER)
    return at - state.workflow.timestamp


def _offered_alone_s(client: Client) -> float:
    """Submit one workflow, end it, and leave the system in peace. Return as `_offered_s`."""
    run = client.submit(_workflow())
    _submitted_s(run)
    offered_s = _offered_s(run)
    run.abort()
    run.wait("over", timeout="60s")
    time.sleep(_PEACE_S)
    return offered_s


def _removed_s(run: Run) -> float:
    run.abort()
    (taskforce,) = run.wait("over", timeout="60s").state.taskforces
    at = {change.target_phase: change.timestamp for change in taskforce.phase_change_log if change.was_successful}
    return at[Phase.CONDOR_RM] - at[Phase.PENDING_STOPPER]


def _bare_submits_s(stack: Stack, description: dict[str, str | int]) -> list[float]:
    assert stack.services.condor is not None
    use_config(stack.services.condor.config)
    schedd = htcondor2.Schedd(htcondor2.Collector().locateAll(htcondor2.DaemonType.Schedd)[0])
    taken = []
    for _ in range(N_WORKFLOWS):
        begin = time.perf_counter()
        submitted = schedd.submit(htcondor2.Submit({k: str(v) for k, v in description.items()}), count=1)
        taken.append(time.perf_counter() - begin)
        schedd.act(htcondor2.JobAction.Remove, f"ClusterId == {submitted.cluster()}", reason=("bench", 0))
    return taken


def _post_at_a_pace(client: Client, runs: list[Run]) -> int:
    """Submit workflows, one each `_PACE_S`, and append them to `runs`. Return how many.

    Ask nothing meanwhile: each question about a workflow would count as its cost.
    """
    for _ in range(N_WORKFLOWS):
        runs.append(client.submit(_workflow()))
        time.sleep(_PACE_S)
    return N_WORKFLOWS


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark and print its tables; times in milliseconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--together", type=int, default=N_WORKFLOWS, help="how many workflows to post together")
    n_together: int = parser.parse_args(arguments).together
    console = Console()
    installed = prepare_servers(console, os.environ)
    with (
        run_directory() as directory,
        running_stack(installed, directory, pool="condor") as stack,
        Client(stack.gateway, token=stack.token, timeout=60) as client,
    ):
        _submitted_s(client.submit(_workflow()))  # the first one also opens connections
        offered_alone = [_offered_alone_s(client) for _ in range(N_WORKFLOWS)]
        posts, offered, alone = [], [], []
        for _ in range(N_WORKFLOWS):
            begin = time.perf_counter()
            run = client.submit(_workflow())
            posts.append(time.perf_counter() - begin)
            alone.append(_submitted_s(run))
            offered.append(_offered_s(run))
            run.abort()
        began = time.time()
        runs = [client.submit(_workflow()) for _ in range(n_together)]
        # The faster the answers come, the more workflows wait together, and the longer each waits. So the time until
        # all have their jobs tells whether the control plane became slower; the median of each one's wait does not.
        last_post_s = time.time() - began
        together = [_submitted_s(run) for run in runs]
        accepted = [run.show().workflow.timestamp for run in runs]
        all_submitted_s = max(at + taken for at, taken in zip(accepted, together, strict=True)) - began
        removed = [_removed_s(run) for run in runs]
        counts = SystemCounts(stack)
        counted: list[Run] = []
        cost = counts.measure_each(lambda: _post_at_a_pace(client, counted))
        counts.close()
        for run in counted:
            _submitted_s(run)
        bare = _bare_submits_s(stack, dict(runs[0].show().taskforces[0].submit_dict))
    base = statistics.median(bare)
    load = f"load {os.getloadavg()[0]:.1f}"
    title = f"control plane, n = {N_WORKFLOWS} each, {n_together} together, {load}"
    table = Table("what", "p50 ms", "worst ms", "p50 / bare submit", title=title)
    for name, taken in (
        ("bare paused submit by the bindings", bare),
        ("POST /v1/workflows, answered", posts),
        ("POST to pending-starter, nothing else under way", offered_alone),
        ("POST to pending-starter, the one before being aborted", offered),
        ("POST to jobs in the schedd, one after the other", alone),
        ("POST to jobs in the schedd, posted together", together),
        ("of these, the first POST to the last one's answer", [last_post_s]),
        ("of these, the first POST to the last one's jobs", [all_submitted_s]),
        ("abort to condor_rm", removed),
    ):
        p50 = statistics.median(taken)
        table.add_row(name, f"{p50 * 1e3:.0f}", f"{max(taken) * 1e3:.0f}", f"{p50 / base:.1f}")
    console.print(table)
    console.print(make_cost_table(cost, f"counted, n = {N_WORKFLOWS} one after the other, {load}"))


if __name__ == "__main__":
    main()
