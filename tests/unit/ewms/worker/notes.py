"""Step lists for the tests of the step worker."""

import asyncio
import os
import threading
from typing import Any

from ewms.steps import (
    State,
    StepList,
    begin,
    callback_step,
    create_workflow,
    done,
    get_product_by_name,
    init,
    start_process,
    step,
    task,
)

#: What the steps saw.
SEEN: dict[str, Any] = {}


@step("Find")
def find(n: int) -> State:
    SEEN["thread"] = threading.current_thread().name
    return {"found": n + 1}


@step("Wait")
async def wait(found: int) -> State:
    await asyncio.sleep(0)
    SEEN["coroutine_thread"] = threading.current_thread().name
    return {"child": start_process("other")}


@step("Fail")
def fail() -> None:
    raise AssertionError("differs")


@step("Ask")
def ask(callback_route: str) -> State:
    return {"asked": callback_route}


@step("Read")
def read(subscription_id: Any) -> None:
    from ewms.steps import SubscriptionModel

    SubscriptionModel.from_subscription(subscription_id)


@step("Alone", isolate=True)
def be_alone(n: int) -> State:
    return {"pid": os.getpid(), "n": n}


@step("Crash", isolate=True)
def crash() -> None:
    os._exit(9)


@step("Look", isolate=True)
def look() -> State:
    return {"products": [get_product_by_name("Note").product_id for _ in "12"]}


@task("Alone")
def run_alone() -> StepList:
    return begin >> be_alone >> crash >> look


@step("Interrupt")
def interrupt() -> None:
    raise KeyboardInterrupt


@task("Notes")
def keep_notes() -> StepList:
    return begin >> find >> wait >> fail >> callback_step("Call", ask, find) >> read >> interrupt


@create_workflow("C")
def create_note() -> StepList:
    return begin >> init >> done
