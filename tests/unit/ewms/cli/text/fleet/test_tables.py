"""What the command says of a taskforce's health, and when it says nothing."""

from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from rich.console import Console, RenderableType

from ewms.cli.text.fleet.tables import (
    cluster_table,
    depth_table,
    health_lines,
    log_table,
    missing_lines,
    phase_table,
    task_table,
    taskforce_table,
    workflow_table,
)
from ewms.workflows.progress import Observation, compute_progress
from ewms.workflows.view import render_progress
from ewms.workflows.worker_logs import LogInfo
from schemas.api.queries import WorkflowFound
from schemas.api.workflows.health import TaskforceHealth
from schemas.api.workflows.requests import ClusterLocation
from schemas.explain.task_names import name_task
from schemas.fleet.phases import Phase
from schemas.fleet.pilot_kills import EVENTS_OF_KILLED, PilotKill, PilotKills, describe_kills
from schemas.questions.worker_logs import LogStream
from tests.unit.ewms.facts import change, depths, state, taskforce

WELL: dict[str, Any] = {
    "stuck": "",
    "n_submit_failures": 0,
    "n_remove_failures": 0,
    "retry_at": None,
    "ended_at": None,
    "status_as_of": datetime(2026, 11, 21, tzinfo=UTC),
    "exit_codes": {},
    "stale": False,
}


def on_80_columns(shown: RenderableType) -> str:
    out = StringIO()
    Console(file=out, width=80).print(shown)
    assert all(len(line) <= 80 for line in out.getvalue().splitlines())
    return out.getvalue()


def test_tables_have_whole_ids_on_80_columns() -> None:
    long = Phase.PRE_MQ_ACTIVATION
    shown = state(
        taskforce(
            long, {"HELD: " + "why " * 30: {"null": 20000}, "RUNNING": {"Tasking": 10000}}, errors={"x" * 200: 9}
        ),
        taskforce(long, {"RUNNING": {"Tasking": 20000, "null": 20000}}, number=2),
    )
    full = depths(10**9, 10**9, in_work=10**9)
    wide_alias = full.model_copy(
        update={"queues": [queue.model_copy(update={"alias": "q" * 128}) for queue in full.queues]}
    )
    log = LogInfo(shown.taskforces[0].taskforce_uuid, 99999, LogStream.OUT, 10**10, datetime(2026, 11, 21, tzinfo=UTC))
    for one in (
        on_80_columns(taskforce_table(shown.taskforces)),
        on_80_columns(render_progress(compute_progress([Observation(0.0, shown, wide_alias)]))),
        on_80_columns(log_table([log])),
    ):
        assert shown.taskforces[0].taskforce_uuid in one
    tasks = on_80_columns(task_table(shown.task_directives, {"a-in": "q" * 128, "a-out": "r" * 128}))
    assert shown.task_directives[0].task_id in tasks
    on_80_columns(depth_table(wide_alias))
    found = WorkflowFound(**shown.workflow.model_dump(), outcome="done with failures")
    listed = on_80_columns(workflow_table([found], shown.task_directives))
    assert shown.workflow.workflow_id in listed
    assert "done with failures" in listed


@pytest.mark.parametrize(
    ("image", "args", "name"),
    [
        ("/images/hits.sif", "--in {{INFILE}}", "hits.sif"),
        ("none", "sh -c 'tr a-z A-Z < $1 > $2' sh {{INFILE}} {{OUTFILE}}", "sh -c 'tr a-z A-Z < $1 …"),
    ],
)
def test_a_list_of_workflows_shows_which_one_is_which_by_their_tasks(image: str, args: str, name: str) -> None:
    task = state(taskforce()).task_directives[0].model_copy(update={"task_image": image, "task_args": args})
    found = WorkflowFound(**state(taskforce()).workflow.model_dump(), outcome="done with failures")
    assert f"  {name} " in on_80_columns(workflow_table([found], [task, task]))
    wide = StringIO()
    Console(file=wide, width=200).print(workflow_table([found], [task, task], wide=True))
    (row,) = [line for line in wide.getvalue().splitlines() if found.workflow_id in line]
    assert name_task(task) in row


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, []),
        ({"stuck": "no room"}, ["stuck: no room"]),
        (
            {"unmatched": "no slot offers 999 GB of memory; the largest has 16 GB"},
            ["no worker can start: no slot offers 999 GB of memory; the largest has 16 GB"],
        ),
        ({"stale": True}, ["the statuses are of 2026-11-21 00:00:00+00:00: the TMS has reported nothing since"]),
        ({"exit_codes": {"-9": 1, "0": 4}}, ["pilots that ended: 1 with signal 9, 4 with exit code 0"]),
    ],
)
def test_only_what_is_wrong_and_how_pilots_ended_is_said(wrong: dict[str, Any], said: list[str]) -> None:
    assert [line.plain for line in health_lines(TaskforceHealth.model_validate({**WELL, **wrong}))] == said


