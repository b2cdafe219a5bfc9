"""A step list for the tests of real step workers. `DIARY` is a file that outlives a worker that is killed."""

import asyncio
import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from ewms.steps import (
    FormGenerator,
    FormPage,
    Pending,
    State,
    StepList,
    await_event,
    begin,
    callback_step,
    conditional,
    inputstep,
    polling_step,
    retrystep,
    start_process,
    step,
    step_group,
    task,
)


def write_line(line: str) -> int:
    """Add `line` to the diary, and return how often it stands there now."""
    path = Path(os.environ["DIARY"])
    with path.open("a") as file:
        file.write(f"{line}\n")
    return path.read_text().splitlines().count(line)


@step("Plain")
def plain(n: int) -> State:
    write_line("plain")
    return {"n": n + 1}


@step("Async")
async def on_the_loop(n: int) -> State:
    await asyncio.sleep(0)
    return {"n": n + 1}


@retrystep("Flaky", wait=timedelta(milliseconds=50))
def fail_once() -> None:
    if write_line("flaky") == 1:
        raise UserWarning("once more")


@polling_step("Look", every=timedelta(milliseconds=50))
def look_twice() -> State | Pending:
    return Pending() if write_line("look") < 3 else {"looked": 3}


@step("Ask")
def ask(callback_route: str) -> State:
    return {"route": callback_route}


@step("Check")
def check(callback_result: State) -> State:
    return {"checked": callback_result["ok"]}


@step("Never")
def never() -> None:
    write_line("never")


@step("Break")
def break_once() -> None:
    assert write_line("break") > 1, "the first time it breaks"


@task("Every kind of step")
def walk_all() -> StepList:
    return (
        begin
        >> step_group("Both", begin >> plain >> on_the_loop)
        >> on_the_loop
        >> fail_once
        >> look_twice
        >> conditional(lambda state: state["n"] < 0)(begin >> never >> await_event("Nobody", "nobody"))
        >> callback_step("Call", ask, check)
        >> await_event("Delivery", "delivered", correlation="order_id", result_key="delivery")
        >> break_once
    )


@step("Poison")
def end_the_worker() -> None:
    write_line("poison")
    os._exit(9)


@task("A step that ends its worker")
def walk_into_poison() -> StepList:
    return begin >> end_the_worker


@step("Slow")
def be_slow() -> None:
    if write_line("slow") == 1:
        time.sleep(600)


@task("A step in which workers die")
def walk_slowly() -> StepList:
    return begin >> plain >> be_slow >> plain


def ask_for_name(state: State) -> FormGenerator:
    class NamePage(FormPage):
        name: str
        amount: int

    first = yield NamePage

    class SurePage(FormPage):
        is_sure: bool

    sure = yield SurePage
    return {"name": first.name, "amount": first.amount, "is_sure": sure.is_sure}


def refuse_mallory(user: Any) -> bool:
    return bool(user.user_name != "mallory")


@inputstep("Approve", assignee="NOC", resume_auth_callback=lambda user: user.user_name != "eve")
def ask_for_approval(name: str) -> FormGenerator:
    class ApprovePage(FormPage):
        approved_by: str
        about: str = name

    answer = yield ApprovePage
    return answer.model_dump()


@task("Asks before it starts", initial_input_form=ask_for_name, authorize_callback=refuse_mallory)
def ask_first() -> StepList:
    return begin >> step("Note")(lambda: None) >> ask_for_approval >> break_once


@task("May not run", run_predicate=lambda: "not on Sundays")
def never_start() -> StepList:
    return begin


def raise_in_form(state: State) -> FormGenerator:
    raise LookupError("no such node")
    yield


@task("A form with a bug", initial_input_form=raise_in_form)
def ask_badly() -> StepList:
    return begin


@task("Calls an outside system")
def call_out() -> StepList:
    return begin >> callback_step("Call", ask, check)


@step("Order")
def order_box() -> State:
    return {"order_id": 7}


@task("Waits for an event")
def await_box() -> StepList:
    return begin >> order_box >> await_event("Delivery", "box.delivered", correlation="order_id", result_key="box")


@task("Waits twice for events of one name")
def measure_twice() -> StepList:
    first = await_event("First", "measured", correlation="order_id", result_key="first")
    return begin >> order_box >> first >> await_event("Second", "measured", correlation="order_id", result_key="second")


@step("Start others")
def start_others() -> State:
    good = start_process("ask_first", [{"name": "child", "amount": 1}, {"is_sure": True}])
    bad = start_process("ask_first", [{"name": "child", "amount": "many"}, {"is_sure": True}])
    return {"good": good, "bad": bad, "late": start_process("ask_first", [{"name": "child", "amount": 2}])}


@task("Starts processes")
def start_children() -> StepList:
    return begin >> start_others
