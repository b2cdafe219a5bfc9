"""Views that ask for a workflow's depths at the same time share one question to MQS."""

import asyncio

from schemas.errors import Unavailable
from schemas.ids import WorkflowId
from schemas.questions.bases import Answer, Question
from schemas.questions.queues import DepthsAnswer, DepthsQuery, TaskProfilesQuery
from wms.fleet.stalls.depth_questions import SharedDepths

ONE, OTHER = (DepthsQuery(workflow_id=WorkflowId(f"WF-1-0000000{n}")) for n in (1, 2))


class SlowMqs:
    """Answers when it is let, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Question] = []
        self.may_answer = asyncio.Event()
        self.is_away = False

    async def ask(self, request: Question, *, to: str | None = None, timeout_s: float = 5.0) -> Answer:
        self.asked.append(request)
        await self.may_answer.wait()
        if self.is_away:
            raise Unavailable("away")
        return DepthsAnswer(queues=[], n_dead=len(self.asked))


async def ask_at_once(shared: SharedDepths, *questions: Question) -> list[asyncio.Task[Answer]]:
    tasks = [asyncio.create_task(shared.ask(question)) for question in questions]
    for _ in range(5):
        await asyncio.sleep(0)
    return tasks


async def test_who_asks_meanwhile_gets_the_same_answer_and_who_asks_later_a_new_one() -> None:
    mqs = SlowMqs()
    shared = SharedDepths(mqs)
    tasks = await ask_at_once(shared, ONE, ONE, OTHER, ONE)
    assert mqs.asked == [ONE, OTHER]
    mqs.may_answer.set()
    first, *_ = answers = await asyncio.gather(*tasks)
    assert [answer is first for answer in answers] == [True, True, False, True]
    assert await shared.ask(ONE) is not first
    assert mqs.asked == [ONE, OTHER, ONE]


async def test_other_questions_are_not_shared() -> None:
    mqs = SlowMqs()
    question = TaskProfilesQuery.model_construct()
    tasks = await ask_at_once(SharedDepths(mqs), question, question)
    assert mqs.asked == [question, question]
    mqs.may_answer.set()
    await asyncio.gather(*tasks)


async def test_a_failure_reaches_all_who_share_it_and_nobody_later() -> None:
    mqs = SlowMqs()
    shared = SharedDepths(mqs)
    mqs.is_away = True
    tasks = await ask_at_once(shared, ONE, ONE)
    mqs.may_answer.set()
    failures = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(failure) for failure in failures] == [Unavailable, Unavailable]
    mqs.is_away = False
    assert isinstance(await shared.ask(ONE), DepthsAnswer)
