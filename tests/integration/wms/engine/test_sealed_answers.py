"""Answers from outside for masked keys of a run: sealed wherever MongoDB keeps the run, readable for its steps."""

from runtime.clock import utc_now
from schemas.engine.graph import Node
from schemas.engine.run_documents import RUN_LOG
from schemas.engine.runs import WaitAnswer
from schemas.ids import NodeKey
from tests.integration.wms.engine.conftest import EngineWorld, define, step
from tests.integration.wms.engine.test_runs import make_event
from wms.engine.life.waiting import AnswerVerdict


async def test_what_answers_bring_for_masked_keys_is_stored_sealed(engine_world: EngineWorld) -> None:
    called = {"kind": "callback", "result_key": "answer"}
    event = {"kind": "event", "name": "link.up", "correlation_key": "port"}
    v, w = (
        Node.model_validate({"key": key, "name": key, "kind": "wait", "wait": wait})
        for key, wait in (("v", called), ("w", event))
    )
    worker = await engine_world.add_worker("w1", define("called", step("a", opens=1), v, w, "b"))
    run = await engine_world.launch("called", state={"port": 7}, masked=("answer", "pin"))
    order = await worker.hear("a")
    # It looks like a sealed value, and is none.
    answer = WaitAnswer(id="1", body="fernet:s3cret", at=utc_now())
    engine = engine_world.wms.engine
    assert await engine.answer_wait(run, NodeKey("v"), answer, token=order.callback_key) is AnswerVerdict.KEPT
    assert "s3cret" not in repr(await engine_world.load(run)), "an early answer is sealed, too"
    await worker.end(order)
    await engine_world.until_status(run, "waiting")
    given = make_event("link.up", "7").model_copy(update={"body": {"pin": "s3cret", "up": True}})
    assert await engine_world.wms.inputs.take_event(given) == 1
    after = await worker.hear("b")
    assert after.state == {"port": 7, "answer": "fernet:s3cret", "pin": "s3cret", "up": True}
    assert "s3cret" not in repr(await engine_world.load(run))
    assert "s3cret" not in repr(await engine_world.wms.store.find(RUN_LOG, {}))
