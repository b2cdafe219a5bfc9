"""Laws of the one decision, whatever comes in whatever order. Refusals are part of the story, and change nothing."""

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.engine.graph import BranchingProfile, Convergence, EdgeKind, Graph, Node, make_chain
from schemas.engine.runs import NODE_OPEN, NODE_OVER, RUN_OVER, NodeStatus, Outcome, RunStatus
from schemas.errors import Conflict
from schemas.ids import NodeKey
from tests.unit.wms.engine.graphs import make_graph
from tests.unit.wms.engine.walking import Walk, chain, step, wait
from wms.engine.life.open_run import open_run
from wms.engine.life.stimuli import Begin, StepWorkerGone, Unserved
from wms.engine.life.waiting import AnswerVerdict, make_callback_token


def attempt(act: Callable[[], object]) -> bool:
    """Do something; return whether it was accepted."""
    try:
        act()
    except Conflict:
        return False
    return True


@given(st.permutations(["end", "answer", "answer again"]))
def test_arm_and_arrival_cannot_miss_each_other(order: list[str]) -> None:
    walk = chain(step("a", opens=1), wait("w", "callback"), "b").begin()
    token = make_callback_token("s3cret", NodeKey("a"), 1)
    verdicts = []
    for act in order:
        if act == "end":
            walk.end("a")
        else:
            verdicts.append(walk.answer("w", act, {"by": act}, token))
    assert walk.statuses == "SSu"
    assert walk.facts.state == {"by": next(act for act in order if act != "end")}
    assert sum(verdict in (AnswerVerdict.ENDS, AnswerVerdict.KEPT) for verdict in verdicts) == 1


@given(st.permutations(["timeout", "answer", "other answer"]))
def test_timeout_and_answer_one_of_them_wins(order: list[str]) -> None:
    walk = chain(wait("w", "callback", wait_timeout_s=60), "b").begin()
    token = make_callback_token("s3cret", NodeKey("w"), 1)
    for act in order:
        if act == "timeout":
            walk.pass_time(60)
        else:
            walk.answer("w", act, {"by": act}, token)
    if order[0] == "timeout":
        assert (walk.statuses, walk.facts.state) == ("hp", {})
    else:
        assert (walk.statuses, walk.facts.state) == ("Su", {"by": order[0]})


@given(st.permutations(["cancel", "end", "end again", "take"]))
def test_abort_and_end_the_result_is_kept_and_the_run_is_canceled(order: list[str]) -> None:
    walk = chain("a", "b").begin()
    acts: dict[str, Callable[[], object]] = {
        "cancel": walk.cancel,
        "end": lambda: walk.end("a", attempt=1, delta={"x": 1}),
        "end again": lambda: walk.end("a", attempt=1, delta={"x": 1}),
        "take": lambda: walk.take("a", attempt=1),
    }
    accepted = {act for act in order if attempt(acts[act])}
    assert {"cancel"} < accepted
    assert len(accepted & {"end", "end again"}) == 1
    walk.pass_time(12) if walk.status not in RUN_OVER else None
    assert walk.status is RunStatus.CANCELED
    assert walk.facts.state == {"x": 1}
    assert walk.statuses in ("S-", "SC")


@given(st.lists(st.sampled_from(["stop", "begin", "end"]), max_size=8))
def test_stop_and_begin_a_step_runs_once_whatever_people_do(acts: list[str]) -> None:
    walk = chain("a", "b", "c").begin()
    current = iter("abc")
    for act in acts:
        match act:
            case "stop":
                attempt(walk.stop)
            case "begin":
                attempt(lambda: walk.do(Begin()))
            case _ if "u" in walk.statuses:
                walk.end(next(current))
    assert [n for n in Counter(key for key, _ in walk.sent).values() if n > 1] == []
    if walk.status is not RunStatus.SUCCESSFUL:
        assert (walk.status is RunStatus.STOPPED) == (walk.facts.want is not None and "u" not in walk.statuses)


@pytest.mark.parametrize("values", [None, {"x": 1}])
@pytest.mark.parametrize("retry", [None, {}])
def test_of_two_resumes_one_is_accepted(values: dict[str, int] | None, retry: dict[str, int] | None) -> None:
    walk = chain(step("a", retry=retry)).begin()
    walk.fail("a")
    assert [attempt(lambda: walk.resume(given=values)) for _ in range(2)] == [True, False]
    assert walk.sent == [("a", 1), ("a", 2)]