def test_the_moves_of_a_taskforce_are_whole_on_80_columns() -> None:
    why = "Inputs are closed and every event is settled: workflow is done"
    moves = [change(Phase.PENDING_STOPPER, ok=False, context=why), change(Phase.CONDOR_COMPLETE, context="w" * 90)]
    shown = on_80_columns(phase_table(taskforce(log=moves)))
    for words in ("pending-stopper", "failed", "condor-complete", "1970-01-01 00:00:01", "TMS: Inputs"):
        assert words in shown
    assert shown.count("w") >= 90, "nothing is cut"


def test_of_what_has_ended_no_worker_is_missing() -> None:
    ended = "its workflow ended at 2026-11-28 12:00:00 UTC: done"
    health = TaskforceHealth.model_validate({**WELL, "n_wanted": 4, "ended": ended})
    assert [line.plain for line in missing_lines("TF-1", health)] == [f"TF-1: {ended}"]


def test_the_row_of_a_cluster_names_its_aliases() -> None:
    osg = ClusterLocation(name="osg", schedd="grid.example.org", n_workers=3)
    plain = on_80_columns(cluster_table([osg]))
    assert "aliases" not in plain
    others = [ClusterLocation(name=name, schedd="grid.example.org", n_workers=3, alias_of="osg") for name in ("a", "b")]
    (row,) = [line for line in on_80_columns(cluster_table([osg, *others])).splitlines() if "grid.example.org" in line]
    assert row.split() == ["osg", "grid.example.org", "a,", "b", "3"]


@pytest.mark.parametrize(
    ("last_at", "when"), [("2026-11-29T12:03:11Z", ", the last at 2026-11-29 12:03:11 UTC"), (None, "")]
)
@pytest.mark.parametrize("ended", ["", "its workflow ended: done"])
def test_kills_stay_visible_while_all_workers_are_at_work_and_after_the_end(
    last_at: str | None, when: str, ended: str
) -> None:
    kills = [{"signal": "SIGKILL (most often out of memory)", "n_kills": 2, "last_at": last_at}]
    health = TaskforceHealth.model_validate({**WELL, "n_wanted": 2, "n_at_work": 2, "ended": ended, "kills": kills})
    line = f"pilots were killed 2 time(s) by SIGKILL (most often out of memory){when}"
    assert [one.plain for one in missing_lines("TF-1", health)][1:] == [f"  {line}", f"  {EVENTS_OF_KILLED}"]
    assert [one.plain for one in health_lines(health)] == [line, EVENTS_OF_KILLED]


def test_kills_are_told_with_their_workers_and_machines() -> None:
    latest = [
        PilotKill(worker=3, slot="slot1_2@node7", at=None),
        PilotKill(worker=0, slot="", at=None),
    ]
    kills = PilotKills(signal="SIGKILL", n_kills=2, latest=latest)
    assert describe_kills(kills) == (
        "pilots were killed 2 time(s) by SIGKILL: worker 3 on slot1_2@node7, worker 0 on an unknown machine"
    )
    more = kills.model_copy(update={"n_kills": 9})
    assert ": the last ones: worker 3 on " in describe_kills(more)
