"""Which step worker gets a question, and what becomes of one that nobody answers."""

from datetime import UTC, datetime
from typing import Any, cast

import pytest
import time_machine

from runtime.amqp import Unroutable
from runtime.kernel.store import Store
from schemas.errors import Broken, Forbidden, Unavailable
from schemas.ids import DefinitionHash
from schemas.questions.bases import Answer, Question, Refusal
from schemas.questions.step_code import FormEvaluated, FormVerdict, ReadGateRules
from wms.engine.worker_questions import WorkerQuestions

NOW = datetime(2026, 11, 29, 8, tzinfo=UTC)
ONE, OTHER = DefinitionHash("one"), DefinitionHash("other")
QUESTION = ReadGateRules(definition="chain", definition_hash=ONE)
ANSWER = FormEvaluated(verdict=FormVerdict.COMPLETE)
NOT_OFFERED = FormEvaluated(verdict=FormVerdict.NOT_OFFERED)


class Pool:
    """Step workers of two pools; `says` is what each does with a question."""

    def __init__(self, **says: Answer | Exception) -> None:
        self.says = says
        self.asked: list[str] = []

    async def ask(self, request: Question, *, to: str | None = None, timeout_s: float = 5.0) -> Answer:
        worker = str(to).removeprefix("steps.default.")
        self.asked.append(worker)
        said = self.says[worker]
        if isinstance(said, Exception):
            raise said
        return said

    async def find(self, *_: object, **__: object) -> list[dict[str, Any]]:
        workers = [{"name": name, "pool": "default", "hashes": (ONE,)} for name in self.says]
        workers += [{"name": "elsewhere", "pool": "lab", "hashes": (ONE,)}]
        workers += [{"name": "older", "pool": "default", "hashes": (OTHER,)}]
        return [{**worker, "started_at": NOW, "seen_at": NOW} for worker in workers]


async def ask(pool: Pool) -> Answer:
    with time_machine.travel(NOW, tick=False):
        return await WorkerQuestions(pool, cast("Store", pool)).ask(QUESTION, "default")


async def test_a_worker_of_the_pool_that_offers_the_version_is_asked_each_in_turn() -> None:
    pool = Pool(w1=ANSWER, w2=ANSWER)
    questions = WorkerQuestions(pool, cast("Store", pool))
    with time_machine.travel(NOW, tick=False):
        for _ in range(4):
            assert await questions.ask(QUESTION, "default") == ANSWER
    assert pool.asked == ["w1", "w2", "w1", "w2"]


async def test_a_worker_that_has_died_costs_no_try() -> None:
    pool = Pool(w1=Unroutable("gone"), w2=Unroutable("gone"), w3=Unroutable("gone"), w4=ANSWER)
    assert await ask(pool) == ANSWER


async def test_the_question_goes_to_one_other_worker_after_silence_and_then_nobody_is_asked() -> None:
    silent = Unavailable("no answer in time")
    assert await ask(Pool(w1=silent, w2=ANSWER, w3=ANSWER)) == ANSWER
    pool = Pool(w1=silent, w2=silent, w3=ANSWER)
    with pytest.raises(Unavailable, match="no answer of a step worker of the pool 'default'"):
        await ask(pool)
    assert pool.asked == ["w1", "w2"]
    lonely = Pool(w1=silent)
    with pytest.raises(Unavailable, match="no answer"):
        await ask(lonely)
    assert lonely.asked == ["w1", "w1"]


@pytest.mark.parametrize("pool", [Pool(), Pool(w1=NOT_OFFERED), Pool(w1=Unroutable("gone"))])
async def test_without_a_worker_that_offers_it_the_error_names_the_pool_and_the_remedy(pool: Pool) -> None:
    with pytest.raises(Unavailable, match="no step worker of the pool 'default' offers 'chain'") as refused:
        await ask(pool)
    assert "ewms worker --pool default" in refused.value.hint


async def test_a_refusal_is_not_asked_again() -> None:
    pool = Pool(w1=Forbidden("no"), w2=ANSWER)
    with pytest.raises(Forbidden):
        await ask(pool)
    assert pool.asked == ["w1"]


async def test_an_answer_to_something_else_is_a_defect() -> None:
    pool = Pool(w1=Refusal(code=404, error="?"))
    with time_machine.travel(NOW, tick=False), pytest.raises(Broken):
        await WorkerQuestions(pool, cast("Store", pool)).evaluate_form(cast("Any", QUESTION), "default")
