"""Each cause of a process or a tree has facts that show it, with its text, its remedy and a command."""

from collections.abc import Callable
from dataclasses import replace
from string import Formatter
from typing import Any

import pytest

from schemas.causes.nodes import NODE_CAUSES
from schemas.causes.runs import RUN_CAUSES
from schemas.causes.table import CAUSES
from schemas.engine.graph import BranchingProfile, DefinitionKind, EdgeKind, Graph, Node, make_chain
from schemas.engine.run_documents import EngineSettings, StepWorkerDocument
from schemas.engine.runs import NodeError, Occurrence, Outcome, Parent, RunStatus, WantKind
from schemas.ids import NodeKey, RunId, RunUuid, ScheduleId
from tests.unit.wms.engine.graphs import make_graph
from tests.unit.wms.engine.walking import NOW, Walk
from wms.engine.life.stimuli import Unserved, Wish
from wms.insight.runs.run_explanation import MOST_OF_KIND, explain_run
from wms.insight.runs.run_situation import FORM, RunSituation

S, F, A = EdgeKind.SUCCESS, EdgeKind.FAILURE, EdgeKind.ALWAYS
TREE, DAG = BranchingProfile.TREE, BranchingProfile.DAG
LOCKED = EngineSettings(is_locked=True, changed_by="olga", changed_at=NOW)


def chain(*nodes: dict[str, Any]) -> Graph:
    """Return a chain of steps with these fields: `n0`, `n1` and so on."""
    plain = [{"key": f"n{n}", "name": f"Step {n}", "function": f"do_{n}", **fields} for n, fields in enumerate(nodes)]
    return make_chain(tuple(Node.model_validate(each) for each in plain))


def wait(kind: str, **fields: Any) -> dict[str, Any]:
    return {"kind": "wait", "function": "", "wait": {"kind": kind, **fields}}


def see(walk: Walk, *, facts: dict[str, Any] | None = None, **fields: Any) -> RunSituation:
    """Return the facts of a walked run. `fields` change the run."""
    run = walk.facts.model_copy(update={"nodes": tuple(walk.run.nodes), **fields})
    return RunSituation(run=run, standing=run.status.value, why=run.explanation, **(facts or {}))


def walk_chain(*nodes: dict[str, Any]) -> Walk:
    return Walk(chain(*(nodes or ({},)))).begin()


def act(walk: Walk, *acts: Callable[[Walk], Any]) -> Walk:
    for one in acts:
        one(walk)
    return walk


def fail(error_class: str = "ValueError", **details: Any) -> Callable[[Walk], Any]:
    error = NodeError(error_class=error_class, message="no such port", details=details)
    return lambda walk: walk.fail("n0", error=error)


def end(key: str) -> Callable[[Walk], Any]:
    return lambda walk: walk.end(key)


def refuse(why: str) -> Callable[[Walk], Any]:
    return lambda walk: walk.do(Unserved(NodeKey("n0"), walk.node("n0").attempt, why))


def lose_three(walk: Walk) -> None:
    for _ in range(3):
        walk.take("n0")
        walk.lose("n0")


def walk_tree(*edges: tuple[int, EdgeKind, int], n: int = 2, of: BranchingProfile = TREE, **fields: Any) -> Walk:
    return Walk(make_graph(of, n, *edges, fields=fields.get("nodes"))).begin()


def as_tree(walk: Walk, run: int = 7, **more: Any) -> RunSituation:
    return see(walk, kind=DefinitionKind.TEMPLATE, id=RunId(run), title="Release", **more)


def stalled(why: str) -> RunSituation:
    walk = walk_tree(n=1, nodes={0: {"kind": "workflow", "function": ""}})
    walk.start_child("n0")
    state = walk.node("n0").model_copy(update={"child_run": None, "workflow_id": "WF-1-00000001"})
    return as_tree(walk, nodes=(state,), facts={"stalls": {"WF-1-00000001": why} if why else {}})


def created(kind: DefinitionKind, **more: Any) -> RunSituation:
    return see(Walk(chain({})), kind=kind, facts=more)


def form_of(**refusals: str) -> RunSituation:
    walk = Walk(chain({}), pages=({},))
    return see(walk, facts={"refusals": {(RunId(1), FORM): why for why in refusals.values()}})


OCCURRENCE = Occurrence(schedule=ScheduleId(3), name="nightly", at=NOW, skipped=2)
RUN_NODE = {"kind": "run", "function": "", "definition": "template/9"}