KINDS = st.sampled_from(list(EdgeKind))


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Draw a chain, with retries and waits, or a dag."""
    n = draw(st.integers(1, 6))
    if draw(st.booleans()):
        nodes: list[Node] = []
        for number in range(n):
            kind = draw(st.sampled_from(["step", "retry", "timeout", "callback", "input", "condition"]))
            match kind:
                case "callback" | "input":
                    nodes.append(wait(f"n{number}", kind, wait_timeout_s=draw(st.sampled_from([None, 30]))))
                case "condition":
                    nodes.append(wait(f"n{number}", "approval", function="f"))
                case "retry":
                    nodes.append(step(f"n{number}", retry={"attempts": 2, "first_s": 5}))
                case _:
                    nodes.append(step(f"n{number}", timeout_s=40 if kind == "timeout" else None))
        return make_chain(tuple(nodes))
    edges = [
        (source, draw(KINDS), target)
        for source in range(n)
        for target in range(source + 1, n)
        if draw(st.integers(0, 2)) == 0
    ]
    fields = {
        number: draw(
            st.sampled_from(
                [
                    {},
                    {},
                    {"convergence": Convergence.ALL},
                    {"kind": "empty", "function": ""},
                    {"kind": "run", "definition": "d", "function": ""},
                    {"halts": True},
                ]
            )
        )
        for number in range(n)
    }
    return make_graph(BranchingProfile.DAG, n, *edges, fields=fields)


ACTS = ["end", "fail", "error", "skip", "pending", "cancel step", "take", "gone", "unserved", "child", "child ends"]
ACTS += ["answer", "approve", "deny", "stop", "cancel", "begin", "resume", "input", "time", "long time", "late end"]
STORY = st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 5)), max_size=30)


def perform(walk: Walk, act: str, key: str) -> None:
    """Let something happen to a node, or to the whole run."""
    outcomes = {"end": Outcome.SUCCESSFUL, "fail": Outcome.FAILED, "error": Outcome.ERROR, "skip": Outcome.SKIPPED}
    outcomes |= {"pending": Outcome.PENDING, "cancel step": Outcome.CANCELED}
    state = walk.node(key)
    match act:
        case "take":
            walk.take(key)
        case "gone":
            walk.do(StepWorkerGone("w1"))
        case "unserved":
            walk.do(Unserved(state.key, state.attempt, "nobody"))
        case "child" if walk.run.facts.graph.nodes[walk.run.numbers[state.key]].kind == "run":
            walk.start_child(key)
        case "child ends":
            walk.end_child(key, Outcome.FAILED)
        case "answer":
            walk.answer(key, token=make_callback_token("s3cret", state.key, state.attempt))
        case "approve" | "deny":
            walk.answer(key, approved=act == "approve")
        case "stop":
            walk.stop()
        case "cancel":
            walk.cancel()
        case "begin":
            walk.do(Begin())
        case "resume":
            walk.resume()
        case "input":
            walk.resume(given={"x": 1})
        case "time":
            walk.pass_time(6)
        case "long time":
            walk.pass_time(700)
        case "late end":
            walk.end(key, attempt=state.attempt - 1)
        case _ if act in outcomes and walk.run.facts.graph.nodes[walk.run.numbers[state.key]].function:
            walk.end(key, outcomes[act], delta={act: key})


def check_laws(walk: Walk) -> None:
    """Check what holds of every run after every decision."""
    run = walk.run
    again = open_run(run.facts.model_copy(update={"nodes": tuple(run.nodes)}))
    assert (run.n_decided, run.n_satisfied, run.open) == (again.n_decided, again.n_satisfied, again.open)
    assert +run.n_by_status == again.n_by_status
    if walk.status in RUN_OVER:
        assert all(state.status in NODE_OVER for state in run.nodes)
        assert run.facts.ended_at is not None
        assert run.facts.wake_at is None
    at_work = {NodeStatus.DUE, NodeStatus.TAKEN} & {state.status for state in run.nodes}
    if at_work:
        assert walk.status is RunStatus.RUNNING
    if walk.status in (RunStatus.RUNNING, RunStatus.WAITING, RunStatus.HALTED):
        assert any(state.status in NODE_OPEN for state in run.nodes), "nothing would ever bring it on"
    if walk.status is RunStatus.WAITING:
        assert NodeStatus.HALTED not in {state.status for state in run.nodes}
    assert [row.number for row in walk.rows] == list(range(1, len(walk.rows) + 1))
    assert walk.facts.n_rows == len(walk.rows)
    ends = Counter((row.node, row.attempt) for row in walk.rows if row.act == "ended" and row.attempt)
    assert all(n <= 2 for n in ends.values()), "an attempt ends once; its node may be canceled after that"


def finish(walk: Walk) -> None:
    """Let everybody do what is theirs, until the run is over."""
    for _ in range(60):
        if walk.status in RUN_OVER:
            return
        if walk.status in (RunStatus.CREATED, RunStatus.STOPPED, RunStatus.HALTED):
            attempt(lambda: walk.do(Begin()))
        for state in list(walk.run.nodes):
            for act in ("end", "child", "child ends", "answer", "approve"):
                if walk.status not in RUN_OVER and walk.node(state.key).status in NODE_OPEN:
                    attempt(lambda: perform(walk, act, state.key))  # noqa: B023 - it is called at once
        attempt(lambda: walk.resume(given={}))
        if walk.status not in RUN_OVER:
            walk.pass_time(700)
    raise AssertionError(f"the run does not end: {walk.status} {walk.statuses}")


@given(graphs(), STORY)
def test_the_laws_hold_after_every_decision_and_every_run_can_be_ended(
    graph: Graph, story: list[tuple[str, int]]
) -> None:
    walk = Walk(graph).begin()
    over = None
    for act, number in story:
        before = (list(walk.run.nodes), walk.facts)
        key = f"n{number % len(graph.nodes)}"
        if not attempt(lambda: perform(walk, act, key)):  # noqa: B023 - it is called at once
            assert before == (walk.run.nodes, walk.facts), "a refusal changes nothing"
        check_laws(walk)
        if over is not None:
            assert walk.status is over, "what is over stays over"
        over = walk.status if walk.status in RUN_OVER else None
    finish(walk)
    check_laws(walk)


@given(graphs(), STORY)
def test_a_cleared_step_is_never_sent_again(graph: Graph, story: list[tuple[str, int]]) -> None:
    walk = Walk(graph).begin()
    for act, number in story:
        cleared = {state.key for state in walk.run.nodes if state.status is NodeStatus.SUCCESSFUL}
        n_sent = len(walk.sent)
        key = f"n{number % len(graph.nodes)}"
        attempt(lambda: perform(walk, act, key))  # noqa: B023 - it is called at once
        assert not cleared & {key for key, _ in walk.sent[n_sent:]}
