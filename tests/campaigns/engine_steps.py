"""The step lists of the engine's crash campaign. `DIARY` is a file that outlives every process that is killed.

Each call of a step is a line of the diary: `begin` or `end`, the time in seconds, the process, and the step's number.
"""

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
    polling_step,
    register_workflow,
    retrystep,
    start_process,
    step,
    task,
)
from ewms.steps.step_scope import current_scope
from runtime.failpoints import failpoint
from tests.campaigns.engine_plan import CHOOSY, LEAF, LONG_STEP


def note_call(what: str) -> int:
    """Add a line to the diary; return how often it was added for this step, this time included."""
    key = current_scope("the diary").idempotency_key.replace("/", " ", 1)
    path = Path(os.environ["DIARY"])
    with path.open("a") as file:
        file.write(f"{what} {time.time()} {key}\n")
    return sum(line.startswith(what) and line.endswith(key) for line in path.read_text().splitlines())


@step("Count")
def count(n: int = 0) -> State:
    note_call("begin")
    note_call("end")
    return {"n": n + 1}


@step("Take long")
def take_long(n: int) -> State:
    n_calls = note_call("begin")
    # By now the worker has said that it has the step.
    time.sleep(0.6)
    if n_calls == 1:
        failpoint(LONG_STEP)
    time.sleep(0.6)
    note_call("end")
    return {"n": n + 1}


@retrystep("Fail once", wait=timedelta(milliseconds=100))
def fail_once() -> None:
    if note_call("begin") == 1:
        raise UserWarning("once more")
    note_call("end")


@polling_step("Look", every=timedelta(milliseconds=100))
def look(n: int) -> State | Pending:
    # `look` may be called again for the same poll, so it counts as called but is not held to be called once.
    return Pending() if note_call("look") < 3 else {"n": n + 1}


@step("Ask")
def ask(callback_route: str) -> State:
    note_call("begin")
    note_call("end")
    return {"route": callback_route}


@step("Check")
def check(callback_result: State) -> State:
    return {"checked": callback_result["ok"]}


@step("Break")
def break_once() -> None:
    assert note_call("begin") > 1, "the first time it breaks"
    note_call("end")


@step("Start another")
def start_other() -> State:
    note_call("begin")
    child, refused = start_process(LEAF), start_process(CHOOSY, [{"amount": "many"}])
    note_call("end")
    return {"child": child, "refused": refused}


def ask_for_amount(state: State) -> FormGenerator[Any]:
    class AmountPage(FormPage):
        amount: int

    page = yield AmountPage
    return {"n": page.amount}


@task("Refuses what it is started with", initial_input_form=ask_for_amount)
def choosy() -> StepList:
    return begin >> count


@task("A leaf")
def leaf() -> StepList:
    return begin >> count >> count


@task("Every kind of step and of wait")
def walk() -> StepList:
    return (
        begin
        >> count
        >> callback_step("Call", ask, check)
        >> fail_once
        >> look
        >> await_event("Delivery", "delivered", correlation="order_id", result_key="delivery")
        >> break_once
        >> await_event("Late", "late", correlation="order_id", result_key="late", timeout=timedelta(seconds=1))
        >> start_other
        >> take_long
        >> count
    )


@task("Something to cancel")
def leave() -> StepList:
    return begin >> count >> take_long >> await_event("Nobody", "nobody") >> count


for _name in (LEAF, CHOOSY, "walk", "leave"):
    register_workflow(name=_name, target="SYSTEM", description="", tag="campaign", search_phrase="%")
