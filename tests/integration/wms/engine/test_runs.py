"""Runs on the real broker and the real database. The test plays the step workers: good, dead and late ones."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from runtime.bus.service_bus import Bus
from runtime.clock import utc_now
from schemas.engine.graph import BranchingProfile, Edge, EdgeKind, Graph, Node
from schemas.engine.run_documents import InputDocument
from schemas.engine.runs import ChildRequest, NodeStatus, Outcome, WaitAnswer, WantKind
from schemas.errors import Conflict, NotFound
from schemas.ids import NodeKey, RunUuid
from tests.integration.wms.engine.conftest import EngineWorld, define, step
from wms.engine import repository
from wms.engine.life.launching import LaunchWish
from wms.engine.life.stimuli import Resume, Wish, WriteNote
from wms.engine.life.waiting import AnswerVerdict

CHAIN = define("chain", "a", "b", "c")


async def test_a_step_worker_walks_a_chain_and_the_log_tells_of_every_step(engine_world: EngineWorld) -> None:
    worker = await engine_world.add_worker("w1", CHAIN)
    run = await engine_world.launch("chain", state={"n": 1})
    for key in "abc":
        order = await worker.hear(key)
        assert (order.run, order.function, order.definition_hash) == (run, f"do_{key}", CHAIN.hash)
        assert order.idempotency_key == f"{order.run_uuid}/{key}"
        await worker.take(order)
        await worker.end(order, delta={key: 1, "$dollar.dot": {"x": [1, None]}})
    ended = await engine_world.until_status(run, "successful")
    assert ended.state == {"n": 1, "a": 1, "b": 1, "c": 1, "$dollar.dot": {"x": [1, None]}}
    assert ended.wake_at is None
    rows = await repository.load_log(engine_world.wms.store, run)
    assert [(row.number, row.act, row.node) for row in rows] == [
        (1, "launch", None),
        (2, "begin", None),
        (3, "ended", "a"),
        (4, "ended", "b"),
        (5, "ended", "c"),
        (6, "ended", None),
    ]
    assert [row.number for row in (await engine_world.load(run)).log] == [1, 2, 3, 4, 5, 6], "few rows stay in the run"
    for n in range(20):
        await engine_world.wms.engine.apply_stimulus(run, WriteNote(f"note {n}"))
    moved = await engine_world.until(run, lambda document: len(document.log) < 20)
    rows = await repository.load_log(engine_world.wms.store, run)
    assert ([row.number for row in rows], moved.n_rows) == (list(range(1, 27)), 26)


async def test_a_worker_that_dies_in_a_step_loses_it_to_another_and_its_late_word_is_refused(
    engine_world: EngineWorld,
) -> None:
    first = await engine_world.add_worker("w1", CHAIN)
    run = await engine_world.launch("chain")
    order = await first.hear("a")
    await first.take(order)
    second = await engine_world.add_worker("w2", CHAIN)
    began = utc_now()
    await first.close()
    taken_over = await second.hear("a")
    assert utc_now() - began < timedelta(seconds=2)
    assert taken_over.attempt == order.attempt
    await second.take(taken_over)
    await second.end(taken_over, delta={"by": "w2"})
    await second.hear("b")
    # The twin was only frozen: it comes back over a new connection, and tells its own end.
    late = await engine_world.connect("w1", "default")
    await late.end(order, delta={"by": "w1"})
    await late.end(order.model_copy(update={"attempt": 7}), delta={"by": "w1"})
    for key in "bc":
        # The late twin is a worker like any other, and may get the rest.
        while not (found := [(w, o) for w in (second, late) for o in w.orders if o.node == key]):
            await asyncio.sleep(0.02)
        await found[0][0].end(found[0][1])
    ended = await engine_world.until_status(run, "successful")
    assert ended.state == {"by": "w2"}


async def test_a_failed_step_is_retried_with_the_state_before_it_and_of_two_resumes_one_wins(
    engine_world: EngineWorld,
) -> None:
    worker = await engine_world.add_worker("w1", CHAIN)
    run = await engine_world.launch("chain", state={"n": 1})
    await worker.end(await worker.hear("a"), Outcome.FAILED, delta={"n": 2})
    halted = await engine_world.until_status(run, "halted")
    assert halted.state == {"n": 1}
    assert halted.nodes[0].error is not None
    resumes = [engine_world.wms.engine.apply_stimulus(run, Resume("bob")) for _ in range(5)]
    results = await asyncio.gather(*resumes, return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["Conflict"] * 4 + ["NoneType"]
    await worker.end(await worker.hear("a", 2))
    await worker.hear("b")
    assert [order.node for order in worker.orders] == ["a", "a", "b"]


async def test_what_is_lost_on_the_way_to_the_worker_comes_again(
    engine_world: EngineWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await engine_world.add_worker("w1", CHAIN)

    async def lose(event: object) -> None:
        return None

    with monkeypatch.context() as lossy:
        lossy.setattr(Bus, "send_hint", lambda _, event: lose(event))
        run = await engine_world.launch("chain")
        await asyncio.sleep(0.1)
    order = await worker.hear("a")
    assert order.valid_until is not None
    assert order.valid_until > datetime.now(UTC)
    assert (await engine_world.load(run)).nodes[0].n_sent == 2


async def test_a_pool_that_nobody_has_ever_served_is_named_and_served_once_somebody_comes(
    engine_world: EngineWorld,
) -> None:
    elsewhere = define("elsewhere", step("a", pool="ewms"))
    await engine_world.add_worker("w1", elsewhere)
    run = await engine_world.launch("elsewhere")
    document = await engine_world.until(run, lambda document: bool(document.nodes[0].explanation))
    assert document.nodes[0].explanation == "no step worker of the pool 'ewms' has ever been there"
    await engine_world.wms.engine.apply_stimulus(run, Wish(WantKind.CANCEL, "bob", "no use"))
    canceled = await engine_world.until_status(run, "canceled")
    assert (canceled.nodes[0].status, canceled.explanation) == (NodeStatus.CANCELED, "no use")


async def test_only_the_user_of_the_pool_may_speak_of_its_nodes(engine_world: EngineWorld) -> None:
    worker = await engine_world.add_worker("w1", CHAIN)
    intruder = await engine_world.connect("w9", "ewms")
    run = await engine_world.launch("chain")
    order = await worker.hear("a")
    await intruder.end(order, delta={"stolen": True})
    await intruder.register(CHAIN)
    await worker.end(order)
    await worker.hear("b")
    assert (await engine_world.load(run)).state == {}


async def test_what_cannot_be_stored_fails_its_step_and_nothing_hangs(engine_world: EngineWorld) -> None:
    worker = await engine_world.add_worker("w1", CHAIN)
    run = await engine_world.launch("chain")
    await worker.end(await worker.hear("a"), delta={"n": 2**70})
    halted = await engine_world.until_status(run, "halted")
    assert halted.nodes[0].error is not None
    assert halted.nodes[0].error.error_class == "NotStorable"


async def test_a_launch_with_the_uuid_of_an_earlier_one_launches_nothing(engine_world: EngineWorld) -> None:
    await engine_world.add_worker("w1", CHAIN)
    uuid = RunUuid("11111111-1111-1111-1111-111111111111")
    wish = LaunchWish(who="ada")
    runs = [await engine_world.wms.engine.launch_run("chain", wish, run_uuid=uuid) for _ in range(2)]
    assert runs[0].id == runs[1].id
    with pytest.raises(NotFound, match="no definition found with name: nothing"):
        await engine_world.launch("nothing")


async def test_a_newer_registration_wins_for_new_runs_and_running_ones_keep_their_graph(
    engine_world: EngineWorld,
) -> None:
    worker = await engine_world.add_worker("w1", CHAIN)
    old = await engine_world.launch("chain")
    newer = define("chain", "a", "z")
    await worker.register(newer)
    while (await repository.find_definition(engine_world.wms.store, "chain") or ("",))[0] != newer.hash:
        await asyncio.sleep(0.02)
    new = await engine_world.launch("chain")
    assert [len((await engine_world.load(run)).nodes) for run in (old, new)] == [3, 2]
    orders = {order.run: order for order in [await worker.hear("a"), await worker.hear("a", n=2)]}
    assert [orders[run].definition_hash for run in (old, new)] == [CHAIN.hash, newer.hash]
    for order in orders.values():
        await worker.end(order)
    assert (await worker.hear("b")).definition_hash == CHAIN.hash
    assert (await worker.hear("z")).definition_hash == newer.hash


async def test_a_callback_comes_early_late_twice_and_with_a_wrong_token(engine_world: EngineWorld) -> None:
    wait = Node.model_validate(
        {"key": "w", "name": "w", "kind": "wait", "wait": {"kind": "callback", "result_key": "answer"}}
    )
    worker = await engine_world.add_worker("w1", define("called", step("a", opens=1), wait, "b"))
    run = await engine_world.launch("called")
    order = await worker.hear("a")
    assert order.callback_key

    async def call(answer_id: str, token: str) -> AnswerVerdict:
        answer = WaitAnswer(id=answer_id, body={"by": answer_id}, at=utc_now())
        return await engine_world.wms.engine.answer_wait(run, NodeKey("w"), answer, token=token)

    assert await call("1", "guess") is AnswerVerdict.UNKNOWN
    verdicts = await asyncio.gather(*(call(str(n), order.callback_key) for n in (1, 1, 2)))
    assert sorted(verdicts) == [AnswerVerdict.DUPLICATE, AnswerVerdict.KEPT, AnswerVerdict.LATE]
    await worker.end(order)
    after = await worker.hear("b")
    assert after.state == {"answer": {"by": "1"}}
    assert await call("3", order.callback_key) is AnswerVerdict.LATE


def make_event(name: str, correlation: str) -> InputDocument:
    """Return an event from outside."""
    now = utc_now()
    return InputDocument(
        id=f"{name}/{correlation}",
        name=name,
        correlation=correlation,
        body={"up": True},
        at=now,
        expires_at=now + repository.INPUT_LIFE,
    )


@pytest.mark.parametrize("when", ["before", "after", "at once"])
async def test_no_event_is_lost_whenever_it_comes(engine_world: EngineWorld, when: str) -> None:
    spec = {"kind": "event", "name": "link.up", "correlation_key": "port"}
    wait = Node.model_validate({"key": "w", "name": "w", "kind": "wait", "wait": spec})
    worker = await engine_world.add_worker("w1", define("awaits", "a", wait, "b"))
    run = await engine_world.launch("awaits", state={"port": 7})
    order = await worker.hear("a")
    event = make_event("link.up", "7")
    if when == "before":
        assert await engine_world.wms.inputs.take_event(event) == 0
        await worker.end(order)
    elif when == "after":
        await worker.end(order)
        await engine_world.until_status(run, "waiting")
        assert await engine_world.wms.inputs.take_event(make_event("link.up", "8")) == 0
        assert await engine_world.wms.inputs.take_event(event) == 1
    else:
        await asyncio.gather(worker.end(order), engine_world.wms.inputs.take_event(event))
    after = await worker.hear("b")
    assert after.state == {"port": 7, "up": True}
    assert await engine_world.wms.inputs.take_event(event) == 0


async def test_a_step_starts_runs_once_though_it_says_so_twice(engine_world: EngineWorld) -> None:
    worker = await engine_world.add_worker("w1", define("bulk", "a", "b"), define("single", "s"))
    await engine_world.launch("bulk")
    child = ChildRequest(uuid=RunUuid("22222222-2222-2222-2222-222222222222"), definition="single", params={"x": 1})
    order = await worker.hear("a")
    await worker.end(order, children=(child,))
    await worker.end(order, children=(child,))
    started = await worker.hear("s")
    assert started.state == {"x": 1}
    await worker.hear("b")
    assert [o.node for o in worker.orders].count("s") == 1
    refused = await worker.hear("b")
    await worker.end(refused, children=(child.model_copy(update={"uuid": "3", "definition": "nothing"}),))
    halted = await engine_world.until_status(refused.run, "halted")
    assert halted.nodes[1].error is not None
    assert "nothing" in halted.nodes[1].error.message


async def test_a_dag_of_runs_routes_failures_passes_artifacts_and_is_canceled_from_the_top(
    engine_world: EngineWorld,
) -> None:
    nested = {"kind": "run", "definition": "nested"}
    graph = Graph(
        profile=BranchingProfile.DAG,
        nodes=(
            Node.model_validate({"key": "r1", "name": "r1", **nested, "edges": [Edge(kind=EdgeKind.FAILURE, to=1)]}),
            step("fix", edges=(Edge(to=2),)),
            Node.model_validate({"key": "r2", "name": "r2", **nested}),
        ),
    )
    failing = Graph(profile=BranchingProfile.TREE, nodes=(step("n"),))
    worker = await engine_world.add_worker("w1", define("tree", graph=graph), define("nested", graph=failing))
    run = await engine_world.launch("tree", params={"v": 1})
    inner = await worker.hear("n")
    assert inner.variables == {"v": 1}
    await worker.end(inner, Outcome.FAILED, artifacts={"serial": 9})
    fix = await worker.hear("fix")
    assert fix.variables == {"serial": 9, "v": 1}
    await worker.end(fix)
    second = await worker.hear("n", n=2)
    await worker.take(second)
    await engine_world.wms.engine.apply_stimulus(run, Wish(WantKind.CANCEL, "bob", "enough"))
    assert (await engine_world.load(run)).status == "running", "a step below is at work"
    await worker.end(second)
    canceled = await engine_world.until_status(run, "canceled")
    assert [state.status for state in canceled.nodes] == ["failed", "successful", "canceled"]
    assert (await engine_world.load(second.run)).status == "canceled"


async def test_a_definition_that_would_run_within_itself_is_an_error(engine_world: EngineWorld) -> None:
    node = Node.model_validate({"key": "r", "name": "r", "kind": "run", "definition": "snake"})
    await engine_world.add_worker("w1", define("snake", graph=Graph(profile=BranchingProfile.DAG, nodes=(node,))))
    run = await engine_world.launch("snake")
    ended = await engine_world.until_status(run, "failed")
    assert ended.nodes[0].error is not None
    assert "within itself" in ended.nodes[0].error.message


async def test_over_is_over(engine_world: EngineWorld) -> None:
    await engine_world.add_worker("w1", define("nothing to do"))
    run = await engine_world.launch("nothing to do")
    assert (await engine_world.load(run)).status == "successful"
    with pytest.raises(Conflict, match="it is successful"):
        await engine_world.wms.engine.apply_stimulus(run, Resume("bob"))
    with pytest.raises(NotFound):
        await engine_world.wms.engine.apply_stimulus(run + 1, Resume("bob"))  # type: ignore[arg-type]  # the next id
