"""Steps that wait: for a person, a callback, an event, a poll, a fleet workflow, or for better times."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from ewms import Task, Workflow
from ewms.steps import (
    Accept,
    Assignee,
    Choice,
    FormGenerator,
    FormPage,
    Pending,
    State,
    await_event,
    begin,
    callback_step,
    conditional,
    focussteps,
    inputstep,
    polling_step,
    retrystep,
    run_workflow,
    step,
)
from ewms.steps.testing import FormRefused, Rehearsal, WrongStatus
from ewms.steps.testing.walk import STATUS_OF_WAIT
from schemas.engine.graph import WaitKind
from schemas.engine.runs import NodeState, NodeStatus, RunStatus, Wait
from schemas.ids import NodeKey
from wms.processes.process_status import find_process_status

MINUTE = timedelta(minutes=1)


def test_a_retry_step_is_called_again_after_pauses_that_grow_to_ten_minutes(rehearsal: Rehearsal) -> None:
    calls: list[Any] = []

    @retrystep("Ping")
    def ping() -> State:
        calls.append(rehearsal.now)
        if len(calls) < 7:
            raise UserWarning("no answer yet")
        return {"answered": True}

    process = rehearsal.run_steps(begin >> ping).expect("waiting")
    rehearsal.pass_time(timedelta(hours=2))

    process.expect("completed")
    pauses = [int((late - early) / MINUTE) for early, late in pairwise(calls)]
    assert pauses == [1, 2, 4, 8, 10, 10]
    assert [str(row.status) for row in process.journal] == ["waiting"] * 6 + ["success"]
    assert process.journal[0].error["class"] == "UserWarning"


def test_a_retry_step_with_a_bound_fails_at_last_and_a_person_may_start_over(rehearsal: Rehearsal) -> None:
    @retrystep("Ping", wait=MINUTE, attempts=2)
    def ping() -> None:
        raise UserWarning("no answer")

    process = rehearsal.run_steps(begin >> ping).expect("waiting")
    rehearsal.pass_time(MINUTE)
    process.expect("failed")
    process.retry().expect("waiting")


def test_a_waiting_retry_step_can_be_resumed_sooner(rehearsal: Rehearsal) -> None:
    answers = [UserWarning("no")]

    @retrystep("Ping")
    def ping() -> None:
        if answers:
            raise answers.pop()

    rehearsal.run_steps(begin >> ping).resume().expect("completed")


class Line(Choice):
    FIBRE = ("fibre", "Glass")
    COPPER = ("copper", "Copper")


@inputstep("Choose a line", assignee=Assignee.NOC)
def choose_line(city: str) -> FormGenerator:
    class LinePage(FormPage):
        line: Line

    class SurePage(FormPage):
        is_sure: Accept

    answer: Any = yield LinePage
    yield SurePage
    return {"order": {"line": answer.line, "city": city}}


def test_an_input_step_suspends_and_goes_on_with_all_its_pages(rehearsal: Rehearsal) -> None:
    process = rehearsal.run_steps(begin >> choose_line, {"city": "Ams", "order": {"id": 4, "line": None}})
    process.expect("suspended")
    assert process.assignee == "NOC"

    process.resume({"line": "copper"}, {"is_sure": "ACCEPTED"}, who="anna").expect("completed")

    assert process.state["order"] == {"id": 4, "line": "copper", "city": "Ams"}
    assert process.journal[-1].who == "anna"


def test_an_input_step_that_gets_too_few_wrong_or_too_many_pages_waits_as_before(rehearsal: Rehearsal) -> None:
    process = rehearsal.run_steps(begin >> choose_line, {"city": "Ams"})

    for pages in ([], [{"line": "copper"}], [{"line": "wood"}], [{"line": "copper"}, {"is_sure": "ACCEPTED"}, {}]):
        with pytest.raises(FormRefused):
            process.resume(*pages)
        process.expect("suspended")
    assert len(process.journal) == 1


def test_an_input_step_may_return_one_page_and_work_in_focus(rehearsal: Rehearsal) -> None:
    @inputstep("Name it")
    def name_it(n: int) -> type[FormPage]:
        class NamePage(FormPage):
            name: str = f"port-{n}"

        return NamePage

    process = rehearsal.run_steps(begin >> focussteps("port")(name_it), {"port": {"n": 3}})
    assert process.resume({}).expect("completed").state == {"port": {"n": 3, "name": "port-3"}}


def make_call(rehearsal: Rehearsal, during: Any = None) -> tuple[Any, list[str]]:
    routes: list[str] = []

    @step("Ask")
    def ask(callback_route: str) -> State:
        routes.append(callback_route)
        if during:
            during(callback_route)
        return {"asked": True}

    @step("Check")
    def check(callback_result: State) -> State:
        assert callback_result["ok"], "the other side says no"
        return {"checked": True}

    return begin >> callback_step("Call", ask, check, timeout=10 * MINUTE), routes


def test_s17_a_callbacks_answer_is_in_the_state_and_only_the_action_sees_its_route(rehearsal: Rehearsal) -> None:
    steps, routes = make_call(rehearsal)
    process = rehearsal.run_steps(steps).expect("awaiting_callback")
    assert routes == [process.callback_route]
    assert "callback_route" not in process.state

    assert process.call_back({"ok": True}, routes[0])

    process.expect("completed")
    assert process.state == {"asked": True, "callback_result": {"ok": True}, "checked": True}
    assert not process.call_back({"ok": False}, routes[0])


def test_s19_a_failed_check_begins_again_with_the_action_and_a_new_route(rehearsal: Rehearsal) -> None:
    steps, routes = make_call(rehearsal)
    process = rehearsal.run_steps(steps)
    process.call_back({"ok": False})
    process.expect("inconsistent_data")

    process.retry().expect("awaiting_callback")
    assert len(set(routes)) == 2
    assert "callback_result" not in process.state
    assert not process.call_back({"ok": True}, routes[0])
    assert process.call_back({"ok": True}, routes[1])
    process.expect("completed")


def test_a_callback_that_comes_before_anybody_waits_is_kept(rehearsal: Rehearsal) -> None:
    def answer_at_once(route: str) -> None:
        [process] = rehearsal.processes.values()
        assert process.call_back({"ok": True}, route)
        assert not process.call_back({"ok": False}, route)

    steps, _ = make_call(rehearsal, answer_at_once)
    rehearsal.run_steps(steps).expect("completed")


def test_a_callback_that_does_not_come_in_time_fails_the_step(rehearsal: Rehearsal) -> None:
    steps, routes = make_call(rehearsal)
    process = rehearsal.run_steps(steps)
    rehearsal.pass_time(9 * MINUTE)
    process.expect("awaiting_callback")
    rehearsal.pass_time(MINUTE)
    process.expect("failed")
    assert process.journal[-1].error["class"] == "TimedOut"
    assert not process.call_back({"ok": True}, routes[0])


def test_s19_a_condition_skips_a_callback_step_as_a_whole(rehearsal: Rehearsal) -> None:
    steps, routes = make_call(rehearsal)
    process = rehearsal.run_steps(begin >> conditional(lambda state: False)(steps)).expect("completed")
    assert (routes, [str(row.status) for row in process.journal]) == ([], ["skipped"] * 3)


def test_an_event_goes_to_the_process_with_its_correlation_and_may_come_early(rehearsal: Rehearsal) -> None:
    wait = await_event("Delivery", "router.delivered", correlation="order_id", result_key="delivery")
    one = rehearsal.run_steps(begin >> wait, {"order_id": 1}).expect("awaiting_callback")

    assert not rehearsal.publish_event("router.delivered", {"box": 2}, correlation="2")
    one.expect("awaiting_callback")
    assert rehearsal.publish_event("router.delivered", {"box": 1}, correlation="1")
    assert one.expect("completed").state["delivery"] == {"box": 1}
    other = rehearsal.run_steps(begin >> wait, {"order_id": 2}).expect("completed")
    assert other.state["delivery"] == {"box": 2}


def test_an_event_goes_to_each_process_that_waits_for_it(rehearsal: Rehearsal) -> None:
    wait = await_event("Delivery", "router.delivered")
    both = [rehearsal.run_steps(begin >> wait) for _ in range(2)]
    assert rehearsal.publish_event("router.delivered", {"box": 1})
    assert [one.expect("completed").state["event"] for one in both] == [{"box": 1}, {"box": 1}]
    assert not rehearsal.publish_event("router.delivered", {"box": 2})


@pytest.mark.parametrize("kind", STATUS_OF_WAIT)
def test_a_process_waits_with_the_status_that_it_has_on_a_server(kind: WaitKind) -> None:
    node = NodeState(key=NodeKey("w"), status=NodeStatus.WAITING, wait=Wait(kind=kind))
    assert find_process_status(RunStatus.WAITING, [node]) is STATUS_OF_WAIT[kind][0]


def test_an_event_without_its_key_in_the_state_fails_by_name(rehearsal: Rehearsal) -> None:
    process = rehearsal.run_steps(begin >> await_event("Delivery", "e", correlation="order_id")).expect("failed")
    assert "'order_id', by which 'Delivery' knows its event" in process.journal[0].error["error"]


def test_a_polling_step_is_called_again_until_it_says_something_else(rehearsal: Rehearsal) -> None:
    calls: list[Any] = []

    @polling_step("Backup", every=10 * MINUTE, timeout=60 * MINUTE)
    def look(backup_id: int) -> State | Pending:
        calls.append(rehearsal.now)
        return {"size": 9} if len(calls) == 3 else Pending()

    process = rehearsal.run_steps(begin >> look, {"backup_id": 1}).expect("waiting")
    rehearsal.pass_time(20 * MINUTE)

    process.expect("completed")
    assert process.state == {"backup_id": 1, "size": 9}
    assert calls[2] - calls[0] == 20 * MINUTE
    assert [str(row.status) for row in process.journal] == ["waiting", "success"]


def test_a_polling_step_that_looks_too_long_fails_and_an_error_fails_it_at_once(rehearsal: Rehearsal) -> None:
    @polling_step("Backup", every=MINUTE, timeout=5 * MINUTE)
    def look(answer: str) -> Pending:
        if answer == "error":
            raise RuntimeError("lost")
        return Pending()

    process = rehearsal.run_steps(begin >> look, {"answer": "pending"})
    rehearsal.pass_time(6 * MINUTE)
    assert process.expect("failed").journal[-1].error["class"] == "TimedOut"
    assert rehearsal.run_steps(begin >> look, {"answer": "error"}).status == "failed"


def test_only_a_polling_step_may_be_pending(rehearsal: Rehearsal) -> None:
    process = rehearsal.run_steps(begin >> step("Plain")(Pending)).expect("failed")
    assert "which only a polling step may" in process.journal[0].error["error"]


def test_a_fleet_workflow_is_asked_for_with_its_events_and_its_end_goes_into_the_state(rehearsal: Rehearsal) -> None:
    @run_workflow("Simulate", result_key="simulation")
    def simulate(seeds: list[int]) -> Any:
        task = Task(image="/images/sim.sif", args="sim {{INFILE}}", inputs=("in",), clusters=("here",))
        return Workflow(tasks=[task]), seeds

    process = rehearsal.run_steps(begin >> simulate, {"seeds": [1, 2]}).expect("waiting")
    assert process.waits_for is not None
    assert process.waits_for.request is not None
    assert process.waits_for.request["tasks"][0]["task_image"] == "/images/sim.sif"
    assert process.waits_for.events == (1, 2)

    process.end_workflow(status="done", results=[3, 4])
    assert process.expect("completed").state["simulation"] == {"status": "done", "results": [3, 4]}


def test_a_workflow_step_returns_a_workflow(rehearsal: Rehearsal) -> None:
    process = rehearsal.run_steps(begin >> run_workflow("Simulate")(lambda: 3)).expect("failed")
    assert process.journal[0].error["error"] == "'Simulate' returned a int; it returns a workflow or its request"


def test_an_aborted_process_is_over_and_a_completed_one_cannot_be_aborted(rehearsal: Rehearsal) -> None:
    process = rehearsal.run_steps(begin >> choose_line, {"city": "Ams"}).abort("anna")
    assert (process.status, process.journal[-1].who) == ("aborted", "anna")
    with pytest.raises(WrongStatus):
        process.resume({"line": "copper"}, {"is_sure": "ACCEPTED"})
    with pytest.raises(WrongStatus):
        rehearsal.run_steps(begin).abort()
    with pytest.raises(WrongStatus, match="does not wait"):
        process.end_workflow()
