"""Step lists whose steps go wrong, each in its own way. A worker of the tests offers them beside the enrollment."""

from typing import Any

from ewms.steps import State, StepList, begin, get_product_by_name, modify_workflow, start_process, step, task
from schemas.engine.runs import MAX_STATE_BYTES
from tests.unit.ewms.steps.enrollment import NodeEnrollmentInactive


@step("Take a key")
def take_key(missing_key: str) -> None:
    """Take an argument that no state has."""


@task("A state without the key that a step takes")
def lack_key() -> StepList:
    return begin >> take_key


@step("Return an object")
def return_object() -> State:
    return {"deep": {"list": [1, object()]}}


@task("A result that is no JSON")
def lack_json() -> StepList:
    return begin >> return_object


@step("Return much")
def return_much() -> State:
    return {"small": 1, "large": "x" * MAX_STATE_BYTES}


@task("A state over its limit")
def grow() -> StepList:
    return begin >> return_much


@step("Choose")
def choose_product() -> State:
    return {"product": str(get_product_by_name("Node Enrollment").product_id)}


@step("Make half of it")
def make_half(product: str) -> State:
    NodeEnrollmentInactive.from_product_id(product, "c1")
    start_process("lack_key")
    raise RuntimeError("no more than half")


@task("A step that fails after half of its work")
def stop_halfway() -> StepList:
    return begin >> choose_product >> make_half


@step("Want it initial")
def want_initial(subscription_id: NodeEnrollmentInactive) -> None:
    """Take the model of another lifecycle."""


@modify_workflow("A model of another lifecycle")
def misread_node() -> StepList:
    return begin >> want_initial


def refuse_eve(user: Any) -> bool:
    return bool(user.user_name != "eve")


@modify_workflow("Not for everybody", authorize_callback=refuse_eve)
def change_privately() -> StepList:
    return begin