CASES: list[tuple[str, RunSituation]] = [
    # The run as a whole
    ("engine-locked", see(walk_chain(), facts={"lock": LOCKED})),
    ("form-unchecked", form_of()),
    ("pool-empty", form_of(why="no step worker of the pool 'default' is there")),
    ("not-begun", created(DefinitionKind.FLOW)),
    ("template-busy", created(DefinitionKind.TEMPLATE, busy=RunId(41))),
    ("being-stopped", see(act(walk_chain({}, {}), lambda walk: walk.take("n0"), Walk.stop))),
    ("being-canceled", see(act(walk_chain({}, {}), lambda walk: walk.take("n0"), Walk.cancel))),
    ("run-stopped", see(act(walk_chain({}, {}), lambda walk: walk.take("n0"), Walk.stop, end("n0")))),
    ("run-halted", see(act(walk_chain(), fail()))),
    ("run-successful", see(act(walk_chain(), end("n0")))),
    ("run-failed", as_tree(act(walk_tree(n=1), fail()))),
    ("run-error", see(walk_chain(), status=RunStatus.ERROR, explanation="the state cannot be read")),
    ("run-canceled", see(act(walk_chain({}, {}), lambda walk: walk.take("n0"), Walk.cancel, end("n0")))),
    ("occurrences-skipped", as_tree(walk_tree(), occurrence=OCCURRENCE)),
    ("moving", created(DefinitionKind.STEPS)),
    # Step workers
    ("pool-empty", see(act(walk_chain(), refuse("no step worker of the pool 'lab' has ever been there")))),
    (
        "pool-empty",
        see(
            walk_chain(),
            facts={"refusals": {(RunId(1), NodeKey("n0")): "no step worker of the pool 'default' is there"}},
        ),
    ),
    (
        "definition-unoffered",
        see(act(walk_chain(), refuse("the step worker w1 does not offer 'x' as it was when the run was launched"))),
    ),
    ("step-unserved", see(act(walk_chain(), refuse("the secrets of the run cannot be read: set EWMS_SECRET_KEYS")))),
    ("step-queued", see(walk_chain())),
    ("step-running", see(act(walk_chain(), lambda walk: walk.take("n0")))),
    ("step-sent-again", see(act(walk_chain(), lambda walk: walk.take("n0"), lambda walk: walk.lose("n0")))),
    ("step-workers-lost", see(act(walk_chain(), lose_three))),
    # Waits
    ("callback-awaited", see(act(walk_chain({"opens": 1}, wait("callback", timeout_s=60)), end("n0")))),
    ("event-awaited", see(walk_chain(wait("event", name="cable laid")))),
    ("form-awaited", see(walk_chain(wait("input")))),
    ("approval-awaited", as_tree(walk_tree(n=1, nodes={0: wait("approval", timeout_s=60)}))),
    (
        "poll-awaited",
        see(act(walk_chain(), lambda walk: walk.end("n0", Outcome.PENDING, poll_after_s=60))),
    ),
    ("wait-expired", see(act(walk_chain(wait("input", timeout_s=60)), lambda walk: walk.pass_time(61)))),
    # Failures
    ("retry-awaited", see(act(walk_chain({"retry": {"attempts": 3}}), fail()))),
    ("step-failed", see(act(walk_chain(), fail()))),
    ("data-inconsistent", see(act(walk_chain(), fail("CheckFailed", status="inconsistent_data")))),
    ("api-unavailable", see(act(walk_chain(), fail("ConnectionError", status="api_unavailable")))),
    (
        "step-timed-out",
        see(act(walk_chain({"timeout_s": 9}), lambda walk: walk.take("n0"), lambda walk: walk.pass_time(10))),
    ),
    ("state-too-large", see(act(walk_chain(), fail("StateTooLarge")))),
    (
        "approval-denied",
        as_tree(
            act(walk_tree(n=1, nodes={0: wait("approval")}), lambda walk: walk.answer("n0", approved=False)),
        ),
    ),
    # Trees
    ("child-starting", as_tree(walk_tree(n=1, nodes={0: RUN_NODE}))),
    ("child-running", as_tree(act(walk_tree(n=1, nodes={0: RUN_NODE}), lambda walk: walk.start_child("n0", 9)))),
    (
        "child-failed",
        as_tree(
            act(
                walk_tree(n=1, nodes={0: RUN_NODE}),
                lambda walk: walk.start_child("n0", 9),
                lambda walk: walk.end_child("n0", Outcome.FAILED, explanation="no such host"),
            )
        ),
    ),
    ("workflow-running", stalled("")),
    ("workflow-stalled", stalled("no worker comes")),
    ("template-missing", as_tree(walk_tree(n=1, nodes={0: {"kind": "empty", "function": ""}}))),
    ("failure-handled", as_tree(act(walk_tree((0, F, 1)), fail()))),
    ("join-awaited", as_tree(act(walk_tree((0, S, 2), (1, S, 2), n=3, of=DAG), end("n0")))),
    ("node-passed", as_tree(act(walk_tree((0, F, 1)), end("n0")))),
]


