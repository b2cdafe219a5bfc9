"""Documents and what leads from one state of an aggregate to the next."""

from runtime.kernel.decision import Insert, Update
from schemas.events import Snapshot
from schemas.fleet.documents import TASKFORCES, WORKFLOWS, TaskforceDocument, WorkflowDocument
from schemas.fleet.objects import Taskforce, Workflow
from schemas.fleet.phases import Deactivated, Phase
from tests.unit.wms.fleets import activated, after, aggregate, first, later, made, running
from wms.fleet.life.stimuli import Deactivate
from wms.fleet.repository import find_changes, make_document, make_inserts, select_public
from wms.fleet.status_snapshots import make_snapshot_update


def test_a_stored_document_reads_back_as_it_was() -> None:
    new = made()
    assert WorkflowDocument.model_validate(make_document(new.workflow)) == new.workflow
    assert TaskforceDocument.model_validate(make_document(new.taskforces[0])) == new.taskforces[0]
    assert make_document(new.taskforces[0])["_id"] == new.taskforces[0].taskforce_uuid


def test_users_see_the_contracts_keys_only() -> None:
    new = made()
    assert set(select_public(WORKFLOWS, make_document(new.workflow))) == set(Workflow.model_fields)
    seen = select_public(TASKFORCES, make_document(new.taskforces[0]))
    assert set(seen) == set(Taskforce.model_fields)
    Taskforce.model_validate(seen)


def test_no_change_writes_nothing() -> None:
    state, _ = running()
    assert find_changes(state, state) == ()


def test_only_what_changed_is_set_and_the_log_is_appended_to() -> None:
    state, uuid = running()
    ended = after(state, Deactivate(Deactivated.ABORTED), now=later(seconds=1))
    root, taskforce = find_changes(state, ended)
    assert isinstance(root, Update)
    assert isinstance(taskforce, Update)
    assert (root.id, root.rev) == (state.workflow.workflow_id, state.workflow.rev)
    assert set(root.set) == {"deactivated", "deactivated_ts", "wake_at"}
    assert taskforce.id == uuid
    assert set(taskforce.set) == {"phase", "asked_at", "n_asked"}
    assert taskforce.set["phase"] is Phase.PENDING_STOPPER
    assert [line["target_phase"] for line in taskforce.push["phase_change_log"]] == ["pending-stopper"]


def test_the_workflow_is_compared_and_counted_even_if_only_a_taskforce_changed() -> None:
    state = aggregate()
    before = after(state, activated(state))
    taskforce = before.taskforces[first(before)].model_copy(update={"stuck": "x"})
    later_state = type(before)(before.workflow, {**before.taskforces, taskforce.taskforce_uuid: taskforce})
    root, change = find_changes(before, later_state)
    assert isinstance(root, Update)
    assert (dict(root.set), root.rev) == ({}, before.workflow.rev)
    assert isinstance(change, Update)
    assert dict(change.set) == {"stuck": "x"}


def test_a_new_workflow_is_one_insert_a_document() -> None:
    new = made()
    made_changes = make_inserts((new.workflow, *new.tasks, *new.taskforces))
    assert [(type(c), c.collection) for c in made_changes] == [
        (Insert, "WorkflowColl"),
        (Insert, "TaskDirectiveColl"),
        (Insert, "TaskforceColl"),
    ]


def test_a_snapshot_is_written_only_over_an_older_one_of_the_same_schedd() -> None:
    snapshot = Snapshot(
        taskforce_uuid=first(aggregate()),
        epoch=3,
        seq=7,
        as_of=later(seconds=1),
        compound_statuses={"HELD: a\0b": {"null": 1}},
        top_task_errors={**{f"E{n}": n for n in range(30)}, "x" * 5000: 99, "x" * 6000: 98, "\ud800": 97},
    )
    query, change = make_snapshot_update("S1", snapshot)
    assert query["schedd"] == "S1"
    assert query["$or"] == [{"status_epoch": {"$lt": 3}}, {"status_epoch": 3, "status_seq": {"$lt": 7}}]
    fields = change["$set"]
    assert list(fields["compound_statuses"]) == ["HELD: a\N{REPLACEMENT CHARACTER}b"]
    errors = fields["top_task_errors"]
    assert len(errors) <= 10
    assert errors["x" * 1024] == 99 + 98, "what is cut to the same text is counted together"
    assert (errors["?"], errors["E29"]) == (97, 29)
