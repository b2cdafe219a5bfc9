"""A step worker answers questions about user code: its forms, predicates, callbacks and settings."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ewms.steps import FormGenerator, FormPage, State, StepList, begin, inputstep, step, task
from ewms.steps.definitions import ProcessDefinition, keep_definitions
from ewms.steps.gates import WF_BLOCKED_BY_IN_USE_BY_SUBSCRIPTIONS, WF_USABLE_MAP, WF_USABLE_WHILE_OUT_OF_SYNC
from ewms.steps.registrations import export_definition, keep_registrations
from ewms.worker.offers import Offer
from ewms.worker.question_answers import answer_question
from ewms.worker.question_desk import QuestionDesk
from runtime.bus.questions import Caller
from schemas.engine.processes import Target
from schemas.errors import Forbidden, Rejected, Unavailable
from schemas.ids import DefinitionHash, NodeKey, RunUuid
from schemas.questions.bases import Question
from schemas.questions.step_code import (
    ActingUser,
    EvaluateResume,
    EvaluateStart,
    FormEvaluated,
    FormVerdict,
    GateRulesRead,
    ReadGateRules,
)

RUN = RunUuid("3f6b2c1a-5b0e-4b5e-8c2e-0a1b2c3d4e5f")
WMS = Caller("wms")


def ask_name(state: State) -> FormGenerator:
    class NamePage(FormPage):
        name: str

    first = yield NamePage
    return {"name": first.name, "for": state["reporter"]}


@inputstep("Approve")
def approve(name: str) -> FormGenerator:
    class ApprovePage(FormPage):
        by: str = name

    answer = yield ApprovePage
    return answer.model_dump()


@step("Guarded", retry_auth_callback=lambda user: user.name == "root")
def guarded() -> None: ...


@pytest.fixture(autouse=True)
def _alone() -> Iterator[None]:
    with keep_definitions(), keep_registrations():
        yield


def offer_task(**extra: Any) -> dict[DefinitionHash, Offer]:
    @task("Named", initial_input_form=extra.pop("form", ask_name), **extra)
    def named() -> StepList:
        return begin >> approve >> guarded

    definition: ProcessDefinition = named
    sent = export_definition(definition)
    return {sent.hash: Offer(definition, sent, sent.hash, Target.SYSTEM)}


def evaluate(offers: dict[DefinitionHash, Offer], *pages: dict[str, Any], user: str = "ada") -> FormEvaluated:
    [digest] = offers
    answer = answer_question(
        EvaluateStart(
            definition="named",
            definition_hash=digest,
            run_uuid=RUN,
            state={"reporter": user},
            pages=pages,
            user=ActingUser(name=user),
        ),
        offers,
    )
    assert isinstance(answer, FormEvaluated)
    return answer


def resume(offers: dict[DefinitionHash, Offer], node: str, *, user: str = "ada", **fields: Any) -> FormEvaluated:
    [digest] = offers
    answer = answer_question(
        EvaluateResume(
            definition="named",
            definition_hash=digest,
            run_uuid=RUN,
            node=NodeKey(node),
            state={"name": "ams"},
            user=ActingUser(name=user),
            **fields,
        ),
        offers,
    )
    assert isinstance(answer, FormEvaluated)
    return answer


def test_s12_a_form_is_evaluated_from_its_first_page_each_time() -> None:
    offers = offer_task()
    asks = evaluate(offers)
    assert (asks.verdict, list(asks.form["properties"])) == (FormVerdict.INCOMPLETE, ["name"])
    assert evaluate(offers, {"name": []}).verdict is FormVerdict.INVALID
    assert evaluate(offers, {"name": "a"}, {}).verdict is FormVerdict.TOO_MANY_PAGES
    complete = evaluate(offers, {"name": "a"})
    assert (complete.verdict, complete.values) == (FormVerdict.COMPLETE, {"name": "a", "for": "ada"})


def test_authorization_comes_before_the_predicate_and_that_before_the_form() -> None:
    calls: list[str] = []

    def note(name: str, verdict: Any) -> Any:
        calls.append(name)
        return verdict

    both = {"run_predicate": lambda: note("predicate", "not now")}
    assert evaluate(offer_task(authorize_callback=lambda _: note("user", False), **both)).verdict is (
        FormVerdict.FORBIDDEN
    )
    refused = evaluate(offer_task(authorize_callback=lambda _: note("user", True), **both))
    assert (refused.verdict, refused.reason) == (FormVerdict.REFUSED, "not now")
    assert calls == ["user", "user", "predicate"]


def test_a_callback_may_be_a_coroutine_function() -> None:
    async def refuse(user: ActingUser) -> bool:
        return user.user_name != "ada"

    assert evaluate(offer_task(authorize_callback=refuse)).verdict is FormVerdict.FORBIDDEN
    assert evaluate(offer_task(authorize_callback=refuse), user="bob").verdict is FormVerdict.INCOMPLETE


def test_an_exception_of_user_code_names_module_function_and_exception() -> None:
    def break_down(state: State) -> FormGenerator:
        raise KeyError("node")
        yield

    failed = evaluate(offer_task(form=break_down), {})
    assert failed.verdict is FormVerdict.FAILED
    assert failed.reason.startswith(f"{__name__}.test_an_exception")
    assert failed.reason.endswith("break_down raised KeyError: 'node'")

    def leave(state: State) -> FormGenerator:
        raise SystemExit
        yield

    assert evaluate(offer_task(form=leave), {}).reason.endswith("leave raised SystemExit")


def test_what_cannot_be_read_now_is_no_failure_of_the_user_code() -> None:
    def read(state: State) -> FormGenerator:
        raise Unavailable("WMS is away")
        yield

    with pytest.raises(Unavailable):
        evaluate(offer_task(form=read), {})


def test_a_step_is_resumed_by_its_form_and_its_own_callback_counts_first() -> None:
    offers = offer_task(retry_auth_callback=lambda user: user.name == "bob")
    form = resume(offers, "1", has_form=True)
    assert form.form["properties"]["by"]["default"] == "ams"
    assert resume(offers, "1", has_form=True, pages=({"by": "x"},)).values == {"by": "x"}
    assert resume(offers, "1", has_form=False).verdict is FormVerdict.FORBIDDEN
    assert resume(offers, "1", has_form=False, user="bob").verdict is FormVerdict.COMPLETE
    assert resume(offers, "2", has_form=False, user="bob").verdict is FormVerdict.FORBIDDEN
    assert resume(offers, "2", has_form=False, user="root").verdict is FormVerdict.COMPLETE
    assert resume(offers, "2", has_form=False, checks_user=False).verdict is FormVerdict.COMPLETE
    assert resume(offers, "7", has_form=False).verdict is FormVerdict.NOT_OFFERED


def test_o29_the_three_settings_are_read_at_the_moment_of_the_question() -> None:
    offers = offer_task()
    [digest] = offers
    question = ReadGateRules(definition="named", definition_hash=digest)
    assert answer_question(question, offers) == GateRulesRead()
    try:
        WF_USABLE_MAP["named"] = ["PROVISIONING"]
        WF_BLOCKED_BY_IN_USE_BY_SUBSCRIPTIONS["named"] = True
        WF_USABLE_WHILE_OUT_OF_SYNC.append("named")
        answer = answer_question(question, offers)
        assert isinstance(answer, GateRulesRead)
        settings = answer.make_settings()
        assert settings.list_usable_lifecycles("named", Target.MODIFY) == ["provisioning"]
        assert settings.is_blocked_by_users("named", Target.MODIFY)
        assert list(settings.usable_out_of_sync) == ["named"]
    finally:
        del WF_USABLE_MAP["named"], WF_BLOCKED_BY_IN_USE_BY_SUBSCRIPTIONS["named"]
        WF_USABLE_WHILE_OUT_OF_SYNC.remove("named")


def test_a_worker_says_what_it_does_not_offer_and_answers_nobody_elses_questions() -> None:
    question = ReadGateRules(definition="named", definition_hash=DefinitionHash("older"))
    answer = answer_question(question, offer_task())
    assert isinstance(answer, FormEvaluated)
    assert answer.verdict is FormVerdict.NOT_OFFERED
    with pytest.raises(Rejected):
        answer_question(Question(kind="how-tall"), {})


def ask_start(offers: dict[DefinitionHash, Offer]) -> EvaluateStart:
    [digest] = offers
    return EvaluateStart(
        definition="named", definition_hash=digest, run_uuid=RUN, state={}, pages=(), user=ActingUser(name="ada")
    )


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """Ends the forms that hang."""
    event = threading.Event()
    yield event
    event.set()


def count_threads() -> int:
    return [thread.name for thread in threading.enumerate()].count("question")


async def until_threads(n: int) -> None:
    async with asyncio.timeout(5):
        while count_threads() > n:
            await asyncio.sleep(0.01)


def hold_form(release: threading.Event) -> Callable[[State], FormGenerator]:
    """Return a form that waits in C, which no exception reaches."""

    def hang(state: State) -> FormGenerator:
        release.wait(10)
        return {}
        yield

    return hang


async def test_a_form_that_hangs_gives_its_place_to_the_next_and_is_not_called_without_end(
    release: threading.Event,
) -> None:
    offers = offer_task(form=hold_form(release))
    question = ask_start(offers)
    desk = QuestionDesk(offers, n_threads=1, limit_s=0.02)
    for _ in range(3):
        late = await desk.answer(question, WMS)
        assert isinstance(late, FormEvaluated)
        assert late.verdict is FormVerdict.FAILED
        assert "named took longer than 0.02 s" in late.reason
    refused = await desk.answer(question, WMS)
    assert isinstance(refused, FormEvaluated)
    assert "3 earlier calls of it have not ended" in refused.reason
    assert count_threads() == 3
    # Nothing else waits for it.
    rules = ReadGateRules(definition="named", definition_hash=question.definition_hash)
    assert isinstance(await desk.answer(rules, WMS), GateRulesRead)

    release.set()
    await until_threads(0)
    mended = await desk.answer(question, WMS)
    assert isinstance(mended, FormEvaluated)
    assert mended.verdict is FormVerdict.COMPLETE


async def test_a_form_that_loops_for_ever_is_ended(release: threading.Event) -> None:
    def loop(state: State) -> FormGenerator:
        while not release.is_set():
            pass
        return {}
        yield

    offers = offer_task(form=loop)
    late = await QuestionDesk(offers, n_threads=1, limit_s=0.05).answer(ask_start(offers), WMS)
    assert isinstance(late, FormEvaluated)
    assert "named took longer than 0.05 s" in late.reason
    await until_threads(0)


async def test_a_desk_with_all_places_taken_says_so_and_answers_wms_only(release: threading.Event) -> None:
    offers = offer_task(form=hold_form(release))
    desk = QuestionDesk(offers, n_threads=1, limit_s=5)
    first = asyncio.ensure_future(desk.answer(ask_start(offers), WMS))
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="busy"):
        await desk.answer(ask_start(offers), WMS)
    with pytest.raises(Forbidden):
        await desk.answer(ask_start(offers), Caller("tms.a"))
    release.set()
    await first