@pytest.mark.parametrize(("cause", "facts"), CASES, ids=[cause for cause, _ in CASES])
def test_facts_show_their_cause_with_text_remedy_and_command(cause: str, facts: RunSituation) -> None:
    found = {each.cause: each for each in explain_run(facts).causes}
    assert cause in found, f"found {sorted(found)}"
    shown = found[cause]
    assert shown.severity is CAUSES[cause].severity
    assert "{" not in shown.text + shown.command
    assert shown.text
    assert shown.remedy.endswith(".")
    assert shown.command.startswith("ewms ")
    assert (cause in NODE_CAUSES) <= bool(shown.node and shown.text.startswith(f"{shown.node}: "))


def test_every_cause_of_runs_has_a_row() -> None:
    assert {cause for cause, _ in CASES} - {"moving"} == {*RUN_CAUSES, *NODE_CAUSES}


@pytest.mark.parametrize("cause", [*RUN_CAUSES, *NODE_CAUSES])
def test_an_entry_names_only_values_that_are_there_to_fill_in(cause: str) -> None:
    entry = CAUSES[cause]
    named = {name for _, name, _, _ in Formatter().parse(entry.text + entry.command) if name}
    assert named <= {
        "n", "n_workers", "n_running", "why", "who", "at", "until", "noun", "id", "pool", "holder", "schedule",
        "worker", "what", "workflow", "name", "correlation", "status",
    }  # fmt: skip


def test_the_most_serious_cause_comes_first_with_what_to_type() -> None:
    found = explain_run(see(act(walk_chain({}, {}), fail())))
    assert [(each.cause, each.text, each.command) for each in found.causes] == [
        ("run-halted", "1 step(s) failed for good, and it waits for a person", "ewms process retry u-1"),
        ("step-failed", "Step 0: failed: ValueError: no such port", "ewms process show u-1"),
    ]
    assert (found.kind, found.id, found.standing, found.n_left_out) == ("process", "u-1", "halted", 0)


def make_release() -> RunSituation:
    """Return a tree whose node runs an approval, and another one a process that has halted."""
    top = act(
        Walk(
            make_graph(TREE, 2, fields={0: {**RUN_NODE, "name": "Sign off"}, 1: {**RUN_NODE, "name": "Deploy"}})
        ).begin(),
        lambda walk: walk.start_child("n0", 8),
        lambda walk: walk.start_child("n1", 9),
    )
    leaf = Graph(
        profile=TREE, nodes=(Node(key=NodeKey("work"), name="Sign off", **wait_fields("approval")),), is_leaf=True
    )
    approval = see(
        Walk(leaf).begin(), id=RunId(8), kind=DefinitionKind.TEMPLATE, parent=Parent(run=RunId(7), node=0, attempt=1)
    )
    work = Node(key=NodeKey("work"), name="Deploy", kind="run", definition="deploy")
    job = act(Walk(Graph(profile=TREE, nodes=(work,), is_leaf=True)).begin(), lambda walk: walk.start_child("work", 10))
    deploy = see(job, id=RunId(9), kind=DefinitionKind.TEMPLATE, parent=Parent(run=RunId(7), node=1, attempt=1))
    process = see(act(walk_chain({"name": "Reserve ports"}), fail()), id=RunId(10), uuid=RunUuid("u-10"))
    below = {each.run.id: each.run for each in (approval, deploy, process)}
    return as_tree(top, facts={"below": below})


def wait_fields(kind: str) -> dict[str, Any]:
    return {"kind": "wait", "wait": {"kind": kind}}


def test_a_tree_tells_what_holds_up_the_jobs_and_processes_below_it() -> None:
    told = [(each.node, each.cause, each.command) for each in explain_run(make_release()).causes]
    assert told == [
        ("Sign off", "approval-awaited", "ewms tree approve 7 'Sign off'"),
        ("Deploy", "run-halted", "ewms process retry u-10"),
        ("Deploy / Reserve ports", "step-failed", "ewms process show u-10"),
    ]


def test_a_run_below_that_shows_nothing_leaves_the_word_to_its_node() -> None:
    facts = make_release()
    facts = replace(facts, below={run_id: run for run_id, run in facts.below.items() if run_id != RunId(10)})
    told = {each.node: each.cause for each in explain_run(facts).causes}
    assert told == {"Sign off": "approval-awaited", "Deploy": "child-running"}


def test_of_many_causes_of_one_kind_some_are_counted_only() -> None:
    facts = as_tree(walk_tree(n=MOST_OF_KIND + 5))
    found = explain_run(facts)
    assert (len(found.causes), found.n_left_out) == (MOST_OF_KIND, 5)


def test_a_locked_engine_is_told_once_and_only_if_it_keeps_a_step_waiting() -> None:
    locked = {"lock": LOCKED}
    assert [each.cause for each in explain_run(see(walk_chain({}, {}), facts=locked)).causes] == ["engine-locked"]
    waiting = explain_run(see(walk_chain(wait("input")), facts=locked)).causes
    assert [each.cause for each in waiting] == ["form-awaited"]
    assert "olga locked it at 2026-11-29 08:00:00 UTC" in explain_run(see(walk_chain(), facts=locked)).causes[0].text


def test_a_queued_step_says_how_busy_the_workers_of_its_pool_are() -> None:
    workers = [
        StepWorkerDocument(name=f"w{n}", pool=pool, n_running=n, started_at=NOW, seen_at=NOW)
        for n, pool in ((1, "default"), (2, "default"), (9, "other"))
    ]
    (queued,) = explain_run(see(walk_chain(), facts={"workers": workers})).causes
    assert queued.text.endswith("2 of the pool 'default' run 3 step(s)")


def test_a_failure_that_an_edge_handles_keeps_its_reason() -> None:
    found = {each.cause: each for each in explain_run(as_tree(act(walk_tree((0, F, 1)), fail()))).causes}
    assert found["failure-handled"].text == "Node 0: ended as failed, and an edge leads on from there: no such port"


def test_a_failure_that_an_edge_handles_tells_the_error_below_it_and_asks_nobody_to_retry() -> None:
    facts = as_tree(act(walk_tree((0, F, 1)), fail()))
    first, *others = facts.run.nodes
    nodes = (first.model_copy(update={"child_run": RunId(10)}), *others)
    process = see(act(walk_chain({"name": "Reserve ports"}), fail()), id=RunId(10), status=RunStatus.FAILED)
    facts = replace(facts, run=facts.run.model_copy(update={"nodes": nodes}), below={RunId(10): process.run})
    found = {each.cause: each for each in explain_run(facts).causes}
    assert "step-failed" not in found
    assert "Node 0 / Reserve ports: failed: " in found["failure-handled"].text
    assert found["failure-handled"].text.startswith("Node 0: ended as failed, and an edge leads on from there: ")


def test_a_long_reason_of_user_code_is_cut_and_stays_on_its_line() -> None:
    error = NodeError(error_class="ValueError", message="x\n" * 5000)
    found = explain_run(see(act(walk_chain(), lambda walk: walk.fail("n0", error=error)))).causes[1]
    assert "\n" not in found.text
    assert len(found.text) < 600


def test_a_command_quotes_what_people_named() -> None:
    walk = walk_chain(wait("event", name="it's done; rm"))
    (found,) = explain_run(see(walk)).causes
    assert found.command == "ewms process publish-event 'it'\"'\"'s done; rm' --correlation u-1"


def test_who_cancels_and_why_is_told_while_it_lasts_and_after() -> None:
    walk = act(
        walk_chain({}, {}), lambda walk: walk.take("n0"), lambda walk: walk.do(Wish(WantKind.CANCEL, "bob", "no"))
    )
    assert explain_run(see(walk)).causes[0].text == "bob canceled it, and the work under way ends first: no"
    walk.end("n0")
    assert [each.text for each in explain_run(see(walk)).causes] == ["bob canceled it: no"]


def test_times_are_told_in_utc() -> None:
    (found,) = explain_run(see(walk_chain(wait("input", timeout_s=60)))).causes
    assert found.text == (
        "Step 0: waits since 2026-11-29 08:00:00 UTC for a person who fills in its form, until 2026-11-29 08:01:00 UTC "
        "at the latest"
    )
